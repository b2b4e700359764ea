//! What a holder of a lease can ask about it at any time.

use std::time::Instant;

use service::Clock;
use tokio::sync::watch;

/// Counts the ownerships of a lease: each is larger than all before it, whatever worker had them. It is the fencing
/// token for writes to other systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseEpoch(pub(crate) u64);

impl LeaseEpoch {
    /// The number.
    pub fn value(self) -> u64 {
        self.0
    }
}

/// Tells whether this worker still holds a lease. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LeaseGuard {
    epoch: LeaseEpoch,
    validity: watch::Receiver<Validity>,
    clock: Clock,
}

/// How long a lease is known to be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validity {
    /// Nobody else may take it before then, by `Clock::now` of this process.
    Until(Instant),
    /// It is not ours any more.
    Lost,
}

impl LeaseGuard {
    pub(crate) fn new(epoch: LeaseEpoch, validity: watch::Receiver<Validity>, clock: Clock) -> Self {
        Self { epoch, validity, clock }
    }

    /// Which ownership this is.
    pub fn epoch(&self) -> LeaseEpoch {
        self.epoch
    }

    /// Whether no other worker can have taken the lease yet. The time counts for which this machine was suspended.
    pub fn is_valid(&self) -> bool {
        match *self.validity.borrow() {
            Validity::Until(end) => self.clock.now() < end,
            Validity::Lost => false,
        }
    }

    /// Waits until the lease is lost, to stop work whose effect nobody would use.
    ///
    /// # Cancellation
    ///
    /// Dropping the future only stops the waiting.
    pub async fn lost(&self) {
        let mut validity = self.validity.clone();
        loop {
            let end = match *validity.borrow_and_update() {
                Validity::Until(end) => end,
                Validity::Lost => return,
            };
            tokio::select! {
                biased;
                changed = validity.changed() => if changed.is_err() { return },
                () = self.clock.sleep_until(Some(end)) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, SystemTime};

    use futures::FutureExt as _;
    use futures::future::BoxFuture;
    use service::ClockSource;

    use super::*;

    /// The system's clocks, on a machine that was suspended for so many seconds.
    #[derive(Debug, Default)]
    struct Suspended(Arc<AtomicU64>);

    impl ClockSource for Suspended {
        fn monotonic(&self) -> Instant {
            Clock::default().monotonic()
        }

        fn suspended(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::SeqCst))
        }

        fn wall(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            Clock::default().sleep(duration).boxed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_lost_while_the_machine_is_suspended() {
        let suspended = Arc::default();
        let clock = Clock::of(Arc::new(Suspended(Arc::clone(&suspended))));
        let until = clock.now() + Duration::from_secs(10);
        let (_renewer, validity) = watch::channel(Validity::Until(until));
        let guard = LeaseGuard::new(LeaseEpoch(1), validity, clock.clone());
        clock.sleep(Duration::from_secs(1)).await;
        assert!(guard.is_valid());
        suspended.store(60, Ordering::SeqCst);
        assert!(!guard.is_valid());
        assert_eq!(guard.lost().now_or_never(), Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_the_loss_of_a_lease_ends_when_the_lease_does() {
        let clock = Clock::default();
        let (renewer, validity) = watch::channel(Validity::Until(clock.now() + Duration::from_secs(10)));
        let guard = LeaseGuard::new(LeaseEpoch(1), validity, clock.clone());
        let began = clock.monotonic();
        guard.lost().await;
        let waited = clock.monotonic() - began;
        assert!(
            waited >= Duration::from_secs(10) && waited < Duration::from_secs(11),
            "{waited:?}"
        );
        renewer.send_replace(Validity::Lost);
        assert_eq!(guard.lost().now_or_never(), Some(()));
    }
}
