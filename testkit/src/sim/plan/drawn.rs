//! Pure: plans drawn from a seed.

use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;

use super::{Plan, Severity, Trouble, TroubleKind};
use crate::dispatch::Service;
use crate::sim::faults::{Entries, Fault};

/// How many troubles begin in a minute of a harsh plan. Our choice.
const HARSH_PER_MINUTE: u64 = 6;

/// How many in a minute of a mild one. Our choice.
const MILD_PER_MINUTE: u64 = 2;

/// How long a trouble lasts, in milliseconds: well below and well above the time after which leases are taken. Our choice.
const LASTS: Range<u64> = 200..25_000;

/// How many stalls begin in a minute of a harsh plan. Our choice.
const STALLS_PER_MINUTE: u64 = 4;

/// How long one lasts, in milliseconds: from a long collection of garbage to somewhat longer than a lease lasts. Our choice.
const STALL: Range<u64> = 200..14_000;

impl Plan {
    /// A plan for these processes, drawn from a seed: the same arguments, the same plan. All of it happens between the
    /// two times since the simulation's start.
    pub fn drawn(seed: u64, severity: Severity, processes: &[String], within: Range<Duration>) -> Self {
        let per_minute = match severity {
            Severity::None => 0,
            Severity::Mild => MILD_PER_MINUTE,
            Severity::Harsh => HARSH_PER_MINUTE,
        };
        let time = within.end.saturating_sub(within.start);
        let count = millis(time).saturating_mul(per_minute).div_ceil(60_000);
        let mut draw = Draw {
            rng: Rng::with_seed(seed),
            processes,
            within,
        };
        let mut troubles: Vec<_> = (0..count).map(|_| draw.trouble(severity)).collect();
        if severity == Severity::Harsh {
            let stalls = millis(time).saturating_mul(STALLS_PER_MINUTE).div_ceil(60_000);
            troubles.extend((0..stalls).filter_map(|_| draw.stall()));
        }
        Self { troubles }
    }
}

struct Draw<'a> {
    rng: Rng,
    processes: &'a [String],
    within: Range<Duration>,
}

