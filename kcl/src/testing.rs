//! Unit tests of record processors, without AWS and without a worker.
//!
//! ```
//! # use std::collections::BTreeMap;
//! # use kcl::{Batch, Checkpointer, HandlerError, RecordProcessor};
//! use kcl::testing::{TestRecord, TestShard, at};
//!
//! # #[derive(Default)]
//! # struct Totals(BTreeMap<String, u64>);
//! # impl RecordProcessor for Totals {
//! #     async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
//! #         for record in &batch.records {
//! #             let amount: u64 = std::str::from_utf8(record.data())?.parse()?;
//! #             *self.0.entry(record.partition_key().to_owned()).or_default() += amount;
//! #         }
//! #         Ok(checkpointer.checkpoint().await?)
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), HandlerError> {
//! let shard = TestShard::new();
//! let mut totals = Totals::default(); // the processor under test
//! let orders = [TestRecord::new("customer-7", "20"), TestRecord::new("customer-7", "22")];
//! shard.process(&mut totals, orders).await?;
//! assert_eq!(totals.0["customer-7"], 42);
//! assert_eq!(shard.checkpoints(), [at(2)]); // one checkpoint, at the second record
//! # Ok(())
//! # }
//! ```
//!
//! A [`TestShard`] stands for a shard whose lease is held: it numbers the records, and has what a processor is given. Its
//! methods call a processor as a worker does; [`batch`](TestShard::batch), [`context`](TestShard::context) and
//! [`checkpointer`](TestShard::checkpointer) are for tests that call it themselves, or that test functions below it.
//!
//! Inside, `record` makes the records.
//!
//! What a fleet of workers does with a processor (crashes, resharding, two owners) is tested with `kinesis-testkit`.

mod record;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aggregation::HashKeyRange;
use service::{Clock, Tasks};
use tokio::sync::watch;

use crate::checkpoint::checkpointer::Checkpointer;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::position::{Position, RecordPosition};
use crate::checkpoint::recorder::Recorder;
use crate::config::Config;
use crate::error::{CallErrorKind, TableError};
use crate::lease::guard::{LeaseEpoch, LeaseGuard, LeaseState, Signal};
use crate::lease::lost::LeaseLost;
use crate::lease::model::{PendingCheckpoint, WorkerId};
use crate::lease::ownership::End;
use crate::processor::batch::Batch;
use crate::processor::handler_error::HandlerError;
use crate::processor::handler_timeout::HandlerTimeout;
use crate::processor::{Adapted, RecordProcessor, ShardContext};
use crate::record::Record;
use crate::stream::{ShardId, ShardRef, StreamRef};

pub use record::TestRecord;

/// How long the lease of a test lasts: longer than tests under virtual time do.
const LEASE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A shard whose lease is held until the test loses it.
///
/// By default it is `orders/shardId-000000000000`, has no parents and all hash keys, and begins at `TRIM_HORIZON`. The
/// lease is also lost when the `TestShard` is dropped.
#[derive(Debug)]
pub struct TestShard {
    context: ShardContext,
    lease: watch::Sender<LeaseState>,
    recorder: Arc<Recorder>,
    checkpointer: Checkpointer,
    /// The position of the last record that was numbered.
    last: Mutex<RecordPosition>,
}

/// How a checkpoint of a test fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointFailure {
    /// The lease is another worker's.
    LeaseLost,
    /// The lease table is over its limit; a later checkpoint may work.
    Throttled,
}

impl Default for TestShard {
    fn default() -> Self {
        Self::new()
    }
}

impl TestShard {
    /// A shard of which nothing was delivered.
    pub fn new() -> Self {
        let clock = Clock::default();
        let (lease, state) = watch::channel(LeaseState {
            valid_until: clock.now() + LEASE,
            signal: Signal::Run,
        });
        let context = ShardContext {
            shard: ShardRef::new(StreamRef::parse("orders"), ShardId::new("shardId-000000000000")),
            parents: [].into(),
            hash_range: Some(HashKeyRange::FULL),
            checkpoint: Position::TrimHorizon,
            pending: None,
            worker: WorkerId::new("worker-1"),
            lease: LeaseGuard::new(LeaseEpoch(1), state, clock),
            tasks: Tasks::default(),
            adapted: Adapted::new(&Config::default(), HandlerTimeout::default()),
        };
        let recorder = Arc::new(Recorder::default());
        Self {
            checkpointer: Checkpointer::recorded(Arc::clone(&recorder), Position::TrimHorizon),
            context,
            lease,
            recorder,
            last: Mutex::new(record::numbered(0, 0)),
        }
    }

