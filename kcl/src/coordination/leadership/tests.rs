//! The rules of the lock, one by one, against a table in memory.

#![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

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

#[test]
fn a_lock_that_is_absent_is_taken_at_the_first_look() {
    let mut bench = Bench::new(Table::default());
    bench.settle();
    assert!(bench.leads());
    assert_eq!(bench.news, [LockNews::Elected]);
    let lock = bench.table.lock();
    assert_eq!((lock.lease, lock.leads_for), (Some(LEASE), Some(LEADS_FOR)));
}

#[test]
fn a_released_lock_is_taken_at_the_first_look() {
    let mut item = java_lock("java", "v1");
    item.insert(attribute::IS_RELEASED.to_owned(), AttributeValue::S("1".to_owned()));
    let mut bench = Bench::new(Table(Some(item)));
    bench.settle();
    assert!(bench.leads());
}

#[test]
fn anothers_lock_is_taken_only_after_it_stood_still_for_longer_than_the_lease_in_its_row() {
    let mut bench = Bench::new(Table(Some(java_lock("java", "v1"))));
    let after = bench.leads_after(130 * SECOND);
    assert!(after > 120 * SECOND && after < 121 * SECOND, "{after:?}");
}

#[test]
fn the_wait_allows_for_a_clock_that_runs_faster_than_the_holders() {
    let mut bench = Bench::new(Table(Some(java_lock("java", "v1"))));
    let after = bench.leads_after(130 * SECOND);
    assert!(after > 120 * SECOND + 120 * SECOND / DRIFT, "{after:?}");
}

#[test]
fn a_version_counts_as_seen_from_the_reply_that_showed_it() {
    let mut bench = Bench::new(Table(Some(java_lock("java", "v1"))));
    let call = bench.call();
    let reply = bench.table.answer(&call);
    bench.now += 5 * SECOND;
    bench.reply(reply);
    let after = bench.leads_after(130 * SECOND);
    assert!(after > 120 * SECOND, "{after:?}");
}

#[test]
fn a_lock_that_changes_is_never_taken() {
    let mut bench = Bench::new(Table(Some(java_lock("java", "v0"))));
    for beat in 1..50 {
        bench.pass(30 * SECOND);
        bench.table.0 = Some(java_lock("java", &format!("v{beat}")));
    }
    assert_eq!(bench.news, []);
    assert!(bench.sent.iter().all(|call| *call == LockRequest::Read));
}

#[test]
fn anothers_lock_is_looked_at_each_ten_seconds() {
    let mut bench = Bench::new(Table(Some(java_lock("java", "v0"))));
    bench.pass(99 * SECOND);
    assert_eq!(bench.sent.len(), 10);
}

#[test]
fn a_lock_that_changed_since_it_was_seen_is_waited_for_anew() {
    let mut bench = Bench::new(Table(Some(java_lock("java", "v0"))));
    bench.pass(119 * SECOND);
    bench.table.0 = Some(java_lock("java", "v1"));
    let after = bench.leads_after(130 * SECOND);
    assert!(after > 120 * SECOND, "{after:?}");
}

#[test]
fn a_lock_that_is_released_and_taken_between_two_looks_goes_to_one_worker() {
    let mut bench = Bench::new(Table::default());
    bench.step();
    bench.another_takes_it();
    bench.settle();
    assert!(!bench.leads());
    assert_eq!(bench.news, []);
}

#[test]
fn a_leader_sends_a_heartbeat_each_three_seconds() {
    let mut bench = Bench::leader();
    let first = bench.table.lock().version;
    bench.pass(60 * SECOND);
    assert_eq!(bench.sent.len(), 20);
    assert!(bench.leads());
    assert_ne!(bench.table.lock().version, first);
    assert_eq!((bench.term(), bench.news.len()), (1, 0));
}

#[test]
fn each_write_has_a_version_of_its_own() {
    let mut bench = Bench::leader();
    bench.pass(60 * SECOND);
    let version = |call: &LockRequest| match call {
        LockRequest::Write(LockWrite::Heartbeat { next, .. }) => format!("{next:?}"),
        LockRequest::Read | LockRequest::Write(_) => panic!("{call:?}"),
    };
    let versions: BTreeSet<_> = bench.sent.iter().map(version).collect();
    assert_eq!(versions.len(), bench.sent.len());
}

