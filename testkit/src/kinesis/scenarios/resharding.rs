//! Splits, merges and scaling under load.

use super::*;
use crate::kinesis::SequenceNumber;
use crate::kinesis::response::Shard;

const OPEN: &str = "open";
const CLOSED: &str = "closed";

/// Each shard as its number, its parents, and whether it is open.
fn tree(world: &World) -> Vec<(u32, Vec<u32>, &'static str)> {
    let shards = world.kinesis.shards("orders");
    shards
        .iter()
        .map(|shard| {
            let parents = [shard.parent_shard_id, shard.adjacent_parent_shard_id];
            let parents = parents.into_iter().flatten().map(ShardId::number).collect();
            let state = if is_open(shard) { OPEN } else { CLOSED };
            (shard.shard_id.number(), parents, state)
        })
        .collect()
}

fn is_open(shard: &Shard) -> bool {
    shard.sequence_number_range.ending_sequence_number.is_none()
}

/// The open shards cover every hash key once.
#[track_caller]
fn assert_covered(world: &World) {
    let shards = world.kinesis.shards("orders");
    let mut ranges: Vec<_> = shards
        .iter()
        .filter(|shard| is_open(shard))
        .map(|shard| shard.hash_key_range.clone())
        .collect();
    ranges.sort_by_key(|range| range.starting_hash_key);
    assert_eq!(ranges.first().unwrap().starting_hash_key, HashKey::MIN);
    assert_eq!(ranges.last().unwrap().ending_hash_key, HashKey::MAX);
    for pair in ranges.windows(2) {
        assert_eq!(pair[0].ending_hash_key.value() + 1, pair[1].starting_hash_key.value());
    }
}

