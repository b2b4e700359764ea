//! Checkpoints that are given up, refused or late, that ride on other writes, and that have two phases.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::BoxFuture;
use kcl::event::HandlerEvent;
use kcl::{
    Batch, CheckpointError, Checkpointer, Event, HandlerError, Position, RecordPosition, RecordProcessor, ShardContext,
    ShardState, Worker, WorkerBuilder,
};
use testkit::Service;
use testkit::sim::{Fault, Sim};
use tokio::time::{sleep, timeout};

use super::MINUTE;
use super::lease_table::lease_rows;
use crate::fleet::{APPLICATION, STREAM, put, start, stream};

const SECOND: Duration = Duration::from_secs(1);

/// Gives a checkpoint of its first batch up after a second, then checkpoints at the first record of that batch.
struct Impatient {
    table_hangs: Arc<AtomicBool>,
    later: Arc<Mutex<Vec<Result<(), CheckpointError>>>>,
}

impl RecordProcessor for Impatient {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.table_hangs.store(true, Ordering::SeqCst);
        let given_up = timeout(Duration::from_secs(1), checkpointer.checkpoint()).await;
        assert!(given_up.is_err(), "the table hangs");
        self.table_hangs.store(false, Ordering::SeqCst);
        let first = batch.records.first().ok_or("no record")?;
        let later = checkpointer.checkpoint_at(first).await;
        self.later.lock().unwrap().push(later);
        Ok(())
    }
}

fn impatient(sim: &Sim, table_hangs: &Arc<AtomicBool>) -> Arc<Mutex<Vec<Result<(), CheckpointError>>>> {
    let later = Arc::default();
    let processor = (Arc::clone(table_hangs), Arc::clone(&later));
    let worker = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .worker_id("w1")
        .seed(1)
        .processor(move |_: &ShardContext| Impatient {
            table_hangs: Arc::clone(&processor.0),
            later: Arc::clone(&processor.1),
        });
    drop(start(worker));
    later
}

#[tokio::test(start_paused = true)]
async fn after_a_checkpoint_that_was_given_up_an_earlier_record_may_be_checkpointed() {
    let (sim, producer) = stream(1);
    put(&producer, 0..20).await;
    let table_hangs = Arc::new(AtomicBool::new(false));
    let hangs = Arc::clone(&table_hangs);
    sim.faults(move |call| match (call.service, hangs.load(Ordering::SeqCst)) {
        (Service::DynamoDb, true) => Fault::RequestHangs,
        _ => Fault::None,
    });
    let later = impatient(&sim, &table_hangs);
    assert!(sim.until(MINUTE, || !later.lock().unwrap().is_empty()).await);
    assert_eq!(later.lock().unwrap()[0], Ok(()));
}

type Handling = BoxFuture<'static, Result<(), HandlerError>>;

/// Calls a closure with each batch, and keeps its contexts.
struct Handler<F> {
    handle: Arc<F>,
    contexts: Contexts,
}

type Contexts = Arc<Mutex<Vec<ShardContext>>>;

impl<F: Fn(Batch, Checkpointer) -> Handling + Send + Sync + 'static> RecordProcessor for Handler<F> {
    async fn initialize(&mut self, shard: &ShardContext) -> Result<(), HandlerError> {
        self.contexts.lock().unwrap().push(shard.clone());
        Ok(())
    }

    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        (self.handle)(batch, checkpointer.clone()).await
    }
}

fn worker<F>(sim: &Sim, name: &str, handle: F) -> (WorkerBuilder, Contexts)
where
    F: Fn(Batch, Checkpointer) -> Handling + Send + Sync + 'static,
{
    let (handle, contexts) = (Arc::new(handle), Contexts::default());
    let kept = Arc::clone(&contexts);
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client(name))
        .worker_id(name)
        .seed(1)
        .processor(move |_: &ShardContext| Handler {
            handle: Arc::clone(&handle),
            contexts: Arc::clone(&kept),
        });
    (builder, contexts)
}

/// Counts the writes of lease rows from now on.
pub(super) fn count_writes(sim: &Sim) -> Arc<AtomicUsize> {
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&writes);
    sim.faults(move |call| {
        if call.operation == "UpdateItem" {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        Fault::None
    });
    writes
}

/// The writes of lease rows in five minutes with a record each second, and how far the row is then.
async fn writes_in_five_minutes(
    handle: impl Fn(Batch, Checkpointer) -> Handling + Send + Sync + 'static,
) -> (usize, AttributeValue) {
    let (sim, producer) = stream(1);
    let writes = count_writes(&sim);
    let (_control, _running) = start(worker(&sim, "w1", handle).0);
    for n in 0..300 {
        put(&producer, n..n + 1).await;
        sleep(SECOND).await;
    }
    sleep(5 * SECOND).await;
    let row = lease_rows(&sim).await.remove(0);
    (writes.load(Ordering::SeqCst), row["checkpoint"].clone())
}