#[test]
fn a_leader_leads_from_the_sending_of_its_write_and_not_from_the_reply() {
    let mut bench = Bench::new(Table::default());
    bench.step();
    let call = bench.call();
    let sent = bench.now;
    let reply = bench.table.answer(&call);
    bench.now += 4 * SECOND;
    bench.reply(reply);
    assert_eq!(
        bench.leadership.term(bench.now).unwrap().until,
        sent + LEADS_FOR - LEADS_FOR / DRIFT
    );
}

#[test]
fn a_write_that_is_answered_too_late_makes_no_leader_until_the_next_heartbeat() {
    let mut bench = Bench::new(Table::default());
    bench.step();
    let call = bench.call();
    let reply = bench.table.answer(&call);
    bench.now += 7 * SECOND;
    bench.reply(reply);
    assert!(!bench.leads());
    bench.settle();
    assert!(bench.leads());
}

#[test]
fn a_leader_whose_heartbeats_fail_stops_leading_before_the_row_can_be_taken() {
    let mut bench = Bench::leader();
    bench.pass_cut_off(LEADS_FOR - LEADS_FOR / DRIFT - MILLI);
    assert!(bench.leads());
    bench.pass_cut_off(MILLI);
    assert!(!bench.leads());
    assert!(LEADS_FOR * 2 < LEASE);
}

#[test]
fn a_leader_leads_on_if_one_heartbeat_is_lost() {
    let mut bench = Bench::leader();
    bench.now += HEARTBEAT;
    bench.lose(Reaches::Nothing);
    bench.pass(2 * SECOND);
    assert!(bench.leads());
    bench.pass(60 * SECOND);
    assert_eq!((bench.term(), bench.news.len()), (1, 0));
}

#[test]
fn a_leader_tries_a_heartbeat_thrice_within_its_term_and_leads_on_if_the_third_is_applied() {
    let mut bench = Bench::leader();
    for _ in 0..2 {
        bench.now = bench.leadership.next_at().unwrap();
        let call = bench.call();
        bench.now += bench.time_limit;
        bench.reply(failed(&call, FleetOutcome::Unknown));
    }
    bench.now = bench.leadership.next_at().unwrap();
    let third = bench.call();
    bench.now += bench.time_limit;
    assert!(bench.leads(), "until the third has had all of its time");
    let applied = bench.table.answer(&third);
    bench.reply(applied);
    bench.pass(60 * SECOND);
    assert!(bench.leads());
    assert_eq!((bench.term(), bench.news.len()), (1, 0));
}

#[test]
fn a_worker_leads_without_a_break_though_each_round_trip_takes_up_to_two_seconds() {
    let mut bench = Bench::new(Table::default());
    let mut times = [1_000, 2_000, 1_500].map(Duration::from_millis).into_iter().cycle();
    let mut step = |bench: &mut Bench| bench.step_slowly(times.next().unwrap());
    while !bench.leads() {
        step(&mut bench);
        assert!(bench.sent.len() <= 2);
    }
    for _ in 0..20 {
        let until = bench.leadership.term(bench.now).unwrap().until;
        step(&mut bench);
        assert!(bench.now < until && bench.leads());
    }
    assert_eq!((bench.term(), bench.news), (1, vec![LockNews::Elected]));
}

#[test]
fn a_leader_leads_on_after_round_trips_have_become_slow() {
    let mut bench = Bench::leader();
    let slow = 1_500 * MILLI;
    let mut lost = 0;
    for _ in 0..20 {
        bench.step_slowly(slow);
        lost += usize::from(!bench.leads());
    }
    assert!(lost <= 1, "{lost}");
    assert_eq!((bench.term(), bench.news.len()), (1, 0));
}

#[test]
fn a_heartbeat_after_an_outage_makes_the_leader_again_in_the_same_term() {
    let mut bench = Bench::leader();
    bench.pass_cut_off(100 * SECOND);
    assert!(!bench.leads());
    bench.pass(HEARTBEAT);
    assert_eq!(bench.term(), 1);
    assert_eq!(bench.news, []);
}

