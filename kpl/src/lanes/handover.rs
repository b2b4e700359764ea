//! The way from the lanes to the driver, in the order in which the lanes sealed.

use std::collections::VecDeque;
use std::time::Instant;

use tokio::sync::Notify;

use crate::lanes::aggregate::SealedAggregate;
use crate::lanes::sealing::{Pledge, Unframed};
use crate::routing::shard_map::Epoch;
use crate::sync::{Mutex, lock};

/// The way from the lanes to the driver. The budget bounds it: each item stands for records that are charged, or for a
/// lane that is armed.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    queue: Mutex<VecDeque<Item>>,
    wake: Notify,
}

/// What a lane has put into the queue.
#[derive(Debug)]
enum Item {
    Sealed(Pledge),
    Armed { lane: usize, deadline: Instant },
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

impl Item {
    /// The shard map by which it was sealed. What comes without one concerns the lanes in use, and goes last.
    fn epoch(&self) -> (bool, Option<Epoch>) {
        match self {
            Self::Sealed(pledge) => (false, pledge.epoch()),
            Self::Armed { .. } => (true, None),
        }
    }

    fn is_free(&self) -> bool {
        match self {
            Self::Sealed(pledge) => pledge.is_free(),
            Self::Armed { .. } => true,
        }
    }

    /// What the driver gets of it, after waiting for whoever is framing it.
    fn take(self) -> Option<Handed> {
        match self {
            Self::Sealed(pledge) => pledge.take().map(Handed::Sealed),
            Self::Armed { lane, deadline } => Some(Handed::Armed { lane, deadline }),
        }
    }
}

impl Handover {
    /// Gives a sealed aggregate its place; the lane's lock is held. The driver is woken once it is framed.
    pub(super) fn push_sealed(&self, unframed: Unframed) -> Pledge {
        let pledge = Pledge::new(unframed);
        lock(&self.queue).push_back(Item::Sealed(pledge.clone()));
        pledge
    }

    /// Frames an aggregate that has its place, and wakes the driver; the lane's lock is not held.
    pub(super) fn finish(&self, pledge: &Pledge) {
        pledge.frame();
        self.wake.notify_one();
    }

    /// Tells the driver a deadline.
    pub(super) fn push_armed(&self, lane: usize, deadline: Instant) {
        lock(&self.queue).push_back(Item::Armed { lane, deadline });
        self.wake.notify_one();
    }

    /// Wakes the driver without handing anything over.
    pub(crate) fn nudge(&self) {
        self.wake.notify_one();
    }

    /// Takes what was handed over, oldest first, up to an aggregate that somebody is framing right now: the driver has
    /// other things to do, and is woken again.
    pub(crate) fn take_ready(&self) -> Vec<Handed> {
        let mut ready = Vec::new();
        let mut queue = lock(&self.queue);
        while let Some(item) = queue.pop_front_if(|item| item.is_free()) {
            ready.push(item);
        }
        drop(queue);
        ready.into_iter().filter_map(Item::take).collect()
    }

    /// Takes everything that was handed over, oldest first, after waiting for whoever is framing some of it.
    pub(crate) fn take_all(&self) -> Vec<Handed> {
        let all = std::mem::take(&mut *lock(&self.queue));
        all.into_iter().filter_map(Item::take).collect()
    }

    /// As [`take_all`](Self::take_all), and what lanes of an older shard map sealed goes first: callers may have filled
    /// the lanes in their place before they were retired, with records that were put later.
    pub(crate) fn take_all_by_epoch(&self) -> Vec<Handed> {
        let mut all: Vec<Item> = std::mem::take(&mut *lock(&self.queue)).into();
        all.sort_by_key(Item::epoch);
        all.into_iter().filter_map(Item::take).collect()
    }

    /// What was sealed first of what the driver has not taken.
    #[cfg(test)]
    #[cfg(not(feature = "_loom"))]
    pub(super) fn first_pledge(&self) -> Option<Pledge> {
        let queue = lock(&self.queue);
        queue.iter().find_map(|item| match item {
            Item::Sealed(pledge) => Some(pledge.clone()),
            Item::Armed { .. } => None,
        })
    }

    /// Waits until something was handed over since the last wait. Dropping the future loses nothing.
    pub(crate) async fn handed(&self) {
        self.wake.notified().await;
    }
}
