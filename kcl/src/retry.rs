//! Pure: how long to wait before the next attempt. The only user of the `backoff` crate.
//!
//! That crate reads a clock and a global generator of its own; only its intervals are taken, once, and the jitter is
//! ours, from a generator that can be seeded.

use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff as _;

/// Exponential delays; each is between a half and the whole of its interval.
#[derive(Debug, Clone)]
pub(crate) struct RetryDelays {
    intervals: Vec<Duration>,
    rng: fastrand::Rng,
}

impl RetryDelays {
    /// Intervals that double from `initial` to `max`.
    pub(crate) fn new(initial: Duration, max: Duration, rng: fastrand::Rng) -> Self {
        let mut backoff = ExponentialBackoffBuilder::new()
            .with_initial_interval(initial.min(max))
            .with_max_interval(max)
            .with_multiplier(2.0)
            .with_randomization_factor(0.0)
            .with_max_elapsed_time(None)
            .build();
        let mut intervals = Vec::new();
        while let Some(interval) = backoff.next_backoff() {
            intervals.push(interval);
            if interval >= max || interval.is_zero() {
                break;
            }
        }
        Self { intervals, rng }
    }

    /// The wait after failure number `failures` (1 for the first).
    pub(crate) fn after(&mut self, failures: u32) -> Duration {
        let index = (failures.max(1) - 1) as usize;
        let interval = self
            .intervals
            .get(index)
            .or(self.intervals.last())
            .copied()
            .unwrap_or_default();
        interval.mul_f64(0.5 + 0.5 * self.rng.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_limit_and_is_jittered_by_half() {
        let mut delays = RetryDelays::new(
            Duration::from_millis(100),
            Duration::from_secs(1),
            fastrand::Rng::with_seed(1),
        );
        for (failures, interval) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1_000), (99, 1_000)] {
            let interval = Duration::from_millis(interval);
            for _ in 0..100 {
                let wait = delays.after(failures);
                assert!(wait >= interval / 2 && wait <= interval, "{failures}: {wait:?}");
            }
        }
    }
}