#[tokio::test(start_paused = true)]
async fn a_deferred_checkpoint_rides_on_the_renewal_and_costs_no_write() {
    let last = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&last);
    let (never, _) = writes_in_five_minutes(|_, _| Box::pin(async { Ok(()) })).await;
    let (deferred, checkpoint) = writes_in_five_minutes(move |batch, checkpointer| {
        *seen.lock().unwrap() = batch.records.last().map(|record| record.sequence_number().to_string());
        checkpointer.defer();
        Box::pin(async { Ok(()) })
    })
    .await;
    let (awaited, _) =
        writes_in_five_minutes(|_, checkpointer| Box::pin(async move { Ok(checkpointer.checkpoint().await?) })).await;
    assert!(deferred <= never, "{deferred} writes, and {never} without checkpoints");
    assert!(awaited > 2 * never, "{awaited} writes, and {never} without checkpoints");
    assert_eq!(Some(checkpoint), last.lock().unwrap().clone().map(AttributeValue::S));
}

#[tokio::test(start_paused = true)]
async fn a_deferred_checkpoint_goes_with_the_release_at_a_shutdown() {
    let (sim, producer) = stream(1);
    let handled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&handled);
    let (builder, _) = worker(&sim, "w1", move |batch, checkpointer| {
        counted.fetch_add(batch.records.len(), Ordering::SeqCst);
        checkpointer.defer();
        Box::pin(async { Ok(()) })
    });
    let (control, running) = start(builder);
    sleep(10 * SECOND).await;
    let places = put(&producer, 0..20).await;
    assert!(sim.until(MINUTE, || handled.load(Ordering::SeqCst) == 20).await);
    let writes = count_writes(&sim);
    control.shutdown(MINUTE);
    assert_eq!(running.await.unwrap().unwrap().released.len(), 1);
    assert_eq!(writes.load(Ordering::SeqCst), 1, "the release alone");
    let row = lease_rows(&sim).await.remove(0);
    let last = places.last().unwrap();
    assert_eq!(row["checkpoint"], AttributeValue::S(last.1.clone()));
    assert_eq!(
        row["checkpointSubSequenceNumber"],
        AttributeValue::N(last.2.to_string())
    );
    assert!(!row.contains_key("leaseOwner"));
}

