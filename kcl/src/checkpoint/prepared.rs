//! The second phase of a checkpoint.

use crate::checkpoint::checkpointer::Checkpointer;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::position::Position;

/// A checkpoint that is prepared: written to the lease row beside the checkpoint, which has not moved yet.
///
/// Dropping it commits nothing and removes nothing: the next owner of the lease finds it in
/// [`ShardContext::pending`](crate::ShardContext), until a later checkpoint discards it.
#[derive(Debug, Clone)]
#[must_use = "a prepared checkpoint is one only after `commit`"]
#[doc(alias = "PreparedCheckpointer")]
pub struct PreparedCheckpoint {
    checkpointer: Checkpointer,
    position: Position,
}

impl PreparedCheckpoint {
    pub(super) fn new(checkpointer: Checkpointer, position: Position) -> Self {
        Self { checkpointer, position }
    }

    /// Where the checkpoint will be.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Moves the checkpoint there, and removes the prepared one from the row. It may be called again after an error.
    ///
    /// # Errors
    ///
    /// As [`Checkpointer::checkpoint_at`]: also [`CheckpointError::IllegalPosition`], if a later checkpoint was written meanwhile.
    ///
    /// # Cancellation
    ///
    /// A dropped future leaves open whether it is written. It may be called again.
    #[doc(alias = "checkpoint")]
    pub async fn commit(&self) -> Result<(), CheckpointError> {
        self.checkpointer.write(self.position.clone()).await
    }
}
