//! One worker of a fleet.
//!
//! In the order of the data: `start` makes the lease table usable, `lease_keeper` takes and renews leases.

mod lease_keeper;
mod start;

use std::sync::Arc;
use std::time::Duration;

use service::{Clock, Tasks};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::assignment::taker::{Taker, TakerPolicy, VeryOldLeases};
use crate::assignment::task::Assignment;
use crate::builder::WorkerBuilder;
use crate::calls::Calls;
use crate::config::Config;
use crate::consumer::shard_consumer::ConsumerParts;
use crate::consumer::supervisor::{ShutdownReport, Supervisor};
use crate::error::WorkerError;
use crate::event::Event;
use crate::fold::Fold;
use crate::lease::model::WorkerId;
use crate::lease::ownership::{Drain, Terms};
use crate::lease::renewer::{RenewalTimes, Renewer};
use crate::lease::table::LeaseTable;
use crate::processor::ProcessorFactory;
use crate::shard_sync::surveyor::Surveyor;
use crate::stream::Incarnation;
use lease_keeper::LeaseKeeper;
use start::Start;

/// Leases that may wait for their consumer to be started.
const OWNED_LEASES: usize = 64;

/// A worker: it takes its share of a stream's shards and passes their records to the application's processors.
#[doc(alias = "Scheduler")]
pub struct Worker {
    pub(crate) id: WorkerId,
    pub(crate) calls: Calls,
    pub(crate) table: Arc<dyn LeaseTable>,
    pub(crate) factory: ProcessorFactory,
    pub(crate) config: Config,
    pub(crate) control: WorkerControl,
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

/// Stops a worker from anywhere. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WorkerControl {
    draining: CancellationToken,
    grace: Arc<watch::Sender<Duration>>,
    clock: Clock,
}

impl WorkerControl {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            draining: CancellationToken::new(),
            grace: Arc::new(watch::Sender::new(Duration::from_secs(30))),
        }
    }

    /// Asks the worker to stop: processors finish the batch they are at, may checkpoint, and the leases are given back,
    /// so that other workers take them at once. What is not done within `grace` is abandoned, and its leases expire.
    /// [`Worker::run`] returns the report. A second call changes the grace.
    #[doc(alias = "startGracefulShutdown")]
    pub fn shutdown(&self, grace: Duration) {
        self.grace.send_replace(grace);
        self.draining.cancel();
    }

    /// Waits until the grace is over; for ever while nobody asked the worker to stop.
    async fn over(&self) {
        self.draining.cancelled().await;
        let begun = self.clock.now();
        let mut grace = self.grace.subscribe();
        loop {
            let end = begun.checked_add(*grace.borrow_and_update());
            tokio::select! {
                biased;
                Ok(()) = grace.changed() => {}
                () = self.clock.sleep_until(end) => return,
            }
        }
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
    /// [`WorkerError`] if it cannot start within `initialization_timeout`, or at once if waiting cannot help: the stream
    /// does not exist, access is denied, or the table is led by workers that this version does not understand.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops all of its tasks on the spot, as a crash would: the leases expire.
    pub async fn run(mut self) -> Result<ShutdownReport, WorkerError> {
        let draining = self.control.draining.clone();
        let incarnation = tokio::select! {
            biased;
            () = draining.cancelled() => return Ok(ShutdownReport::default()),
            started = self.start() => started?,
        };
        let stream = self.calls.stream().to_string();
        Event::Started {
            worker: &self.id,
            stream: &stream,
            table: self.table.name(),
        }
        .emit();
        let (report, result) = self.run_started(incarnation).await;
        Event::Ended {
            worker: &self.id,
            released: report.released.len(),
            abandoned: report.abandoned.len(),
        }
        .emit();
        result.map(|()| report)
    }

    fn start(&mut self) -> impl Future<Output = Result<Option<Incarnation>, WorkerError>> {
        let start = Start {
            table: &self.table,
            calls: &self.calls,
            config: &self.config,
            clock: &self.clock,
            rng: self.rng.fork(),
        };
        start.run()
    }

    async fn run_started(&mut self, incarnation: Option<Incarnation>) -> (ShutdownReport, Result<(), WorkerError>) {
        let (owned, leases) = mpsc::channel(OWNED_LEASES);
        let new_leases = Arc::new(Notify::new());
        let (renewer, renewing) = Renewer::new(
            Arc::clone(&self.table),
            self.id.clone(),
            self.renewal_times(),
            (self.clock.clone(), self.rng.fork()),
        );
        let stop = CancellationToken::new();
        let keeper = LeaseKeeper {
            assignment: self.assignment(renewer.clone(), owned, Arc::clone(&new_leases)),
            renewing,
            draining: self.control.draining.clone(),
            stop: stop.clone(),
        };
        let mut keeping = JoinSet::new();
        keeping.spawn(self.tasks.vital("leases", keeper.run()));
        let surveyor = Arc::new(Surveyor::new(self.calls.clone(), incarnation, self.clock.clone()));
        let parts = self.consumer_parts(renewer.clone(), surveyor, new_leases);
        let mut supervisor = Supervisor::new(parts, self.control.draining.clone(), self.rng.fork());
        let ended = tokio::select! {
            biased;
            ended = keeping.join_next() => ended,
            () = self.control.over() => None,
            () = self.drain(&renewer) => None,
            () = supervisor.run(leases) => None,
        };
        let report = supervisor.finish();
        stop.cancel();
        let ended = match ended {
            None => keeping.join_next().await,
            ended => ended,
        };
        (
            report,
            ended.unwrap_or(Ok(Ok(()))).unwrap_or(Err(WorkerError::TaskPanicked)),
        )
    }

    /// Passes a request to stop on to the consumers, once there is one. Never ends.
    async fn drain(&self, renewer: &Renewer) {
        self.control.draining.cancelled().await;
        renewer.drain(Drain::Shutdown).await;
        std::future::pending().await
    }

    fn renewal_times(&self) -> RenewalTimes {
        RenewalTimes {
            terms: Terms {
                failover: self.config.failover_time,
                renewal: self.config.renewal_interval(),
            },
            write_timeout: self.config.lease_write_timeout(),
        }
    }

    fn assignment(
        &mut self,
        renewer: Renewer,
        owned: mpsc::Sender<crate::lease::renewer::OwnedLease>,
        new_leases: Arc<Notify>,
    ) -> Assignment {
        let policy = TakerPolicy {
            failover: self.config.failover_time,
            max_leases: self.config.max_leases,
            max_leases_to_steal: 1,
            very_old_leases: VeryOldLeases::TakenFirst,
        };
        Assignment {
            clock: self.clock.clone(),
            worker: self.id.clone(),
            table: Arc::clone(&self.table),
            renewer,
            taker: Taker::new(self.id.clone(), policy),
            interval: self.config.assignment_interval(),
            write_timeout: self.config.lease_write_timeout(),
            rng: self.rng.fork(),
            failures: Fold::default(),
            owned,
            new_leases,
        }
    }

    fn consumer_parts(&self, renewer: Renewer, surveyor: Arc<Surveyor>, new_leases: Arc<Notify>) -> ConsumerParts {
        ConsumerParts {
            surveyor,
            calls: self.calls.clone(),
            table: Arc::clone(&self.table),
            renewer,
            factory: Arc::clone(&self.factory),
            config: self.config.clone(),
            tasks: self.tasks.clone(),
            clock: self.clock.clone(),
            new_leases,
        }
    }
}
