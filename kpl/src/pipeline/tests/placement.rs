//! Records on shards where they do not belong: a consumer must be able to read whatever was acknowledged (P2).

use std::time::Duration;

use service::ShardId;

use super::stream::{at_percent, key};
use super::world::{World, answered, failure, record};
use crate::config::Config;
use crate::pipeline::{Answer, EntryAnswer};
use crate::record::Record;

const LOW: u8 = 10;
const HIGH: u8 = 90;

fn at(n: usize, percent: u8) -> Record {
    record(n, 10).with_explicit_hash_key(at_percent(percent))
}

/// One shard, and one request under way with one aggregate of these members.
fn with_aggregate_under_way(percents: &[u8]) -> World {
    let mut world = World::ready(1, Config::default());
    world.leap(Duration::from_millis(1));
    world.send(percents.iter().enumerate().map(|(n, percent)| at(n, *percent)));
    world.run_for(Duration::from_millis(20));
    assert_eq!(world.requests.len(), 1);
    assert_eq!(world.requests[&world.request()].len(), 1);
    world
}

fn attempts(world: &World, n: usize) -> u32 {
    world.delivered(n).attempts.total()
}

#[test]
fn a_record_alone_is_delivered_on_whatever_shard_and_the_map_is_refreshed() {
    let mut world = with_aggregate_under_way(&[LOW]);
    world.stream.split(at_percent(50));
    world.stored();
    assert_eq!(world.delivered(0).shard_id, "shardId-000000000001");
    assert!(world.fetch.is_some());
}

#[test]
fn an_aggregate_on_another_known_shard_that_holds_all_of_it_is_delivered() {
    let mut world = with_aggregate_under_way(&[LOW, LOW + 1]);
    // Another answer has brought the new map while this request was under way.
    world.stream.split(at_percent(50));
    world.fetch_again();
    world.stored();
    assert_eq!((attempts(&world, 0), attempts(&world, 1)), (1, 1));
    assert_eq!(world.stream.stored_count(), 1);
}

#[test]
fn an_aggregate_with_one_member_outside_of_its_shard_is_sent_again_as_a_whole() {
    let mut world = with_aggregate_under_way(&[LOW, LOW + 1, HIGH]);
    world.stream.split(at_percent(50));
    world.fetch_again();
    world.stored();
    assert_eq!(world.open(), 3);
    world.heal();
    assert_eq!([0, 1, 2].map(|n| attempts(&world, n)), [2, 2, 2]);
    let first = &world.delivered(0).attempts.newest()[0];
    assert_eq!(first.failure.as_ref().unwrap().code, "Wrong Shard");
    assert!(first.failure.as_ref().unwrap().may_have_been_stored);
    world.assert_at_rest();
}

#[test]
fn an_aggregate_that_keeps_landing_elsewhere_is_at_last_sent_record_by_record() {
    let mut world = World::ready(2, Config::default());
    world.leap(Duration::from_millis(1));
    world.send([at(0, LOW), at(1, LOW + 1), at(2, LOW + 2)]);
    let other = EntryAnswer::Stored {
        shard: ShardId::new("shardId-000000000001"),
        sequence_number: "1".into(),
    };
    for _ in 0..3 {
        world.run_for(Duration::from_secs(3));
        assert_eq!(world.requests[&world.request()].len(), 1, "still one aggregate");
        world.answer(world.request(), answered(vec![other.clone()]));
        world.fetched();
    }
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.requests[&world.request()].len(), 3, "three records");
    world.stored();
    assert_eq!([0, 1, 2].map(|n| attempts(&world, n)), [4, 4, 4]);
}

#[test]
fn an_aggregate_on_an_unknown_shard_waits_for_a_refresh_and_is_delivered_if_the_shard_holds_all_of_it() {
    let mut world = with_aggregate_under_way(&[LOW, LOW + 1]);
    world.stream.split(at_percent(50));
    world.stored();
    assert_eq!(world.open(), 2);
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.open(), 2);
    assert!(world.requests.is_empty());
    world.fetched();
    assert_eq!((attempts(&world, 0), attempts(&world, 1)), (1, 1));
}

#[test]
fn an_aggregate_on_an_unknown_shard_is_sent_again_if_the_refresh_shows_a_member_outside() {
    let mut world = with_aggregate_under_way(&[LOW, HIGH]);
    world.stream.split(at_percent(50));
    world.stored();
    world.fetched();
    assert_eq!(world.open(), 2);
    world.heal();
    assert_eq!(world.delivered(0).shard_id, "shardId-000000000001");
    assert_eq!(world.delivered(1).shard_id, "shardId-000000000002");
    assert_eq!(world.stream.user_records_stored(), 4);
    world.assert_at_rest();
}

