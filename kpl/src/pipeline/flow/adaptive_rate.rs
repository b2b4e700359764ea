//! Pure: the rate at which a shard is sent records, learnt from what the service throttles.
//!
//! Additive increase, multiplicative decrease: a throttled answer takes 30 % off, each half second without one gives a
//! thirtieth of `rate_limit` back. Several producers on one shard thereby come to share it without knowing each other.

use std::time::Instant;

use crate::limits::{MIN_RATE_PERCENT, RATE_AFTER_THROTTLING_PERCENT, RATE_RECOVERY_INTERVAL, RATE_RECOVERY_STEPS};

/// The whole of what a shard takes. Whoever is throttled has less of it than this.
const WHOLE_SHARD: u32 = 100;

/// A rate in percent of what a shard takes.
#[derive(Debug)]
pub(crate) struct AdaptiveRate {
    ceiling: u32,
    percent: u32,
    lowered_at: Option<Instant>,
    /// When it goes up next; `None` at the ceiling.
    raise_at: Option<Instant>,
}

impl AdaptiveRate {
    /// Begins at its ceiling.
    pub(crate) fn new(ceiling: u32) -> Self {
        Self {
            ceiling,
            percent: ceiling,
            lowered_at: None,
            raise_at: None,
        }
    }

    pub(crate) fn percent(&self) -> u32 {
        self.percent
    }

    /// When it goes up next, if nothing else happens.
    pub(crate) fn raise_at(&self) -> Option<Instant> {
        self.raise_at
    }

    /// A request that was sent at `sent` was throttled; returns whether the rate is lower now. A request from before the
    /// last decrease says nothing of the rate since.
    pub(crate) fn throttled(&mut self, sent: Instant, now: Instant) -> bool {
        if self.lowered_at.is_some_and(|at| sent < at) {
            return false;
        }
        let floor = MIN_RATE_PERCENT.min(self.ceiling);
        let lowered = self.percent.min(WHOLE_SHARD) * RATE_AFTER_THROTTLING_PERCENT / 100;
        self.percent = lowered.max(floor);
        self.lowered_at = Some(now);
        self.raise_at = (self.percent < self.ceiling).then(|| now + RATE_RECOVERY_INTERVAL);
        true
    }

    /// Goes up by the steps that are due; returns whether it did.
    pub(crate) fn recover(&mut self, now: Instant) -> bool {
        let before = self.percent;
        while let Some(at) = self.raise_at.filter(|at| *at <= now) {
            let step = self.ceiling.div_ceil(RATE_RECOVERY_STEPS);
            self.percent = self.percent.saturating_add(step).min(self.ceiling);
            self.raise_at = (self.percent < self.ceiling).then(|| at + RATE_RECOVERY_INTERVAL);
        }
        self.percent > before
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn throttling_takes_30_percent_off_and_time_gives_it_back_within_15_seconds() {
        let (mut rate, start) = (AdaptiveRate::new(150), Instant::now());
        assert!(rate.throttled(start, start));
        assert_eq!(rate.percent(), 70, "of the 100 % that a shard takes");
        assert!(rate.recover(start + RATE_RECOVERY_INTERVAL));
        assert_eq!(rate.percent(), 75);
        rate.recover(start + 15 * SECOND);
        assert_eq!((rate.percent(), rate.raise_at()), (150, None));
    }

    #[test]
    fn answers_to_requests_from_before_the_decrease_do_not_count() {
        let (mut rate, start) = (AdaptiveRate::new(100), Instant::now());
        for _ in 0..50 {
            rate.throttled(start, start + SECOND);
        }
        assert_eq!(rate.percent(), 70);
        rate.throttled(start + SECOND, start + SECOND);
        assert_eq!(rate.percent(), 49);
    }

    #[test]
    fn the_rate_never_falls_below_its_floor_nor_rises_above_the_ceiling() {
        for (ceiling, floor) in [(1, 1), (4, 4), (5, 5), (150, 5), (u32::MAX, 5)] {
            let (mut rate, mut now) = (AdaptiveRate::new(ceiling), Instant::now());
            for _ in 0..100 {
                rate.throttled(now, now);
                now += Duration::from_millis(1);
            }
            assert_eq!(rate.percent(), floor);
            rate.recover(now + 15 * SECOND);
            assert_eq!(rate.percent(), ceiling);
            assert!(!rate.recover(now + 100 * SECOND));
        }
    }
}
