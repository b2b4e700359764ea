//! Time, the network, the table and the processes.

#![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

pub(super) use self::faults::Faults;
use super::java::Java;
use super::{SECOND, WAY};
use crate::coordination::leadership::tests::{Table, failed, java_lock};
use crate::coordination::leadership::{Leadership, LockReply, LockRequest};
use crate::coordination::rows::attribute;
use crate::coordination::write::FleetOutcome;
use crate::lease::model::WorkerId;

mod faults;

/// How much slower or faster than true time a clock runs at most: parts of a million. Two clocks differ by less than a 500th.
const RATES: i64 = 900;

/// After which a Java worker gives a call up.
const JAVA_TIME_LIMIT: Duration = Duration::from_secs(1);

/// What is in the table at first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    Nothing,
    LockOfADeadJava,
    DamagedLock,
    LockLikeALease,
}

/// Workers and their table. Times are microseconds of true time.
#[derive(Debug)]
pub(super) struct World {
    base: Instant,
    now: u64,
    rng: fastrand::Rng,
    table: Table,
    workers: Vec<Worker>,
    /// By time, and within one time in the order in which they were planned.
    events: BTreeMap<(u64, u64), Event>,
    planned: u64,
    faults: Faults,
    last_failed: bool,
}

#[derive(Debug)]
struct Worker {
    id: String,
    is_java: bool,
    /// How much its clock gains: parts of a million.
    gain: i64,
    /// `None`: it was killed.
    process: Option<Process>,
    /// Tells its processes apart.
    incarnation: u64,
    suspended_until: u64,
    /// Its call that is in flight.
    call: Option<(u64, LockRequest)>,
    wake_at: u64,
}

#[derive(Debug)]
enum Process {
    Rust(Box<Leadership>),
    Java(Box<Java>),
}

/// An event for a worker, of one of its incarnations.
#[derive(Debug)]
struct Event {
    worker: usize,
    incarnation: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Wake,
    /// A request reaches the table. Its reply gets lost.
    Arrive {
        call: u64,
        request: LockRequest,
        reply_lost: bool,
    },
    Reply {
        call: u64,
        reply: LockReply,
    },
    Timeout {
        call: u64,
    },
}

