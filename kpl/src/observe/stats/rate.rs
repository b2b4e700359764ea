//! Pure: what happened at a shard in the last seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use service::ShardId;

use super::ShardStats;
use crate::error::codes::Refusal;
use crate::lanes::aggregate::SealedAggregate;
use crate::limits::RATE_WINDOW;

/// What was counted at a shard.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(super) user_records: u64,
    pub(super) kinesis_records: u64,
    pub(super) bytes: u64,
    pub(super) throttled: u64,
    /// Kinesis records with an answer.
    pub(crate) answered: u64,
}

impl Counts {
    /// Counts an answer for an aggregate.
    pub(crate) fn count(&mut self, aggregate: &SealedAggregate, refusal: Option<&Refusal>) {
        self.answered += 1;
        match refusal {
            None => {
                self.kinesis_records += 1;
                self.user_records += aggregate.record.user_records as u64;
                self.bytes += aggregate.bytes() as u64;
            }
            Some(refusal) => self.throttled += u64::from(refusal.class.is_throttling()),
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.user_records += other.user_records;
        self.kinesis_records += other.kinesis_records;
        self.bytes += other.bytes;
        self.throttled += other.throttled;
        self.answered += other.answered;
    }
}

/// The counts of a shard, second by second, as far back as the window reaches.
#[derive(Debug)]
pub(super) struct Rate {
    since: Instant,
    seconds: VecDeque<(u64, Counts)>,
}

impl Rate {
    pub(super) fn new(since: Instant) -> Self {
        Self {
            since,
            seconds: VecDeque::new(),
        }
    }

    pub(super) fn add(&mut self, counts: Counts, now: Instant) {
        let second = now.saturating_duration_since(self.since).as_secs();
        match self.seconds.back_mut() {
            Some((newest, sum)) if *newest >= second => sum.add(counts),
            _ => self.seconds.push_back((second, counts)),
        }
        while self
            .seconds
            .front()
            .is_some_and(|(oldest, _)| *oldest < first_second(second))
        {
            self.seconds.pop_front();
        }
    }

    /// The mean of each second in the window that ends at `now`.
    pub(super) fn at(&self, shard_id: ShardId, now: Instant) -> ShardStats {
        let elapsed = now.saturating_duration_since(self.since);
        let first = first_second(elapsed.as_secs());
        let mut sum = Counts::default();
        let recent = self.seconds.iter().filter(|(second, _)| *second >= first);
        recent.for_each(|(_, counts)| sum.add(*counts));
        let window = elapsed
            .saturating_sub(Duration::from_secs(first))
            .as_secs_f64()
            .max(1.0);
        let per_second = |count: u64| count as f64 / window;
        ShardStats {
            shard_id,
            user_records_per_second: per_second(sum.user_records),
            kinesis_records_per_second: per_second(sum.kinesis_records),
            bytes_per_second: per_second(sum.bytes),
            throttled_percent: 100.0 * sum.throttled as f64 / sum.answered.max(1) as f64,
        }
    }
}

/// The first second of the window in which `second` is the last.
fn first_second(second: u64) -> u64 {
    (second + 1).saturating_sub(RATE_WINDOW.as_secs())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn counts(records: u64) -> Counts {
        Counts {
            user_records: records * 10,
            kinesis_records: records,
            bytes: records * 1_000,
            throttled: records / 4,
            answered: records + records / 4,
        }
    }

    #[test]
    fn a_steady_flow_has_its_rate_from_the_first_second_on_and_is_forgotten_after_the_window() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        for tenth in 0..600 {
            let now = start + SECOND / 10 * tenth;
            rate.add(counts(8), now);
            let seen = rate.at(ShardId::new("s"), now + SECOND / 10);
            let expected = 8.0 * f64::from(tenth + 1).min(10.0);
            assert!(
                (seen.kinesis_records_per_second - expected).abs() <= 9.0,
                "{tenth}: {seen:?}"
            );
            assert!((seen.throttled_percent - 20.0).abs() < 1e-9);
            assert!(rate.seconds.len() <= 10);
        }
        let seen = rate.at(ShardId::new("s"), start + SECOND * 75);
        assert_eq!((seen.bytes_per_second, seen.throttled_percent), (0.0, 0.0));
    }

    #[test]
    fn a_burst_counts_over_a_second_at_least() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        rate.add(counts(4), start);
        let seen = rate.at(ShardId::new("s"), start);
        assert_eq!((seen.user_records_per_second, seen.bytes_per_second), (40.0, 4_000.0));
        let seen = rate.at(ShardId::new("s"), start + 4 * SECOND);
        assert_eq!(seen.kinesis_records_per_second, 1.0);
    }
}
