//! Records without keys wait until the stream is described, however late that is, and then go into an AUTO stream.

use std::time::Duration;

use super::{LOW, SECOND, at, undescribed, without_key};
use crate::config::Config;
use crate::config::ordering::{Ordering, RecordDistribution};
use crate::error::PutErrorKind;
use crate::limits::REFUSAL_GRACE;
use crate::pipeline::tests::world::{Descriptions, World};

/// A world on an AUTO stream whose description the test answers, with a record without a key in it.
fn with_one_record(config: Config) -> World {
    let mut world = undescribed(2, config);
    world.stream.flip();
    world.send([without_key(0)]);
    world.fetched();
    world
}

#[test]
fn records_without_a_key_wait_for_a_description_that_is_late() {
    let mut world = with_one_record(Config::default());
    for n in 1..6 {
        world.run_for(SECOND);
        assert!(world.admits(&without_key(n)), "after {n} s");
        world.send([without_key(n)]);
        assert_eq!((world.open(), world.requests.len()), (n + 1, 0));
    }
    world.described();
    world.heal();
    assert!((0..6).all(|n| world.outcome(n).unwrap().is_ok()));
    world.assert_at_rest();
}

#[test]
fn a_description_that_records_without_a_key_wait_for_is_asked_for_again_within_two_seconds() {
    let mut world = with_one_record(Config::default());
    for n in 1..20 {
        world.describe_failed("InternalFailure");
        assert!(world.admits(&without_key(n)));
        let pause = world.next_wake_up().expect("asks again") - world.now;
        assert!(pause <= 2 * SECOND, "{pause:?}");
        world.send([without_key(n)]);
        world.run_for(pause);
    }
    world.described();
    world.heal();
    assert!((0..20).all(|n| world.outcome(n).unwrap().is_ok()));
    world.assert_at_rest();
}

#[test]
fn records_with_keys_do_not_wait_with_those_without() {
    let mut world = with_one_record(Config::default());
    world.send([at(1, LOW)]);
    world.run_for(SECOND);
    world.stored();
    assert!(world.outcome(1).unwrap().is_ok());
    assert_eq!(world.open(), 1);
    world.described();
    world.heal();
    assert!(world.outcome(0).unwrap().is_ok());
    world.assert_at_rest();
}

#[test]
fn records_without_a_key_wait_for_the_description_though_the_default_is_that_keys_are_followed() {
    let mut world = with_one_record(Config {
        record_distribution_default: RecordDistribution::UserPartitionKey,
        ..Config::default()
    });
    world.describe_failed("LimitExceededException");
    world.run_for(SECOND);
    assert_eq!(world.open(), 1);
    world.described();
    world.heal();
    assert!(world.outcome(0).unwrap().is_ok());
    world.assert_at_rest();
}

#[test]
fn a_late_description_of_a_stream_that_follows_keys_gives_back_what_waited_for_it() {
    for answer in [World::described as fn(&mut World), |world| {
        world.describe_failed("AccessDeniedException");
    }] {
        let mut world = undescribed(2, Config::default());
        world.send([without_key(0)]);
        world.fetched();
        world.describe_failed("InternalFailure");
        world.run_for(5 * SECOND);
        assert_eq!(world.open(), 1);
        answer(&mut world);
        assert_eq!(world.error(0).kind(), &PutErrorKind::NoPartitionKey);
        assert!(!world.admits(&without_key(1)));
        world.assert_at_rest();
    }
}

#[test]
fn records_without_a_key_that_wait_come_back_when_their_stream_is_missing() {
    let mut world = with_one_record(Config::default());
    world.run_for(SECOND);
    world.describe_failed("ResourceNotFoundException");
    assert_eq!(world.error(0).kind(), &PutErrorKind::StreamNotFound);
    world.assert_at_rest();
}

#[test]
fn a_shard_map_that_cannot_be_refreshed_gives_no_record_back_that_waits_for_the_description() {
    let mut world = with_one_record(Config::default());
    world.run_for(SECOND);
    world.leap(300 * SECOND);
    world.send([at(1, LOW)]);
    world.fetch_failed("AccessDeniedException");
    assert!(world.outcome(0).is_none());
    world.described();
    world.heal();
    assert!((0..2).all(|n| world.outcome(n).unwrap().is_ok()));
    world.assert_at_rest();
}

#[test]
fn a_record_without_a_key_that_comes_back_makes_the_producer_ask_again() {
    let mut world = World::ready(2, Config::default());
    world.descriptions = Descriptions::ByTheTest;
    world.leap(20 * SECOND);
    world.stream.flip();
    world.send([without_key(0)]);
    assert_eq!(world.error(0).kind(), &PutErrorKind::NoPartitionKey);
    world.described();
    world.send([without_key(1)]);
    world.heal();
    assert!(world.outcome(1).unwrap().is_ok());
}

/// A proxy refuses the question for as long as something asks it.
fn refuse_the_description(world: &mut World, time: Duration) {
    let end = world.now + time;
    while world.now < end {
        match world.description.is_some() {
            true => world.describe_failed("MissingAuthenticationToken"),
            false => world.run_for(SECOND / 10),
        }
    }
}

fn is_intercepted(world: &World, n: usize) -> bool {
    matches!(world.error(n).kind(), PutErrorKind::Intercepted { .. })
}

#[test]
fn records_without_a_key_come_back_as_intercepted_when_a_proxy_refuses_the_description_for_a_minute() {
    let mut world = with_one_record(Config::default());
    world.send([at(1, LOW)]);
    let begin = world.now;
    refuse_the_description(&mut world, REFUSAL_GRACE - SECOND);
    assert!(world.outcome(0).is_none());
    refuse_the_description(&mut world, 4 * SECOND);
    assert!(is_intercepted(&world, 0), "{:?}", world.error(0));
    assert!(world.now < begin + REFUSAL_GRACE + 5 * SECOND);
    // The next one asks again, and comes back for the same reason, or is delivered if the answer comes.
    assert!(world.admits(&without_key(2)));
    world.send([without_key(2)]);
    refuse_the_description(&mut world, 4 * SECOND);
    assert!(is_intercepted(&world, 2), "{:?}", world.error(2));
    world.send([without_key(3)]);
    world.run_for(SECOND);
    world.described();
    world.heal();
    assert!([1, 3].iter().all(|n| world.outcome(*n).unwrap().is_ok()));
    world.assert_at_rest();
}

#[test]
fn ordered_records_come_back_as_intercepted_when_a_proxy_refuses_the_description_for_a_minute() {
    let mut world = undescribed(
        2,
        Config {
            ordering: Ordering::PerKey,
            ..Config::default()
        },
    );
    world.send([at(0, LOW)]);
    world.fetched();
    refuse_the_description(&mut world, REFUSAL_GRACE + 4 * SECOND);
    assert!(is_intercepted(&world, 0), "{:?}", world.error(0));
    world.send([at(1, LOW)]);
    world.run_for(SECOND);
    world.described();
    world.heal();
    assert!(world.outcome(1).unwrap().is_ok());
    world.assert_at_rest();
}
