//! A shard ends by evidence alone: one wrong answer, a missing stream or another stream of the name ends none.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use testkit::sim::{Call, Fault, Sim};

use super::MINUTE;
use super::lease_table::lease_rows;
use crate::fleet::{Checkpoints, Entry, Journal, Place, STREAM, merge, put, split, start, stream, worker};
use crate::replies::edited;

/// The shards whose rows say that they were read to the end.
async fn ended(sim: &Sim) -> Vec<String> {
    let rows = lease_rows(sim).await;
    let ended = rows
        .iter()
        .filter(|row| row["checkpoint"].as_s().unwrap() == "SHARD_END");
    ended.map(|row| row["leaseKey"].as_s().unwrap().clone()).collect()
}

/// Answers the `nth` call of this operation by w1 with ResourceNotFoundException.
fn not_found_once(sim: &Sim, operation: &'static str, nth: usize) {
    let calls = AtomicUsize::new(0);
    sim.faults(move |call| {
        let counts = (call.client, call.operation) == ("w1", operation);
        match counts && calls.fetch_add(1, Ordering::SeqCst) == nth {
            true => Fault::Error {
                status: 400,
                code: "ResourceNotFoundException".to_owned(),
                message: "injected: no such stream".to_owned(),
            },
            false => Fault::None,
        }
    });
}