#[test]
fn a_heartbeat_whose_reply_was_lost_is_recognised_and_counts_from_its_sending() {
    let mut bench = Bench::leader();
    bench.now += HEARTBEAT;
    let sent = bench.now;
    bench.lose(Reaches::Table);
    bench.now = bench.leadership.next_at().unwrap();
    bench.step();
    assert_eq!(bench.news, []);
    let term = bench.leadership.term(bench.now).unwrap();
    assert_eq!((term.number, term.until), (1, sent + LEADS_FOR - LEADS_FOR / DRIFT));
    bench.pass(60 * SECOND);
    assert_eq!((bench.term(), bench.news.len()), (1, 0));
}

#[test]
fn several_heartbeats_whose_replies_were_lost_are_recognised_by_the_one_in_the_row() {
    for reaching in 0..4 {
        let mut bench = Bench::leader();
        for heartbeat in 0..4 {
            bench.now = bench.leadership.next_at().unwrap();
            let reaches = if heartbeat == reaching {
                Reaches::Table
            } else {
                Reaches::Nothing
            };
            bench.lose(reaches);
        }
        bench.pass(30 * SECOND);
        assert!(bench.leads());
        assert_eq!((bench.term(), bench.news.len()), (1, 0));
    }
}

#[test]
fn a_take_whose_reply_was_lost_is_recognised_and_counts_from_its_sending() {
    let mut bench = Bench::new(Table::default());
    bench.step();
    let sent = bench.now;
    bench.lose(Reaches::Table);
    bench.now = bench.leadership.next_at().unwrap();
    bench.step();
    assert_eq!(bench.news, [LockNews::Elected]);
    let term = bench.leadership.term(bench.now).unwrap();
    assert_eq!(term.until, sent + LEADS_FOR - LEADS_FOR / DRIFT);
}

#[test]
fn a_take_that_arrives_after_its_time_limit_is_recognised_by_the_refusal_of_the_next_one() {
    let mut bench = Bench::new(Table::default());
    bench.step();
    let late = bench.call();
    bench.reply(failed(&late, FleetOutcome::Unknown));
    bench.now = bench.leadership.next_at().unwrap();
    bench.step();
    drop(bench.table.answer(&late));
    bench.step();
    assert_eq!(bench.news, [LockNews::Elected]);
    bench.pass(30 * SECOND);
    assert!(bench.leads());
    assert_eq!(bench.news.len(), 1);
}

#[test]
fn a_heartbeat_that_arrives_after_the_lock_was_taken_changes_nothing() {
    let mut bench = Bench::leader();
    bench.now += HEARTBEAT;
    let late = bench.call();
    bench.reply(failed(&late, FleetOutcome::Unknown));
    bench.another_takes_it();
    drop(bench.table.answer(&late));
    assert_eq!(bench.owner(), Some(WorkerId::new("java")));
}

#[test]
fn a_leader_whose_lock_was_taken_stops_at_the_refusal_and_waits_for_it() {
    let mut bench = Bench::leader();
    bench.another_takes_it();
    bench.pass(HEARTBEAT);
    let by = Some(WorkerId::new("java"));
    assert_eq!(bench.news, [LockNews::Deposed { by }]);
    assert!(!bench.leads());
    let after = bench.leads_after(130 * SECOND);
    assert!(after > 119 * SECOND, "{after:?}");
    assert_eq!(bench.term(), 2);
}

#[test]
fn a_leader_whose_lock_was_deleted_stops_and_takes_it_again() {
    let mut bench = Bench::leader();
    bench.table.0 = None;
    bench.now += HEARTBEAT;
    bench.step();
    assert!(!bench.leads());
    assert_eq!(bench.news, [LockNews::Deposed { by: None }]);
    bench.settle();
    assert_eq!(bench.term(), 2);
}

#[test]
fn a_heartbeat_that_the_service_refuses_for_now_is_tried_again_after_a_second() {
    let mut bench = Bench::leader();
    bench.now += HEARTBEAT;
    let call = bench.call();
    bench.reply(failed(&call, FleetOutcome::NotApplied));
    assert_eq!(bench.leadership.next_at(), Some(bench.now + SECOND));
}

