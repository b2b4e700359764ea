//! The description of the stream tells who decides: when it is asked for, and what waits for it.

use super::{LOW, MILLISECOND, SECOND, at, deliver, undescribable, undescribed, without_key};
use crate::config::Config;
use crate::config::ordering::RecordDistribution;
use crate::error::PutErrorKind;
use crate::pipeline::Source;
use crate::pipeline::tests::world::{World, record};

/// Though something waits for the map: what was just told is not asked again at once, whatever contradicts it.
#[test]
fn the_pause_after_a_description_is_cut_short_for_nobody() {
    let mut world = World::ready(2, Config::default());
    let next = world.now + 10 * SECOND;
    world.leap(MILLISECOND);
    world
        .pipeline
        .stages
        .knowledge
        .distribution
        .key_missed(world.now, world.now);
    assert_eq!(world.pipeline.stages.knowledge.distribution.next_at(), Some(next));
    world.pipeline.stages.await_map(world.now);
    assert_eq!(world.pipeline.stages.knowledge.distribution.next_at(), Some(next));
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
