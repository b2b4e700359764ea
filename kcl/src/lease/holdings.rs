//! Pure: the leases that one worker holds, and which of them has something to do next.
//!
//! Work is indexed by its time, so an event costs O(log n) of the number of leases.
//!
//! A key stays *occupied* until both have ended: the ownership, and the consumer that read for it. Until then the lease is
//! not adopted again: two processors of one shard would run side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use service::{Jitter, RetryDelays};

use crate::checkpoint::position::Position;
use crate::lease::guard::LeaseEpoch;
use crate::lease::model::{IdlePosition, Lease, LeaseKey, PendingCheckpoint, WorkerId};
use crate::lease::ownership::{Drain, Effect, Listing, Ownership, Terms, Waiter};
use crate::lease::write::{LeaseWrite, WriteOutcome};
#[cfg(feature = "_simulation")]
use crate::planted_bugs::PlantedBug;
use crate::stream::{Incarnation, ShardId};

/// The held leases. A `W` waits for an answer.
#[derive(Debug)]
pub(crate) struct Holdings<W> {
    worker: WorkerId,
    terms: Terms,
    delays: RetryDelays,
    rng: fastrand::Rng,
    entries: BTreeMap<LeaseKey, Entry<W>>,
    due: BTreeSet<(Instant, LeaseKey)>,
    /// Why every consumer is asked to finish, if they are.
    drain: Option<Drain>,
}

#[derive(Debug)]
struct Entry<W> {
    epoch: LeaseEpoch,
    /// `None` once it has ended.
    ownership: Option<Ownership<W>>,
    consumer: Consumer,
    /// Its place in the index.
    due: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Consumer {
    Running,
    Ended,
}

/// Which ownership of which lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnershipId {
    pub(crate) key: LeaseKey,
    pub(crate) epoch: LeaseEpoch,
}

/// A request of the holder of an ownership.
#[derive(Debug)]
pub(crate) enum Request<W> {
    /// A checkpoint at this position.
    Checkpoint(Position, W),
    /// A prepared checkpoint.
    Prepare(PendingCheckpoint, W),
    /// The children of the shard, to be noted with the next write.
    Children(BTreeSet<ShardId>),
    /// The stream of the shard, to be noted with the next write.
    Stream(Incarnation),
    /// A time at which the shard had no records behind a checkpoint, to be noted with the next write.
    Idle(IdlePosition),
    /// To give the lease up: its consumer has finished.
    Leave(W),
    /// To give the lease up with its checkpoint at this position, also back.
    LeaveAt(Position, W),
}

/// A lease that was adopted.
#[derive(Debug)]
pub(crate) struct Adopted {
    pub(crate) id: OwnershipId,
    pub(crate) valid_until: Instant,
    pub(crate) drain: Option<Drain>,
}

impl<W: Waiter> Holdings<W> {
    pub(crate) fn new(worker: WorkerId, terms: Terms, mut rng: fastrand::Rng) -> Self {
        #[cfg(feature = "_simulation")]
        let terms = match PlantedBug::DeliverAfterExpiry.is_planted() {
            true => Terms {
                failover: terms.failover * 10,
                ..terms
            },
            false => terms,
        };
        // The first retry comes soon, and each lease is retried several times before it lapses.
        let waits = (terms.renewal / 10, terms.renewal / 2);
        Self {
            worker,
            terms,
            delays: RetryDelays::new(waits, Jitter::Half, rng.fork()),
            rng,
            entries: BTreeMap::new(),
            due: BTreeSet::new(),
            drain: None,
        }
    }

