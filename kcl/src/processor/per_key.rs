//! Records of different keys at once, those of one key one after the other.
//!
//! `PerKey` is the processor that a worker calls. It hands each call to the `driver`, a task that runs the records and asks
//! the pure `watermark` which ones may run and how far everything is done.

mod driver;
mod watermark;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use service::Tasks;

use crate::checkpoint::automatic::AutomaticCheckpoints;
use crate::checkpoint::checkpointer::Checkpointer;
use crate::checkpoint::position::{Position, RecordPosition};
use crate::config::Config;
use crate::lease::guard::LeaseGuard;
use crate::lease::lost::LeaseLost;
use crate::processor::batch::Batch;
use crate::processor::handler_error::HandlerError;
use crate::processor::handler_timeout::HandlerTimeout;
use crate::processor::{Adapted, RecordProcessor, ShardContext};
use crate::record::Record;
use driver::{Ask, Driver, Handler, Handling, Outcome};
use watermark::Bounds;

/// Runs a function for each record: records of different partition keys at once, those of one key in their order.
///
/// ```
/// # use kcl::{HandlerError, PerKey, Record, ShardContext, Worker};
/// # async fn charge(_customer: &str, _order: &[u8]) -> Result<(), HandlerError> { Ok(()) }
/// let worker = Worker::builder("billing", "orders").processor(|_shard: &ShardContext| {
///     PerKey::new(|record: Record| async move { charge(record.partition_key(), record.data()).await }).max_in_flight(32)
/// });
/// ```
///
/// **Checkpoints** are its own: the *watermark*, up to which every record is done. Each renewal of the lease
/// writes it, three times in the worker's `failover_time`. A write of its own follows if
/// [`checkpoint_interval`](Self::checkpoint_interval) is shorter, at a shutdown, and at the end of the shard. After a crash the records behind the last checkpoint come again, also those that were done: at most a [`window`](Self::window) and
/// what was done since.
///
/// **Errors** of a record go to the worker's [`ErrorPolicy`](crate::ErrorPolicy), as an error of that record alone: it is
/// tried again, skipped or dead-lettered by itself. Until then the records of its key wait behind it, and the watermark stays
/// in front of it. Records of other keys go on, up to the window. A worker that tries a record again reads the shard again
/// from the watermark on; records that are done or running meanwhile are not run twice.
///
/// **Time.** A record that is not done within the worker's `handler_timeout` is dropped, which is an error of that record. The
/// calls of `PerKey` itself wait for many records, and have no limit.
///
/// **The end.** When the shard ends, all records are run to their ends first. A shutdown waits for those that run, and starts
/// no more. When the lease is lost, all are dropped at their next await, and no more are started.
///
/// Records that wait or run count against the worker's `read_budget`; those that wait behind a failed one do not, and are
/// read again with it.
pub struct PerKey {
    handler: Handler,
    bounds: Bounds,
    /// `None`: the worker's.
    interval: Option<Duration>,
    adapted: Adapted,
    tasks: Tasks,
    running: Option<Running>,
}

/// The state of a shard of which something was delivered.
#[derive(Debug)]
struct Running {
    driver: Driver,
    lease: LeaseGuard,
    /// Everything up to here is done.
    mark: Option<RecordPosition>,
    /// The last record that was delivered since the last failure: how far a checkpoint is permitted.
    delivered: Option<RecordPosition>,
    automatic: AutomaticCheckpoints,
}

impl fmt::Debug for PerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerKey")
            .field("bounds", &self.bounds)
            .field("interval", &self.interval)
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

