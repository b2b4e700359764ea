//! Pure: the stream as the service stored it, and which of its records were processed.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use aggregation::{HashKey, HashKeyRange};
use bytes::Bytes;

use super::contents::Contents;
use super::judge::Judge;
use super::position::{Place, Position};
use super::rare::Rare;
use super::rules::{Rule, Start};
use super::shard::{Fate, Life, Shard, StoredRecord};
use testkit::kinesis::{SequenceNumber, ShardId, Timestamp};

/// The shards of the stream.
#[derive(Debug)]
pub(crate) struct Stream {
    start: Start,
    /// When the first lease of this stream was written.
    consumed_since: Option<Duration>,
    /// When it was created, as the service describes it.
    created: Option<Timestamp>,
    shards: BTreeMap<ShardId, Shard>,
    /// The streams that had its name before.
    gone: Vec<Gone>,
    /// When the stream was deleted or created again last.
    changed_at: Option<Duration>,
    /// Whether a worker said that this stream is not the one that the leases are of.
    is_told: bool,
}

/// A stream that was deleted.
#[derive(Debug)]
struct Gone {
    created: Option<Timestamp>,
    shards: BTreeMap<ShardId, Shard>,
}

impl Stream {
    pub(crate) fn new(start: Start) -> Self {
        Self {
            start,
            consumed_since: None,
            created: None,
            shards: BTreeMap::new(),
            gone: Vec::new(),
            changed_at: None,
            is_told: false,
        }
    }

    /// How often a stream of this name was deleted.
    pub(crate) fn deletions(&self) -> usize {
        self.gone.len()
    }

    /// There is a stream, without shards.
    pub(crate) fn created(&mut self, created: Timestamp) {
        self.created = Some(created);
    }

    pub(crate) fn delete(&mut self, now: Duration) {
        self.gone.push(Gone {
            created: self.created.take(),
            shards: std::mem::take(&mut self.shards),
        });
        self.consumed_since = None;
        self.changed_at = Some(now);
    }

    /// A worker said that the stream was created again: it reads nothing of it, and the operator knows.
    pub(crate) fn told_of_recreation(&mut self) {
        self.is_told = true;
    }

    /// Whether a worker said that the stream was created again, and leases of an earlier one are left.
    pub(crate) fn is_told(&self) -> bool {
        self.is_told
    }

    /// No leases are left: consumers begin anew, where they are told to. From the latest record, nobody reads a closed shard.
    pub(crate) fn begin_anew(&mut self) {
        self.is_told = false;
        self.consumed_since = None;
        if self.start == Start::Latest {
            let closed = self.shards.values_mut().filter(|shard| shard.life == Life::Closed);
            closed.for_each(|shard| shard.excuse_up_to(shard.len()));
        }
    }

    /// Whether the stream is missing, or was created again after that time.
    pub(crate) fn changed_since(&self, time: Duration) -> bool {
        self.changed_at
            .is_some_and(|changed_at| changed_at >= time || self.shards.is_empty())
    }

    /// A shard of the stream's incarnation after `deletions` deletions.
    pub(crate) fn of(&self, deletions: usize, shard: ShardId) -> Option<&Shard> {
        let gone = self.gone.get(deletions).map(|gone| &gone.shards);
        gone.unwrap_or(&self.shards).get(&shard)
    }

    /// The same, to be changed.
    pub(crate) fn of_mut(&mut self, deletions: usize, shard: ShardId) -> Option<&mut Shard> {
        let gone = self.gone.get_mut(deletions).map(|gone| &mut gone.shards);
        gone.unwrap_or(&mut self.shards).get_mut(&shard)
    }

    /// The stream that was created at that time, by its deletions before.
    pub(crate) fn created_at(&self, time: Timestamp) -> Option<usize> {
        let gone = self.gone.iter().map(|gone| gone.created);
        gone.chain([self.created]).position(|created| created == Some(time))
    }

    /// Of the streams that had its name, the last that has or had the shard, by its deletions before.
    pub(crate) fn last_with(&self, shard: ShardId) -> Option<usize> {
        (0..=self.gone.len())
            .rev()
            .find(|deletions| self.of(*deletions, shard).is_some())
    }

    /// The record at a place, in this stream or in one that had its name: no number comes twice.
    pub(crate) fn ever_stored(&self, shard: ShardId, place: Place) -> Option<&StoredRecord> {
        let gone = self.gone.iter().map(|gone| &gone.shards);
        let mut lives = std::iter::once(&self.shards).chain(gone);
        lives.find_map(|shards| {
            let shard = shards.get(&shard)?;
            shard.record(shard.find(place)?)
        })
    }