    /// Adds the lease of `row`, which this worker has just made its own by a write sent at `sent`.
    ///
    /// # Errors
    ///
    /// Gives the row back if the consumer of an earlier ownership of the lease still runs.
    pub(crate) fn adopt(&mut self, row: Lease, sent: Instant) -> Result<Adopted, Box<Lease>> {
        if self.entries.contains_key(&row.key) {
            return Err(Box::new(row));
        }
        let key = row.key.clone();
        // Leases that were taken together are renewed one after the other.
        let first_renewal = self.terms.renewal.mul_f64(0.5 + 0.5 * self.rng.f64());
        let mut ownership = Ownership::begin(self.worker.clone(), self.terms, row, sent, first_renewal);
        if let Some(drain) = &self.drain {
            ownership.drain(drain.clone());
        }
        let (epoch, valid_until) = (ownership.epoch(), ownership.valid_until());
        let entry = Entry {
            epoch,
            ownership: Some(ownership),
            consumer: Consumer::Running,
            due: None,
        };
        self.entries.insert(key.clone(), entry);
        self.reschedule(&key);
        Ok(Adopted {
            id: OwnershipId { key, epoch },
            valid_until,
            drain: self.drain.clone(),
        })
    }

    /// The keys that must not be taken: the keys of held leases, and of leases whose consumers still run.
    pub(crate) fn occupied(&self) -> BTreeSet<LeaseKey> {
        self.entries.keys().cloned().collect()
    }

    /// Whether no key is occupied.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Asks for something as the holder of `id`.
    ///
    /// # Errors
    ///
    /// Gives the waiter back if that ownership has ended.
    pub(crate) fn request(&mut self, id: &OwnershipId, request: Request<W>, now: Instant) -> Result<Vec<Effect<W>>, W> {
        let ownership = self
            .entries
            .get_mut(&id.key)
            .filter(|entry| entry.epoch == id.epoch)
            .and_then(|entry| entry.ownership.as_mut());
        let effects = match (ownership, request) {
            (Some(ownership), Request::Checkpoint(position, waiter)) => ownership.checkpoint(position, waiter, now),
            (Some(ownership), Request::Prepare(pending, waiter)) => ownership.prepare(pending, waiter, now),
            (Some(ownership), Request::Leave(waiter)) => {
                ownership.leave(Some(waiter), now);
                Vec::new()
            }
            (Some(ownership), Request::LeaveAt(position, waiter)) => {
                ownership.leave_at(position, waiter, now);
                Vec::new()
            }
            (Some(ownership), Request::Children(children)) => {
                ownership.children(children);
                Vec::new()
            }
            (Some(ownership), Request::Stream(stream)) => {
                ownership.stream(stream);
                Vec::new()
            }
            (Some(ownership), Request::Idle(idle)) => {
                ownership.idle(idle);
                Vec::new()
            }
            (None, Request::Checkpoint(_, waiter) | Request::Prepare(_, waiter)) => return Err(waiter),
            (None, Request::Leave(waiter) | Request::LeaveAt(_, waiter)) => return Err(waiter),
            (None, Request::Children(_) | Request::Stream(_) | Request::Idle(_)) => Vec::new(),
        };
        self.reschedule(&id.key);
        Ok(effects)
    }

