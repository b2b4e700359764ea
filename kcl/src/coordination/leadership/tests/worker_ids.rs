//! Restarts, and several processes with one worker id.

use super::*;

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
