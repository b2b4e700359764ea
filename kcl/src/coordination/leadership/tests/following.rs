//! When a lock that another worker holds, or nobody, is taken.

use super::*;

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
