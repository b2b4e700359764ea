//! One worker of a fleet.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::assignment::taker::{Taker, TakerPolicy, VeryOldLeases};
use crate::assignment::task::Assignment;
use crate::builder::WorkerBuilder;
use crate::calls::{Calls, ShardsToList};
use crate::clock;
use crate::config::Config;
use crate::consumer::shard_consumer::ConsumerParts;
use crate::consumer::supervisor::{ShutdownReport, Supervisor};
use crate::error::{TableError, WorkerError};
use crate::event::Event;
use crate::lease::model::WorkerId;
use crate::lease::renewer::{RenewalTimes, Renewer};
use crate::lease::scan::list;
use crate::lease::table::{LeaseTable, OpenError};
use crate::processor::ProcessorFactory;
use crate::retry::RetryDelays;
use crate::shard_sync::surveyor::Surveyor;
use crate::shard_sync::task::sync_shards;
use crate::stream::Incarnation;
use crate::tasks::Tasks;

/// The wait after the first failed attempt to start, and the longest. Our choice.
const START_WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

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
}

impl WorkerControl {
    pub(crate) fn new() -> Self {
        Self {
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
        let begun = clock::now();
        let mut grace = self.grace.subscribe();
        loop {
            let end = begun.checked_add(*grace.borrow_and_update());
            tokio::select! {
                biased;
                Ok(()) = grace.changed() => {}
                () = clock::sleep_until(end) => return,
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
        let incarnation = tokio::select! {
            biased;
            () = self.control.draining.cancelled() => return Ok(ShutdownReport::default()),
            started = initialize(&self.table, &self.calls, &self.config, self.rng.fork()) => started?,
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

    async fn run_started(&mut self, incarnation: Option<Incarnation>) -> (ShutdownReport, Result<(), WorkerError>) {
        let mut tasks = JoinSet::new();
        let draining = self.control.draining.clone();
        let (renewer, renewing) = Renewer::new(Arc::clone(&self.table), self.id.clone(), self.renewal_times());
        let ends_worker = draining.clone().drop_guard();
        tasks.spawn(self.tasks.named("renewer", async move {
            renewing.run().await;
            drop(ends_worker);
            Ok(())
        }));
        let new_leases = Arc::new(Notify::new());
        let (owned, leases) = mpsc::channel(OWNED_LEASES);
        let assignment = self.assignment(renewer.clone(), owned, Arc::clone(&new_leases));
        let (ends_worker, until) = (draining.clone().drop_guard(), draining.clone());
        tasks.spawn(self.tasks.named("assignment", async move {
            let result = assignment.run(until).await;
            drop(ends_worker);
            result
        }));
        let surveyor = Arc::new(Surveyor::new(self.calls.clone(), incarnation));
        let parts = self.consumer_parts(renewer, surveyor, new_leases);
        let mut supervisor = Supervisor::new(parts, self.rng.fork());
        tokio::select! {
            biased;
            () = supervisor.run(leases) => {}
            () = self.control.over() => {}
        }
        let report = supervisor.finish();
        (report, first_error(tasks).await)
    }

    fn renewal_times(&self) -> RenewalTimes {
        RenewalTimes {
            failover: self.config.failover_time,
            renewal: self.config.renewal_interval(),
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
            worker: self.id.clone(),
            table: Arc::clone(&self.table),
            renewer,
            taker: Taker::new(self.id.clone(), policy),
            interval: self.config.assignment_interval(),
            write_timeout: self.config.lease_write_timeout(),
            rng: self.rng.fork(),
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
            draining: self.control.draining.clone(),
            shard_ends: Arc::new(Notify::new()),
            new_leases,
        }
    }
}

/// Ends the background tasks, none of which has anything left to do, and returns the error of the one that ended the
/// worker, if one did.
async fn first_error(mut tasks: JoinSet<Result<(), WorkerError>>) -> Result<(), WorkerError> {
    tasks.abort_all();
    let mut result = Ok(());
    while let Some(joined) = tasks.join_next().await {
        result = result.and(match joined {
            Ok(ended) => ended,
            Err(error) if error.is_panic() => Err(WorkerError::TaskPanicked),
            Err(_aborted) => Ok(()),
        });
    }
    result
}

/// Makes the lease table usable and in line with the stream, and tries again within the time for it. Returns which stream
/// it is, if that is known.
async fn initialize(
    table: &Arc<dyn LeaseTable>,
    calls: &Calls,
    config: &Config,
    mut rng: fastrand::Rng,
) -> Result<Option<Incarnation>, WorkerError> {
    let mut delays = RetryDelays::new(START_WAITS.0, START_WAITS.1, rng.fork());
    let deadline = clock::now().checked_add(config.initialization_timeout);
    let mut failures = 0;
    loop {
        let error = match try_to_initialize(table, calls, config, &mut rng).await {
            Ok(incarnation) => return Ok(incarnation),
            Err(error) => error,
        };
        failures += 1;
        let again = clock::now() + delays.after(failures);
        if !may_pass(&error) || deadline.is_some_and(|deadline| again > deadline) {
            return Err(error);
        }
        Event::StartFailed { error: &error }.emit();
        clock::sleep_until(Some(again)).await;
    }
}

async fn try_to_initialize(
    table: &Arc<dyn LeaseTable>,
    calls: &Calls,
    config: &Config,
    rng: &mut fastrand::Rng,
) -> Result<Option<Incarnation>, WorkerError> {
    let name = || table.name().to_owned();
    let of_table = |source: TableError| WorkerError::LeaseTable { table: name(), source };
    match table.led_by_another_table().await {
        Ok(None) => {}
        Ok(Some(found)) => return Err(WorkerError::LedByOthers { table: name(), found }),
        // Policies of KCL 2.x fleets often name the lease table only.
        Err(error) if error.kind().is_denied() => Event::CoordinatorTableUnknown { error: &error }.emit(),
        Err(error) => return Err(of_table(error)),
    }
    let stream = || calls.stream().to_string();
    let of_stream = |source| WorkerError::Stream {
        stream: stream(),
        source,
    };
    // Before the list: should the stream be created again in between, the shards are taken for another stream's, and held.
    let incarnation = calls.incarnation().await.map_err(of_stream)?;
    if incarnation.is_none() {
        Event::StreamDescriptionDenied { stream: &stream() }.emit();
    }
    // Before the table is created: a mistyped stream leaves nothing behind.
    let shards = calls.list_shards(ShardsToList::All).await.map_err(of_stream)?;
    open(&**table).await?;
    let listing = list(&**table, rng).await.map_err(of_table)?;
    if let Some(found) = listing.led_by_others() {
        return Err(WorkerError::LedByOthers { table: name(), found });
    }
    sync_shards(table, calls, shards, &listing.leases, config.start_at).await?;
    Ok(incarnation)
}

async fn open(table: &dyn LeaseTable) -> Result<(), WorkerError> {
    table.open().await.map_err(|error| {
        let table = table.name().to_owned();
        match error {
            OpenError::Call(source) => WorkerError::LeaseTable { table, source },
            OpenError::OtherKey { found } => WorkerError::NotALeaseTable { table, key: found },
        }
    })
}

/// Whether a start that failed like this may work later without anybody's doing.
fn may_pass(error: &WorkerError) -> bool {
    match error {
        WorkerError::LeaseTable { source, .. } => source.kind().is_transient(),
        WorkerError::Stream { source, .. } => source.kind().is_transient(),
        WorkerError::NotALeaseTable { .. } | WorkerError::LedByOthers { .. } | WorkerError::TaskPanicked => false,
        // Seen for a moment while the stream is resharded.
        WorkerError::InconsistentShards { .. } => true,
    }
}
