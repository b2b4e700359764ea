//! A handler that fails or panics loses nothing (C5): its records come again, or its shard is halted in front of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use kcl::{Batch, Checkpointer, ErrorPolicy, HandlerError, RecordProcessor, ShardContext, Worker};
use testkit::sim::Sim;

use super::MINUTE;
use super::lease_table::lease_rows;
use crate::fleet::{APPLICATION, Checkpoints, Entry, Journal, STREAM, put, start, stream, worker};

/// Fails on its first calls.
struct Failing {
    failures_left: Arc<AtomicUsize>,
    journal: Journal,
    shard: String,
}

impl RecordProcessor for Failing {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        if self.failures_left.load(Ordering::SeqCst) > 0 {
            let left = self.failures_left.fetch_sub(1, Ordering::SeqCst);
            assert!(left.is_multiple_of(2), "every other failure is a panic");
            return Err("not yet".into());
        }
        for record in &batch.records {
            let place = (
                self.shard.clone(),
                record.sequence_number().to_string(),
                record.sub_sequence_number(),
            );
            let data = String::from_utf8_lossy(record.data()).into_owned();
            self.journal.push(Entry::Read {
                worker: "w1".into(),
                place,
                data,
            });
        }
        Ok(checkpointer.checkpoint().await?)
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        Ok(checkpointer.checkpoint().await?)
    }
}

fn failing(sim: &Sim, failures: usize, journal: &Journal) -> kcl::WorkerBuilder {
    let (failures_left, journal) = (Arc::new(AtomicUsize::new(failures)), journal.clone());
    Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .worker_id("w1")
        .seed(1)
        .processor(move |shard: &ShardContext| Failing {
            failures_left: Arc::clone(&failures_left),
            journal: journal.clone(),
            shard: shard.shard_id().to_string(),
        })
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_or_panics_gets_the_same_records_again() {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..50).await;
    let journal = Journal::default();
    let (_control, _running) = start(failing(&sim, 5, &journal));
    journal.until("all records", |journal| journal.read() == places).await;
    assert_eq!(journal.all_read().len(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_keeps_failing_halts_its_shard_and_skips_nothing() {
    let (sim, producer) = stream(1);
    put(&producer, 0..50).await;
    let journal = Journal::default();
    let (control, running) = start(failing(&sim, 1_000, &journal).error_policy(ErrorPolicy::halt().attempts(4)));
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(journal.all_read(), []);
    let leases = lease_rows(&sim).await;
    assert_eq!(leases[0]["checkpoint"], AttributeValue::S("TRIM_HORIZON".into()));
    assert_eq!(
        leases[0]["leaseOwner"],
        AttributeValue::S("w1".into()),
        "held, so that nobody runs into the same"
    );
    control.shutdown(MINUTE);
    let report = running.await.unwrap().unwrap();
    assert_eq!((report.released.len(), report.halted.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_handler_failed_is_not_checkpointed_by_a_shutdown_during_the_wait() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let places = put(&producer, 0..50).await;
    let (control, running) = start(failing(&sim, 1_000, &journal).error_policy(ErrorPolicy::halt().attempts(1001)));
    tokio::time::sleep(Duration::from_secs(20)).await;
    let asked = sim.elapsed();
    control.shutdown(MINUTE);
    assert_eq!(running.await.unwrap().unwrap().released.len(), 1);
    assert!(
        sim.elapsed() - asked < Duration::from_secs(1),
        "the wait between attempts does not hold a shutdown up"
    );
    let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    journal.until("all records", |journal| journal.read() == places).await;
}

#[tokio::test(start_paused = true)]
async fn the_records_of_a_halted_shard_are_not_checkpointed_by_a_shutdown() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let places = put(&producer, 0..50).await;
    let (control, running) = start(failing(&sim, 1_000, &journal).error_policy(ErrorPolicy::halt().attempts(3)));
    tokio::time::sleep(10 * MINUTE).await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    journal.until("all records", |journal| journal.read() == places).await;
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_cannot_be_made_halts_its_shard_and_releases_it_at_shutdown() {
    let (sim, _producer) = stream(1);
    let builder =
        Worker::builder(APPLICATION, STREAM)
            .aws(&sim.client("w1"))
            .processor(|_: &ShardContext| -> Failing {
                panic!("injected: the factory panics");
            });
    let (control, running) = start(builder);
    tokio::time::sleep(MINUTE).await;
    control.shutdown(MINUTE);
    assert_eq!(running.await.unwrap().unwrap().released.len(), 1);
}
