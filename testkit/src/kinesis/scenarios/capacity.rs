//! Modes, throughput and record sizes that change.

use super::*;

fn switch(mode: &str) -> Value {
    json!({"StreamARN": arn(ACCOUNT, "orders"), "StreamModeDetails": {"StreamMode": mode}})
}

fn mode(world: &mut World) -> Value {
    world.summary()["StreamModeDetails"]["StreamMode"].clone()
}

#[test]
fn a_stream_becomes_on_demand_and_keeps_its_shards() {
    let mut world = World::with_shards(3);
    world.ok("UpdateStreamMode", switch("ON_DEMAND"));
    assert_eq!(
        (world.status(), mode(&mut world)),
        ("UPDATING".to_owned(), json!("PROVISIONED"))
    );
    world.put(HashKey::MIN, 1).unwrap();
    world.wait(500);
    assert_eq!(
        (world.status(), mode(&mut world)),
        ("ACTIVE".to_owned(), json!("ON_DEMAND"))
    );
    assert_eq!(world.list(json!({"Type": "AT_LATEST"})), ids(0..3));
}

#[test]
fn a_mode_is_switched_twice_in_24_hours_and_not_three_times() {
    const HOUR: u64 = 3_600_000;
    let mut world = World::with_shards(1);
    for mode in ["ON_DEMAND", "PROVISIONED"] {
        world.ok("UpdateStreamMode", switch(mode));
        world.wait(HOUR);
    }
    let error = world.error("UpdateStreamMode", switch("ON_DEMAND"));
    assert_eq!(error.code, "LimitExceededException");
    world.wait(22 * HOUR);
    world.ok("UpdateStreamMode", switch("ON_DEMAND"));
}

