//! The way from the lanes to the driver, in the order in which the lanes sealed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::Notify;

use crate::lanes::aggregate::SealedAggregate;
use crate::lanes::sealing::{Claimed, Pledge, Unframed};
use crate::sync::{Mutex, lock};

/// The way from the lanes to the driver. The budget bounds it: each item stands for records that are charged, or for a
/// lane that is armed.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    queue: Mutex<VecDeque<Item>>,
    wake: Notify,
    /// How many lanes there were, one after the other.
    generations: AtomicU64,
}

/// Lanes that replace others have a larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneGeneration(u64);

/// What a lane has put into the queue.
#[derive(Debug)]
enum Item {
    Sealed { pledge: Pledge, lanes: LaneGeneration },
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
    /// Whose it is. Deadlines concern the lanes in use, and go last.
    fn generation(&self) -> (bool, Option<LaneGeneration>) {
        match self {
            Self::Sealed { lanes, .. } => (false, Some(*lanes)),
            Self::Armed { .. } => (true, None),
        }
    }

    /// Takes what is inside, unless another thread frames it.
    fn try_claim(&self) -> Option<Taken> {
        match self {
            Self::Sealed { pledge, .. } => pledge.try_claim().map(Taken::Sealed),
            Self::Armed { lane, deadline } => Some(Taken::Armed {
                lane: *lane,
                deadline: *deadline,
            }),
        }
    }

    /// Takes what is inside. Blocks while another thread frames it.
    fn claim(self) -> Taken {
        match self {
            Self::Sealed { pledge, .. } => Taken::Sealed(pledge.claim()),
            Self::Armed { lane, deadline } => Taken::Armed { lane, deadline },
        }
    }
}

/// What was taken out of the queue, framed or not.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all items are the large one; a box each would only cost"
)]
enum Taken {
    Sealed(Claimed),
    Armed { lane: usize, deadline: Instant },
}

impl Taken {
    fn hand_over(self) -> Option<Handed> {
        match self {
            Self::Sealed(claimed) => claimed.framed().map(Handed::Sealed),
            Self::Armed { lane, deadline } => Some(Handed::Armed { lane, deadline }),
        }
    }
}

/// Wakes the driver, also when framing panics.
struct Waking<'a>(&'a Notify);

impl Drop for Waking<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Handover {
    /// The generation of lanes that are made now.
    pub(super) fn next_generation(&self) -> LaneGeneration {
        LaneGeneration(self.generations.fetch_add(1, Ordering::Relaxed))
    }

    /// Gives an aggregate that `lanes` sealed its place; the lane's lock is held. The driver is woken once it is framed.
    pub(super) fn push_sealed(&self, lanes: LaneGeneration, unframed: Unframed) -> Pledge {
        let pledge = Pledge::new(unframed);
        let item = Item::Sealed {
            pledge: pledge.clone(),
            lanes,
        };
        lock(&self.queue).push_back(item);
        pledge
    }

    /// Frames an aggregate that has its place, and wakes the driver; the lane's lock is not held.
    pub(super) fn finish(&self, pledge: &Pledge) {
        let _waking = Waking(&self.wake);
        pledge.frame();
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

    /// Takes what was handed over, oldest first, up to an aggregate that another thread frames: the driver is woken again when
    /// that is done.
    pub(crate) fn take_ready(&self) -> Vec<Handed> {
        let mut ready = Vec::new();
        let mut queue = lock(&self.queue);
        while let Some(taken) = queue.front().and_then(Item::try_claim) {
            queue.pop_front();
            ready.push(taken);
        }
        drop(queue);
        ready.into_iter().filter_map(Taken::hand_over).collect()
    }

    /// Takes everything that was handed over, oldest first. Blocks while another thread frames an aggregate, for as long as one
    /// hash takes.
    pub(crate) fn take_all(&self) -> Vec<Handed> {
        let all = std::mem::take(&mut *lock(&self.queue));
        all.into_iter().map(Item::claim).filter_map(Taken::hand_over).collect()
    }

    /// As [`take_all`](Self::take_all), and what lanes sealed that were replaced goes first: callers may have filled the lanes
    /// in their place before they were retired, with records that were put later.
    pub(crate) fn take_all_by_lanes(&self) -> Vec<Handed> {
        let mut all: Vec<Item> = std::mem::take(&mut *lock(&self.queue)).into();
        all.sort_by_key(Item::generation);
        all.into_iter().map(Item::claim).filter_map(Taken::hand_over).collect()
    }

    /// What was sealed first of what the driver has not taken.
    #[cfg(test)]
    #[cfg(not(feature = "_loom"))]
    pub(super) fn first_pledge(&self) -> Option<Pledge> {
        let queue = lock(&self.queue);
        queue.iter().find_map(|item| match item {
            Item::Sealed { pledge, .. } => Some(pledge.clone()),
            Item::Armed { .. } => None,
        })
    }

    /// Waits until something was handed over since the last wait. Dropping the future loses nothing.
    pub(crate) async fn handed(&self) {
        self.wake.notified().await;
    }
}