impl Draw<'_> {
    fn trouble(&mut self, severity: Severity) -> Trouble {
        let harsh = severity == Severity::Harsh && !self.processes.is_empty() && self.rng.u8(..100) < 40;
        let kind = if harsh { self.harsh() } else { self.mild() };
        let (from, lasts) = self.time(LASTS);
        // What stops a process befalls one at a time: some survive.
        let everybody = !harsh && kind != TroubleKind::Suspend && self.rng.bool();
        let process = if everybody {
            None
        } else {
            self.rng.choice(self.processes).cloned()
        };
        Trouble {
            from,
            lasts,
            process: process.filter(|_| !kind.befalls_everybody()),
            kind,
        }
    }

    /// A process that stands still in the middle of a call: the rare states are those in which something is under way.
    fn stall(&mut self) -> Option<Trouble> {
        let process = self.rng.choice(self.processes).cloned()?;
        let (from, lasts) = self.time(STALL);
        Some(Trouble {
            from,
            lasts,
            process: Some(process),
            kind: TroubleKind::FreezeAtCall(self.service()),
        })
    }

    /// When a trouble begins, and how long it lasts.
    fn time(&mut self, lasts: Range<u64>) -> (Duration, Duration) {
        let (begin, end) = (millis(self.within.start), millis(self.within.end));
        let from = self.rng.u64(begin..end.max(begin + 1));
        let lasts = self.rng.u64(lasts).min(end.saturating_sub(from));
        (Duration::from_millis(from), Duration::from_millis(lasts))
    }

    fn harsh(&mut self) -> TroubleKind {
        match self.rng.u8(..4) {
            0 => TroubleKind::Freeze,
            1 => TroubleKind::Crash,
            2 => TroubleKind::CutOff(self.service()),
            _ => self.calls(60..=100),
        }
    }

    fn mild(&mut self) -> TroubleKind {
        match self.rng.u8(..10) {
            0 => TroubleKind::IteratorsExpire,
            1 => TroubleKind::ClockAhead(Duration::from_secs(self.rng.u64(1..3_600))),
            2 => TroubleKind::ClockBehind(Duration::from_secs(self.rng.u64(1..3_600))),
            3 if !self.processes.is_empty() => TroubleKind::Suspend,
            _ => self.calls(3..=40),
        }
    }

    fn calls(&mut self, percent: std::ops::RangeInclusive<u8>) -> TroubleKind {
        let (service, percent, fault) = (self.service(), self.rng.u8(percent), self.fault());
        // Only this call has entries that can fail one by one.
        let (service, operation) = if matches!(fault, Fault::FailEntries { .. }) {
            (Service::Kinesis, Some("PutRecords".to_owned()))
        } else {
            (service, None)
        };
        TroubleKind::Calls {
            service,
            operation,
            percent,
            fault,
        }
    }

    fn service(&mut self) -> Service {
        if self.rng.bool() {
            Service::Kinesis
        } else {
            Service::DynamoDb
        }
    }

    fn fault(&mut self) -> Fault {
        let later = Duration::from_millis(self.rng.u64(1..8_000));
        match self.rng.u8(..9) {
            0 => Fault::Delay(later),
            1 => Fault::RequestLost,
            2 => Fault::ReplyLost,
            3 => Fault::RequestHangs,
            4 => Fault::ReplyHangs,
            5 => Fault::Duplicated(later),
            6 => Fault::throttled(),
            7 => Fault::internal_failure(),
            _ => Fault::FailEntries {
                entries: Entries::Every(self.rng.usize(1..5)),
                code: "InternalFailure".to_owned(),
            },
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const WITHIN: Range<Duration> = Duration::from_secs(10)..Duration::from_secs(310);

    fn drawn(seed: u64, severity: Severity) -> Plan {
        let processes = ["w1", "w2", "p1"].map(str::to_owned);
        Plan::drawn(seed, severity, &processes, WITHIN)
    }

    fn kinds(severity: Severity) -> BTreeSet<&'static str> {
        let plans = (0..200).flat_map(|seed| drawn(seed, severity).troubles);
        plans.map(|trouble| trouble.kind.name()).collect()
    }

    #[test]
    fn one_seed_gives_one_plan() {
        assert_eq!(drawn(3, Severity::Harsh), drawn(3, Severity::Harsh));
        assert_ne!(drawn(3, Severity::Harsh), drawn(4, Severity::Harsh));
        assert_eq!(drawn(3, Severity::None), Plan::default());
    }

    #[test]
    fn every_trouble_stays_within_its_time() {
        for trouble in (0..200).flat_map(|seed| drawn(seed, Severity::Harsh).troubles) {
            assert!(WITHIN.start <= trouble.from && trouble.end() <= WITHIN.end, "{trouble}");
        }
    }

    #[test]
    fn mild_plans_leave_the_processes_alive_and_connected() {
        let mild = kinds(Severity::Mild);
        for harsh in ["freeze", "crash", "cut off"] {
            assert!(
                !mild.contains(harsh) && kinds(Severity::Harsh).contains(harsh),
                "{harsh}"
            );
        }
        assert!(mild.len() >= 10 && mild.contains("suspend"), "{mild:?}");
    }

    #[test]
    fn harsh_plans_stop_single_processes_in_the_middle_of_calls_for_about_the_life_of_a_lease() {
        let is_stall = |trouble: &Trouble| matches!(trouble.kind, TroubleKind::FreezeAtCall(_));
        let troubles = (0..200).flat_map(|seed| drawn(seed, Severity::Harsh).troubles);
        let stalls: Vec<_> = troubles.filter(is_stall).collect();
        assert_eq!(stalls.len() as u64, 200 * 5 * STALLS_PER_MINUTE);
        assert!(stalls.iter().all(|stall| stall.process.is_some()));
        let long = stalls.iter().filter(|stall| stall.lasts > Duration::from_secs(7));
        assert!(long.count() > stalls.len() / 3);
    }
}
