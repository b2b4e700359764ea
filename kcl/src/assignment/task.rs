//! Looks for leases to take, and takes them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use service::{Clock, Jitter, RetryDelays};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::assignment::children::NewChildren;
use crate::assignment::gauges::Gauges;
use crate::assignment::other_streams::{LeftOut, OtherStreams};
use crate::assignment::taker::{Reason, Take, TakePlan, Taker};
use crate::assignment::token_bases::TokenBases;
use crate::coordination::rule::{Coordination, Coordinator, decide};
use crate::error::{TableError, WorkerError};
use crate::event::{LeaseEvent, WorkerEvent};
use crate::lease::model::{Lease, LeaseKey, OwnAttributes, WorkerId};
use crate::lease::renewer::{OwnedLease, Renewer, timed_out};
use crate::lease::scan::{Listing, list};
use crate::lease::table::{LeaseTable, service_time};
use crate::lease::write::{LeaseWrite, WriteOutcome};
use crate::metrics::{Outcome, Series};
use crate::observers::Observers;
use crate::shard_sync::audit_signals::AuditSignals;
use crate::shard_sync::auditor::AuditTurn;
use crate::worker::health::HealthBoard;

/// The wait after the first take that failed, and the longest. Our choice.
const TAKE_WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// The search of one worker.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) clock: Clock,
    pub(crate) worker: WorkerId,
    pub(crate) table: Arc<dyn LeaseTable>,
    /// The rule that is followed.
    pub(crate) coordination: Coordination,
    pub(crate) other_streams: OtherStreams,
    pub(crate) renewer: Renewer,
    pub(crate) health: HealthBoard,
    pub(crate) taker: Taker,
    pub(crate) token_bases: TokenBases,
    pub(crate) interval: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) rng: fastrand::Rng,
    pub(crate) observers: Observers,
    /// What is looked at for the metrics, at each search.
    pub(crate) gauges: Gauges,
    /// Leases that were taken go here.
    pub(crate) owned: mpsc::Sender<OwnedLease>,
    /// A shard has ended: its children wait to be taken.
    pub(crate) new_leases: Arc<Notify>,
    /// Children of ended shards whose leases are to be created.
    pub(crate) children: mpsc::Receiver<NewChildren>,
    /// The leases of shards that had been read to their ends when the table was last read.
    pub(crate) finished: BTreeSet<LeaseKey>,
    /// Tells the audit of this worker when it is its turn.
    pub(crate) audits: AuditSignals,
}

/// Whether a lease was taken.
enum Taken {
    Yes,
    ByAnother,
}

/// What one look at the tables has found.
struct Found {
    listing: Listing,
    coordinator: Result<Coordinator, TableError>,
}

