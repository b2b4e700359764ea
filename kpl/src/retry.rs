//! Pure: how long to wait before the next attempt. The only user of the `backoff` crate.
//!
//! That crate reads a clock and a global generator of its own; only its intervals are taken, once, and the jitter is
//! ours, from a generator that can be seeded.

use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff as _;

/// Exponential delays with full jitter.
#[derive(Debug, Clone)]
pub(crate) struct RetryDelays {
    intervals: Vec<Duration>,
    rng: fastrand::Rng,
}

impl RetryDelays {
    /// From a first wait to a longest one, both before jitter.
    pub(crate) fn new((first, max): (Duration, Duration), rng: fastrand::Rng) -> Self {
        let mut backoff = ExponentialBackoffBuilder::new()
            .with_initial_interval(first)
            .with_max_interval(max)
            .with_multiplier(2.0)
            .with_randomization_factor(0.0)
            .with_max_elapsed_time(None)
            .build();
        let mut intervals = Vec::new();
        while let Some(interval) = backoff.next_backoff() {
            intervals.push(interval);
            if interval >= max {
                break;
            }
        }
        Self { intervals, rng }
    }

    /// The wait after failure number `failures` (1 for the first): anything up to the interval.
    pub(crate) fn after(&mut self, failures: u32) -> Duration {
        let index = (failures.max(1) - 1) as usize;
        let interval = self
            .intervals
            .get(index)
            .or(self.intervals.last())
            .copied()
            .unwrap_or_default();
        interval.mul_f64(self.rng.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{MAX_RETRY_DELAY, RETRY_DELAY};

    #[test]
    fn the_wait_doubles_from_50_ms_to_2_s_and_is_jittered_in_full() {
        let mut delays = RetryDelays::new((RETRY_DELAY, MAX_RETRY_DELAY), fastrand::Rng::with_seed(7));
        assert_eq!(delays.intervals.first(), Some(&Duration::from_millis(50)));
        assert_eq!(delays.intervals.get(1), Some(&Duration::from_millis(100)));
        assert_eq!(delays.intervals.last(), Some(&MAX_RETRY_DELAY));
        for failures in [1, 2, 6, 1_000] {
            let limit = Duration::from_millis(50)
                .saturating_mul(1 << (failures - 1).min(6))
                .min(MAX_RETRY_DELAY);
            let waits: Vec<Duration> = (0..200).map(|_| delays.after(failures)).collect();
            assert!(waits.iter().all(|wait| *wait <= limit));
            assert!(waits.iter().any(|wait| *wait < limit / 4) && waits.iter().any(|wait| *wait > limit * 3 / 4));
        }
    }
}
