//! Writing: sizes, rates, partial failures.

use super::*;

const THROTTLED: &str = "ProvisionedThroughputExceededException";

fn entries(count: usize, size: usize) -> Value {
    let data = STANDARD.encode(vec![b'x'; size]);
    json!({"StreamName": "orders", "Records": vec![json!({"PartitionKey": "k", "Data": data}); count]})
}

#[test]
fn a_record_goes_to_the_shard_of_its_keys_md5_unless_it_names_a_hash_key() {
    let mut world = World::with_shards(2);
    // The MD5 of "a" starts with 0x0c, that of "b" with 0x92.
    for (key, explicit, shard) in [
        ("a", Value::Null, 0),
        ("b", Value::Null, 1),
        ("b", json!("0"), 0),
        ("a", json!(u128::MAX.to_string()), 1),
        ("a", json!((1_u128 << 127).to_string()), 1),
        ("a", json!(((1_u128 << 127) - 1).to_string()), 0),
    ] {
        let body = json!({"StreamName": "orders", "PartitionKey": key, "ExplicitHashKey": explicit, "Data": ""});
        assert_eq!(
            world.ok("PutRecord", body.clone())["ShardId"],
            shard_id(shard),
            "{body}"
        );
    }
}

#[test]
fn a_request_has_at_most_500_entries_and_at_least_one() {
    let mut world = World::with_shards(1);
    assert_eq!(world.ok("PutRecords", entries(500, 1))["FailedRecordCount"], 0);
    assert_eq!(world.error("PutRecords", entries(501, 1)).code, "ValidationException");
    assert_eq!(world.error("PutRecords", entries(0, 1)).code, "ValidationException");
    assert_eq!(world.kinesis.stored_count("orders"), 500);
}

#[test]
fn a_record_has_at_most_one_mebibyte_with_its_key() {
    let mut world = World::with_shards(1);
    world.put(HashKey::MIN, MIB - 1).unwrap();
    world.wait(1_000);
    let error = world.put(HashKey::MIN, MIB).unwrap_err();
    assert_eq!(error.code, "ValidationException");
    assert!(
        error
            .message
            .ends_with("at 'data' failed to satisfy constraint: Member must have length less than or equal to 1048576"),
        "{error}"
    );
}

#[test]
fn a_stream_with_a_raised_limit_takes_records_of_ten_mebibytes() {
    let mut world = World::empty(Settings::default());
    world.ok(
        "CreateStream",
        json!({"StreamName": "orders", "ShardCount": 1, "MaxRecordSizeInKiB": 10_240}),
    );
    world.wait(1_000);
    world.put(HashKey::MIN, 10 * MIB - 1).unwrap();
    assert_eq!(
        world.put(HashKey::MIN, 10 * MIB).unwrap_err().code,
        "ValidationException"
    );
    world.wait(9_000);
    assert_eq!(
        world.put(HashKey::MIN, 1).unwrap_err().code,
        THROTTLED,
        "the large record is being paid off"
    );
    world.wait(1);
    world.put(HashKey::MIN, 1).unwrap();
}

#[test]
fn a_request_has_at_most_ten_mebibytes_with_the_keys() {
    let mut world = World::unlimited(1);
    assert_eq!(world.ok("PutRecords", entries(10, MIB - 1))["FailedRecordCount"], 0);
    let mut larger = entries(10, MIB - 1);
    larger["Records"]
        .as_array_mut()
        .unwrap()
        .push(json!({"PartitionKey": "k", "Data": ""}));
    assert_eq!(world.error("PutRecords", larger).code, "InvalidArgumentException");
    assert_eq!(world.kinesis.stored_count("orders"), 10);
}

#[test]
fn one_wrong_entry_fails_the_whole_request_and_nothing_is_stored() {
    let mut world = World::with_shards(1);
    let large = STANDARD.encode(vec![b'x'; MIB]);
    let two_to_128 = "340282366920938463463374607431768211456";
    for wrong in [
        json!({"PartitionKey": "", "Data": ""}),
        json!({"PartitionKey": "ä".repeat(257), "Data": ""}),
        json!({"Data": ""}),
        json!({"PartitionKey": "k"}),
        json!({"PartitionKey": "k", "Data": "no base64"}),
        json!({"PartitionKey": "k", "Data": large}),
        json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": ""}),
        json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": "01"}),
        json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": "-1"}),
        json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": two_to_128}),
    ] {
        let right = json!({"PartitionKey": "k", "Data": ""});
        let error = world.error("PutRecords", json!({"StreamName": "orders", "Records": [right, wrong]}));
        assert_eq!(error.status, 400);
        assert_ne!(error.code, THROTTLED);
    }
    assert_eq!(world.kinesis.stored_count("orders"), 0);
    world.ok(
        "PutRecord",
        json!({"StreamName": "orders", "PartitionKey": "ä".repeat(256), "Data": ""}),
    );
}

