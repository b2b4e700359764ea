//! Faults in the sandbox, by the handle and by the admin calls, as the SDK and raw sockets meet them.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::Builder;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::put_records::{PutRecordsError, PutRecordsOutput};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use serde_json::{Value, json};
use testkit::Service;
use testkit::kinesis::Settings;
use testkit::sandbox::{FaultRule, Sandbox};
use testkit::sim::{Entries, Fault};
use tokio::time::timeout;

use crate::wire::{exchange_with, request_of};

pub(crate) const STREAM: &str = "clicks";

pub(crate) async fn sandbox() -> Sandbox {
    let settings = Settings {
        creation_time: Duration::ZERO,
        ..Settings::default()
    };
    let sandbox = Sandbox::start_with(settings).await.unwrap();
    let create = client(&sandbox).create_stream().stream_name(STREAM).shard_count(1);
    create.send().await.unwrap();
    sandbox
}

/// A client that does not retry.
fn client(sandbox: &Sandbox) -> Client {
    let config = Builder::from(&sandbox.sdk_config()).retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

pub(crate) async fn put(sandbox: &Sandbox) -> Result<PutRecordsOutput, SdkError<PutRecordsError>> {
    let entry = PutRecordsRequestEntry::builder()
        .partition_key("k")
        .data(Blob::new("v"));
    let entries = vec![entry.build().unwrap(); 4];
    let put = client(sandbox).put_records().stream_name(STREAM);
    put.set_records(Some(entries)).send().await
}

/// Puts four records under `fault`: what the SDK returns, and how many of them are stored.
async fn put_under(fault: Fault) -> (Result<PutRecordsOutput, SdkError<PutRecordsError>>, u64) {
    let sandbox = sandbox().await;
    let rule = FaultRule::new(Service::Kinesis, fault).operation("PutRecords");
    sandbox.faults(|faults| faults.push(rule)).unwrap();
    let result = put(&sandbox).await;
    let stored = sandbox.kinesis(|kinesis| kinesis.stored_count(STREAM));
    put(&sandbox).await.expect("the fault was for one call");
    (result, stored)
}

#[tokio::test]
async fn an_error_is_the_services_answer() {
    let (result, stored) = put_under(Fault::throttled()).await;
    let error = result.unwrap_err().into_service_error();
    assert_eq!(
        (error.code(), stored),
        (Some("ProvisionedThroughputExceededException"), 0)
    );
}

#[tokio::test]
async fn a_lost_request_is_not_applied_and_a_lost_reply_is() {
    for (fault, applied) in [(Fault::RequestLost, 0), (Fault::ReplyLost, 4)] {
        let (result, stored) = put_under(fault.clone()).await;
        assert!(
            matches!(result, Err(SdkError::DispatchFailure(_))),
            "{fault:?}: {result:?}"
        );
        assert_eq!(stored, applied, "{fault:?}");
    }
}

#[tokio::test]
async fn failed_entries_are_not_stored() {
    let code = "InternalFailure".to_owned();
    let entries = Entries::At(vec![1]);
    let (result, stored) = put_under(Fault::FailEntries { entries, code }).await;
    let output = result.unwrap();
    assert_eq!((output.failed_record_count(), stored), (Some(1), 3));
    assert_eq!(output.records()[1].error_code(), Some("InternalFailure"));
}

#[tokio::test]
async fn a_delayed_or_hanging_call_holds_up_nobody_else() {
    for fault in [Fault::Delay(Duration::from_secs(3_600)), Fault::ReplyHangs] {
        let sandbox = sandbox().await;
        sandbox
            .faults(|faults| faults.push(FaultRule::new(Service::Kinesis, fault)))
            .unwrap();
        let held = timeout(Duration::from_millis(100), put(&sandbox)).await;
        assert!(held.is_err(), "{held:?}");
        put(&sandbox).await.unwrap();
        let stopped = timeout(Duration::from_secs(10), sandbox.stop()).await;
        assert!(stopped.is_ok(), "the held call keeps the sandbox from stopping");
    }
}

/// The status and the JSON of the reply to an admin call.
pub(crate) async fn admin(sandbox: &Sandbox, method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = request_of(method, &format!("/_testkit/{path}"), "", body.as_bytes());
    let (head, body) = exchange_with(sandbox, &request).await;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn a_posted_fault_is_listed_met_and_used_up() {
    let sandbox = sandbox().await;
    let error = json!({ "status": 400, "code": "ProvisionedThroughputExceededException", "message": "slower" });
    let rule = json!({
        "service": "Kinesis",
        "operation": "PutRecords",
        "times": 2,
        "fault": { "error": error },
    });
    assert_eq!(
        admin(&sandbox, "POST", "faults", &rule.to_string()).await,
        (200, json!({}))
    );
    assert_eq!(
        admin(&sandbox, "GET", "faults", "").await,
        (200, json!({ "faults": [rule] }))
    );

    assert_eq!(
        put(&sandbox).await.unwrap_err().into_service_error().message(),
        Some("slower")
    );
    let (_, left) = admin(&sandbox, "GET", "faults", "").await;
    assert_eq!(left["faults"][0]["times"], 1);

    admin(&sandbox, "DELETE", "faults", "").await;
    put(&sandbox).await.unwrap();
}

#[tokio::test]
async fn a_malformed_admin_call_is_refused_with_a_reason() {
    let sandbox = sandbox().await;
    for (method, path, body, status, reason) in [
        ("POST", "faults", "{", 400, "EOF"),
        (
            "POST",
            "faults",
            r#"{"service":"SQS","fault":"requestLost"}"#,
            400,
            "unknown variant `SQS`",
        ),
        (
            "POST",
            "faults",
            r#"{"service":"Kinesis","fault":"flood"}"#,
            400,
            "unknown variant `flood`",
        ),
        ("PUT", "faults", "", 404, "PUT /_testkit/faults"),
        ("GET", "weather", "", 404, "GET /_testkit/weather"),
        ("POST", "kinesis/clicks/fly", "{}", 404, "fly"),
        ("POST", "kinesis/clicks/scale", "{}", 400, "missing field `shards`"),
        (
            "POST",
            "kinesis/clicks/close-shard",
            r#"{"shard":"first"}"#,
            400,
            "\"first\" is not a shard id",
        ),
        ("POST", "kinesis/other/scale", r#"{"shards":2}"#, 400, "other"),
    ] {
        let (found, error) = admin(&sandbox, method, path, body).await;
        let message = error["message"].as_str().unwrap();
        assert_eq!(found, status, "{path}: {message}");
        assert!(message.contains(reason), "{path}: {message}");
    }
}

#[tokio::test]
async fn recorded_metrics_are_told_and_forgotten() {
    let sandbox = sandbox().await;
    let put = json!({ "Namespace": "Orders", "MetricData": [{
        "MetricName": "Lag", "Values": [1, 4], "Unit": "Seconds", "Dimensions": [{ "Name": "Shard", "Value": "0" }],
    }]});
    let target = "x-amz-target: GraniteServiceVersion20100801.PutMetricData\r\n";
    let request = request_of("POST", "/", target, put.to_string().as_bytes());
    exchange_with(&sandbox, &request).await;

    let expected = json!({
        "namespace": "Orders", "name": "Lag", "dimensions": { "Shard": "0" }, "unit": "Seconds",
        "sampleCount": 2.0, "sum": 5.0, "minimum": 1.0, "maximum": 4.0, "average": 2.5,
    });
    assert_eq!(
        admin(&sandbox, "GET", "cloudwatch", "").await,
        (200, json!({ "series": [expected] }))
    );
    admin(&sandbox, "DELETE", "cloudwatch", "").await;
    assert_eq!(
        admin(&sandbox, "GET", "cloudwatch", "").await,
        (200, json!({ "series": [] }))
    );
}

#[tokio::test]
async fn iterators_expire_and_shards_are_throttled_on_demand() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    let iterator = client
        .get_shard_iterator()
        .stream_name(STREAM)
        .shard_id("shardId-000000000000");
    let iterator = iterator
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await
        .unwrap();
    admin(&sandbox, "POST", "kinesis/expire-iterators", "").await;
    let get = client
        .get_records()
        .set_shard_iterator(iterator.shard_iterator)
        .send()
        .await;
    assert!(get.unwrap_err().into_service_error().is_expired_iterator_exception());

    let writes = r#"{"shard":"shardId-000000000000","traffic":"writes"}"#;
    for (what, failed) in [("throttle", 4), ("release", 0)] {
        admin(&sandbox, "POST", &format!("kinesis/{STREAM}/{what}"), writes).await;
        assert_eq!(
            put(&sandbox).await.unwrap().failed_record_count(),
            Some(failed),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_shard_is_closed_on_demand_and_a_stream_scaled() {
    let sandbox = sandbox().await;
    let shard = r#"{"shard":"shardId-000000000000"}"#;
    assert_eq!(
        admin(&sandbox, "POST", "kinesis/clicks/close-shard", shard).await.0,
        200
    );
    assert_eq!(sandbox.kinesis(|kinesis| kinesis.shards(STREAM).len()), 3);
    assert_eq!(
        admin(&sandbox, "POST", "kinesis/clicks/scale", r#"{"shards":4}"#)
            .await
            .0,
        200
    );
    let summary = client(&sandbox)
        .describe_stream_summary()
        .stream_name(STREAM)
        .send()
        .await
        .unwrap();
    let summary = summary.stream_description_summary.unwrap();
    assert_eq!(summary.stream_status.as_str(), "UPDATING");
}
