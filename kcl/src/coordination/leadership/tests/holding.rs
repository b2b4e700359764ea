//! Heartbeats, terms, lost replies and slow tables.

use super::*;

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
fn the_time_for_which_the_machine_was_suspended_counts() {
    let mut bench = Bench::leader();
    bench.now += 60 * SECOND;
    assert!(!bench.leads(), "before any call");
}
