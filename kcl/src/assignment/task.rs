//! Looks for leases to take, and takes them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use service::{Clock, Jitter, RetryDelays};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::assignment::children::NewChildren;
use crate::assignment::origin::{Name, Origin, StreamAtStart};
use crate::assignment::taker::{Take, Taker};
use crate::assignment::token_bases::TokenBases;
use crate::error::{TableError, WorkerError};
use crate::event::Event;
use crate::fold::Fold;
use crate::lease::model::{Lease, LeaseKey, OwnAttributes, WorkerId};
use crate::lease::renewer::{OwnedLease, Renewer, timed_out};
use crate::lease::scan::{Listing, list};
use crate::lease::table::LeaseTable;
use crate::lease::write::{LeaseWrite, WriteOutcome};
use crate::worker::health::HealthBoard;

/// The wait after the first take that failed, and the longest. Our choice.
const TAKE_WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// The search of one worker.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) clock: Clock,
    pub(crate) worker: WorkerId,
    pub(crate) table: Arc<dyn LeaseTable>,
    /// The stream whose shards are read.
    pub(crate) stream: StreamAtStart,
    /// Cancelled once another stream of the same name was seen.
    pub(crate) replaced: CancellationToken,
    pub(crate) renewer: Renewer,
    pub(crate) health: HealthBoard,
    pub(crate) taker: Taker,
    pub(crate) token_bases: TokenBases,
    pub(crate) interval: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) rng: fastrand::Rng,
    /// Folds the writes that failed.
    pub(crate) failures: Fold,
    /// Folds the searches that met leases of another stream.
    pub(crate) other_streams: Fold,
    /// Folds the searches that met leases of which nothing says the stream.
    pub(crate) unmarked: Fold,
    /// Folds the searches in which the service's time was unknown.
    pub(crate) without_time: Fold,
    /// Leases that were taken go here.
    pub(crate) owned: mpsc::Sender<OwnedLease>,
    /// A shard has ended: its children wait to be taken.
    pub(crate) new_leases: Arc<Notify>,
    /// Children of ended shards whose leases are to be created.
    pub(crate) children: mpsc::Receiver<NewChildren>,
    /// The leases of shards that had been read to their ends when the table was last read.
    pub(crate) finished: BTreeSet<LeaseKey>,
}

impl Assignment {
    /// Searches at once, then each interval and whenever a shard has ended, until `draining` is set.
    ///
    /// # Errors
    ///
    /// [`WorkerError::LedByOthers`] when workers of another kind begin to coordinate the table.
    pub(crate) async fn run(mut self, draining: CancellationToken) -> Result<(), WorkerError> {
        loop {
            let next = self.clock.now() + self.interval;
            let Some(listed) = self.list(&draining).await else {
                return Ok(());
            };
            self.note(&listed);
            match listed {
                Ok(listing) => self.take(listing, &draining).await?,
                Err(error) => {
                    let (worker, error) = (&self.worker, &error);
                    Event::LeaseTableUnavailable { worker, error }.emit();
                }
            }
            loop {
                tokio::select! {
                    biased;
                    () = draining.cancelled() => return Ok(()),
                    Some(children) = self.children.recv() => self.create_children(children).await,
                    () = self.new_leases.notified() => break,
                    () = self.clock.sleep_until(Some(next)) => break,
                }
            }
        }
    }

    /// Reads the table. The leases that are created meanwhile may be in the list or not: they are held by the time that their
    /// rows are judged. `None` if the worker is asked to stop.
    async fn list(&mut self, draining: &CancellationToken) -> Option<Result<Listing, TableError>> {
        let (table, clock, mut rng) = (Arc::clone(&self.table), self.clock.clone(), self.rng.fork());
        let listing = list(&*table, &clock, &mut rng);
        tokio::pin!(listing);
        loop {
            tokio::select! {
                biased;
                () = draining.cancelled() => return None,
                Some(children) = self.children.recv() => self.create_children(children).await,
                listed = &mut listing => return Some(listed),
            }
        }
    }

    /// Notes for the worker's health how the table was found.
    fn note(&self, listed: &Result<Listing, TableError>) {
        let now = self.clock.now();
        match listed {
            Ok(listing) => {
                self.health.table_used(None, now);
                let holes = listing.holes.iter().map(|hole| hole.key.clone());
                self.health.rows_unreadable(holes);
            }
            Err(error) => self.health.table_used(Some(error.to_string()), now),
        }
    }

