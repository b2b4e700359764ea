//! What an application sees of its shards, and what it can ask for while the worker runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use kcl::{
    Batch, Checkpointer, ErrorPolicy, HandlerError, RecordProcessor, ShardContext, ShardState, Worker, WorkerBuilder,
};
use testkit::Service;
use testkit::sim::{Fault, Sim};

use super::MINUTE;
use crate::fleet::{APPLICATION, Checkpoints, Entry, Journal, STREAM, put, start, stream, worker};

const SECOND: Duration = Duration::from_secs(1);

/// Fails while it is told to, and counts its calls.
struct Switched {
    fails: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    journal: Journal,
    shard: String,
}

impl RecordProcessor for Switched {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            return Err("the database is away".into());
        }
        for record in &batch.records {
            let sequence_number = record.sequence_number().to_string();
            self.journal.push(Entry::Read {
                worker: "w1".into(),
                place: (self.shard.clone(), sequence_number, record.sub_sequence_number()),
                data: String::new(),
            });
        }
        Ok(checkpointer.checkpoint().await?)
    }
}

/// A worker whose handler fails while `fails` says so, and the number of its calls.
fn switched(sim: &Sim, journal: &Journal, fails: &Arc<AtomicBool>) -> (WorkerBuilder, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let (fails, journal, counted) = (Arc::clone(fails), journal.clone(), Arc::clone(&calls));
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .worker_id("w1")
        .seed(1)
        .error_policy(ErrorPolicy::halt().attempts(2))
        .processor(move |shard: &ShardContext| Switched {
            fails: Arc::clone(&fails),
            calls: Arc::clone(&counted),
            journal: journal.clone(),
            shard: shard.shard_id().to_string(),
        });
    (builder, calls)
}

#[tokio::test(start_paused = true)]
async fn a_halted_shard_says_why_and_is_tried_each_five_minutes_until_its_handler_succeeds() {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..20).await;
    let (journal, fails) = (Journal::default(), Arc::new(AtomicBool::new(true)));
    let (builder, calls) = switched(&sim, &journal, &fails);
    let (control, _running) = start(builder);
    tokio::time::sleep(MINUTE).await;
    let status = &control.shards()[0];
    assert_eq!(status.state, ShardState::Halted { failures: 2 });
    assert_eq!(status.last_error.as_deref(), Some("the database is away"));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    fails.store(false, Ordering::SeqCst);
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(journal.read(), places);
    let status = &control.shards()[0];
    assert_eq!((&status.state, &status.last_error), (&ShardState::Reading, &None));
}

#[tokio::test(start_paused = true)]
async fn a_halted_shard_goes_on_at_once_when_it_is_asked_to() {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..20).await;
    let (journal, fails) = (Journal::default(), Arc::new(AtomicBool::new(true)));
    let (control, _running) = start(switched(&sim, &journal, &fails).0);
    tokio::time::sleep(MINUTE).await;
    fails.store(false, Ordering::SeqCst);
    assert!(control.retry(&control.shards()[0].shard));
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(journal.read(), places);
}

#[tokio::test(start_paused = true)]
async fn a_paused_worker_keeps_its_leases_reads_nothing_and_reads_on_behind_what_it_delivered() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let (control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let mut places = put(&producer, 0..20).await;
    journal
        .until("the first records", |journal| journal.read() == places)
        .await;
    control.pause();
    tokio::time::sleep(SECOND).await;
    places.extend(put(&producer, 20..40).await);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(journal.all_read().len(), 20);
    assert!(control.shards().iter().all(|shard| shard.state == ShardState::Paused));
    control.resume();
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(journal.read(), places);
    assert_eq!(journal.all_read().len(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_a_shard_that_began_at_latest_skips_nothing() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch);
    let (control, _running) = start(builder.start_at(kcl::StartingPosition::Latest));
    tokio::time::sleep(5 * SECOND).await;
    control.pause();
    tokio::time::sleep(SECOND).await;
    let places = put(&producer, 0..20).await;
    tokio::time::sleep(5 * SECOND).await;
    control.resume();
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(journal.read(), places);
}

/// Hangs in its first call.
struct HangsOnce {
    calls: Arc<AtomicUsize>,
    journal: Journal,
}

impl RecordProcessor for HangsOnce {
    async fn process(&mut self, _: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            std::future::pending::<()>().await;
        }
        Ok(checkpointer.checkpoint().await?)
    }

    async fn lease_lost(&mut self, _: kcl::LeaseLost) {
        self.journal.push(Entry::LeaseLost {
            worker: "w1".into(),
            shard: String::new(),
        });
    }
}

fn hangs_once(sim: &Sim) -> (WorkerBuilder, Arc<AtomicUsize>, Journal) {
    let (calls, journal) = (Arc::new(AtomicUsize::new(0)), Journal::default());
    let (counted, noted) = (Arc::clone(&calls), journal.clone());
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .worker_id("w1")
        .seed(1)
        .processor(move |_: &ShardContext| HangsOnce {
            calls: Arc::clone(&counted),
            journal: noted.clone(),
        });
    (builder, calls, journal)
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_dropped_and_the_shard_begins_anew() {
    let (sim, producer) = stream(1);
    put(&producer, 0..10).await;
    let (builder, calls, _journal) = hangs_once(&sim);
    let (control, _running) = start(builder.handler_timeout(10 * SECOND));
    tokio::time::sleep(9 * SECOND).await;
    assert!(control.shards()[0].in_handler.is_some());
    tokio::time::sleep(MINUTE / 2).await;
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_outlives_its_lease_is_dropped_after_its_grace() {
    let (sim, producer) = stream(1);
    put(&producer, 0..10).await;
    let (builder, calls, journal) = hangs_once(&sim);
    let (control, _running) = start(builder.handler_grace(20 * SECOND));
    tokio::time::sleep(5 * SECOND).await;
    sim.faults(|call| match call.service {
        Service::DynamoDb => Fault::RequestHangs,
        Service::Kinesis | Service::CloudWatch => Fault::None,
    });
    // The lease lapses ten seconds after its last renewal, which was 2 to 5 seconds after its take.
    tokio::time::sleep(25 * SECOND).await;
    assert_eq!(control.shards().len(), 1, "the handler may go on for its grace");
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(control.shards().len(), 0);
    sim.heal();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert_eq!(
        journal.entries(),
        [],
        "a processor whose call was dropped is called for nothing more"
    );
}
