//! Records whose shard the service chooses.

use super::*;
use crate::kinesis::request::RecordDistributionStrategy::{Auto, UserPartitionKey};

fn auto() -> World {
    World::on_demand(json!({"RecordDistributionStrategy": "AUTO"}))
}

fn flip(strategy: &str) -> Value {
    json!({"StreamARN": arn(ACCOUNT, "orders"), "RecordDistributionStrategy": strategy})
}

/// Puts a record of this key, and returns its shard.
#[track_caller]
fn put(world: &mut World, key: Value) -> String {
    let record = json!({"StreamName": "orders", "PartitionKey": key, "Data": "aGk="});
    text(&world.ok("PutRecord", record), "ShardId")
}

#[test]
fn the_service_puts_records_of_one_key_into_every_shard_in_turn() {
    let mut world = auto();
    let shards: Vec<_> = (0..8).map(|_| put(&mut world, json!("k"))).collect();
    assert_eq!(shards, [ids(0..4), ids(0..4)].concat());

    let record = json!({"PartitionKey": "k", "ExplicitHashKey": "0", "Data": ""});
    let reply = world.ok(
        "PutRecords",
        json!({"StreamName": "orders", "Records": vec![record; 4]}),
    );
    let shards: Vec<_> = reply["Records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| text(entry, "ShardId"))
        .collect();
    assert_eq!(shards, ids(0..4), "an explicit hash key does not matter either");
}

#[test]
fn the_turn_goes_on_through_a_resharding() {
    let mut world = auto();
    assert_eq!(put(&mut world, json!("k")), shard_id(0));
    world.kinesis.control("orders").unwrap().scale(8).unwrap();
    world.wait(500);
    let shards: Vec<_> = (0..8).map(|_| put(&mut world, json!("k"))).collect();
    assert_eq!(shards, ids([5, 6, 7, 8, 9, 10, 11, 4]));
}

#[test]
fn a_key_is_optional_and_one_that_was_not_given_is_absent_on_read() {
    let mut world = auto();
    put(&mut world, Value::Null);
    put(&mut world, json!("k"));
    for (shard, key) in [(0, None), (1, Some(&json!("k")))] {
        let iterator = world.iterator(shard, "TRIM_HORIZON");
        let reply = world.read(&iterator);
        assert_eq!(reply["Records"][0].get("PartitionKey"), key);
    }
    let keys: Vec<_> = world
        .kinesis
        .stored("orders")
        .map(|(_, record)| record.partition_key.clone())
        .collect();
    assert_eq!(keys, [None, Some("k".to_owned())]);
}

#[test]
fn a_key_that_is_given_is_still_checked() {
    let mut world = auto();
    for key in ["".to_owned(), "k".repeat(257)] {
        let record = json!({"StreamName": "orders", "PartitionKey": key, "Data": ""});
        assert_eq!(world.error("PutRecord", record).code, "ValidationException");
    }
}

#[test]
fn by_key_a_record_without_one_is_refused_and_fails_its_request() {
    let mut world = World::on_demand(json!({}));
    let (right, wrong) = (json!({"PartitionKey": "k", "Data": ""}), json!({"Data": ""}));
    let error = world.error("PutRecords", json!({"StreamName": "orders", "Records": [right, wrong]}));
    assert_eq!(error.code, "ValidationException");
    assert_eq!(
        error.message,
        "1 validation error detected: Value null at 'records.2.member.partitionKey' failed to satisfy constraint: Member \
         must not be null"
    );
    let error = world.error("PutRecord", json!({"StreamName": "orders", "Data": ""}));
    assert!(error.message.contains("Value null at 'partitionKey'"), "{error}");
    assert_eq!(world.kinesis.stored_count("orders"), 0);
}

#[test]
fn the_service_orders_nothing() {
    let mut world = auto();
    let body = json!({"StreamName": "orders", "PartitionKey": "k", "Data": ""});
    let number = world.ok("PutRecord", body.clone())["SequenceNumber"].clone();
    let mut ordered = body;
    ordered["SequenceNumberForOrdering"] = number;
    assert_eq!(world.error("PutRecord", ordered).code, "InvalidArgumentException");
}

#[test]
fn a_strategy_flips_at_once_while_records_go_in() {
    let mut world = World::on_demand(json!({}));
    assert_eq!(world.summary()["RecordDistributionStrategy"], "USER_PARTITION_KEY");
    let by_key = put(&mut world, json!("a"));
    world.ok("UpdateStreamRecordDistributionStrategy", flip("AUTO"));
    assert_eq!(
        (world.status().as_str(), &world.summary()["RecordDistributionStrategy"]),
        ("ACTIVE", &json!("AUTO"))
    );
    let around: Vec<_> = (0..4).map(|_| put(&mut world, json!("a"))).collect();
    assert_eq!(around, ids(0..4));
    world.ok("UpdateStreamRecordDistributionStrategy", flip("USER_PARTITION_KEY"));
    assert_eq!(put(&mut world, json!("a")), by_key);
}

#[test]
fn a_test_flips_the_strategy_too_even_while_the_stream_is_updating() {
    let mut world = World::on_demand(json!({}));
    let mut control = world.kinesis.control("orders").unwrap();
    control.scale(8).unwrap();
    control.distribute(Auto).unwrap();
    assert_eq!(put(&mut world, Value::Null), shard_id(0));
    world
        .kinesis
        .control("orders")
        .unwrap()
        .distribute(UserPartitionKey)
        .unwrap();
    assert_eq!(
        world
            .error("PutRecord", json!({"StreamName": "orders", "Data": ""}))
            .code,
        "ValidationException"
    );
}

#[test]
fn only_on_demand_streams_are_distributed_by_the_service() {
    let mut world = World::with_shards(1);
    assert_eq!(world.summary().get("RecordDistributionStrategy"), None);
    let error = world.error("UpdateStreamRecordDistributionStrategy", flip("AUTO"));
    assert_eq!(error.code, "InvalidArgumentException");
    world.ok("UpdateStreamRecordDistributionStrategy", flip("USER_PARTITION_KEY"));
    let create = json!({"StreamName": "other", "ShardCount": 1, "RecordDistributionStrategy": "AUTO"});
    assert_eq!(world.error("CreateStream", create).code, "InvalidArgumentException");
    let control = world.kinesis.control("orders").unwrap().distribute(Auto);
    assert_eq!(control.unwrap_err().code, "InvalidArgumentException");

    let mut world = auto();
    let provision = json!({"StreamARN": arn(ACCOUNT, "orders"), "StreamModeDetails": {"StreamMode": "PROVISIONED"}});
    assert_eq!(
        world.error("UpdateStreamMode", provision).code,
        "InvalidArgumentException"
    );
}

#[test]
fn a_shard_whose_turn_it_is_can_be_too_busy() {
    let mut world = auto();
    world
        .kinesis
        .control("orders")
        .unwrap()
        .throttle(ShardId::new(1).unwrap(), Traffic::Writes)
        .unwrap();
    let record = json!({"Data": ""});
    let reply = world.ok(
        "PutRecords",
        json!({"StreamName": "orders", "Records": vec![record; 8]}),
    );
    assert_eq!(reply["FailedRecordCount"], 2);
}
