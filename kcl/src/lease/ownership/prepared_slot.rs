//! Pure: the prepared checkpoint that waits to be written: the latest, which replaces those before it.

use super::Waiter;
use super::checkpoint_slot::TRIES;
use crate::checkpoint::position::Position;
use crate::lease::model::{Lease, PendingCheckpoint};

/// What waits, and for whom. Waiters that are gone are dropped with the next request, so memory is bounded by the number of
/// those that wait.
#[derive(Debug)]
pub(super) struct PreparedSlot<W> {
    wanted: Option<PendingCheckpoint>,
    /// For `wanted`, or for one that it has replaced.
    waiters: Vec<W>,
    /// Writes of `wanted` that failed.
    failures: u32,
}

impl<W> Default for PreparedSlot<W> {
    fn default() -> Self {
        Self {
            wanted: None,
            waiters: Vec::new(),
            failures: 0,
        }
    }
}

impl<W> PreparedSlot<W> {
    /// Whether nothing asks for a write.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_none()
    }

    /// What a write must note that moves the checkpoint to `checkpoint`, if it moves it. `keeps` is the prepared checkpoint of
    /// the row that this write must not discard.
    pub(super) fn to_write(
        &self,
        checkpoint: Option<&Position>,
        keeps: Option<&PendingCheckpoint>,
    ) -> Option<PendingCheckpoint> {
        let is_ahead =
            |pending: &&PendingCheckpoint| checkpoint.is_none_or(|checkpoint| *checkpoint < pending.position);
        self.wanted.as_ref().or(keeps).filter(is_ahead).cloned()
    }

    /// Removes and returns the waiters, if `row` holds what they wait for, or its checkpoint has passed that.
    pub(super) fn settle(&mut self, row: &Lease) -> Vec<W> {
        let is_settled = |wanted: &PendingCheckpoint| {
            let is_passed = row.checkpoint.as_ref().is_some_and(|at| wanted.position <= *at);
            is_passed || row.pending.as_ref() == Some(wanted)
        };
        match self.wanted.as_ref().is_some_and(is_settled) {
            true => self.drain(),
            false => Vec::new(),
        }
    }

    /// Notes that a write of `written` failed. Removes and returns the waiters once the tries are used up.
    pub(super) fn fail(&mut self, written: &PendingCheckpoint) -> Vec<W> {
        if self.wanted.as_ref() != Some(written) {
            return Vec::new();
        }
        self.failures += 1;
        match self.failures >= TRIES {
            true => self.drain(),
            false => Vec::new(),
        }
    }

    /// Removes and returns all waiters.
    pub(super) fn drain(&mut self) -> Vec<W> {
        (self.wanted, self.failures) = (None, 0);
        std::mem::take(&mut self.waiters)
    }
}

impl<W: Waiter> PreparedSlot<W> {
    /// Keeps `pending` in the place of what was wanted before.
    pub(super) fn put(&mut self, pending: PendingCheckpoint, waiter: W) {
        self.waiters.retain(|waiter| !waiter.is_gone());
        self.waiters.push(waiter);
        (self.wanted, self.failures) = (Some(pending), 0);
    }
}
