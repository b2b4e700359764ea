//! The budget by itself.

use std::pin::pin;

use futures::FutureExt as _;

use super::*;

fn charged(budget: &Budget, cost: usize) -> Option<Charge> {
    let permit = budget.try_acquire(Room::of(cost))?;
    let mut charge = Charge::none(budget.clone());
    charge.add(permit);
    Some(charge)
}

#[test]
fn what_was_charged_comes_back_when_the_charge_is_dropped() {
    let budget = Budget::new(200, 10);
    let mut first = charged(&budget, 60).unwrap();
    assert!(charged(&budget, 60).is_none());
    first.absorb(charged(&budget, 40).unwrap());
    assert!(charged(&budget, 1).is_none());
    drop(first);
    assert!(charged(&budget, 100).is_some());
}

#[test]
fn a_refused_acquire_takes_no_record_permit() {
    let budget = Budget::new(20, 1);
    let all = charged(&budget, 10).unwrap();
    assert!(charged(&budget, 1).is_none());
    drop(all);
    assert!(charged(&budget, 1).is_some());
}

#[test]
fn a_record_larger_than_the_budget_passes_alone() {
    let budget = Budget::new(20, 5);
    let giant = charged(&budget, 1_000).unwrap();
    assert!(charged(&budget, 1).is_none());
    drop(giant);
    assert!(charged(&budget, 1).is_some());
}

#[test]
fn splitting_a_charge_loses_nothing() {
    let budget = Budget::new(200, 10);
    let mut whole = charged(&budget, 30).unwrap();
    whole.absorb(charged(&budget, 70).unwrap());
    let part = whole.split_record(30);
    drop(whole);
    assert!(charged(&budget, 71).is_none());
    drop(part);
    assert!(charged(&budget, 100).is_some());
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_much_is_not_overtaken_by_those_who_want_little() {
    let budget = Budget::new(20, 5);
    let first = budget.acquire(Room::of(6)).await;
    let mut large = pin!(budget.acquire(Room { records: 4, bytes: 10 }));
    assert!(large.as_mut().now_or_never().is_none());
    assert!(
        charged(&budget, 1).is_none(),
        "what is left is kept for the one that waits"
    );
    let small = budget.acquire(Room::of(1));
    drop(first);
    drop(large.await);
    drop(small.await);
    assert!(charged(&budget, 10).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_waiting_acquire_that_is_dropped_takes_nothing() {
    let budget = Budget::new(20, 5);
    let all = budget.acquire(Room::of(10)).await;
    let waiting = tokio::time::timeout(std::time::Duration::from_secs(1), budget.acquire(Room::of(5))).await;
    assert!(waiting.is_err());
    drop(all);
    assert!(charged(&budget, 10).is_some());
}

#[test]
fn what_is_owed_is_paid_before_anything_new_is_accepted() {
    let budget = Budget::new(200, 10);
    let mut charge = charged(&budget, 90).unwrap();
    charge.owe(60);
    assert!(charged(&budget, 1).is_none());
    drop(charge.split_record(70));
    assert!(charged(&budget, 21).is_none() && charged(&budget, 20).is_some());
    drop(charge);
    assert!(charged(&budget, 100).is_some());
    assert_eq!(budget.inner.debt.load(Ordering::Relaxed), 0);
    assert_eq!(budget.inner.bytes.available_permits(), 100);
}

fn cargo(entries: usize, bytes: usize) -> Cargo {
    Cargo { entries, bytes }
}

#[test]
fn copies_have_half_of_the_budget_and_take_nothing_from_the_records() {
    let budget = Budget::new(2_000_000, 10);
    let first = budget.try_acquire_copies(cargo(5, 200_000)).unwrap();
    assert!(
        budget.try_acquire_copies(cargo(5, 200_000)).is_none(),
        "3.3 times 201,000 each"
    );
    assert!(charged(&budget, 1_000_000).is_some());
    drop(first);
    let largest = budget.try_acquire_copies(cargo(1, budget.largest_request()));
    assert!(largest.is_some());
    assert!(budget.try_acquire_copies(cargo(1, 1)).is_none());
}

#[test]
fn a_request_larger_than_the_room_for_copies_passes_alone() {
    let budget = Budget::new(2_000, 10);
    let giant = budget.try_acquire_copies(cargo(1, 1_000_000)).unwrap();
    assert!(budget.try_acquire_copies(cargo(1, 1)).is_none());
    drop(giant);
    assert!(budget.try_acquire_copies(cargo(1, 1)).is_some());
}

#[test]
fn room_that_is_more_than_enough_is_cut_and_room_that_is_too_little_comes_back() {
    let budget = Budget::new(2_000_000, 10);
    let copies = budget.try_acquire_copies(cargo(1, 200_000)).unwrap();
    let copies = copies.cut_to(cargo(1, 100_000)).unwrap();
    let others = budget.try_acquire_copies(cargo(1, 200_000)).unwrap();
    assert!(copies.cut_to(cargo(1, 150_000)).is_none());
    drop(others);
    assert_eq!(budget.inner.copies.available_permits(), 1_000_000);
}
