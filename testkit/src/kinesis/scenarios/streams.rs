//! The life of a stream.

use super::*;

#[test]
fn a_stream_is_creating_then_active_and_cannot_be_created_twice() {
    let mut world = World::empty(Settings::default());
    world.ok("CreateStream", json!({"StreamName": "orders", "ShardCount": 2}));
    assert_eq!(world.status(), "CREATING");
    let error = world.error("CreateStream", json!({"StreamName": "orders", "ShardCount": 2}));
    assert_eq!(error.code, "ResourceInUseException");
    assert_eq!(
        error.message,
        "Stream orders under account 000000000000 already exists."
    );
    world.wait(499);
    assert_eq!(world.status(), "CREATING");
    world.wait(1);
    assert_eq!(world.status(), "ACTIVE");
}

#[test]
fn while_it_is_created_a_stream_has_no_shards_to_write_or_list() {
    let mut world = World::empty(Settings::default());
    world.ok("CreateStream", json!({"StreamName": "orders", "ShardCount": 2}));
    assert_eq!(
        world.put(HashKey::MIN, 1).unwrap_err().code,
        "ResourceNotFoundException"
    );
    assert_eq!(
        world.error("ListShards", json!({"StreamName": "orders"})).code,
        "ResourceInUseException"
    );
    let iterator = json!({"StreamName": "orders", "ShardId": shard_id(0), "ShardIteratorType": "LATEST"});
    assert_eq!(
        world.error("GetShardIterator", iterator).code,
        "ResourceNotFoundException"
    );
    let summary = world.ok("DescribeStreamSummary", json!({"StreamName": "orders"}));
    assert_eq!(summary["StreamDescriptionSummary"]["OpenShardCount"], 0);
}

#[test]
fn a_stream_that_is_not_there_is_not_found_by_any_operation() {
    let mut world = World::empty(Settings::default());
    let key = json!("1000");
    for (operation, mut body) in [
        ("DeleteStream", json!({})),
        ("DescribeStream", json!({})),
        ("DescribeStreamSummary", json!({})),
        (
            "GetShardIterator",
            json!({"ShardId": shard_id(0), "ShardIteratorType": "LATEST"}),
        ),
        ("IncreaseStreamRetentionPeriod", json!({"RetentionPeriodHours": 25})),
        ("DecreaseStreamRetentionPeriod", json!({"RetentionPeriodHours": 24})),
        ("ListShards", json!({})),
        (
            "MergeShards",
            json!({"ShardToMerge": shard_id(0), "AdjacentShardToMerge": shard_id(1)}),
        ),
        ("PutRecord", json!({"PartitionKey": "k", "Data": ""})),
        ("PutRecords", json!({"Records": [{"PartitionKey": "k", "Data": ""}]})),
        (
            "SplitShard",
            json!({"ShardToSplit": shard_id(0), "NewStartingHashKey": key}),
        ),
        (
            "UpdateShardCount",
            json!({"TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"}),
        ),
        ("AddTagsToStream", json!({"Tags": {"a": "b"}})),
        ("ListTagsForStream", json!({})),
        ("RemoveTagsFromStream", json!({"TagKeys": ["a"]})),
        ("EnableEnhancedMonitoring", json!({"ShardLevelMetrics": ["ALL"]})),
        ("DisableEnhancedMonitoring", json!({"ShardLevelMetrics": ["ALL"]})),
        ("StartStreamEncryption", json!({"EncryptionType": "KMS", "KeyId": "k"})),
        ("StopStreamEncryption", json!({"EncryptionType": "KMS", "KeyId": "k"})),
        ("UpdateStreamWarmThroughput", json!({"WarmThroughputMiBps": 1})),
    ] {
        body["StreamName"] = json!("orders");
        let error = world.error(operation, body);
        assert_eq!(error.code, "ResourceNotFoundException", "{operation}");
        assert_eq!(
            error.message, "Stream orders under account 000000000000 not found.",
            "{operation}"
        );
    }
}

