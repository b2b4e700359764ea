//! Rows of leases that are deleted while their owners live.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, BillingMode, GlobalSecondaryIndex};
use kcl::{Coordination, WorkerBuilder};
use testkit::sim::{Fault, Sim};

use super::MINUTE;
use super::lease_table::lease_rows;
use crate::fleet::{APPLICATION, Checkpoints, Entry, Journal, put, start, stream, worker};

const SECOND: Duration = Duration::from_secs(1);

const RULES: [Coordination; 2] = [Coordination::Kcl2, Coordination::Kcl3];

fn worker_of(rule: Coordination, sim: &Sim, journal: &Journal) -> WorkerBuilder {
    worker(sim, "w1", journal, Checkpoints::AfterEachBatch).coordination(rule)
}

fn dynamodb(sim: &Sim) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(&sim.client("operator"))
}

async fn delete_row(sim: &Sim, key: &AttributeValue) {
    let delete = dynamodb(sim).delete_item().table_name(APPLICATION);
    delete.key("leaseKey", key.clone()).send().await.unwrap();
}

/// Deletes the lease table and makes an empty one like it.
async fn empty_the_table(sim: &Sim) {
    let client = dynamodb(sim);
    let table = client.describe_table().table_name(APPLICATION).send().await.unwrap();
    let table = table.table.unwrap();
    let deleted = client.delete_table().table_name(APPLICATION).send();
    deleted.await.unwrap();
    tokio::time::sleep(SECOND / 2).await;
    let index = &table.global_secondary_indexes()[0];
    let index = GlobalSecondaryIndex::builder()
        .index_name(index.index_name().unwrap())
        .set_key_schema(Some(index.key_schema().to_vec()))
        .set_projection(index.projection().cloned())
        .build();
    let create = client
        .create_table()
        .table_name(APPLICATION)
        .set_attribute_definitions(Some(table.attribute_definitions().to_vec()))
        .set_key_schema(Some(table.key_schema().to_vec()))
        .global_secondary_indexes(index.unwrap())
        .billing_mode(BillingMode::PayPerRequest);
    // A worker that misses the table may have made it already.
    if let Err(error) = create.send().await {
        assert!(error.into_service_error().is_resource_in_use_exception());
    }
}

fn number(value: &AttributeValue) -> u64 {
    value.as_n().unwrap().parse().unwrap()
}

/// Whether no processor has lost its lease, and each shard has had one processor.
fn is_undisturbed(journal: &Journal, shards: usize) -> bool {
    let entries = journal.entries();
    let begun = entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Initialized { .. }));
    let is_lost = entries.iter().any(|entry| matches!(entry, Entry::LeaseLost { .. }));
    begun.count() == shards && !is_lost
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_deleted_under_its_owner_is_made_again_where_it_stood_and_delivery_goes_on() {
    for rule in RULES {
        let (sim, producer) = stream(2);
        let journal = Journal::default();
        let (_control, _running) = start(worker_of(rule, &sim, &journal));
        let mut places = put(&producer, 0..50).await;
        journal.until("all records", |journal| journal.read() == places).await;
        tokio::time::sleep(5 * SECOND).await;
        let before = lease_rows(&sim).await;
        delete_row(&sim, &before[0]["leaseKey"]).await;
        tokio::time::sleep(5 * SECOND).await;
        let after = lease_rows(&sim).await;
        assert_eq!(after.len(), 2, "{rule:?}: the row is there again");
        for same in [
            "leaseOwner",
            "checkpoint",
            "tokenBase",
            "streamCreated",
            "startingHashKey",
        ] {
            assert_eq!(after[0].get(same), before[0].get(same), "{same}");
        }
        assert!(number(&after[0]["leaseCounter"]) > number(&before[0]["leaseCounter"]));
        places.extend(put(&producer, 50..100).await);
        journal.until("all records", |journal| journal.read() == places).await;
        tokio::time::sleep(MINUTE).await;
        assert!(is_undisturbed(&journal, 2), "{rule:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_of_a_table_that_is_deleted_and_made_again_within_a_second_are_made_again_by_their_owners() {
    for rule in RULES {
        let (sim, producer) = stream(4);
        let journal = Journal::default();
        let (_control, _running) = start(worker_of(rule, &sim, &journal));
        let mut places = put(&producer, 0..50).await;
        journal.until("all records", |journal| journal.read() == places).await;
        empty_the_table(&sim).await;
        places.extend(put(&producer, 50..100).await);
        journal.until("all records", |journal| journal.read() == places).await;
        tokio::time::sleep(MINUTE).await;
        assert_eq!(lease_rows(&sim).await.len(), 4, "{rule:?}");
        assert!(is_undisturbed(&journal, 4), "{rule:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_deleted_while_shards_cannot_be_listed_and_its_reply_is_lost_is_made_again() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (_control, _running) = start(worker_of(Coordination::Kcl2, &sim, &journal));
    let mut places = put(&producer, 0..50).await;
    journal.until("all records", |journal| journal.read() == places).await;
    let lost = AtomicBool::new(false);
    sim.faults(move |call| match call.operation {
        "ListShards" => Fault::throttled(),
        "PutItem" if !lost.swap(true, Ordering::SeqCst) => Fault::ReplyLost,
        _ => Fault::None,
    });
    let row = lease_rows(&sim).await.remove(0);
    delete_row(&sim, &row["leaseKey"]).await;
    tokio::time::sleep(8 * SECOND).await;
    places.extend(put(&producer, 50..100).await);
    journal.until("all records", |journal| journal.read() == places).await;
    assert_eq!(lease_rows(&sim).await.len(), 1);
    assert!(is_undisturbed(&journal, 1));
}
