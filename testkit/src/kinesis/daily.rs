//! Pure: changes of a stream that the service limits by the day.

use std::collections::VecDeque;
use std::time::Duration;

use super::timestamp::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// When each kind of change was made.
#[derive(Debug, Default)]
pub(super) struct DailyChanges {
    pub(super) scalings: History,
    pub(super) mode_switches: History,
    pub(super) encryption_starts: History,
    pub(super) encryption_stops: History,
}

/// When a change was made in the last 24 hours.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Timestamp>);

impl History {
    /// Tells whether fewer than `most` changes were made in the last 24 hours.
    pub(super) fn has_room(&mut self, most: usize, now: Timestamp) -> bool {
        self.0.retain(|at| *at + DAY > now);
        self.0.len() < most
    }

    pub(super) fn record(&mut self, now: Timestamp) {
        self.0.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_for_a_day() {
        let start = Timestamp::from_millis(1_700_000_000_000);
        let mut history = History::default();
        history.record(start);
        assert!(!history.has_room(1, start + DAY - Duration::from_millis(1)));
        assert!(history.has_room(1, start + DAY));
    }
}
