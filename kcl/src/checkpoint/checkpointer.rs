//! How an application says how far it has come.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::checkpoint::destination::{Destination, LeaseRow};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::ledger::{Ledger, Proposal};
use crate::checkpoint::position::{Position, RecordPosition};
use crate::checkpoint::prepared::PreparedCheckpoint;
#[cfg(any(test, feature = "testing"))]
use crate::checkpoint::recorder::Recorder;
use crate::lease::holdings::OwnershipId;
use crate::lease::model::PendingCheckpoint;
use crate::lease::renewer::{ProgressPort, Renewer};

/// Writes the checkpoints of one ownership of a lease. Cheap to clone, and may be sent to other tasks.
///
/// | call | the checkpoint is written | it waits | it costs |
/// |---|---|---|---|
/// | [`checkpoint`](Self::checkpoint) | at once | for the table | a write |
/// | [`defer`](Self::defer) | with the next renewal of the lease, at the latest when the lease is given up | never | no write |
/// | [`prepare`](Self::prepare), then [`commit`](PreparedCheckpoint::commit) | by `commit` | for the table | two writes |
///
/// Calls without a position are for everything that was delivered so far; at the end of a shard, for the end. Those with one
/// are for everything up to and including a record: `&record`, or its [`RecordPosition`].
#[derive(Debug, Clone)]
#[doc(alias = "RecordProcessorCheckpointer")]
pub struct Checkpointer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    destination: Destination,
    ledger: Mutex<Ledger>,
}

impl Checkpointer {
    pub(crate) fn new(ownership: OwnershipId, renewer: Renewer, progress: ProgressPort, initial: Position) -> Self {
        let row = LeaseRow {
            ownership,
            renewer,
            progress,
        };
        Self::to(Destination::Row(row), initial)
    }

