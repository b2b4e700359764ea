//! Accounts that share their streams.

use super::*;
use crate::kinesis::{CallRate, CallRates, Scope};

const OTHER: &str = "111111111111";

/// Account [`OTHER`] has a stream `orders` of one shard, and the own account one of two.
fn shared(sharing: &[&str]) -> World {
    let settings = Settings {
        sharing_accounts: sharing.iter().map(|&account| account.to_owned()).collect(),
        ..Settings::default()
    };
    let mut world = World::with_settings(2, settings);
    world
        .call_from(OTHER, "CreateStream", &json!({"StreamName": "orders", "ShardCount": 1}))
        .unwrap();
    world.wait(1_000);
    world
}

#[test]
fn a_name_means_the_callers_own_stream_and_an_arn_that_of_its_account() {
    let mut world = shared(&[OTHER]);
    let by_name = json!({"StreamName": "orders", "PartitionKey": "b", "Data": ""});
    let by_arn = json!({"StreamARN": arn(OTHER, "orders"), "PartitionKey": "b", "Data": ""});
    assert_eq!(world.ok("PutRecord", by_name.clone())["ShardId"], shard_id(1));
    assert_eq!(world.ok("PutRecord", by_arn)["ShardId"], shard_id(0));
    world.call_from(OTHER, "PutRecord", &by_name).unwrap();
    assert_eq!(world.kinesis.stored_count("orders"), 1);
    assert_eq!(world.kinesis.stored_count(&arn(OTHER, "orders")), 2);
    assert_eq!(world.kinesis.shards(&arn(OTHER, "orders")).len(), 1);
}

