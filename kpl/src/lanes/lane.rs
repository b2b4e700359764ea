//! Pure: a lane, the open aggregate of one shard.
//!
//! A record is encoded straight into the lane's buffers, the only copy of its payload on this side of the SDK. The lane
//! seals its aggregate when it is full, when its oldest record has waited long enough, or when it is told to; it gives its
//! buffers away with it. An empty lane has none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregation::UserRecordRef;

use crate::budget::{Budget, Charge, Permit};
use crate::lanes::aggregate::{Sealing, hash_key_origin};
use crate::lanes::buffers::{Buffer, Buffers};
use crate::lanes::contents::Contents;
use crate::lanes::sealing::{Rest, Unframed};
use crate::limits::{CENTURY, KINESIS_RECORD_BYTES, OPEN_BUFFER_BYTES};
use crate::receipt::cohort::{Cohort, Origin};
use crate::receipt::outcome::HashKeyOrigin;
use crate::routing::Target;

/// What closes a lane's aggregate.
#[derive(Debug, Clone)]
pub(crate) struct LaneLimits {
    pub(crate) max_size: usize,
    pub(crate) max_count: usize,
    pub(crate) max_buffered: Duration,
    /// How long a record may take to be delivered.
    pub(crate) ttl: Option<Duration>,
}

impl LaneLimits {
    /// When an aggregate has to leave that was begun at `begun`.
    pub(crate) fn deadline(&self, begun: Instant) -> Instant {
        saturating_add(begun, self.max_buffered)
    }

    /// When an aggregate was begun that has to leave at `deadline`.
    pub(crate) fn begun(&self, deadline: Instant) -> Instant {
        deadline.checked_sub(self.max_buffered.min(CENTURY)).unwrap_or(deadline)
    }
}

/// The open aggregate of one shard.
#[derive(Debug)]
pub(crate) struct Lane {
    stream: Arc<str>,
    target: Option<Target>,
    limits: LaneLimits,
    buffers: Arc<Buffers>,
    buffer: Buffer,
    cohort: Arc<Cohort>,
    charge: Charge,
    /// Bytes that are charged for the buffers, beside the records.
    owed: usize,
    contents: Contents,
    hash_key_origin: HashKeyOrigin,
    deadline: Option<Instant>,
    /// When each record expires; empty if none does.
    expiries: Vec<Instant>,
}

/// A record's place among the receipts of its aggregate.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) cohort: Arc<Cohort>,
    pub(crate) index: u32,
}

impl Lane {
    pub(crate) fn new(
        stream: Arc<str>,
        target: Option<Target>,
        limits: LaneLimits,
        budget: Budget,
        buffers: Arc<Buffers>,
    ) -> Self {
        Self {
            stream,
            target,
            limits,
            buffers,
            buffer: Buffer::default(),
            cohort: Arc::default(),
            charge: Charge::none(budget),
            owed: 0,
            contents: Contents::default(),
            hash_key_origin: HashKeyOrigin::PartitionKey,
            deadline: None,
            expiries: Vec::new(),
        }
    }

    /// Appends a record. What does not fit beside it is sealed first, what is full with it right after; `sealed` takes
    /// them in that order. A record without a partition key is always alone: only some streams take it.
    pub(crate) fn append(
        &mut self,
        record: &UserRecordRef<'_>,
        permit: Permit<'_>,
        now: Instant,
        mut sealed: impl FnMut(Unframed),
    ) -> Seat {
        let is_alone = record.partition_key.is_empty();
        if self.buffer.is_new() {
            self.buffer = self.buffers.take();
        }
        let must_begin = is_alone && !self.buffer.encoder.is_empty();
        if must_begin || !self.buffer.encoder.append_within(record, self.limits.max_size) {
            self.seal().into_iter().for_each(&mut sealed);
            self.buffer = self.buffers.take();
            self.buffer.encoder.append(record);
        }
        let count = self.buffer.encoder.len();
        if count == 1 {
            self.begin(record, now);
        }
        let seat = Seat {
            cohort: Arc::clone(&self.cohort),
            index: u32::try_from(count - 1).unwrap_or(u32::MAX),
        };
        self.contents.add(record, now);
        self.expiries
            .extend(self.limits.ttl.map(|ttl| saturating_add(now, ttl)));
        self.charge.add(permit);
        if is_alone || count >= self.limits.max_count || self.buffer.encoder.size() >= self.limits.max_size {
            self.seal().into_iter().for_each(sealed);
        } else {
            self.owe_for_buffers();
        }
        seat
    }

    /// Charges what the buffers take up beside what the records were charged.
    fn owe_for_buffers(&mut self) {
        let allowed = self.charge.bytes() + OPEN_BUFFER_BYTES;
        let more = self.buffer.grown().saturating_sub(allowed);
        if more > 0 {
            self.charge.owe(more);
            self.owed += more;
        }
    }

