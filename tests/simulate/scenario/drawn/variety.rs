//! Pure: what some runs have and others do not, each in a fraction of the seeds.

use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;
use testkit::Service;
use testkit::kinesis::KmsFailure;
use testkit::sim::{Fault, Severity, Trouble, TroubleKind};

use super::{CALM, millis};
use crate::scenario::{
    Act, Chooser, Distribution, Kind, Outage, Puts, STREAM, Scenario, Shortage, Start, Tables, What, is_producer,
};

/// How long a trouble or a shortage lasts, in milliseconds: up to two lives of a lease.
const LASTS: Range<u64> = 1_000..20_000;

const KMS_FAILURES: [KmsFailure; 6] = [
    KmsFailure::Disabled,
    KmsFailure::AccessDenied,
    KmsFailure::InvalidState,
    KmsFailure::NotFound,
    KmsFailure::OptInRequired,
    KmsFailure::Throttling,
];

impl Scenario {
    /// Draws what is off by default.
    pub(super) fn draw_variety(&mut self, rng: &mut Rng) {
        self.draw_handlers(rng);
        self.puts = puts(rng);
        self.draw_start(rng);
        if one_in(4, rng) {
            self.tables = Tables {
                creation_time: Duration::from_millis(rng.u64(0..15_000)),
                read_lag: Duration::from_millis(rng.u64(0..1_000)),
            };
        }
        self.draw_operators(rng);
        if self.severity != Severity::None {
            self.draw_troubles(rng);
        }
        if self.kind == Kind::Produce && one_in(3, rng) {
            self.draw_distribution(rng);
        }
        if self.kind == Kind::Produce && one_in(4, rng) {
            self.draw_recreations(rng);
        }
        if self.may_return_silently() {
            self.puts.dropped = 0;
        }
    }

    fn draw_handlers(&mut self, rng: &mut Rng) {
        let handlers = &mut self.handlers;
        if one_in(3, rng) {
            handlers.checkpoints_inside = rng.u8(5..50);
        }
        if one_in(5, rng) {
            handlers.stalls = rng.u8(1..4);
        }
        if one_in(5, rng) {
            handlers.panics = rng.u8(1..5);
        }
        if one_in(8, rng) {
            handlers.outage = Some(Outage {
                from: moment(self.load, rng),
                lasts: Duration::from_millis(rng.u64(LASTS)),
                retries: rng.u32(0..4),
            });
        }
    }

    fn draw_start(&mut self, rng: &mut Rng) {
        self.start = match rng.u8(..8) {
            0 => Start::Latest,
            1 => Start::AtTimestamp(Duration::from_millis(rng.u64(0..30_000))),
            _ => Start::TrimHorizon,
        };
    }

    fn draw_operators(&mut self, rng: &mut Rng) {
        let mut act = |what: What, rng: &mut Rng| {
            let at = moment(self.load, rng);
            self.acts.push(Act { at, what });
        };
        if one_in(4, rng) {
            for _ in 0..rng.u8(1..=3) {
                let (worker, pause) = (rng.usize(..), Duration::from_millis(rng.u64(0..10_000)));
                act(What::Restart { worker, pause }, rng);
            }
        }
        if one_in(4, rng) {
            for _ in 0..rng.u8(1..=3) {
                let shortage = What::Throttle {
                    shard: rng.usize(..),
                    traffic: if rng.bool() { Shortage::Writes } else { Shortage::Reads },
                    lasts: Duration::from_millis(rng.u64(LASTS)),
                };
                act(shortage, rng);
            }
        }
        self.acts.sort_by_key(|act| act.at);
    }

    /// A stream on demand, which chooses the shards of its records at times, and does not always tell that it does.
    fn draw_distribution(&mut self, rng: &mut Rng) {
        let chooser = |rng: &mut Rng| {
            if rng.bool() {
                Chooser::Service
            } else {
                Chooser::Producer
            }
        };
        self.distribution = Distribution {
            begins: Some(chooser(rng)),
            described_every: rng.bool().then(|| Duration::from_millis(rng.u64(5_000..60_000))),
        };
        if rng.bool() {
            for _ in 0..rng.u8(1..=4) {
                let at = moment(self.load, rng);
                let what = What::Distribute(chooser(rng));
                self.acts.push(Act { at, what });
            }
            self.acts.sort_by_key(|act| act.at);
        }
        if rng.bool() {
            self.puts.keyless = rng.u8(5..100);
        }
        if self.severity != Severity::None && rng.bool() {
            self.withhold_descriptions(rng);
        }
    }

    /// Producers cannot learn from the service who chooses shards: from the start, or later, for a while or to the end.
    fn withhold_descriptions(&mut self, rng: &mut Rng) {
        let from = if rng.bool() {
            Duration::ZERO
        } else {
            moment(self.load, rng)
        };
        let left = self.load.saturating_sub(from);
        let lasts = if rng.bool() {
            left
        } else {
            left.min(Duration::from_millis(rng.u64(LASTS)))
        };
        let faults = [
            Fault::access_denied(),
            Fault::internal_failure(),
            Fault::throttled(),
            Fault::ReplyHangs,
        ];
        let fault = rng.choice(faults).unwrap_or_default();
        self.plan.troubles.push(Trouble {
            from,
            lasts,
            process: None,
            kind: calls(Service::Kinesis, "DescribeStreamSummary", fault, rng),
        });
    }