fn scale(target: i32) -> Value {
    json!({"StreamName": "orders", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"})
}

fn open_starts(world: &World) -> Vec<u128> {
    let shards = world.kinesis.shards("orders");
    let mut starts: Vec<_> = shards
        .iter()
        .filter(|shard| is_open(shard))
        .map(|shard| shard.hash_key_range.starting_hash_key.value())
        .collect();
    starts.sort_unstable();
    starts
}

#[test]
fn a_split_shard_is_closed_and_has_two_children_with_its_range() {
    let mut world = World::with_shards(1);
    world.split(0);
    assert_eq!(
        tree(&world),
        [(0, vec![], CLOSED), (1, vec![0], OPEN), (2, vec![0], OPEN)]
    );
    assert_covered(&world);
}

#[test]
fn merged_shards_are_closed_and_have_one_child_whichever_comes_first() {
    for (one, other) in [(0, 1), (1, 0)] {
        let mut world = World::with_shards(2);
        world.merge(one, other);
        assert_eq!(
            tree(&world),
            [(0, vec![], CLOSED), (1, vec![], CLOSED), (2, vec![one, other], OPEN)]
        );
        assert_covered(&world);
    }
}

#[test]
fn while_a_stream_is_updating_the_old_shards_go_on() {
    let mut world = World::with_shards(2);
    let iterator = world.iterator(0, "TRIM_HORIZON");
    world.ok(
        "MergeShards",
        json!({"StreamName": "orders", "ShardToMerge": shard_id(0), "AdjacentShardToMerge": shard_id(1)}),
    );
    assert_eq!(world.status(), "UPDATING");
    world.wait(499);
    assert_eq!(world.put(HashKey::MIN, 1).unwrap()["ShardId"], shard_id(0));
    let reply = world.read(&iterator);
    assert_eq!(sequence_numbers(&reply).len(), 1);
    assert_eq!(world.list(json!({"Type": "AT_LATEST"})), ids([0, 1]));
    world.wait(1);
    assert_eq!(world.put(HashKey::MIN, 1).unwrap()["ShardId"], shard_id(2));
    assert_eq!(world.status(), "ACTIVE");
}

#[test]
fn a_stream_that_is_updating_takes_no_second_change() {
    let mut world = World::with_shards(2);
    let split = json!({"StreamName": "orders", "ShardToSplit": shard_id(0), "NewStartingHashKey": "1000"});
    world.ok("SplitShard", split.clone());
    for (operation, body) in [
        ("SplitShard", split),
        (
            "MergeShards",
            json!({"StreamName": "orders", "ShardToMerge": shard_id(0), "AdjacentShardToMerge": shard_id(1)}),
        ),
        ("UpdateShardCount", scale(4)),
        (
            "IncreaseStreamRetentionPeriod",
            json!({"StreamName": "orders", "RetentionPeriodHours": 48}),
        ),
        ("DeleteStream", json!({"StreamName": "orders"})),
    ] {
        let error = world.error(operation, body);
        assert_eq!(error.code, "ResourceInUseException", "{operation}");
        assert_eq!(
            error.message,
            "Stream orders under account 000000000000 not ACTIVE, instead in state UPDATING"
        );
    }
}

#[test]
fn closed_shards_strangers_and_non_neighbours_cannot_be_resharded() {
    let mut world = World::with_shards(3);
    world.split(0);
    let merge = |one, other| json!({"StreamName": "orders", "ShardToMerge": shard_id(one), "AdjacentShardToMerge": shard_id(other)});
    let split = |shard| json!({"StreamName": "orders", "ShardToSplit": shard_id(shard), "NewStartingHashKey": "1000"});
    for (operation, body, code) in [
        ("SplitShard", split(0), "InvalidArgumentException"),
        ("SplitShard", split(9), "ResourceNotFoundException"),
        ("MergeShards", merge(0, 1), "InvalidArgumentException"),
        ("MergeShards", merge(3, 1), "InvalidArgumentException"),
        ("MergeShards", merge(1, 1), "InvalidArgumentException"),
        ("MergeShards", merge(1, 9), "ResourceNotFoundException"),
    ] {
        assert_eq!(world.error(operation, body.clone()).code, code, "{operation} {body}");
    }
    world.ok("MergeShards", merge(4, 1));
}

#[test]
fn a_split_leaves_two_keys_below_and_one_above() {
    let mut world = World::with_shards(1);
    for key in [
        "0",
        "1",
        &u128::MAX.to_string(),
        "340282366920938463463374607431768211456",
    ] {
        let body = json!({"StreamName": "orders", "ShardToSplit": shard_id(0), "NewStartingHashKey": key});
        let error = world.error("SplitShard", body);
        assert_eq!(error.code, "InvalidArgumentException");
        assert!(
            error
                .message
                .contains("is not both greater than one plus the shard's StartingHashKey 0"),
            "{error}"
        );
    }
    world.ok(
        "SplitShard",
        json!({"StreamName": "orders", "ShardToSplit": shard_id(0), "NewStartingHashKey": "2"}),
    );
}

#[test]
fn numbers_of_a_child_are_larger_than_its_parents_even_if_shards_live_for_a_millisecond() {
    let settings = Settings {
        resharding_time: Duration::from_millis(1),
        limits: Limits::Off,
        ..Settings::default()
    };
    let mut world = World::with_settings(1, settings);
    let mut last: SequenceNumber = world.put_one().parse().unwrap();
    // The shard of the smallest hash keys is split again and again.
    for shard in std::iter::once(0).chain((1..40).step_by(2)) {
        world.ok("SplitShard", world.middle_of(shard));
        world.wait(1);
        let shards = world.kinesis.shards("orders");
        let parent_end = shards[shard as usize]
            .sequence_number_range
            .ending_sequence_number
            .unwrap();
        for child in &shards[shards.len() - 2..] {
            assert!(parent_end < child.sequence_number_range.starting_sequence_number);
        }
        let number = world.put_one().parse().unwrap();
        assert!(number > last);
        last = number;
    }
}

#[test]
fn the_end_of_a_shard_is_told_with_its_last_record_and_with_its_children() {
    let mut world = World::with_shards(1);
    let number = world.put_one();
    let iterator = world.iterator(0, "TRIM_HORIZON");
    world.split(0);
    let reply = world.read(&iterator);
    assert_eq!(sequence_numbers(&reply), [number]);
    assert_eq!(reply.get("NextShardIterator"), None);
    assert_eq!(reply["MillisBehindLatest"], 0);
    let half = 1_u128 << 127;
    assert_eq!(
        reply["ChildShards"],
        json!([
            {"ShardId": shard_id(1), "ParentShards": [shard_id(0)],
             "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": (half - 1).to_string()}},
            {"ShardId": shard_id(2), "ParentShards": [shard_id(0)],
             "HashKeyRange": {"StartingHashKey": half.to_string(), "EndingHashKey": u128::MAX.to_string()}},
        ])
    );
}

#[test]
fn both_parents_of_a_merge_end_in_the_same_child() {
    let mut world = World::with_shards(2);
    let iterators = [world.iterator(0, "LATEST"), world.iterator(1, "LATEST")];
    world.merge(0, 1);
    for iterator in iterators {
        let reply = world.read(&iterator);
        assert_eq!(reply.get("NextShardIterator"), None);
        assert_eq!(reply["ChildShards"][0]["ShardId"], shard_id(2));
        assert_eq!(
            reply["ChildShards"][0]["ParentShards"],
            json!([shard_id(0), shard_id(1)])
        );
    }
}

#[test]
fn a_closed_shard_with_records_left_gives_no_children_yet() {
    let mut world = World::with_shards(1);
    world.put_one();
    world.put_one();
    world.split(0);
    let iterator = world.iterator(0, "TRIM_HORIZON");
    let reply = world.ok("GetRecords", json!({"ShardIterator": iterator, "Limit": 1}));
    assert_eq!(reply.get("ChildShards"), None);
    let reply = world.read(&text(&reply, "NextShardIterator"));
    assert_eq!(reply.get("NextShardIterator"), None);
    assert_eq!(reply["ChildShards"].as_array().unwrap().len(), 2);
}

#[test]
fn any_iterator_into_a_drained_shard_finds_its_end() {
    let mut world = World::with_shards(1);
    let number = world.put_one();
    world.split(0);
    let end = world.kinesis.shards("orders")[0]
        .sequence_number_range
        .ending_sequence_number
        .unwrap()
        .to_string();
    let mut bodies = vec![json!({"ShardIteratorType": "LATEST"})];
    bodies.push(json!({"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": number}));
    bodies.push(json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": end}));
    bodies.push(json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": world.timestamp()}));
    for mut body in bodies {
        body["StreamName"] = json!("orders");
        body["ShardId"] = json!(shard_id(0));
        let iterator = text(&world.ok("GetShardIterator", body), "ShardIterator");
        let reply = world.read(&iterator);
        assert_eq!((&reply["Records"], reply.get("NextShardIterator")), (&json!([]), None));
        assert_eq!(reply["ChildShards"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn doubling_splits_every_shard_once() {
    let mut world = World::with_shards(2);
    let reply = world.ok("UpdateShardCount", scale(4));
    assert_eq!(
        (&reply["CurrentShardCount"], &reply["TargetShardCount"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(world.status(), "UPDATING");
    world.wait(500);
    assert_eq!(world.status(), "ACTIVE");
    assert_eq!(
        tree(&world),
        [
            (0, vec![], CLOSED),
            (1, vec![], CLOSED),
            (2, vec![0], OPEN),
            (3, vec![0], OPEN),
            (4, vec![1], OPEN),
            (5, vec![1], OPEN),
        ]
    );
    assert_eq!(open_starts(&world), [0, 1 << 126, 1 << 127, 3 << 126]);
}

#[test]
fn halving_merges_every_pair_once() {
    let mut world = World::with_shards(4);
    world.ok("UpdateShardCount", scale(2));
    world.wait(500);
    assert_eq!(world.status(), "ACTIVE");
    assert_eq!(tree(&world)[4..], [(4, vec![0, 1], OPEN), (5, vec![2, 3], OPEN)]);
    assert_covered(&world);
}

#[test]
fn four_shards_become_three_by_short_lived_ones() {
    let mut world = World::with_shards(4);
    world.ok("UpdateShardCount", scale(3));
    world.wait(500);
    assert_eq!(world.status(), "UPDATING");
    assert_eq!(
        tree(&world)[4..],
        [
            (4, vec![1], OPEN),
            (5, vec![1], OPEN),
            (6, vec![2], OPEN),
            (7, vec![2], OPEN)
        ]
    );
    world.wait(500);
    assert_eq!(world.status(), "ACTIVE");
    assert_eq!(
        tree(&world)[8..],
        [(8, vec![0, 4], OPEN), (9, vec![5, 6], OPEN), (10, vec![7, 3], OPEN)]
    );
    let third = u128::MAX / 3;
    assert_eq!(open_starts(&world), [0, third, 2 * third]);
    assert_covered(&world);
}

#[test]
fn every_legal_target_ends_in_shards_of_equal_size() {
    for count in 1..=9_u32 {
        for target in count.div_ceil(2)..=count * 2 {
            let mut world = World::with_shards(count);
            world.ok("UpdateShardCount", scale(i32::try_from(target).unwrap()));
            world.wait(5_000);
            assert_eq!(world.status(), "ACTIVE");
            let expected: Vec<_> = aggregation::HashKeyRange::FULL
                .split_evenly(target)
                .map(|range| range.start().value())
                .collect();
            assert_eq!(open_starts(&world), expected, "{count} to {target}");
        }
    }
}

#[test]
fn a_scaling_more_than_doubles_or_halves_nothing() {
    let mut world = World::with_shards(5);
    for (target, words) in [(11, "cannot scale up over double"), (2, "cannot scale down below half")] {
        let error = world.error("UpdateShardCount", scale(target));
        assert_eq!(error.code, "LimitExceededException");
        assert!(error.message.contains(words), "{error}");
    }
    assert_eq!(world.error("UpdateShardCount", scale(0)).code, "ValidationException");
    world.ok("UpdateShardCount", scale(3));
}

#[test]
fn a_stream_is_scaled_ten_times_a_day() {
    let mut world = World::with_shards(2);
    for round in 0..10 {
        world.ok("UpdateShardCount", scale(if round % 2 == 0 { 3 } else { 2 }));
        world.wait(60_000);
    }
    assert_eq!(world.error("UpdateShardCount", scale(3)).code, "LimitExceededException");
    world.wait(24 * 3_600_000 - 10 * 60_000);
    world.ok("UpdateShardCount", scale(3));
}
