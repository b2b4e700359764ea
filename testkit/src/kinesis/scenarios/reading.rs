//! Reading: positions, limits, lag, the end of a shard.

use super::*;

const THROTTLED: &str = "ProvisionedThroughputExceededException";

fn placed(kind: &str, number: &str) -> Value {
    json!({
        "StreamName": "orders", "ShardId": shard_id(0), "ShardIteratorType": kind, "StartingSequenceNumber": number,
    })
}

#[test]
fn a_record_comes_back_as_it_was_put() {
    let mut world = World::with_shards(1);
    world.wait(7);
    let number = world.ok(
        "PutRecord",
        json!({"StreamName": "orders", "PartitionKey": "schlüssel", "Data": "aGVsbG8="}),
    )["SequenceNumber"]
        .clone();
    let iterator = world.iterator(0, "TRIM_HORIZON");
    assert_eq!(
        world.read(&iterator)["Records"],
        json!([{
            "SequenceNumber": number,
            "ApproximateArrivalTimestamp": 1_760_000_001.007,
            "Data": "aGVsbG8=",
            "PartitionKey": "schlüssel",
        }])
    );
}

#[test]
fn every_kind_of_iterator_starts_at_its_place() {
    let mut world = World::unlimited(1);
    let numbers: Vec<_> = (0..5)
        .map(|_| {
            world.wait(10);
            world.put_one()
        })
        .collect();
    let mut read_from = |body: Value| {
        let iterator = text(&world.ok("GetShardIterator", body), "ShardIterator");
        sequence_numbers(&world.read(&iterator))
    };
    let plain = |kind: &str| json!({"StreamName": "orders", "ShardId": shard_id(0), "ShardIteratorType": kind});
    assert_eq!(read_from(plain("TRIM_HORIZON")), numbers);
    assert_eq!(read_from(plain("LATEST")), Vec::<String>::new());
    assert_eq!(read_from(placed("AT_SEQUENCE_NUMBER", &numbers[2])), numbers[2..]);
    assert_eq!(read_from(placed("AFTER_SEQUENCE_NUMBER", &numbers[2])), numbers[3..]);

    let start = 1_760_000_001.0;
    for (timestamp, first) in [
        (0.0, 0),
        (start, 0),
        (start + 0.010, 0),
        (start + 0.011, 1),
        (start + 0.030, 2),
        (start + 0.050, 4),
    ] {
        let mut body = plain("AT_TIMESTAMP");
        body["Timestamp"] = json!(timestamp);
        assert_eq!(read_from(body), numbers[first..], "{timestamp}");
    }
}

#[test]
fn a_moment_after_the_last_record_yields_only_what_comes_later() {
    let mut world = World::with_shards(1);
    world.put_one();
    world.wait(20);
    let body = json!({
        "StreamName": "orders", "ShardId": shard_id(0), "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1_760_000_001.010,
    });
    let iterator = text(&world.ok("GetShardIterator", body), "ShardIterator");
    let reply = world.read(&iterator);
    assert_eq!(reply["Records"], json!([]));
    let number = world.put_one();
    assert_eq!(
        sequence_numbers(&world.read(&text(&reply, "NextShardIterator"))),
        [number]
    );
}

#[test]
fn a_place_that_cannot_be_is_an_invalid_argument() {
    let mut world = World::unlimited(2);
    let number = world.put_one();
    let foreign = text(&world.put(HashKey::MAX, 1).unwrap(), "SequenceNumber");
    let mut future = placed("AT_TIMESTAMP", "");
    future.as_object_mut().unwrap().remove("StartingSequenceNumber");
    let timeless = future.clone();
    future["Timestamp"] = json!(1_760_000_099.0);
    for (body, words) in [
        (placed("AT_SEQUENCE_NUMBER", "7"), "is invalid."),
        (placed("AFTER_SEQUENCE_NUMBER", &"9".repeat(56)), "is invalid."),
        (
            placed("AT_SEQUENCE_NUMBER", &foreign),
            "It encodes shardId-000000000001, while it was used in a call to a shard with shardId-000000000000",
        ),
        (
            placed("TRIM_HORIZON", &number),
            "Request specified TRIM_HORIZON and also a StartingSequenceNumber.",
        ),
        (timeless, "Current request has no timestamp parameter."),
        (
            future,
            "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis.",
        ),
        (
            json!({"StreamName": "orders", "ShardId": shard_id(0), "ShardIteratorType": "AT_SEQUENCE_NUMBER"}),
            "Request specified AT_SEQUENCE_NUMBER and no StartingSequenceNumber.",
        ),
    ] {
        let error = world.error("GetShardIterator", body);
        assert_eq!(error.code, "InvalidArgumentException", "{error}");
        assert!(error.message.contains(words), "{error}");
    }
    assert_eq!(
        world
            .error("GetShardIterator", placed("AT_SEQUENCE_NUMBER", "LATEST"))
            .code,
        "ValidationException"
    );
    let error = world.error(
        "GetShardIterator",
        json!({"StreamName": "orders", "ShardId": shard_id(9), "ShardIteratorType": "LATEST"}),
    );
    assert_eq!(
        error.message,
        "Shard shardId-000000000009 in stream orders under account 000000000000 does not exist"
    );
}

