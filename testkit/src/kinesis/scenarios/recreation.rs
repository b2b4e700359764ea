//! A stream is deleted, and another one gets its name.

use super::*;
use crate::kinesis::SequenceNumber;

/// The stream had three shards and a record in each; the one that has its name now has one shard and no record.
struct Recreated {
    world: World,
    old_iterator: String,
    old_page: Value,
    old_number: String,
}

fn recreated() -> Recreated {
    let mut world = World::with_shards(3);
    let old_number = world.put_one();
    world.put(HashKey::MAX, 1).unwrap();
    let old_iterator = world.iterator(0, "TRIM_HORIZON");
    let old_page = world.ok("ListShards", json!({"StreamName": "orders", "MaxResults": 1}))["NextToken"].clone();
    world.ok("DeleteStream", json!({"StreamName": "orders"}));
    world.wait(2_000);
    world.ok("CreateStream", json!({"StreamName": "orders", "ShardCount": 1}));
    world.wait(1_000);
    Recreated {
        world,
        old_iterator,
        old_page,
        old_number,
    }
}

#[test]
fn an_iterator_of_the_old_stream_reads_nothing_of_the_new_one() {
    let Recreated {
        mut world,
        old_iterator,
        ..
    } = recreated();
    world.put_one();
    let error = world.error("GetRecords", json!({"ShardIterator": old_iterator}));
    assert_eq!(error.code, "ResourceNotFoundException");
    assert_eq!(error.message, "Stream orders under account 000000000000 not found.");
}

#[test]
fn an_iterator_of_the_old_stream_is_refused_while_it_goes_away_and_while_the_new_one_comes() {
    let mut world = World::with_shards(1);
    let iterator = world.iterator(0, "TRIM_HORIZON");
    world.ok("DeleteStream", json!({"StreamName": "orders"}));
    world.wait(500);
    let code = |world: &mut World| world.error("GetRecords", json!({"ShardIterator": iterator})).code;
    assert_eq!(code(&mut world), "ResourceNotFoundException");
    world.ok("CreateStream", json!({"StreamName": "orders", "ShardCount": 1}));
    assert_eq!(code(&mut world), "ResourceNotFoundException");
}

#[test]
fn a_listing_of_the_old_stream_does_not_go_on_in_the_new_one() {
    let Recreated {
        mut world, old_page, ..
    } = recreated();
    assert_eq!(
        world.error("ListShards", json!({"NextToken": old_page})).code,
        "ResourceNotFoundException"
    );
    let old = json!({"StreamName": "orders", "StreamCreationTimestamp": 1_760_000_000});
    assert_eq!(world.error("ListShards", old).code, "ResourceNotFoundException");
}

#[test]
fn a_checkpoint_in_the_old_stream_is_no_place_in_the_new_one() {
    let Recreated {
        mut world, old_number, ..
    } = recreated();
    for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
        let place = json!({
            "StreamName": "orders", "ShardId": shard_id(0), "ShardIteratorType": kind,
            "StartingSequenceNumber": old_number,
        });
        assert_eq!(world.error("GetShardIterator", place).code, "InvalidArgumentException");
    }
}

#[test]
fn a_producer_that_knows_the_old_shards_is_told_the_new_ones() {
    let Recreated {
        mut world, old_number, ..
    } = recreated();
    // Shard 2 had the largest hash keys.
    let reply = world.put(HashKey::MAX, 1).unwrap();
    assert_eq!(reply["ShardId"], shard_id(0), "ids begin again");
    let new: SequenceNumber = text(&reply, "SequenceNumber").parse().unwrap();
    assert!(new > old_number.parse().unwrap(), "numbers do not");
    let ordered = json!({
        "StreamName": "orders", "PartitionKey": "k", "Data": "", "SequenceNumberForOrdering": old_number,
    });
    world.ok("PutRecord", ordered);
    let gone = json!({"StreamName": "orders", "ShardId": shard_id(2), "ShardIteratorType": "LATEST"});
    assert_eq!(world.error("GetShardIterator", gone).code, "ResourceNotFoundException");
}

#[test]
fn nothing_of_the_old_stream_is_inherited() {
    let mut world = World::with_shards(1);
    world.ok("AddTagsToStream", json!({"StreamName": "orders", "Tags": {"a": "b"}}));
    let mut orders = world.kinesis.control("orders").unwrap();
    orders.throttle(ShardId::FIRST, Traffic::Writes).unwrap();
    orders.fail_kms(crate::kinesis::KmsFailure::Disabled);
    world.ok("DeleteStream", json!({"StreamName": "orders"}));
    world.wait(500);
    world.ok("CreateStream", json!({"StreamName": "orders", "ShardCount": 1}));
    world.wait(500);
    world.put_one();
    assert_eq!(
        world.ok("ListTagsForStream", json!({"StreamName": "orders"}))["Tags"],
        json!([])
    );
    let summary = world.summary();
    assert_eq!(summary["StreamCreationTimestamp"], 1_760_000_001.5);
}