#[test]
fn every_operation_takes_the_arn_instead_of_the_name() {
    let settings = Settings {
        on_demand: OnDemand::Advantage,
        ..Settings::default()
    };
    let mut world = World::with_settings(2, settings);
    let middle = HashKey::new(1 << 126).to_string();
    for (operation, mut body) in [
        ("DescribeStream", json!({})),
        ("DescribeStreamSummary", json!({})),
        (
            "GetShardIterator",
            json!({"ShardId": shard_id(0), "ShardIteratorType": "LATEST"}),
        ),
        ("IncreaseStreamRetentionPeriod", json!({"RetentionPeriodHours": 25})),
        ("DecreaseStreamRetentionPeriod", json!({"RetentionPeriodHours": 24})),
        ("ListShards", json!({})),
        ("PutRecord", json!({"PartitionKey": "k", "Data": ""})),
        ("PutRecords", json!({"Records": [{"PartitionKey": "k", "Data": ""}]})),
        (
            "MergeShards",
            json!({"ShardToMerge": shard_id(0), "AdjacentShardToMerge": shard_id(1)}),
        ),
        (
            "SplitShard",
            json!({"ShardToSplit": shard_id(2), "NewStartingHashKey": middle}),
        ),
        (
            "UpdateShardCount",
            json!({"TargetShardCount": 3, "ScalingType": "UNIFORM_SCALING"}),
        ),
        ("AddTagsToStream", json!({"Tags": {"a": "b"}})),
        ("ListTagsForStream", json!({})),
        ("RemoveTagsFromStream", json!({"TagKeys": ["a"]})),
        ("EnableEnhancedMonitoring", json!({"ShardLevelMetrics": ["ALL"]})),
        ("DisableEnhancedMonitoring", json!({"ShardLevelMetrics": ["ALL"]})),
        ("StartStreamEncryption", json!({"EncryptionType": "KMS", "KeyId": "k"})),
        ("StopStreamEncryption", json!({"EncryptionType": "KMS", "KeyId": "k"})),
        ("UpdateMaxRecordSize", json!({"MaxRecordSizeInKiB": 2_048})),
        (
            "UpdateStreamMode",
            json!({"StreamModeDetails": {"StreamMode": "ON_DEMAND"}}),
        ),
        (
            "UpdateStreamRecordDistributionStrategy",
            json!({"RecordDistributionStrategy": "AUTO"}),
        ),
        ("UpdateStreamWarmThroughput", json!({"WarmThroughputMiBps": 1})),
        ("DeleteStream", json!({})),
    ] {
        body["StreamARN"] = json!(format!("arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/orders"));
        body["StreamId"] = json!("reserved");
        world.ok(operation, body);
        world.wait(2_000);
    }
}

#[test]
fn a_call_without_name_and_arn_or_with_a_foreign_or_broken_arn_is_refused() {
    let mut world = World::with_shards(1);
    let mut code = |body| world.error("DescribeStreamSummary", body).code;
    assert_eq!(code(json!({})), "ValidationException");
    assert_eq!(code(json!({"StreamARN": "orders"})), "ValidationException");
    assert_eq!(
        code(json!({"StreamARN": "arn:aws:kinesis:eu-west-1:000000000000:stream/orders"})),
        "ResourceNotFoundException"
    );
    let other = "arn:aws:kinesis:us-east-1:000000000000:stream/other";
    assert_eq!(
        code(json!({"StreamName": "orders", "StreamARN": other})),
        "InvalidArgumentException"
    );
}

#[test]
fn a_deleted_stream_is_deleting_and_then_gone() {
    let mut world = World::with_shards(1);
    world.ok("DeleteStream", json!({"StreamName": "orders"}));
    assert_eq!(world.status(), "DELETING");
    assert_eq!(
        world.error("DeleteStream", json!({"StreamName": "orders"})).code,
        "ResourceInUseException"
    );
    world.wait(500);
    assert_eq!(
        world
            .error("DescribeStreamSummary", json!({"StreamName": "orders"}))
            .code,
        "ResourceNotFoundException"
    );
    assert_eq!(world.kinesis.stream_names().count(), 0);
}

