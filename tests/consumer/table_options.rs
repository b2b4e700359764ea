//! The lease table is created as the application wants it, or not at all.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{self, PointInTimeRecoveryStatus, TableDescription};
use kcl::{BillingMode, CreateTable, WorkerBuilder, WorkerError};
use testkit::sim::{Fault, Sim};

use super::MINUTE;
use super::lease_table::leave_a_table;
use crate::fleet::{APPLICATION, Checkpoints, Journal, put, start, stream, worker};

fn one(sim: &Sim) -> WorkerBuilder {
    worker(sim, "w1", &Journal::default(), Checkpoints::AfterEachBatch)
}

fn operator(sim: &Sim) -> Client {
    Client::new(&sim.client("operator"))
}

async fn described(sim: &Sim) -> TableDescription {
    let table = operator(sim).describe_table().table_name(APPLICATION).send().await;
    table.unwrap().table.unwrap()
}

async fn recovery(sim: &Sim) -> PointInTimeRecoveryStatus {
    let client = operator(sim);
    let described = client
        .describe_continuous_backups()
        .table_name(APPLICATION)
        .send()
        .await;
    let backups = described.unwrap().continuous_backups_description.unwrap();
    let recovery = backups.point_in_time_recovery_description.unwrap();
    recovery.point_in_time_recovery_status.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_table_is_created_with_its_capacity_protection_recovery_and_tags_and_the_index_copies_the_capacity() {
    let (sim, _producer) = stream(1);
    let builder = one(&sim)
        .billing_mode(BillingMode::Provisioned { read: 20, write: 30 })
        .deletion_protection()
        .point_in_time_recovery()
        .tag("team", "billing")
        .tag("stage", "live");
    let (control, _running) = start(builder);
    assert!(control.ready().await);
    let table = described(&sim).await;
    assert_eq!(table.deletion_protection_enabled(), Some(true));
    let of_table = table.provisioned_throughput().unwrap();
    let [index] = table.global_secondary_indexes() else {
        panic!("{table:?}")
    };
    assert_eq!(index.index_name(), Some("LeaseOwnerToLeaseKeyIndex"));
    for units in [of_table, index.provisioned_throughput().unwrap()] {
        assert_eq!(
            (units.read_capacity_units(), units.write_capacity_units()),
            (Some(20), Some(30))
        );
    }
    assert_eq!(recovery(&sim).await, PointInTimeRecoveryStatus::Enabled);
    let client = operator(&sim);
    let listed = client.list_tags_of_resource().resource_arn(table.table_arn().unwrap());
    let listed = listed.send().await.unwrap();
    let mut tags: Vec<_> = listed.tags().iter().map(|tag| (tag.key(), tag.value())).collect();
    tags.sort_unstable();
    assert_eq!(tags, [("stage", "live"), ("team", "billing")]);
}

#[tokio::test(start_paused = true)]
async fn by_default_a_table_is_billed_on_demand_without_protection_and_recovery() {
    let (sim, _producer) = stream(1);
    let (control, _running) = start(one(&sim));
    assert!(control.ready().await);
    let table = described(&sim).await;
    let billing = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    assert_eq!(billing, Some(&types::BillingMode::PayPerRequest));
    assert_eq!(table.deletion_protection_enabled(), Some(false));
    assert_eq!(recovery(&sim).await, PointInTimeRecoveryStatus::Disabled);
}

#[tokio::test(start_paused = true)]
async fn a_missing_table_that_is_not_to_be_created_ends_the_worker_with_the_table_and_the_option() {
    let (sim, _producer) = stream(1);
    let (_control, running) = start(one(&sim).create_table(CreateTable::Never));
    let ended = tokio::time::timeout(MINUTE, running).await.expect("it ends");
    let error = ended.unwrap().unwrap_err();
    assert!(
        matches!(error.error(), WorkerError::LeaseTableMissing { table } if table == APPLICATION),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.contains(APPLICATION) && text.contains("create_table"), "{text}");
    assert!(sim.calls().iter().all(|call| call.operation != "CreateTable"));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_exists_is_used_by_a_worker_that_must_not_create_it() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    leave_a_table(&sim, &journal).await;
    let builder = worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch);
    let (_control, _running) = start(builder.create_table(CreateTable::Never));
    let places = put(&producer, 0..20).await;
    journal.until("all records", |journal| journal.read() == places).await;
}

#[tokio::test(start_paused = true)]
async fn recovery_is_switched_on_for_a_table_that_exists_and_waits_until_its_backups_go_on() {
    let (sim, _producer) = stream(1);
    leave_a_table(&sim, &Journal::default()).await;
    assert_eq!(recovery(&sim).await, PointInTimeRecoveryStatus::Disabled);
    let calls = AtomicUsize::new(0);
    sim.faults(move |call| {
        let is_asked = call.operation == "UpdateContinuousBackups";
        match is_asked && calls.fetch_add(1, Ordering::SeqCst) < 3 {
            true => Fault::Error {
                status: 400,
                code: "ContinuousBackupsUnavailableException".to_owned(),
                message: "Backups are being enabled for the table".to_owned(),
            },
            false => Fault::None,
        }
    });
    let (control, _running) = start(one(&sim).point_in_time_recovery());
    assert!(control.ready().await);
    assert_eq!(recovery(&sim).await, PointInTimeRecoveryStatus::Enabled);
}
