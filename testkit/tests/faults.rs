//! Every fault is seen by the SDK's users as the error that it imitates.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use testkit::Service;
use testkit::sim::{Fault, Latency, Outcome, Sim};

const TABLE: &str = "letters";
const PATIENCE: Duration = Duration::from_secs(10);

/// A client that neither retries nor waits longer than [`PATIENCE`].
fn client(sim: &Sim, name: &str) -> Client {
    let config = Builder::from(&sim.client(name))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(PATIENCE).build());
    Client::from_conf(config.build())
}

async fn create_table(client: &Client) {
    let attribute = AttributeDefinition::builder()
        .attribute_name("id")
        .attribute_type(ScalarAttributeType::S);
    client
        .create_table()
        .table_name(TABLE)
        .attribute_definitions(attribute.build().unwrap())
        .key_schema(
            KeySchemaElement::builder()
                .attribute_name("id")
                .key_type(KeyType::Hash)
                .build()
                .unwrap(),
        )
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
}

/// Puts one item under `fault`: what the SDK returns, and whether the item is there afterwards.
async fn put_under(fault: Fault) -> (Result<PutItemOutput, SdkError<PutItemError>>, bool) {
    let sim = Sim::new(3);
    let client = client(&sim, "writer");
    create_table(&client).await;

    sim.faults(move |_call| fault.clone());
    let id = AttributeValue::S("a".to_owned());
    let result = client.put_item().table_name(TABLE).item("id", id).send().await;

    sim.heal();
    let scan = client.scan().table_name(TABLE).send().await.unwrap();
    (result, scan.count == 1)
}

#[tokio::test(start_paused = true)]
async fn an_undisturbed_call_is_applied() {
    let (result, applied) = put_under(Fault::None).await;
    assert!(result.is_ok() && applied);
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_is_a_dispatch_failure_and_not_applied() {
    let (result, applied) = put_under(Fault::RequestLost).await;
    assert!(matches!(result, Err(SdkError::DispatchFailure(failure)) if failure.is_io()));
    assert!(!applied);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_a_dispatch_failure_of_an_applied_call() {
    let (result, applied) = put_under(Fault::ReplyLost).await;
    assert!(matches!(result, Err(SdkError::DispatchFailure(failure)) if failure.is_io()));
    assert!(applied);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_request_times_out_and_is_not_applied() {
    let (result, applied) = put_under(Fault::RequestHangs).await;
    assert!(matches!(result, Err(SdkError::TimeoutError(_))));
    assert!(!applied);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_reply_times_out_after_the_call_is_applied() {
    let (result, applied) = put_under(Fault::ReplyHangs).await;
    assert!(matches!(result, Err(SdkError::TimeoutError(_))));
    assert!(applied);
}

#[tokio::test(start_paused = true)]
async fn a_service_error_has_its_code() {
    for (fault, expected) in [
        (Fault::throttled(), "ProvisionedThroughputExceededException"),
        (Fault::internal_failure(), "InternalFailure"),
    ] {
        let (result, applied) = put_under(fault).await;
        let error = result.unwrap_err().into_service_error();
        assert_eq!(error.code(), Some(expected));
        assert!(!applied);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delayed_call_is_applied_that_much_later() {
    let sim = Sim::builder().latency(Service::DynamoDb, Latency::ZERO).build();
    sim.faults(|_call| Fault::Delay(Duration::from_secs(3)));
    create_table(&client(&sim, "writer")).await;
    assert_eq!(sim.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn the_read_time_out_of_the_client_is_kept() {
    let sim = Sim::new(3);
    sim.faults(|_call| Fault::ReplyHangs);
    let config = Builder::from(&sim.sdk_config())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().read_timeout(PATIENCE).build());

    let error = Client::from_conf(config.build())
        .list_tables()
        .send()
        .await
        .unwrap_err();
    assert!(matches!(error, SdkError::DispatchFailure(failure) if failure.is_timeout()));
    assert_eq!(sim.elapsed(), PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn one_process_can_be_cut_off() {
    let sim = Sim::new(3);
    sim.faults(|call| {
        if call.client == "lonely" {
            Fault::RequestLost
        } else {
            Fault::None
        }
    });

    assert!(client(&sim, "lonely").list_tables().send().await.is_err());
    assert!(client(&sim, "lucky").list_tables().send().await.is_ok());

    let outcomes: Vec<_> = sim
        .calls()
        .into_iter()
        .map(|call| (call.client, call.outcome, call.fault))
        .collect();
    let expected = [
        ("lonely".to_owned(), Outcome::Lost, Some("request lost")),
        ("lucky".to_owned(), Outcome::Ok, None),
    ];
    assert_eq!(outcomes, expected);
}

#[tokio::test(start_paused = true)]
async fn the_sdks_own_retries_get_over_a_fault() {
    let sim = Sim::new(3);
    sim.faults(|call| {
        if call.ordinal == 0 {
            Fault::throttled()
        } else {
            Fault::None
        }
    });
    Client::new(&sim.sdk_config()).list_tables().send().await.unwrap();
    assert_eq!(sim.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn virtual_time_passes_with_the_latency_alone() {
    let sim = Sim::new(3);
    client(&sim, "reader").list_tables().send().await.unwrap();
    let elapsed = sim.elapsed();
    assert!(
        (Duration::from_millis(2)..=Duration::from_millis(8)).contains(&elapsed),
        "{elapsed:?}"
    );
}
