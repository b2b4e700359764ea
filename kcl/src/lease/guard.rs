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
