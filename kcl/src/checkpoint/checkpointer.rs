//! How an application says how far it has come.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::checkpoint::ledger::{CheckpointRefused, Ledger, Proposal};
use crate::checkpoint::position::{Position, RecordPosition};
use crate::error::CheckpointError;
use crate::lease::guard::LeaseEpoch;
use crate::lease::model::LeaseKey;
use crate::lease::renewer::Renewer;
use crate::lease::table::Change;
use crate::record::Record;

/// Writes the checkpoints of one ownership of a lease.
#[derive(Debug)]
#[doc(alias = "RecordProcessorCheckpointer")]
pub struct Checkpointer {
    key: LeaseKey,
    epoch: LeaseEpoch,
    renewer: Renewer,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    /// The furthest position that a write is under way for. Two writes at once must not end with the nearer one.
    furthest: Option<Position>,
}

impl Checkpointer {
    pub(crate) fn new(key: LeaseKey, epoch: LeaseEpoch, renewer: Renewer, initial: Position) -> Self {
        let state = Mutex::new(State {
            ledger: Ledger::new(initial),
            furthest: None,
        });
        Self {
            key,
            epoch,
            renewer,
            state,
        }
    }

    /// Notes that everything delivered so far was processed; at the end of a shard, that the shard was.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::LeaseLost`]: stop, another worker goes on. [`CheckpointError::Table`]: it was not written, or
    /// nobody knows; try again or go on, a later checkpoint makes up for it. With nothing delivered yet there is nothing
    /// to write, and no error.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves open whether it is written.
    pub async fn checkpoint(&self) -> Result<(), CheckpointError> {
        let position = self.state().ledger.largest();
        self.write(position).await
    }

    /// Notes that everything up to and including `record` was processed.
    ///
    /// # Errors
    ///
    /// As [`checkpoint`](Self::checkpoint), and [`CheckpointError::Refused`] for a record that was not delivered or lies
    /// behind the last checkpoint.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves open whether it is written.
    pub async fn checkpoint_at(&self, record: &Record) -> Result<(), CheckpointError> {
        self.write(Position::At(record.position().clone())).await
    }

    /// The last position that was written, or where the ownership began.
    pub fn last(&self) -> Position {
        self.state().ledger.last().clone()
    }

    pub(crate) fn delivered(&self, record: &RecordPosition) {
        self.state().ledger.delivered(record);
    }

    pub(crate) fn processed(&self) {
        self.state().ledger.processed();
    }

    pub(crate) fn failed(&self) {
        self.state().ledger.failed();
    }

    pub(crate) fn shard_ended(&self) {
        self.state().ledger.shard_ended();
    }

    async fn write(&self, position: Position) -> Result<(), CheckpointError> {
        let Some(position) = self.begin(position)? else {
            return Ok(());
        };
        let written = self
            .renewer
            .change(&self.key, self.epoch, Change::Checkpoint(position.clone()))
            .await;
        self.end(position, &written);
        written
    }

    /// The position to write, if the row does not hold it already.
    fn begin(&self, position: Position) -> Result<Option<Position>, CheckpointError> {
        let mut state = self.state();
        let Proposal::Write(position) = state.ledger.propose(position)? else {
            return Ok(None);
        };
        if let Some(furthest) = &state.furthest
            && position < *furthest
        {
            return Err(CheckpointRefused::Behind {
                proposed: position,
                last: furthest.clone(),
            }
            .into());
        }
        state.furthest = Some(position.clone());
        Ok(Some(position))
    }

    fn end(&self, position: Position, outcome: &Result<(), CheckpointError>) {
        let mut state = self.state();
        if state.furthest.as_ref() == Some(&position) {
            state.furthest = None;
        }
        if outcome.is_ok() && position > *state.ledger.last() {
            state.ledger.written(position);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
