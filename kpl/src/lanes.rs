//! The lanes of one routing: where callers' threads and the driver meet.
//!
//! A lock is held for one append or one seal and never across an `.await`. What a lane seals gets its place in the queue
//! under that same lock, so that two sealers cannot swap, and is framed and hashed after it. When the routing changes, the
//! driver publishes new lanes first and retires these second; a caller that still meets them finds them retired and loads the
//! new ones.
//!
//! `lane` is the open aggregate of one shard, in `buffers` that lanes share, and `contents` are its records in numbers;
//! `sealing` makes an `aggregate` of it, `refused` tells since when the service does not get that; `handover` brings it to the
//! driver. `count` is what was put into a lane, `intake` into all.

pub(crate) mod aggregate;
pub(crate) mod buffers;
pub(crate) mod contents;
mod count;
mod handover;
pub(crate) mod intake;
pub(crate) mod lane;
pub(crate) mod refused;
pub(crate) mod sealing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregation::UserRecordRef;
use service::Clock;

use self::handover::LaneGeneration;
pub(crate) use self::handover::{Handed, Handover};
use crate::budget::{Budget, Permit};
use crate::lanes::buffers::Buffers;
use crate::lanes::contents::Volume;
use crate::lanes::count::LaneCount;
use crate::lanes::lane::{Lane, LaneLimits, Seat};
use crate::routing::Routing;
use crate::sync::{Mutex, MutexGuard, lock};

/// The lanes of a routing.
#[derive(Debug)]
pub(crate) struct Lanes {
    generation: LaneGeneration,
    routing: Routing,
    places: Vec<Place>,
    handover: Arc<Handover>,
    built: Instant,
}

/// A lane and its count, which is written under the lane's lock and read without it.
#[derive(Debug)]
struct Place {
    slot: Mutex<Slot>,
    count: LaneCount,
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
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) handover: Arc<Handover>,
    pub(crate) clock: Clock,
    /// When the producer was built.
    pub(crate) built: Instant,
}

/// The lanes were retired: load the ones that replaced them.
#[derive(Debug)]
pub(crate) struct Retired<'a>(pub(crate) Permit<'a>);

impl Lanes {
    /// Empty lanes for `routing`.
    pub(crate) fn new(routing: Routing, template: &LaneTemplate) -> Self {
        let LaneTemplate {
            stream,
            limits,
            budget,
            buffers,
            ..
        } = template;
        let limits = LaneLimits {
            max_count: routing.max_count(limits.max_count),
            ..limits.clone()
        };
        let place = |target| {
            let limits = LaneLimits {
                max_count: routing.max_count_for(Option::as_ref(&target), limits.max_count),
                ..limits.clone()
            };
            let lane = Lane::new(Arc::clone(stream), target, limits, budget.clone(), Arc::clone(buffers));
            let slot = Mutex::new(Slot {
                lane,
                state: State::Open,
                armed: false,
            });
            let count = LaneCount::default();
            Place { slot, count }
        };
        let places = routing.targets().into_iter().map(place).collect();
        Self {
            generation: template.handover.next_generation(),
            routing,
            places,
            handover: Arc::clone(&template.handover),
            built: template.built,
        }
    }

    /// Lanes that take nothing: those of a producer that was shut down.
    pub(crate) fn closed(template: &LaneTemplate) -> Self {
        Self {
            generation: template.handover.next_generation(),
            routing: Routing::Undecided,
            places: Vec::new(),
            handover: Arc::clone(&template.handover),
            built: template.built,
        }
    }

    /// Whether these are the lanes of a producer that was shut down.
    pub(crate) fn are_closed(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether a record without a partition key may enter.
    pub(crate) fn admit_records_without_key(&self) -> bool {
        self.routing.admits_records_without_key()
    }

    /// Appends a record to the lane of its shard.
    ///
    /// # Errors
    ///
    /// [`Retired`], with the permit in it, if these lanes are no longer in use.
    pub(crate) fn append<'a>(
        &self,
        record: &UserRecordRef<'_>,
        permit: Permit<'a>,
        now: Instant,
    ) -> Result<Seat, Retired<'a>> {
        let index = self.routing.lane_of(record.hash_key);
        let Some(Place { slot, count }) = self.places.get(index) else {
            return Err(Retired(permit));
        };
        let mut slot = lock(slot);
        if slot.state == State::Retired {
            return Err(Retired(permit));
        }
        let (handover, generation) = (&self.handover, self.generation);
        let mut pledges = Vec::new();
        let begun = slot.lane.contents().put_at();
        // Before the driver can have it: nothing is delivered that was not put.
        count.add(record.data.len() + record.partition_key.len());
        let seat = slot.lane.append(record, permit, now, |sealed| {
            pledges.push(handover.push_sealed(generation, sealed))
        });
        let begins = slot.lane.contents().put_at();
        if begins != begun {
            count.begin(begins.map(|at| self.since_built(at)));
        }
        if !slot.armed
            && let Some(deadline) = slot.lane.deadline()
        {
            slot.armed = true;
            handover.push_armed(index, deadline);
        }
        drop(slot);
        pledges.iter().for_each(|pledge| handover.finish(pledge));
        Ok(seat)
    }

    /// Seals lane `index` if its deadline is no later than `by`; otherwise returns the deadline to come back at.
    pub(crate) fn seal_if_due(&self, index: usize, by: Instant) -> Option<Instant> {
        let place = self.places.get(index)?;
        let mut slot = lock(&place.slot);
        match slot.lane.deadline() {
            Some(deadline) if deadline > by => Some(deadline),
            _ => {
                slot.armed = false;
                self.seal(place, slot);
                None
            }
        }
    }

    /// Seals every lane, as `flush` does.
    pub(crate) fn seal_all(&self) {
        for place in &self.places {
            self.seal(place, lock(&place.slot));
        }
    }

    /// Seals every lane for good: no record enters after this returns.
    pub(crate) fn retire(&self) {
        for place in &self.places {
            let mut slot = lock(&place.slot);
            slot.state = State::Retired;
            self.seal(place, slot);
        }
    }

    /// What was put into these lanes. It locks none of them.
    pub(crate) fn volume(&self) -> Volume {
        self.places.iter().map(|place| place.count.volume()).sum()
    }

    /// When the oldest open aggregate was begun. It locks no lane, and looks at each: not for every step.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        let begun = self.places.iter().filter_map(|place| place.count.begun()).min()?;
        self.built.checked_add(begun)
    }

    fn seal(&self, place: &Place, mut slot: MutexGuard<'_, Slot>) {
        let sealed = slot.lane.seal();
        if let Some(sealed) = sealed {
            let pledge = self.handover.push_sealed(self.generation, sealed);
            place.count.begin(None);
            drop(slot);
            self.handover.finish(&pledge);
        }
    }

    fn since_built(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.built)
    }
}

#[cfg(test)]
#[cfg(feature = "_loom")]
mod loom_tests;

#[cfg(all(test, not(feature = "_loom")))]
mod tests;