#[test]
fn a_mode_is_switched_only_to_the_other_one_and_only_if_the_stream_is_active() {
    let mut world = World::with_shards(1);
    let error = world.error("UpdateStreamMode", switch("PROVISIONED"));
    assert_eq!(error.code, "InvalidArgumentException");
    world.ok("UpdateStreamMode", switch("ON_DEMAND"));
    assert_eq!(
        world.error("UpdateStreamMode", switch("PROVISIONED")).code,
        "ResourceInUseException"
    );
    let without_arn = json!({"StreamName": "orders", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    assert_eq!(world.error("UpdateStreamMode", without_arn).code, "ValidationException");
}

#[test]
fn an_on_demand_stream_starts_with_four_shards_that_its_owner_cannot_change() {
    let mut world = World::on_demand(json!({}));
    assert_eq!(mode(&mut world), "ON_DEMAND");
    assert_eq!(world.list(Value::Null), ids(0..4));
    for (operation, mut body) in [
        ("SplitShard", world.middle_of(0)),
        (
            "MergeShards",
            json!({"ShardToMerge": shard_id(0), "AdjacentShardToMerge": shard_id(1)}),
        ),
        (
            "UpdateShardCount",
            json!({"TargetShardCount": 8, "ScalingType": "UNIFORM_SCALING"}),
        ),
    ] {
        body["StreamName"] = json!("orders");
        assert_eq!(world.error(operation, body).code, "ValidationException", "{operation}");
    }
}

#[test]
fn an_on_demand_stream_scales_when_the_service_is_told_to() {
    let mut world = World::on_demand(json!({}));
    world.kinesis.control("orders").unwrap().scale(8).unwrap();
    assert_eq!(world.status(), "UPDATING");
    assert_eq!(world.list(json!({"Type": "AT_LATEST"})), ids(0..4));
    world.wait(500);
    assert_eq!(world.status(), "ACTIVE");
    assert_eq!(world.list(json!({"Type": "AT_LATEST"})), ids(4..12));
    let mut control = world.kinesis.control("orders").unwrap();
    assert_eq!(control.scale(0).unwrap_err().code, "InvalidArgumentException");
    control.scale(4).unwrap();
    assert_eq!(control.scale(8).unwrap_err().code, "ResourceInUseException");
    world.wait(500);
    assert_eq!(world.list(json!({"Type": "AT_LATEST"})), ids(12..16));
}

#[test]
fn a_record_size_is_raised_and_lowered() {
    let mut world = World::with_shards(1);
    let resize = |kib: i32| json!({"StreamARN": arn(ACCOUNT, "orders"), "MaxRecordSizeInKiB": kib});
    for kib in [1_023, 10_241] {
        assert_eq!(
            world.error("UpdateMaxRecordSize", resize(kib)).code,
            "ValidationException"
        );
    }
    world.ok("UpdateMaxRecordSize", resize(5_120));
    assert_eq!(world.status(), "UPDATING");
    assert_eq!(
        world.put(HashKey::MIN, 2 * MIB).unwrap_err().code,
        "ValidationException"
    );
    world.wait(500);
    assert_eq!(world.summary()["MaxRecordSizeInKiB"], 5_120);
    world.put(HashKey::MIN, 5 * MIB - 1).unwrap();
    assert_eq!(
        world.put(HashKey::MIN, 5 * MIB).unwrap_err().code,
        "ValidationException"
    );

    world.ok("UpdateMaxRecordSize", resize(1_024));
    world.wait(5_000);
    assert_eq!(world.put(HashKey::MIN, MIB).unwrap_err().code, "ValidationException");
    let iterator = world.iterator(0, "TRIM_HORIZON");
    assert_eq!(
        sequence_numbers(&world.read(&iterator)).len(),
        1,
        "what is there stays readable"
    );
}

#[test]
fn a_shard_averages_a_mebibyte_a_second_whatever_the_size_of_its_records() {
    let mut world = World::empty(Settings::default());
    world.ok(
        "CreateStream",
        json!({"StreamName": "orders", "ShardCount": 1, "MaxRecordSizeInKiB": 10_240}),
    );
    world.wait(1_000);
    let mut stored = 0;
    for _ in 0..30 {
        stored += usize::from(world.put(HashKey::MIN, 10 * MIB - 1).is_ok());
        world.wait(1_000);
    }
    assert_eq!(stored, 3);
}

#[test]
fn a_request_with_a_record_above_the_size_of_its_stream_fails_as_a_whole() {
    let mut world = World::with_shards(1);
    let large = STANDARD.encode(vec![b'x'; 10 * MIB - 1]);
    let records = json!([{"PartitionKey": "k", "Data": ""}, {"PartitionKey": "k", "Data": large}]);
    let error = world.error("PutRecords", json!({"StreamName": "orders", "Records": records}));
    assert_eq!((error.status, error.code.as_str()), (400, "ValidationException"));
    assert_eq!(world.kinesis.stored_count("orders"), 0);
}

#[test]
fn a_warmed_stream_gets_a_shard_for_each_mebibyte_a_second() {
    let advantage = Settings {
        on_demand: OnDemand::Advantage,
        ..Settings::default()
    };
    let mut world = World::on_demand_with(json!({"WarmThroughputMiBps": 6}), advantage);
    assert_eq!(
        world.summary()["WarmThroughput"],
        json!({"TargetMiBps": 6, "CurrentMiBps": 6})
    );
    let reply = world.ok(
        "UpdateStreamWarmThroughput",
        json!({"StreamName": "orders", "WarmThroughputMiBps": 12}),
    );
    assert_eq!(
        reply,
        json!({
            "StreamName": "orders",
            "StreamARN": arn(ACCOUNT, "orders"),
            "WarmThroughput": {"TargetMiBps": 12, "CurrentMiBps": 6},
        })
    );
    assert_eq!(world.status(), "UPDATING");
    world.wait(500);
    assert_eq!(world.status(), "ACTIVE");
    assert_eq!(
        world.summary()["WarmThroughput"],
        json!({"TargetMiBps": 12, "CurrentMiBps": 12})
    );
    let too_warm = json!({"StreamName": "orders", "WarmThroughputMiBps": 10_241});
    assert_eq!(
        world.error("UpdateStreamWarmThroughput", too_warm).code,
        "LimitExceededException"
    );
}

#[test]
fn a_stream_is_warmed_only_on_demand_and_with_a_commitment() {
    let warm = json!({"StreamName": "orders", "WarmThroughputMiBps": 12});
    for mut world in [World::with_shards(1), World::on_demand(json!({}))] {
        assert_eq!(
            world.error("UpdateStreamWarmThroughput", warm.clone()).code,
            "ValidationException"
        );
        assert_eq!(world.summary()["WarmThroughput"], Value::Null);
    }
    let mut world = World::with_shards(1);
    let mut body = switch("ON_DEMAND");
    body["WarmThroughputMiBps"] = json!(8);
    let error = world.error("UpdateStreamMode", body);
    assert!(error.message.contains("is not modelled"), "{error}");
}
