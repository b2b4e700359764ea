//! Pure: how a lease is given up: as its row stands, or at another checkpoint.

use std::time::Instant;

use super::{Effect, End, Ownership};
use crate::checkpoint::position::Position;
use crate::lease::model::Lease;
use crate::lease::write::Then;

/// The consumer has finished, and the lease is to be given up.
#[derive(Debug)]
pub(super) struct Leaving<W> {
    pub(super) waiter: Option<W>,
    /// The checkpoint that the row is to have then, which may be behind the present one. `None`: the furthest that was asked for.
    moved_to: Option<Position>,
}

impl<W> Ownership<W> {
    /// Gives the lease up, because its consumer has finished. `waiter` learns of the end.
    pub(crate) fn leave(&mut self, waiter: Option<W>, now: Instant) {
        let leaving = self.leaving.get_or_insert(Leaving {
            waiter: None,
            moved_to: None,
        });
        if waiter.is_some() {
            leaving.waiter = waiter;
        }
        self.not_before = self.not_before.max(now);
    }

    /// Gives the lease up and moves its checkpoint to `position` by the same write, also back. This is the only write that moves
    /// a checkpoint back; no write of this ownership follows it. What waits to be checkpointed is not written.
    pub(crate) fn leave_at(&mut self, position: Position, waiter: W, now: Instant) {
        self.leave(Some(waiter), now);
        if let Some(leaving) = &mut self.leaving {
            leaving.moved_to = Some(position);
        }
    }

    /// Where the next write moves the checkpoint, whatever waits to be written. The end of a shard stays: its children are read
    /// already.
    pub(super) fn moved_to(&self) -> Option<&Position> {
        self.leaving
            .as_ref()?
            .moved_to
            .as_ref()
            .filter(|_| !self.row.is_finished())
    }

    /// How the next write changes the ownership.
    pub(super) fn then(&self) -> Then {
        match (&self.leaving, &self.row.checkpoint_owner) {
            (None, _) => Then::Keep,
            (Some(_), None) => Then::Release,
            (Some(_), Some(_)) => Then::HandOver,
        }
    }

    /// Ends as `end`, by a write that was applied and left `row`. If the row does not have the checkpoint that the write was
    /// to give it, its next owner has moved on, or has taken the lease without that write: nobody can tell.
    pub(super) fn left(&mut self, row: Lease, end: End) -> Vec<Effect<W>> {
        let moved_to = self.leaving.as_ref().and_then(|leaving| leaving.moved_to.as_ref());
        let is_moved = moved_to.is_none_or(|to| row.checkpoint.as_ref() == Some(to));
        let by = row.owner.clone();
        let mut effects = self.adopt(row);
        effects.push(match is_moved {
            true => self.end(end),
            false => self.end(End::Taken { by }),
        });
        effects
    }
}