#[test]
fn calls_to_a_table_that_is_away_become_rare() {
    let mut bench = Bench::new(Table(Some(java_lock("java", "v1"))));
    bench.pass_cut_off(600 * SECOND);
    assert!(bench.sent.len() < 70, "{}", bench.sent.len());
    let mut bench = Bench::leader();
    bench.pass_cut_off(600 * SECOND);
    assert!(bench.sent.len() < 210, "{}", bench.sent.len());
}

#[test]
fn a_worker_that_was_cut_off_takes_a_lock_whose_version_has_not_changed_at_its_next_look() {
    let mut bench = Bench::new(Table(Some(java_lock("java", "v1"))));
    bench.settle();
    bench.pass_cut_off(200 * SECOND);
    let after = bench.leads_after(POLL);
    assert!(after <= POLL, "{after:?}");
}

#[test]
fn a_shutdown_deletes_the_lock_and_ends() {
    let mut bench = Bench::leader();
    bench.leadership.shut_down(bench.now);
    assert!(!bench.leads(), "at once");
    bench.settle();
    assert!(bench.leadership.is_ended());
    assert_eq!(bench.table.0, None);
    assert_eq!(bench.leadership.next_at(), None);
}

#[test]
fn a_shutdown_of_a_worker_that_does_not_lead_makes_no_call() {
    let mut bench = Bench::new(Table(Some(java_lock("java", "v1"))));
    bench.settle();
    bench.leadership.shut_down(bench.now);
    assert!(bench.leadership.is_ended());
    assert_eq!(bench.sent, [LockRequest::Read]);
}

#[test]
fn a_shutdown_during_a_heartbeat_deletes_the_lock_under_its_version() {
    for lost in [false, true] {
        let mut bench = Bench::leader();
        bench.now += HEARTBEAT;
        let call = bench.call();
        bench.leadership.shut_down(bench.now);
        assert!(!bench.leads() && bench.leadership.next_at().is_none());
        let reply = bench.table.answer(&call);
        bench.reply(if lost {
            failed(&call, FleetOutcome::Unknown)
        } else {
            reply
        });
        bench.pass(5 * SECOND);
        assert!(bench.leadership.is_ended());
        assert_eq!(bench.table.0, None, "{lost}");
    }
}

#[test]
fn a_lock_that_is_taken_during_the_shutdown_is_not_told_and_deleted() {
    let mut bench = Bench::new(Table::default());
    bench.step();
    let call = bench.call();
    bench.leadership.shut_down(bench.now);
    let reply = bench.table.answer(&call);
    bench.reply(reply);
    assert!(!bench.leads());
    bench.settle();
    assert!(bench.leadership.is_ended());
    assert_eq!((bench.news.len(), &bench.table.0), (0, &None));
}

#[test]
fn a_shutdown_after_a_take_of_unknown_outcome_deletes_what_it_has_taken() {
    let mut bench = Bench::new(Table::default());
    bench.step();
    bench.lose(Reaches::Table);
    bench.leadership.shut_down(bench.now);
    bench.pass(5 * SECOND);
    assert!(bench.leadership.is_ended());
    assert_eq!(bench.table.0, None);
}

#[test]
fn a_shutdown_leaves_the_lock_of_another_worker() {
    let mut bench = Bench::leader();
    bench.another_takes_it();
    bench.leadership.shut_down(bench.now);
    bench.settle();
    assert!(bench.leadership.is_ended());
    assert_eq!(bench.owner(), Some(WorkerId::new("java")));
}

#[test]
fn a_shutdown_ends_though_the_table_is_away() {
    let mut bench = Bench::leader();
    bench.leadership.shut_down(bench.now);
    bench.pass_cut_off(5 * SECOND);
    assert!(bench.leadership.is_ended());
    assert_eq!(bench.sent.len(), 3);
}