#[test]
fn an_aggregate_on_an_unknown_shard_goes_on_waiting_while_the_refresh_fails() {
    let mut world = with_aggregate_under_way(&[LOW, LOW + 1]);
    world.stream.split(at_percent(50));
    world.stored();
    for _ in 0..5 {
        world.fetch_failed("LimitExceededException");
        world.run_for(Duration::from_secs(2));
        assert_eq!(world.open(), 2);
    }
    world.fetched();
    assert_eq!(world.open(), 0);
    assert_eq!(world.stream.stored_count(), 1);
}

#[test]
fn an_aggregate_on_an_unknown_shard_is_sent_again_if_the_refresh_fails_for_good() {
    let mut world = with_aggregate_under_way(&[LOW, LOW + 1]);
    world.stream.split(at_percent(50));
    world.stored();
    world.fetch_failed("AccessDeniedException");
    world.run_for(Duration::from_secs(2));
    assert_eq!((world.open(), world.requests.len()), (2, 1));
}

#[test]
fn an_aggregate_on_a_shard_that_no_refresh_knows_is_sent_again() {
    let mut world = with_aggregate_under_way(&[LOW, LOW + 1]);
    let old = world.stream.listing();
    world.stream.split(at_percent(50));
    world.stored();
    world.fetch = Some(old);
    world.fetched();
    assert_eq!(world.open(), 2);
    world.heal();
    assert_eq!((attempts(&world, 0), attempts(&world, 1)), (2, 2));
    world.assert_at_rest();
}

#[test]
fn a_success_without_a_shard_id_counts_as_one() {
    let mut world = with_aggregate_under_way(&[LOW, HIGH]);
    let request = world.request();
    let (_, sequence_number) = world.stream.store(&world.requests[&request][0].clone());
    let shard = ShardId::new("");
    world.answer(request, answered(vec![EntryAnswer::Stored { shard, sequence_number }]));
    assert_eq!((attempts(&world, 0), attempts(&world, 1)), (1, 1));
}

#[test]
fn a_success_from_before_a_recreation_is_judged_by_the_new_ranges_of_the_same_id() {
    let mut world = with_aggregate_under_way(&[LOW, HIGH]);
    let request = world.request();
    let entries = world.store(request);
    world.stream.recreate(2);
    world.fetch_again();
    world.answer(request, answered(entries));
    assert_eq!(world.open(), 2, "shard 0 holds the low half by now");
    world.heal();
    assert_eq!((attempts(&world, 0), attempts(&world, 1)), (2, 2));
    world.assert_at_rest();
}

/// The producer was told that the stream is gone: what is stored before its shards are listed again may be in another
/// stream, whose shards bear the same ids.
#[test]
fn what_is_stored_after_the_stream_was_missing_is_judged_by_the_shards_that_it_has_now() {
    let config = Config {
        stream_not_found_grace: Duration::from_secs(60),
        ..Config::default()
    };
    for shards in [1, 2] {
        let mut world = World::ready(1, config.clone());
        world.send([at(0, LOW), at(1, HIGH)]);
        world.run_for(Duration::from_millis(120));
        world.stream.delete();
        world.stored();
        assert!(world.fetch.is_some(), "a missing stream may be another one next");
        world.run_for(Duration::from_secs(1));
        world.stream.recreate(shards);
        world.stored();
        assert_eq!(
            world.open(),
            2,
            "the ranges of {shards} shards decide, and are not known yet"
        );
        world.heal();
        let expected = if shards == 1 { 2 } else { 3 };
        assert_eq!((attempts(&world, 0), attempts(&world, 1)), (expected, expected));
        world.assert_at_rest();
    }
}

