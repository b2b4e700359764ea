//! Pure: when a checkpoint that was deferred gets a write of its own, for handlers that do not checkpoint by themselves.
//!
//! What is processed is deferred to the next renewal of the lease. If that does not come within `checkpoint_interval`, the
//! checkpoint gets a write of its own.

use std::time::{Duration, Instant};

use crate::checkpoint::position::Position;

/// The checkpoints of one shard that the application does not make.
#[derive(Debug)]
pub(crate) struct AutomaticCheckpoints {
    interval: Duration,
    /// The oldest position that was processed and is not in the row, and since when.
    waiting: Option<(Position, Instant)>,
}

impl AutomaticCheckpoints {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            waiting: None,
        }
    }

    /// Whether a checkpoint is to be written now. The application has processed everything up to `done`, and the row's
    /// checkpoint is at `written`.
    pub(crate) fn is_due(&mut self, done: &Position, written: &Position, now: Instant) -> bool {
        self.waiting = self.waiting.take().filter(|(position, _)| position > written);
        if done <= written {
            return false;
        }
        let (_, since) = self.waiting.get_or_insert_with(|| (done.clone(), now));
        let is_due = now.saturating_duration_since(*since) >= self.interval;
        if is_due {
            self.waiting = None;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(number: u64) -> Position {
        Position::from_row(&number.to_string(), 0).unwrap()
    }

    #[test]
    fn no_checkpoint_is_written_while_renewals_carry_them_within_the_interval() {
        let (mut automatic, start) = (AutomaticCheckpoints::new(5 * SECOND), Instant::now());
        let mut written = at(0);
        for second in 1..60_u32 {
            if second % 4 == 0 {
                written = at(u64::from(second) - 1);
            }
            assert!(!automatic.is_due(&at(second.into()), &written, start + SECOND * second));
        }
    }

    #[test]
    fn a_checkpoint_is_written_once_in_an_interval_when_no_renewal_carries_it() {
        let (mut automatic, start) = (AutomaticCheckpoints::new(5 * SECOND), Instant::now());
        let mut written = at(0);
        let mut due = Vec::new();
        for second in 1..20_u32 {
            let done = at(second.into());
            if automatic.is_due(&done, &written, start + SECOND * second) {
                due.push(second);
                written = done;
            }
        }
        assert_eq!(due, [6, 12, 18]);
    }

    #[test]
    fn an_interval_of_zero_writes_each_checkpoint_at_once_and_none_twice() {
        let (mut automatic, now) = (AutomaticCheckpoints::new(Duration::ZERO), Instant::now());
        assert!(automatic.is_due(&at(1), &at(0), now));
        assert!(!automatic.is_due(&at(1), &at(1), now));
        assert!(automatic.is_due(&at(2), &at(1), now));
    }
}
