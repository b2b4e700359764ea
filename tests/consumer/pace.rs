//! How often shards are read: by what they yield, and beside other applications.

use std::time::Duration;

use kpl::{Producer, Record};
use serde_json::Value;
use testkit::sim::{Call, Outcome, Sim};

use super::MINUTE;
use crate::fleet::{Checkpoints, Journal, put, put_all, start, stream, worker};
use crate::replies::edited;

/// The reads by this client since then.
fn reads(sim: &Sim, client: &str, since: Duration) -> Vec<Call> {
    let mut calls = sim.calls();
    calls.retain(|call| call.client == client && call.operation == "GetRecords" && call.at >= since);
    calls
}

fn refused(reads: &[Call]) -> usize {
    let is_refused = |call: &&Call| matches!(call.outcome, Outcome::Refused(_));
    reads.iter().filter(is_refused).count()
}

/// Says in a reply without records that the reader is a minute behind.
fn forever_behind(reply: &mut Value) {
    if reply["Records"].as_array().is_some_and(Vec::is_empty) {
        reply["MillisBehindLatest"] = 60_000.into();
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_of_empty_pages_with_a_lag_that_does_not_fall_is_read_less_than_150_times_a_minute() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let places = put(&producer, 0..10).await;
    let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch);
    let builder = builder.kinesis_client(edited(&sim, "w1", forever_behind));
    let (_control, _running) = start(builder);
    journal.until("all records", |journal| journal.read() == places).await;
    let begun = sim.elapsed();
    tokio::time::sleep(MINUTE).await;
    let reads = reads(&sim, "w1", begun).len();
    assert!((50..150).contains(&reads), "{reads}");
}

/// Starts two applications on one shard that is 8 MiB behind, and returns when both have read it all and paid for it.
async fn two_applications_catch_up(read_share: f64) -> (Sim, Producer, [Journal; 2]) {
    let (sim, producer) = stream(1);
    let large = |n: usize| Record::new(format!("key-{n}"), vec![b'x'; 40 * 1024]);
    let places = put_all(&producer, (0..200).map(large)).await;
    let journals = [Journal::default(), Journal::default()];
    for (journal, name) in journals.iter().zip(["one", "two"]) {
        let builder = worker(&sim, name, journal, Checkpoints::AfterEachBatch);
        start(builder.table_name(name).read_share(read_share));
    }
    for journal in &journals {
        journal.until("all records", |journal| journal.read() == places).await;
    }
    tokio::time::sleep(MINUTE / 4).await;
    (sim, producer, journals)
}

/// Puts a record each half second for a minute, and has each read by both within a second.
async fn a_minute_of_records(producer: &Producer, journals: &[Journal; 2]) {
    let mut before = put(producer, 0..1).await;
    // An idle shard is read once a second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for n in 1..120 {
        let places = put(producer, n..n + 1).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        if let Some(late) = journals.iter().position(|journal| !journal.read().is_superset(&before)) {
            panic!("record {} was not read by application {late}", n - 1);
        }
        before = places;
    }
}

#[tokio::test(start_paused = true)]
async fn two_applications_with_half_of_a_shard_each_catch_up_and_keep_up_without_being_throttled() {
    let (sim, producer, journals) = two_applications_catch_up(0.5).await;
    a_minute_of_records(&producer, &journals).await;
    for application in ["one", "two"] {
        let reads = reads(&sim, application, Duration::ZERO);
        let refused = refused(&reads);
        assert!(
            refused * 100 <= reads.len(),
            "{application}: {refused} of {} reads",
            reads.len()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn two_applications_that_want_all_of_a_shard_slow_down_until_few_reads_are_throttled() {
    let (sim, producer, journals) = two_applications_catch_up(1.0).await;
    let begun = sim.elapsed();
    a_minute_of_records(&producer, &journals).await;
    for application in ["one", "two"] {
        let reads = reads(&sim, application, begun);
        let refused = refused(&reads);
        assert!(
            refused * 100 <= reads.len() * 15,
            "{application}: {refused} of {} reads",
            reads.len()
        );
    }
}
