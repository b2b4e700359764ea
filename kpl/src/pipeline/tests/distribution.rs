//! Who decides where records go: found out, changed while records are under way, and never guessed against a promise.

use std::time::Duration;

use super::stream::at_percent;
use super::world::{Descriptions, World, answered, record};
use crate::config::Config;
use crate::error::PutErrorKind;
use crate::ordering::{Ordering, RecordDistribution};
use crate::pipeline::Source;
use crate::record::Record;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const LOW: u8 = 10;
const HIGH: u8 = 90;

fn at(n: usize, percent: u8) -> Record {
    record(n, 10).with_explicit_hash_key(at_percent(percent))
}

fn without_key(n: usize) -> Record {
    Record::without_key(record(n, 10).into_data())
}

/// A world whose descriptions the test answers.
fn undescribed(shards: u32, config: Config) -> World {
    let mut world = World::new(shards, config);
    world.descriptions = Descriptions::ByTheTest;
    world
}

/// A world on a stream that the caller may not describe, with its map loaded.
fn undescribable(shards: u32, config: Config) -> World {
    let mut world = undescribed(shards, config);
    world.pipeline.refresher.on_traffic(world.now);
    world.pipeline.distribution.on_traffic(world.now);
    world.work();
    world.fetched();
    world.describe_failed("AccessDeniedException");
    world
}

/// Puts records of both halves of the keys and lets them arrive; returns the Kinesis records that it took.
fn deliver(world: &mut World, numbers: std::ops::Range<usize>) -> usize {
    let before = world.stream.stored_count();
    world.send(numbers.map(|n| at(n, if n % 2 == 0 { LOW } else { HIGH })));
    world.heal();
    world.stream.stored_count() - before
}

#[test]
fn the_first_record_asks_for_the_description_and_traffic_for_the_next_when_it_is_old() {
    let mut world = World::new(2, Config::default());
    assert_eq!(deliver(&mut world, 0..10), 2, "aggregates");
    assert_eq!(
        world.told,
        [(RecordDistribution::UserPartitionKey, Source::Description)]
    );
    world.leap(200 * SECOND);
    deliver(&mut world, 10..20);
    assert_eq!(world.questions, 1);
    world.leap(200 * SECOND);
    deliver(&mut world, 20..30);
    assert_eq!(world.questions, 2);
    world.leap(1_000 * SECOND);
    assert_eq!((world.questions, world.pipeline.poll_timeout()), (2, None), "idle");
}

#[test]
fn the_first_records_wait_for_the_description_but_not_for_long() {
    let mut world = undescribed(2, Config::default());
    world.send([at(0, LOW), at(1, LOW)]);
    world.fetched();
    world.run_for(499 * MILLISECOND);
    assert!(world.requests.is_empty());
    world.run_for(50 * MILLISECOND);
    assert_eq!(
        world.requests[&world.request()].len(),
        2,
        "each alone, for nobody knows better"
    );
    world.described();
    world.heal();
    assert_eq!(deliver(&mut world, 2..10), 2, "aggregates");
}

#[test]
fn a_description_that_fails_holds_nothing_up_and_is_asked_for_again() {
    let mut world = undescribed(2, Config::default());
    world.send([at(0, LOW), at(1, LOW)]);
    world.fetched();
    world.describe_failed("LimitExceededException");
    world.run_for(20 * MILLISECOND);
    assert_eq!(world.requests[&world.request()].len(), 2);
    world.stored();
    world.run_for(60 * SECOND);
    world.send([at(2, LOW)]);
    assert!(world.description.is_some());
}

#[test]
fn an_answer_that_says_nothing_is_asked_for_again_at_the_regular_time_only() {
    let mut world = undescribable(1, Config::default());
    for n in 0..10 {
        deliver(&mut world, n * 10..n * 10 + 10);
        world.leap(10 * SECOND);
    }
    assert_eq!(world.questions, 1);
    world.leap(300 * SECOND);
    world.send([at(1_000, LOW)]);
    assert_eq!(world.questions, 2);
}

#[test]
fn on_an_auto_stream_each_record_is_alone_and_right_wherever_it_lands() {
    let mut world = World::new(4, Config::default());
    world.stream.flip();
    assert_eq!(deliver(&mut world, 0..100), 100);
    assert_eq!(world.told, [(RecordDistribution::Auto, Source::Description)]);
    assert!((0..100).all(|n| world.delivered(n).attempts.total() == 1));
    assert_eq!(
        world.fetches, 1,
        "a shard that was not expected says nothing of the map"
    );
    world.assert_at_rest();
}

