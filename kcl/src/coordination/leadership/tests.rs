//! The rules of the lock, one by one, against a table in memory; here one worker and its table.

#![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

mod damage;
mod following;
mod holding;
mod leaving;
mod worker_ids;

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;

use super::*;
use crate::coordination::rows::attribute;
use crate::coordination::table::rules;
use crate::coordination::write::FleetWrite;
use crate::error::CallErrorKind;
use crate::lease::item::{Item, attribute as attribute_of_lease};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MILLI: Duration = Duration::from_millis(1);

/// The row of the lock, in a table that always answers.
#[derive(Debug, Default)]
pub(super) struct Table(pub(super) Option<Item>);

impl Table {
    pub(super) fn read(&self) -> Option<FleetRow> {
        self.0.clone().map(FleetRow::of_item)
    }

    pub(super) fn answer(&mut self, call: &LockRequest) -> LockReply {
        let write = match call {
            LockRequest::Read => return LockReply::Read(Ok(self.read())),
            LockRequest::Write(write) => FleetWrite::Lock(write.clone()),
        };
        if !rules::holds(self.0.as_ref(), &write) {
            return LockReply::Written(FleetOutcome::Refused(self.read()));
        }
        self.0 = rules::apply(self.0.take(), &write);
        LockReply::Written(FleetOutcome::Applied)
    }

    pub(super) fn lock(&self) -> LockRow {
        self.read().and_then(FleetRow::into_lock).unwrap()
    }
}

pub(super) fn error() -> TableError {
    TableError {
        operation: "UpdateItem",
        kind: CallErrorKind::Unavailable {
            code: "Timeout".to_owned(),
            message: "no answer".to_owned(),
        },
    }
}

/// The reply to `call` if none came, or a refusal by the service.
pub(super) fn failed(call: &LockRequest, outcome: fn(TableError) -> FleetOutcome) -> LockReply {
    match call {
        LockRequest::Read => LockReply::Read(Err(error())),
        LockRequest::Write(_) => LockReply::Written(outcome(error())),
    }
}

/// A lock as a Java worker of `owner` writes it.
pub(super) fn java_lock(owner: &str, version: &str) -> Item {
    let text = |name: &str, text: &str| (name.to_owned(), AttributeValue::S(text.to_owned()));
    Item::from([
        text(attribute::KEY, "Leader"),
        text(attribute::ENTITY_TYPE, "LEADER"),
        text(attribute::OWNER_NAME, owner),
        text(attribute::LEASE_DURATION, "120000"),
        text(attribute::VERSION, version),
    ])
}

/// One worker, whose calls are answered at once by a table.
struct Bench {
    leadership: Leadership,
    table: Table,
    now: Instant,
    rng: fastrand::Rng,
    news: Vec<LockNews>,
    sent: Vec<LockRequest>,
    /// Of the last call.
    time_limit: Duration,
}

impl Bench {
    fn new(table: Table) -> Self {
        let now = Instant::now();
        Self {
            leadership: Leadership::new(WorkerId::new("me"), now),
            table,
            now,
            rng: fastrand::Rng::with_seed(1),
            news: Vec::new(),
            sent: Vec::new(),
            time_limit: Duration::ZERO,
        }
    }

    fn leader() -> Self {
        let mut bench = Self::new(Table::default());
        bench.settle();
        assert!(bench.leads());
        bench.news.clear();
        bench.sent.clear();
        bench
    }

    /// The worker of the same id after a crash of this one, on its table.
    fn restarted(self) -> Self {
        let Self { table, now, .. } = self;
        let mut bench = Self {
            leadership: Leadership::new(WorkerId::new("me"), now),
            now,
            ..Self::new(table)
        };
        bench.rng = fastrand::Rng::with_seed(2);
        bench
    }

    fn call(&mut self) -> LockRequest {
        let call = self.leadership.next(self.now, &mut self.rng).expect("a call is due");
        self.sent.push(call.request.clone());
        self.time_limit = call.time_limit;
        call.request
    }

    fn reply(&mut self, reply: LockReply) {
        self.news.extend(self.leadership.replied(self.now, reply));
    }

    /// Makes the next call and has it answered.
    fn step(&mut self) {
        let call = self.call();
        let reply = self.table.answer(&call);
        self.reply(reply);
    }

    /// Makes the next call, which the table gets or does not, and which is not answered.
    fn lose(&mut self, reaches: Reaches) {
        let call = self.call();
        match reaches {
            Reaches::Table => drop(self.table.answer(&call)),
            Reaches::Nothing => {}
        }
        self.reply(failed(&call, FleetOutcome::Unknown));
    }

    fn is_due(&self) -> bool {
        self.leadership.next_at().is_some_and(|at| at <= self.now)
    }

    /// Makes all calls that are due.
    fn settle(&mut self) {
        for _ in 0..20 {
            if !self.is_due() {
                return;
            }
            self.step();
        }
        panic!("calls without end: {:?}", self.sent);
    }

    /// Lets time pass, with all calls that become due.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.leadership.next_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    /// Lets time pass in which no call reaches the table.
    fn pass_cut_off(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.leadership.next_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.lose(Reaches::Nothing);
        }
        self.now = end;
    }

    /// Makes the next call, whose round trip takes `time`, or is given up before.
    fn step_slowly(&mut self, time: Duration) {
        self.now = self.now.max(self.leadership.next_at().unwrap());
        let call = self.call();
        let reply = self.table.answer(&call);
        self.now += time.min(self.time_limit);
        self.reply(if time <= self.time_limit {
            reply
        } else {
            failed(&call, FleetOutcome::Unknown)
        });
    }

    fn leads(&self) -> bool {
        self.leadership.term(self.now).is_some()
    }

    fn term(&self) -> u64 {
        self.leadership.term(self.now).unwrap().number
    }

    /// When this worker leads, at most `limit` from now, in milliseconds.
    fn leads_after(&mut self, limit: Duration) -> Duration {
        let began = self.now;
        while !self.leads() {
            let at = self.leadership.next_at().unwrap();
            assert!(at <= began + limit, "does not lead after {limit:?}");
            self.now = self.now.max(at);
            self.step();
        }
        self.now - began
    }

    fn owner(&self) -> Option<WorkerId> {
        self.table.lock().owner
    }

    fn another_takes_it(&mut self) {
        self.table.0 = Some(java_lock("java", "taken"));
    }
}

enum Reaches {
    Table,
    Nothing,
}