#[tokio::test(start_paused = true)]
async fn one_not_found_ends_no_open_shard() {
    for (operation, nth) in [("GetRecords", 0), ("GetRecords", 2), ("GetShardIterator", 0)] {
        let (sim, producer) = stream(1);
        not_found_once(&sim, operation, nth);
        let journal = Journal::default();
        let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
        let mut places = BTreeSet::new();
        for n in 0..10 {
            places.extend(put(&producer, n * 3..n * 3 + 3).await);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        journal.until("all records", |journal| journal.read() == places).await;
        assert!(ended(&sim).await.is_empty());
        assert!(
            !journal
                .entries()
                .iter()
                .any(|entry| matches!(entry, Entry::ShardEnded { .. }))
        );
    }
}

async fn delete_stream(sim: &Sim) {
    let client = aws_sdk_kinesis::Client::new(&sim.client("operator"));
    client.delete_stream().stream_name(STREAM).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_missing_ends_no_shard() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let places = put(&producer, 0..20).await;
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    journal.until("all records", |journal| journal.read() == places).await;
    delete_stream(&sim).await;
    tokio::time::sleep(10 * MINUTE).await;
    assert!(ended(&sim).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_created_again_ends_no_shard_and_is_not_read_by_the_positions_of_the_earlier_one() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let places = put(&producer, 0..20).await;
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    journal.until("all records", |journal| journal.read() == places).await;
    delete_stream(&sim).await;
    tokio::time::sleep(MINUTE).await;
    sim.create_stream(STREAM, 2).unwrap();
    tokio::time::sleep(MINUTE).await;
    put(&producer, 20..40).await;
    tokio::time::sleep(10 * MINUTE).await;
    assert!(ended(&sim).await.is_empty());
    assert_eq!(journal.read(), places, "the shards are on hold");
}

/// The first iterators are asked for while the stream is being replaced, and the new stream gives them.
#[tokio::test(start_paused = true)]
async fn an_iterator_of_a_stream_that_was_created_again_is_not_read() {
    let (sim, producer) = stream(2);
    let begun = sim.now();
    sim.faults(move |call| {
        let early = call.now < begun + MINUTE;
        match call.operation == "GetShardIterator" && early {
            true => Fault::throttled(),
            false => Fault::None,
        }
    });
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    tokio::time::sleep(MINUTE / 3).await;
    delete_stream(&sim).await;
    tokio::time::sleep(MINUTE / 3).await;
    sim.create_stream(STREAM, 4).unwrap();
    put(&producer, 0..20).await;
    tokio::time::sleep(10 * MINUTE).await;
    assert!(
        journal.all_read().is_empty(),
        "its other shards would have no reader, without a word"
    );
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_starts_after_the_stream_was_created_again_reads_nothing_by_old_leases() {
    let (sim, producer) = stream(2);
    let first = Journal::default();
    let places = put(&producer, 0..20).await;
    let (control, running) = start(worker(&sim, "w1", &first, Checkpoints::AfterEachBatch));
    first.until("all records", |journal| journal.read() == places).await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    delete_stream(&sim).await;
    tokio::time::sleep(MINUTE).await;
    sim.create_stream(STREAM, 2).unwrap();
    put(&producer, 20..40).await;
    let second = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &second, Checkpoints::AfterEachBatch));
    tokio::time::sleep(10 * MINUTE).await;
    assert!(ended(&sim).await.is_empty());
    assert!(
        second.entries().is_empty(),
        "no processor was made for a lease of the earlier stream"
    );
}

/// The sequence number of the last record of a shard.
fn last_of(places: &BTreeSet<Place>, shard: &str) -> String {
    let of_shard = places.iter().filter(|place| place.0 == shard);
    of_shard.map(|place| place.1.clone()).max().unwrap()
}

/// A client that takes the next iterator and the children out of the first `times` replies that hold the record `last`.
fn without_successor(sim: &Sim, last: String, times: usize) -> aws_sdk_kinesis::Client {
    let hidden = AtomicUsize::new(0);
    edited(sim, "w1", move |reply| {
        let holds_last = |record: &Value| record["SequenceNumber"] == last.as_str();
        let records = reply["Records"].as_array();
        let is_last = records.is_some_and(|records| records.iter().any(holds_last));
        if is_last && hidden.fetch_add(1, Ordering::SeqCst) < times {
            let fields = reply.as_object_mut().unwrap();
            fields.remove("NextShardIterator");
            fields.remove("ChildShards");
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_last_page_without_iterator_and_children_is_delivered_and_the_list_of_shards_tells_its_end() {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..50).await;
    split(&sim, "shardId-000000000000", 1u128 << 126).await;
    let journal = Journal::default();
    let kinesis = without_successor(&sim, last_of(&places, "shardId-000000000000"), usize::MAX);
    let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch).kinesis_client(kinesis);
    let (_control, _running) = start(builder);
    let later = put(&producer, 50..100).await;
    let all: BTreeSet<Place> = places.union(&later).cloned().collect();
    journal
        .until("all records", |journal| journal.read().is_superset(&all))
        .await;
    for child in ["01", "02"] {
        journal.assert_parent_before_child("00", child);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_of_an_open_shard_without_iterator_and_children_is_malformed_and_the_shard_is_read_on() {
    let (sim, producer) = stream(1);
    let mut places = put(&producer, 0..50).await;
    let journal = Journal::default();
    let kinesis = without_successor(&sim, last_of(&places, "shardId-000000000000"), 1);
    let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch).kinesis_client(kinesis);
    let (_control, _running) = start(builder);
    places.extend(put(&producer, 50..100).await);
    journal.until("all records", |journal| journal.read() == places).await;
    assert!(ended(&sim).await.is_empty());
    assert_eq!(journal.all_read().len(), 100, "nothing is read twice");
}

/// The readers have the last page of both parents, with the child of the merge, before the stream is deleted.
#[tokio::test(start_paused = true)]
async fn merged_shards_do_not_end_and_lease_no_child_in_a_stream_that_was_created_again() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let places = put(&producer, 0..20).await;
    journal.until("all records", |journal| journal.read() == places).await;
    sim.faults(|call| match (call.client, call.operation) {
        ("w1", "ListShards") => Fault::throttled(),
        _ => Fault::None,
    });
    merge(&sim, "shardId-000000000000", "shardId-000000000001").await;
    tokio::time::sleep(MINUTE).await;
    let looks_for_the_other_parent = |call: &Call| call.operation == "ListShards" && call.fault.is_some();
    assert!(sim.calls().iter().any(looks_for_the_other_parent));
    delete_stream(&sim).await;
    tokio::time::sleep(MINUTE).await;
    sim.create_stream(STREAM, 2).unwrap();
    sim.heal();
    tokio::time::sleep(10 * MINUTE).await;
    assert!(ended(&sim).await.is_empty());
    assert_eq!(lease_rows(&sim).await.len(), 2, "no lease of a child");
}
