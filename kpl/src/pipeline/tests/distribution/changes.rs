//! A stream that begins to follow keys, or no longer does, while records are queued and under way.

use super::{HIGH, LOW, MILLISECOND, SECOND, at, deliver, without_key};
use crate::config::Config;
use crate::config::ordering::RecordDistribution;
use crate::error::PutErrorKind;
use crate::pipeline::Source;
use crate::pipeline::tests::world::{Descriptions, World, record};

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
        .stages
        .knowledge
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
