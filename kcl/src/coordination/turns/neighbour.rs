//! Pure: the lease of another worker by which a worker of a large fleet notices that others die.
//!
//! The neighbour is the worker that is next in rank and has a lease. Its lease is read once in each slot. If the lease stands
//! still for longer than its owner takes to renew it, the turn of this worker begins at once, so that the deaths of others are seen
//! too. It does not begin again within a second scan and some time: the scans of one turn show all that died before them.

use std::time::{Duration, Instant};

use super::{SLOTS, Turns};
use crate::lease::model::{LeaseKey, WorkerId};

/// From a turn to the next one that a neighbour begins, as a part of the failover time, in percent.
///
/// Our choice: a worker that died just after the second scan is not seen before, and a tenth of the failover time counts.
const REST_PERCENT: u32 = 60;

/// What is read of the neighbour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Neighbour {
    worker: WorkerId,
    lease: LeaseKey,
    next_at: Instant,
}

impl Neighbour {
    pub(super) fn next_at(&self) -> Instant {
        self.next_at
    }

    pub(super) fn key(&self) -> &LeaseKey {
        &self.lease
    }
}

impl Turns {
    /// Finds the neighbour by what was read last, and begins the turn of this worker if the neighbour seems dead.
    pub(super) fn look_at_neighbour(&mut self, now: Instant) {
        if self.turn().of <= SLOTS {
            self.neighbour = None;
            return;
        }
        if self.neighbour.as_ref().is_some_and(|it| self.stands_still(&it.lease)) && self.has_rested(now) {
            self.next_turn = now;
        }
        let slot: Duration = self.policy.failover / SLOTS;
        let found = self.find_neighbour();
        self.neighbour = found.map(|(worker, lease)| Neighbour {
            next_at: match self.neighbour.as_ref().map(|before| before.next_at) {
                Some(next_at) if next_at > now => next_at,
                Some(_) | None => now + slot,
            },
            worker,
            lease,
        });
    }

    /// The next worker in rank that has a lease, and its lease: the same one as long as it has it.
    fn find_neighbour(&self) -> Option<(WorkerId, LeaseKey)> {
        if let Some(Neighbour { worker, lease, .. }) = &self.neighbour {
            let is_alive = self.members.taking_turns().any(|other| other == worker);
            let owner = self.watch.get(lease).and_then(|watched| watched.lease.actual_owner());
            if is_alive && owner == Some(worker) {
                return Some((worker.clone(), lease.clone()));
            }
        }
        let workers: Vec<_> = self.members.taking_turns().collect();
        let (before, behind): (Vec<_>, Vec<_>) = workers.into_iter().partition(|worker| **worker <= self.me);
        let others = behind.into_iter().chain(before).filter(|worker| **worker != self.me);
        let lease_of = |worker: &WorkerId| {
            let mut leases = self.watch.leases().filter(|watched| watched.expired.is_none());
            let found =
                leases.find(|watched| watched.lease.actual_owner() == Some(worker) && !watched.lease.is_finished());
            Some((worker.clone(), found?.lease.key.clone()))
        };
        others.into_iter().find_map(lease_of)
    }

    fn stands_still(&self, key: &LeaseKey) -> bool {
        self.watch
            .get(key)
            .is_some_and(|watched| watched.stands_still(self.watch.stillness()))
    }

    fn has_rested(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_turn) > self.policy.failover * REST_PERCENT / 100
    }
}
