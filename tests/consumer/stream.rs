//! The pull form: a task takes the batches of its shard from a stream.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use kcl::{ErrorPolicy, HandlerError, Record, ShardState, ShardStatus, ShardStream, StreamEnd, Worker, WorkerBuilder};
use testkit::sim::Sim;

use super::MINUTE;
use crate::fleet::{APPLICATION, Place, STREAM, put, split, start, stream};

/// What was written, by place.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<BTreeSet<Place>>>);

impl Written {
    fn write(&self, shard: &str, records: &[Record]) {
        self.0
            .lock()
            .unwrap()
            .extend(records.iter().map(|record| place(shard, record)));
    }

    fn places(&self) -> BTreeSet<Place> {
        self.0.lock().unwrap().clone()
    }

    async fn until(&self, places: &BTreeSet<Place>) {
        for _ in 0..6_000 {
            if self.places().is_superset(places) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} of {} records", self.places().len(), places.len());
    }
}

fn place(shard: &str, record: &Record) -> Place {
    let (number, sub) = (record.sequence_number().to_string(), record.sub_sequence_number());
    (shard.to_owned(), number, sub)
}

/// Keeps records until it has 70 of them, writes those, and checkpoints the last one. Each `fails`-th write fails.
async fn write_chunks(
    mut shard: ShardStream,
    written: Written,
    writes: Arc<AtomicU32>,
    fails: u32,
) -> Result<(), HandlerError> {
    let id = shard.context().shard_id().to_string();
    let mut kept: Vec<Record> = Vec::new();
    while let Some(batch) = shard.next().await {
        kept.extend(batch.records);
        while kept.len() >= 70 {
            if writes.fetch_add(1, Ordering::SeqCst) % fails == fails - 1 {
                return Err(HandlerError::new("the disk is full"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            let chunk: Vec<Record> = kept.drain(..70).collect();
            written.write(&id, &chunk);
            shard.checkpointer().checkpoint_at(&chunk[69]).await?;
        }
    }
    if !matches!(shard.end(), Some(StreamEnd::LeaseLost(_))) {
        written.write(&id, &kept);
        shard.checkpointer().checkpoint().await?;
    }
    Ok(())
}

fn worker(sim: &Sim, name: &str, written: &Written, fails: u32) -> WorkerBuilder {
    let (written, writes) = (written.clone(), Arc::<AtomicU32>::default());
    Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client(name))
        .worker_id(name)
        .seed(1)
        .max_batch_records(30)
        .stream(move |shard| write_chunks(shard, written.clone(), Arc::clone(&writes), fails))
}

#[tokio::test(start_paused = true)]
async fn records_that_a_task_keeps_are_not_lost_by_its_failures_a_crash_a_split_or_a_shutdown() {
    let (sim, producer) = stream(1);
    let written = Written::default();
    let mut places = put(&producer, 0..500).await;
    let (_control, crashing) = start(worker(&sim, "w1", &written, 4));
    tokio::time::sleep(Duration::from_secs(3)).await;
    crashing.abort();
    let (control, running) = start(worker(&sim, "w1", &written, 4));
    split(&sim, "shardId-000000000000", 1 << 127).await;
    tokio::time::sleep(MINUTE).await;
    assert!(
        written.places().is_superset(&places),
        "the end of the parent writes the rest"
    );
    places.extend(put(&producer, 500..650).await);
    tokio::time::sleep(MINUTE).await;
    control.shutdown(MINUTE);
    assert_eq!(running.await.unwrap().unwrap().abandoned, []);
    written.until(&places).await;
    // Everything is checkpointed: the next owner writes nothing.
    let next = Written::default();
    let (control, running) = start(worker(&sim, "w2", &next, 4));
    tokio::time::sleep(MINUTE).await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    assert_eq!(next.places(), BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_always_fails_halts_its_shard_though_it_takes_batches_again_and_again() {
    for policy in [ErrorPolicy::halt(), ErrorPolicy::skip()] {
        let (sim, producer) = stream(1);
        let written = Written::default();
        put(&producer, 0..200).await;
        let (control, _running) = start(worker(&sim, "w1", &written, 1).error_policy(policy));
        tokio::time::sleep(10 * MINUTE).await;
        let status = control.shards().remove(0);
        assert!(matches!(status.state, ShardState::Halted { .. }), "{status:?}");
        assert_eq!(status.last_error.as_deref(), Some("the disk is full"));
        assert_eq!(written.places(), BTreeSet::new());
    }
}

/// Takes batches, and each second fails to write what it has taken.
async fn fail_each_second(mut shard: ShardStream) -> Result<(), HandlerError> {
    let mut kept = 0;
    loop {
        match tokio::time::timeout(Duration::from_secs(1), shard.next()).await {
            Ok(Some(batch)) => kept += batch.records.len(),
            Ok(None) => return Ok(()),
            Err(_) if kept > 0 => return Err(HandlerError::new("the disk is full")),
            Err(_) => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_between_batches_halts_its_shard_whether_or_not_records_come() {
    for come in [false, true] {
        let (sim, producer) = stream(1);
        put(&producer, 0..20).await;
        let builder = Worker::builder(APPLICATION, STREAM)
            .aws(&sim.client("w1"))
            .seed(1)
            .stream(fail_each_second);
        let (control, _running) = start(builder);
        for n in 0..120 {
            tokio::time::sleep(5 * Duration::from_secs(1)).await;
            if come {
                put(&producer, 20 + n..21 + n).await;
            }
        }
        let status = control.shards().remove(0);
        assert!(matches!(status.state, ShardState::Halted { .. }), "{come}: {status:?}");
        assert_eq!(status.last_error.as_deref(), Some("the disk is full"));
    }
}

/// Checkpoints each batch, and fails once it has run for `lasting`, unless it is healed by then.
async fn lose_the_connection(
    mut shard: ShardStream,
    lasting: Duration,
    healed: Arc<AtomicBool>,
) -> Result<(), HandlerError> {
    let mut lost = std::pin::pin!(tokio::time::sleep(lasting));
    loop {
        let batch = tokio::select! {
            biased;
            batch = shard.next() => batch,
            () = &mut lost, if !healed.load(Ordering::SeqCst) => return Err(HandlerError::new("the connection is lost")),
        };
        match batch {
            Some(_) => shard.checkpointer().checkpoint().await?,
            None => return Ok(()),
        }
    }
}

/// A worker of a shard whose records are all checkpointed, and whose task fails each time after `lasting`.
fn worker_of_an_idle_shard(sim: &Sim, lasting: Duration, healed: &Arc<AtomicBool>) -> WorkerBuilder {
    let healed = Arc::clone(healed);
    Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .error_policy(ErrorPolicy::halt().attempts(2))
        .stream(move |shard| lose_the_connection(shard, lasting, Arc::clone(&healed)))
}

#[tokio::test(start_paused = true)]
async fn failures_of_an_idle_task_that_lie_apart_do_not_add_up_to_a_halt() {
    let (sim, producer) = stream(1);
    put(&producer, 0..20).await;
    let builder = worker_of_an_idle_shard(&sim, 5 * MINUTE, &Arc::default());
    let (control, _running) = start(builder);
    let mut errors = 0;
    for _ in 0..60 * 60 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Some(status) = control.shards().pop() else { continue };
        assert!(!matches!(status.state, ShardState::Halted { .. }), "{status:?}");
        let retries_or_reads_on = matches!(status.state, ShardState::Retrying { .. }) == status.last_error.is_some();
        assert!(retries_or_reads_on, "{status:?}");
        errors += u32::from(status.last_error.is_some());
    }
    assert!((11 * 60..11 * 65).contains(&errors), "{errors}");
}

#[tokio::test(start_paused = true)]
async fn a_halt_by_an_idle_task_has_its_error_until_a_task_has_run_for_a_minute() {
    let (sim, producer) = stream(1);
    put(&producer, 0..20).await;
    let healed = Arc::<AtomicBool>::default();
    let (control, _running) = start(worker_of_an_idle_shard(&sim, Duration::from_secs(50), &healed));
    let tick = Duration::from_millis(100);
    let status = async || {
        tokio::time::sleep(tick).await;
        control.shards().pop()
    };
    let is_halted = |status: &ShardStatus| matches!(status.state, ShardState::Halted { .. });
    tokio::time::sleep(3 * MINUTE).await;
    for _ in 0..20 * 600 {
        let status = status().await.unwrap();
        assert!(is_halted(&status), "{status:?}");
        assert_eq!(status.last_error.as_deref(), Some("the connection is lost"));
    }
    healed.store(true, Ordering::SeqCst);
    let mut last = status().await.unwrap();
    // The next try, and a minute.
    for _ in 0..7 * 600 {
        if !is_halted(&last) {
            break;
        }
        assert_eq!(last.last_error.as_deref(), Some("the connection is lost"));
        last = status().await.unwrap();
    }
    assert_eq!((last.state, last.last_error), (ShardState::Reading, None));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_skips_passes_over_the_record_on_which_a_task_fails() {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..100).await;
    let poison = places.iter().nth(50).unwrap().clone();
    let (written, number, sub) = (Written::default(), poison.1.clone(), poison.2);
    let writing = written.clone();
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .error_policy(ErrorPolicy::skip().attempts(3))
        .stream(move |shard| {
            let (written, number) = (writing.clone(), number.clone());
            async move {
                let (id, checkpointer) = (shard.context().shard_id().to_string(), shard.checkpointer().clone());
                let mut batches = std::pin::pin!(shard);
                while let Some(batch) = batches.as_mut().next().await {
                    let is_poison =
                        |record: &Record| *record.sequence_number() == *number && record.sub_sequence_number() == sub;
                    if batch.records.iter().any(is_poison) {
                        return Err(HandlerError::new("not readable"));
                    }
                    written.write(&id, &batch.records);
                    checkpointer.checkpoint().await?;
                }
                Ok(())
            }
        });
    let (_control, _running) = start(builder);
    let mut expected = places;
    expected.remove(&poison);
    written.until(&expected).await;
    assert_eq!(written.places(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_was_passed_over_does_not_come_again_when_the_next_one_fails() {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..100).await;
    let poison: BTreeSet<_> = places.iter().skip(50).take(3).cloned().collect();
    let (written, tried) = (Written::default(), Arc::new(Mutex::new(Vec::new())));
    let (writing, trying, bad) = (written.clone(), Arc::clone(&tried), poison.clone());
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .max_batch_records(1)
        .error_policy(ErrorPolicy::skip().attempts(2))
        .stream(move |mut shard| {
            let (written, tried, bad) = (writing.clone(), Arc::clone(&trying), bad.clone());
            async move {
                let id = shard.context().shard_id().to_string();
                while let Some(batch) = shard.next().await {
                    let place = place(&id, &batch.records[0]);
                    if bad.contains(&place) {
                        tried.lock().unwrap().push(place);
                        return Err(HandlerError::new("not readable"));
                    }
                    written.write(&id, &batch.records);
                    shard.checkpointer().checkpoint().await?;
                }
                Ok(())
            }
        });
    let (_control, _running) = start(builder);
    let expected = places.difference(&poison).cloned().collect();
    written.until(&expected).await;
    assert_eq!(written.places(), expected);
    let twice: Vec<_> = poison.iter().flat_map(|place| [place.clone(), place.clone()]).collect();
    assert_eq!(*tried.lock().unwrap(), twice);
}

/// Keeps everything until the end of the shard, and fails there.
async fn fail_at_the_end(mut shard: ShardStream) -> Result<(), HandlerError> {
    while shard.next().await.is_some() {}
    match shard.end() {
        Some(StreamEnd::ShardEnded) => Err(HandlerError::new("the disk is full")),
        Some(StreamEnd::ShutdownRequested | StreamEnd::LeaseLost(_) | _) | None => Ok(()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_at_the_end_of_its_shard_halts_it() {
    let (sim, producer) = stream(1);
    put(&producer, 0..50).await;
    let builder = Worker::builder(APPLICATION, STREAM).aws(&sim.client("w1")).seed(1);
    let (control, _running) = start(builder.stream(fail_at_the_end));
    tokio::time::sleep(Duration::from_secs(5)).await;
    split(&sim, "shardId-000000000000", 1 << 127).await;
    tokio::time::sleep(10 * MINUTE).await;
    let shards = control.shards().into_iter();
    let parent = shards.filter(|status| status.shard.to_string().ends_with("shardId-000000000000"));
    let states: Vec<_> = parent.map(|status| status.state).collect();
    assert!(matches!(states[..], [ShardState::Halted { .. }]), "{states:?}");
}
