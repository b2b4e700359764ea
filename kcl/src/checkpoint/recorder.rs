//! Pure: the checkpoints of a processor under test, and the failures that the test asks for.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::position::Position;
use crate::lease::model::PendingCheckpoint;

/// Keeps what was checkpointed, in its order.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    written: Vec<Position>,
    deferred: Vec<Position>,
    prepared: Vec<PendingCheckpoint>,
    /// The errors of the next writes.
    failures: VecDeque<CheckpointError>,
    /// The error of all writes from now on.
    outcome: Option<CheckpointError>,
}

impl Recorder {
    /// Keeps a checkpoint, or fails as the test has asked for.
    pub(super) fn checkpoint(&self, position: Position) -> Result<(), CheckpointError> {
        let mut shared = self.lock();
        shared.may_write()?;
        shared.written.push(position);
        Ok(())
    }

    /// Keeps a prepared checkpoint, or fails as the test has asked for.
    pub(super) fn prepare(&self, pending: PendingCheckpoint) -> Result<(), CheckpointError> {
        let mut shared = self.lock();
        shared.may_write()?;
        shared.prepared.push(pending);
        Ok(())
    }

    /// Keeps a deferred checkpoint.
    pub(super) fn defer(&self, position: Position) {
        self.lock().deferred.push(position);
    }

    /// What was checkpointed so far, in its order.
    pub(crate) fn written(&self) -> Vec<Position> {
        self.lock().written.clone()
    }

    /// What was deferred so far, in its order.
    pub(crate) fn deferred(&self) -> Vec<Position> {
        self.lock().deferred.clone()
    }

    /// What was prepared so far, in its order.
    pub(crate) fn prepared(&self) -> Vec<PendingCheckpoint> {
        self.lock().prepared.clone()
    }

    /// Fails one more of the next writes.
    pub(crate) fn fail_one(&self, error: CheckpointError) {
        self.lock().failures.push_back(error);
    }

    /// Fails all writes from now on.
    pub(crate) fn fail_all(&self, error: CheckpointError) {
        self.lock().outcome = Some(error);
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn may_write(&mut self) -> Result<(), CheckpointError> {
        let error = self.outcome.clone().or_else(|| self.failures.pop_front());
        error.map_or(Ok(()), Err)
    }
}
