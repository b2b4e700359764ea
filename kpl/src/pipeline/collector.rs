//! Pure: which aggregates share a request.
//!
//! Aggregates gather until the request is full, until one shard has its share in it, or until the first of them has
//! waited for the collection time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::aggregate::SealedAggregate;
use crate::budget::Cargo;
use crate::limits::SHARD_BYTES_PER_REQUEST;
use crate::shard_map::ShardId;

/// The request that is being filled.
#[derive(Debug)]
pub(crate) struct Collector {
    max_count: usize,
    max_bytes: usize,
    wait: Duration,
    gathered: Vec<SealedAggregate>,
    bytes: usize,
    shard_bytes: BTreeMap<ShardId, usize>,
    full: bool,
    deadline: Option<Instant>,
}

impl Collector {
    pub(crate) fn new(max_count: usize, max_bytes: usize, wait: Duration) -> Self {
        Self {
            max_count,
            max_bytes,
            wait,
            gathered: Vec::new(),
            bytes: 0,
            shard_bytes: BTreeMap::new(),
            full: false,
            deadline: None,
        }
    }

    /// Whether `aggregate` fits beside what is there. Anything fits into an empty request.
    pub(crate) fn has_room_for(&self, aggregate: &SealedAggregate) -> bool {
        self.gathered.is_empty() || (!self.full && self.bytes + aggregate.bytes() <= self.max_bytes)
    }

    /// Adds an aggregate for which there is room.
    pub(crate) fn push(&mut self, aggregate: SealedAggregate, now: Instant) {
        self.bytes += aggregate.bytes();
        if let Some(target) = &aggregate.target {
            let of_shard = self.shard_bytes.entry(target.shard.clone()).or_default();
            *of_shard += aggregate.bytes();
            self.full |= *of_shard >= SHARD_BYTES_PER_REQUEST;
        }
        self.gathered.push(aggregate);
        self.full |= self.gathered.len() >= self.max_count || self.bytes >= self.max_bytes;
        let due = if self.full { now } else { now + self.wait };
        self.deadline = Some(self.deadline.map_or(due, |deadline| deadline.min(due)));
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