#[test]
fn an_empty_shard_yields_an_empty_list_and_an_iterator_that_goes_on() {
    let mut world = World::with_shards(1);
    let mut iterator = world.iterator(0, "LATEST");
    for _ in 0..20 {
        let reply = world.read(&iterator);
        assert_eq!(
            (&reply["Records"], &reply["MillisBehindLatest"]),
            (&json!([]), &json!(0))
        );
        assert_eq!(reply["ChildShards"], Value::Null);
        iterator = text(&reply, "NextShardIterator");
        world.wait(200);
    }
    let number = world.put_one();
    assert_eq!(sequence_numbers(&world.read(&iterator)), [number]);
}

#[test]
fn the_lag_is_the_age_of_the_last_record_read_until_there_is_none_left() {
    let mut world = World::with_shards(1);
    world.put_one();
    world.wait(300);
    world.put_one();
    world.wait(50);
    let iterator = world.iterator(0, "TRIM_HORIZON");
    let first = world.ok("GetRecords", json!({"ShardIterator": iterator, "Limit": 1}));
    assert_eq!(first["MillisBehindLatest"], 350);
    let second = world.read(&text(&first, "NextShardIterator"));
    assert_eq!(second["MillisBehindLatest"], 0);
}

#[test]
fn a_lag_of_zero_is_never_told_while_there_is_more_to_read() {
    let mut world = World::with_shards(1);
    world.put_one();
    world.put_one();
    let iterator = world.iterator(0, "TRIM_HORIZON");
    let reply = world.ok("GetRecords", json!({"ShardIterator": iterator, "Limit": 1}));
    assert_eq!(reply["MillisBehindLatest"], 1);
}

#[test]
fn a_reading_is_limited_to_ten_thousand_records() {
    let mut world = World::unlimited(1);
    let records = vec![json!({"PartitionKey": "k", "Data": ""}); 500];
    for _ in 0..21 {
        world.ok("PutRecords", json!({"StreamName": "orders", "Records": records}));
    }
    let iterator = world.iterator(0, "TRIM_HORIZON");
    let reply = world.read(&iterator);
    assert_eq!(sequence_numbers(&reply).len(), 10_000);
    assert_eq!(
        sequence_numbers(&world.read(&text(&reply, "NextShardIterator"))).len(),
        500
    );
    for limit in [0, 10_001] {
        let error = world.error("GetRecords", json!({"ShardIterator": iterator, "Limit": limit}));
        assert_eq!(error.code, "ValidationException");
    }
}

#[test]
fn a_shard_answers_five_reads_a_second() {
    let mut world = World::with_shards(2);
    let (iterator, other) = (world.iterator(0, "LATEST"), world.iterator(1, "LATEST"));
    for _ in 0..5 {
        world.read(&iterator);
    }
    let error = world.error("GetRecords", json!({"ShardIterator": iterator}));
    assert_eq!(error.code, THROTTLED);
    assert_eq!(
        error.message,
        "Rate exceeded for Shard - 000000000000/orders/shardId-000000000000"
    );
    world.read(&other);
    world.wait(200);
    world.read(&iterator);
}

#[test]
fn after_a_reply_of_ten_mebibytes_reads_are_throttled_for_five_seconds() {
    let mut world = World::with_shards(1);
    for _ in 0..11 {
        world.put(HashKey::MIN, MIB - 1).unwrap();
        world.wait(1_000);
    }
    let iterator = world.iterator(0, "TRIM_HORIZON");
    let reply = world.read(&iterator);
    assert_eq!(sequence_numbers(&reply).len(), 10);
    let next = text(&reply, "NextShardIterator");
    for _ in 0..5 {
        assert_eq!(
            world.error("GetRecords", json!({"ShardIterator": next})).code,
            THROTTLED
        );
        world.wait(1_000);
    }
    world.wait(1);
    assert_eq!(sequence_numbers(&world.read(&next)).len(), 1);
}

