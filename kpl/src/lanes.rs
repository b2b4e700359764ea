//! The lanes of one routing: where callers' threads and the driver meet.
//!
//! A lock is held for one append or one seal and never across an `.await`. What a lane seals is handed over under that
//! same lock, so that two sealers cannot swap. When the routing changes, the driver publishes new lanes first and
//! retires these second; a caller that still meets them finds them retired and loads the new ones.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use aggregation::UserRecordRef;
use tokio::sync::Notify;

use crate::aggregate::SealedAggregate;
use crate::budget::{Budget, Charge};
use crate::lane::{Lane, LaneLimits, Seat};
use crate::routing::Routing;
use crate::shard_map::Epoch;
use crate::sync::{Mutex, lock};

/// The lanes of a routing.
#[derive(Debug)]
pub(crate) struct Lanes {
    routing: Routing,
    slots: Vec<Mutex<Slot>>,
    handover: Arc<Handover>,
}

#[derive(Debug)]
struct Slot {
    lane: Lane,
    state: State,
    /// Whether the driver has been told a deadline and has not come back for it.
    armed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Retired,
}

/// What every lane of a producer is made of.
#[derive(Debug, Clone)]
pub(crate) struct LaneTemplate {
    pub(crate) stream: Arc<str>,
    pub(crate) limits: LaneLimits,
    pub(crate) budget: Budget,
    pub(crate) handover: Arc<Handover>,
}

/// The lanes were retired: load the ones that replaced them.
#[derive(Debug)]
pub(crate) struct Retired(pub(crate) Charge);

impl Lanes {
    /// Empty lanes for `routing`.
    pub(crate) fn new(routing: Routing, template: &LaneTemplate) -> Self {
        let LaneTemplate {
            stream, limits, budget, ..
        } = template;
        let limits = LaneLimits {
            max_count: routing.max_count(limits.max_count),
            ..limits.clone()
        };
        let slot = |target| {
            let lane = Lane::new(Arc::clone(stream), target, limits.clone(), budget.clone());
            Mutex::new(Slot {
                lane,
                state: State::Open,
                armed: false,
            })
        };
        let slots = routing.targets().into_iter().map(slot).collect();
        Self {
            routing,
            slots,
            handover: Arc::clone(&template.handover),
        }
    }

    /// Lanes that take nothing: those of a producer that was shut down.
    pub(crate) fn closed(template: &LaneTemplate) -> Self {
        Self {
            routing: Routing::Undecided,
            slots: Vec::new(),
            handover: Arc::clone(&template.handover),
        }
    }

    /// Whether these are the lanes of a producer that was shut down.
    pub(crate) fn are_closed(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether a record without a partition key may enter.
    pub(crate) fn admit_records_without_key(&self) -> bool {
        self.routing.admits_records_without_key()
    }

    /// Appends a record to the lane of its shard.
    ///
    /// # Errors
    ///
    /// [`Retired`], with the charge given back, if these lanes are no longer in use.
    pub(crate) fn append(&self, record: &UserRecordRef<'_>, charge: Charge, now: Instant) -> Result<Seat, Retired> {
        let index = self.routing.lane_of(record.hash_key);
        let Some(slot) = self.slots.get(index) else {
            return Err(Retired(charge));
        };
        let mut slot = lock(slot);
        if slot.state == State::Retired {
            return Err(Retired(charge));
        }
        let handover = &self.handover;
        let seat = slot
            .lane
            .append(record, charge, now, |sealed| handover.push(Handed::Sealed(sealed)));
        if !slot.armed
            && let Some(deadline) = slot.lane.deadline()
        {
            slot.armed = true;
            handover.push(Handed::Armed { lane: index, deadline });
        }
        Ok(seat)
    }

    /// Seals lane `index` if its deadline has come; otherwise returns the deadline to come back at.
    pub(crate) fn seal_if_due(&self, index: usize, now: Instant) -> Option<Instant> {
        let mut slot = lock(self.slots.get(index)?);
        match slot.lane.deadline() {
            Some(deadline) if deadline > now => Some(deadline),
            _ => {
                slot.armed = false;
                self.hand_over(slot.lane.seal());
                None
            }
        }
    }

    /// Seals every lane, as `flush` does.
    pub(crate) fn seal_all(&self) {
        for slot in &self.slots {
            self.hand_over(lock(slot).lane.seal());
        }
    }

    /// Seals every lane for good: no record enters after this returns.
    pub(crate) fn retire(&self) {
        for slot in &self.slots {
            let mut slot = lock(slot);
            slot.state = State::Retired;
            self.hand_over(slot.lane.seal());
        }
    }

    fn hand_over(&self, sealed: Option<SealedAggregate>) {
        if let Some(sealed) = sealed {
            self.handover.push(Handed::Sealed(sealed));
        }
    }
}

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
    pub(crate) fn epoch(&self) -> (bool, Option<Epoch>) {
        match self {
            Self::Sealed(aggregate) => (false, aggregate.target.as_ref().map(|target| target.epoch)),
            Self::Armed { .. } => (true, None),
        }
    }
}

impl Handover {
    fn push(&self, item: Handed) {
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

    /// Waits until something was handed over since the last wait. Dropping the future loses nothing.
    pub(crate) async fn handed(&self) {
        self.wake.notified().await;
    }
}

#[cfg(test)]
#[cfg(feature = "_loom")]
mod loom_tests;
