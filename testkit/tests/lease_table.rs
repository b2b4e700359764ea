//! A lease table as tests of DynamoDB use it.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableDescription,
};
use testkit::Service;
use testkit::dynamodb::Settings;
use testkit::sim::{Latency, Sim};

pub(crate) const TABLE: &str = "leases";
pub(crate) const INDEX: &str = "LeaseOwnerToLeaseKeyIndex";

/// A simulation in which calls to DynamoDB take no time.
pub(crate) fn sim(settings: Settings) -> Sim {
    let sim = Sim::builder().seed(7).dynamodb(settings);
    sim.latency(Service::DynamoDb, Latency::ZERO).build()
}

/// A client that tries each call once.
pub(crate) fn once(sim: &Sim) -> SdkConfig {
    let config = sim.sdk_config().into_builder();
    config.retry_config(RetryConfig::disabled()).build()
}

/// The code of an error, for instance `ResourceNotFoundException`.
pub(crate) fn code(error: &impl ProvideErrorMetadata) -> &str {
    error.code().unwrap_or_default()
}

pub(crate) async fn pass(time: Duration) {
    tokio::time::advance(time).await;
}

pub(crate) async fn describe(client: &Client) -> TableDescription {
    let described = client.describe_table().table_name(TABLE).send().await.unwrap();
    described.table.unwrap()
}

pub(crate) async fn with_table(config: &SdkConfig) -> Client {
    let client = Client::new(config);
    create(&client, Some(index())).await;
    client
}

/// Creates the table, with an index or without one.
pub(crate) async fn create(client: &Client, index: Option<GlobalSecondaryIndex>) {
    let table = client
        .create_table()
        .table_name(TABLE)
        .attribute_definitions(attribute("leaseKey"))
        .key_schema(key("leaseKey", KeyType::Hash))
        .billing_mode(BillingMode::PayPerRequest);
    let table = match index {
        Some(index) => table
            .attribute_definitions(attribute("leaseOwner"))
            .global_secondary_indexes(index),
        None => table,
    };
    table.send().await.unwrap();
}

fn index() -> GlobalSecondaryIndex {
    GlobalSecondaryIndex::builder()
        .index_name(INDEX)
        .key_schema(key("leaseOwner", KeyType::Hash))
        .key_schema(key("leaseKey", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .unwrap()
}

pub(crate) fn attribute(name: &str) -> AttributeDefinition {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
        .unwrap()
}

pub(crate) fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(kind)
        .build()
        .unwrap()
}

pub(crate) async fn put(client: &Client, lease: &str, owner: &str) {
    client
        .put_item()
        .table_name(TABLE)
        .item("leaseKey", s(lease))
        .item("leaseOwner", s(owner))
        .item("leaseCounter", n(1))
        .send()
        .await
        .unwrap();
}

pub(crate) async fn get(client: &Client, lease: &str) -> BTreeMap<String, AttributeValue> {
    let got = client
        .get_item()
        .table_name(TABLE)
        .key("leaseKey", s(lease))
        .send()
        .await
        .unwrap();
    got.item.unwrap().into_iter().collect()
}

pub(crate) fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(crate) fn n(number: u32) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
