//! What `WorkerControl::skip` gives up of the records on which a handler fails, and what it tells of them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use kcl::event::HandlerEvent;
use kcl::{
    Batch, ErrorPolicy, Event, HandlerError, OnPossibleLoss, RecordPosition, ShardId, ShardRef, ShardState,
    ShardStream, SkipError, Worker, WorkerBuilder, WorkerControl,
};
use testkit::sim::Sim;

use super::MINUTE;
use crate::fleet::{APPLICATION, Place, STREAM, put, start, stream};

const SECOND: Duration = Duration::from_secs(1);

/// A handler of batches that fails on some records, and what it was given.
#[derive(Debug, Clone, Default)]
struct Picky {
    poison: Arc<Mutex<BTreeSet<String>>>,
    is_fatal: Arc<AtomicBool>,
    /// Whether it names the first record on which it fails.
    names: Arc<AtomicBool>,
    processed: Arc<Mutex<BTreeSet<String>>>,
}

impl Picky {
    fn fails_on(records: &[usize]) -> Self {
        let picky = Self::default();
        *picky.poison.lock().unwrap() = names(records.iter().copied());
        picky
    }

    fn handle(&self, batch: &Batch) -> Result<(), HandlerError> {
        let names: Vec<_> = batch.records.iter().map(|record| text(record.data())).collect();
        let fails = |name: &String| self.poison.lock().unwrap().contains(name);
        if let Some(first) = names.iter().position(fails) {
            let error = match self.is_fatal.load(Ordering::SeqCst) {
                true => HandlerError::fatal("cannot read a record"),
                false => HandlerError::new("cannot read a record"),
            };
            return Err(match self.names.load(Ordering::SeqCst) {
                true => error.at(&batch.records[first]),
                false => error,
            });
        }
        self.processed.lock().unwrap().extend(names);
        Ok(())
    }

    fn processed(&self) -> BTreeSet<String> {
        self.processed.lock().unwrap().clone()
    }

    fn worker(&self, sim: &Sim, policy: ErrorPolicy) -> WorkerBuilder {
        let picky = self.clone();
        Worker::builder(APPLICATION, STREAM)
            .aws(&sim.client("w1"))
            .worker_id("w1")
            .seed(1)
            .error_policy(policy)
            .for_each_batch(move |batch: Batch| {
                let picky = picky.clone();
                async move { picky.handle(&batch) }
            })
    }
}

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// The texts of records that `put` stores.
fn names(records: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    records.into_iter().map(|n| format!("data-{n}")).collect()
}

/// The places at which some of the records were stored, one after the other.
fn positions(places: &BTreeSet<Place>, records: &[usize]) -> Vec<RecordPosition> {
    let place = |n: &usize| places.iter().nth(*n).unwrap();
    let position = |(_, number, sub): &Place| RecordPosition {
        sequence_number: number.parse().unwrap(),
        sub_sequence_number: *sub,
    };
    records.iter().map(place).map(position).collect()
}

fn shard(control: &WorkerControl) -> ShardRef {
    control.shards()[0].shard.clone()
}

async fn until_halted(control: &WorkerControl) {
    tokio::time::sleep(MINUTE).await;
    assert!(
        matches!(control.shards()[0].state, ShardState::Halted { .. }),
        "{:?}",
        control.shards()
    );
}

/// A halted worker whose handler fails on some of 20 records.
async fn halted(picky: &Picky) -> (Sim, WorkerControl, BTreeSet<Place>) {
    halted_with(picky, |builder| builder).await
}

async fn halted_with(
    picky: &Picky,
    change: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
) -> (Sim, WorkerControl, BTreeSet<Place>) {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..20).await;
    let builder = picky.worker(&sim, ErrorPolicy::halt().attempts(2));
    let (control, running) = start(change(builder));
    until_halted(&control).await;
    drop(running);
    (sim, control, places)
}