#[test]
fn an_auto_stream_takes_records_at_the_rates_of_all_its_shards() {
    let mut world = World::new(4, Config::default());
    world.stream.flip();
    deliver(&mut world, 0..1);
    world.leap(10 * SECOND);
    world.send((1..8_001).map(|n| record(n, 10)));
    for _ in 0..100 {
        world.run_for(MILLISECOND);
        while !world.requests.is_empty() {
            world.stored();
        }
    }
    let sent = world.stream.stored_count();
    assert!(
        (6_400..=6_700).contains(&sent),
        "{sent} of 4 × 1,500 at once and 600 in 0.1 s"
    );
}

/// Which of its shards was over its limit is not said; the service would have taken another if there had been one.
#[test]
fn throttling_slows_an_auto_stream_down_as_a_whole() {
    let mut world = World::new(2, Config::default());
    world.stream.flip();
    deliver(&mut world, 0..1);
    world.send((1..21).map(|n| record(n, 10)));
    world.run_for(21 * MILLISECOND);
    let request = world.request();
    let entries = world.requests[&request].clone();
    let answers = entries.iter().enumerate().map(|(n, entry)| match n % 2 {
        0 => super::world::refused("ProvisionedThroughputExceededException"),
        _ => world.store_entry(entry),
    });
    let answers = answered(answers.collect());
    world.answer(request, answers);
    assert_eq!(world.open(), 10);
    assert_eq!(world.pipeline.limiter.rate_of(&None), 70);
    world.send((21..1_021).map(|n| record(n, 10)));
    world.run_for(100 * MILLISECOND);
    let sent: usize = world.requests.values().map(Vec::len).sum();
    assert!(
        (112..=140).contains(&sent),
        "{sent} of 2 × 700 a second in 0.1 s, less those that wait for company"
    );
    world.heal();
    let [(hot, _)] = &world.reports[..] else {
        panic!("one report: {:?}", world.reports)
    };
    assert_eq!((&hot.destination, hot.refused), (&None, 10));
    world.assert_at_rest();
}

#[test]
fn a_record_without_a_key_waits_for_the_description_and_goes_into_an_auto_stream() {
    let mut world = undescribed(2, Config::default());
    world.stream.flip();
    world.send([without_key(0), record(1, 10), without_key(2)]);
    world.fetched();
    assert_eq!(world.open(), 3);
    world.described();
    world.heal();
    assert!((0..3).all(|n| world.outcome(n).unwrap().is_ok()));
    world.assert_at_rest();
}

#[test]
fn a_record_without_a_key_comes_back_from_a_stream_that_follows_keys_or_may_do_so() {
    for answer in [World::described as fn(&mut World), |world| {
        world.describe_failed("AccessDeniedException");
    }] {
        let mut world = undescribed(2, Config::default());
        world.send([without_key(0), record(1, 10)]);
        world.fetched();
        answer(&mut world);
        assert_eq!(world.error(0).kind(), &PutErrorKind::NoPartitionKey);
        assert!(!world.admits(&without_key(2)), "the next one is refused at once");
        world.heal();
        assert!(world.outcome(1).unwrap().is_ok());
        world.assert_at_rest();
    }
}

#[test]
fn an_aggregate_under_way_while_its_stream_becomes_auto_is_sent_again_record_by_record() {
    let mut world = World::ready(4, Config::default());
    world.leap(20 * SECOND);
    world.send((0..4).map(|n| at(n, LOW)).chain((4..8).map(|n| at(n, HIGH))));
    world.run_for(20 * MILLISECOND);
    assert_eq!(world.requests[&world.request()].len(), 2);
    world.stream.flip();
    world.stored();
    let fetches = world.fetches;
    world.heal();
    assert_eq!(
        world.told.last(),
        Some(&(RecordDistribution::Auto, Source::Description)),
        "found out at once, not in five minutes"
    );
    assert!(world.fetches <= fetches + 1, "{}", world.fetches);
    assert!((0..8).all(|n| world.outcome(n).unwrap().is_ok()));
    assert_eq!(deliver(&mut world, 8..18), 10);
    world.assert_at_rest();
}

#[test]
fn what_is_queued_when_a_stream_becomes_auto_leaves_record_by_record() {
    let mut world = World::ready(2, Config::default());
    world.leap(400 * SECOND);
    world.descriptions = Descriptions::ByTheTest;
    world.stream.flip();
    world.send((0..10).map(|n| at(n, LOW)));
    world.described();
    world.heal();
    assert_eq!(world.stream.stored_count(), 10);
    assert!((0..10).all(|n| world.delivered(n).attempts.total() == 1));
}

