//! Answers that contradict the shard map: which of them ask for another, and how often.

use std::time::Duration;

use super::stream::{Listing, at_percent, key};
use super::world::{World, answered, record};
use crate::config::Config;
use crate::record::Record;

const MILLISECOND: Duration = Duration::from_millis(1);
const LOW: u8 = 10;
const HIGH: u8 = 90;

fn with_key(n: usize, hash_key: u128) -> Record {
    record(n, 10).with_explicit_hash_key(key(hash_key))
}

fn at(n: usize, percent: u8) -> Record {
    record(n, 10).with_explicit_hash_key(at_percent(percent))
}

/// One request under way with one aggregate of these records.
fn with_aggregate_under_way(shards: u32, records: impl IntoIterator<Item = Record>) -> World {
    let mut world = World::ready(shards, Config::default());
    world.leap(MILLISECOND);
    world.send(records);
    world.run_for(Duration::from_millis(20));
    assert_eq!(world.requests[&world.request()].len(), 1);
    world
}

/// Fetches the map, as if another answer had contradicted it.
fn refresh(world: &mut World) {
    world.leap(MILLISECOND);
    world.fetch_again();
}

#[test]
fn an_aggregate_of_ten_records_on_an_unexpected_shard_asks_for_one_map() {
    let mut world = with_aggregate_under_way(1, (0..10).map(|n| at(n, LOW)));
    world.stream.split(at_percent(50));
    world.stored();
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.fetches, 1);
    world.fetched();
    world.run_for(Duration::from_secs(10));
    assert_eq!((world.open(), world.fetches), (0, 1));
}

#[test]
fn many_aggregates_on_unexpected_shards_ask_for_one_map() {
    let config = Config {
        aggregation_max_count: 2,
        collection_max_count: 5,
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    world.leap(MILLISECOND);
    world.send((0..40).map(|n| at(n, LOW)));
    assert_eq!(world.requests.len(), 4);
    world.stream.split(at_percent(50));
    while !world.requests.is_empty() {
        world.stored();
    }
    assert_eq!((world.open(), world.fetches), (40, 1));
    world.fetched();
    world.run_for(Duration::from_secs(10));
    assert_eq!((world.open(), world.fetches), (0, 1));
}

#[test]
fn a_list_that_is_older_than_a_request_does_not_have_its_records_sent_again() {
    for asked in [Asked::BeforeTheRequest, Asked::AfterTheRequest] {
        for arrives in [Arrives::BeforeTheAnswer, Arrives::AfterTheAnswer] {
            records_wait_for_a_later_list(asked, arrives);
        }
    }
}

/// When a list of shards is asked for that the service makes before it stores the records of a request.
#[derive(Clone, Copy)]
enum Asked {
    BeforeTheRequest,
    AfterTheRequest,
}

/// When that list arrives.
#[derive(Clone, Copy)]
enum Arrives {
    BeforeTheAnswer,
    AfterTheAnswer,
}

fn records_wait_for_a_later_list(asked: Asked, arrives: Arrives) {
    let mut world = World::ready(2, Config::default());
    world.leap(MILLISECOND);
    if let Asked::BeforeTheRequest = asked {
        world.ask_for_shards();
        world.leap(MILLISECOND);
    }
    world.send((0..10).map(|n| at(n, LOW)));
    world.run_for(Duration::from_millis(20));
    if let Asked::AfterTheRequest = asked {
        world.ask_for_shards();
        world.leap(MILLISECOND);
    }
    world.stream.merge(at_percent(LOW));
    match arrives {
        Arrives::BeforeTheAnswer => {
            world.fetched();
            world.stored();
        }
        Arrives::AfterTheAnswer => {
            world.stored();
            world.fetched();
        }
    }
    world.run_for(Duration::from_secs(10));
    assert!(world.requests.is_empty(), "only a later list tells where they are");
    assert_eq!(world.open(), 10);
    world.fetch_of_now();
    assert_eq!((world.open(), world.stream.stored_count()), (0, 1));
    world.assert_at_rest();
}

/// The first and the last key of a range belong to it, and the one behind to the next.
#[test]
fn a_shard_holds_both_ends_of_its_range_and_nothing_beyond() {
    for (keys, is_held) in [
        ([0, 1, 5, 10], true),
        ([10, 0, 10, 0], true),
        ([0, 1, 5, 11], false),
        ([10, 11, 5, 1], false),
    ] {
        let records = keys.iter().enumerate().map(|(n, hash_key)| with_key(n, *hash_key));
        let mut world = with_aggregate_under_way(1, records);
        world.stream.split(key(11));
        world.stored();
        assert!(world.fetch.is_some(), "where it landed shows that the map is old");
        world.fetched();
        assert_eq!(world.open() == 0, is_held, "{keys:?}");
        world.heal();
        world.assert_at_rest();
    }
}

/// It was sent by the old map while the new one was on its way. What that knows may be old, too.
#[test]
fn an_aggregate_that_is_right_on_an_unexpected_shard_still_asks_for_a_map() {
    let mut world = World::ready(2, Config::default());
    world.stream.merge(key(0));
    world.leap(MILLISECOND);
    world.ask_for_shards();
    world.leap(MILLISECOND);
    world.send([at(0, LOW), at(1, LOW + 1)]);
    world.run_for(Duration::from_millis(20));
    world.fetched();
    assert!(world.fetch.is_none());
    world.stored();
    assert_eq!(world.open(), 0, "the shard is known, and holds all of it");
    assert!(world.fetch.is_some());
}

#[test]
fn an_answer_for_a_shard_that_has_closed_since_asks_for_no_other_map() {
    let mut world = with_aggregate_under_way(1, [at(0, LOW), at(1, LOW + 1)]);
    world.stream.split(at_percent(50));
    refresh(&mut world);
    let fetches = world.fetches;
    world.stored();
    assert_eq!(world.open(), 0, "another shard holds all of it");
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.fetches, fetches);
}