#[test]
fn a_wrong_entry_is_named_by_its_position() {
    let mut world = World::with_shards(1);
    let (right, wrong) = (
        json!({"PartitionKey": "k", "Data": ""}),
        json!({"PartitionKey": "", "Data": ""}),
    );
    let error = world.error("PutRecords", json!({"StreamName": "orders", "Records": [right, wrong]}));
    assert_eq!(
        error.message,
        "1 validation error detected: Value '' at 'records.2.member.partitionKey' failed to satisfy constraint: Member \
         must have length greater than or equal to 1"
    );
}

#[test]
fn a_shard_takes_a_thousand_records_a_second_and_refuses_the_others_one_by_one() {
    let mut world = World::with_shards(1);
    for _ in 0..2 {
        assert_eq!(world.ok("PutRecords", entries(500, 1))["FailedRecordCount"], 0);
    }
    world.wait(3);
    let reply = world.ok("PutRecords", entries(5, 1));
    assert_eq!(reply["FailedRecordCount"], 2);
    let records = reply["Records"].as_array().unwrap();
    assert!(
        records[..3]
            .iter()
            .all(|record| record["SequenceNumber"].is_string() && record["ErrorCode"].is_null())
    );
    let message = "Rate exceeded for shard shardId-000000000000 in stream orders under account 000000000000.";
    assert_eq!(records[3], json!({"ErrorCode": THROTTLED, "ErrorMessage": message}));
    assert_eq!(world.kinesis.stored_count("orders"), 1_003);

    let error = world.put(HashKey::MIN, 1).unwrap_err();
    assert_eq!((error.code.as_str(), error.message.as_str()), (THROTTLED, message));
}

#[test]
fn a_shard_takes_a_mebibyte_a_second_counting_keys() {
    let mut world = World::with_shards(1);
    let reply = world.ok("PutRecords", entries(5, MIB / 4 - 1));
    assert_eq!(reply["FailedRecordCount"], 1);
    world.wait(249);
    assert_eq!(world.ok("PutRecords", entries(1, MIB / 4 - 1))["FailedRecordCount"], 1);
    world.wait(1);
    assert_eq!(world.ok("PutRecords", entries(1, MIB / 4 - 1))["FailedRecordCount"], 0);
}

#[test]
fn a_busy_shard_does_not_throttle_its_neighbour() {
    let mut world = World::with_shards(2);
    world.put(HashKey::MIN, MIB - 1).unwrap();
    assert_eq!(world.put(HashKey::MIN, 1).unwrap_err().code, THROTTLED);
    world.put(HashKey::MAX, MIB - 1).unwrap();
}

#[test]
fn without_limits_nothing_is_throttled() {
    let mut world = World::unlimited(1);
    for _ in 0..10 {
        assert_eq!(world.ok("PutRecords", entries(500, 1_000))["FailedRecordCount"], 0);
    }
}

#[test]
fn sequence_numbers_of_a_shard_increase_in_the_order_of_the_request() {
    let mut world = World::with_shards(1);
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let reply = world.ok("PutRecords", entries(10, 1));
        numbers.extend(
            sequence_numbers(&reply)
                .iter()
                .map(|number| number.parse::<super::super::SequenceNumber>().unwrap()),
        );
    }
    assert_eq!(numbers.len(), 30);
    assert!(numbers.is_sorted_by(|a, b| a < b));
    let stored: Vec<_> = world
        .kinesis
        .stored("orders")
        .map(|(_, record)| record.sequence_number)
        .collect();
    assert_eq!(stored, numbers);
}

#[test]
fn an_ordering_number_is_checked() {
    let mut world = World::with_shards(1);
    let mut put = |number: &str| {
        let body =
            json!({"StreamName": "orders", "PartitionKey": "k", "Data": "", "SequenceNumberForOrdering": number});
        world.call("PutRecord", &body)
    };
    assert_eq!(put("x").unwrap_err().code, "ValidationException");
    assert_eq!(put("7").unwrap_err().code, "InvalidArgumentException");
    let error = put(&"9".repeat(56)).unwrap_err();
    assert!(
        error.message.starts_with("ExclusiveMinimumSequenceNumber 999"),
        "{error}"
    );
    let number = text(
        &world.ok(
            "PutRecord",
            json!({"StreamName": "orders", "PartitionKey": "k", "Data": ""}),
        ),
        "SequenceNumber",
    );
    let body = json!({"StreamName": "orders", "PartitionKey": "k", "Data": "", "SequenceNumberForOrdering": number});
    world.ok("PutRecord", body);
}
