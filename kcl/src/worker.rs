//! One worker of a fleet.
//!
//! In the order of the data: `control` is the application's handle, `health` what it tells. `start` makes the lease table
//! usable; `begin_anew` has the worker start again with a stream that was created again, and `audit` sees whether each open shard is
//! read. `lease_side` sets up what keeps the leases: the `lease_keeper`, which comes to them by a `search` and renews them, on the
//! `lease_thread`, apart from the application's threads. `shard_listings` tells it which shards the service lists.
//! `application_watch` reports to it that the application's threads have stopped, by the rule of the pure `stall`. `run_error` is
//! the end that nobody asked for.

pub(crate) mod application_watch;
mod audit;
mod begin_anew;
mod control;
pub(crate) mod health;
mod lease_keeper;
mod lease_side;
pub(crate) mod lease_thread;
mod run_error;
mod search;
mod shard_listings;
mod stall;
mod start;

#[cfg(test)]
mod blocked_application;

use std::sync::Arc;
use std::time::Duration;

use service::{Clock, Tasks};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::assignment::origin::StreamAtStart;
use crate::builder::WorkerBuilder;
use crate::calls::Calls;
use crate::config::Config;
use crate::consumer::shard_consumer::ConsumerParts;
use crate::consumer::supervisor::{ShutdownReport, Supervisor};
use crate::error::WorkerError;
use crate::event::WorkerEvent;
use crate::lease::layout::TableLayout;
use crate::lease::model::WorkerId;
use crate::lease::ownership::Drain;
use crate::lease::renewer::Renewer;
use crate::lease::table::LeaseTable;
use crate::observers::Observers;
use crate::processor::ProcessorFactory;
use crate::retrieval::permit::ReadBudget;
use crate::shard_sync::surveyor::Surveyor;
use crate::spans::Group;
use crate::stream::StreamRef;
pub use control::WorkerControl;
pub use health::{Degraded, Health, WorkerPhase};
use lease_side::LeaseSide;
pub use run_error::RunError;
use start::{Occasion, Start};

/// How long the lease thread, and handlers that were aborted, may take to stop before they are left to themselves. Our choice.
const STOP: Duration = Duration::from_secs(1);

/// How long the consumers wait for other workers to know that this one leaves. Our choice.
const RETIRE: Duration = Duration::from_secs(1);

/// How a run of a worker that had started came to its end.
enum Ran {
    ToItsEnd(ShutdownReport, Result<(), WorkerError>),
    /// It begins anew.
    UntilTheStreamWasCreatedAgain,
}

/// A worker: it takes its share of a stream's shards and passes their records to the application's processors.
#[doc(alias = "Scheduler")]
pub struct Worker {
    pub(crate) id: WorkerId,
    pub(crate) stream: StreamRef,
    pub(crate) calls: Calls,
    pub(crate) table: Arc<dyn LeaseTable>,
    pub(crate) layout: TableLayout,
    pub(crate) factory: ProcessorFactory,
    pub(crate) config: Config,
    pub(crate) control: WorkerControl,
    pub(crate) observers: Observers,
    pub(crate) group: Group,
    pub(crate) budget: ReadBudget,
    pub(crate) tasks: Tasks,
    pub(crate) clock: Clock,
    pub(crate) rng: fastrand::Rng,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("id", &self.id)
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Begins a worker of `application` (the lease table's name) on `stream` (a name or an ARN).
    pub fn builder(application: impl Into<String>, stream: impl Into<String>) -> WorkerBuilder {
        WorkerBuilder::new(application.into(), stream.into())
    }

    /// A handle to stop it.
    pub fn control(&self) -> WorkerControl {
        self.control.clone()
    }

    /// Its name in the lease table.
    pub fn id(&self) -> &WorkerId {
        &self.id
    }

    /// Runs until [`WorkerControl::shutdown`].
    ///
    /// # Errors
    ///
    /// [`RunError`], with its [`WorkerError`] and a report of the shards, if it cannot start within `initialization_timeout`, or
    /// at once if waiting cannot help: the stream does not exist (unless `wait_for_stream` says to wait), access is denied, or
    /// the table is led by workers that this version does not understand. A worker that runs ends with an error too if it cannot go
    /// on, for example if its lease table was deleted and [`CreateTable::Never`](crate::CreateTable::Never) is set.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops all of its tasks on the spot, as a crash would: the leases expire.
    pub async fn run(mut self) -> Result<ShutdownReport, RunError> {
        let draining = self.control.draining.clone();
        let health = self.control.health.clone();
        // Also when the future is dropped.
        let _ends = self.control.run_begins();
        let rng = self.rng.fork();
        let mut started = tokio::select! {
            biased;
            () = draining.cancelled() => return Ok(ShutdownReport::default()),
            started = Box::pin(self.starter(rng, Occasion::Start).run()) => {
                started.map_err(|error| RunError::new(error, ShutdownReport::default()))?
            }
        };
        self.observers.tell(WorkerEvent::Started {
            stream: self.stream.clone(),
            table: self.table.name().to_owned(),
        });
        let (report, result) = loop {
            health.enter(WorkerPhase::Running);
            // A worker that runs never changes its rule.
            self.config.coordination = started.rule.kept();
            match Box::pin(self.run_started(started.stream)).await {
                Ran::ToItsEnd(report, result) => break (report, result),
                Ran::UntilTheStreamWasCreatedAgain => health.enter(WorkerPhase::Starting),
            }
            let rng = self.rng.fork();
            started = tokio::select! {
                biased;
                () = draining.cancelled() => break (ShutdownReport::default(), Ok(())),
                started = Box::pin(self.starter(rng, Occasion::BeginAnew).run()) => match started {
                    Ok(started) => started,
                    Err(error) => break (ShutdownReport::default(), Err(error)),
                },
            };
        };
        self.observers.tell(WorkerEvent::Ended {
            released: report.released.len(),
            abandoned: report.abandoned.len(),
        });
        match result {
            Ok(()) => Ok(report),
            Err(error) => Err(RunError::new(error, report)),
        }
    }

    fn starter(&self, rng: fastrand::Rng, occasion: Occasion) -> Start<'_> {
        Start {
            worker: &self.id,
            observers: &self.observers,
            table: &self.table,
            layout: &self.layout,
            calls: &self.calls,
            stream: &self.stream,
            config: &self.config,
            clock: &self.clock,
            health: &self.control.health,
            rng,
            occasion,
        }
    }

