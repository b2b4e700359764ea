//! Pure: when a worker's turn is.
//!
//! Time is cut into slots by the time of the table's service, which is the same for all workers up to a fraction of a second.
//! Of n workers, that of rank r has each slot whose number is r modulo n.

use std::time::{Duration, Instant, SystemTime};

/// A worker's place among those that take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// From 0.
    pub(super) rank: u32,
    /// How many workers take turns; at least 1.
    pub(super) of: u32,
    /// The length of a slot.
    pub(super) slot: Duration,
}

impl Turn {
    /// Between two turns of a worker.
    pub(super) fn period(self) -> Duration {
        self.slot * self.of.max(1)
    }

    /// When the next turn begins, by a time of the service. A turn that is less than half a slot after `last` is left out: the
    /// time of the service jumps a little.
    ///
    /// One that is a few slots after it is not, though it is early: it comes when the number of workers has changed, and with it
    /// all slots. The workers that have not seen the change yet do not fill the hole that would be left.
    pub(super) fn next(self, now: Instant, wall: SystemTime, last: Instant) -> Instant {
        let period = self.period();
        let since_epoch = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let into = since_epoch
            .as_nanos()
            .checked_rem(period.as_nanos())
            .unwrap_or_default();
        let into = u64::try_from(into).map_or(Duration::ZERO, Duration::from_nanos);
        let begins = self.slot * self.rank;
        let wait = if begins >= into {
            begins - into
        } else {
            begins + period - into
        };
        let next = now + wait.min(period);
        if next < last + self.slot / 2 {
            next + period
        } else {
            next
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

    use super::*;

    const SLOT: Duration = Duration::from_secs(1);

    fn wait(rank: u32, of: u32, wall: f64, last: f64) -> f64 {
        let now = Instant::now() + Duration::from_secs(1_000);
        let turn = Turn { rank, of, slot: SLOT };
        let last = now - Duration::from_secs_f64(last);
        let next = turn.next(now, SystemTime::UNIX_EPOCH + Duration::from_secs_f64(wall), last);
        ((next - now).as_secs_f64() * 1e6).round() / 1e6
    }

    #[test]
    fn the_turn_is_in_the_slot_of_the_rank() {
        assert_eq!(wait(3, 5, 100.0, 9.0), 3.0);
        assert_eq!(wait(3, 5, 102.5, 9.0), 0.5);
        assert_eq!(wait(3, 5, 103.5, 9.0), 4.5);
        assert_eq!(wait(0, 1, 7.25, 9.0), 0.75);
    }

    #[test]
    fn a_turn_right_after_the_last_one_is_left_out() {
        assert_eq!(wait(3, 5, 102.9, 0.5), 0.1);
        assert_eq!(wait(3, 5, 102.9, 0.3), 5.1);
    }
}
