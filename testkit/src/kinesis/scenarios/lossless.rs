//! Whatever is put, split, merged and flipped in whatever order: a consumer that follows the shards reads every record
//! once, in the order of its shard, and a child only after the end of its parents.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::kinesis::SequenceNumber;
use crate::kinesis::request::RecordDistributionStrategy::{self, Auto, UserPartitionKey};

#[derive(Debug, Clone)]
enum Step {
    Put { hash_key: u128, count: usize },
    Split(prop::sample::Index),
    Merge(prop::sample::Index),
    Scale(prop::sample::Index),
    Close(prop::sample::Index),
    Flip(RecordDistributionStrategy),
    Read { limit: usize },
    Wait { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<u128>(), 1_usize..20).prop_map(|(hash_key, count)| Step::Put { hash_key, count }),
        2 => any::<prop::sample::Index>().prop_map(Step::Split),
        2 => any::<prop::sample::Index>().prop_map(Step::Merge),
        1 => any::<prop::sample::Index>().prop_map(Step::Scale),
        1 => any::<prop::sample::Index>().prop_map(Step::Close),
        2 => prop_oneof![Just(Auto), Just(UserPartitionKey)].prop_map(Step::Flip),
        8 => (1_usize..50).prop_map(|limit| Step::Read { limit }),
        6 => (1_u64..400).prop_map(|millis| Step::Wait { millis }),
    ]
}

/// A consumer that knows only what the service tells it.
#[derive(Default)]
struct Consumer {
    iterators: BTreeMap<String, String>,
    ended: BTreeSet<String>,
    read: Vec<(String, SequenceNumber)>,
}

impl Consumer {
    fn read(&mut self, world: &mut World, limit: usize) {
        for (shard, iterator) in std::mem::take(&mut self.iterators) {
            let reply = world.ok("GetRecords", json!({"ShardIterator": iterator, "Limit": limit}));
            let numbers = sequence_numbers(&reply);
            self.read
                .extend(numbers.iter().map(|number| (shard.clone(), number.parse().unwrap())));
            match reply["NextShardIterator"].as_str() {
                Some(next) => {
                    assert_eq!(reply.get("ChildShards"), None);
                    self.iterators.insert(shard, next.to_owned());
                }
                None => self.follow(world, shard, &reply["ChildShards"]),
            }
        }
    }

    /// Starts the children all of whose parents have ended.
    fn follow(&mut self, world: &mut World, shard: String, children: &Value) {
        self.ended.insert(shard);
        let children = children.as_array().unwrap();
        assert!(!children.is_empty(), "an ended shard has children");
        for child in children {
            let parents = child["ParentShards"].as_array().unwrap();
            if parents
                .iter()
                .all(|parent| self.ended.contains(parent.as_str().unwrap()))
            {
                let id = text(child, "ShardId");
                let number = id.parse::<ShardId>().unwrap().number();
                let iterator = world.iterator(number, "TRIM_HORIZON");
                assert!(self.iterators.insert(id, iterator).is_none(), "a child starts once");
            }
        }
    }
}

fn perform(world: &mut World, consumer: &mut Consumer, step: Step) {
    let open: Vec<_> = world
        .kinesis
        .shards("orders")
        .into_iter()
        .filter(|shard| shard.sequence_number_range.ending_sequence_number.is_none())
        .collect();
    // Refusals, as while the stream is updating, are part of the game.
    match step {
        Step::Put { hash_key, count } => {
            let record = json!({"PartitionKey": "k", "ExplicitHashKey": hash_key.to_string(), "Data": "aGk="});
            world.ok(
                "PutRecords",
                json!({"StreamName": "orders", "Records": vec![record; count]}),
            );
        }
        Step::Split(index) => {
            let shard = index.get(&open);
            let (start, end) = (
                shard.hash_key_range.starting_hash_key.value(),
                shard.hash_key_range.ending_hash_key.value(),
            );
            let middle = (start + (end - start) / 2).to_string();
            let _ = world.call(
                "SplitShard",
                &json!({"StreamName": "orders", "ShardToSplit": shard.shard_id, "NewStartingHashKey": middle}),
            );
        }
        Step::Merge(index) => {
            let mut open = open;
            open.sort_by_key(|shard| shard.hash_key_range.starting_hash_key);
            let first = index.index(open.len());
            if let Some(second) = open.get(first + 1) {
                let (one, other) = (open[first].shard_id, second.shard_id);
                let _ = world.call(
                    "MergeShards",
                    &json!({"StreamName": "orders", "ShardToMerge": one, "AdjacentShardToMerge": other}),
                );
            }
        }
        Step::Scale(index) => {
            let target = 1 + index.index(open.len() * 2);
            let _ = world.call(
                "UpdateShardCount",
                &json!({"StreamName": "orders", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"}),
            );
        }
        Step::Close(index) => {
            let _ = world
                .kinesis
                .control("orders")
                .unwrap()
                .close_shard(index.get(&open).shard_id);
        }
        Step::Flip(strategy) => {
            let _ = world.kinesis.control("orders").unwrap().distribute(strategy);
        }
        Step::Read { limit } => consumer.read(world, limit),
        Step::Wait { millis } => world.wait(millis),
    }
}

fn assert_ordered(read: &[(String, SequenceNumber)]) {
    let mut last = BTreeMap::new();
    for (shard, number) in read {
        let before = last.insert(shard, number);
        assert!(before < Some(number), "{shard} goes back");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_consumer_that_follows_the_shards_reads_every_record_once_and_in_order(
        on_demand: bool,
        shards in 1_u32..4,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let unlimited = Settings { limits: Limits::Off, ..Settings::default() };
        let mut world =
            if on_demand { World::on_demand_with(json!({}), unlimited) } else { World::with_settings(shards, unlimited) };
        let mut consumer = Consumer::default();
        for shard in world.kinesis.shards("orders") {
            let iterator = world.iterator(shard.shard_id.number(), "TRIM_HORIZON");
            consumer.iterators.insert(shard.shard_id.to_string(), iterator);
        }
        for step in steps {
            perform(&mut world, &mut consumer, step);
        }
        world.wait(60_000);
        for _ in 0..200 {
            consumer.read(&mut world, 1_000);
        }
        assert_ordered(&consumer.read);
        let mut read = consumer.read;
        read.sort();
        let mut stored: Vec<_> =
            world.kinesis.stored("orders").map(|(shard, record)| (shard.to_string(), record.sequence_number)).collect();
        stored.sort();
        prop_assert_eq!(world.kinesis.stored_count("orders"), stored.len() as u64);
        prop_assert_eq!(read, stored);
    }
}