#[test]
fn a_stream_created_again_at_once_continues_no_sequence_number_and_no_iterator() {
    let settings = Settings {
        creation_time: Duration::ZERO,
        deletion_time: Duration::ZERO,
        ..Settings::default()
    };
    let mut world = World::with_settings(1, settings);
    let mut last: super::super::SequenceNumber = world.put_one().parse().unwrap();
    for _ in 0..3 {
        let iterator = world.iterator(0, "LATEST");
        world.ok("DeleteStream", json!({"StreamName": "orders"}));
        world.wait(0);
        world.ok("CreateStream", json!({"StreamName": "orders", "ShardCount": 1}));
        world.wait(0);
        let number = world.put_one().parse().unwrap();
        assert!(number > last);
        let error = world.error("GetRecords", json!({"ShardIterator": iterator}));
        assert_eq!(error.code, "ResourceNotFoundException");
        let after = json!({
            "StreamName": "orders", "ShardId": shard_id(0),
            "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": last.to_string(),
        });
        let error = world.error("GetShardIterator", after);
        assert!(
            error
                .message
                .ends_with("is invalid because it did not come from this stream."),
            "{error}"
        );
        last = number;
    }
}

#[test]
fn the_summary_tells_what_the_stream_is() {
    let mut world = World::empty(Settings::default());
    world.ok(
        "CreateStream",
        json!({"StreamName": "orders", "ShardCount": 3, "MaxRecordSizeInKiB": 2048, "Tags": {"a": "b"}}),
    );
    world.wait(1_000);
    let reply = world.ok("DescribeStreamSummary", json!({"StreamName": "orders"}));
    assert_eq!(
        reply["StreamDescriptionSummary"],
        json!({
            "StreamName": "orders",
            "StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/orders",
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 1_760_000_000.0,
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            "EncryptionType": "NONE",
            "OpenShardCount": 3,
            "ConsumerCount": 0,
            "MaxRecordSizeInKiB": 2048,
        })
    );
}

#[test]
fn an_on_demand_stream_has_four_shards_that_cannot_be_changed() {
    let mut world = World::empty(Settings::default());
    world.ok(
        "CreateStream",
        json!({"StreamName": "orders", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}}),
    );
    world.wait(1_000);
    assert_eq!(world.list(json!({"Type": "AT_LATEST"})), ids(0..4));
    let scale = json!({"StreamName": "orders", "TargetShardCount": 5, "ScalingType": "UNIFORM_SCALING"});
    assert_eq!(world.error("UpdateShardCount", scale).code, "ValidationException");
}

#[test]
fn a_provisioned_stream_needs_a_shard_count_and_a_legal_name() {
    let mut world = World::empty(Settings::default());
    for body in [
        json!({"StreamName": "orders"}),
        json!({"ShardCount": 1}),
        json!({"StreamName": "orders", "ShardCount": 0}),
        json!({"StreamName": "", "ShardCount": 1}),
        json!({"StreamName": "or/ders", "ShardCount": 1}),
        json!({"StreamName": "a".repeat(129), "ShardCount": 1}),
        json!({"StreamName": "orders", "ShardCount": 1, "MaxRecordSizeInKiB": 1023}),
        json!({"StreamName": "orders", "ShardCount": 1, "MaxRecordSizeInKiB": 10_241}),
    ] {
        assert_eq!(
            world.error("CreateStream", body.clone()).code,
            "ValidationException",
            "{body}"
        );
    }
    world.ok(
        "CreateStream",
        json!({"StreamName": "a".repeat(128), "ShardCount": 1, "MaxRecordSizeInKiB": 10_240}),
    );
}

