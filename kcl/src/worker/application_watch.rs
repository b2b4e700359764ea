//! Reports to the lease thread that the application's runtime has stopped turning.
//!
//! A task on the application's runtime counts up, and the lease thread compares. Without this watch, a process whose
//! threads are deadlocked would renew its leases for ever.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::worker::stall::StallWatch;

/// The longest time between two beats, and between two looks. Our choice.
const BEAT_INTERVAL: Duration = Duration::from_secs(1);

/// The two ends of a watch that reports a runtime that has stood still for `bound`; production uses
/// [`APPLICATION_STALL`](crate::limits::APPLICATION_STALL).
pub(crate) fn watch_application(bound: Duration) -> (Heartbeat, ApplicationWatch) {
    let beats = Arc::new(AtomicU64::new(0));
    let interval = BEAT_INTERVAL.min(bound / 10);
    let heartbeat = Heartbeat {
        beats: Arc::clone(&beats),
        interval,
    };
    let watch = ApplicationWatch { beats, bound, interval };
    (heartbeat, watch)
}

/// Beats on the application's runtime.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    beats: Arc<AtomicU64>,
    interval: Duration,
}

impl Heartbeat {
    /// Beats as long as it is polled. Never ends: it is dropped.
    ///
    /// Spawn it. A future that `block_on` polls may turn while all threads for tasks are blocked.
    pub(crate) async fn beat(self) -> Infallible {
        loop {
            self.beats.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(self.interval).await;
        }
    }
}

/// Watches the beats from the lease thread.
#[derive(Debug)]
pub(crate) struct ApplicationWatch {
    beats: Arc<AtomicU64>,
    bound: Duration,
    interval: Duration,
}

/// The application's runtime has not polled the heartbeat for the whole bound: its threads are blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the application's runtime has run no task for {still:?}: its threads are blocked")]
pub(crate) struct ApplicationStalled {
    /// How long it has stood still, while this process was running.
    pub(crate) still: Duration,
}

impl ApplicationWatch {
    /// Waits until the application's runtime has stood still for the bound. May be called again.
    ///
    /// # Cancellation
    ///
    /// The count begins again with the next call.
    pub(crate) async fn stalled(&mut self) -> ApplicationStalled {
        let beats = || self.beats.load(Ordering::Relaxed);
        let mut watch = StallWatch::new(self.bound, self.interval, beats());
        loop {
            tokio::time::sleep(self.interval).await;
            if let Some(still) = watch.look(beats()) {
                return ApplicationStalled { still };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::time::timeout;

    use super::*;
    use crate::limits::APPLICATION_STALL;
    use crate::worker::lease_thread::LeaseRuntime;
    use service::Clock;

    #[tokio::test(start_paused = true)]
    async fn a_runtime_that_turns_is_never_reported() {
        let (heartbeat, mut watch) = watch_application(APPLICATION_STALL);
        tokio::select! {
            biased;
            never = heartbeat.beat() => match never {},
            stalled = watch.stalled() => panic!("{stalled}"),
            () = tokio::time::sleep(Duration::from_secs(24 * 60 * 60)) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_runtime_that_stands_still_is_reported_after_five_minutes() {
        let (_heartbeat, mut watch) = watch_application(APPLICATION_STALL);
        assert!(timeout(Duration::from_secs(299), watch.stalled()).await.is_err());
        let begun = Clock::default().now();
        let stalled = watch.stalled().await;
        assert_eq!(stalled.still, APPLICATION_STALL);
        assert_eq!(Clock::default().now() - begun, APPLICATION_STALL);
    }

    /// As after a suspension or a stop of the whole process: the time is over for both at once.
    #[tokio::test(start_paused = true)]
    async fn a_process_that_was_stopped_as_a_whole_is_not_reported() {
        let (heartbeat, mut watch) = watch_application(APPLICATION_STALL);
        let mut beating = tokio::task::JoinSet::new();
        beating.spawn(heartbeat.beat());
        let mut stalled = std::pin::pin!(watch.stalled());
        for _ in 0..20 {
            assert!(timeout(Duration::from_secs(10), stalled.as_mut()).await.is_err());
            // No task is polled meanwhile.
            tokio::time::advance(2 * APPLICATION_STALL).await;
        }
    }

    /// In real time: the application's only thread is blocked, as by a deadlock.
    #[test]
    fn a_blocked_application_is_reported_by_the_lease_thread() {
        let (heartbeat, mut watch) = watch_application(Duration::from_millis(200));
        let (report, reported) = mpsc::channel();
        let _leases = LeaseRuntime::OwnThread.spawn(move || async move { report.send(watch.stalled().await) });
        let application = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let stalled = application.block_on(async move {
            let mut beating = tokio::task::JoinSet::new();
            beating.spawn(heartbeat.beat());
            tokio::task::yield_now().await;
            reported.recv_timeout(Duration::from_secs(20)).unwrap()
        });
        assert!(stalled.still >= Duration::from_millis(200), "{stalled}");
    }
}
