//! Pure: a row that is gone while its owner lives. The owner makes it again where it stood.
//!
//! ```text
//!            refused, and there is no row          listed, or not known          applied, or found
//!  a row ─────────────────────────────────► doubted ─────────────────► to make ─────────────────► a row
//!                                              │                         │
//!                                              └── not listed ──► Gone ◄─┘ another row is in its place
//! ```
//!
//! Somebody has deleted the row, or the table. The shard may be gone with it, so the service is asked first whether it lists the
//! shard. A list that fails is no reason to stop: the position is in no other place than here, and the row of a shard that is
//! gone does no harm.
//!
//! **A row at `SHARD_END` is not made again**, nor one that was to be: it was deleted on purpose, once the children had progressed.
//!
//! **The new row goes on from the old one.** Its counter is two beyond the one that was seen. One of this worker's writes may have
//! raised the counter by one before the row was deleted, and no late copy of a write must meet the counter that it names. The
//! base of the fencing tokens stays. So tokens grow, and the ownership goes on under its own.
//!
//! Making the row again does not prolong the lease before the write is applied. Another worker may create the row first: such a row
//! has no owner and a smaller counter, and this ownership ends.

use std::time::Instant;

use super::conclusion::{Conclusion, conclude};
use super::{Effect, End, Ownership};
use crate::lease::model::Lease;
use crate::lease::write::Then;

/// By how much the counter of the new row is beyond the one that was seen.
const STEP: u64 = 2;

/// Whether the service lists the shard of a row that is gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    Listed,
    NotListed,
    /// No list came in time.
    Unknown,
}

/// How far a row that is gone is on its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vanished {
    /// Whether the shard is listed is being asked.
    Doubted,
    /// The next write makes it.
    ToMake,
}

impl<W> Ownership<W> {
    /// Takes the answer to [`Effect::Vanished`].
    pub(crate) fn listed(&mut self, listing: Listing, now: Instant) -> Vec<Effect<W>> {
        match (self.vanished, listing) {
            (None | Some(Vanished::ToMake), _) => Vec::new(),
            (Some(Vanished::Doubted), Listing::NotListed) => vec![self.end(End::Gone)],
            (Some(Vanished::Doubted), Listing::Listed | Listing::Unknown) => {
                self.vanished = Some(Vanished::ToMake);
                self.not_before = now;
                Vec::new()
            }
        }
    }

    /// The row to make again now, if there is one. The outcome must be reported to [`handle_outcome`](Self::handle_outcome).
    pub(crate) fn poll_made_again(&mut self, now: Instant) -> Option<Lease> {
        let is_due = self.vanished == Some(Vanished::ToMake) && self.may_write(now);
        is_due.then(|| {
            self.in_flight = Some(super::InFlight {
                sent: now,
                written: super::Written::default(),
                then: Then::Keep,
            });
            self.made_again()
        })
    }

    /// Notes that there is no row.
    pub(super) fn vanish(&mut self) -> Vec<Effect<W>> {
        if self.vanished.is_some() || self.row.is_finished() || self.progress.ends_shard() {
            return vec![self.end(End::Gone)];
        }
        self.vanished = Some(Vanished::Doubted);
        vec![Effect::Vanished {
            epoch: self.epoch,
            shard: self.row.shard.clone(),
            stream: self.row.own.stream.clone(),
        }]
    }

    /// Concludes from the row that was in the place of the one to make. It may be that one: the reply may have been lost.
    pub(super) fn found_again(&self, found: Lease) -> Conclusion {
        let made = self.made_again();
        match found.counter < made.counter {
            // Somebody may have put the former row back.
            true => conclude(&self.worker, &self.row, Then::Keep, found),
            false => conclude(&self.worker, &made, Then::Keep, found),
        }
    }

    fn made_again(&self) -> Lease {
        let mut row = self.row.clone();
        row.counter = row.counter.saturating_add(STEP);
        row
    }
}
