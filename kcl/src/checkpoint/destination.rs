//! Where the checkpoints of an ownership go: to its lease row, or in a test of a processor into a record of them.

#[cfg(any(test, feature = "testing"))]
use std::sync::Arc;

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::position::Position;
#[cfg(any(test, feature = "testing"))]
use crate::checkpoint::recorder::Recorder;
use crate::lease::holdings::OwnershipId;
use crate::lease::model::PendingCheckpoint;
use crate::lease::renewer::{ProgressPort, Renewer};

/// Takes the positions that are permitted.
#[derive(Debug)]
pub(super) enum Destination {
    Row(LeaseRow),
    /// A test.
    #[cfg(any(test, feature = "testing"))]
    Recorder(Arc<Recorder>),
}

/// The row of one ownership, by way of the renewer.
#[derive(Debug)]
pub(super) struct LeaseRow {
    pub(super) ownership: OwnershipId,
    pub(super) renewer: Renewer,
    pub(super) progress: ProgressPort,
}

impl Destination {
    /// Writes a checkpoint.
    ///
    /// # Errors
    ///
    /// If it was not written, or nobody knows.
    ///
    /// # Cancellation
    ///
    /// A dropped future leaves open whether it is written.
    pub(super) async fn checkpoint(&self, position: Position) -> Result<(), CheckpointError> {
        match self {
            Self::Row(row) => row.renewer.checkpoint(&row.ownership, position).await,
            #[cfg(any(test, feature = "testing"))]
            Self::Recorder(recorder) => recorder.checkpoint(position),
        }
    }

    /// Writes a prepared checkpoint. Errors and cancellation are as those of a checkpoint.
    pub(super) async fn prepare(&self, pending: PendingCheckpoint) -> Result<(), CheckpointError> {
        match self {
            Self::Row(row) => row.renewer.prepare(&row.ownership, pending).await,
            #[cfg(any(test, feature = "testing"))]
            Self::Recorder(recorder) => recorder.prepare(pending),
        }
    }

    /// Leaves a checkpoint for the next write.
    pub(super) fn defer(&self, position: Position) {
        match self {
            Self::Row(row) => row.progress.defer(position),
            #[cfg(any(test, feature = "testing"))]
            Self::Recorder(recorder) => recorder.defer(position),
        }
    }

    /// Writes a checkpoint soon, without waiting for it.
    pub(super) async fn checkpoint_soon(&self, position: Position) {
        match self {
            Self::Row(row) => row.renewer.checkpoint_soon(&row.ownership, position).await,
            #[cfg(any(test, feature = "testing"))]
            Self::Recorder(recorder) => drop(recorder.checkpoint(position)),
        }
    }

    /// The furthest checkpoint that is known to be written. `None` before the first write, and in a test, where
    /// the ledger knows it.
    pub(super) fn written(&self) -> Option<Position> {
        match self {
            Self::Row(row) => row.progress.reached(),
            #[cfg(any(test, feature = "testing"))]
            Self::Recorder(_) => None,
        }
    }
}