/// The only shard splits in the middle, and the next listing still has it beside its children.
fn split_and_list_the_parent_too(world: &mut World) {
    let parents = world.stream.listing().shards.unwrap();
    world.stream.split(at_percent(50));
    let mut listing = world.stream.listing();
    listing.shards.as_mut().unwrap().extend(parents);
    world.leap(MILLISECOND);
    world
        .pipeline
        .stages
        .knowledge
        .refresher
        .on_contradiction(world.now, world.now);
    world.work();
    world.fetch = Some(listing);
    world.fetched();
    world.leap(MILLISECOND);
}

#[test]
fn where_parent_and_children_are_both_listed_records_are_delivered_by_the_children() {
    let mut world = World::ready(1, Config::default());
    split_and_list_the_parent_too(&mut world);
    world.send([
        at(0, LOW),
        at(1, LOW + 1),
        at(2, HIGH),
        at(3, HIGH + 1),
        at(4, LOW),
        at(5, HIGH),
    ]);
    world.heal();
    let shards: Vec<_> = (0..6)
        .map(|n| world.delivered(n).shard_id.as_str().to_owned())
        .collect();
    let (low, high) = ("shardId-000000000001", "shardId-000000000002");
    assert_eq!(shards, [low, low, high, high, low, high]);
    world.assert_at_rest();
}

#[test]
fn where_parent_and_children_are_both_listed_an_aggregate_on_the_parent_is_delivered() {
    let mut world = with_aggregate_under_way(1, [at(0, LOW), at(1, HIGH)]);
    let request = world.request();
    let answers = world.store(request);
    split_and_list_the_parent_too(&mut world);
    world.answer(request, answered(answers));
    assert_eq!((world.open(), world.stream.stored_count()), (0, 1));
}

/// Puts an aggregate each tenth of a second, all of which land on a shard that no list names; returns how many lists were asked for.
fn put_for(world: &mut World, tenths: usize, stale: &Listing) -> usize {
    let fetches = world.fetches;
    for _ in 0..tenths {
        let n = world.put(at(0, LOW));
        world.send([at(n + 1, LOW)]);
        world.run_for(90 * MILLISECOND);
        while !world.requests.is_empty() {
            world.stored();
        }
        world.run_for(10 * MILLISECOND);
        if world.fetch.is_some() {
            world.fetch = Some(stale.clone());
            world.fetched();
        }
    }
    world.fetches - fetches
}

#[test]
fn lists_that_go_on_not_naming_a_shard_are_asked_for_ever_more_rarely_and_hold_records_for_seconds() {
    let mut world = World::ready(1, Config::default());
    let stale = world.stream.listing();
    world.stream.split(at_percent(50));
    let lists = put_for(&mut world, 300, &stale);
    assert!(lists <= 10, "{lists} lists in 30 s");
    let open: Vec<usize> = (0..600).filter(|n| world.outcome(*n).is_none()).collect();
    assert!(
        open.iter().all(|n| *n >= 400),
        "{open:?} wait for more than ten seconds"
    );
    let stored = world.stream.stored_count();
    assert!(
        stored <= 5 * 300,
        "{stored}: three times together, and then each record alone"
    );
    world.heal();
    assert!((0..600).all(|n| world.outcome(n).unwrap().is_ok()));
    world.assert_at_rest();
}

#[test]
fn records_on_a_shard_that_lists_name_a_few_seconds_later_wait_for_that_and_are_sent_again_once() {
    let mut world = World::ready(1, Config::default());
    let stale = world.stream.listing();
    world.stream.split(at_percent(50));
    put_for(&mut world, 40, &stale);
    world.heal();
    assert!((0..80).all(|n| world.outcome(n).unwrap().is_ok()));
    let stored = world.stream.stored_count();
    assert!(stored <= 40 + 5, "{stored}: those of the first list once more");
    world.assert_at_rest();
}
