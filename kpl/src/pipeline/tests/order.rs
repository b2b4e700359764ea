//! P4: the records of one key in the order in which they were put.

use std::time::Duration;

use proptest::prelude::*;
use service::ShardId;

use super::conservation::{self, Step, step};
use super::stream::at_percent;
use super::world::{World, answered, failure, record, refused};
use crate::config::Config;
use crate::config::ordering::Ordering;
use crate::pipeline::{Answer, EntryAnswer};
use crate::record::Record;

const SECOND: Duration = Duration::from_secs(1);
const LOW: u8 = 10;
const MIDDLE: u8 = 60;
const HIGH: u8 = 90;

fn at(n: usize, percent: u8) -> Record {
    record(n, 10).with_explicit_hash_key(at_percent(percent))
}

fn in_order() -> Config {
    Config {
        ordering: Ordering::PerKey,
        ..Config::default()
    }
}

/// Each record in an aggregate of its own.
fn send_apart(world: &mut World, records: impl IntoIterator<Item = Record>) {
    for record in records {
        world.put(record);
        world.seal();
    }
    world.run_for(Duration::from_millis(20));
}

#[test]
fn one_kinesis_record_of_a_shard_is_under_way_at_a_time() {
    let mut world = World::ready(2, in_order());
    send_apart(&mut world, [at(0, LOW), at(1, HIGH), at(2, LOW), at(3, HIGH)]);
    assert_eq!(world.requests.len(), 1);
    assert_eq!(world.requests[&world.request()].len(), 2, "one of each shard");
    world.stored();
    world.run_for(Duration::from_millis(20));
    assert_eq!(world.requests[&world.request()].len(), 2);
    world.heal();
    world.assert_read_in_order();
    world.assert_at_rest();
}

#[test]
fn a_record_that_is_sent_again_is_not_overtaken_and_holds_its_own_shard_only() {
    let mut world = World::ready(2, in_order());
    send_apart(&mut world, [at(0, LOW), at(1, LOW)]);
    for n in 2..7 {
        let request = world.request();
        world.answer(request, answered(vec![refused("InternalFailure")]));
        send_apart(&mut world, [at(n, HIGH)]);
        while !matches!(world.outcome(n), Some(Ok(_))) {
            let request = *world.requests.last_key_value().unwrap().0;
            let entries = world.requests[&request].clone();
            let answers = entries
                .iter()
                .map(|entry| match entry.explicit_hash_key == at_percent(HIGH) {
                    true => world.store_entry(entry),
                    false => refused("InternalFailure"),
                });
            let answers = answers.collect();
            world.answer(request, answered(answers));
        }
        assert!(world.outcome(1).is_none());
        while world.requests.is_empty() {
            world.run_to_next_wake_up();
        }
    }
    world.heal();
    world.assert_read_in_order();
    world.assert_at_rest();
}

#[test]
fn what_is_put_while_the_records_of_a_split_shard_are_taken_apart_does_not_overtake_them() {
    let large = |n: usize, percent| record(n, 100_000).with_explicit_hash_key(at_percent(percent));
    let config = Config {
        aggregation_max_size: 400_000,
        ..in_order()
    };
    let mut world = World::ready(2, config);
    // What is in flight holds the shard, so that all else waits.
    world.send([large(0, LOW), large(1, HIGH)]);
    world.run_for(Duration::from_millis(20));
    world.send((2..62).map(|n| large(n, if n % 3 == 0 { LOW } else { 40 })));
    world.send((62..66).map(|n| large(n, HIGH)));
    world.stream.split(at_percent(LOW));
    world.fetch_again();
    let left = world.pipeline.stages.rerouted.bytes();
    assert!(
        (4_000_000..5_500_000).contains(&left),
        "{left} of 6 MB, and none of the other shard's"
    );
    world.send([large(66, LOW), large(67, 40), large(68, HIGH)]);
    world.run_for(Duration::from_millis(1));
    assert!(world.pipeline.stages.rerouted.bytes() < left, "another part of it");
    world.run_for(Duration::from_millis(10));
    assert!(world.pipeline.stages.rerouted.is_empty());
    world.heal();
    world.assert_read_in_order();
    world.assert_at_rest();
}

#[test]
fn what_is_put_for_an_unchanged_shard_does_not_wait_for_the_records_of_a_split_shard_that_are_taken_apart() {
    let large = |n: usize, percent| record(n, 100_000).with_explicit_hash_key(at_percent(percent));
    let config = Config {
        aggregation_max_size: 400_000,
        ..in_order()
    };
    let mut world = World::ready(2, config);
    world.send([large(0, LOW)]);
    world.run_for(Duration::from_millis(20));
    world.send((1..60).map(|n| large(n, if n % 3 == 0 { LOW } else { 40 })));
    world.stream.split(at_percent(LOW));
    world.fetch_again();
    let left = world.pipeline.stages.rerouted.bytes();
    assert!(left > 3_000_000, "{left}");
    world.send([at(60, HIGH), at(61, MIDDLE)]);
    assert_eq!(world.pipeline.stages.rerouted.bytes(), left, "it is on its way");
    world.send([at(62, LOW)]);
    assert!(
        world.pipeline.stages.rerouted.bytes() > left,
        "it waits behind those of its key"
    );
    world.send((63..93).map(|n| large(n, LOW)));
    for n in 93..110 {
        // At last, only what came after the change waits.
        world.run_for(Duration::from_millis(1));
        world.send([large(n, LOW)]);
    }
    assert!(world.pipeline.stages.rerouted.is_empty());
    world.heal();
    world.assert_read_in_order();
    world.assert_at_rest();
}

