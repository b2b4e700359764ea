//! The side of a worker that keeps its leases, set up and started.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Worker;
use super::application_watch::{ApplicationWatch, watch_application};
use super::lease_keeper::LeaseKeeper;
use super::lease_thread::{LeaseRuntime, LeaseThread, LeaseThreadError};
use super::search::Ports;
use crate::assignment::children::ChildLeases;
use crate::assignment::gauges::Gauges;
use crate::assignment::origin::StreamAtStart;
use crate::assignment::other_streams::OtherStreams;
use crate::error::WorkerError;
use crate::lease::ended::EndedLeases;
use crate::lease::listings::{Listings, Question};
use crate::lease::ownership::Terms;
use crate::lease::renewer::{OwnedLease, Renewer, RenewerParts, RenewerTask};
use crate::lease::table::{LeaseTable, SeparateTable};
use crate::shard_sync::audit_signals::{AuditInbox, AuditSignals};

/// Leases that may wait for their consumer to be started.
const OWNED_LEASES: usize = 64;

/// The running lease side of a worker. Dropping it stops it at once.
#[derive(Debug)]
pub(super) struct LeaseSide {
    pub(super) renewer: Renewer,
    /// The leases that the worker comes to hold.
    pub(super) leases: mpsc::Receiver<OwnedLease>,
    /// Wakes the search for leases.
    pub(super) new_leases: Arc<Notify>,
    /// Creates the leases of children.
    pub(super) child_leases: ChildLeases,
    /// What becomes of the leases of ended shards.
    pub(super) ended_leases: watch::Receiver<EndedLeases>,
    /// Is cancelled once other workers can know that this one leaves.
    pub(super) retired: CancellationToken,
    /// Is told when the search for leases has found some of a former or a later stream that are to be replaced.
    pub(super) of_other_streams: Arc<Notify>,
    /// What the search for leases tells the audit.
    pub(super) audits: AuditInbox,
    /// What the renewer asks about shards.
    pub(super) questions: mpsc::Receiver<Question>,
    keeping: LeaseThread<Result<(), WorkerError>>,
    stop: CancellationToken,
    _heartbeat: JoinSet<Infallible>,
}

/// Where the leases are kept, and what for.
struct Place {
    runtime: LeaseRuntime,
    table: SeparateTable,
    watch: Option<ApplicationWatch>,
    heartbeat: JoinSet<Infallible>,
}

impl LeaseSide {
    /// Starts to take and renew the leases of `worker`: on a thread of their own, or in a task if time is virtual.
    ///
    /// `replaced` is cancelled once another stream of the same name was seen, and `searching` ends the search for leases.
    pub(super) fn start(
        worker: &mut Worker,
        stream: StreamAtStart,
        replaced: CancellationToken,
        searching: CancellationToken,
    ) -> Self {
        let of_other_streams = Arc::new(Notify::new());
        let (owned, leases) = mpsc::channel(OWNED_LEASES);
        let new_leases = Arc::new(Notify::new());
        let (child_leases, children) = ChildLeases::new();
        let stop = CancellationToken::new();
        let place = Place::of(worker);
        let (listings, questions) = Listings::new();
        let (renewer, renewing) = renewer(worker, &place.table.table, listings);
        let other_streams = OtherStreams {
            stream: Arc::new(stream),
            replaced,
            on_recreated: worker.config.on_recreated,
            found: Arc::clone(&of_other_streams),
        };
        let gauges = Gauges {
            shards: worker.control.shards.clone(),
            budget: worker.budget.clone(),
        };
        let retired = CancellationToken::new();
        let (ends, ended_leases) = watch::channel(EndedLeases::Kept);
        let (signals, audits) = AuditSignals::new();
        let ports = Ports {
            audits: signals,
            table: Arc::clone(&place.table.table),
            renewer: renewer.clone(),
            other_streams,
            gauges,
            owned,
            new_leases: Arc::clone(&new_leases),
            children,
            ended_leases: ends,
            retired: retired.clone(),
        };
        let search = ports.search(worker);
        let keeper = LeaseKeeper {
            search,
            renewing,
            upkeep: place.table.upkeep,
            application: place.watch,
            draining: worker.control.draining.clone(),
            searching,
            stop: stop.clone(),
        };
        Self {
            renewer,
            leases,
            new_leases,
            child_leases,
            ended_leases,
            of_other_streams,
            audits,
            questions,
            retired,
            keeping: place.runtime.spawn(move || keeper.run()),
            stop,
            _heartbeat: place.heartbeat,
        }
    }

    /// Waits until it has ended by itself.
    pub(super) async fn ended(&mut self) -> Result<(), WorkerError> {
        self.keeping.ended().await.unwrap_or_else(|error| {
            Err(match error {
                LeaseThreadError::NotStarted(error) => WorkerError::LeaseThread {
                    reason: error.to_string(),
                },
                LeaseThreadError::Panicked | LeaseThreadError::Ended => WorkerError::TaskPanicked,
            })
        })
    }

    /// Ends it, because no consumer is left, and returns why the search for leases ended.
    pub(super) async fn stop(mut self) -> Result<(), WorkerError> {
        self.stop.cancel();
        self.ended().await
    }
}

impl Place {
    fn of(worker: &mut Worker) -> Self {
        let mut heartbeat = JoinSet::new();
        // Two runtimes cannot share a virtual time.
        if worker.clock.is_virtual() {
            return Self {
                runtime: LeaseRuntime::Here(worker.tasks.clone()),
                table: SeparateTable {
                    table: Arc::clone(&worker.table),
                    upkeep: Box::pin(pending()),
                },
                watch: None,
                heartbeat,
            };
        }
        let (beats, watch) = watch_application(worker.config.application_stall);
        heartbeat.spawn(worker.tasks.vital("heartbeat", beats.beat()));
        Self {
            runtime: LeaseRuntime::OwnThread,
            table: worker.table.on_another_runtime(worker.rng.fork()),
            watch: Some(watch),
            heartbeat,
        }
    }
}

fn renewer(worker: &mut Worker, table: &Arc<dyn LeaseTable>, listings: Listings) -> (Renewer, RenewerTask) {
    Renewer::new(RenewerParts {
        table: Arc::clone(table),
        worker: worker.id.clone(),
        terms: Terms {
            failover: worker.config.failover_time,
            renewal: worker.config.renewal_interval(),
        },
        write_timeout: worker.config.lease_write_timeout(),
        writes: worker.control.health.writes.clone(),
        listings,
        clock: worker.clock.clone(),
        rng: worker.rng.fork(),
        observers: worker.observers.clone(),
    })
}
