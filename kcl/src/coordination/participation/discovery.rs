//! Finds the leases that name this worker, and begins their ownerships: by a write of its own, before the first delivery.
//!
//! It asks the index of owners. Without an index it scans the table, less often. `children` creates the leases of the children of
//! ended shards, because a lease that another part created for this worker would be found here, and be begun twice.

mod children;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::iter;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{CALL_TIMEOUT, Context};
use crate::assignment::children::NewChildren;
use crate::assignment::other_streams::LeftOut;
use crate::assignment::token_bases::TokenBases;
use crate::error::TableError;
use crate::event::{FleetEvent, LeaseEvent};
use crate::lease::ended::EndedLeases;
use crate::lease::item::Row;
use crate::lease::layout::TableLayout;
use crate::lease::model::{Lease, LeaseKey, OwnAttributes};
use crate::lease::renewer::{OwnedLease, Renewer, timed_out};
use crate::lease::scan::list;
use crate::lease::table::service_time;
use crate::lease::write::{LeaseWrite, WriteOutcome};
use crate::metrics::Outcome;
#[cfg(feature = "_simulation")]
use crate::planted_bugs::PlantedBug;

/// Between two queries of the index. Our choice; the KCL's are 10 s apart.
const BY_INDEX: Duration = Duration::from_secs(2);

/// Between two scans where the index of owners cannot be used. Our choice.
const BY_SCAN: Duration = Duration::from_secs(5);

/// After which time an index that cannot be used is asked again. Our choice: an index takes minutes to be built, and a policy to be changed.
const INDEX_AGAIN: Duration = Duration::from_secs(300);

/// Why an index cannot be used that is not there.
const NO_INDEX: &str = "the table has none, or it is still being built";

/// Calls that may be in flight at once. Our choice: 1,000 leases begin within a second, and the renewer keeps connections.
const CALLS_IN_FLIGHT: usize = 32;

/// What a discovery is made of.
#[derive(Debug)]
pub(crate) struct DiscoveryParts {
    pub(crate) context: Context,
    pub(crate) layout: TableLayout,
    pub(crate) renewer: Renewer,
    pub(crate) write_timeout: Duration,
    /// The most leases for which shards are read; children beyond are created without an owner.
    pub(crate) max_leases: usize,
    /// Leases that this worker has given to itself.
    pub(crate) assigned: mpsc::Receiver<Lease>,
    /// Children of ended shards whose leases are to be created.
    pub(crate) children: mpsc::Receiver<NewChildren>,
    /// What becomes of the leases of ended shards.
    pub(crate) ended_leases: watch::Receiver<EndedLeases>,
    /// Leases whose ownership has begun go here.
    pub(crate) owned: mpsc::Sender<OwnedLease>,
    pub(crate) rng: fastrand::Rng,
}

/// The discovery of one worker.
#[derive(Debug)]
pub(crate) struct Discovery {
    parts: DiscoveryParts,
    token_bases: TokenBases,
    /// When the index of owners is asked again, if it cannot be used.
    index_again: Option<Instant>,
}

/// The leases that name this worker, as one look has found them.
struct Found {
    leases: Vec<Lease>,
    /// Of the rows that could not be read, the first error.
    unread: Option<TableError>,
    index: Index,
    /// Until the next look.
    wait: Duration,
}

/// What a look has found of the index of owners.
enum Index {
    Usable,
    /// Asked, and not usable, because of this.
    Unusable(String),
    /// Not asked: it was not usable a short time ago.
    NotAsked,
}

impl Discovery {
    pub(crate) fn new(parts: DiscoveryParts) -> Self {
        Self {
            parts,
            token_bases: TokenBases::default(),
            index_again: None,
        }
    }

