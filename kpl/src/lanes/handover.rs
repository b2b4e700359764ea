//! The way from the lanes to the driver.

use std::collections::VecDeque;
use std::time::Instant;

use tokio::sync::Notify;

use crate::lanes::aggregate::SealedAggregate;
use crate::routing::shard_map::Epoch;
use crate::sync::{Mutex, lock};

/// The way from the lanes to the driver. The budget bounds it: each item stands for records that are charged, or for a
/// lane that is armed.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    queue: Mutex<VecDeque<Handed>>,
    wake: Notify,
}

/// What a lane tells the driver.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all items are the large one; a box each would only cost"
)]
pub(crate) enum Handed {
    /// An aggregate that is ready to go.
    Sealed(SealedAggregate),
    /// A lane has records that must leave by the deadline.
    Armed {
        /// The lane's place.
        lane: usize,
        /// When its oldest record has waited long enough.
        deadline: Instant,
    },
}

impl Handed {
    /// The shard map by which it was sealed. What comes without one concerns the lanes in use, and goes last.
    fn epoch(&self) -> (bool, Option<Epoch>) {
        match self {
            Self::Sealed(aggregate) => (false, aggregate.target.as_ref().map(|target| target.epoch)),
            Self::Armed { .. } => (true, None),
        }
    }
}

impl Handover {
    pub(super) fn push(&self, item: Handed) {
        lock(&self.queue).push_back(item);
        self.wake.notify_one();
    }

    /// Wakes the driver without handing anything over.
    pub(crate) fn nudge(&self) {
        self.wake.notify_one();
    }

    /// Takes everything that was handed over, oldest first.
    pub(crate) fn take_all(&self) -> VecDeque<Handed> {
        std::mem::take(&mut *lock(&self.queue))
    }

    /// As [`take_all`](Self::take_all), and what lanes of an older shard map sealed goes first: callers may have filled
    /// the lanes in their place before they were retired, with records that were put later.
    pub(crate) fn take_all_by_epoch(&self) -> Vec<Handed> {
        let mut handed: Vec<Handed> = self.take_all().into();
        handed.sort_by_key(Handed::epoch);
        handed
    }

    /// Waits until something was handed over since the last wait. Dropping the future loses nothing.
    pub(crate) async fn handed(&self) {
        self.wake.notified().await;
    }
}