#[test]
fn two_mebibytes_a_second_can_be_read_without_a_throttle() {
    let mut world = World::with_shards(2);
    for _ in 0..20 {
        world.put(HashKey::MIN, MIB - 1).unwrap();
        world.wait(1_000);
    }
    let mut iterator = world.iterator(0, "TRIM_HORIZON");
    for _ in 0..10 {
        let reply = world.ok("GetRecords", json!({"ShardIterator": iterator, "Limit": 2}));
        assert_eq!(sequence_numbers(&reply).len(), 2);
        iterator = text(&reply, "NextShardIterator");
        world.wait(1_000);
    }
}

#[test]
fn iterators_are_given_out_five_times_a_second_for_a_shard() {
    let mut world = World::with_shards(1);
    for _ in 0..5 {
        world.iterator(0, "LATEST");
    }
    let body = json!({"StreamName": "orders", "ShardId": shard_id(0), "ShardIteratorType": "LATEST"});
    assert_eq!(world.error("GetShardIterator", body).code, THROTTLED);
    world.wait(200);
    world.iterator(0, "LATEST");
}

#[test]
fn an_iterator_expires_after_five_minutes() {
    let mut world = World::with_shards(1);
    let iterator = world.iterator(0, "LATEST");
    world.wait(300_000);
    world.read(&iterator);
    world.wait(1);
    let error = world.error("GetRecords", json!({"ShardIterator": iterator}));
    assert_eq!(error.code, "ExpiredIteratorException");
    assert_eq!(
        error.message,
        "Iterator expired. The iterator was created at time Thu Oct 09 08:53:21 UTC 2025 while right now it is Thu Oct 09 \
         08:58:21 UTC 2025 which is further in the future than the tolerated delay of 300000 milliseconds."
    );
}

#[test]
fn all_iterators_can_be_made_to_expire_and_new_ones_live() {
    let mut world = World::with_shards(1);
    let iterator = world.iterator(0, "LATEST");
    world.kinesis.expire_iterators();
    assert_eq!(
        world.error("GetRecords", json!({"ShardIterator": iterator})).code,
        "ExpiredIteratorException"
    );
    let iterator = world.iterator(0, "LATEST");
    world.read(&iterator);
}

#[test]
fn what_is_no_iterator_is_an_invalid_argument() {
    let mut world = World::with_shards(1);
    for iterator in ["x", "AAAAAAAAAAGcDxXnPgsH"] {
        assert_eq!(
            world.error("GetRecords", json!({"ShardIterator": iterator})).code,
            "InvalidArgumentException"
        );
    }
    assert_eq!(
        world.error("GetRecords", json!({"ShardIterator": ""})).code,
        "ValidationException"
    );
    assert_eq!(
        world
            .error("GetRecords", json!({"ShardIterator": "x".repeat(513)}))
            .code,
        "ValidationException"
    );
}

#[test]
fn expired_records_disappear_and_readers_go_on_behind_them() {
    const HOUR: u64 = 3_600_000;
    let mut world = World::with_shards(1);
    let first = world.put_one();
    world.wait(HOUR);
    let second = world.put_one();
    world.wait(23 * HOUR);
    let iterator = world.iterator(0, "TRIM_HORIZON");
    assert_eq!(
        sequence_numbers(&world.read(&iterator)),
        [first.clone(), second.clone()]
    );
    world.wait(1);
    assert_eq!(sequence_numbers(&world.read(&iterator)), std::slice::from_ref(&second));
    let at_first = text(
        &world.ok("GetShardIterator", placed("AT_SEQUENCE_NUMBER", &first)),
        "ShardIterator",
    );
    assert_eq!(sequence_numbers(&world.read(&at_first)), [second]);
    assert_eq!(
        (
            world.kinesis.stored("orders").count(),
            world.kinesis.stored_count("orders")
        ),
        (1, 2)
    );
}

#[test]
fn a_longer_retention_keeps_records_and_a_shorter_one_drops_them_at_once() {
    const HOUR: u64 = 3_600_000;
    let mut world = World::with_shards(1);
    world.ok(
        "IncreaseStreamRetentionPeriod",
        json!({"StreamName": "orders", "RetentionPeriodHours": 48}),
    );
    world.put_one();
    world.wait(30 * HOUR);
    world.kinesis.settle(world.now);
    assert_eq!(world.kinesis.stored("orders").count(), 1);
    world.ok(
        "DecreaseStreamRetentionPeriod",
        json!({"StreamName": "orders", "RetentionPeriodHours": 24}),
    );
    assert_eq!(world.kinesis.stored("orders").count(), 0);
    world.ok(
        "IncreaseStreamRetentionPeriod",
        json!({"StreamName": "orders", "RetentionPeriodHours": 48}),
    );
    assert_eq!(
        world.kinesis.stored("orders").count(),
        0,
        "what is gone does not come back"
    );
}