#[test]
fn records_under_way_while_their_stream_begins_to_follow_keys_are_right_where_they_land() {
    let mut world = World::new(2, Config::default());
    world.stream.flip();
    deliver(&mut world, 0..10);
    world.leap(400 * SECOND);
    world.descriptions = Descriptions::ByTheTest;
    world.send((10..20).map(|n| at(n, LOW)));
    world.run_for(20 * MILLISECOND);
    let fetches = world.fetches;
    world.stream.flip();
    world.description = None;
    world.descriptions = Descriptions::AtOnce;
    world
        .pipeline
        .distribution
        .described(RecordDistribution::UserPartitionKey, world.now);
    world.work();
    world.stored();
    assert_eq!(world.fetches, fetches, "no shard was expected, so none is a surprise");
    assert!((10..20).all(|n| world.delivered(n).attempts.total() == 1));
    assert_eq!(deliver(&mut world, 20..30), 2, "aggregates");
    world.assert_at_rest();
}

#[test]
fn records_without_a_key_on_a_stream_that_begins_to_follow_keys_come_back_and_the_others_are_delivered() {
    let mut world = World::new(2, Config::default());
    world.stream.flip();
    deliver(&mut world, 0..1);
    world.leap(20 * SECOND);
    world.send((1..21).map(|n| if n % 2 == 0 { record(n, 10) } else { without_key(n) }));
    world.run_for(20 * MILLISECOND);
    world.stream.flip();
    world.stored();
    assert_eq!(
        world.told.last(),
        Some(&(RecordDistribution::UserPartitionKey, Source::Description)),
        "the refusal tells, and the description is asked for"
    );
    world.heal();
    for n in 1..21 {
        match world.outcome(n).unwrap() {
            Ok(_) => assert_eq!(n % 2, 0),
            Err(error) => assert_eq!(error.kind(), &PutErrorKind::NoPartitionKey),
        }
    }
    world.assert_at_rest();
}

#[test]
fn without_the_permission_aggregation_begins_once_placements_show_that_keys_are_followed() {
    let mut world = undescribable(2, Config::default());
    assert_eq!(deliver(&mut world, 0..63), 63);
    assert_eq!(world.told, [(RecordDistribution::Unknown, Source::Nothing)]);
    deliver(&mut world, 63..64);
    assert_eq!(
        world.told.last(),
        Some(&(RecordDistribution::UserPartitionKey, Source::Placements))
    );
    assert_eq!(deliver(&mut world, 64..164), 2);
    world.assert_at_rest();
}

#[test]
fn without_the_permission_an_auto_stream_is_found_out_by_its_first_placements() {
    let mut world = undescribable(4, Config::default());
    world.stream.flip();
    world.leap(MILLISECOND);
    assert_eq!(
        deliver(&mut world, 0..300),
        300,
        "never an aggregate, and nothing twice"
    );
    assert_eq!(world.told.last(), Some(&(RecordDistribution::Auto, Source::Placements)));
    world.send([without_key(300)]);
    world.heal();
    assert!(world.outcome(300).unwrap().is_ok());
    assert!(world.fetches <= 3, "no storm of fetches: {}", world.fetches);
    world.assert_at_rest();
}

#[test]
fn without_the_permission_flips_both_ways_are_found_out_and_nothing_is_lost() {
    let mut world = undescribable(2, Config::default());
    // An odd number: the turns that follow begin at the other shard.
    deliver(&mut world, 0..65);
    world.stream.flip();
    world.leap(SECOND);
    deliver(&mut world, 65..165);
    assert_eq!(world.told.last(), Some(&(RecordDistribution::Auto, Source::Placements)));
    world.stream.flip();
    world.leap(SECOND);
    deliver(&mut world, 165..365);
    assert_eq!(
        world.told.last(),
        Some(&(RecordDistribution::UserPartitionKey, Source::Placements))
    );
    assert!((0..365).all(|n| world.outcome(n).unwrap().is_ok()));
    world.assert_at_rest();
}

#[test]
fn without_the_permission_a_split_is_not_taken_for_a_stream_that_ignores_keys() {
    let mut world = undescribable(2, Config::default());
    deliver(&mut world, 0..64);
    world.leap(SECOND);
    world.stream.split(at_percent(25));
    deliver(&mut world, 64..84);
    assert_eq!(
        world.told.last(),
        Some(&(RecordDistribution::UserPartitionKey, Source::Placements))
    );
    assert!(world.fetches > 0, "the map was refreshed");
}

