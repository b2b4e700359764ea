//! The end of a worker that was asked to stop, whatever its tasks do.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use testkit::sim::Fault;

use super::MINUTE;
use crate::fleet::{Checkpoints, Entry, Journal, merge, put, start, stream, worker};

/// The grace of these tests.
const GRACE: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_worker_whose_leases_are_kept_by_a_thread_that_hangs_ends_a_second_after_its_grace() {
    let (sim, producer) = stream(2);
    let hangs = Arc::new(AtomicBool::new(false));
    let journal = Journal::default();
    let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch);
    let is_hanging = Arc::clone(&hangs);
    // In virtual time a task takes the place of the thread.
    let (control, mut running) = start(builder.wrap_tasks(move |name, mut task| {
        let hangs = Arc::clone(&is_hanging);
        Box::pin(poll_fn(move |context| {
            match name == "leases" && hangs.load(Ordering::SeqCst) {
                true => Poll::Pending,
                false => task.as_mut().poll(context),
            }
        }))
    }));
    let places = put(&producer, 0..20).await;
    journal.until("all records", |journal| journal.read() == places).await;

    hangs.store(true, Ordering::SeqCst);
    control.shutdown(GRACE);
    let asked = sim.elapsed();
    let ended = tokio::time::timeout(MINUTE, &mut running).await;
    let report = ended
        .expect("it does not wait for the leases for ever")
        .unwrap()
        .unwrap();
    let took = sim.elapsed() - asked;
    assert!(
        took >= GRACE && took <= GRACE + Duration::from_millis(1_100),
        "{took:?}"
    );
    assert_eq!((report.released.len(), report.abandoned.len()), (0, 2), "{report:?}");
}

/// Both parents of a merge are read to their ends, and the list of shards that their child needs does not come.
#[tokio::test(start_paused = true)]
async fn shards_whose_end_waits_for_a_service_that_hangs_are_released_at_once() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let (control, mut running) = start(worker(&sim, "w1", &journal, Checkpoints::Never));
    let places = put(&producer, 0..20).await;
    journal.until("all records", |journal| journal.read() == places).await;
    sim.faults(|call| match (call.client, call.operation) {
        ("w1", "ListShards") => Fault::RequestHangs,
        _ => Fault::None,
    });
    merge(&sim, "shardId-000000000000", "shardId-000000000001").await;
    tokio::time::sleep(MINUTE).await;
    let asked = sim.elapsed();
    control.shutdown(GRACE);
    let report = (&mut running).await.unwrap().unwrap();
    assert_eq!((report.released.len(), report.abandoned.len()), (2, 0), "{report:?}");
    assert!(sim.elapsed() - asked <= Duration::from_secs(1));
    let was_asked = |entry: &&Entry| matches!(entry, Entry::ShutdownRequested { .. });
    assert_eq!(journal.entries().iter().filter(was_asked).count(), 2);
}

/// The child of a merge waits for a parent that cannot be read, and whose row cannot be looked at any more.
#[tokio::test(start_paused = true)]
async fn a_shard_that_waits_for_a_parent_in_a_table_that_hangs_is_released_at_once() {
    let (sim, producer) = stream(2);
    put(&producer, 0..20).await;
    merge(&sim, "shardId-000000000000", "shardId-000000000001").await;
    let begun = sim.now();
    sim.faults(move |call| {
        let of_shard_0 = String::from_utf8_lossy(call.body).contains("shardId-000000000000");
        match call.operation {
            "GetShardIterator" if of_shard_0 => Fault::throttled(),
            "GetItem" if call.now >= begun + MINUTE => Fault::RequestHangs,
            _ => Fault::None,
        }
    });
    let journal = Journal::default();
    let (control, mut running) = start(worker(&sim, "w1", &journal, Checkpoints::Never));
    // In the middle of a call: one ends after ten seconds, and the next one is made two seconds later.
    tokio::time::sleep(2 * MINUTE + GRACE / 2).await;
    assert_eq!(control.shards().len(), 3);
    let asked = sim.elapsed();
    control.shutdown(GRACE);
    let report = (&mut running).await.unwrap().unwrap();
    assert_eq!(report.abandoned, []);
    assert!(sim.elapsed() - asked <= Duration::from_secs(1));
}
