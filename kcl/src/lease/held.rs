//! Pure: the leases that this worker holds, and the one write that each may have under way.
//!
//! A write that got no answer leaves the row's counter unknown: it may have been applied. The next write then fails its
//! condition, and the row that comes back tells: if this worker is its owner, the lost write was applied, and the next
//! one is repeated on top of it. Nobody else writes this worker's name, so the conclusion is safe.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::checkpoint::position::Position;
use crate::lease::guard::LeaseEpoch;
use crate::lease::model::{Lease, LeaseKey, WorkerId};
use crate::lease::write::{LeaseWrite, OwnerWrite, Then};

/// The held leases. `R` is what waits for the end of a change.
#[derive(Debug)]
pub(crate) struct Held<R> {
    worker: WorkerId,
    failover: Duration,
    renewal: Duration,
    leases: BTreeMap<LeaseKey, HeldLease<R>>,
}

#[derive(Debug)]
struct HeldLease<R> {
    lease: Lease,
    epoch: LeaseEpoch,
    valid_until: Instant,
    next_renewal: Instant,
    /// After a failed write: when to try again.
    not_before: Option<Instant>,
    /// Whether a write without an answer may have raised the counter.
    counter: Counter,
    writing: Option<Request<R>>,
    waiting: VecDeque<Request<R>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counter {
    Known,
    Uncertain,
}

/// A change that somebody may wait for.
#[derive(Debug)]
struct Request<R> {
    change: Change,
    waiter: Option<R>,
    failures: u32,
}

/// What to change in the row of a held lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Say that the owner is alive.
    Renew,
    /// Note how far the owner has come.
    Checkpoint(Position),
    /// Give the lease up, so that any worker may take it at once.
    Release,
}

/// How a write ended that was answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Update {
    /// Done; the row as it is now.
    Applied(Lease),
    /// Another worker changed the row before; as it is now, or nothing if it is gone.
    Refused(Option<Lease>),
}

/// How often a change is tried before whoever waits for it is told.
const TRIES: u32 = 3;

/// A write to be made now.
#[derive(Debug, PartialEq)]
pub(crate) struct Write {
    /// By which ownership: an answer that comes after that has ended says nothing about the next.
    epoch: LeaseEpoch,
    pub(crate) seen: Lease,
    pub(crate) change: Change,
}

impl Write {
    /// The write of the row.
    pub(crate) fn of_row(&self) -> LeaseWrite {
        let renewal = OwnerWrite::renewal(self.seen.clone());
        LeaseWrite::Owner(match &self.change {
            Change::Renew => renewal,
            Change::Checkpoint(position) => OwnerWrite {
                checkpoint: Some(position.clone()),
                ..renewal
            },
            Change::Release => OwnerWrite {
                then: Then::Release,
                ..renewal
            },
        })
    }
}

/// What the end of a write means.
#[derive(Debug)]
pub(crate) enum Effect<R> {
    /// The lease is ours until then.
    Valid { key: LeaseKey, until: Instant },
    /// The change is done.
    Done { waiter: R },
    /// The change was not made, and may be tried again.
    Failed { waiter: R },
    /// The lease is not ours any more; whoever waits for a change of it gets none.
    Lost { key: LeaseKey, waiters: Vec<R> },
    /// We gave the lease up, as `done` asked; whoever waits for another change of it gets none.
    Released {
        key: LeaseKey,
        done: Option<R>,
        waiters: Vec<R>,
    },
}

impl<R> Held<R> {
    pub(crate) fn new(worker: WorkerId, failover: Duration, renewal: Duration) -> Self {
        #[cfg(feature = "planted-bugs")]
        let failover = if crate::planted_bugs::PlantedBug::DeliverAfterExpiry.is_planted() {
            failover * 10
        } else {
            failover
        };
        Self {
            worker,
            failover,
            renewal,
            leases: BTreeMap::new(),
        }
    }

    /// Adds a lease that was just taken by a write sent at `sent`. Its epoch is the counter that this write made.
    pub(crate) fn adopt(&mut self, lease: Lease, sent: Instant) -> (LeaseEpoch, Instant) {
        let epoch = LeaseEpoch(lease.counter);
        let valid_until = sent + self.failover;
        let held = HeldLease {
            epoch,
            valid_until,
            next_renewal: sent + self.renewal,
            not_before: None,
            counter: Counter::Known,
            writing: None,
            waiting: VecDeque::new(),
            lease,
        };
        self.leases.insert(held.lease.key.clone(), held);
        (epoch, valid_until)
    }

    /// The keys of the held leases.
    pub(crate) fn keys(&self) -> BTreeSet<LeaseKey> {
        self.leases.keys().cloned().collect()
    }

    /// Asks for a change by the holder of `epoch`.
    ///
    /// # Errors
    ///
    /// Gives `waiter` back if that ownership has ended.
    pub(crate) fn request(&mut self, key: &LeaseKey, epoch: LeaseEpoch, change: Change, waiter: R) -> Result<(), R> {
        match self.leases.get_mut(key) {
            Some(held) if held.epoch == epoch => {
                held.waiting.push_back(Request {
                    change,
                    waiter: Some(waiter),
                    failures: 0,
                });
                Ok(())
            }
            _ => Err(waiter),
        }
    }

    /// The writes to make now. The end of each must be reported to [`ended`](Self::ended).
    pub(crate) fn writes(&mut self, now: Instant) -> Vec<Write> {
        self.leases
            .values_mut()
            .filter_map(|held| held.next_write(now))
            .collect()
    }