#[test]
fn what_a_stream_that_was_missing_has_resharded_since_is_not_judged_by_the_ranges_of_before() {
    let config = Config {
        stream_not_found_grace: Duration::from_secs(60),
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    world.send([at(0, LOW), at(1, HIGH)]);
    world.run_for(Duration::from_millis(120));
    world.stream.delete();
    world.stored();
    world.run_for(Duration::from_secs(1));
    world.stream.recreate(2);
    world.stored();
    world.stream.merge(at_percent(LOW));
    world.heal();
    assert_eq!(attempts(&world, 0), 3, "shard 0 was closed, and held half of the keys");
    world.assert_at_rest();
}

/// The ranges of the stream's former life must not judge what its new shards of the same ids stored.
#[test]
fn the_ranges_of_closed_shards_are_forgotten_when_the_stream_was_recreated() {
    let mut world = World::ready(1, Config::default());
    let refresh = |world: &mut World| {
        world.leap(Duration::from_millis(1));
        world.fetch_again();
    };
    world.stream.split(at_percent(75));
    refresh(&mut world);
    world.stream.recreate(1);
    refresh(&mut world);
    world.leap(Duration::from_millis(1));
    world.send([at(0, 20), at(1, 60)]);
    world.run_for(Duration::from_millis(20));
    world.stream.split(at_percent(50));
    world.stored();
    assert_eq!(world.open(), 2, "shard 1 ends at 50 % by now, at 75 % it ended before");
    world.heal();
    world.assert_at_rest();
}

#[test]
fn what_waits_in_the_limiter_is_built_anew_for_a_new_map_before_it_leaves() {
    let config = Config {
        rate_limit_percent: 1,
        aggregation_max_count: 2,
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    world.send((0..60).map(|n| at(n, if n % 2 == 0 { LOW } else { HIGH })));
    world.run_for(Duration::from_millis(20));
    let left: usize = world.requests.values().flatten().map(|entry| entry.user_records).sum();
    assert!(left < 60, "the limiter holds some back");
    world.stream.split(at_percent(50));
    world.fetch_again();
    world.heal();
    let resent = (0..60).filter(|n| attempts(&world, *n) > 1).count();
    assert_eq!(resent, left, "only what was under way travels twice");
    world.assert_at_rest();
}

#[test]
fn what_waits_in_the_collector_is_built_anew_for_a_new_map_before_it_leaves() {
    let mut world = World::ready(1, Config::default());
    world.leap(Duration::from_millis(1));
    world.send([at(0, LOW), at(1, HIGH)]);
    assert!(world.requests.is_empty());
    world.stream.split(at_percent(50));
    world.fetch_again();
    world.heal();
    assert_eq!((attempts(&world, 0), attempts(&world, 1)), (1, 1));
}

#[test]
fn what_waits_for_its_next_attempt_is_built_anew_for_a_new_map() {
    let mut world = with_aggregate_under_way(&[LOW, HIGH]);
    let request = world.request();
    world.answer(request, Answer::Failed(failure("InternalFailure")));
    world.stream.split(at_percent(50));
    world.fetch_again();
    world.heal();
    assert_eq!((attempts(&world, 0), attempts(&world, 1)), (2, 2));
    assert_eq!(world.stream.user_records_stored(), 2);
}

#[test]
fn what_was_in_a_refused_request_is_built_anew_for_a_map_that_came_meanwhile() {
    let mut world = World::ready(2, Config::default());
    world.leap(Duration::from_millis(1));
    world.send([at(0, 10), at(1, 40), at(2, 90)]);
    world.run_for(Duration::from_millis(20));
    let request = world.request();
    assert_eq!(world.requests[&request].len(), 2, "an aggregate for each shard");
    world.stream.split(at_percent(25));
    world.fetch_again();
    world.answer(request, Answer::Failed(failure("ValidationException")));
    world.heal();
    assert!(
        (0..3).all(|n| attempts(&world, n) == 2),
        "none was stored where a consumer drops it"
    );
    assert_eq!(world.stream.user_records_stored(), 3);
    world.assert_at_rest();
}

#[test]
fn an_aggregate_whose_shard_did_not_change_stays_whole_on_a_new_map() {
    let mut world = World::ready(2, Config::default());
    world.leap(Duration::from_millis(1));
    world.send([at(0, LOW), at(1, LOW + 1)]);
    world.stream.split(at_percent(75));
    world.fetch_again();
    world.heal();
    assert_eq!(world.stream.stored_count(), 1);
}

#[test]
fn receipts_name_their_records_after_their_aggregate_was_taken_apart() {
    let percents = [HIGH, LOW, LOW + 1, HIGH + 1, 50, LOW + 2];
    let mut world = with_aggregate_under_way(&percents);
    world.stream.split(at_percent(50));
    world.stored();
    world.heal();
    let places: Vec<_> = (0..percents.len())
        .map(|n| {
            (
                world.delivered(n).shard_id.as_str(),
                world.delivered(n).sub_sequence_number,
            )
        })
        .collect();
    let (low, high) = ("shardId-000000000001", "shardId-000000000002");
    assert_eq!(places, [(high, 0), (low, 0), (low, 1), (high, 1), (high, 2), (low, 2)]);
}

#[test]
fn explicit_hash_keys_survive_being_taken_apart_and_given_back() {
    let mut world = with_aggregate_under_way(&[LOW, HIGH]);
    world.send([record(2, 10), at(3, HIGH).with_explicit_hash_key(key(0))]);
    world.stream.split(at_percent(50));
    world.stored();
    world.fetched();
    // The two that are parted are records alone by now: only the aggregate's own note tells who chose the hash key.
    let returned = world.give_up();
    assert_eq!(returned.len(), 4, "each receipt was compared with what was put");
    world.assert_at_rest();
}

/// The service stored it, but a consumer of that shard may drop it as a whole: only the map could tell.
#[test]
fn what_could_not_be_judged_by_the_end_is_given_back_as_maybe_stored() {
    let mut world = with_aggregate_under_way(&[LOW, HIGH]);
    world.stream.split(at_percent(50));
    world.stored();
    assert_eq!(world.give_up().len(), 2);
    assert!(world.error(0).may_have_been_stored());
    assert_eq!(world.error(0).attempts().total(), 1);
    world.assert_at_rest();
}
