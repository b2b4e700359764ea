//! How long a simulated call takes.

use std::time::Duration;

use fastrand::Rng;

/// The time from sending a call to its reply: uniform over `mean ± spread`.
///
/// Whole milliseconds, as tokio's timer has no finer ones. A call reaches the service after half of its latency, so two
/// calls in flight may overtake each other, and a caller that gives up midway does not know whether its call was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    mean: Duration,
    spread: Duration,
}

impl Latency {
    /// Every call is answered at once, without a visit to the timer.
    pub const ZERO: Self = Self::new(Duration::ZERO, Duration::ZERO);

    /// 20 ± 10 ms. Source: our choice, CloudWatch in the same region.
    pub const CLOUDWATCH: Self = Self::new(Duration::from_millis(20), Duration::from_millis(10));

    /// 5 ± 3 ms. Source: our choice, a DynamoDB table in the same region.
    pub const DYNAMODB: Self = Self::new(Duration::from_millis(5), Duration::from_millis(3));

    /// 15 ± 10 ms. Source: our choice, a Kinesis stream in the same region.
    pub const KINESIS: Self = Self::new(Duration::from_millis(15), Duration::from_millis(10));

    /// A latency that is never below `mean - spread` or above `mean + spread`.
    pub const fn new(mean: Duration, spread: Duration) -> Self {
        Self { mean, spread }
    }

    /// Draws the way there and the way back of one call.
    pub(super) fn draw(self, rng: &mut Rng) -> RoundTrip {
        let lowest = whole_millis(self.mean.saturating_sub(self.spread));
        let highest = whole_millis(self.mean.saturating_add(self.spread));
        let total = Duration::from_millis(rng.u64(lowest..=highest));
        let there = Duration::from_millis(whole_millis(total / 2));
        RoundTrip {
            there,
            back: total.saturating_sub(there),
        }
    }
}

/// The two halves of a call's latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoundTrip {
    pub(super) there: Duration,
    pub(super) back: Duration,
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_latency_stays_within_its_bounds() {
        let mut rng = Rng::with_seed(1);
        for _ in 0..1_000 {
            let trip = Latency::KINESIS.draw(&mut rng);
            let total = trip.there + trip.back;
            assert!(
                (Duration::from_millis(5)..=Duration::from_millis(25)).contains(&total),
                "{total:?}"
            );
        }
    }

    #[test]
    fn zero_latency_is_zero_both_ways() {
        let trip = Latency::ZERO.draw(&mut Rng::with_seed(1));
        assert_eq!((trip.there, trip.back), (Duration::ZERO, Duration::ZERO));
    }
}