    /// The stream is deleted and created again under load. There are no workers then.
    fn draw_recreations(&mut self, rng: &mut Rng) {
        self.workers = 0;
        let befalls_worker = |trouble: &Trouble| trouble.process.as_deref().is_some_and(|name| !is_producer(name));
        self.plan.troubles.retain(|trouble| !befalls_worker(trouble));
        if rng.bool() {
            self.puts.missing_grace = Duration::from_millis(rng.u64(5_000..60_000));
        }
        for _ in 0..rng.u8(1..=3) {
            let at = moment(self.load, rng);
            let what = What::Recreate {
                shards: rng.usize(1..=4),
                pause: Duration::from_millis(rng.u64(1_000..10_000)),
            };
            self.acts.push(Act { at, what });
        }
        self.acts.sort_by_key(|act| act.at);
    }

    fn draw_troubles(&mut self, rng: &mut Rng) {
        for kind in [
            |rng: &mut Rng| kms(rng),
            |rng: &mut Rng| denied(rng),
            |rng: &mut Rng| intercepted(rng),
            |rng: &mut Rng| unknown_key(rng),
            |rng: &mut Rng| calls(Service::DynamoDb, "UpdateItem", Fault::throttled(), rng),
            |rng: &mut Rng| calls(Service::Kinesis, "GetRecords", Fault::throttled(), rng),
        ] {
            if one_in(6, rng) {
                let from = moment(self.load, rng);
                let lasts = Duration::from_millis(rng.u64(LASTS)).min(self.load.saturating_sub(from));
                let process = if rng.bool() {
                    None
                } else {
                    rng.choice(self.process_names())
                };
                let kind = kind(rng);
                self.plan.troubles.push(Trouble {
                    from,
                    lasts,
                    process: process.filter(|_| !kind.befalls_everybody()),
                    kind,
                });
            }
        }
    }

    /// Whether a producer may give records back before its shutdown, which nobody would see without the receipts.
    fn may_return_silently(&self) -> bool {
        let denied = Fault::access_denied();
        let is_final = |fault: &Fault| *fault == denied || matches!(fault, Fault::Intercepted { status: 413, .. });
        let denies = |trouble: &Trouble| {
            let is_unsubscribed =
                matches!(&trouble.kind, TroubleKind::Kms { failure, .. } if *failure == KmsFailure::OptInRequired);
            is_unsubscribed || matches!(&trouble.kind, TroubleKind::Calls { fault, .. } if is_final(fault))
        };
        // A stream may be gone, refuse records without keys, or keep no order for those that are ordered.
        let refuses = self.recreates() || self.distribution.begins.is_some();
        self.record_ttl.is_some() || refuses || self.plan.troubles.iter().any(denies)
    }
}

fn puts(rng: &mut Rng) -> Puts {
    let mut puts = Puts::default();
    for percent in [&mut puts.tried, &mut puts.together, &mut puts.placed] {
        if one_in(4, rng) {
            *percent = rng.u8(10..100);
        }
    }
    if one_in(6, rng) {
        puts.flush = rng.u8(1..20);
    }
    if one_in(6, rng) {
        puts.dropped = rng.u8(1..50);
    }
    if one_in(10, rng) {
        puts.large = rng.u16(1..10);
    }
    if one_in(6, rng) {
        puts.retires_after = Some(Duration::from_millis(rng.u64(5_000..40_000)));
        puts.grace = Duration::from_millis(rng.u64(0..3_000));
    }
    puts
}

fn kms(rng: &mut Rng) -> TroubleKind {
    TroubleKind::Kms {
        stream: STREAM.to_owned(),
        failure: rng.choice(KMS_FAILURES).unwrap_or(KmsFailure::Disabled),
    }
}

/// A policy that was changed for the worse, for a while.
fn denied(rng: &mut Rng) -> TroubleKind {
    let (service, operation) = rng
        .choice([
            (Service::Kinesis, "PutRecords"),
            (Service::Kinesis, "GetRecords"),
            (Service::Kinesis, "ListShards"),
            (Service::DynamoDb, "UpdateItem"),
            (Service::DynamoDb, "Scan"),
        ])
        .unwrap_or((Service::Kinesis, "PutRecords"));
    calls(service, operation, Fault::access_denied(), rng)
}

/// A proxy that lets only small requests of producers pass, or none of some calls.
fn intercepted(rng: &mut Rng) -> TroubleKind {
    if rng.bool() {
        let largest = rng.usize(2_000..100_000);
        let mut small = calls(
            Service::Kinesis,
            "PutRecords",
            Fault::Intercepted { status: 413, largest },
            rng,
        );
        if let TroubleKind::Calls { percent, .. } = &mut small {
            *percent = 100;
        }
        return small;
    }
    let status = rng.choice([401, 403, 404, 407]).unwrap_or(403);
    calls(
        Service::Kinesis,
        producers_call(rng),
        Fault::Intercepted { status, largest: 0 },
        rng,
    )
}

/// An access key that the service does not know yet.
fn unknown_key(rng: &mut Rng) -> TroubleKind {
    let code = rng.choice(["UnrecognizedClientException", "InvalidClientTokenId"]);
    let fault = Fault::Error {
        status: 400,
        code: code.unwrap_or_default().to_owned(),
        message: "injected: the security token is invalid".to_owned(),
    };
    calls(Service::Kinesis, producers_call(rng), fault, rng)
}

fn producers_call(rng: &mut Rng) -> &'static str {
    let calls = ["PutRecords", "ListShards", "DescribeStreamSummary"];
    rng.choice(calls).unwrap_or("PutRecords")
}

fn calls(service: Service, operation: &str, fault: Fault, rng: &mut Rng) -> TroubleKind {
    TroubleKind::Calls {
        service,
        operation: Some(operation.to_owned()),
        percent: rng.u8(50..=100),
        fault,
    }
}

/// A time at which something may happen.
pub(super) fn moment(load: Duration, rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(millis(CALM)..millis(load)))
}

pub(super) fn one_in(many: u8, rng: &mut Rng) -> bool {
    rng.u8(..many) == 0
}
