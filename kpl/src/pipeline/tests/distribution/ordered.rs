//! Ordered records go only where keys are followed: they wait until that is known, and come back where it is not so.

use super::{LOW, MILLISECOND, SECOND, at, undescribable, undescribed};
use crate::config::Config;
use crate::config::ordering::{Ordering, RecordDistribution};
use crate::error::PutErrorKind;
use crate::pipeline::tests::world::World;

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
fn the_description_that_ordered_records_wait_for_is_asked_for_again_within_two_seconds() {
    let mut world = undescribed(2, in_order());
    world.send([at(0, LOW)]);
    world.fetched();
    for _ in 0..20 {
        world.describe_failed("LimitExceededException");
        let pause = world.next_wake_up().unwrap() - world.now;
        assert!(pause <= 2 * SECOND, "{pause:?}");
        world.run_for(pause);
    }
    world.described();
    world.heal();
    assert!(world.outcome(0).unwrap().is_ok());
}

#[test]
fn ordered_records_that_wait_for_the_description_come_back_soon_when_it_says_that_the_stream_is_missing() {
    let mut world = undescribed(2, in_order());
    world.send([at(0, LOW)]);
    world.fetched();
    world.describe_failed("ResourceNotFoundException");
    world.run_for(2 * SECOND);
    world.fetch_failed("ResourceNotFoundException");
    assert_eq!(world.error(0).kind(), &PutErrorKind::StreamNotFound);
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

#[test]
fn ordered_records_that_wait_for_the_description_alone_do_not_come_back_when_lists_are_refused() {
    let mut world = undescribed(2, in_order());
    world.send([at(0, LOW)]);
    world.fetched();
    world.describe_failed("LimitExceededException");
    world.leap(MILLISECOND);
    world.ask_for_shards();
    for _ in 0..90 {
        if world.fetch.is_some() {
            world.fetch_failed("MissingAuthenticationToken");
        }
        if world.description.is_some() {
            world.describe_failed("LimitExceededException");
        }
        world.run_for(SECOND);
    }
    assert_eq!(world.open(), 1, "the shards are known");
    world.heal();
    let attempts = &world.outcome(0).unwrap().unwrap().attempts;
    assert_eq!(attempts.total(), 1, "the lists are none of its attempts");
    world.assert_at_rest();
}
