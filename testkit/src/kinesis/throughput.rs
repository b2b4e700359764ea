//! Pure: what a shard can take and hand out.

use std::collections::BTreeSet;

use super::limits;
use super::settings::Limits;
use super::timestamp::Timestamp;
use super::token_bucket::TokenBucket;

/// A direction in which records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Traffic {
    /// From producers: PutRecord and PutRecords.
    Writes,
    /// To polling consumers: GetRecords.
    Reads,
}

/// The limits of one shard.
#[derive(Debug)]
pub(super) struct Throughput {
    /// What is refused whatever the limits.
    stopped: BTreeSet<Traffic>,
    written_records: TokenBucket,
    written_bytes: TokenBucket,
    read_calls: TokenBucket,
    read_bytes: TokenBucket,
    iterator_calls: TokenBucket,
}

impl Throughput {
    /// A shard that has done nothing yet.
    pub(super) fn idle(now: Timestamp) -> Self {
        Self {
            stopped: BTreeSet::new(),
            written_records: TokenBucket::full(limits::SHARD_WRITE_RECORDS_PER_SECOND, now),
            written_bytes: TokenBucket::full(limits::SHARD_WRITE_BYTES_PER_SECOND, now),
            read_calls: TokenBucket::full(limits::SHARD_READ_CALLS_PER_SECOND, now),
            read_bytes: TokenBucket::full(limits::SHARD_READ_BYTES_PER_SECOND, now),
            iterator_calls: TokenBucket::full(limits::SHARD_ITERATOR_CALLS_PER_SECOND, now),
        }
    }

    /// Refuses everything in one direction from now on.
    pub(super) fn stop(&mut self, traffic: Traffic) {
        self.stopped.insert(traffic);
    }

    /// Takes [`stop`](Self::stop) back.
    pub(super) fn resume(&mut self, traffic: Traffic) {
        self.stopped.remove(&traffic);
    }

    /// Takes a record of `bytes`, or refuses it and charges nothing.
    pub(super) fn admit_write(&mut self, bytes: u64, limits: Limits, now: Timestamp) -> bool {
        let flows = !self.stopped.contains(&Traffic::Writes);
        let within = || {
            self.written_bytes.admits(bytes, now)
                && self.written_records.try_take(1, now)
                && self.written_bytes.try_take(bytes, now)
        };
        flows && limits.admit(within)
    }

    /// Takes a GetRecords call, or refuses it and charges nothing.
    pub(super) fn admit_read(&mut self, limits: Limits, now: Timestamp) -> bool {
        let flows = !self.stopped.contains(&Traffic::Reads);
        flows && limits.admit(|| self.read_bytes.has_credit(now) && self.read_calls.try_take(1, now))
    }

    /// Charges the reply of an admitted GetRecords call.
    pub(super) fn charge_read(&mut self, bytes: u64, now: Timestamp) {
        self.read_bytes.charge(bytes, now);
    }

    /// Takes a GetShardIterator call, or refuses it.
    pub(super) fn admit_iterator(&mut self, limits: Limits, now: Timestamp) -> bool {
        limits.admit(|| self.iterator_calls.try_take(1, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    #[test]
    fn a_record_refused_for_its_bytes_costs_no_record() {
        let mut shard = Throughput::idle(NOW);
        assert!(shard.admit_write(limits::SHARD_WRITE_BYTES_PER_SECOND, Limits::Enforced, NOW));
        for _ in 0..2_000 {
            assert!(!shard.admit_write(1, Limits::Enforced, NOW));
        }
        let rest = (0..2_000)
            .filter(|_| shard.admit_write(0, Limits::Enforced, NOW))
            .count();
        assert_eq!(rest, 999);
    }

    #[test]
    fn without_limits_nothing_is_refused() {
        let mut shard = Throughput::idle(NOW);
        shard.charge_read(limits::BYTES_PER_GET, NOW);
        for _ in 0..10 {
            assert!(shard.admit_write(u64::MAX, Limits::Off, NOW));
            assert!(shard.admit_read(Limits::Off, NOW));
            assert!(shard.admit_iterator(Limits::Off, NOW));
        }
    }
}