    /// For a test: what is checkpointed goes to `recorder`.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn recorded(recorder: Arc<Recorder>, initial: Position) -> Self {
        Self::to(Destination::Recorder(recorder), initial)
    }

    fn to(destination: Destination, initial: Position) -> Self {
        Self {
            shared: Arc::new(Shared {
                destination,
                ledger: Mutex::new(Ledger::new(initial)),
            }),
        }
    }

    /// Notes that everything delivered so far was processed; at the end of a shard, that the shard was.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::LeaseLost`]: stop, another worker goes on. [`CheckpointError::Throttled`] and
    /// [`CheckpointError::Table`]: it was not written, or nobody knows; try again or go on, a later checkpoint makes up for it.
    /// With nothing delivered yet there is nothing to write, and no error.
    ///
    /// # Cancellation
    ///
    /// A dropped future leaves open whether it is written. Any later checkpoint is accepted, an earlier record's too.
    pub async fn checkpoint(&self) -> Result<(), CheckpointError> {
        let position = self.ledger().largest();
        self.write(position).await
    }

    /// Notes that everything up to and including a record was processed: `&record`, or its position.
    ///
    /// # Errors
    ///
    /// As [`checkpoint`](Self::checkpoint), and [`CheckpointError::IllegalPosition`] for a record that was not delivered or lies
    /// behind the last checkpoint.
    ///
    /// # Cancellation
    ///
    /// A dropped future leaves open whether it is written. Any later checkpoint is accepted, an earlier record's too.
    pub async fn checkpoint_at(&self, record: impl Into<RecordPosition>) -> Result<(), CheckpointError> {
        self.write(Position::At(record.into())).await
    }

    /// Notes that everything delivered so far was processed; the next write of the lease row carries that.
    ///
    /// The row is written by each renewal of the lease, each third of the worker's `failover_time`, by each checkpoint, and when
    /// the lease is given up. So a deferred checkpoint costs no write, and a crash costs the records of a third of the failover
    /// time, which are delivered again. It never waits. If the lease is lost, the next awaited call tells so.
    ///
    /// As after any checkpoint, records up to there are not delivered again by this worker, should the handler fail.
    pub fn defer(&self) {
        let mut ledger = self.ledger();
        let position = ledger.largest();
        // The furthest permitted position is never refused.
        drop(self.defer_in(&mut ledger, position));
    }

    /// Notes that everything up to and including a record was processed; the next write of the lease row carries that.
    ///
    /// See [`defer`](Self::defer). Of several deferred checkpoints the furthest is written.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::IllegalPosition`] for a record that was not delivered or lies behind the last checkpoint. No other.
    pub fn defer_at(&self, record: impl Into<RecordPosition>) -> Result<(), CheckpointError> {
        self.defer_in(&mut self.ledger(), Position::At(record.into()))
    }

    /// Prepares a checkpoint for everything delivered so far: the first of two phases.
    ///
    /// The lease row keeps the position and `state` beside the checkpoint, which does not move until
    /// [`commit`](PreparedCheckpoint::commit). Should this worker crash in between, the next owner begins behind the old
    /// checkpoint and finds both in [`ShardContext::pending`](crate::ShardContext): it can tell which effects of its predecessor
    /// took place. A later `prepare` replaces them, a checkpoint discards them.
    ///
    /// `state` is for the application alone: a transaction id, a file name. An empty one is stored as none. The row may have
    /// 400 KiB in all, DynamoDB's limit for an item, and each renewal costs write capacity by the size of the row.
    ///
    /// # Errors
    ///
    /// As [`checkpoint`](Self::checkpoint).
    ///
    /// # Cancellation
    ///
    /// A dropped future leaves open whether it is written.
    #[doc(alias = "prepareCheckpoint")]
    pub async fn prepare(&self, state: impl Into<Vec<u8>>) -> Result<PreparedCheckpoint, CheckpointError> {
        let position = self.ledger().largest();
        self.write_prepared(position, state.into()).await
    }

    /// Prepares a checkpoint for everything up to and including a record: the first of two phases.
    ///
    /// See [`prepare`](Self::prepare).
    ///
    /// # Errors
    ///
    /// As [`checkpoint_at`](Self::checkpoint_at).
    ///
    /// # Cancellation
    ///
    /// A dropped future leaves open whether it is written.
    pub async fn prepare_at(
        &self,
        record: impl Into<RecordPosition>,
        state: impl Into<Vec<u8>>,
    ) -> Result<PreparedCheckpoint, CheckpointError> {
        self.write_prepared(Position::At(record.into()), state.into()).await
    }

    /// The last checkpoint that was written, as far as is known, or where the ownership began.
    pub fn last(&self) -> Position {
        let last = self.ledger().last().clone();
        match self.shared.destination.written() {
            Some(written) => written.max(last),
            None => last,
        }
    }

    /// Up to where the application has said that it is done: written, or deferred.
    pub(crate) fn reached(&self) -> Position {
        self.ledger().reached().clone()
    }

    /// Lets what is deferred be written soon, without waiting for it.
    pub(crate) async fn write_deferred(&self) {
        self.shared.destination.checkpoint_soon(self.reached()).await;
    }

    pub(crate) fn delivered(&self, record: &RecordPosition) {
        self.ledger().delivered(record);
    }

    /// For an adapter that keeps records until the application takes them: see [`Ledger::hand_out_when_taken`].
    pub(crate) fn hand_out_when_taken(&self) {
        self.ledger().hand_out_when_taken();
    }

    pub(crate) fn taken(&self, record: &RecordPosition) {
        self.ledger().taken(record);
    }

    pub(crate) fn passed_over(&self, record: &RecordPosition) {
        self.ledger().passed_over(record);
    }

    pub(crate) fn processed(&self) {
        self.ledger().processed();
    }

    /// The furthest that the application has processed.
    pub(crate) fn processed_up_to(&self) -> Position {
        self.ledger().processed_up_to().clone()
    }

    /// The furthest that was skipped, or kept elsewhere, after the handler had failed on it.
    pub(crate) fn passed_over_up_to(&self) -> Position {
        self.ledger().passed_over_up_to().clone()
    }

    /// The furthest that counts as delivered.
    pub(crate) fn delivered_up_to(&self) -> Position {
        self.ledger().delivered_up_to().clone()
    }

    /// For an adapter whose call is about to fail: records behind `position` that it took in earlier calls are to be delivered
    /// again, except those that are checkpointed or deferred.
    pub(crate) fn begin_again_behind(&self, position: Position) {
        self.ledger().begin_again_behind(position);
    }

    pub(crate) fn failed(&self) {
        self.ledger().failed();
    }

    pub(crate) fn shard_ended(&self) {
        self.ledger().shard_ended();
    }

    /// Writes `position`, unless the row holds it already. Of two writes in flight the further one stays in the row: the
    /// renewer makes one after the other and never moves a checkpoint back.
    pub(super) async fn write(&self, position: Position) -> Result<(), CheckpointError> {
        let Proposal::Write(position) = self.ledger().propose(position)? else {
            return Ok(());
        };
        self.shared.destination.checkpoint(position.clone()).await?;
        let mut ledger = self.ledger();
        if position > *ledger.last() {
            ledger.written(position);
        }
        Ok(())
    }

    async fn write_prepared(&self, position: Position, state: Vec<u8>) -> Result<PreparedCheckpoint, CheckpointError> {
        let proposal = self.ledger().propose(position.clone())?;
        if let Proposal::Write(position) = &proposal {
            let pending = PendingCheckpoint {
                position: position.clone(),
                state: (!state.is_empty()).then_some(state),
            };
            self.shared.destination.prepare(pending).await?;
        }
        let position = match proposal {
            Proposal::Write(position) => position,
            Proposal::AlreadyThere => position,
        };
        Ok(PreparedCheckpoint::new(self.clone(), position))
    }

    fn defer_in(&self, ledger: &mut Ledger, position: Position) -> Result<(), CheckpointError> {
        match ledger.propose(position)? {
            Proposal::Write(position) => {
                ledger.deferred(&position);
                self.shared.destination.defer(position);
            }
            Proposal::AlreadyThere => {}
        }
        Ok(())
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.shared.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
