//! What the consumer of a lease, and the application, can ask about it at any time.

use std::time::Instant;

use tokio::sync::watch;

use crate::clock;
use crate::lease::ownership::{Drain, End};

/// Counts the ownerships of a lease, whatever workers have them: each is larger than all before it.
///
/// It is the fencing token for writes to other systems. It stays larger than all before it if the lease's row is deleted and
/// made again, unless the row was made by a KCL in Java and never held by this library since.
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
    state: watch::Receiver<LeaseState>,
}

/// What is known of one ownership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeaseState {
    /// Nobody else may take the lease before then, by this process's clock.
    pub(crate) valid_until: Instant,
    pub(crate) signal: Signal,
}

/// What the consumer of a lease is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Read.
    Run,
    /// Finish the batch at hand, and give the lease up.
    Drain(Drain),
    /// Stop: the ownership has ended.
    Lost(End),
}

impl LeaseGuard {
    pub(crate) fn new(epoch: LeaseEpoch, state: watch::Receiver<LeaseState>) -> Self {
        Self { epoch, state }
    }

    /// Which ownership this is.
    pub fn epoch(&self) -> LeaseEpoch {
        self.epoch
    }

    /// Whether no other worker can have taken the lease yet.
    pub fn is_valid(&self) -> bool {
        !matches!(self.signal(), Signal::Lost(_))
    }

    /// Waits until the lease is lost, to stop work whose effect would be discarded.
    ///
    /// # Cancellation
    ///
    /// Dropping the future only stops the waiting.
    pub async fn lost(&self) {
        self.until(|signal| matches!(signal, Signal::Lost(_))).await;
    }

    /// What the consumer is to do at this moment.
    pub(crate) fn signal(&self) -> Signal {
        self.state.borrow().at(clock::now())
    }

    /// Waits until the consumer is to do something else than read.
    ///
    /// # Cancellation
    ///
    /// Dropping the future only stops the waiting.
    pub(crate) async fn interrupted(&self) -> Signal {
        self.until(|signal| *signal != Signal::Run).await
    }

    async fn until(&self, is_it: impl Fn(&Signal) -> bool) -> Signal {
        let mut state = self.state.clone();
        loop {
            let now = clock::now();
            let (signal, lapse) = {
                let state = state.borrow_and_update();
                (state.at(now), state.valid_until)
            };
            if is_it(&signal) {
                return signal;
            }
            tokio::select! {
                biased;
                changed = state.changed() => if changed.is_err() {
                    // Who kept the lease has ended, and renews it no more.
                    return Signal::Lost(End::Lapsed);
                },
                () = clock::sleep_until(Some(lapse)) => {}
            }
        }
    }
}

impl LeaseState {
    /// The signal at `now`: a lapse counts, though nobody may have told of it yet.
    fn at(&self, now: Instant) -> Signal {
        match &self.signal {
            Signal::Run | Signal::Drain(_) if now >= self.valid_until => Signal::Lost(End::Lapsed),
            signal => signal.clone(),
        }
    }
}