impl PerKey {
    /// A processor that calls `handler` for each record.
    ///
    /// A panic of `handler` is an error of its record.
    pub fn new<H, Handling>(handler: H) -> Self
    where
        H: Fn(Record) -> Handling + Send + Sync + 'static,
        Handling: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        Self {
            handler: Arc::new(move |record| Box::pin(handler(record))),
            bounds: Bounds {
                in_flight: 64,
                window: 10_000,
            },
            interval: None,
            adapted: Adapted::new(&Config::default(), HandlerTimeout::default()),
            tasks: Tasks::default(),
            running: None,
        }
    }

    /// The most records of the shard that run at once. Default: 64; at least 1.
    #[must_use]
    pub fn max_in_flight(mut self, records: usize) -> Self {
        self.bounds.in_flight = records.max(1);
        self
    }

    /// The most records from the watermark to the newest one that was begun or waits. When it is full, the shard is not read
    /// on until the oldest record is done. Default: 10,000; at least 1.
    #[must_use]
    pub fn window(mut self, records: usize) -> Self {
        self.bounds.window = records.max(1);
        self
    }

    /// How long records that are done may lack a checkpoint while records flow, as
    /// [`WorkerBuilder::checkpoint_interval`](crate::WorkerBuilder::checkpoint_interval) says, whose value is the default.
    #[must_use]
    pub fn checkpoint_interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// The state, begun with the first batch.
    fn running(&mut self, lease: &LeaseGuard) -> &mut Running {
        let interval = self.interval.unwrap_or(self.adapted.checkpoint_interval);
        let running = Handling {
            handler: Arc::clone(&self.handler),
            timeout: self.adapted.handler_timeout.of_a_record(),
            lease: lease.clone(),
            tasks: self.tasks.clone(),
        };
        let bounds = self.bounds;
        self.running.get_or_insert_with(|| Running {
            driver: Driver::start(running, bounds),
            mark: None,
            delivered: None,
            automatic: AutomaticCheckpoints::new(interval),
            lease: lease.clone(),
        })
    }

    /// Makes a call while records flow, and checkpoints when it is time to.
    async fn ask(&mut self, ask: Ask, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        running.ask(ask, checkpointer).await?;
        if !running.defer(checkpointer) {
            return Ok(());
        }
        let checkpointed = running.checkpoint(checkpointer).await;
        // What the table refuses was told by the renewer, and a later checkpoint makes up for it.
        checkpointed.or_else(|error| if error.is_of_the_table() { Ok(()) } else { Err(error) })
    }
}

impl Running {
    /// Makes a call. Records that have failed are to be delivered again.
    async fn ask(&mut self, ask: Ask, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        let outcome = self.call(ask, checkpointer).await;
        if outcome.is_err() {
            // The worker permits checkpoints up to here, until it has delivered the records again.
            self.delivered.clone_from(&self.mark);
            let mark = self.mark.clone().map_or(Position::AtTimestamp, Position::At);
            checkpointer.begin_again_behind(mark);
        }
        outcome
    }

    async fn call(&mut self, ask: Ask, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        let Some(Outcome { result, mark }) = self.driver.ask(ask, checkpointer.processed_up_to()).await else {
            return Err(match self.lease.is_valid() {
                true => HandlerError::new("the task that runs the records has ended"),
                false => HandlerError::lease_lost(),
            });
        };
        self.mark = mark;
        result
    }

    /// Defers a checkpoint at the watermark. Returns whether it is to get a write of its own.
    fn defer(&mut self, checkpointer: &Checkpointer) -> bool {
        let Some(mark) = self.checkpoint_at().cloned() else {
            return false;
        };
        let done = Position::At(mark.clone());
        if done > checkpointer.reached() {
            // It was delivered and lies behind no checkpoint, because nobody else makes one.
            drop(checkpointer.defer_at(mark));
        }
        let now = self.lease.clock().now();
        self.automatic.is_due(&done, &checkpointer.last(), now)
    }

    /// How far a checkpoint may go: to the watermark.
    fn checkpoint_at(&self) -> Option<&RecordPosition> {
        let mark = self.mark.as_ref().min(self.delivered.as_ref());
        #[cfg(feature = "_simulation")]
        let mark = match crate::planted_bugs::PlantedBug::HighestOfAllKeys.is_planted() {
            true => self.delivered.as_ref(),
            false => mark,
        };
        mark
    }

    /// Checkpoints the watermark.
    async fn checkpoint(&self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        match self.checkpoint_at() {
            Some(mark) if Position::At(mark.clone()) > checkpointer.last() => {
                Ok(checkpointer.checkpoint_at(mark.clone()).await?)
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl RecordProcessor for PerKey {
    async fn initialize(&mut self, shard: &ShardContext) -> Result<(), HandlerError> {
        (self.tasks, self.adapted) = (shard.tasks.clone(), shard.adapted.clone());
        Ok(())
    }

    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        let running = self.running(&batch.lease);
        running.delivered = batch.records.last().map(|record| record.position().clone());
        self.ask(Ask::Process(batch), checkpointer).await
    }

    async fn idle(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.ask(Ask::Look, checkpointer).await
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        // The worker checkpoints the end itself.
        running.ask(Ask::FinishAll, checkpointer).await
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        // Records may have failed; those in front of them are done all the same.
        let finished = running.call(Ask::FinishRunning, checkpointer).await;
        running.checkpoint(checkpointer).await?;
        finished
    }

    async fn lease_lost(&mut self, _: LeaseLost) {
        if let Some(running) = self.running.take() {
            running.driver.stop().await;
        }
    }
}

#[cfg(test)]
mod tests;