    /// Gives it another name: of its stream (a name or an ARN), and its id.
    #[must_use]
    pub fn named(mut self, stream: &str, shard: &str) -> Self {
        self.context.shard = ShardRef::new(StreamRef::parse(stream), ShardId::new(shard));
        self
    }

    /// Gives it parents, by their ids.
    #[must_use]
    pub fn parents<'a>(mut self, parents: impl IntoIterator<Item = &'a str>) -> Self {
        self.context.parents = parents.into_iter().map(ShardId::new).collect();
        self
    }

    /// Gives it other hash keys, or none that are known.
    #[must_use]
    pub fn hash_range(mut self, range: impl Into<Option<HashKeyRange>>) -> Self {
        self.context.hash_range = range.into();
        self
    }

    /// Begins behind `position`, as an owner does that finds this checkpoint. Records are numbered from there.
    #[must_use]
    pub fn checkpoint(mut self, position: Position) -> Self {
        if let Position::At(record) = &position {
            *self.last() = record.clone();
        }
        self.checkpointer = Checkpointer::recorded(Arc::clone(&self.recorder), position.clone());
        self.context.checkpoint = position;
        self
    }

    /// Gives it a checkpoint that an earlier owner has prepared and not committed.
    #[must_use]
    pub fn pending(mut self, position: Position, state: impl Into<Option<Vec<u8>>>) -> Self {
        let state = state.into();
        self.context.pending = Some(PendingCheckpoint { position, state });
        self
    }

    /// Gives the worker another id.
    #[must_use]
    pub fn worker(mut self, id: &str) -> Self {
        self.context.worker = WorkerId::new(id);
        self
    }

    /// Gives the lease another fencing token. Default: 1.
    #[must_use]
    pub fn token(mut self, token: u64) -> Self {
        self.context.lease = self.context.lease.with_token(LeaseEpoch(token));
        self
    }

    /// What `initialize` and a factory of processors are given.
    pub fn context(&self) -> ShardContext {
        self.context.clone()
    }

    /// The guard of its lease.
    pub fn lease(&self) -> LeaseGuard {
        self.context.lease.clone()
    }

    /// Where the processor checkpoints. It permits what a worker would: records that were delivered, forwards.
    pub fn checkpointer(&self) -> &Checkpointer {
        &self.checkpointer
    }

    /// What was checkpointed so far, in its order. Deferred checkpoints are not among them, nor those that failed.
    pub fn checkpoints(&self) -> Vec<Position> {
        self.recorder.written()
    }

    /// What was deferred so far, in its order. No renewal of the lease writes it.
    pub fn deferred(&self) -> Vec<Position> {
        self.recorder.deferred()
    }

    /// What was prepared so far, in its order, committed or not.
    pub fn prepared(&self) -> Vec<PendingCheckpoint> {
        self.recorder.prepared()
    }

    /// Makes the next checkpoint or preparation fail; several calls, as many.
    pub fn fail_checkpoint(&self, failure: CheckpointFailure) {
        self.recorder.fail_one(failure.into());
    }

    /// Loses the lease: its guard is cancelled, and no checkpoint succeeds any more.
    pub fn lose_lease(&self, reason: LeaseLost) {
        let end = match reason {
            LeaseLost::Expired => End::Lapsed,
            LeaseLost::Taken { by } => End::Taken { by },
            LeaseLost::GivenUp => End::Released,
            LeaseLost::RowGone => End::Gone,
            LeaseLost::StreamCreatedAgain => End::StreamCreatedAgain,
            LeaseLost::WorkerIdInUse => End::WorkerIdInUse,
        };
        self.recorder.fail_all(CheckpointError::LeaseLost);
        self.lease.send_modify(|state| state.signal = Signal::Lost(end));
    }

    /// Delivers records: they may be checkpointed from now on.
    ///
    /// Records without a sequence number get the next ones: 1, 2, 3 and so on in a shard that begins with nothing read. A
    /// [`Record`] keeps its position, so the records of a batch can be delivered again. The lag is 0; set `lag` in the batch to
    /// change it.
    pub fn batch<R: Into<TestRecord>>(&self, records: impl IntoIterator<Item = R>) -> Batch {
        let mut last = self.last();
        let records = records.into_iter().map(|record| record.into().behind(&mut last));
        let records: Vec<Record> = records.collect();
        if let Some(record) = records.last() {
            self.checkpointer.delivered(record.position());
        }
        Batch {
            records,
            lag: Some(Duration::ZERO),
            lease: self.lease(),
            _room: None,
        }
    }

    /// Calls `initialize`.
    ///
    /// # Errors
    ///
    /// The processor's.
    ///
    /// # Cancellation
    ///
    /// To drop the future drops the processor's call.
    pub async fn initialize(&self, processor: &mut impl RecordProcessor) -> Result<(), HandlerError> {
        processor.initialize(&self.context).await
    }

    /// Delivers a [`batch`](Self::batch) to `process`.
    ///
    /// # Errors
    ///
    /// The processor's. As in a worker, records behind the last checkpoint do not count as delivered then.
    ///
    /// # Cancellation
    ///
    /// To drop the future drops the processor's call. The records count as delivered then.
    pub async fn process<R: Into<TestRecord>>(
        &self,
        processor: &mut impl RecordProcessor,
        records: impl IntoIterator<Item = R>,
    ) -> Result<(), HandlerError> {
        let batch = self.batch(records);
        let processed = processor.process(batch, &self.checkpointer).await;
        match &processed {
            Ok(()) => self.checkpointer.processed(),
            Err(_) => self.checkpointer.failed(),
        }
        processed
    }

    /// Calls `idle`.
    ///
    /// # Errors
    ///
    /// The processor's.
    ///
    /// # Cancellation
    ///
    /// To drop the future drops the processor's call.
    pub async fn idle(&self, processor: &mut impl RecordProcessor) -> Result<(), HandlerError> {
        processor.idle(&self.checkpointer).await
    }

    /// Calls `shard_ended`, and checkpoints `SHARD_END` behind its `Ok`, as a worker does.
    ///
    /// # Errors
    ///
    /// The processor's, and that of the checkpoint.
    ///
    /// # Cancellation
    ///
    /// To drop the future drops the processor's call, and leaves open whether `SHARD_END` is checkpointed.
    pub async fn end(&self, processor: &mut impl RecordProcessor) -> Result<(), HandlerError> {
        self.checkpointer.shard_ended();
        let ended = processor.shard_ended(&self.checkpointer).await;
        match &ended {
            Ok(()) => self.checkpointer.checkpoint().await?,
            Err(_) => self.checkpointer.failed(),
        }
        ended
    }

    /// Calls `shutdown_requested`.
    ///
    /// # Errors
    ///
    /// The processor's.
    ///
    /// # Cancellation
    ///
    /// To drop the future drops the processor's call. Its checkpoints stay.
    pub async fn shut_down(&self, processor: &mut impl RecordProcessor) -> Result<(), HandlerError> {
        processor.shutdown_requested(&self.checkpointer).await
    }

    /// [Loses the lease](Self::lose_lease), and calls `lease_lost`.
    ///
    /// # Cancellation
    ///
    /// To drop the future drops the processor's call. The lease stays lost.
    pub async fn lose(&self, processor: &mut impl RecordProcessor, reason: LeaseLost) {
        self.lose_lease(reason.clone());
        processor.lease_lost(reason).await;
    }

    fn last(&self) -> MutexGuard<'_, RecordPosition> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<CheckpointFailure> for CheckpointError {
    fn from(failure: CheckpointFailure) -> Self {
        match failure {
            CheckpointFailure::LeaseLost => Self::LeaseLost,
            CheckpointFailure::Throttled => Self::Throttled(TableError {
                operation: "UpdateItem",
                kind: CallErrorKind::Throttled {
                    code: "ProvisionedThroughputExceededException".into(),
                },
            }),
        }
    }
}

/// The position of the record with this sequence number, the first user record of it.
pub fn at(sequence_number: u128) -> Position {
    at_place(sequence_number, 0)
}

/// The position of a user record inside an aggregate, its place counted from 0.
pub fn at_place(sequence_number: u128, place: u64) -> Position {
    Position::At(record::numbered(sequence_number, place))
}

#[cfg(test)]
mod tests;
