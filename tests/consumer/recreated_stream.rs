//! A stream that was deleted and created again, and lease rows of a Java KCL, which do not say of which of the two they are.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use testkit::sim::{Fault, Sim};

use super::MINUTE;
use super::lease_table::lease_rows;
use crate::fleet::{APPLICATION, Checkpoints, Journal, STREAM, put, split, start, stream, worker};

pub(super) const FIRST: &str = "shardId-000000000000";
pub(super) const SECOND: &str = "shardId-000000000001";

pub(super) async fn create_stream_again(sim: &Sim, shards: usize) {
    let client = aws_sdk_kinesis::Client::new(&sim.client("operator"));
    client.delete_stream().stream_name(STREAM).send().await.unwrap();
    tokio::time::sleep(MINUTE).await;
    sim.create_stream(STREAM, shards).unwrap();
}

/// Puts the row that a worker of a Java KCL leaves behind when it releases a lease.
pub(super) async fn put_unmarked(sim: &Sim, shard: &str, checkpoint: &str) {
    let text = |text: &str| AttributeValue::S(text.into());
    let number = |number: &str| AttributeValue::N(number.into());
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let row = client.put_item().table_name(APPLICATION);
    let row = row.item("leaseKey", text(shard)).item("leaseCounter", number("7"));
    let row = row.item("checkpoint", text(checkpoint));
    let row = row.item("checkpointSubSequenceNumber", number("0"));
    let row = row.item("ownerSwitchesSinceCheckpoint", number("0"));
    row.send().await.unwrap();
}

/// What an attribute of a row says. `None` if the row lacks it.
pub(super) async fn attribute(sim: &Sim, shard: &str, name: &str) -> Option<String> {
    let rows = lease_rows(sim).await;
    let row = rows
        .iter()
        .find(|row| row["leaseKey"].as_s().unwrap() == shard)
        .unwrap();
    row.get(name)
        .map(|value| value.as_s().or(value.as_n()).unwrap().clone())
}

/// Reads the stream to the end of its first 20 records and stops. Returns the checkpoint of the first shard.
pub(super) async fn read_and_stop(sim: &Sim, producer: &kpl::Producer) -> String {
    let journal = Journal::default();
    let (control, running) = start(worker(sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let places = put(producer, 0..20).await;
    journal.until("all records", |journal| journal.read() == places).await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    attribute(sim, FIRST, "checkpoint").await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_unmarked_row_of_the_stream_is_read_on_and_then_marked() {
    let (sim, producer) = stream(1);
    let checkpoint = read_and_stop(&sim, &producer).await;
    let created = attribute(&sim, FIRST, "streamCreated").await;
    put_unmarked(&sim, FIRST, &checkpoint).await;
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::Never));
    let places = put(&producer, 20..40).await;
    journal
        .until("all records", |journal| journal.read().is_superset(&places))
        .await;
    tokio::time::sleep(MINUTE).await;
    assert!(created.is_some());
    assert_eq!(attribute(&sim, FIRST, "streamCreated").await, created);
}

#[tokio::test(start_paused = true)]
async fn an_unmarked_row_with_a_checkpoint_of_the_former_stream_is_not_taken() {
    let (sim, producer) = stream(1);
    let checkpoint = read_and_stop(&sim, &producer).await;
    create_stream_again(&sim, 1).await;
    put_unmarked(&sim, FIRST, &checkpoint).await;
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    put(&producer, 20..40).await;
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(attribute(&sim, FIRST, "leaseOwner").await, None);
    assert!(journal.entries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_saw_the_stream_created_again_takes_no_unmarked_row() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let places = put(&producer, 0..20).await;
    journal.until("all records", |journal| journal.read() == places).await;
    create_stream_again(&sim, 2).await;
    // Its reader looks at the stream meanwhile.
    tokio::time::sleep(MINUTE).await;
    put_unmarked(&sim, SECOND, "TRIM_HORIZON").await;
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(attribute(&sim, SECOND, "leaseOwner").await, None);
    assert_eq!(attribute(&sim, SECOND, "streamCreated").await, None);
}

/// Nothing has told the worker that there is another stream when it takes the row.
#[tokio::test(start_paused = true)]
async fn a_row_of_the_stream_that_was_created_again_is_not_marked_as_one_of_the_former() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let places = put(&producer, 0..20).await;
    journal.until("all records", |journal| journal.read() == places).await;
    sim.faults(|call| match (call.client, call.operation) {
        ("w1", "GetRecords") => Fault::throttled(),
        _ => Fault::None,
    });
    create_stream_again(&sim, 2).await;
    put_unmarked(&sim, SECOND, "TRIM_HORIZON").await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(attribute(&sim, SECOND, "leaseOwner").await.as_deref(), Some("w1"));
    sim.heal();
    put(&producer, 20..40).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(attribute(&sim, SECOND, "streamCreated").await, None);
    assert_eq!(journal.read(), places, "nothing is read by it either");
}

/// A row of the former stream, which had more shards, before anything was read by it.
#[tokio::test(start_paused = true)]
async fn a_row_of_a_shard_that_the_stream_does_not_have_yet_is_not_ended_and_reads_it_later() {
    let (sim, producer) = stream(1);
    read_and_stop(&sim, &producer).await;
    put_unmarked(&sim, "shardId-000000000002", "TRIM_HORIZON").await;
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    tokio::time::sleep(10 * MINUTE).await;
    split(&sim, FIRST, 1u128 << 127).await;
    let places = put(&producer, 20..60).await;
    journal
        .until("all records", |journal| journal.read().is_superset(&places))
        .await;
}
