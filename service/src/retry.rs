//! Pure: how long to wait before the next attempt. The only user of the `backoff` crate.
//!
//! That crate reads a clock and a global generator of its own; only its intervals are taken, once, and the jitter is
//! ours, from a generator that can be seeded.

use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff as _;

/// Exponential delays with jitter.
#[derive(Debug, Clone)]
pub struct RetryDelays {
    intervals: Vec<Duration>,
    jitter: Jitter,
    rng: fastrand::Rng,
}

/// How much of an interval a delay may leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// All of it: a delay is between nothing and the interval. It spreads many callers best.
    Full,
    /// Half of it: a delay is between half of the interval and all of it.
    Half,
}

impl RetryDelays {
    /// Intervals that double from `first` to `max`, both before jitter.
    pub fn new((first, max): (Duration, Duration), jitter: Jitter, rng: fastrand::Rng) -> Self {
        let mut backoff = ExponentialBackoffBuilder::new()
            .with_initial_interval(first.min(max))
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
        Self { intervals, jitter, rng }
    }

    /// Draws the wait after failure number `failures` (1 for the first).
    pub fn after(&mut self, failures: u32) -> Duration {
        let index = (failures.max(1) - 1) as usize;
        let interval = self.intervals.get(index).or(self.intervals.last());
        let interval = interval.copied().unwrap_or_default();
        let drawn = self.rng.f64();
        interval.mul_f64(match self.jitter {
            Jitter::Full => drawn,
            Jitter::Half => 0.5 + 0.5 * drawn,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(first: u64, max: u64, jitter: Jitter) -> RetryDelays {
        let millis = Duration::from_millis;
        RetryDelays::new((millis(first), millis(max)), jitter, fastrand::Rng::with_seed(7))
    }

    /// The shortest and the longest of many waits after a failure, in percent of its interval.
    fn spread(delays: &mut RetryDelays, failures: u32, interval: u64) -> (f64, f64) {
        let percents = (0..1_000).map(|_| delays.after(failures).as_secs_f64() / interval as f64 * 100_000.0);
        percents.fold((f64::MAX, 0.0), |(least, most), percent| {
            (percent.min(least), percent.max(most))
        })
    }

    #[test]
    fn the_wait_doubles_up_to_the_limit() {
        for (jitter, least) in [(Jitter::Full, 0.0), (Jitter::Half, 50.0)] {
            let mut delays = delays(100, 1_000, jitter);
            for (failures, interval) in [
                (0, 100),
                (1, 100),
                (2, 200),
                (3, 400),
                (4, 800),
                (5, 1_000),
                (99, 1_000),
            ] {
                let (shortest, longest) = spread(&mut delays, failures, interval);
                assert!((least..least + 5.0).contains(&shortest), "{failures}: {shortest} %");
                assert!((95.0..=100.0).contains(&longest), "{failures}: {longest} %");
            }
        }
    }

    #[test]
    fn a_first_wait_beyond_the_limit_is_the_limit_and_no_wait_stays_none() {
        assert!(delays(5_000, 1_000, Jitter::Half).after(1) <= Duration::from_secs(1));
        assert_eq!(delays(0, 1_000, Jitter::Half).after(9), Duration::ZERO);
    }
}
