//! When the callbacks of a processor are called, and when they are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use kcl::{Batch, Checkpointer, ErrorPolicy, HandlerError, RecordProcessor, ShardContext, Worker, WorkerBuilder};
use testkit::Service;
use testkit::sim::{Fault, Sim};

use super::MINUTE;
use super::lease_table::lease_rows;
use crate::fleet::{APPLICATION, Checkpoints, Entry, Journal, STREAM, put, split, start, stream, worker};

const SECOND: Duration = Duration::from_secs(1);

/// Never becomes initialised, and notes each ending that it is told of.
struct Unwilling {
    initializations: Arc<AtomicUsize>,
    journal: Journal,
}

impl RecordProcessor for Unwilling {
    async fn initialize(&mut self, shard: &ShardContext) -> Result<(), HandlerError> {
        assert!(
            shard.lease.is_valid(),
            "no call begins on a lease that others may have (C3)"
        );
        self.initializations.fetch_add(1, Ordering::SeqCst);
        Err("the database is away".into())
    }

    async fn process(&mut self, _: Batch, _: &Checkpointer) -> Result<(), HandlerError> {
        Err("records before the initialisation".into())
    }

    async fn shutdown_requested(&mut self, _: &Checkpointer) -> Result<(), HandlerError> {
        self.journal.push(Entry::ShutdownRequested { shard: String::new() });
        Ok(())
    }

    async fn lease_lost(&mut self, _: kcl::LeaseLost) {
        self.journal.push(Entry::LeaseLost {
            worker: String::new(),
            shard: String::new(),
        });
    }
}

fn unwilling(sim: &Sim, journal: &Journal) -> (WorkerBuilder, Arc<AtomicUsize>) {
    let (initializations, journal) = (Arc::new(AtomicUsize::new(0)), journal.clone());
    let counted = Arc::clone(&initializations);
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .worker_id("w1")
        .seed(1)
        .error_policy(ErrorPolicy::halt().attempts(1_000))
        .processor(move |_: &ShardContext| Unwilling {
            initializations: Arc::clone(&counted),
            journal: journal.clone(),
        });
    (builder, initializations)
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_was_never_initialised_is_not_asked_to_finish() {
    let (sim, _producer) = stream(1);
    let journal = Journal::default();
    let (builder, initializations) = unwilling(&sim, &journal);
    let (control, running) = start(builder);
    tokio::time::sleep(MINUTE).await;
    control.shutdown(MINUTE);
    assert_eq!(running.await.unwrap().unwrap().released.len(), 1);
    assert!(initializations.load(Ordering::SeqCst) > 1);
    assert_eq!(journal.entries(), []);
}

#[tokio::test(start_paused = true)]
async fn an_initialisation_begins_on_a_valid_lease_only_and_one_that_failed_is_told_of_no_loss() {
    let (sim, _producer) = stream(1);
    let journal = Journal::default();
    let (builder, initializations) = unwilling(&sim, &journal);
    let (control, _running) = start(builder);
    tokio::time::sleep(5 * SECOND).await;
    sim.faults(|call| match call.service {
        Service::DynamoDb => Fault::RequestHangs,
        Service::Kinesis | Service::CloudWatch => Fault::None,
    });
    // The lease lapses ten seconds after its last renewal.
    tokio::time::sleep(12 * SECOND).await;
    let begun = initializations.load(Ordering::SeqCst);
    assert!(begun > 1, "{begun}");
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(initializations.load(Ordering::SeqCst), begun);
    assert_eq!((control.shards().len(), journal.entries()), (0, Vec::new()));
}

/// Does nothing at the end of its shard.
struct Minimal {
    journal: Journal,
    shard: String,
}

impl RecordProcessor for Minimal {
    async fn process(&mut self, batch: Batch, _: &Checkpointer) -> Result<(), HandlerError> {
        for record in &batch.records {
            self.journal.push(Entry::Read {
                worker: "w1".into(),
                place: (
                    self.shard.clone(),
                    record.sequence_number().to_string(),
                    record.sub_sequence_number(),
                ),
                data: String::from_utf8_lossy(record.data()).into_owned(),
            });
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_whose_processor_does_nothing_at_its_end_is_checkpointed_as_ended_and_its_children_are_read() {
    let (sim, producer) = stream(1);
    put(&producer, 0..20).await;
    split(&sim, "shardId-000000000000", 1u128 << 126).await;
    let later = put(&producer, 20..40).await;
    let journal = Journal::default();
    let processing = journal.clone();
    let builder = worker(&sim, "w1", &journal, Checkpoints::Never).processor(move |shard: &ShardContext| Minimal {
        journal: processing.clone(),
        shard: shard.shard_id().to_string(),
    });
    let (_control, _running) = start(builder);
    journal
        .until("records of the children", |journal| journal.read().is_superset(&later))
        .await;
    let rows = lease_rows(&sim).await;
    assert_eq!(rows[0]["checkpoint"], AttributeValue::S("SHARD_END".into()));
}