    /// Notes what an aggregate takes over from its first record.
    fn begin(&mut self, record: &UserRecordRef<'_>, now: Instant) {
        self.deadline = Some(self.limits.deadline(now));
        self.hash_key_origin = hash_key_origin(record);
        self.charge.owe(KINESIS_RECORD_BYTES);
    }

    /// Its records in numbers.
    pub(crate) fn contents(&self) -> &Contents {
        &self.contents
    }

    /// When its oldest record has waited long enough; `None` while it is empty.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Closes the aggregate, with the lane's buffers, and starts an empty one; `None` if it was empty.
    pub(crate) fn seal(&mut self) -> Option<Unframed> {
        let count = u32::try_from(self.buffer.encoder.len()).unwrap_or(u32::MAX);
        if count == 0 {
            return None;
        }
        self.deadline = None;
        let cohort = std::mem::take(&mut self.cohort);
        let sealing = Sealing {
            stream: Arc::clone(&self.stream),
            hash_key_origin: self.hash_key_origin,
            origins: vec![Origin::new(&cohort, 0, count)],
            charge: self.charge.take(),
            contents: std::mem::take(&mut self.contents),
            target: self.target.clone(),
            expiries: std::mem::take(&mut self.expiries),
        };
        let rest = Rest {
            buffers: Arc::clone(&self.buffers),
            largest: self.limits.max_size.saturating_mul(4),
            owed: std::mem::take(&mut self.owed),
        };
        Some(Unframed::new(std::mem::take(&mut self.buffer), sealing, rest))
    }
}

/// A lane that is dropped with records in it fails their receipts, as a sealed aggregate does.
impl Drop for Lane {
    fn drop(&mut self) {
        drop(self.seal());
    }
}

/// `now + wait`; a wait beyond what the clock can express counts as a century.
fn saturating_add(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait.min(CENTURY)).unwrap_or(now)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;
    use crate::budget::Room;
    use crate::lanes::aggregate::SealedAggregate;

    fn lane(max_size: usize, max_count: usize) -> Lane {
        let limits = LaneLimits {
            max_size,
            max_count,
            max_buffered: Duration::from_millis(100),
            ttl: None,
        };
        Lane::new("orders".into(), None, limits, Budget::default(), Arc::default())
    }

    fn append(lane: &mut Lane, key: &str, data: &[u8], now: Instant) -> (Seat, Vec<SealedAggregate>) {
        let mut sealed = Vec::new();
        let budget = Budget::default();
        let permit = budget.try_acquire(Room::of(1)).unwrap();
        let seat = lane.append(&UserRecordRef::new(key, None, data), permit, now, |aggregate| {
            sealed.extend(aggregate.frame());
        });
        (seat, sealed)
    }

    fn sealed(lane: &mut Lane) -> Option<SealedAggregate> {
        lane.seal().and_then(Unframed::frame)
    }

    #[test]
    fn the_oldest_record_sets_the_deadline() {
        let (mut lane, start) = (lane(51_200, 1_000), Instant::now());
        append(&mut lane, "a", b"1", start);
        append(&mut lane, "b", b"2", start + Duration::from_millis(50));
        assert_eq!(lane.deadline(), Some(start + Duration::from_millis(100)));
        assert_eq!(sealed(&mut lane).unwrap().record.user_records, 2);
        assert_eq!(lane.deadline(), None);
    }

    #[test]
    fn the_count_limit_seals_exactly_at_the_limit() {
        let (mut lane, start) = (lane(51_200, 3), Instant::now());
        for round in 0..3 {
            assert_eq!(append(&mut lane, "a", b"1", start).1.len(), 0, "round {round}");
            assert_eq!(append(&mut lane, "a", b"2", start).1.len(), 0);
            let (seat, sealed) = append(&mut lane, "a", b"3", start);
            assert_eq!(seat.index, 2);
            assert_eq!(sealed[0].record.user_records, 3);
        }
    }

    #[test]
    fn no_aggregate_is_larger_than_the_limit_unless_it_is_one_record() {
        let (mut lane, start) = (lane(300, 1_000), Instant::now());
        let mut all = Vec::new();
        for n in 0..50usize {
            let data = vec![0; if n % 10 == 9 { 1_000 } else { 40 }];
            all.extend(append(&mut lane, "key", &data, start).1);
        }
        all.extend(sealed(&mut lane));
        assert_eq!(
            all.iter().map(|aggregate| aggregate.record.user_records).sum::<usize>(),
            50
        );
        for aggregate in &all {
            assert!(aggregate.record.data.len() <= 300 || aggregate.record.user_records == 1);
        }
    }

    #[test]
    fn a_buffered_time_beyond_the_clock_saturates() {
        let limits = LaneLimits {
            max_size: 1_000,
            max_count: 10,
            max_buffered: Duration::MAX,
            ttl: Some(Duration::MAX),
        };
        let mut lane = Lane::new("orders".into(), None, limits, Budget::default(), Arc::default());
        append(&mut lane, "a", b"1", Instant::now());
        assert!(lane.deadline().unwrap() > Instant::now() + Duration::from_secs(1_000_000));
    }
}