    async fn take(&mut self, listing: Listing, draining: &CancellationToken) -> Result<(), WorkerError> {
        if let Some(found) = listing.led_by_others() {
            return Err(WorkerError::LedByOthers {
                table: self.table.name().to_owned(),
                found,
            });
        }
        let mut leases = listing.leases;
        let time = self.service_time();
        self.token_bases.observe(&leases, time);
        self.leave_out_other_streams(&mut leases);
        // A shard that was read to its end is no work any more, whoever keeps its lease.
        let finished = leases.extract_if(.., |lease| lease.is_finished());
        self.finished = finished.map(|lease| lease.key).collect();
        let held = self.unfinished().await;
        let plan = self.taker.plan(&leases, &held, self.clock.now(), &mut self.rng);
        let mut delays = RetryDelays::new(TAKE_WAITS, Jitter::Half, self.rng.fork());
        let mut failures = 0;
        for take in plan.takes {
            if draining.is_cancelled() {
                return Ok(());
            }
            while let Ok(children) = self.children.try_recv() {
                self.create_children(children).await;
            }
            match self.take_one(&take).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    self.tell_failure(&take, &error);
                    self.clock.sleep(delays.after(failures)).await;
                }
            }
        }
        Ok(())
    }

    /// The keys that must not be taken, without those of shards that had been read to their ends.
    pub(super) async fn unfinished(&self) -> BTreeSet<LeaseKey> {
        let mut held = self.renewer.occupied().await;
        held.retain(|key| !self.finished.contains(key));
        held
    }

    /// One line in ten seconds: what fails for one lease mostly fails for the others.
    fn tell_failure(&mut self, take: &Take, error: &TableError) {
        if let Some(untold) = self.failures.happened(self.clock.now()) {
            let (table, lease) = (self.table.name(), &take.lease.key);
            Event::LeaseWritesFailed {
                worker: &self.worker,
                table,
                lease,
                error,
                untold,
            }
            .emit();
        }
    }

    /// Leaves out the leases that are, or may be, of an earlier or another stream: their checkpoints mean nothing in this one.
    fn leave_out_other_streams(&mut self, leases: &mut Vec<Lease>) {
        let name = match self.replaced.is_cancelled() {
            true => Name::Replaced,
            false => Name::Kept,
        };
        let (mut others, mut unmarked) = (0, 0);
        leases.retain(|lease| match self.stream.origin(lease, name) {
            Origin::ThisStream => true,
            Origin::AnotherStream => {
                others += 1;
                false
            }
            Origin::Unmarked => {
                unmarked += 1;
                false
            }
        });
        let (worker, table, now) = (&self.worker, self.table.name(), self.clock.now());
        if others > 0 && self.other_streams.happened(now).is_some() {
            let leases = others;
            Event::LeasesOfAnotherStream { worker, table, leases }.emit();
        }
        if unmarked > 0 && self.unmarked.happened(now).is_some() {
            let leases = unmarked;
            Event::UnmarkedLeases { worker, table, leases }.emit();
        }
    }

    /// The time of the lease table's service, or of this host if that is unknown.
    fn service_time(&mut self) -> SystemTime {
        self.table.service_time().unwrap_or_else(|| {
            if self.without_time.happened(self.clock.now()).is_some() {
                let (worker, table) = (&self.worker, self.table.name());
                Event::ServiceTimeUnknown { worker, table }.emit();
            }
            self.clock.wall()
        })
    }

    /// The attributes that the first owner of a row adds, if the row lacks them. Its consumer adds the stream, once it has
    /// read by the row's checkpoint.
    pub(super) fn own_attributes(&mut self, key: &LeaseKey) -> OwnAttributes {
        let time = self.service_time();
        OwnAttributes {
            token_base: Some(self.token_bases.base(key, time)),
            ..OwnAttributes::default()
        }
    }

    /// Takes one lease, unless another worker was quicker.
    async fn take_one(&mut self, take: &Take) -> Result<(), TableError> {
        let write = LeaseWrite::Take {
            seen: take.lease.clone(),
            by: self.worker.clone(),
            own: self.own_attributes(&take.lease.key),
        };
        // A take without an answer may have worked: then the row has our name, and the next search recovers it.
        let sent = self.clock.now();
        let lease = match self.clock.timeout(self.write_timeout, self.table.write(&write)).await {
            Some(WriteOutcome::Applied(lease)) => lease,
            Some(WriteOutcome::NotApplied(error) | WriteOutcome::Unknown(error)) => return Err(error),
            Some(WriteOutcome::Refused(_)) => return Ok(()),
            None => return Err(timed_out("UpdateItem", self.write_timeout)),
        };
        let time = self.service_time();
        self.token_bases.observe([&lease], time);
        Event::LeaseTaken {
            worker: &self.worker,
            lease: &lease.key,
            reason: take.because.to_string(),
        }
        .emit();
        self.hand_over(lease, sent).await;
        Ok(())
    }

    /// Has a lease renewed and read that is this worker's by a write sent at `sent`.
    pub(super) async fn hand_over(&self, lease: Lease, sent: Instant) {
        if let Some(owned) = self.renewer.adopt(lease, sent).await {
            // Without a supervisor the worker is ending, and the lease expires.
            drop(self.owned.send(owned).await);
        }
    }
}

#[cfg(test)]
mod tests;