#[test]
fn the_account_has_a_quota_of_shards() {
    let mut world = World::with_settings(
        2,
        Settings {
            shard_quota: 3,
            ..Settings::default()
        },
    );
    let error = world.error("CreateStream", json!({"StreamName": "more", "ShardCount": 2}));
    assert_eq!(error.code, "LimitExceededException");
    assert!(
        error
            .message
            .contains("Current shard count for the account: 2. Limit: 3."),
        "{error}"
    );
    world.split(0);
    let split = json!({"StreamName": "orders", "ShardToSplit": shard_id(1), "NewStartingHashKey": u128::MAX.wrapping_sub(9).to_string()});
    assert_eq!(world.error("SplitShard", split).code, "LimitExceededException");
    let scale = json!({"StreamName": "orders", "TargetShardCount": 4, "ScalingType": "UNIFORM_SCALING"});
    assert_eq!(world.error("UpdateShardCount", scale).code, "LimitExceededException");
}

#[test]
fn five_streams_can_be_in_creation_and_not_six() {
    let mut world = World::empty(Settings::default());
    for index in 0..5 {
        world.ok(
            "CreateStream",
            json!({"StreamName": format!("stream-{index}"), "ShardCount": 1}),
        );
    }
    let sixth = json!({"StreamName": "stream-5", "ShardCount": 1});
    assert_eq!(
        world.error("CreateStream", sixth.clone()).code,
        "LimitExceededException"
    );
    world.wait(500);
    world.ok("CreateStream", sixth);
}

#[test]
fn descriptions_are_limited_by_the_second_in_the_account() {
    let mut world = World::with_shards(1);
    for (operation, rate) in [("DescribeStreamSummary", 20), ("DescribeStream", 10)] {
        for _ in 0..rate {
            world.ok(operation, json!({"StreamName": "orders"}));
        }
        let error = world.error(operation, json!({"StreamName": "orders"}));
        assert_eq!(error.code, "LimitExceededException");
        assert_eq!(
            error.message,
            "Rate exceeded for stream orders under account 000000000000."
        );
    }
    world.wait(100);
    world.ok("DescribeStream", json!({"StreamName": "orders"}));
}

#[test]
fn streams_are_listed_by_name_in_pages() {
    let mut world = World::empty(Settings {
        limits: Limits::Off,
        ..Settings::default()
    });
    for name in ["c", "a", "d", "b"] {
        world.ok("CreateStream", json!({"StreamName": name, "ShardCount": 1}));
    }
    let first = world.ok("ListStreams", json!({"Limit": 3}));
    assert_eq!(
        (&first["StreamNames"], &first["HasMoreStreams"]),
        (&json!(["a", "b", "c"]), &json!(true))
    );
    for continued in [
        json!({"NextToken": first["NextToken"]}),
        json!({"ExclusiveStartStreamName": "c"}),
    ] {
        let second = world.ok("ListStreams", continued);
        assert_eq!(
            (&second["StreamNames"], &second["HasMoreStreams"]),
            (&json!(["d"]), &json!(false))
        );
        assert_eq!(second["NextToken"], Value::Null);
    }
}

#[test]
fn retention_goes_from_a_day_to_a_year_and_only_in_the_direction_of_the_call() {
    let mut world = World::with_shards(1);
    let mut change = |operation: &str, hours: i32| {
        world
            .call(
                operation,
                &json!({"StreamName": "orders", "RetentionPeriodHours": hours}),
            )
            .map_err(|error| error.code)
    };
    let refused = Err("InvalidArgumentException".to_owned());
    assert_eq!(change("IncreaseStreamRetentionPeriod", 8_761), refused);
    assert_eq!(change("IncreaseStreamRetentionPeriod", 23), refused);
    assert_eq!(change("IncreaseStreamRetentionPeriod", 8_760), Ok(json!({})));
    assert_eq!(change("IncreaseStreamRetentionPeriod", 48), refused);
    assert_eq!(change("DecreaseStreamRetentionPeriod", 23), refused);
    assert_eq!(change("DecreaseStreamRetentionPeriod", 24), Ok(json!({})));
    assert_eq!(change("DecreaseStreamRetentionPeriod", 48), refused);
}