    /// Looks for leases until `stop` is set.
    pub(super) async fn run(mut self, stop: &CancellationToken) {
        let clock = self.parts.context.clock.clone();
        let mut next = clock.now();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(children) = self.parts.children.recv() => self.create_children(children).await,
                Some(lease) = self.parts.assigned.recv() => {
                    let mut leases = vec![lease];
                    while let Ok(lease) = self.parts.assigned.try_recv() {
                        leases.push(lease);
                    }
                    self.begin(leases).await;
                }
                () = clock.sleep_until(Some(next)) => {
                    let begun = clock.now();
                    let Some(found) = self.find(stop).await else { return };
                    next = begun + self.take_up(found).await;
                }
            }
        }
    }

    /// Looks once. Children are created meanwhile. `None` if the worker is asked to stop.
    async fn find(&mut self, stop: &CancellationToken) -> Option<Result<Found, TableError>> {
        let (context, renewer, rng) = (
            self.parts.context.clone(),
            self.parts.renewer.clone(),
            self.parts.rng.fork(),
        );
        let asks = self.index_again.is_none_or(|at| context.clock.now() >= at);
        let looking = look(&context, asks.then_some(&renewer), rng);
        tokio::pin!(looking);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                Some(children) = self.parts.children.recv() => self.create_children(children).await,
                found = &mut looking => return Some(found),
            }
        }
    }

    /// Begins what was found. Returns the wait until the next look.
    async fn take_up(&mut self, found: Result<Found, TableError>) -> Duration {
        match found {
            Ok(Found {
                leases,
                unread,
                index,
                wait,
            }) => {
                self.note_index(index);
                self.begin(leases).await;
                unread.into_iter().for_each(|error| self.tell_of_failure(error));
                wait
            }
            Err(error) => {
                self.tell_of_failure(error);
                BY_INDEX
            }
        }
    }

    fn tell_of_failure(&self, error: TableError) {
        let table = self.parts.context.table.name().to_owned();
        self.parts.context.observers.tell(LeaseEvent::TableUnavailable {
            table,
            error,
            repeated: 0,
        });
    }

    /// Tells of an index that cannot be used, once, and of its use in the worker's health.
    fn note_index(&mut self, index: Index) {
        let context = &self.parts.context;
        match index {
            Index::Usable => {
                self.index_again = None;
                context.health.index_unusable(None);
            }
            Index::NotAsked => {}
            Index::Unusable(problem) => {
                if self.index_again.is_none() {
                    let (table, problem) = (context.table.name().to_owned(), problem.clone());
                    context.observers.tell(FleetEvent::IndexUnusable { table, problem });
                }
                self.index_again = Some(context.clock.now() + INDEX_AGAIN);
                context.health.index_unusable(Some(problem));
            }
        }
    }

    /// Begins the ownerships of those of `leases` that this worker does not hold.
    ///
    /// The lease of an ended shard is begun only where such leases are held. Nobody reads it, but a leader that finds it without
    /// renewals assigns it again and again.
    async fn begin(&mut self, mut leases: Vec<Lease>) {
        let occupied = self.parts.renewer.occupied().await;
        let context = &self.parts.context;
        let mut left_out = LeftOut::default();
        let ended_leases = *self.parts.ended_leases.borrow();
        let is_wanted = |lease: &Lease| match ended_leases {
            EndedLeases::Kept => true,
            EndedLeases::GivenBack => !lease.is_finished(),
        };
        leases.retain(|lease| {
            let is_given = lease.owner.as_ref() == Some(&context.worker) && is_handed_over(lease);
            let is_free = is_given && is_wanted(lease) && !occupied.contains(&lease.key);
            is_free && context.other_streams.is_of_this(lease, &mut left_out)
        });
        context
            .other_streams
            .tell(&left_out, context.table.name(), &context.observers);
        let time = service_time(&*context.table, &context.clock, &context.observers);
        self.token_bases.observe(&leases, time);
        let base = |lease: &Lease| OwnAttributes {
            token_base: Some(self.token_bases.base(&lease.key, time)),
            ..OwnAttributes::default()
        };
        let writes: Vec<_> = leases
            .into_iter()
            .map(|seen| LeaseWrite::Adopt { own: base(&seen), seen })
            .collect();
        let (context, timeout) = (context.clone(), self.parts.write_timeout);
        let mut begun = iter(writes)
            .map(|write| adopt(&context, write, timeout))
            .buffered(CALLS_IN_FLIGHT);
        while let Some((lease, sent)) = begun.next().await {
            if let Some(lease) = lease {
                let key = lease.key.clone();
                let reason = "it is assigned to this worker".to_owned();
                context.observers.tell(LeaseEvent::Taken { lease: key, reason });
                self.hand_over(lease, sent).await;
            }
        }
    }

    /// Has a lease renewed and read that is this worker's by a write sent at `sent`.
    async fn hand_over(&self, lease: Lease, sent: Instant) {
        if let Some(owned) = self.parts.renewer.adopt(lease, sent).await {
            // Without a supervisor the worker is ending, and the lease expires.
            drop(self.parts.owned.send(owned).await);
        }
    }
}