#[tokio::test(start_paused = true)]
async fn a_skip_gives_up_the_records_that_fail_alone_and_tells_which_ones() {
    for is_fatal in [false, true] {
        let picky = Picky::fails_on(&[7, 13]);
        picky.is_fatal.store(is_fatal, Ordering::SeqCst);
        let (_sim, control, places) = halted(&picky).await;
        let skipped = control.skip(&shard(&control)).await.unwrap();
        assert_eq!(skipped.records, positions(&places, &[7, 13]));
        assert_eq!((skipped.up_to, skipped.possible_loss), (None, None));
        let good = names((0..20).filter(|n| ![7, 13].contains(n)));
        assert_eq!(picky.processed(), good);
        tokio::time::sleep(SECOND).await;
        let status = control.shards().remove(0);
        assert_eq!((status.state, status.last_error), (ShardState::Reading, None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_skip_gives_up_nothing_if_the_handler_processes_each_record_after_all() {
    let picky = Picky::fails_on(&[7]);
    let (_sim, control, _) = halted(&picky).await;
    picky.poison.lock().unwrap().clear();
    let skipped = control.skip(&shard(&control)).await.unwrap();
    assert!(skipped.records.is_empty() && skipped.up_to.is_none(), "{skipped:?}");
    assert_eq!(picky.processed(), names(0..20));
}

#[tokio::test(start_paused = true)]
async fn a_skip_gives_up_the_batch_if_the_policy_is_one_for_whole_batches() {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..20).await;
    let picky = Picky::fails_on(&[7]);
    let policy = ErrorPolicy::skip().whole_batches();
    let (control, _running) = start(picky.worker(&sim, policy));
    tokio::time::sleep(5 * SECOND).await;
    let skipped = control.skip(&shard(&control)).await.unwrap();
    assert_eq!(skipped.records, positions(&places, &(0..20).collect::<Vec<_>>()));
    assert!(picky.processed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_skip_of_what_does_not_fail_or_is_not_held_says_so_and_skips_nothing() {
    let (sim, producer) = stream(1);
    put(&producer, 0..20).await;
    let picky = Picky::default();
    let (control, _running) = start(picky.worker(&sim, ErrorPolicy::halt()));
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(control.skip(&shard(&control)).await, Err(SkipError::NothingFails));
    let other = ShardRef::new(shard(&control).stream, ShardId::new("shardId-000000000099"));
    assert_eq!(control.skip(&other).await, Err(SkipError::NotHeld));
    assert_eq!(picky.processed(), names(0..20));
}

#[tokio::test(start_paused = true)]
async fn a_skip_whose_worker_ends_meanwhile_says_that_the_rest_is_not_known() {
    let (sim, producer) = stream(1);
    put(&producer, 0..20).await;
    let picky = Picky::fails_on(&[7]);
    let (control, _running) = start(picky.worker(&sim, ErrorPolicy::halt().attempts(2)));
    until_halted(&control).await;
    control.pause();
    let shard = shard(&control);
    let skipping = tokio::time::timeout(SECOND, control.skip(&shard));
    assert!(skipping.await.is_err(), "nothing is delivered while reading is paused");
    let shutdown = async {
        tokio::time::sleep(SECOND).await;
        control.shutdown(SECOND);
    };
    let (skipped, ()) = tokio::join!(control.skip(&shard), shutdown);
    assert_eq!(skipped, Err(SkipError::LeaseLost));
}

/// Takes batches of ten records, works on each for some time, and checkpoints after the second one, which fails.
async fn take_two(mut shard: ShardStream, processed: Picky, work: Duration) -> Result<(), HandlerError> {
    let mut taken = 0;
    while let Some(batch) = shard.next().await {
        taken += batch.records.len();
        processed.handle(&batch)?;
        tokio::time::sleep(work).await;
        if taken >= 20 {
            shard.checkpointer().checkpoint().await?;
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_skip_of_what_a_task_keeps_ends_and_tells_each_record_that_went_with_it() {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..40).await;
    let picky = Picky::fails_on(&[15]);
    let (processed, events) = (picky.clone(), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&events);
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .max_batch_records(10)
        .error_policy(ErrorPolicy::halt().attempts(2))
        .on_event(move |event: &Event| heard.lock().unwrap().push(event.clone()))
        .stream(move |shard| take_two(shard, processed.clone(), Duration::ZERO));
    let (control, _running) = start(builder);
    until_halted(&control).await;
    let first = positions(&places, &[0]).pop();
    assert_eq!(control.shards()[0].failing_at, first, "it is not checkpointed");
    let skipped = control.skip(&shard(&control)).await.unwrap();
    assert_eq!(skipped.records, positions(&places, &Vec::from_iter(0..=15)));
    assert_eq!(skipped.up_to, None);
    tokio::time::sleep(10 * SECOND).await;
    assert!(picky.processed().is_superset(&names(16..40)), "{:?}", picky.processed());
    let events = events.lock().unwrap();
    let is_skip = |event: &&Event| {
        matches!(
            event,
            Event::Handler {
                event: HandlerEvent::Skipped { .. },
                ..
            }
        )
    };
    assert_eq!(events.iter().filter(is_skip).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_skip_in_the_middle_of_what_comes_again_tells_also_what_came_before_it() {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..40).await;
    let picky = Picky::fails_on(&[15]);
    let processed = picky.clone();
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .max_batch_records(10)
        .stream(move |shard| take_two(shard, processed.clone(), 5 * SECOND));
    let (control, _running) = start(builder);
    while !matches!(
        control.shards().first().map(|status| &status.state),
        Some(ShardState::Retrying { .. })
    ) {
        tokio::time::sleep(SECOND / 10).await;
    }
    tokio::time::sleep(3 * SECOND).await;
    let skipped = control.skip(&shard(&control)).await.unwrap();
    assert_eq!(skipped.records, positions(&places, &Vec::from_iter(0..=15)));
}

#[tokio::test(start_paused = true)]
async fn a_skip_of_a_named_record_goes_on_when_one_in_front_of_it_fails() {
    let picky = Picky::fails_on(&[7]);
    picky.names.store(true, Ordering::SeqCst);
    let (_sim, control, places) = halted(&picky).await;
    picky.poison.lock().unwrap().insert("data-3".into());
    let skipped = control.skip(&shard(&control)).await.unwrap();
    assert_eq!(skipped.records, positions(&places, &[3, 7]));
    assert_eq!(picky.processed().intersection(&names(0..8)).count(), 6);
    tokio::time::sleep(SECOND).await;
    assert_eq!(picky.processed(), names((0..20).filter(|n| ![3, 7].contains(n))));
}

#[tokio::test(start_paused = true)]
async fn a_skip_right_behind_a_retry_still_finds_the_records_that_fail() {
    let picky = Picky::fails_on(&[7]);
    let (_sim, control, places) = halted(&picky).await;
    let shard = shard(&control);
    assert!(control.retry(&shard));
    assert_eq!(control.skip(&shard).await.unwrap().records, positions(&places, &[7]));
}

/// Longer than the retention time.
const A_DAY: Duration = Duration::from_secs(25 * 60 * 60);

/// A worker with little to do in a day.
fn calm(builder: WorkerBuilder) -> WorkerBuilder {
    builder.failover_time(10 * MINUTE).idle_time_between_reads(MINUTE)
}

#[tokio::test(start_paused = true)]
async fn a_skip_of_records_that_were_trimmed_ends_at_the_tip_of_the_shard() {
    let picky = Picky::fails_on(&[7]);
    let (_sim, control, _) = halted_with(&picky, calm).await;
    tokio::time::sleep(A_DAY).await;
    let shard = shard(&control);
    let skipped = tokio::time::timeout(10 * MINUTE, control.skip(&shard)).await;
    let skipped = skipped.expect("an answer").unwrap();
    assert!(skipped.records.is_empty() && skipped.up_to.is_none(), "{skipped:?}");
    assert_eq!(control.skip(&shard).await, Err(SkipError::NothingFails));
}

#[tokio::test(start_paused = true)]
async fn a_skip_of_records_that_were_trimmed_skips_none_behind_them() {
    let (sim, producer) = stream(1);
    let picky = Picky::fails_on(&[7, 20]);
    let builder = calm(picky.worker(&sim, ErrorPolicy::halt().attempts(2)));
    let (control, _running) = start(builder);
    put(&producer, 0..20).await;
    tokio::time::sleep(A_DAY).await;
    control.pause();
    put(&producer, 20..40).await;
    let shard = shard(&control);
    let resume = async {
        tokio::time::sleep(SECOND).await;
        control.resume();
    };
    let skip = tokio::time::timeout(10 * MINUTE, control.skip(&shard));
    let (skipped, ()) = tokio::join!(skip, resume);
    let skipped = skipped.expect("an answer").unwrap();
    assert!(skipped.records.is_empty(), "{skipped:?}");
    until_halted(&control).await;
    assert_eq!(control.skip(&shard).await.unwrap().records.len(), 1);
    assert_eq!(picky.processed(), names(21..40));
}

#[tokio::test(start_paused = true)]
async fn a_skip_ends_when_its_shard_goes_on_hold() {
    let (sim, producer) = stream(1);
    let picky = Picky::fails_on(&[27]);
    let policy = ErrorPolicy::halt().attempts(2);
    let builder = calm(picky.worker(&sim, policy)).on_possible_loss(OnPossibleLoss::Halt);
    let (control, _running) = start(builder);
    put(&producer, 0..20).await;
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(picky.processed(), names(0..20));
    put(&producer, 20..40).await;
    tokio::time::sleep(5 * MINUTE).await;
    control.pause();
    tokio::time::sleep(A_DAY).await;
    let shard = shard(&control);
    let resume = async {
        tokio::time::sleep(SECOND).await;
        control.resume();
    };
    let skip = tokio::time::timeout(10 * MINUTE, control.skip(&shard));
    let (skipped, ()) = tokio::join!(skip, resume);
    let skipped = skipped.expect("an answer").unwrap();
    assert!(
        skipped.records.is_empty() && skipped.possible_loss.is_none(),
        "{skipped:?}"
    );
    let state = control.shards().remove(0).state;
    assert!(matches!(state, ShardState::OnHold { .. }), "{state:?}");
    assert!(control.skip(&shard).await.unwrap().possible_loss.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_skip_on_a_lease_that_has_lapsed_skips_nothing() {
    let picky = Picky::fails_on(&[0]);
    let (_sim, control, _) = halted_with(&picky, |builder| builder.max_batch_records(1)).await;
    let shard = shard(&control);
    // The process stands still between the request and what is done about it.
    let (skipped, ()) = tokio::join!(control.skip(&shard), tokio::time::advance(60 * MINUTE));
    assert_eq!(skipped, Err(SkipError::LeaseLost));
}

/// Takes a batch, asks for the next one, and fails before it takes that.
async fn take_one_and_fail(mut shard: ShardStream, taken: Picky) -> Result<(), HandlerError> {
    if let Some(batch) = shard.next().await {
        taken.handle(&batch)?;
    }
    if let Some(Some(batch)) = shard.next().now_or_never() {
        taken.handle(&batch)?;
    }
    tokio::time::sleep(SECOND).await;
    Err(HandlerError::new("the database is away"))
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_no_record_skips_none_that_the_task_has_not_taken() {
    let (sim, producer) = stream(1);
    put(&producer, 0..40).await;
    let picky = Picky::default();
    let taken = picky.clone();
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .max_batch_records(10)
        .error_policy(ErrorPolicy::halt().attempts(2))
        .stream(move |shard| take_one_and_fail(shard, taken.clone()));
    let (control, _running) = start(builder);
    until_halted(&control).await;
    assert_eq!(picky.processed(), names(0..10));
    let skipped = control.skip(&shard(&control)).await.unwrap();
    assert!(skipped.records.is_empty() && skipped.up_to.is_none(), "{skipped:?}");
    tokio::time::sleep(SECOND).await;
    assert!(
        matches!(control.shards()[0].state, ShardState::Halted { .. }),
        "{:?}",
        control.shards()
    );
}

#[tokio::test(start_paused = true)]
async fn a_skip_takes_over_the_records_that_the_policy_delivers_alone_at_the_moment() {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..20).await;
    let picky = Picky::fails_on(&[7]);
    let slow = picky.clone();
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .error_policy(ErrorPolicy::skip().attempts(1))
        .for_each_batch(move |batch: Batch| {
            let slow = slow.clone();
            async move {
                if batch.records.len() == 1 {
                    tokio::time::sleep(MINUTE).await;
                }
                slow.handle(&batch)
            }
        });
    let (control, _running) = start(builder);
    tokio::time::sleep(3 * MINUTE).await;
    let processed = picky.processed().len();
    assert!((1..7).contains(&processed), "{processed}");
    let skipped = control.skip(&shard(&control)).await.unwrap();
    assert_eq!(skipped.records, positions(&places, &[7]));
    assert_eq!(picky.processed(), names((0..20).filter(|n| *n != 7)));
}