impl World {
    pub(super) fn new(seed: u64, start: Start, (rust, java): (usize, usize)) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let workers = (0..rust + java).map(|number| Worker {
            id: format!("w{number}"),
            is_java: number >= rust,
            gain: rng.i64(-RATES..=RATES),
            process: None,
            incarnation: 0,
            suspended_until: 0,
            call: None,
            wake_at: 0,
        });
        let workers = workers.collect();
        let mut row = java_lock("dead", "v0");
        let row = match start {
            Start::Nothing => None,
            Start::LockOfADeadJava => Some(row),
            Start::DamagedLock => {
                let value = AttributeValue::S("soon".to_owned());
                row.insert(attribute::LEASE_DURATION.to_owned(), value);
                Some(row)
            }
            Start::LockLikeALease => {
                let counter = AttributeValue::N("7".to_owned());
                row.insert("leaseCounter".to_owned(), counter);
                Some(row)
            }
        };
        let mut world = Self {
            base: Instant::now(),
            now: 0,
            rng,
            table: Table(row),
            workers,
            events: BTreeMap::new(),
            planned: 0,
            faults: Faults::None,
            last_failed: false,
        };
        world.revive_all();
        world
    }

    pub(super) fn give_two_the_same_id(&mut self) {
        let last = self.workers.len() - 1;
        self.workers[last].id = self.workers[0].id.clone();
        self.kill(last);
        self.revive(last);
    }

    pub(super) fn some_time(&mut self, seconds: u64) -> u64 {
        self.rng.u64(0..seconds * SECOND)
    }

    /// The terms that the process of a Rust worker has begun.
    pub(super) fn terms(&self, worker: usize) -> u64 {
        match &self.workers[worker].process {
            Some(Process::Rust(leadership)) => leadership.terms,
            Some(Process::Java(_)) | None => 0,
        }
    }

    /// Whether somebody leads.
    pub(super) fn is_led(&self) -> bool {
        self.leader().is_some()
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, faults: Faults, time: u64) -> Result<(), TestCaseError> {
        self.faults = faults;
        let end = self.now + time;
        while self.step(end)? {
            if faults == Faults::All {
                self.let_something_happen();
            }
            if faults == Faults::OneInFour {
                prop_assert!(self.leader().is_some(), "nobody leads at {}", self.now);
            }
        }
        Ok(())
    }

    /// Lets time pass until somebody leads; for how long that was. It must not take longer than the row allows.
    pub(super) fn run_until_somebody_leads(&mut self) -> Result<u64, TestCaseError> {
        self.faults = Faults::None;
        let lease = match self.table.read() {
            Some(_) => self.table.lock().lease.unwrap_or(Duration::from_secs(120)),
            None => Duration::ZERO,
        };
        let drift = lease / 400;
        let lease = u64::try_from((lease + drift).as_micros()).unwrap();
        let (began, end) = (self.now, self.now + lease + 10 * SECOND + 8 * WAY);
        while self.leader().is_none() {
            let goes_on = self.step(end)?;
            prop_assert!(
                goes_on || self.leader().is_some(),
                "nobody leads {} µs after {began}",
                end - began
            );
        }
        Ok(self.now - began)
    }

    pub(super) fn kill_the_leader(&mut self) -> Option<usize> {
        let leader = self.leader()?;
        self.kill(leader);
        Some(leader)
    }

    pub(super) fn revive_all(&mut self) {
        for worker in 0..self.workers.len() {
            let is_over = match &self.workers[worker].process {
                Some(Process::Rust(leadership)) => leadership.is_ended() || leadership.quit.is_some(),
                Some(Process::Java(_)) => false,
                None => true,
            };
            if is_over {
                self.revive(worker);
            }
        }
    }

    pub(super) fn revive(&mut self, worker: usize) {
        let now = self.local(worker);
        let it = &mut self.workers[worker];
        let me = WorkerId::new(&it.id);
        it.incarnation += 1;
        it.call = None;
        it.wake_at = 0;
        it.process = Some(if it.is_java {
            Process::Java(Box::new(Java::new(me, now)))
        } else {
            Process::Rust(Box::new(Leadership::new(me, now)))
        });
        self.poll(worker);
    }

    fn kill(&mut self, worker: usize) {
        let it = &mut self.workers[worker];
        it.process = None;
        it.incarnation += 1;
        it.call = None;
    }

    fn leaders(&self) -> Vec<usize> {
        let leads = |worker: &usize| match &self.workers[*worker].process {
            Some(Process::Rust(leadership)) => leadership.term(self.local(*worker)).is_some(),
            Some(Process::Java(java)) => java.leads(self.local(*worker)),
            None => false,
        };
        (0..self.workers.len()).filter(leads).collect()
    }

    fn leader(&self) -> Option<usize> {
        self.leaders().first().copied()
    }

    /// The time of a worker's clock.
    fn local(&self, worker: usize) -> Instant {
        let now = i64::try_from(self.now).unwrap();
        let local = now + now * self.workers[worker].gain / 1_000_000;
        // Each clock has an origin of its own.
        self.base
            + Duration::from_micros(local.unsigned_abs())
            + Duration::from_secs(1_000) * u32::try_from(worker).unwrap()
    }

    /// The true time at which a worker's clock shows `at`, or a moment later.
    fn true_time(&self, worker: usize, at: Instant) -> u64 {
        let left = at.saturating_duration_since(self.local(worker));
        let left = i64::try_from(left.as_micros()).unwrap();
        let left = left * 1_000_000 / (1_000_000 + self.workers[worker].gain);
        self.now + left.unsigned_abs() + 2
    }

    /// Handles the next event, unless it is behind `end`.
    fn step(&mut self, end: u64) -> Result<bool, TestCaseError> {
        let Some((&(at, number), _)) = self.events.first_key_value().filter(|((at, _), _)| *at <= end) else {
            self.now = end;
            return Ok(false);
        };
        let event = self.events.remove(&(at, number)).unwrap();
        self.now = at;
        self.handle(event);
        let leaders = self.leaders();
        let rust = leaders.iter().filter(|worker| !self.workers[**worker].is_java).count();
        prop_assert!(
            leaders.len() < 2 || rust == 0,
            "{leaders:?} lead at {}: {self:#?}",
            self.now
        );
        Ok(true)
    }

    fn handle(&mut self, event: Event) {
        let Event {
            worker,
            incarnation,
            what,
        } = event;
        let is_for_the_living = self.workers[worker].incarnation == incarnation;
        let suspended_until = self.workers[worker].suspended_until;
        let what = match what {
            // A request that was sent arrives, whatever has become of its process.
            What::Arrive {
                call,
                request,
                reply_lost,
            } => {
                let reply = self.table.answer(&request);
                if is_for_the_living && !reply_lost {
                    let way = self.way();
                    self.plan(way, worker, What::Reply { call, reply });
                }
                return;
            }
            what @ (What::Wake | What::Reply { .. } | What::Timeout { .. }) if is_for_the_living => what,
            What::Wake | What::Reply { .. } | What::Timeout { .. } => return,
        };
        if suspended_until > self.now {
            self.plan(suspended_until - self.now, worker, what);
            return;
        }
        match what {
            What::Reply { call, reply } => self.reply(worker, call, |_| reply),
            What::Timeout { call } => self.reply(worker, call, |call| failed(call, FleetOutcome::Unknown)),
            What::Wake | What::Arrive { .. } => {}
        }
        self.poll(worker);
    }

    fn reply(&mut self, worker: usize, number: u64, reply: impl FnOnce(&LockRequest) -> LockReply) {
        let now = self.local(worker);
        let it = &mut self.workers[worker];
        let Some((_, call)) = it.call.take_if(|(in_flight, _)| *in_flight == number) else {
            return;
        };
        match &mut it.process {
            Some(Process::Rust(leadership)) => drop(leadership.replied(now, reply(&call))),
            Some(Process::Java(java)) => java.replied(now, reply(&call)),
            None => {}
        }
    }

    /// Sends what a worker has to send, and plans its next look.
    fn poll(&mut self, worker: usize) {
        let now = self.local(worker);
        let mut rng = self.rng.fork();
        let (call, next_at) = match &mut self.workers[worker].process {
            Some(Process::Rust(leadership)) => {
                let call = leadership.next(now, &mut rng);
                (call.map(|call| (call.request, call.time_limit)), leadership.next_at())
            }
            Some(Process::Java(java)) => {
                let request = java.next(now, &mut rng);
                (request.map(|request| (request, JAVA_TIME_LIMIT)), java.next_at())
            }
            None => return,
        };
        if let Some((request, time_limit)) = call {
            self.send(worker, request, time_limit);
        }
        let Some(at) = next_at.map(|at| self.true_time(worker, at)) else {
            return;
        };
        if self.workers[worker].wake_at <= self.now || at < self.workers[worker].wake_at {
            self.workers[worker].wake_at = at;
            self.plan(at - self.now, worker, What::Wake);
        }
    }

    fn plan(&mut self, after: u64, worker: usize, what: What) {
        let incarnation = self.workers[worker].incarnation;
        let event = Event {
            worker,
            incarnation,
            what,
        };
        self.events.insert((self.now + after, self.planned), event);
        self.planned += 1;
    }
}