/// Whether no former owner reads the lease any more.
fn is_handed_over(lease: &Lease) -> bool {
    #[cfg(feature = "_simulation")]
    if PlantedBug::BeginBeforeHandOver.is_planted() {
        return true;
    }
    lease.checkpoint_owner.is_none()
}

/// Reads the leases that name the worker and that it does not hold: by the index, if it is to be asked on behalf of `renewer`
/// and can be used, else by a scan.
async fn look(context: &Context, by_index: Option<&Renewer>, rng: fastrand::Rng) -> Result<Found, TableError> {
    let Context {
        worker, table, clock, ..
    } = context;
    let Some(renewer) = by_index else {
        return scan(context, Index::NotAsked, rng).await;
    };
    let asked = clock.timeout(CALL_TIMEOUT, table.keys_of(worker)).await;
    let keys = match asked.unwrap_or_else(|| Err(timed_out("Query", CALL_TIMEOUT))) {
        Ok(Some(keys)) => keys,
        Ok(None) => return scan(context, Index::Unusable(NO_INDEX.into()), rng).await,
        Err(error) if error.kind().is_denied() => return scan(context, Index::Unusable(error.to_string()), rng).await,
        Err(error) => return Err(error),
    };
    let occupied = renewer.occupied().await;
    let keys: BTreeSet<_> = keys.into_iter().filter(|key| !occupied.contains(key)).collect();
    let mut rows = iter(keys).map(|key| get(context, key)).buffered(CALLS_IN_FLIGHT);
    let (mut leases, mut unread) = (Vec::new(), None);
    while let Some(row) = rows.next().await {
        match row {
            Ok(lease) => leases.extend(lease),
            // It is looked at again with the next look, and keeps no other lease from its begin.
            Err(error) => drop(unread.get_or_insert(error)),
        }
    }
    Ok(Found {
        leases,
        unread,
        index: Index::Usable,
        wait: BY_INDEX,
    })
}

async fn scan(context: &Context, index: Index, mut rng: fastrand::Rng) -> Result<Found, TableError> {
    let listing = list(&*context.table, &context.clock, &mut rng, &context.observers).await?;
    Ok(Found {
        leases: listing.leases,
        unread: None,
        index,
        wait: BY_SCAN,
    })
}

async fn get(context: &Context, key: LeaseKey) -> Result<Option<Lease>, TableError> {
    let Context { table, clock, .. } = context;
    let row = clock.timeout(CALL_TIMEOUT, table.get(&key)).await;
    match row.unwrap_or_else(|| Err(timed_out("GetItem", CALL_TIMEOUT)))? {
        Some(Row::Lease(lease)) => Ok(Some(lease)),
        Some(Row::Foreign(..) | Row::Hole(_)) | None => Ok(None),
    }
}

/// Makes the write that begins an ownership. Returns the row, if it was applied, and when it was sent.
///
/// A write without an answer may have been applied: then the row still names this worker, and the next look finds it.
async fn adopt(context: &Context, write: LeaseWrite, timeout: Duration) -> (Option<Lease>, Instant) {
    let Context {
        table,
        clock,
        observers,
        health,
        ..
    } = context;
    let sent = clock.now();
    #[cfg(feature = "_simulation")]
    if let (true, LeaseWrite::Adopt { seen, .. }) = (PlantedBug::BeginWithoutRenewal.is_planted(), &write) {
        return (Some(seen.clone()), sent);
    }
    let outcome = clock.timeout(timeout, table.write(&write)).await;
    let outcome = outcome.unwrap_or_else(|| WriteOutcome::Unknown(timed_out("UpdateItem", timeout)));
    observers.ended(Outcome::TAKE_LEASE, sent, &outcome.result());
    match outcome {
        WriteOutcome::Applied(lease) => {
            health.writes.over();
            (Some(lease), sent)
        }
        WriteOutcome::Refused(_) => {
            health.writes.over();
            (None, sent)
        }
        WriteOutcome::NotApplied(error) | WriteOutcome::Unknown(error) => {
            health.writes.met(error.clone(), clock.now());
            observers.tell(LeaseEvent::write_failed(table.name(), write.key(), error));
            (None, sent)
        }
    }
}