    /// Notes that the consumer of `id` has ended. Its lease is given up, if it is still held.
    pub(crate) fn consumer_ended(&mut self, id: &OwnershipId, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id.key).filter(|entry| entry.epoch == id.epoch) else {
            return;
        };
        #[cfg(feature = "_simulation")]
        if PlantedBug::RenewWithoutReader.is_planted() && entry.ownership.is_some() {
            return;
        }
        entry.consumer = Consumer::Ended;
        match &mut entry.ownership {
            Some(ownership) => ownership.leave(None, now),
            None => drop(self.entries.remove(&id.key)),
        }
        self.reschedule(&id.key);
    }

    /// Asks every consumer to finish, and those of leases that are adopted later.
    pub(crate) fn drain(&mut self, drain: &Drain) -> Vec<(LeaseKey, Effect<W>)> {
        self.drain = Some(drain.clone());
        let held = self
            .entries
            .iter_mut()
            .filter_map(|(key, entry)| Some((key, entry.ownership.as_mut()?)));
        let drained = held.flat_map(|(key, ownership)| {
            let effects = ownership.drain(drain.clone());
            effects.into_iter().map(|effect| (key.clone(), effect))
        });
        drained.collect()
    }

    /// When [`handle_timeout`](Self::handle_timeout) or [`poll_write`](Self::poll_write) has something to do next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Ends the ownerships of leases that others may have taken by now.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<(LeaseKey, Effect<W>)> {
        let due = self.due.iter().take_while(|(at, _)| *at <= now);
        let due: Vec<_> = due.map(|(_, key)| key.clone()).collect();
        let mut effects = Vec::new();
        for key in due {
            let ownership = self.entries.get_mut(&key).and_then(|entry| entry.ownership.as_mut());
            let of_lease = ownership
                .map(|ownership| ownership.handle_timeout(now))
                .unwrap_or_default();
            effects.extend(
                self.apply(&key, of_lease)
                    .into_iter()
                    .map(|effect| (key.clone(), effect)),
            );
        }
        effects
    }

    /// A write to make now, if any lease has one. Its outcome must be reported to [`handle_outcome`](Self::handle_outcome).
    /// `deferred` tells of a lease how far its consumer has come, if that is to go with the write.
    pub(crate) fn poll_write(
        &mut self,
        now: Instant,
        deferred: impl Fn(&LeaseKey) -> Option<Position>,
    ) -> Option<(OwnershipId, LeaseWrite)> {
        let (_, key) = self.due.first().filter(|(at, _)| *at <= now)?.clone();
        let entry = self.entries.get_mut(&key)?;
        let epoch = entry.epoch;
        let ownership = entry.ownership.as_mut()?;
        if let Some(position) = deferred(&key) {
            ownership.defer(position);
        }
        let made_again = ownership.poll_made_again(now);
        let write = match made_again {
            Some(lease) => Some(LeaseWrite::MakeAgain { lease }),
            None => ownership.poll_write(now).map(LeaseWrite::Owner),
        };
        self.reschedule(&key);
        write.map(|write| (OwnershipId { key, epoch }, write))
    }

    /// Takes the outcome of a write. One of an earlier ownership says nothing about the present one.
    pub(crate) fn handle_outcome(&mut self, id: &OwnershipId, outcome: WriteOutcome, now: Instant) -> Vec<Effect<W>> {
        let delays = &mut self.delays;
        let ownership = self
            .entries
            .get_mut(&id.key)
            .filter(|entry| entry.epoch == id.epoch)
            .and_then(|entry| entry.ownership.as_mut());
        let Some(ownership) = ownership else {
            return Vec::new();
        };
        let effects = ownership.handle_outcome(outcome, |failures| delays.after(failures), now);
        self.apply(&id.key, effects)
    }

    /// Takes the answer to [`Effect::Vanished`].
    pub(crate) fn listed(&mut self, id: &OwnershipId, listing: Listing, now: Instant) -> Vec<Effect<W>> {
        let entry = self.entries.get_mut(&id.key).filter(|entry| entry.epoch == id.epoch);
        let ownership = entry.and_then(|entry| entry.ownership.as_mut());
        let effects = ownership.map(|ownership| ownership.listed(listing, now));
        self.apply(&id.key, effects.unwrap_or_default())
    }

    /// Forgets an ownership that has ended, and puts the lease into its place in the index.
    fn apply(&mut self, key: &LeaseKey, effects: Vec<Effect<W>>) -> Vec<Effect<W>> {
        let has_ended = effects.iter().any(|effect| matches!(effect, Effect::Ended { .. }));
        if has_ended && let Some(entry) = self.entries.get_mut(key) {
            entry.ownership = None;
            if entry.consumer == Consumer::Ended {
                self.forget(key);
            }
        }
        self.reschedule(key);
        effects
    }

    fn forget(&mut self, key: &LeaseKey) {
        if let Some(Entry { due: Some(at), .. }) = self.entries.remove(key) {
            self.due.remove(&(at, key.clone()));
        }
    }

    fn reschedule(&mut self, key: &LeaseKey) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let due = entry.ownership.as_ref().map(Ownership::poll_timeout);
        if entry.due == due {
            return;
        }
        if let Some(before) = entry.due.take() {
            self.due.remove(&(before, key.clone()));
        }
        entry.due = due;
        self.due.extend(due.map(|at| (at, key.clone())));
    }
}

#[cfg(test)]
mod tests;