#[tokio::test(start_paused = true)]
async fn records_in_front_of_a_deferred_checkpoint_do_not_come_again_when_the_handler_fails() {
    let (sim, producer) = stream(1);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&calls);
    let (builder, _) = worker(&sim, "w1", move |batch, checkpointer| {
        let mut calls = noted.lock().unwrap();
        calls.push(batch.records.len());
        let is_first = calls.len() == 1;
        Box::pin(async move {
            if is_first {
                checkpointer.defer_at(&batch.records[3])?;
                return Err("not the rest".into());
            }
            Ok(())
        })
    });
    put(&producer, 0..10).await;
    let (_control, _running) = start(builder);
    assert!(sim.until(MINUTE, || calls.lock().unwrap().len() == 2).await);
    assert_eq!(*calls.lock().unwrap(), [10, 6]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_is_told_by_the_next_checkpoint_that_is_awaited() {
    let (sim, producer) = stream(1);
    let told = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&told);
    let (builder, _) = worker(&sim, "w1", move |batch, checkpointer| {
        let kept = Arc::clone(&kept);
        Box::pin(async move {
            batch.lease.lost().await;
            checkpointer.defer();
            *kept.lock().unwrap() = Some(checkpointer.checkpoint().await);
            Ok(())
        })
    });
    put(&producer, 0..10).await;
    let (_control, _running) = start(builder);
    sleep(5 * SECOND).await;
    sim.faults(|call| match call.service {
        Service::DynamoDb => Fault::RequestHangs,
        Service::Kinesis | Service::CloudWatch => Fault::None,
    });
    assert!(sim.until(MINUTE, || told.lock().unwrap().is_some()).await);
    assert_eq!(*told.lock().unwrap(), Some(Err(CheckpointError::LeaseLost)));
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_the_table_throttles_says_so_and_the_lease_is_kept() {
    let (sim, producer) = stream(1);
    let (results, throttles) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let (kept, at_work) = (Arc::clone(&results), Arc::clone(&throttles));
    let (builder, _) = worker(&sim, "w1", move |batch, checkpointer| {
        let (kept, throttles) = (Arc::clone(&kept), Arc::clone(&at_work));
        Box::pin(async move {
            for throttled in [true, false] {
                throttles.store(throttled, Ordering::SeqCst);
                let result = checkpointer.checkpoint_at(&batch.records[0]).await;
                kept.lock().unwrap().push(result);
            }
            Ok(())
        })
    });
    put(&producer, 0..10).await;
    let (_control, _running) = start(builder);
    sim.faults(move |call| match (call.operation, throttles.load(Ordering::SeqCst)) {
        ("UpdateItem", true) => Fault::throttled(),
        _ => Fault::None,
    });
    assert!(sim.until(MINUTE, || results.lock().unwrap().len() == 2).await);
    let results = results.lock().unwrap();
    assert!(
        matches!(&results[..], [Err(CheckpointError::Throttled(_)), Ok(())]),
        "{results:?}"
    );
}

/// Drops `future` when it has been polled at `steps` moments, one each millisecond. Whether it came to its end before.
async fn dropped_after(steps: usize, future: impl Future) -> bool {
    let mut future = pin!(future);
    for _ in 0..steps {
        if timeout(Duration::from_millis(1), future.as_mut()).await.is_ok() {
            return true;
        }
    }
    false
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_may_be_dropped_at_any_point_and_any_later_one_is_accepted() {
    let (sim, producer) = stream(1);
    let results = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&results);
    let (builder, contexts) = worker(&sim, "w1", move |batch, checkpointer| {
        let results = Arc::clone(&kept);
        Box::pin(async move {
            let mut records = batch.records.chunks_exact(3);
            for steps in 0.. {
                let [near, middle, far] = records.next().ok_or("too few records")? else {
                    return Err("no chunk".into());
                };
                let prepared = dropped_after(steps, checkpointer.prepare_at(middle, "state")).await;
                let checkpointed = dropped_after(steps, checkpointer.checkpoint_at(far)).await;
                if prepared && checkpointed {
                    break;
                }
                if !checkpointed {
                    let nearer = checkpointer.checkpoint_at(near).await;
                    results.lock().unwrap().push(nearer);
                }
            }
            Ok(checkpointer.checkpoint().await?)
        })
    });
    let places = put(&producer, 0..300).await;
    let (control, running) = start(builder);
    sleep(MINUTE).await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    let results = results.lock().unwrap().clone();
    assert!(results.len() >= 3 && results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(contexts.lock().unwrap().len(), 1);
    let row = lease_rows(&sim).await.remove(0);
    assert_eq!(row["checkpoint"], AttributeValue::S(places.last().unwrap().1.clone()));
    assert!(!row.contains_key("pendingCheckpoint"));
}

#[tokio::test(start_paused = true)]
async fn a_prepared_checkpoint_is_found_by_the_next_owner_until_a_checkpoint_discards_it() {
    let (sim, producer) = stream(1);
    put(&producer, 0..10).await;
    let prepared_at = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&prepared_at);
    let (builder, contexts) = worker(&sim, "w1", move |batch, checkpointer| {
        let kept = Arc::clone(&kept);
        Box::pin(async move {
            let prepared = checkpointer.prepare_at(&batch.records[5], "tx-7").await?;
            *kept.lock().unwrap() = Some(prepared.position().clone());
            std::future::pending().await
        })
    });
    let (_control, running) = start(builder);
    assert!(sim.until(MINUTE, || prepared_at.lock().unwrap().is_some()).await);
    running.abort();
    assert_eq!(contexts.lock().unwrap()[0].pending, None);

    let (builder, contexts) = worker(&sim, "w2", |_, checkpointer| {
        Box::pin(async move { Ok(checkpointer.checkpoint().await?) })
    });
    let (control, running) = start(builder);
    sleep(MINUTE).await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    let context = contexts.lock().unwrap()[0].clone();
    assert_eq!(context.checkpoint, Position::TrimHorizon);
    let pending = context.pending.unwrap();
    assert_eq!(
        (Some(pending.position), pending.state),
        (prepared_at.lock().unwrap().clone(), Some(b"tx-7".to_vec()))
    );

    let (builder, contexts) = worker(&sim, "w3", |_, _| Box::pin(async { Ok(()) }));
    let (_control, _running) = start(builder);
    sleep(MINUTE).await;
    assert_eq!(contexts.lock().unwrap()[0].pending, None);
}

#[tokio::test(start_paused = true)]
async fn a_commit_moves_the_checkpoint_and_removes_what_was_prepared() {
    let (sim, producer) = stream(1);
    put(&producer, 0..10).await;
    let rows = Arc::new(Mutex::new(Vec::new()));
    let (kept, table) = (Arc::clone(&rows), sim.clone());
    let (builder, _) = worker(&sim, "w1", move |batch, checkpointer| {
        let (kept, sim) = (Arc::clone(&kept), table.clone());
        Box::pin(async move {
            let older = checkpointer.prepare_at(&batch.records[2], "older").await?;
            let prepared = checkpointer.prepare_at(&batch.records[5], "newer").await?;
            let mut rows = lease_rows(&sim).await;
            prepared.commit().await?;
            prepared.commit().await?;
            rows.extend(lease_rows(&sim).await);
            assert!(matches!(
                older.commit().await,
                Err(CheckpointError::IllegalPosition { .. })
            ));
            *kept.lock().unwrap() = rows;
            Ok(())
        })
    });
    let (_control, _running) = start(builder);
    assert!(sim.until(MINUTE, || rows.lock().unwrap().len() == 2).await);
    let rows = rows.lock().unwrap();
    let (before, after) = (&rows[0], &rows[1]);
    assert_eq!(before["checkpoint"], AttributeValue::S("TRIM_HORIZON".into()));
    assert_eq!(before["pendingCheckpointState"].as_b().unwrap().as_ref(), b"newer");
    assert_eq!(after["checkpoint"], before["pendingCheckpoint"]);
    assert_eq!(
        after["checkpointSubSequenceNumber"],
        before["pendingCheckpointSubSequenceNumber"]
    );
    assert!(!after.contains_key("pendingCheckpoint") && !after.contains_key("pendingCheckpointState"));
}

/// Throttles the writes that carry a checkpoint, but neither renewals nor takes, when `throttles` says so.
fn throttle_checkpoints(sim: &Sim, throttles: impl Fn() -> bool + Send + Sync + 'static) {
    sim.faults(move |call| {
        let carries_one = String::from_utf8_lossy(call.body).contains("checkpoint = :checkpoint");
        match call.operation == "UpdateItem" && carries_one && throttles() {
            true => Fault::throttled(),
            false => Fault::None,
        }
    });
}

/// The records that were checkpointed, one by one: after each a checkpoint, whose error ends the call.
fn checkpoints_each_record(sim: &Sim) -> (WorkerBuilder, Arc<Mutex<Vec<RecordPosition>>>) {
    let done = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&done);
    let (builder, _) = worker(sim, "w1", move |batch, checkpointer| {
        let done = Arc::clone(&kept);
        Box::pin(async move {
            for record in &batch.records {
                checkpointer.checkpoint_at(record).await?;
                done.lock().unwrap().push(record.position().clone());
            }
            Ok(())
        })
    });
    (builder, done)
}

