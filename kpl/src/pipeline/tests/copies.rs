//! Requests wait for room for their copies, and are no larger than that, unless a single record is.

use std::time::Duration;

use super::stream::at_percent;
use super::world::{World, record};
use crate::budget::{Budget, Cargo};
use crate::config::Config;
use crate::record::Record;

const LOW: u8 = 10;
const HIGH: u8 = 90;

fn at(n: usize, bytes: usize, percent: u8) -> Record {
    record(n, bytes).with_explicit_hash_key(at_percent(percent))
}

/// A world on a budget whose room for copies is enough for one full request, and requests of one record each.
fn short_of_copies() -> World {
    let config = Config {
        aggregation_max_count: 1,
        collection_max_count: 1,
        ..Config::default()
    };
    World::ready(2, config)
}

#[test]
fn a_request_waits_until_there_is_room_for_its_copies_whoever_holds_it() {
    let mut world = short_of_copies();
    let largest = Cargo {
        entries: 1,
        bytes: world.budget.largest_request(),
    };
    let others = world.budget.try_acquire_copies(largest).unwrap();
    world.send([at(0, 100, LOW), at(1, 100, HIGH)]);
    world.run_for(Duration::from_secs(60));
    assert!(world.requests.is_empty() && world.awaited_room.is_some());
    drop(others);
    world.work();
    assert_eq!(world.requests.len(), 2);
    world.heal();
    world.assert_at_rest();
}

#[test]
fn room_that_comes_too_late_for_its_request_is_given_back() {
    let config = Config {
        record_ttl: Some(Duration::from_secs(1)),
        ..Config::default()
    };
    let mut world = World::ready(2, config);
    let largest = Cargo {
        entries: 1,
        bytes: world.budget.largest_request(),
    };
    let others = world.budget.try_acquire_copies(largest).unwrap();
    world.send([at(0, 100, LOW)]);
    world.run_for(Duration::from_secs(2));
    assert!(world.outcome(0).unwrap().is_err() && world.awaited_room.is_some());
    drop(others);
    world.work();
    assert!(world.budget.try_acquire_copies(largest).is_some());
    assert!(world.requests.is_empty());
}

#[test]
fn no_request_is_larger_than_the_room_for_its_copies_but_for_a_large_record() {
    let budget = Budget::new(1_000_000, 1_000);
    let config = Config {
        aggregation_max_count: 1,
        ..Config::default()
    };
    let mut world = World::on_budget(1, config, budget);
    world.send((0..20).map(|n| record(n, 20_000)));
    world.fetched();
    world.run_for(Duration::from_millis(50));
    let bytes: Vec<usize> = world
        .requests
        .values()
        .map(|entries| entries.iter().map(|entry| entry.data.len()).sum())
        .collect();
    assert_eq!(bytes, [140_000], "500,000 bytes are enough for the copies of 150,000");
    world.heal();
    world.send([record(100, 400_000)]);
    world.heal();
    assert!(world.outcome(20).unwrap().is_ok());
}

/// What a request is in bytes is not all that is copied of it.
#[test]
fn no_request_is_of_more_entries_than_there_is_room_for() {
    let budget = Budget::new(1_000_000, 10_000);
    let config = Config {
        aggregation_max_count: 1,
        ..Config::default()
    };
    let mut world = World::on_budget(1, config, budget);
    world.send((0..180).map(|n| record(n, 1_000)));
    world.fetched();
    world.run_for(Duration::from_millis(50));
    let first = &world.requests[&world.request()];
    let bytes = first[0].data.len() + first[0].partition_key.len();
    let weight = |entries| {
        let bytes = entries * bytes;
        Cargo { entries, bytes }.weight()
    };
    let largest = world.budget.largest_request();
    assert!(weight(first.len()) <= largest && largest < weight(first.len() + 1));
    assert!(
        (first.len() + 20) * bytes < largest,
        "the rest is what surrounds the entries"
    );
    world.heal();
    assert_eq!(world.open(), 0);
}

#[test]
fn a_record_that_is_larger_than_a_request_leaves_when_what_is_under_way_leaves_it_room() {
    const MIB: usize = 1024 * 1024;
    let config = Config {
        aggregation_max_count: 1,
        max_user_record_size: Some(10 * MIB),
        ..Config::default()
    };
    let mut world = World::on_budget(4, config, Budget::new(512 * 1024 * 1024, 1_000));
    world.send((0..10).zip((10..).step_by(8)).map(|(n, percent)| at(n, MIB, percent)));
    world.fetched();
    world.run_for(Duration::from_secs(1));
    world.send([at(10, 9 * MIB, HIGH)]);
    for under_way in (7..=10).rev() {
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.requests.len(), under_way);
        world.stored();
    }
    assert_eq!(world.requests.len(), 7, "six of 1 MiB, and the large one");
    world.heal();
    assert_eq!(world.open(), 0);
}
