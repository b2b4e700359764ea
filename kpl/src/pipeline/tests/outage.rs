//! A shard, or the whole service, that takes nothing: what is held back meanwhile, and how it leaves afterwards.

use std::time::Duration;

use super::stream::at_percent;
use super::world::{World, answered, failure, record, refused};
use crate::budget::{Budget, Room};
use crate::config::Config;
use crate::config::ordering::Ordering;
use crate::pipeline::Answer;
use crate::record::Record;

const SECOND: Duration = Duration::from_secs(1);
const LOW: u8 = 10;

fn at(n: usize, percent: u8) -> Record {
    record(n, 100).with_explicit_hash_key(at_percent(percent))
}

fn fail_all(world: &mut World) {
    while !world.requests.is_empty() {
        world.answer(world.request(), Answer::Failed(failure("Connection")));
    }
}

fn refuse_all(world: &mut World) {
    while !world.requests.is_empty() {
        let request = world.request();
        let entries = world.requests[&request].len();
        let refusals = vec![refused("ProvisionedThroughputExceededException"); entries];
        world.answer(request, answered(refusals));
    }
}

/// A hot shard may use all of the budget, and no more: then `put` waits.
#[test]
fn the_queue_of_a_hot_shard_is_bounded_by_the_budget() {
    let budget = Budget::new(10_000_000, 500);
    let config = Config {
        aggregation_max_count: 1,
        ..Config::default()
    };
    let mut world = World::on_budget(2, config, budget.clone());
    for n in 0..100 {
        let first = n * 20;
        world.send((first..first + 20).map(|n| at(n, LOW)));
        if world.fetch.is_some() {
            world.fetched();
        }
        refuse_all(&mut world);
        world.run_for(SECOND / 10);
    }
    assert_eq!(world.open(), 500, "of 2,000 that were to be put");
    world.heal();
    assert_eq!(world.open(), 0);
    assert!(world.budget.try_acquire(Room::of(100)).is_some());
}

#[test]
fn what_waited_for_the_end_of_an_outage_leaves_in_order_and_at_the_rate_of_its_shard() {
    let config = Config {
        aggregation_max_count: 1,
        rate_limit_percent: 10,
        ordering: Ordering::PerKey,
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    world.send((0..600).map(|n| at(n, LOW)));
    let end = world.now + 600 * SECOND;
    let mut attempts = 0;
    while world.now < end {
        attempts += world.requests.len();
        fail_all(&mut world);
        world.run_for(SECOND / 10);
    }
    assert!((300..=1_200).contains(&attempts), "{attempts} in ten minutes");
    for second in 1..=10 {
        let stored = world.stream.stored_count();
        let end = world.now + SECOND;
        while world.now < end {
            while !world.requests.is_empty() {
                world.stored();
            }
            world.run_to_next_wake_up();
        }
        let stored = world.stream.stored_count() - stored;
        assert!(
            stored <= 210,
            "{stored} in second {second}, at 100 a second and as much at once"
        );
    }
    world.heal();
    world.assert_read_in_order();
    assert_eq!(world.stream.stored_count(), 600, "none of them twice");
    world.assert_at_rest();
}

#[test]
fn after_an_outage_records_that_were_never_sent_leave_in_the_order_in_which_they_were_put() {
    let config = Config {
        aggregation_max_count: 1,
        rate_limit_percent: 10,
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    world.send((0..50).map(|n| at(n, LOW)));
    for _ in 0..100 {
        fail_all(&mut world);
        world.run_for(SECOND / 10);
    }
    let sent = world.pipeline.load().requests;
    assert!(sent <= 60 * 10, "{sent} requests in ten seconds");
    world.send((50..350).map(|n| at(n, LOW)));
    world.heal();
    let mut late = world.stream.readable();
    late.retain(|data| data[..] >= b"000050"[..]);
    assert_eq!(late.len(), 300);
    assert!(late.is_sorted());
    world.assert_at_rest();
}
