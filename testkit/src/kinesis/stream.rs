//! Pure: one stream, its shards and the change that is under way.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use aggregation::{HashKey, HashKeyRange};

use super::call::CallCounter;
use super::change::Pending;
use super::configuration::Configuration;
use super::daily::DailyChanges;
use super::error::ServiceError;
use super::identity::Identity;
use super::kms::KmsFailure;
use super::refusal;
use super::sequence::SequenceNumber;
use super::shard::{NewRecord, Origin, Parents, Shard};
use super::shard_id::ShardId;
use super::timestamp::Timestamp;

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) identity: Identity,
    pub(super) config: Configuration,
    pub(super) daily: DailyChanges,
    pub(super) calls: CallCounter,
    pub(super) pending: Option<Pending>,
    /// What KMS answers when records are encrypted or decrypted, if it fails.
    pub(super) kms_failure: Option<KmsFailure>,
    /// Records ever stored.
    pub(super) stored: u64,
    shards: BTreeMap<ShardId, Shard>,
    /// The open shards by the first hash key of their range; together they cover all hash keys.
    routes: BTreeMap<HashKey, ShardId>,
    /// The first hash key of the shard whose turn it was last.
    turn: Option<HashKey>,
    next_shard: ShardId,
    /// The second under which the newest shard's sequence numbers sort.
    era: u64,
    /// The retention horizon at which there is something to trim next.
    trim_due: Timestamp,
    /// The moment before which everything was trimmed on demand.
    trimmed: Timestamp,
}

impl Stream {
    pub(super) fn new(identity: Identity, config: Configuration) -> Self {
        let era = identity.incarnation;
        Self {
            identity,
            config,
            daily: DailyChanges::default(),
            calls: CallCounter::default(),
            pending: None,
            kms_failure: None,
            stored: 0,
            shards: BTreeMap::new(),
            routes: BTreeMap::new(),
            turn: None,
            next_shard: ShardId::FIRST,
            era,
            trim_due: Timestamp::from_millis(u64::MAX),
            trimmed: Timestamp::default(),
        }
    }

    /// The second under which the newest shard's sequence numbers sort.
    pub(super) fn era(&self) -> u64 {
        self.era
    }

    /// Opens the first shards.
    pub(super) fn create_shards(&mut self, count: u32) {
        for range in HashKeyRange::FULL.split_evenly(count) {
            self.open_shard(range, Parents::None, self.identity.created);
        }
    }

    /// Replaces a shard by two, the upper of which starts `at`.
    pub(super) fn split(&mut self, shard: ShardId, at: HashKey, now: Timestamp) {
        let Some(range) = self.shards.get(&shard).map(|shard| shard.range) else {
            return;
        };
        let below = HashKey::new(at.value().saturating_sub(1));
        let (Ok(lower), Ok(upper)) = (
            HashKeyRange::new(range.start(), below),
            HashKeyRange::new(at, range.end()),
        ) else {
            return;
        };
        self.close_shard(shard, now);
        self.open_shard(lower, Parents::Split(shard), now);
        self.open_shard(upper, Parents::Split(shard), now);
    }

    /// Replaces two adjacent shards by one.
    pub(super) fn merge(&mut self, shard: ShardId, adjacent: ShardId, now: Timestamp) {
        let (Some(one), Some(other)) = (self.shards.get(&shard), self.shards.get(&adjacent)) else {
            return;
        };
        let start = one.range.start().min(other.range.start());
        let Ok(union) = HashKeyRange::new(start, one.range.end().max(other.range.end())) else {
            return;
        };
        self.close_shard(shard, now);
        self.close_shard(adjacent, now);
        self.open_shard(union, Parents::Merged(shard, adjacent), now);
    }

    /// Makes the shards that are opened from now on sort after all that are there.
    pub(super) fn begin_era(&mut self, now: Timestamp) {
        self.era = now.as_secs().max(self.era + 1);
    }

