//! The table that KCL 3.0 to 3.4 have beside the lease table.

use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};

use super::bench::{Bench, row, s};
use crate::coordination::rows::{CLIENT_VERSION_KEY, ClientVersionState, FleetRow, TABLE_MIGRATION_KEY};
use crate::coordination::table::Place;
use crate::error::CallErrorKind;

run_against_each_backend! {
    a_coordinator_table_that_is_missing_has_no_row,
}

async fn a_coordinator_table_that_is_missing_has_no_row(bench: &Bench) {
    let row = bench
        .table()
        .fleet_row(Place::CoordinatorTable, CLIENT_VERSION_KEY)
        .await;
    assert_eq!(row, Ok(None));
    assert!(matches!(bench.table().coordinator_rows().await, Ok(None)));
}

#[tokio::test(start_paused = true)]
async fn a_lease_table_that_is_missing_is_an_error() {
    let bench = Bench::in_dynamodb().await;
    let delete = bench.client().unwrap().delete_table().table_name("leases");
    drop(delete.send().await.unwrap());
    let read = bench.table().fleet_row(Place::LeaseTable, CLIENT_VERSION_KEY).await;
    assert_eq!(read.unwrap_err().kind(), &CallErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn the_client_version_of_a_coordinator_table_is_read() {
    let bench = Bench::in_dynamodb().await;
    let client = bench.client().unwrap();
    let key = AttributeDefinition::builder().attribute_name("key");
    let schema = KeySchemaElement::builder()
        .attribute_name("key")
        .key_type(KeyType::Hash);
    let create = client
        .create_table()
        .table_name("billing-CoordinatorState")
        .attribute_definitions(key.attribute_type(ScalarAttributeType::S).build().unwrap())
        .key_schema(schema.build().unwrap())
        .billing_mode(BillingMode::PayPerRequest);
    drop(create.send().await.unwrap());
    let read = || bench.table().fleet_row(Place::CoordinatorTable, CLIENT_VERSION_KEY);
    assert_eq!(read().await, Ok(None));
    let rows = || async { bench.table().coordinator_rows().await.unwrap().unwrap() };
    assert_eq!(rows().await.client_version, None, "the table is there");
    let item = row([("key", s(CLIENT_VERSION_KEY)), ("cv", s("CLIENT_VERSION_2X"))]);
    let put = client.put_item().table_name("billing-CoordinatorState");
    drop(put.set_item(Some(item)).send().await.unwrap());
    match read().await {
        Ok(Some(FleetRow::ClientVersion(version))) => assert_eq!(version.current.state, ClientVersionState::V2x),
        other => panic!("{other:?}"),
    }
    let item = row([
        ("key", s(TABLE_MIGRATION_KEY)),
        ("tm", s("TABLE_MIGRATION_STATUS_INIT")),
    ]);
    let put = client.put_item().table_name("billing-CoordinatorState");
    drop(put.set_item(Some(item)).send().await.unwrap());
    let rows = rows().await;
    assert_eq!(rows.client_version.unwrap().current.state, ClientVersionState::V2x);
    assert_eq!(rows.table_migration.unwrap().status, "TABLE_MIGRATION_STATUS_INIT");
}