#[test]
fn a_shared_stream_is_listed_read_and_summarised_by_its_arn() {
    let mut world = shared(&[OTHER]);
    let arn = arn(OTHER, "orders");
    world.ok(
        "PutRecords",
        json!({"StreamARN": arn, "Records": [{"PartitionKey": "k", "Data": ""}]}),
    );
    let summary = &world.ok("DescribeStreamSummary", json!({"StreamARN": arn}))["StreamDescriptionSummary"];
    assert_eq!(
        (&summary["StreamARN"], &summary["OpenShardCount"]),
        (&json!(arn), &json!(1))
    );
    let page = world.ok("ListShards", json!({"StreamARN": arn}));
    assert_eq!(shard_ids(&page), ids([0]));
    let place = json!({"StreamARN": arn, "ShardId": shard_id(0), "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = text(&world.ok("GetShardIterator", place), "ShardIterator");
    let reply = world.read(&iterator);
    assert_eq!(sequence_numbers(&reply).len(), 1);
    world.read(&text(&reply, "NextShardIterator"));
}

#[test]
fn a_shared_stream_is_not_administered_by_others() {
    let mut world = shared(&[OTHER]);
    for (operation, mut body) in [
        ("DeleteStream", json!({})),
        ("DescribeStream", json!({})),
        ("AddTagsToStream", json!({"Tags": {"a": "b"}})),
        (
            "UpdateShardCount",
            json!({"TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"}),
        ),
    ] {
        body["StreamARN"] = json!(arn(OTHER, "orders"));
        assert_eq!(
            world.error(operation, body).code,
            "AccessDeniedException",
            "{operation}"
        );
    }
}

#[test]
fn a_stream_that_is_not_shared_is_denied_and_one_that_is_not_there_not_found() {
    let mut world = shared(&[]);
    let error = world.error("ListShards", json!({"StreamARN": arn(OTHER, "orders")}));
    assert_eq!(error.code, "AccessDeniedException");
    assert!(error.message.contains("kinesis:ListShards"), "{error}");

    let mut world = shared(&[OTHER]);
    let error = world.error("ListShards", json!({"StreamARN": arn(OTHER, "nothing")}));
    assert_eq!(error.code, "ResourceNotFoundException");
    assert_eq!(error.message, "Stream nothing under account 111111111111 not found.");
}

#[test]
fn accounts_list_and_count_only_their_own_streams() {
    let mut world = shared(&[OTHER]);
    world.ok("CreateStream", json!({"StreamName": "more", "ShardCount": 5}));
    assert_eq!(
        world.ok("ListStreams", json!({}))["StreamNames"],
        json!(["more", "orders"])
    );
    let others = world.call_from(OTHER, "ListStreams", &json!({})).unwrap();
    assert_eq!(others["StreamNames"], json!(["orders"]));
    assert_eq!(world.ok("DescribeLimits", json!({}))["OpenShardCount"], 7);
    let others = world.call_from(OTHER, "DescribeLimits", &json!({})).unwrap();
    assert_eq!(others["OpenShardCount"], 1);
    assert_eq!(world.kinesis.stream_names().collect::<Vec<_>>(), ["more", "orders"]);
}

#[test]
fn the_limits_of_the_account_are_told() {
    let mut world = World::with_shards(3);
    let on_demand = json!({"StreamName": "free", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    world.ok("CreateStream", on_demand);
    assert_eq!(
        world.ok("DescribeLimits", json!({})),
        json!({
            "ShardLimit": 20_000,
            "OpenShardCount": 3,
            "OnDemandStreamCount": 1,
            "OnDemandStreamCountLimit": 50,
        })
    );
    let error = world.error("DescribeLimits", json!({}));
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("LimitExceededException", "Rate exceeded for account 000000000000.")
    );
    world.wait(1_000);
    world.ok("DescribeLimits", json!({}));
}

#[test]
fn the_account_has_a_quota_of_on_demand_streams_that_a_switch_counts_against() {
    let settings = Settings {
        on_demand_stream_quota: 1,
        shard_quota: 3,
        ..Settings::default()
    };
    let mut world = World::with_settings(3, settings);
    let on_demand = |name: &str| json!({"StreamName": name, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    world.ok("CreateStream", on_demand("one"));
    let error = world.error("CreateStream", on_demand("two"));
    assert_eq!(error.code, "LimitExceededException");
    let to_on_demand = json!({"StreamARN": arn(ACCOUNT, "orders"), "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    assert_eq!(
        world.error("UpdateStreamMode", to_on_demand).code,
        "LimitExceededException"
    );
    world.wait(1_000);
    let to_provisioned = json!({"StreamARN": arn(ACCOUNT, "one"), "StreamModeDetails": {"StreamMode": "PROVISIONED"}});
    let error = world.error("UpdateStreamMode", to_provisioned);
    assert!(error.message.contains("exceed the shard limit"), "{error}");
}

#[test]
fn calls_of_the_control_plane_have_rates_by_account_or_by_stream() {
    let mut world = World::with_shards(1);
    let missing = json!({"StreamName": "nothing"});
    for _ in 0..5 {
        assert_eq!(
            world.error("DeleteStream", missing.clone()).code,
            "ResourceNotFoundException"
        );
    }
    let error = world.error("DeleteStream", json!({"StreamName": "orders"}));
    assert_eq!(error.code, "LimitExceededException");
    for _ in 0..5 {
        world.ok("ListStreams", json!({}));
    }
    assert_eq!(world.error("ListStreams", json!({})).code, "LimitExceededException");

    world.ok("CreateStream", json!({"StreamName": "other", "ShardCount": 1}));
    world.wait(1_000);
    let raise = |name: &str| json!({"StreamName": name, "RetentionPeriodHours": 24});
    for _ in 0..5 {
        world.ok("IncreaseStreamRetentionPeriod", raise("orders"));
    }
    let error = world.error("IncreaseStreamRetentionPeriod", raise("orders"));
    assert_eq!(error.code, "LimitExceededException");
    world.ok("IncreaseStreamRetentionPeriod", raise("other"));
}

#[test]
fn a_rate_is_a_setting() {
    let rate = CallRate {
        scope: Scope::Account,
        calls_per_second: 1,
    };
    let settings = Settings {
        call_rates: CallRates::default().set("ListStreams", rate),
        ..Settings::default()
    };
    let mut world = World::with_settings(1, settings);
    world.ok("ListStreams", json!({}));
    assert_eq!(world.error("ListStreams", json!({})).code, "LimitExceededException");
    let mut unlimited = World::unlimited(1);
    for _ in 0..100 {
        unlimited.ok("ListStreams", json!({}));
        unlimited.ok("DescribeLimits", json!({}));
    }
}

#[test]
fn a_dry_run_tells_only_whether_the_call_is_allowed_and_does_nothing() {
    let mut world = shared(&[]);
    for (operation, mut body) in [
        ("PutRecord", json!({"PartitionKey": "k", "Data": ""})),
        ("PutRecords", json!({"Records": []})),
        (
            "GetShardIterator",
            json!({"ShardId": shard_id(99), "ShardIteratorType": "LATEST"}),
        ),
        ("GetRecords", json!({"ShardIterator": "x"})),
    ] {
        body["DryRun"] = json!(true);
        body["StreamName"] = json!("orders");
        let error = world.error(operation, body.clone());
        assert_eq!(
            (error.status, error.code.as_str()),
            (400, "DryRunOperationException"),
            "{operation}"
        );
        if operation != "GetRecords" {
            let body = body.as_object_mut().unwrap();
            body.remove("StreamName");
            body.insert("StreamARN".to_owned(), json!(arn(OTHER, "orders")));
            let error = world.error(operation, json!(body));
            assert_eq!(error.code, "AccessDeniedException", "{operation}");
        }
    }
    assert_eq!(world.kinesis.stored_count("orders"), 0);
    let body = json!({"StreamName": "orders", "PartitionKey": "k", "Data": "", "DryRun": false});
    world.ok("PutRecord", body);
}