    /// When [`writes`](Self::writes) or [`expire`](Self::expire) have something to do next.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.leases.values().map(HeldLease::next_at).min()
    }

    /// Drops the leases that others may have taken by now.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Effect<R>> {
        let expired = self.leases.extract_if(.., |_, held| held.valid_until <= now);
        expired
            .map(|(key, held)| Effect::Lost {
                key,
                waiters: held.into_waiters(),
            })
            .collect()
    }

    /// Drops the lease of a consumer that has ended: nobody reads for a lease that is renewed without one.
    pub(crate) fn consumer_ended(&mut self, key: &LeaseKey, epoch: LeaseEpoch) -> Vec<Effect<R>> {
        match self.leases.get(key) {
            Some(held) if held.epoch == epoch => self.end(key, None),
            Some(_) | None => Vec::new(),
        }
    }

    /// The end of a write that was sent at `sent`. `None` if there was no answer, or none that tells.
    pub(crate) fn ended(
        &mut self,
        write: Write,
        sent: Instant,
        result: Option<Update>,
        now: Instant,
    ) -> Vec<Effect<R>> {
        let key = write.seen.key;
        let Some(held) = self.leases.get_mut(&key).filter(|held| held.epoch == write.epoch) else {
            return Vec::new();
        };
        let Some(request) = held.writing.take() else {
            return Vec::new();
        };
        let has_lapsed = held.valid_until <= now;
        match result {
            Some(Update::Applied(_)) if request.change == Change::Release => self.released(&key, request),
            // An end is final: the consumer may have seen the lapse already, and reads no more.
            _ if has_lapsed => self.end(&key, request.waiter),
            Some(Update::Applied(lease)) => {
                held.lease = lease;
                held.counter = Counter::Known;
                held.valid_until = held.valid_until.max(sent + self.failover);
                held.next_renewal = sent + self.renewal;
                held.not_before = None;
                let valid = Effect::Valid {
                    key,
                    until: held.valid_until,
                };
                let done = request.waiter.map(|waiter| Effect::Done { waiter });
                std::iter::once(valid).chain(done).collect()
            }
            Some(Update::Refused(Some(row)))
                if held.counter == Counter::Uncertain && row.owner.as_ref() == Some(&self.worker) =>
            {
                held.counter = Counter::Known;
                held.lease = row;
                held.waiting.push_front(request);
                Vec::new()
            }
            // The release itself was the write without an answer: the row is free, or somebody's already.
            Some(Update::Refused(_)) if held.counter == Counter::Uncertain && request.change == Change::Release => {
                self.released(&key, request)
            }
            Some(Update::Refused(_)) => self.end(&key, request.waiter),
            None => {
                held.counter = Counter::Uncertain;
                held.not_before = Some(now + self.renewal / 10);
                held.try_again(request)
            }
        }
    }

    fn released(&mut self, key: &LeaseKey, request: Request<R>) -> Vec<Effect<R>> {
        let waiters = self.leases.remove(key).map(HeldLease::into_waiters).unwrap_or_default();
        vec![Effect::Released {
            key: key.clone(),
            done: request.waiter,
            waiters,
        }]
    }

    /// Ends the ownership. `waiter` waits for the write that was in flight.
    fn end(&mut self, key: &LeaseKey, waiter: Option<R>) -> Vec<Effect<R>> {
        let others = self.leases.remove(key).map(HeldLease::into_waiters).unwrap_or_default();
        vec![Effect::Lost {
            key: key.clone(),
            waiters: waiter.into_iter().chain(others).collect(),
        }]
    }
}

impl<R> HeldLease<R> {
    fn next_write(&mut self, now: Instant) -> Option<Write> {
        if self.writing.is_some() || self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        let renewal = Request {
            change: Change::Renew,
            waiter: None,
            failures: 0,
        };
        let request = self
            .waiting
            .pop_front()
            .or((self.next_renewal <= now).then_some(renewal))?;
        let write = Write {
            epoch: self.epoch,
            seen: self.lease.clone(),
            change: self.change_to_write(&request.change),
        };
        self.writing = Some(request);
        Some(write)
    }

    /// A checkpoint moves only forward. The row may hold a further one that nobody here knows of: its reply was lost, and
    /// the application, told of a failure, went on from an earlier one.
    fn change_to_write(&self, wanted: &Change) -> Change {
        match wanted {
            Change::Checkpoint(position) if Some(position) <= self.lease.checkpoint.as_ref() => Change::Renew,
            Change::Renew | Change::Checkpoint(_) | Change::Release => wanted.clone(),
        }
    }

    fn next_at(&self) -> Instant {
        let write_at = match (&self.writing, self.waiting.is_empty()) {
            (Some(_), _) => return self.valid_until,
            (None, false) => self.not_before,
            (None, true) => Some(
                self.not_before
                    .map_or(self.next_renewal, |at| at.max(self.next_renewal)),
            ),
        };
        write_at.map_or(self.valid_until, |at| at.min(self.valid_until))
    }

    /// A change without an answer: the renewal comes by itself, any other change is tried again a few times.
    fn try_again(&mut self, mut request: Request<R>) -> Vec<Effect<R>> {
        request.failures += 1;
        if request.waiter.is_some() && request.failures < TRIES {
            self.waiting.push_front(request);
            return Vec::new();
        }
        request
            .waiter
            .map(|waiter| Effect::Failed { waiter })
            .into_iter()
            .collect()
    }

    fn into_waiters(self) -> Vec<R> {
        self.writing
            .into_iter()
            .chain(self.waiting)
            .filter_map(|request| request.waiter)
            .collect()
    }
}

#[cfg(test)]
mod tests;
