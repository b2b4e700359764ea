//! The times that tables and indexes take, and what may not be done meanwhile.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::update_table::builders::UpdateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    CreateGlobalSecondaryIndexAction, DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate, IndexStatus,
    KeyType, PointInTimeRecoverySpecification, PointInTimeRecoveryStatus, Projection, ProjectionType, TableStatus,
};
use testkit::dynamodb::Settings;
use testkit::sim::Sim;

use crate::lease_table::{
    INDEX, TABLE, attribute, code, create, describe, get, key, once, pass, put, s, sim, with_table,
};

const SECOND: Duration = Duration::from_secs(1);
const TEN_SECONDS: Duration = Duration::from_secs(10);

/// A service in which everything takes ten seconds.
fn slow() -> Sim {
    sim(Settings {
        table_creation_time: TEN_SECONDS,
        table_deletion_time: TEN_SECONDS,
        index_creation_time: TEN_SECONDS,
        index_deletion_time: TEN_SECONDS,
        ..Settings::default()
    })
}

/// The table without its index, ACTIVE, with one lease.
async fn active_without_index(sim: &Sim) -> Client {
    let client = Client::new(&once(sim));
    create(&client, None).await;
    pass(TEN_SECONDS).await;
    put(&client, "shard-1", "worker-1").await;
    client
}

fn add_index(client: &Client, name: &str) -> UpdateTableFluentBuilder {
    let index = CreateGlobalSecondaryIndexAction::builder()
        .index_name(name)
        .key_schema(key("leaseOwner", KeyType::Hash))
        .key_schema(key("leaseKey", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .unwrap();
    client
        .update_table()
        .table_name(TABLE)
        .attribute_definitions(attribute("leaseKey"))
        .attribute_definitions(attribute("leaseOwner"))
        .global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().create(index).build())
}

fn delete_index(client: &Client) -> UpdateTableFluentBuilder {
    let index = DeleteGlobalSecondaryIndexAction::builder()
        .index_name(INDEX)
        .build()
        .unwrap();
    client
        .update_table()
        .table_name(TABLE)
        .global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().delete(index).build())
}

async fn owned(client: &Client) -> Result<i32, (String, String)> {
    let query = client.query().table_name(TABLE).index_name(INDEX);
    let query = query.key_condition_expression("leaseOwner = :owner");
    let found = query.expression_attribute_values(":owner", s("worker-1")).send().await;
    found.map(|found| found.count).map_err(|error| {
        let error = error.into_service_error();
        (code(&error).to_owned(), error.message().unwrap_or_default().to_owned())
    })
}