/// Notes failures that count as attempts of the handler, and that its shard is halted.
fn hear_failures(builder: WorkerBuilder) -> (WorkerBuilder, Arc<Mutex<Vec<HandlerEvent>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let builder = builder.on_event(move |event| {
        if let Event::Handler { event, .. } = event
            && !matches!(event, HandlerEvent::Failed { failures: 0, .. })
        {
            heard.lock().unwrap().push(event.clone());
        }
    });
    (builder, told)
}

#[tokio::test(start_paused = true)]
async fn a_table_that_throttles_checkpoints_alone_for_three_minutes_is_no_failure_of_the_handler() {
    let (sim, producer) = stream(1);
    let (builder, done) = checkpoints_each_record(&sim);
    let (builder, failures) = hear_failures(builder);
    let throttles = Arc::new(AtomicBool::new(true));
    let is_throttled = Arc::clone(&throttles);
    throttle_checkpoints(&sim, move || is_throttled.load(Ordering::SeqCst));
    put(&producer, 0..10).await;
    let (control, _running) = start(builder);
    sleep(3 * MINUTE).await;
    assert!(done.lock().unwrap().is_empty());
    assert_eq!(control.shards()[0].state, ShardState::Retrying { failures: 0 });
    throttles.store(false, Ordering::SeqCst);
    assert!(sim.until(MINUTE, || done.lock().unwrap().len() == 10).await);
    assert_eq!(*failures.lock().unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_checkpoints_each_record_gets_through_while_three_checkpoints_in_ten_are_throttled() {
    let (sim, producer) = stream(1);
    let (builder, done) = checkpoints_each_record(&sim);
    let (builder, failures) = hear_failures(builder);
    let rng = Mutex::new(fastrand::Rng::with_seed(5));
    throttle_checkpoints(&sim, move || rng.lock().unwrap().u8(..10) < 3);
    put(&producer, 0..1_000).await;
    let (_control, _running) = start(builder);
    let all = || done.lock().unwrap().len() >= 1_000;
    assert!(sim.until(10 * MINUTE, all).await, "{}", done.lock().unwrap().len());
    assert!(
        done.lock().unwrap().is_sorted(),
        "no record is passed over or comes again"
    );
    assert_eq!(*failures.lock().unwrap(), []);
}
