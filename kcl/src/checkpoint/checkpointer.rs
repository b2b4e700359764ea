//! How an application says how far it has come.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::ledger::{Ledger, Proposal};
use crate::checkpoint::position::{Position, RecordPosition};
use crate::lease::holdings::OwnershipId;
use crate::lease::renewer::Renewer;

/// Writes the checkpoints of one ownership of a lease. Cheap to clone, and may be sent to other tasks.
#[derive(Debug, Clone)]
#[doc(alias = "RecordProcessorCheckpointer")]
pub struct Checkpointer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ownership: OwnershipId,
    renewer: Renewer,
    ledger: Mutex<Ledger>,
}

impl Checkpointer {
    pub(crate) fn new(ownership: OwnershipId, renewer: Renewer, initial: Position) -> Self {
        Self {
            shared: Arc::new(Shared {
                ownership,
                renewer,
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

    /// The last position that was written, or where the ownership began.
    pub fn last(&self) -> Position {
        self.ledger().last().clone()
    }

    pub(crate) fn delivered(&self, record: &RecordPosition) {
        self.ledger().delivered(record);
    }

    pub(crate) fn processed(&self) {
        self.ledger().processed();
    }

    pub(crate) fn failed(&self) {
        self.ledger().failed();
    }

    pub(crate) fn shard_ended(&self) {
        self.ledger().shard_ended();
    }

    /// Writes `position`, unless the row holds it already. Of two writes in flight the further one stays in the row: the
    /// renewer makes one after the other and never moves a checkpoint back.
    async fn write(&self, position: Position) -> Result<(), CheckpointError> {
        let Proposal::Write(position) = self.ledger().propose(position)? else {
            return Ok(());
        };
        let Shared { renewer, ownership, .. } = &*self.shared;
        renewer.checkpoint(ownership, position.clone()).await?;
        let mut ledger = self.ledger();
        if position > *ledger.last() {
            ledger.written(position);
        }
        Ok(())
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.shared.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
