//! Pure: how fast aggregates leave for their shard.
//!
//! Each shard has a queue and two token buckets, for records and for bytes, filled at `rate_limit` percent of what the
//! service takes. A shard that has to wait never delays another.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::aggregate::SealedAggregate;
use crate::limits::{SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND};
use crate::shard_map::ShardId;

/// The queues of all shards.
#[derive(Debug)]
pub(crate) struct Limiter {
    rate_percent: u32,
    shards: BTreeMap<ShardId, ShardQueue>,
    /// Each shard with something queued, by the time at which its head may leave, and then by its turn.
    ready: BTreeSet<(Instant, u64, ShardId)>,
    last_turn: u64,
}

#[derive(Debug)]
struct ShardQueue {
    queue: VecDeque<SealedAggregate>,
    records: TokenBucket,
    bytes: TokenBucket,
}

impl Limiter {
    pub(crate) fn new(rate_percent: u32) -> Self {
        Self {
            rate_percent,
            shards: BTreeMap::new(),
            ready: BTreeSet::new(),
            last_turn: 0,
        }
    }

    /// Queues an aggregate for `shard`.
    pub(crate) fn push(&mut self, shard: ShardId, aggregate: SealedAggregate, now: Instant) {
        let percent = self.rate_percent;
        let queue = self
            .shards
            .entry(shard.clone())
            .or_insert_with(|| ShardQueue::new(percent, now));
        queue.queue.push_back(aggregate);
        if queue.queue.len() == 1
            && let Some(at) = queue.head_leaves_at()
        {
            self.last_turn += 1;
            self.ready.insert((at, self.last_turn, shard));
        }
    }

    /// When the next aggregate may leave.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.ready.first().map(|(at, ..)| *at)
    }

    /// The next aggregate that may leave now, if `accept` takes one of its size.
    pub(crate) fn pop(&mut self, now: Instant, accept: impl Fn(&SealedAggregate) -> bool) -> Option<SealedAggregate> {
        let (at, _, shard) = self.ready.first()?.clone();
        let queue = self.shards.get_mut(&shard)?;
        if at > now || !queue.queue.front().is_some_and(accept) {
            return None;
        }
        self.ready.pop_first();
        let aggregate = queue.queue.pop_front()?;
        queue.records.pay(1, now);
        queue.bytes.pay(aggregate.bytes(), now);
        if let Some(at) = queue.head_leaves_at() {
            // Not before `now`: among shards that may leave at once, the one served last goes to the back.
            self.last_turn += 1;
            self.ready.insert((at.max(now), self.last_turn, shard));
        }
        Some(aggregate)
    }

    /// Takes everything out, and forgets the shards that `keep` does not name.
    pub(crate) fn take_all(&mut self, keep: impl Fn(&ShardId) -> bool) -> Vec<SealedAggregate> {
        self.ready.clear();
        let taken = self
            .shards
            .values_mut()
            .flat_map(|shard| shard.queue.drain(..))
            .collect();
        self.shards.retain(|shard, _| keep(shard));
        taken
    }
}

impl ShardQueue {
    fn new(percent: u32, now: Instant) -> Self {
        Self {
            queue: VecDeque::new(),
            records: TokenBucket::full(SHARD_RECORDS_PER_SECOND, percent, now),
            bytes: TokenBucket::full(SHARD_BYTES_PER_SECOND, percent, now),
        }
    }

    fn head_leaves_at(&self) -> Option<Instant> {
        let head = self.queue.front()?;
        Some(
            self.records
                .affordable_at(1)
                .max(self.bytes.affordable_at(head.bytes())),
        )
    }
}

/// A token bucket that holds one second's worth, kept as the time at which it will be full again.
#[derive(Debug)]
struct TokenBucket {
    per_100_seconds: u64,
    full_at: Instant,
}

/// What a bucket holds: the service's own burst.
const BURST: Duration = Duration::from_secs(1);

impl TokenBucket {
    /// A full bucket that fills at `percent` percent of `per_second`.
    fn full(per_second: u32, percent: u32, now: Instant) -> Self {
        Self {
            per_100_seconds: u64::from(per_second) * u64::from(percent),
            full_at: now,
        }
    }

    /// When `cost` can be paid. What costs more than the bucket holds leaves when it is full, and is paid off after.
    fn affordable_at(&self, cost: usize) -> Instant {
        let missing_when_full = BURST.saturating_sub(self.time_for(cost));
        self.full_at.checked_sub(missing_when_full).unwrap_or(self.full_at)
    }

    fn pay(&mut self, cost: usize, now: Instant) {
        self.full_at = self.full_at.max(now) + self.time_for(cost);
    }

    fn time_for(&self, cost: usize) -> Duration {
        let nanos = cost as u128 * 100 * 1_000_000_000 / u128::from(self.per_100_seconds.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        let mut sent = 0;
        while bucket.affordable_at(1) <= start {
            bucket.pay(1, start);
            sent += 1;
        }
        assert_eq!(sent, 1_500);
        assert!(bucket.affordable_at(150) <= start + Duration::from_millis(101));
        assert!(bucket.affordable_at(150) >= start + Duration::from_millis(99));
    }
}