#[test]
fn the_children_of_a_split_wait_for_what_is_under_way_to_their_parent() {
    let mut world = World::ready(1, in_order());
    world.put(at(0, LOW));
    world.put(at(1, HIGH));
    world.seal();
    world.run_for(Duration::from_millis(20));
    world.stream.split(at_percent(50));
    world.fetch_again();
    send_apart(&mut world, [at(2, LOW), at(3, HIGH)]);
    world.run_for(10 * SECOND);
    assert_eq!(world.requests.len(), 1, "both children wait");
    world.stored();
    world.run_for(10 * SECOND);
    assert_eq!(
        world.requests[&world.request()].len(),
        2,
        "the parent's records, sent again"
    );
    world.heal();
    world.assert_read_in_order();
    world.assert_at_rest();
}

#[test]
fn the_child_of_a_merge_waits_for_both_parents() {
    let mut world = World::ready(2, in_order());
    send_apart(&mut world, [at(0, LOW)]);
    send_apart(&mut world, [at(1, HIGH)]);
    assert_eq!(world.requests.len(), 2);
    world.stream.merge(at_percent(LOW));
    world.fetch_again();
    send_apart(&mut world, [at(2, MIDDLE)]);
    for _ in 0..2 {
        assert!(world.outcome(2).is_none());
        assert!(
            world
                .requests
                .values()
                .flatten()
                .all(|entry| entry.explicit_hash_key != at_percent(MIDDLE))
        );
        world.stored();
        world.run_for(SECOND);
    }
    world.heal();
    assert!(world.outcome(2).unwrap().is_ok());
    world.assert_at_rest();
}

#[test]
fn what_waits_for_its_next_attempt_goes_before_what_was_queued_when_the_shards_change() {
    let mut world = World::ready(1, in_order());
    send_apart(&mut world, [at(0, LOW), at(1, LOW), at(2, HIGH), at(3, LOW)]);
    world.answer(world.request(), Answer::Failed(failure("InternalFailure")));
    world.stream.split(at_percent(50));
    world.fetch_again();
    world.heal();
    world.assert_read_in_order();
    world.assert_at_rest();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_records_of_a_key_are_read_in_order_whatever_the_service_does(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let config = Config {
            ordering: Ordering::PerKey,
            ..conservation::config(Duration::from_secs(10), None)
        };
        let mut world = World::new(2, config);
        for (number, step) in steps.into_iter().enumerate() {
            conservation::take(&mut world, with_few_keys(step), number);
            world.work();
        }
        world.heal();
        world.assert_read_in_order();
        world.assert_at_rest();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// With records so large that those of changed shards are taken apart in several steps.
    #[test]
    fn the_records_of_a_key_are_read_in_order_while_those_of_changed_shards_are_taken_apart(
        steps in prop::collection::vec(step(), 1..80),
        shards in 2u32..5,
    ) {
        let config = Config {
            ordering: Ordering::PerKey,
            aggregation_max_size: 300_000,
            aggregation_max_count: 4,
            ..Config::default()
        };
        let mut world = World::new(shards, config);
        world.send((0..30).map(large));
        for (number, step) in steps.into_iter().enumerate() {
            let step = with_few_keys(step);
            if let Step::Put { .. } = step {
                world.put(large(30 + number));
            } else if let Step::Run { millis } = step {
                world.run_for(Duration::from_micros(millis * 10));
            } else {
                conservation::take(&mut world, step, number);
            }
            world.work();
        }
        world.heal();
        world.assert_read_in_order();
        world.assert_at_rest();
    }
}

/// A record of 100 kB and one of 16 keys.
fn large(n: usize) -> Record {
    let percent = u8::try_from(n * 7 % 16 * 6).unwrap();
    record(n, 100_000).with_explicit_hash_key(at_percent(percent))
}

/// Eight keys, on a stream that lives through the whole run and always follows them: nothing else has an order.
fn with_few_keys(mut step: Step) -> Step {
    if let Step::Put { hash_key_percent, .. } = &mut step {
        *hash_key_percent = Some(hash_key_percent.unwrap_or(0) % 8 * 13);
    }
    if matches!(step, Step::DescribeFailed { .. }) {
        return Step::Described;
    }
    if matches!(
        step,
        Step::Delete | Step::Recreate { .. } | Step::Flip | Step::PutWithoutKey { .. }
    ) {
        return Step::Seal;
    }
    step
}

#[test]
fn an_aggregate_that_is_taken_apart_into_its_records_keeps_their_order() {
    let mut world = World::ready(2, in_order());
    world.send((0..3).map(|n| at(n, LOW)));
    for _ in 0..3 {
        world.run_for(3 * SECOND);
        let other = EntryAnswer::Stored {
            shard: ShardId::new("shardId-000000000001"),
            sequence_number: "1".into(),
        };
        world.answer(world.request(), answered(vec![other]));
        world.fetched();
    }
    world.heal();
    assert_eq!(world.stream.stored_count(), 3, "record by record");
    world.assert_read_in_order();
    world.assert_at_rest();
}
