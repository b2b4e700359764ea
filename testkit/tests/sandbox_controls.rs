//! What a test in another language does to the services of a sandbox, as the SDK meets it.

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::{Client, config};
use serde_json::json;
use testkit::sandbox::Sandbox;

use crate::lease_table::create;
use crate::sandbox_faults::{STREAM, admin, put, sandbox};

/// A client that does not retry, and a table `leases`.
async fn dynamodb(sandbox: &Sandbox) -> Client {
    let config = config::Builder::from(&sandbox.sdk_config()).retry_config(config::retry::RetryConfig::disabled());
    let client = Client::from_conf(config.build());
    create(&client, None).await;
    client
}

async fn get(client: &Client, key: &str) -> Result<(), GetItemError> {
    let get = client.get_item().table_name("leases");
    let reply = get.key("leaseKey", AttributeValue::S(key.to_owned())).send().await;
    reply.map(drop).map_err(|error| error.into_service_error())
}

async fn code(client: &Client, key: &str) -> Option<String> {
    let error = get(client, key).await.err()?;
    error.code().map(str::to_owned)
}

async fn control(sandbox: &Sandbox, what: &str, body: serde_json::Value) {
    assert_eq!(
        admin(sandbox, "POST", what, &body.to_string()).await,
        (200, json!({})),
        "{what}"
    );
}

#[tokio::test]
async fn dynamodb_throttles_the_calls_it_is_told_until_it_is_told_otherwise() {
    let sandbox = sandbox().await;
    let client = dynamodb(&sandbox).await;
    let calls = json!({ "action": "GetItem", "table": "leases", "key": "a" });
    for (kind, expected) in [
        ("provisioned", "ProvisionedThroughputExceededException"),
        ("onDemand", "ThrottlingException"),
        ("account", "RequestLimitExceeded"),
    ] {
        control(&sandbox, "dynamodb/throttle", json!({ "calls": calls, "as": kind })).await;
        assert_eq!(code(&client, "a").await.as_deref(), Some(expected));
        assert_eq!(code(&client, "b").await, None);
    }
    control(&sandbox, "dynamodb/release", calls).await;
    assert_eq!(code(&client, "a").await, None);
    control(&sandbox, "dynamodb/throttle", json!({})).await;
    assert!(code(&client, "b").await.is_some());
}

#[tokio::test]
async fn dynamodb_denies_calls_and_limits_tables() {
    let sandbox = sandbox().await;
    let client = dynamodb(&sandbox).await;
    control(&sandbox, "dynamodb/deny", json!({ "action": "GetItem" })).await;
    assert_eq!(code(&client, "a").await.as_deref(), Some("AccessDeniedException"));
    control(&sandbox, "dynamodb/allow", json!({ "action": "GetItem" })).await;
    assert_eq!(code(&client, "a").await, None);

    let capacity = json!({ "readUnits": 0, "writeUnits": 1, "mode": "onDemand" });
    control(
        &sandbox,
        "dynamodb/limit",
        json!({ "table": "leases", "capacity": capacity }),
    )
    .await;
    assert_eq!(code(&client, "a").await.as_deref(), Some("ThrottlingException"));
    control(&sandbox, "dynamodb/limit", json!({ "table": "leases" })).await;
    assert_eq!(code(&client, "a").await, None);
}

#[tokio::test]
async fn an_index_without_its_table_and_a_misspelt_field_are_refused() {
    let sandbox = sandbox().await;
    for (what, body, reason) in [
        ("dynamodb/deny", json!({ "index": "owners" }), "needs its table"),
        (
            "dynamodb/throttle",
            json!({ "tabel": "leases" }),
            "unknown field `tabel`",
        ),
        (
            "kinesis/clicks/fail-kms",
            json!({ "failure": "gone" }),
            "unknown variant `gone`",
        ),
        (
            "kinesis/clicks/distribute",
            json!({ "strategy": "AUTO" }),
            "ON_DEMAND mode",
        ),
    ] {
        let (status, error) = admin(&sandbox, "POST", what, &body.to_string()).await;
        let message = error["message"].as_str().unwrap();
        assert!(status == 400 && message.contains(reason), "{what}: {status} {message}");
    }
    let (status, _) = admin(&sandbox, "POST", "dynamodb/explode", "{}").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn kms_fails_as_it_is_told_until_it_is_restored() {
    let sandbox = sandbox().await;
    for (failure, expected) in [
        ("disabled", "KMSDisabledException"),
        ("accessDenied", "KMSAccessDeniedException"),
        ("throttling", "KMSThrottlingException"),
    ] {
        let what = format!("kinesis/{STREAM}/fail-kms");
        control(&sandbox, &what, json!({ "failure": failure })).await;
        let error = put(&sandbox).await.unwrap_err().into_service_error();
        assert_eq!(error.code(), Some(expected));
    }
    control(&sandbox, &format!("kinesis/{STREAM}/restore-kms"), json!({})).await;
    put(&sandbox).await.unwrap();
}
