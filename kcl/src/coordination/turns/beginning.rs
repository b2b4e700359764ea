//! Pure: the first assignments of a fleet whose workers start together.
//!
//! While no lease has an owner, nothing is delayed that was read before, and workers may be starting: the first one that assigns
//! would give everything to the few that it knows. So it waits a moment, in which the others write their metrics rows, and
//! scans again. The workers wait in the order of their ranks, so that one of them assigns, and not all at once by different
//! views.

use std::time::{Duration, Instant};

use super::Turns;

/// How long the first worker waits for others. Our choice: the start of a process takes longer, its first write does not.
const GATHER: Duration = Duration::from_millis(500);

/// The largest rank that counts: all others wait as long. Our choice.
const LAST_RANK: u32 = 3;

impl Turns {
    /// Whether the leases are left alone for now, because other workers may be starting.
    pub(super) fn waits_for_others(&mut self, now: Instant) -> bool {
        if self
            .watch
            .leases()
            .any(|watched| watched.lease.actual_owner().is_some())
        {
            self.beginning = None;
            return false;
        }
        let since = *self.beginning.get_or_insert(now);
        let turn = self.turn();
        let over = since + GATHER + turn.slot * turn.rank.min(LAST_RANK);
        if over <= now {
            return false;
        }
        self.second_scans.insert(over);
        true
    }
}