    /// Adds a shard. `None` if its hash keys make no range, or if it is there already.
    pub(crate) fn create(
        &mut self,
        shard: ShardId,
        parents: Vec<ShardId>,
        hash_range: &RangeInclusive<u128>,
        now: Duration,
    ) -> Option<()> {
        let range = HashKeyRange::new(HashKey::new(*hash_range.start()), HashKey::new(*hash_range.end())).ok()?;
        if self.shards.is_empty() && !self.gone.is_empty() {
            self.changed_at = Some(now);
        }
        let created = Shard {
            parents,
            range,
            life: Life::Open,
            created: now,
            closed: None,
            records: Vec::new(),
            due_from: 0,
            trimmed: 0,
            done: 0,
        };
        self.shards.insert(shard, created).is_none().then_some(())
    }

    pub(crate) fn get(&self, shard: ShardId) -> Option<&Shard> {
        self.shards.get(&shard)
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = (ShardId, &Shard)> {
        self.shards.iter().map(|(id, shard)| (*id, shard))
    }

    pub(crate) fn close(&mut self, shard: ShardId, judge: &mut Judge) {
        let now = judge.now;
        if let Some(shard) = self.known(shard, judge) {
            shard.life = Life::Closed;
            shard.closed.get_or_insert(now);
        }
    }

    /// Adds one Kinesis record, a partition key and data. `None` if it cannot be there.
    pub(crate) fn store(
        &mut self,
        shard: ShardId,
        sequence_number: SequenceNumber,
        (partition_key, data): (&str, &Bytes),
        judge: &mut Judge,
    ) -> Option<Contents> {
        let wanted = match self.start {
            Start::TrimHorizon => true,
            Start::Latest => self.consumed_since.is_some(),
            Start::AtTimestamp(from) => judge.now.as_millis() >= from.as_millis(),
        };
        let id = shard;
        let shard = self.known(shard, judge)?;
        let in_order = shard
            .records
            .last()
            .is_none_or(|last| last.place.sequence_number < sequence_number);
        if shard.life == Life::Closed || !in_order {
            judge.broken(
                Rule::History,
                format_args!("{sequence_number} was stored in {id}, which is closed or already behind it"),
            );
            return None;
        }
        let contents = Contents::of(partition_key, data, shard.range);
        if !wanted {
            shard.excuse_up_to(shard.len() + contents.records.len());
        }
        shard.store(sequence_number, &contents.records);
        Some(contents)
    }

    /// The service forgot records. Those behind the checkpoint need not be processed any more.
    pub(crate) fn trim(
        &mut self,
        shard: ShardId,
        (below, checkpoint): (SequenceNumber, Option<Position>),
        judge: &mut Judge,
    ) {
        if let Some(shard) = self.known(shard, judge)
            && shard.trim(below, checkpoint) > 0
        {
            judge.reached(Rare::TrimmedUnread);
        }
    }

    /// The shard's first lease is written, with this checkpoint.
    pub(crate) fn first_lease(&mut self, shard: ShardId, checkpoint: Position, now: Duration) {
        let consumed_since = *self.consumed_since.get_or_insert(now);
        let start = self.start;
        let Some(shard) = self.shards.get_mut(&shard) else {
            return;
        };
        let chosen = shard.count_up_to(checkpoint);
        shard.due_from = match (start, checkpoint) {
            (Start::Latest, Position::Latest | Position::At(_)) if shard.created <= consumed_since => chosen,
            _ => chosen.min(shard.due_from),
        };
        shard.done = shard.done.min(shard.due_from);
        shard.advance();
    }

    fn known(&mut self, id: ShardId, judge: &mut Judge) -> Option<&mut Shard> {
        let shard = self.shards.get_mut(&id);
        if shard.is_none() {
            judge.broken(Rule::History, format_args!("nobody told that {id} was created"));
        }
        shard
    }

    /// Whether every record is processed, trimmed, or not wanted, or of a stream that workers told of and do not read.
    pub(crate) fn is_done(&self) -> bool {
        self.is_told || self.shards.values().all(|shard| shard.done() >= shard.records.len())
    }

    /// How many wanted records are neither processed nor trimmed, and how many were trimmed before they were processed.
    pub(crate) fn unread(&self) -> (u64, u64) {
        let mut unread = (0, 0);
        for record in self.shards.values().flat_map(Shard::wanted) {
            match record.fate {
                Fate::Processed | Fate::PassedOver => {}
                Fate::Trimmed => unread.1 += 1,
                Fate::Due => unread.0 += 1,
            }
        }
        unread
    }
}