#[test]
fn a_leader_that_resigns_deletes_the_lock_and_lets_others_lead_for_twenty_seconds() {
    let mut bench = Bench::leader();
    bench.leadership.resign(bench.now);
    assert!(!bench.leads());
    bench.settle();
    assert_eq!(bench.table.0, None);
    let after = bench.leads_after(PAUSE + SECOND);
    assert_eq!(after, PAUSE);
    assert_eq!(bench.term(), 2);
}

#[test]
fn a_worker_that_has_resigned_can_be_shut_down_at_any_time() {
    for settled in [false, true] {
        let mut bench = Bench::leader();
        bench.leadership.resign(bench.now);
        if settled {
            bench.settle();
        }
        bench.leadership.shut_down(bench.now);
        bench.settle();
        assert!(bench.leadership.is_ended());
        assert_eq!(bench.table.0, None);
    }
}

#[test]
fn a_resignation_does_not_undo_a_shutdown() {
    let mut bench = Bench::leader();
    bench.leadership.shut_down(bench.now);
    bench.leadership.resign(bench.now);
    bench.settle();
    assert!(bench.leadership.is_ended());
}

#[test]
fn a_restart_under_the_same_id_leads_again_once_its_predecessor_cannot() {
    let mut bench = Bench::leader().restarted();
    let after = bench.leads_after(LEASE);
    assert!(after > LEADS_FOR && after < LEADS_FOR + 20 * MILLI, "{after:?}");
}

#[test]
fn a_restart_after_an_orderly_shutdown_leads_at_once() {
    let mut bench = Bench::leader();
    bench.leadership.shut_down(bench.now);
    bench.settle();
    let mut bench = bench.restarted();
    bench.settle();
    assert!(bench.leads());
}

#[test]
fn the_lock_of_a_java_worker_under_our_id_is_waited_for_like_any_other() {
    let mut bench = Bench::new(Table(Some(java_lock("me", "v1"))));
    let after = bench.leads_after(130 * SECOND);
    assert!(after > 120 * SECOND, "{after:?}");
}

#[test]
fn the_lock_of_another_rust_worker_is_waited_for_as_long_as_its_lease_says() {
    let Bench { table, .. } = Bench::leader();
    let mut bench = Bench::new(table);
    bench.leadership = Leadership::new(WorkerId::new("other"), bench.now);
    bench.rng = fastrand::Rng::with_seed(2);
    let after = bench.leads_after(20 * SECOND);
    assert!(after > LEASE && after < LEASE + SECOND, "{after:?}");
}

#[test]
fn a_second_process_with_our_id_is_told_once_its_heartbeats_are_seen_and_never_disturbed() {
    let mut living = Bench::leader();
    let mut second = Bench::new(Table(living.table.0.clone()));
    second.now = living.now;
    second.leadership = Leadership::new(WorkerId::new("me"), second.now);
    second.rng = fastrand::Rng::with_seed(2);
    for _ in 0..60 {
        second.table.0.clone_from(&living.table.0);
        second.pass(SECOND);
        living.pass(SECOND);
        assert!(living.leads() && !second.leads());
    }
    assert_eq!(second.news, [LockNews::IdInUse]);
}

#[test]
fn a_last_write_of_an_earlier_process_with_our_id_is_no_second_process() {
    let mut bench = Bench::leader();
    bench.now += HEARTBEAT;
    let late = bench.call();
    let mut bench = bench.restarted();
    bench.settle();
    drop(bench.table.answer(&late));
    bench.leads_after(LEASE);
    assert_eq!(bench.news, [LockNews::Elected]);
}

#[test]
fn a_leader_whose_lock_was_taken_under_its_own_id_is_told_that_the_id_is_in_use() {
    let mut bench = Bench::leader();
    bench.table.0 = Some(java_lock("me", "v1"));
    bench.pass(HEARTBEAT);
    assert_eq!(bench.news, [LockNews::IdInUse]);
    assert!(!bench.leads());
}

#[test]
fn a_lock_that_does_not_say_its_lease_is_told_and_taken_after_two_minutes() {
    for (name, value) in [
        (attribute::LEASE_DURATION, None),
        (
            attribute::LEASE_DURATION,
            Some(AttributeValue::S("2 minutes".to_owned())),
        ),
    ] {
        let mut item = java_lock("java", "v1");
        item.remove(name);
        item.extend(value.map(|value| (name.to_owned(), value)));
        let mut bench = Bench::new(Table(Some(item)));
        let after = bench.leads_after(130 * SECOND);
        assert!(after > 120 * SECOND, "{after:?}");
        assert!(
            matches!(&bench.news[..], [LockNews::Damaged(_), LockNews::Elected]),
            "{:?}",
            bench.news
        );
    }
}