#[tokio::test(start_paused = true)]
async fn a_table_is_creating_first_and_its_items_are_not_found_meanwhile() {
    let sim = slow();
    let client = with_table(&once(&sim)).await;
    pass(TEN_SECONDS - SECOND).await;
    let table = describe(&client).await;
    assert_eq!(table.table_status(), Some(&TableStatus::Creating));
    assert_eq!(
        table.global_secondary_indexes()[0].index_status(),
        Some(&IndexStatus::Creating)
    );
    assert_eq!(table.global_secondary_indexes()[0].backfilling(), None);
    let put_item = client.put_item().table_name(TABLE).item("leaseKey", s("shard-1"));
    let error = put_item.send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    let error = client
        .scan()
        .table_name(TABLE)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");

    pass(SECOND).await;
    let table = describe(&client).await;
    assert_eq!(table.table_status(), Some(&TableStatus::Active));
    assert_eq!(
        table.global_secondary_indexes()[0].index_status(),
        Some(&IndexStatus::Active)
    );
    put(&client, "shard-1", "worker-1").await;
    assert_eq!(owned(&client).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_table_in_creation_is_neither_created_updated_nor_deleted() {
    let sim = slow();
    let client = with_table(&once(&sim)).await;
    let error = delete_index(&client).send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_in_use_exception(), "{error:?}");
    let error = client
        .delete_table()
        .table_name(TABLE)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_resource_in_use_exception(), "{error:?}");
    assert_eq!(
        error.message(),
        Some("Attempt to change a resource which is still in use: Table is being created: leases")
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_table_is_deleting_first_and_can_then_be_created_again() {
    let sim = slow();
    let client = active_without_index(&sim).await;
    client.delete_table().table_name(TABLE).send().await.unwrap();
    assert_eq!(describe(&client).await.table_status(), Some(&TableStatus::Deleting));
    assert_eq!(client.list_tables().send().await.unwrap().table_names(), [TABLE]);
    let item = client.get_item().table_name(TABLE).key("leaseKey", s("shard-1"));
    let error = item.send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");

    pass(TEN_SECONDS).await;
    let described = client.describe_table().table_name(TABLE).send().await;
    assert!(
        described
            .unwrap_err()
            .into_service_error()
            .is_resource_not_found_exception()
    );
    assert!(client.list_tables().send().await.unwrap().table_names().is_empty());
    create(&client, None).await;
    assert_eq!(describe(&client).await.table_status(), Some(&TableStatus::Creating));
}

#[tokio::test(start_paused = true)]
async fn an_added_index_is_backfilled_first_and_cannot_be_read_meanwhile() {
    let sim = slow();
    let client = active_without_index(&sim).await;
    let reply = add_index(&client, INDEX)
        .send()
        .await
        .unwrap()
        .table_description
        .unwrap();
    assert_eq!(reply.table_status(), Some(&TableStatus::Updating));
    pass(TEN_SECONDS - SECOND).await;

    let table = describe(&client).await;
    let index = &table.global_secondary_indexes()[0];
    assert_eq!(table.table_status(), Some(&TableStatus::Updating));
    assert_eq!(
        (index.index_status(), index.backfilling()),
        (Some(&IndexStatus::Creating), Some(true))
    );
    let message = format!("Cannot read from backfilling global secondary index: {INDEX}");
    assert_eq!(owned(&client).await, Err(("ValidationException".to_owned(), message)));
    // The table itself stays in use.
    put(&client, "shard-2", "worker-1").await;
    assert_eq!(get(&client, "shard-2").await["leaseOwner"], s("worker-1"));

    pass(SECOND).await;
    let table = describe(&client).await;
    let index = &table.global_secondary_indexes()[0];
    assert_eq!(table.table_status(), Some(&TableStatus::Active));
    assert_eq!(
        (index.index_status(), index.backfilling()),
        (Some(&IndexStatus::Active), None)
    );
    assert_eq!(
        owned(&client).await,
        Ok(2),
        "with what was there before, and what came meanwhile"
    );
}

#[tokio::test(start_paused = true)]
async fn one_index_is_created_or_deleted_at_a_time() {
    let sim = slow();
    let client = active_without_index(&sim).await;
    add_index(&client, INDEX).send().await.unwrap();
    let error = add_index(&client, "second")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_limit_exceeded_exception(), "{error:?}");
    let error = client
        .delete_table()
        .table_name(TABLE)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_resource_in_use_exception(), "{error:?}");
    let protect = client
        .update_table()
        .table_name(TABLE)
        .deletion_protection_enabled(true);
    let error = protect.send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_in_use_exception(), "{error:?}");

    pass(TEN_SECONDS).await;
    add_index(&client, "second").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_deleted_index_is_deleting_first_but_not_read_any_more() {
    let sim = slow();
    let client = with_table(&once(&sim)).await;
    pass(TEN_SECONDS).await;
    delete_index(&client).send().await.unwrap();
    let table = describe(&client).await;
    assert_eq!(table.table_status(), Some(&TableStatus::Updating));
    assert_eq!(
        table.global_secondary_indexes()[0].index_status(),
        Some(&IndexStatus::Deleting)
    );
    assert_eq!(owned(&client).await.unwrap_err().0, "ValidationException");

    pass(TEN_SECONDS).await;
    let table = describe(&client).await;
    assert_eq!(table.table_status(), Some(&TableStatus::Active));
    assert!(table.global_secondary_indexes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn point_in_time_recovery_is_remembered_once_the_table_is_active() {
    let sim = slow();
    let client = with_table(&once(&sim)).await;
    let enable = || {
        let enabled = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
        client
            .update_continuous_backups()
            .table_name(TABLE)
            .point_in_time_recovery_specification(enabled.build().unwrap())
            .send()
    };
    let error = enable().await.unwrap_err().into_service_error();
    assert!(error.is_continuous_backups_unavailable_exception(), "{error:?}");

    pass(TEN_SECONDS).await;
    enable().await.unwrap();
    let described = client
        .describe_continuous_backups()
        .table_name(TABLE)
        .send()
        .await
        .unwrap();
    let backups = described.continuous_backups_description.unwrap();
    let recovery = backups.point_in_time_recovery_description.unwrap();
    assert_eq!(
        recovery.point_in_time_recovery_status(),
        Some(&PointInTimeRecoveryStatus::Enabled)
    );

    let missing = client.describe_continuous_backups().table_name("none").send().await;
    assert!(missing.unwrap_err().into_service_error().is_table_not_found_exception());
}

#[tokio::test(start_paused = true)]
async fn a_table_is_stamped_with_the_time_of_the_simulation() {
    let sim = sim(Settings::default());
    pass(TEN_SECONDS).await;
    let client = with_table(&sim.sdk_config()).await;
    let created = describe(&client).await;
    let created_at = std::time::SystemTime::try_from(*created.creation_date_time().unwrap()).unwrap();
    assert_eq!(created_at, sim.now());
    assert_eq!(created.table_id(), Some("00000000-0000-4000-8000-000000000001"));

    client.delete_table().table_name(TABLE).send().await.unwrap();
    create(&client, None).await;
    assert_eq!(
        describe(&client).await.table_id(),
        Some("00000000-0000-4000-8000-000000000002")
    );
}