#[test]
fn a_permission_that_is_taken_away_leaves_what_the_description_said_until_placements_contradict_it() {
    let mut world = World::ready(2, Config::default());
    world.descriptions = Descriptions::ByTheTest;
    world.leap(400 * SECOND);
    world.send([at(0, LOW)]);
    world.describe_failed("AccessDeniedException");
    world.heal();
    assert_eq!(deliver(&mut world, 1..11), 2, "aggregates");
    world.stream.flip();
    world.leap(SECOND);
    world.descriptions = Descriptions::ByTheTest;
    deliver(&mut world, 11..31);
    assert_eq!(world.told.last().unwrap().0, RecordDistribution::Auto);
    world.assert_at_rest();
}

#[test]
fn a_configured_default_counts_while_nothing_else_is_known() {
    let assuming = |distribution| {
        let config = Config {
            record_distribution_default: distribution,
            ..Config::default()
        };
        undescribable(2, config)
    };
    let mut by_key = assuming(RecordDistribution::UserPartitionKey);
    assert_eq!(deliver(&mut by_key, 0..10), 2);
    let mut auto = assuming(RecordDistribution::Auto);
    auto.stream.flip();
    assert_eq!(deliver(&mut auto, 0..10), 10);
    auto.send([without_key(10)]);
    auto.heal();
    assert!(auto.outcome(10).unwrap().is_ok());
    assert_eq!(auto.told, [(RecordDistribution::Auto, Source::Default)]);
}

#[test]
fn the_description_counts_more_than_the_configured_default() {
    let config = Config {
        record_distribution_default: RecordDistribution::UserPartitionKey,
        ..Config::default()
    };
    let mut world = World::new(2, config);
    world.stream.flip();
    assert_eq!(deliver(&mut world, 0..10), 10);
    assert_eq!(
        world.told.last(),
        Some(&(RecordDistribution::Auto, Source::Description))
    );
}

fn in_order() -> Config {
    Config {
        ordering: Ordering::PerKey,
        ..Config::default()
    }
}

fn assert_impossible(world: &World, n: usize, distribution: RecordDistribution) {
    assert_eq!(
        world.error(n).kind(),
        &PutErrorKind::OrderingImpossible { distribution }
    );
}

#[test]
fn ordered_records_wait_for_the_description_however_long_it_takes() {
    let mut world = undescribed(2, in_order());
    world.send([at(0, LOW)]);
    world.fetched();
    for _ in 0..5 {
        world.describe_failed("LimitExceededException");
        world.run_for(30 * SECOND);
        assert_eq!((world.open(), world.requests.len()), (1, 0));
    }
    world.described();
    world.heal();
    assert!(world.outcome(0).unwrap().is_ok());
}

#[test]
fn ordered_records_come_back_from_a_stream_that_is_auto_or_that_nobody_describes() {
    let mut auto = World::new(2, in_order());
    auto.stream.flip();
    auto.send([at(0, LOW)]);
    auto.fetched();
    assert_impossible(&auto, 0, RecordDistribution::Auto);
    auto.assert_at_rest();

    let mut unknown = undescribable(2, in_order());
    unknown.send([at(0, LOW)]);
    assert_impossible(&unknown, 0, RecordDistribution::Unknown);
    unknown.assert_at_rest();
}

#[test]
fn ordered_records_on_a_stream_that_becomes_auto_come_back_and_follow_keys_again_when_it_does() {
    let mut world = World::ready(2, in_order());
    world.leap(20 * SECOND);
    world.send([at(0, LOW), at(1, LOW)]);
    world.run_for(20 * MILLISECOND);
    world.stream.flip();
    // Another record makes it the turn of a shard that does not hold the aggregate's keys.
    let stray = world.requests[&world.request()][0].clone();
    world.store_entry(&stray);
    world.stored();
    world.heal();
    assert_impossible(&world, 0, RecordDistribution::Auto);
    assert!(world.error(0).may_have_been_stored());
    world.send([at(2, LOW)]);
    assert_impossible(&world, 2, RecordDistribution::Auto);
    world.stream.flip();
    world.leap(400 * SECOND);
    world.send([at(3, LOW)]);
    world.send([at(4, LOW)]);
    world.heal();
    assert!(world.outcome(4).unwrap().is_ok());
    world.assert_at_rest();
}
