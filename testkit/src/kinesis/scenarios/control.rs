//! What the controls for tests do.

use super::*;

const THROTTLED: &str = "ProvisionedThroughputExceededException";

#[test]
fn writes_of_a_shard_are_throttled_until_told_otherwise() {
    let mut world = World::unlimited(2);
    let mut orders = world.kinesis.control("orders").unwrap();
    orders.throttle(ShardId::FIRST, Traffic::Writes).unwrap();
    let records = json!([
        {"PartitionKey": "k", "ExplicitHashKey": "0", "Data": ""},
        {"PartitionKey": "k", "ExplicitHashKey": HashKey::MAX.to_string(), "Data": ""},
    ]);
    let reply = world.ok("PutRecords", json!({"StreamName": "orders", "Records": records}));
    assert_eq!(reply["Records"][0]["ErrorCode"], THROTTLED);
    assert_eq!(reply["Records"][1]["ShardId"], shard_id(1));
    world.wait(3_600_000);
    assert_eq!(world.put(HashKey::MIN, 1).unwrap_err().code, THROTTLED);
    let iterator = world.iterator(0, "LATEST");
    world.read(&iterator);
    let mut orders = world.kinesis.control("orders").unwrap();
    orders.release(ShardId::FIRST, Traffic::Writes).unwrap();
    world.put(HashKey::MIN, 1).unwrap();
}

#[test]
fn reads_of_a_shard_are_throttled_until_told_otherwise() {
    let mut world = World::unlimited(1);
    let iterator = world.iterator(0, "LATEST");
    let mut orders = world.kinesis.control("orders").unwrap();
    orders.throttle(ShardId::FIRST, Traffic::Reads).unwrap();
    assert_eq!(
        world.error("GetRecords", json!({"ShardIterator": iterator})).code,
        THROTTLED
    );
    world.put_one();
    let mut orders = world.kinesis.control("orders").unwrap();
    orders.release(ShardId::FIRST, Traffic::Reads).unwrap();
    assert_eq!(sequence_numbers(&world.read(&iterator)).len(), 1);
}

#[test]
fn children_of_a_throttled_shard_are_not() {
    let mut world = World::with_shards(1);
    let mut orders = world.kinesis.control("orders").unwrap();
    orders.throttle(ShardId::FIRST, Traffic::Writes).unwrap();
    orders.close_shard(ShardId::FIRST).unwrap();
    world.put_one();
}

#[test]
fn a_shard_is_trimmed_to_a_sequence_number_and_its_readers_go_on_behind() {
    let mut world = World::with_shards(2);
    let numbers: Vec<_> = (0..4).map(|_| world.put_one()).collect();
    world.put(HashKey::MAX, 1).unwrap();
    let iterator = world.iterator(0, "TRIM_HORIZON");
    let mut orders = world.kinesis.control("orders").unwrap();
    orders.trim_to(ShardId::FIRST, numbers[2].parse().unwrap()).unwrap();
    assert_eq!(sequence_numbers(&world.read(&iterator)), numbers[2..]);
    assert_eq!(world.kinesis.stored("orders").count(), 3, "other shards keep theirs");
    assert_eq!(world.kinesis.stored_count("orders"), 5);
    world.put_one();
}

#[test]
fn a_stream_is_trimmed_to_a_moment_with_the_shards_that_were_closed_before() {
    let mut world = World::with_shards(1);
    world.put_one();
    world.split(0);
    let horizon = world.now + Duration::from_millis(1);
    world.wait(10);
    let kept = world.put_one();
    world.kinesis.control("orders").unwrap().trim_before(horizon);
    assert_eq!(world.list(Value::Null), ids([1, 2]));
    assert_eq!(world.list(json!({"Type": "AT_TRIM_HORIZON"})), ids([1, 2]));
    let iterator = world.iterator(1, "TRIM_HORIZON");
    assert_eq!(sequence_numbers(&world.read(&iterator)), [kept]);
}

#[test]
fn a_moment_in_the_future_trims_to_now() {
    let mut world = World::with_shards(1);
    world.put_one();
    world.wait(1);
    let future = world.now + Duration::from_secs(60);
    world.kinesis.control("orders").unwrap().trim_before(future);
    assert_eq!(world.kinesis.stored("orders").count(), 0);
    world.put_one();
    world.wait(1_000);
    assert_eq!(world.kinesis.stored("orders").count(), 1);
}

#[test]
fn a_shard_closes_now_and_its_halves_take_over() {
    let mut world = World::with_shards(2);
    let last = world.put_one();
    let iterator = world.iterator(0, "TRIM_HORIZON");
    world
        .kinesis
        .control("orders")
        .unwrap()
        .close_shard(ShardId::FIRST)
        .unwrap();
    assert_eq!(world.status(), "ACTIVE");
    let reply = world.read(&iterator);
    assert_eq!(sequence_numbers(&reply), [last]);
    assert_eq!(reply.get("NextShardIterator"), None);
    let children: Vec<_> = reply["ChildShards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|child| text(child, "ShardId"))
        .collect();
    assert_eq!(children, ids([2, 3]));
    assert_eq!(world.list(json!({"Type": "AT_LATEST"})), ids([1, 2, 3]));
    assert_eq!(world.put(HashKey::MIN, 1).unwrap()["ShardId"], shard_id(2));
}

#[test]
fn what_is_not_there_or_not_ready_is_not_controlled() {
    let mut world = World::with_shards(1);
    assert_eq!(
        world.kinesis.control("nothing").unwrap_err().code,
        "ResourceNotFoundException"
    );
    let ninth = ShardId::new(9).unwrap();
    let mut orders = world.kinesis.control("orders").unwrap();
    assert_eq!(
        orders.throttle(ninth, Traffic::Reads).unwrap_err().code,
        "ResourceNotFoundException"
    );
    orders.close_shard(ShardId::FIRST).unwrap();
    let again = orders.close_shard(ShardId::FIRST);
    assert_eq!(again.unwrap_err().code, "ResourceNotFoundException");
    world.ok("SplitShard", world.middle_of(1));
    let updating = world
        .kinesis
        .control("orders")
        .unwrap()
        .close_shard(ShardId::new(1).unwrap());
    assert_eq!(updating.unwrap_err().code, "ResourceInUseException");
}

#[test]
fn a_shard_of_one_hash_key_has_no_halves() {
    let mut world = World::with_shards(1);
    let mut shard = ShardId::FIRST;
    for _ in 0..128 {
        world.kinesis.control("orders").unwrap().close_shard(shard).unwrap();
        shard = world.kinesis.shards("orders").iter().rev().nth(1).unwrap().shard_id;
    }
    let error = world.kinesis.control("orders").unwrap().close_shard(shard).unwrap_err();
    assert_eq!(error.code, "InvalidArgumentException");
}
