//! Pure: which aggregates share a request.
//!
//! Aggregates gather until the request is full, until one shard has its share in it, until the first of them has waited
//! for the collection time, or until the time for which a record may be buffered is over.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use service::ShardId;

use crate::budget::Cargo;
use crate::lanes::aggregate::SealedAggregate;
use crate::limits::{EXPIRY_RESOLUTION, SHARD_BYTES_PER_REQUEST};

/// What a request may carry, unless it is of a single entry.
#[derive(Debug)]
pub(crate) struct MaxRequest {
    /// Entries.
    pub(crate) count: usize,
    /// Their data and keys.
    pub(crate) bytes: usize,
    /// The [weight](Cargo::weight) of which the SDK's copies have room.
    pub(crate) weight: usize,
}

/// The request that is being filled.
#[derive(Debug)]
pub(crate) struct Collector {
    max: MaxRequest,
    wait: Duration,
    max_buffered: Duration,
    gathered: Vec<SealedAggregate>,
    bytes: usize,
    shard_bytes: BTreeMap<ShardId, usize>,
    full: bool,
    deadline: Option<Instant>,
}

impl Collector {
    /// An aggregate waits in a request for `wait` at most, and only as long as its records have not been buffered for
    /// `max_buffered`.
    pub(crate) fn new(max: MaxRequest, wait: Duration, max_buffered: Duration) -> Self {
        Self {
            max,
            wait,
            max_buffered,
            gathered: Vec::new(),
            bytes: 0,
            shard_bytes: BTreeMap::new(),
            full: false,
            deadline: None,
        }
    }

    /// Whether `aggregate` fits beside what is there, by its own limits and by what `allows` says of the request with it.
    /// Anything fits into an empty request, and nothing to what leaves alone.
    pub(crate) fn has_room_for(&self, aggregate: &SealedAggregate, allows: impl Fn(Cargo) -> bool) -> bool {
        let with = self.cargo().plus(aggregate.cargo());
        let fits = with.bytes <= self.max.bytes && with.weight() <= self.max.weight && allows(with);
        self.gathered.is_empty() || (!self.full && fits && !aggregate.leaves_alone())
    }

    /// Adds an aggregate for which there is room.
    pub(crate) fn push(&mut self, aggregate: SealedAggregate, now: Instant) {
        self.bytes += aggregate.bytes();
        if let Some(target) = &aggregate.target {
            let of_shard = self.shard_bytes.entry(target.shard.clone()).or_default();
            *of_shard += aggregate.bytes();
            self.full |= *of_shard >= SHARD_BYTES_PER_REQUEST;
        }
        self.full |= aggregate.leaves_alone();
        let patient_until = self.patient_until(&aggregate, now);
        self.gathered.push(aggregate);
        self.full |= self.gathered.len() >= self.max.count || self.bytes >= self.max.bytes;
        let due = if self.full { now } else { patient_until };
        self.deadline = Some(self.deadline.map_or(due, |deadline| deadline.min(due)));
    }

    /// Until when an aggregate waits for others: not at all if it would expire meanwhile. What has been buffered for too
    /// long already, because the service was slow or its shard is full, had better leave in company.
    fn patient_until(&self, aggregate: &SealedAggregate, now: Instant) -> Instant {
        let put_at = aggregate.contents.put_at();
        let buffered_until = put_at.and_then(|at| at.checked_add(self.max_buffered));
        let expires_at = aggregate.expires_at();
        let too_late = expires_at.and_then(|at| at.checked_sub(EXPIRY_RESOLUTION));
        [buffered_until.filter(|at| *at > now), too_late]
            .into_iter()
            .flatten()
            .fold(now + self.wait, Instant::min)
    }

    /// Makes what is there leave at `at`, if it would not do so earlier.
    pub(crate) fn hurry(&mut self, at: Instant) {
        if let Some(deadline) = &mut self.deadline {
            *deadline = at.min(*deadline);
        }
    }

    /// What the request carries so far.
    pub(crate) fn cargo(&self) -> Cargo {
        Cargo {
            entries: self.gathered.len(),
            bytes: self.bytes,
        }
    }

    /// When the request should leave; `None` while it is empty.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Takes the request out.
    pub(crate) fn take(&mut self) -> Vec<SealedAggregate> {
        self.bytes = 0;
        self.shard_bytes.clear();
        self.full = false;
        self.deadline = None;
        std::mem::take(&mut self.gathered)
    }
}
