//! Pure: a bucket of tokens, kept as the time at which it will be full again.

use std::time::{Duration, Instant};

/// Tokens that flow in at a steady rate up to a capacity.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    capacity: u64,
    per_second: u32,
    percent: u32,
    full_at: Instant,
}

impl TokenBucket {
    /// A full bucket that holds one second's worth of `percent` percent of `per_second`, and fills at that rate.
    pub(crate) fn full(per_second: u32, percent: u32, now: Instant) -> Self {
        let capacity = u64::from(per_second) * u64::from(percent) / 100;
        Self::with_capacity(capacity, per_second, percent, now)
    }

    /// A full bucket that holds `capacity` and fills at `percent` percent of `per_second`.
    pub(crate) fn with_capacity(capacity: u64, per_second: u32, percent: u32, now: Instant) -> Self {
        Self {
            capacity,
            per_second,
            percent,
            full_at: now,
        }
    }

    /// When `cost` can be paid. What costs more than the bucket holds leaves when it is full, and is paid off after.
    pub(crate) fn affordable_at(&self, cost: usize) -> Instant {
        let missing_when_full = self.time_for(self.capacity).saturating_sub(self.time_for(tokens(cost)));
        self.full_at.checked_sub(missing_when_full).unwrap_or(self.full_at)
    }

    /// Takes `cost` out, into debt if need be.
    pub(crate) fn pay(&mut self, cost: usize, now: Instant) {
        self.full_at = self.full_at.max(now) + self.time_for(tokens(cost));
    }

    /// Takes out whatever is in it. A debt stays.
    pub(crate) fn drain(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now + self.time_for(self.capacity));
    }

    /// From now on it fills at `percent` percent; what is missing stays missing.
    pub(crate) fn set_percent(&mut self, percent: u32, now: Instant) {
        let missing = self.full_at.saturating_duration_since(now).as_nanos();
        let slower = missing * u128::from(self.percent) / u128::from(percent.max(1));
        self.full_at = now + nanoseconds(slower);
        self.percent = percent;
    }

    fn time_for(&self, tokens: u64) -> Duration {
        let per_100_seconds = u128::from(self.per_second) * u128::from(self.percent);
        nanoseconds(u128::from(tokens) * 100 * 1_000_000_000 / per_100_seconds.max(1))
    }
}

fn tokens(cost: usize) -> u64 {
    u64::try_from(cost).unwrap_or(u64::MAX)
}

fn nanoseconds(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn paid_at_once(bucket: &mut TokenBucket, cost: usize, now: Instant) -> usize {
        let mut paid = 0;
        while bucket.affordable_at(cost) <= now {
            bucket.pay(cost, now);
            paid += cost;
        }
        paid
    }

    proptest! {
        #[test]
        fn a_bucket_never_lets_more_through_than_its_burst_and_rate(costs in prop::collection::vec(1usize..2_000, 1..200)) {
            let start = Instant::now();
            let mut bucket = TokenBucket::full(1_000, 100, start);
            let (mut now, mut paid) = (start, 0usize);
            for cost in costs {
                now = now.max(bucket.affordable_at(cost));
                // Each payment must fit into what has flowed in so far; a large one may dip below empty once it is full.
                let income = 1_000.0 + (now - start).as_secs_f64() * 1_000.0;
                prop_assert!(paid as f64 + (cost as f64).min(1_000.0) <= income + 1.0);
                bucket.pay(cost, now);
                paid += cost;
            }
        }
    }

    #[test]
    fn a_quiet_bucket_holds_one_second_and_then_runs_at_its_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::full(1_000, 150, start);
        assert_eq!(paid_at_once(&mut bucket, 1, start), 1_500);
        assert!(bucket.affordable_at(150) <= start + Duration::from_millis(101));
        assert!(bucket.affordable_at(150) >= start + Duration::from_millis(99));
    }

    #[test]
    fn a_bucket_of_200_that_gets_1000_a_second_lets_200_through_and_then_one_each_millisecond() {
        let start = Instant::now();
        let mut bucket = TokenBucket::with_capacity(200, 1_000, 100, start);
        assert_eq!(paid_at_once(&mut bucket, 1, start), 200);
        assert_eq!(bucket.affordable_at(1), start + MILLISECOND);
        assert_eq!(bucket.affordable_at(200), start + 200 * MILLISECOND);
        assert_eq!(paid_at_once(&mut bucket, 1, start + 3_600_000 * MILLISECOND), 200);
    }

    #[test]
    fn a_slower_bucket_takes_longer_for_what_is_missing() {
        let start = Instant::now();
        let mut bucket = TokenBucket::with_capacity(100, 1_000, 100, start);
        bucket.drain(start);
        bucket.set_percent(50, start);
        assert_eq!(bucket.affordable_at(100), start + 200 * MILLISECOND);
        bucket.set_percent(200, start + 100 * MILLISECOND);
        assert_eq!(bucket.affordable_at(100), start + 125 * MILLISECOND);
    }

    #[test]
    fn a_debt_outlives_a_drain() {
        let start = Instant::now();
        let mut bucket = TokenBucket::with_capacity(100, 1_000, 100, start);
        bucket.pay(1_000, start);
        bucket.drain(start);
        assert_eq!(bucket.affordable_at(100), start + Duration::from_secs(1));
    }
}