#[test]
fn an_empty_lock_is_told_and_taken_after_two_minutes() {
    let item = java_lock("java", "v1");
    let item = item.into_iter().filter(|(name, _)| name == attribute::KEY).collect();
    let mut bench = Bench::new(Table(Some(item)));
    let after = bench.leads_after(130 * SECOND);
    assert!(after > 120 * SECOND, "{after:?}");
    assert_eq!(bench.owner(), Some(WorkerId::new("me")));
}

#[test]
fn a_lock_without_a_version_can_be_taken() {
    let mut item = java_lock("java", "v1");
    item.remove(attribute::VERSION);
    let mut bench = Bench::new(Table(Some(item)));
    let after = bench.leads_after(130 * SECOND);
    assert!(after > 120 * SECOND, "{after:?}");
}

#[test]
fn a_lock_that_looks_like_a_lease_is_waited_for_and_taken_like_any_other() {
    let counter = || {
        (
            attribute_of_lease::LEASE_COUNTER.to_owned(),
            AttributeValue::N("7".to_owned()),
        )
    };
    let entity = || (attribute::ENTITY_TYPE.to_owned(), AttributeValue::S("LEASE".to_owned()));
    let whole = java_lock("java", "v1");
    let bare: Item = whole
        .clone()
        .into_iter()
        .filter(|(name, _)| name == attribute::KEY)
        .collect();
    for mut item in [whole, bare] {
        item.extend([counter(), entity()]);
        let mut bench = Bench::new(Table(Some(item)));
        let after = bench.leads_after(130 * SECOND);
        assert!(after > 120 * SECOND, "{after:?}");
        assert_eq!(bench.owner(), Some(WorkerId::new("me")));
        assert!(!bench.table.0.unwrap().contains_key(attribute_of_lease::LEASE_COUNTER));
    }
}

#[test]
fn a_lock_of_more_than_a_day_is_told_and_taken_after_a_day() {
    let day = 24 * 3_600 * SECOND;
    for millis in [2 * day.as_millis(), u128::from(u64::MAX)] {
        let mut item = java_lock("java", "v1");
        let lease = AttributeValue::S(millis.to_string());
        item.insert(attribute::LEASE_DURATION.to_owned(), lease);
        let mut bench = Bench::new(Table(Some(item)));
        let after = bench.leads_after(day + 300 * SECOND);
        assert!(after > day, "{after:?}");
        assert!(
            matches!(&bench.news[..], [LockNews::Damaged(_), LockNews::Elected]),
            "{:?}",
            bench.news
        );
    }
}

#[test]
fn a_lease_beyond_all_times_is_waited_for_without_an_overflow() {
    let mut item = java_lock("java", "v1");
    let lease = AttributeValue::S(u64::MAX.to_string());
    item.insert(attribute::LEASE_DURATION.to_owned(), lease);
    let mut bench = Bench::new(Table(Some(item)));
    bench.pass(1_000 * SECOND);
    assert!(!bench.leads());
    assert!(bench.sent.len() <= 101, "{}", bench.sent.len());
}

#[test]
fn the_time_for_which_the_machine_was_suspended_counts() {
    let mut bench = Bench::leader();
    bench.now += 60 * SECOND;
    assert!(!bench.leads(), "before any call");
}

#[test]
fn a_call_is_made_only_when_it_is_due_and_none_is_in_flight() {
    let mut bench = Bench::leader();
    assert_eq!(bench.leadership.next(bench.now, &mut bench.rng), None);
    bench.now += HEARTBEAT;
    let call = bench.call();
    assert_eq!(bench.leadership.next_at(), None);
    assert_eq!(
        bench.leadership.next(bench.now + 60 * SECOND, &mut bench.rng),
        None,
        "{call:?}"
    );
}