    async fn run_started(&mut self, stream: StreamAtStart) -> Ran {
        let began_with = stream.incarnation.clone();
        let surveyor = Surveyor::new(self.calls.clone(), self.stream.clone(), began_with, &self.clock);
        let surveyor = Arc::new(surveyor);
        let replaced = surveyor.replaced();
        let searching = self.control.draining.child_token();
        let mut lease_side = LeaseSide::start(self, stream, replaced.clone(), searching.clone());
        let (renewer, of_other_streams) = (lease_side.renewer.clone(), Arc::clone(&lease_side.of_other_streams));
        let retired = lease_side.retired.clone();
        let parts = self.consumer_parts(&lease_side, Arc::clone(&surveyor));
        let mut supervisor = Supervisor::new(
            parts,
            self.control.draining.clone(),
            self.control.shards.clone(),
            self.rng.fork(),
        );
        let (rng, audit_rng) = (self.rng.fork(), self.rng.fork());
        let audits = lease_side.audits.clone();
        let leases = std::mem::replace(&mut lease_side.leases, mpsc::channel(1).1);
        let questions = std::mem::replace(&mut lease_side.questions, mpsc::channel(1).1);
        let ended = tokio::select! {
            biased;
            ended = lease_side.ended() => Some(ended),
            () = self.control.over() => None,
            () = self.drain(&renewer, &retired) => None,
            () = self.make_way(&renewer, &replaced, &searching) => None,
            never = self.answer_about_shards(&surveyor, questions) => match never {},
            never = self.tidy(&surveyor, &of_other_streams, rng) => match never {},
            error = self.audit(&surveyor, audits, audit_rng) => Some(Err(error)),
            () = supervisor.run(leases) => None,
        };
        let report = supervisor.finish(STOP).await;
        let result = match ended {
            Some(ended) => ended,
            None => {
                // A lease thread may be blocked, for example by the application's log. It must not keep `run` for ever.
                let stopped = self.clock.timeout(STOP, lease_side.stop()).await;
                stopped.unwrap_or(Ok(()))
            }
        };
        if result.is_ok() && searching.is_cancelled() && !self.control.draining.is_cancelled() {
            self.control.shards.clear();
            if !report.abandoned.is_empty() {
                let shards = report.abandoned;
                self.observers.tell(WorkerEvent::HandlersLeftBehind { shards });
            }
            return Ran::UntilTheStreamWasCreatedAgain;
        }
        Ran::ToItsEnd(report, result)
    }

    /// Passes a request to stop on to the consumers, once there is one. Never ends.
    async fn drain(&self, renewer: &Renewer, retired: &CancellationToken) {
        self.control.draining.cancelled().await;
        // Else it might be given a lease that it has just released.
        self.clock.timeout(RETIRE, retired.cancelled()).await;
        renewer.drain(Drain::Shutdown).await;
        std::future::pending().await
    }

    fn consumer_parts(&self, lease_side: &LeaseSide, surveyor: Arc<Surveyor>) -> ConsumerParts {
        ConsumerParts {
            worker: self.id.clone(),
            surveyor,
            calls: self.calls.clone(),
            table: Arc::clone(&self.table),
            layout: self.layout.clone(),
            renewer: lease_side.renewer.clone(),
            factory: Arc::clone(&self.factory),
            budget: self.budget.clone(),
            config: self.config.clone(),
            observers: self.observers.clone(),
            group: self.group.clone(),
            tasks: self.tasks.clone(),
            clock: self.clock.clone(),
            new_leases: Arc::clone(&lease_side.new_leases),
            child_leases: lease_side.child_leases.clone(),
            ended_leases: lease_side.ended_leases.clone(),
        }
    }
}
