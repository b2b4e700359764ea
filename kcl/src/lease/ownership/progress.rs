//! Pure: what a consumer has asked to write of its progress: checkpoints, and the first phases of checkpoints.

use super::checkpoint_slot::CheckpointSlot;
use super::prepared_slot::PreparedSlot;
use super::{Waiter, holds};
use crate::checkpoint::position::Position;
use crate::lease::model::{Lease, PendingCheckpoint};

/// The progress that waits to be written, and who waits for that.
#[derive(Debug)]
pub(super) struct Progress<W> {
    checkpoints: CheckpointSlot<W>,
    prepared: PreparedSlot<W>,
}

/// What one write says of the progress.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) checkpoint: Option<Position>,
    pub(super) pending: Option<PendingCheckpoint>,
}

impl Written {
    /// A checkpoint at `position` and nothing else.
    pub(super) fn at(position: Position) -> Self {
        Self {
            checkpoint: Some(position),
            pending: None,
        }
    }
}

impl<W> Default for Progress<W> {
    fn default() -> Self {
        Self {
            checkpoints: CheckpointSlot::default(),
            prepared: PreparedSlot::default(),
        }
    }
}

impl<W> Progress<W> {
    /// Whether nothing asks for a write.
    pub(super) fn is_empty(&self) -> bool {
        self.checkpoints.is_empty() && self.prepared.is_empty()
    }

    /// Whether it is the end of the shard that waits to be written.
    pub(super) fn ends_shard(&self) -> bool {
        self.checkpoints.furthest() == Some(&Position::ShardEnd)
    }

    /// Keeps `position` for the next write.
    pub(super) fn defer(&mut self, position: Position) {
        self.checkpoints.defer(position);
    }

    /// What the next write of `row` says.
    pub(super) fn to_write(&self, row: &Lease) -> Written {
        let checkpoint = self.checkpoints.furthest().cloned();
        // Nobody has asked for this checkpoint now, so it discards no prepared one.
        let is_deferred = checkpoint.is_some() && self.checkpoints.is_empty();
        let keeps = row.pending.as_ref().filter(|_| is_deferred);
        Written {
            pending: self.prepared.to_write(checkpoint.as_ref(), keeps),
            checkpoint,
        }
    }

    /// Removes and returns the waiters for what `row` holds by now.
    pub(super) fn settle(&mut self, row: &Lease) -> Vec<W> {
        let mut settled = self.checkpoints.settle(|position| holds(row, position));
        settled.extend(self.prepared.settle(row));
        settled
    }

    /// Notes that a write failed. Removes and returns the waiters whose tries are used up.
    pub(super) fn fail(&mut self, written: &Written) -> Vec<W> {
        let checkpoint = written.checkpoint.iter();
        let mut given_up: Vec<W> = checkpoint
            .flat_map(|position| self.checkpoints.fail(position))
            .collect();
        let pending = written.pending.iter();
        given_up.extend(pending.flat_map(|pending| self.prepared.fail(pending)));
        given_up
    }

    /// Removes and returns all waiters.
    pub(super) fn drain(&mut self) -> Vec<W> {
        let mut waiters = self.checkpoints.drain();
        waiters.extend(self.prepared.drain());
        waiters
    }
}

impl<W: Waiter> Progress<W> {
    pub(super) fn checkpoint(&mut self, position: Position, waiter: W) {
        self.checkpoints.add(position, waiter);
    }

    pub(super) fn prepare(&mut self, pending: PendingCheckpoint, waiter: W) {
        self.prepared.put(pending, waiter);
    }
}
