//! Pure: records whose time is over are given back, wherever they wait.
//!
//! Nothing that has expired is sent: each hand-over to the next stage looks at the time. What waits in a stage is looked
//! through when the first of it has expired.

use std::time::Instant;

use crate::error::PutErrorKind;
use crate::lanes::aggregate::{Parted, SealedAggregate};
use crate::limits::EXPIRY_RESOLUTION;
use crate::pipeline::{Pipeline, Stored};

/// When to look through what waits.
#[derive(Debug, Default)]
pub(crate) struct ExpiryWatch {
    look_at: Option<Instant>,
}

impl ExpiryWatch {
    /// Makes sure that the expiry of `aggregate` is noticed.
    pub(in crate::pipeline) fn enter(&mut self, aggregate: &SealedAggregate) {
        let look_at = aggregate.expires_at().map(|at| at + EXPIRY_RESOLUTION);
        self.look_at = [self.look_at, look_at].into_iter().flatten().min();
    }

    /// When to look next.
    pub(in crate::pipeline) fn next_at(&self) -> Option<Instant> {
        self.look_at
    }
}

impl Pipeline {
    /// What is left of `aggregate` without the records whose time is over; these are given back.
    pub(in crate::pipeline) fn unexpired(
        &mut self,
        mut aggregate: SealedAggregate,
        now: Instant,
    ) -> Option<SealedAggregate> {
        let mut lanes_held = std::mem::take(&mut aggregate.lanes_held);
        let generation = aggregate.generation;
        let Parted { expired, mut alive } = aggregate.part_expired(now);
        match &mut alive {
            Some(alive) => alive.lanes_held = lanes_held,
            None => self.released.append(&mut lanes_held),
        }
        if let Some(expired) = expired {
            if alive.is_some() {
                self.outstanding.split(generation, 2);
            }
            self.fail(expired, PutErrorKind::Expired);
        }
        alive
    }

    /// Looks through everything that waits, if it is time to.
    pub(in crate::pipeline) fn expire_waiting(&mut self, now: Instant) {
        if self.expiry_watch.look_at.is_none_or(|at| at > now) {
            return;
        }
        self.expiry_watch = ExpiryWatch::default();
        let unrouted = std::mem::take(&mut self.unrouted);
        self.unrouted = self.all_unexpired(unrouted, now);
        for (key, aggregate) in std::mem::take(&mut self.retries) {
            let left = self.all_unexpired([aggregate], now).pop();
            self.retries.extend(left.map(|left| (key, left)));
        }
        for suspects in std::mem::take(&mut self.suspects) {
            let left = self.all_unexpired(suspects, now);
            self.suspects.extend((!left.is_empty()).then_some(left));
        }
        for (destination, queue) in self.limiter.take_queues() {
            let left = self.all_unexpired(queue, now);
            self.limiter.restore(&destination, left, now);
        }
        self.expire_unjudged(now);
        self.expire_gathered(now);
    }

    fn expire_gathered(&mut self, now: Instant) {
        let Some(deadline) = self.collector.deadline() else {
            return;
        };
        let gathered = self.collector.take();
        for left in self.all_unexpired(gathered, now) {
            self.collector.push(left, now);
        }
        self.collector.hurry(deadline);
    }

    /// One that was stored, though perhaps where nobody will read it, counts as maybe stored.
    fn expire_unjudged(&mut self, now: Instant) {
        for stored in std::mem::take(&mut self.unjudged) {
            if stored.aggregate.expires_at().is_some_and(|at| at < now) {
                let left = self.unexpired(Stored::misplaced(stored), now);
                left.into_iter().for_each(|left| self.retry(left, now));
            } else {
                self.expiry_watch.enter(&stored.aggregate);
                self.unjudged.push(stored);
            }
        }
    }

    fn all_unexpired(
        &mut self,
        aggregates: impl IntoIterator<Item = SealedAggregate>,
        now: Instant,
    ) -> Vec<SealedAggregate> {
        let mut left = Vec::new();
        for aggregate in aggregates {
            left.extend(self.unexpired(aggregate, now));
        }
        left.iter().for_each(|aggregate| self.expiry_watch.enter(aggregate));
        left
    }
}
