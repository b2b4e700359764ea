//! Pure: suspensions of a machine, from what its wall clock gained on its monotonic one.

use std::time::{Duration, Instant, SystemTime};

/// The wall clock gains less than this by being set right. Our choice.
const SHORTEST: Duration = Duration::from_secs(1);

/// The suspensions seen so far. A wall clock that is set forward by more than a second counts as one too.
#[derive(Debug, Clone)]
pub(super) struct WallJumps {
    monotonic: Instant,
    wall: SystemTime,
    total: Duration,
}

impl WallJumps {
    /// Counts from here on.
    pub(super) fn since(monotonic: Instant, wall: SystemTime) -> Self {
        Self {
            monotonic,
            wall,
            total: Duration::ZERO,
        }
    }

    /// The sum of all suspensions up to now. Call it at each wake: slow drift between two calls is not counted.
    pub(super) fn total_at(&mut self, monotonic: Instant, wall: SystemTime) -> Duration {
        let ran = monotonic.saturating_duration_since(self.monotonic);
        // A wall clock that was set back has gained nothing.
        let passed = wall.duration_since(self.wall).unwrap_or_default();
        let gained = passed.saturating_sub(ran);
        if gained > SHORTEST {
            self.total = self.total.saturating_add(gained);
        }
        (self.monotonic, self.wall) = (monotonic, wall);
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The total after these steps of the monotonic and of the wall clock; a negative one sets the wall clock back.
    fn total(steps: &[(u64, i64)]) -> Duration {
        let (mut monotonic, mut wall) = (
            crate::Clock::default().monotonic(),
            SystemTime::UNIX_EPOCH + 100 * SECOND,
        );
        let mut jumps = WallJumps::since(monotonic, wall);
        let mut total = Duration::ZERO;
        for &(ran, passed) in steps {
            monotonic += Duration::from_millis(ran);
            let passed_by = Duration::from_millis(passed.unsigned_abs());
            wall = if passed < 0 { wall - passed_by } else { wall + passed_by };
            total = jumps.total_at(monotonic, wall);
        }
        total
    }

    #[test]
    fn a_jump_of_more_than_a_second_is_a_suspension_and_the_jumps_add_up() {
        assert_eq!(total(&[(500, 60_500)]), 60 * SECOND);
        assert_eq!(total(&[(500, 60_500), (1_000, 1_000), (0, 2_000)]), 62 * SECOND);
    }

    #[test]
    fn drift_and_a_small_correction_are_no_suspension() {
        assert_eq!(total(&[(1_000, 1_900), (1_000, 2_000), (1_000, 900)]), Duration::ZERO);
    }

    #[test]
    fn a_wall_clock_that_is_set_back_takes_nothing_from_the_total() {
        assert_eq!(total(&[(500, 60_500), (1_000, -30_000), (1_000, 1_000)]), 60 * SECOND);
    }
}