    fn open_shard(&mut self, range: HashKeyRange, parents: Parents, opened: Timestamp) {
        let id = self.next_shard;
        self.next_shard = id.following();
        self.routes.insert(range.start(), id);
        self.shards.insert(
            id,
            Shard::open(Origin {
                id,
                range,
                parents,
                opened,
                era: self.era,
            }),
        );
    }

    fn close_shard(&mut self, id: ShardId, now: Timestamp) {
        if let Some(shard) = self.shards.get_mut(&id) {
            shard.close(now);
            self.routes.remove(&shard.range.start());
            self.trim_due = self.trim_due.min(shard.oldest().unwrap_or(now));
        }
    }

    /// The moment before which nothing is kept.
    fn horizon(&self, now: Timestamp) -> Timestamp {
        let retained = now - Duration::from_secs(u64::from(self.config.retention_hours) * 3600);
        retained.max(self.trimmed)
    }

    /// The oldest moment that can be asked for: the retention horizon, or the creation of a younger stream.
    pub(super) fn trim_horizon(&self, now: Timestamp) -> Timestamp {
        self.horizon(now).max(self.identity.created)
    }

    /// Forgets records older than the retention period, and closed shards as old when they have none left.
    pub(super) fn trim(&mut self, now: Timestamp) {
        let horizon = self.horizon(now);
        if horizon <= self.trim_due {
            return;
        }
        for shard in self.shards.values_mut() {
            shard.trim(horizon);
        }
        self.shards.retain(|_, shard| shard.was_open_since(horizon));
        let oldest = self.shards.values().filter_map(Shard::oldest).min();
        self.trim_due = oldest.unwrap_or(Timestamp::from_millis(u64::MAX));
    }

    /// Forgets now, whatever the retention period, what [`trim`](Self::trim) would forget at this horizon.
    pub(super) fn trim_before(&mut self, horizon: Timestamp, now: Timestamp) {
        self.trimmed = self.trimmed.max(horizon);
        self.trim(now);
    }

    /// The shard that takes records with this hash key.
    pub(super) fn route(&mut self, key: HashKey) -> Option<&mut Shard> {
        let (_, id) = self.routes.range(..=key).next_back()?;
        self.shards.get_mut(id)
    }

    /// The open shard that comes after the last one that this returned; after the last shard the first.
    pub(super) fn next_in_turn(&mut self) -> Option<&mut Shard> {
        let after = self.turn.map_or(Bound::Unbounded, Bound::Excluded);
        let mut later = self.routes.range((after, Bound::Unbounded));
        let (start, id) = later.next().or_else(|| self.routes.first_key_value())?;
        self.turn = Some(*start);
        self.shards.get_mut(id)
    }

    /// Stores a record in an open shard.
    pub(super) fn append(&mut self, shard: ShardId, record: NewRecord, now: Timestamp) -> Option<SequenceNumber> {
        let number = self.shards.get_mut(&shard)?.append(record, now);
        self.stored += 1;
        self.trim_due = self.trim_due.min(now);
        Some(number)
    }

    /// All shards that are not trimmed away, by id.
    pub(super) fn shards(&self) -> impl DoubleEndedIterator<Item = &Shard> {
        self.shards.values()
    }

    /// The open shards, by hash key.
    pub(super) fn open_shards(&self) -> impl Iterator<Item = &Shard> {
        self.routes.values().filter_map(|id| self.shards.get(id))
    }

    pub(super) fn open_shard_count(&self) -> usize {
        self.routes.len()
    }

    pub(super) fn shard(&self, id: ShardId) -> Option<&Shard> {
        self.shards.get(&id)
    }

    /// Finds a shard by its name.
    pub(super) fn shard_named(&mut self, name: &str) -> Result<&mut Shard, ServiceError> {
        let shard = name.parse().ok().and_then(|id| self.shards.get_mut(&id));
        shard.ok_or_else(|| refusal::no_shard(name, &self.identity))
    }

    /// The shards that were made from this one.
    pub(super) fn children(&self, parent: ShardId) -> impl Iterator<Item = &Shard> {
        self.shards
            .range(parent..)
            .map(|(_, shard)| shard)
            .filter(move |shard| shard.parents.ids().any(|id| id == parent))
    }
}