impl Assignment {
    /// Searches at once, then each interval and whenever a shard has ended, until `draining` is set.
    ///
    /// # Errors
    ///
    /// [`WorkerError::LedByOthers`] when workers of another kind begin to coordinate the table.
    pub(crate) async fn run(mut self, draining: CancellationToken) -> Result<(), WorkerError> {
        loop {
            let begun = self.clock.now();
            let next = begun + self.interval;
            let Some(listed) = self.list(&draining).await else {
                return Ok(());
            };
            self.note(&listed);
            self.observers.ended(Outcome::LIST_LEASES, begun, &listed);
            self.observers
                .add(Series::TakeLeasesSuccess, f64::from(u8::from(listed.is_ok())));
            self.gauges.sample(&self.observers);
            match listed {
                Ok(found) => {
                    self.check_rule(&found)?;
                    self.take(found.listing, &draining).await;
                }
                Err(error) => {
                    self.observers.tell(LeaseEvent::TableUnavailable {
                        table: self.table.name().to_owned(),
                        error,
                        repeated: 0,
                    });
                }
            }
            self.observers.took(Series::TakeLeasesTime, begun);
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

    /// Reads the tables. The leases that are created meanwhile may be in the list or not: they are held by the time that their
    /// rows are judged. `None` if the worker is asked to stop.
    async fn list(&mut self, draining: &CancellationToken) -> Option<Result<Found, TableError>> {
        let (table, clock, mut rng) = (Arc::clone(&self.table), self.clock.clone(), self.rng.fork());
        let observers = self.observers.clone();
        let reading = async {
            let listing = list(&*table, &clock, &mut rng, &observers);
            let (listing, coordinator) = tokio::join!(listing, table.coordinator_rows());
            let coordinator = coordinator.map(Coordinator::from);
            listing.map(|listing| Found { listing, coordinator })
        };
        tokio::pin!(reading);
        loop {
            tokio::select! {
                biased;
                () = draining.cancelled() => return None,
                Some(children) = self.children.recv() => self.create_children(children).await,
                found = &mut reading => return Some(found),
            }
        }
    }

    /// Notes for the worker's health how the table was found.
    fn note(&self, found: &Result<Found, TableError>) {
        match found {
            Ok(Found { listing, .. }) => {
                self.health.scans.over();
                let holes = listing.holes.iter().map(|hole| hole.key.clone());
                self.health.rows_unreadable(holes);
                let owners = listing.leases.iter().filter_map(Lease::actual_owner);
                self.audits.takes_turn(AuditTurn::among(&self.worker, owners));
            }
            Err(error) => {
                self.health.scans.met(error.clone(), self.clock.now());
                self.audits.scan_failed(error);
            }
        }
    }

    /// Sees whether the fleet still follows this worker's rule.
    fn check_rule(&self, found: &Found) -> Result<(), WorkerError> {
        let unknown = &Coordinator::Unknown;
        let coordinator = found.coordinator.as_ref().unwrap_or_else(|error| {
            // The start has told of a denial.
            if !error.kind().is_denied() {
                let error = error.clone();
                self.observers
                    .tell(WorkerEvent::CoordinatorTableUnknown { error, repeated: 0 });
            }
            unknown
        });
        let rule = decide(&found.listing.seen(coordinator), self.coordination);
        rule.map_err(|refusal| refusal.of_table(self.table.name())).map(drop)
    }

    async fn take(&mut self, listing: Listing, draining: &CancellationToken) {
        let mut leases = listing.leases;
        let time = service_time(&*self.table, &self.clock, &self.observers);
        self.token_bases.observe(&leases, time);
        let mut left_out = LeftOut::default();
        leases.retain(|lease| self.other_streams.is_of_this(lease, &mut left_out));
        self.other_streams.tell(&left_out, self.table.name(), &self.observers);
        // A shard that was read to its end is no work any more, whoever keeps its lease.
        let finished = leases.extract_if(.., |lease| lease.is_finished());
        self.finished = finished.map(|lease| lease.key).collect();
        let held = self.unfinished().await;
        let plan = self.taker.plan(&leases, &held, self.clock.now(), &mut self.rng);
        self.measure(&plan, leases.len());
        if plan.takes.is_empty() && held.is_empty() && self.renewer.occupied().await.is_empty() {
            // Nothing is written that could tell whether writes work again.
            self.health.writes.over();
        }
        let mut delays = RetryDelays::new(TAKE_WAITS, Jitter::Half, self.rng.fork());
        let (mut failures, mut taken, all) = (0, 0, plan.takes.len());
        for take in plan.takes {
            if draining.is_cancelled() {
                return;
            }
            while let Ok(children) = self.children.try_recv() {
                self.create_children(children).await;
            }
            let sent = self.clock.now();
            let result = self.take_one(&take).await;
            self.observers.ended(Outcome::TAKE_LEASE, sent, &result);
            match &result {
                Ok(_) => self.health.writes.over(),
                Err(error) => self.health.writes.met(error.clone(), self.clock.now()),
            }
            match result {
                Ok(Taken::Yes) => (failures, taken) = (0, taken + 1),
                Ok(Taken::ByAnother) => failures = 0,
                Err(error) => {
                    failures += 1;
                    let event = LeaseEvent::write_failed(self.table.name(), &take.lease.key, error);
                    self.observers.tell(event);
                    self.clock.sleep(delays.after(failures)).await;
                }
            }
        }
        self.observers.add(Series::TakenLeases, f64::from(taken));
        self.observers.add(Series::UntakenLeases, all as f64 - f64::from(taken));
    }

    /// The keys that must not be taken, without those of shards that had been read to their ends.
    pub(super) async fn unfinished(&self) -> BTreeSet<LeaseKey> {
        let mut held = self.renewer.occupied().await;
        held.retain(|key| !self.finished.contains(key));
        held
    }

    /// Adds the plan to the series.
    fn measure(&self, plan: &TakePlan, leases: usize) {
        let very_old = plan
            .takes
            .iter()
            .filter(|take| matches!(take.because, Reason::VeryOld(_)));
        for (series, value) in [
            (Series::TotalLeases, leases),
            (Series::NumWorkers, plan.workers),
            (Series::ExpiredLeases, plan.expired),
            (Series::NeededLeases, plan.target.saturating_sub(plan.mine)),
            (Series::LeasesToTake, plan.takes.len()),
            (Series::VeryOldLeases, very_old.count()),
            (Series::LeaseSpillover, plan.spillover),
        ] {
            self.observers.add(series, value as f64);
        }
    }

    /// The attributes that the first owner of a row adds, if the row lacks them. Its consumer adds the stream, once it has
    /// read by the row's checkpoint.
    pub(super) fn own_attributes(&mut self, key: &LeaseKey) -> OwnAttributes {
        let time = service_time(&*self.table, &self.clock, &self.observers);
        OwnAttributes {
            token_base: Some(self.token_bases.base(key, time)),
            ..OwnAttributes::default()
        }
    }

    /// Takes one lease, unless another worker was quicker.
    async fn take_one(&mut self, take: &Take) -> Result<Taken, TableError> {
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
            Some(WriteOutcome::Refused(_)) => return Ok(Taken::ByAnother),
            None => return Err(timed_out("UpdateItem", self.write_timeout)),
        };
        let time = service_time(&*self.table, &self.clock, &self.observers);
        self.token_bases.observe([&lease], time);
        self.observers.tell(LeaseEvent::Taken {
            lease: lease.key.clone(),
            reason: take.because.to_string(),
        });
        self.hand_over(lease, sent).await;
        Ok(Taken::Yes)
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
