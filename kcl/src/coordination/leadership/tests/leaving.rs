//! Shutdown and resignation.

use super::*;

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
