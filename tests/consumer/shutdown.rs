//! The end of a worker that was asked to stop, whatever its tasks do.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use super::MINUTE;
use crate::fleet::{Checkpoints, Journal, put, start, stream, worker};

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
