//! Encryption, and KMS when it fails.

use super::*;
use crate::kinesis::KmsFailure;

fn encrypt() -> Value {
    json!({"StreamName": "orders", "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"})
}

#[test]
fn encryption_begins_and_ends_when_the_stream_is_active_again() {
    let mut world = World::with_shards(1);
    world.put_one();
    world.ok("StartStreamEncryption", encrypt());
    assert_eq!(world.status(), "UPDATING");
    assert_eq!(world.put(HashKey::MIN, 1).unwrap().get("EncryptionType"), None);
    world.wait(500);
    assert_eq!(world.put(HashKey::MIN, 1).unwrap()["EncryptionType"], "KMS");
    let records = json!({"StreamName": "orders", "Records": [{"PartitionKey": "k", "Data": ""}]});
    assert_eq!(world.ok("PutRecords", records)["EncryptionType"], "KMS");
    let summary = world.summary();
    assert_eq!(
        (&summary["EncryptionType"], &summary["KeyId"]),
        (&json!("KMS"), &json!("alias/aws/kinesis"))
    );
    world.ok("StopStreamEncryption", encrypt());
    world.wait(500);
    let summary = world.summary();
    assert_eq!(
        (&summary["EncryptionType"], summary.get("KeyId")),
        (&json!("NONE"), None)
    );
    world.put_one();

    let iterator = world.iterator(0, "TRIM_HORIZON");
    let reply = world.read(&iterator);
    let types: Vec<_> = reply["Records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["EncryptionType"].as_str())
        .collect();
    assert_eq!(types, [None, None, Some("KMS"), Some("KMS"), None]);
}

#[test]
fn a_failure_of_kms_is_told_by_its_code_until_it_is_over() {
    let mut world = World::unlimited(1);
    world.put_one();
    let iterator = world.iterator(0, "TRIM_HORIZON");
    let put = json!({"StreamName": "orders", "PartitionKey": "k", "Data": ""});
    let puts = json!({"StreamName": "orders", "Records": [{"PartitionKey": "k", "Data": ""}]});
    for (failure, code) in [
        (KmsFailure::Disabled, "KMSDisabledException"),
        (KmsFailure::AccessDenied, "KMSAccessDeniedException"),
        (KmsFailure::InvalidState, "KMSInvalidStateException"),
        (KmsFailure::NotFound, "KMSNotFoundException"),
        (KmsFailure::OptInRequired, "KMSOptInRequired"),
        (KmsFailure::Throttling, "KMSThrottlingException"),
    ] {
        world.kinesis.control("orders").unwrap().fail_kms(failure);
        for (operation, body) in [
            ("PutRecord", &put),
            ("PutRecords", &puts),
            ("GetRecords", &json!({"ShardIterator": iterator})),
            ("StartStreamEncryption", &encrypt()),
        ] {
            let error = world.error(operation, body.clone());
            assert_eq!((error.status, error.code.as_str()), (400, code), "{operation}");
        }
    }
    world.kinesis.control("orders").unwrap().restore_kms();
    assert_eq!(sequence_numbers(&world.read(&iterator)).len(), 1);
    world.put_one();
    assert_eq!(world.kinesis.stored_count("orders"), 2);
}

#[test]
fn an_encryption_that_cannot_be_is_refused() {
    let mut world = World::with_shards(1);
    let mut body = encrypt();
    body["EncryptionType"] = json!("NONE");
    assert_eq!(
        world.error("StartStreamEncryption", body.clone()).code,
        "InvalidArgumentException"
    );
    body["EncryptionType"] = json!("ROT13");
    assert_eq!(
        world.error("StartStreamEncryption", body.clone()).code,
        "ValidationException"
    );
    assert_eq!(
        world.error("StopStreamEncryption", encrypt()).code,
        "InvalidArgumentException"
    );
    body = encrypt();
    body["KeyId"] = json!("");
    assert_eq!(world.error("StartStreamEncryption", body).code, "ValidationException");
}

#[test]
fn encryption_is_started_25_times_a_day() {
    let mut world = World::with_shards(1);
    for _ in 0..25 {
        world.ok("StartStreamEncryption", encrypt());
        world.wait(500);
    }
    assert_eq!(
        world.error("StartStreamEncryption", encrypt()).code,
        "LimitExceededException"
    );
    world.ok("StopStreamEncryption", encrypt());
    world.wait(24 * 3_600_000);
    world.ok("StartStreamEncryption", encrypt());
}

#[test]
fn shard_level_metrics_are_switched_on_and_off() {
    let mut world = World::with_shards(1);
    let named = |metrics: Value| json!({"StreamName": "orders", "ShardLevelMetrics": metrics});
    let reply = world.ok(
        "EnableEnhancedMonitoring",
        named(json!(["OutgoingBytes", "IncomingBytes"])),
    );
    assert_eq!(
        reply,
        json!({
            "StreamName": "orders",
            "StreamARN": arn(ACCOUNT, "orders"),
            "CurrentShardLevelMetrics": [],
            "DesiredShardLevelMetrics": ["IncomingBytes", "OutgoingBytes"],
        })
    );
    let reply = world.ok("EnableEnhancedMonitoring", named(json!(["ALL"])));
    assert_eq!(reply["DesiredShardLevelMetrics"].as_array().unwrap().len(), 7);
    world.ok("DisableEnhancedMonitoring", named(json!(["IteratorAgeMilliseconds"])));
    let monitoring = &world.summary()["EnhancedMonitoring"];
    assert_eq!(monitoring[0]["ShardLevelMetrics"].as_array().unwrap().len(), 6);
    for wrong in [json!([]), json!(["IncomingBananas"])] {
        assert_eq!(
            world.error("EnableEnhancedMonitoring", named(wrong)).code,
            "ValidationException"
        );
    }
}
