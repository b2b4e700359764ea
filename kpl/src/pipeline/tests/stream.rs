//! A stream that stores by hash key or in turns, as Kinesis does, and a reader that drops what the KCL drops.

use std::cmp::Ordering;
use std::sync::Arc;

use aggregation::{Decoded, HashKey, HashKeyRange, KinesisRecord, decode};
use service::ShardId;

use crate::config::ordering::RecordDistribution;
use crate::receipt::Delivered;
use crate::record::Record;
use crate::routing::shard_map::Shard;

/// The shards that are really there, and everything that was ever stored.
#[derive(Debug)]
pub(super) struct Stream {
    shards: Vec<Shard>,
    next_shard: u32,
    pub(super) distribution: RecordDistribution,
    /// How often the stream was created.
    pub(super) generation: u32,
    /// Whether it was deleted, and not created again.
    pub(super) is_gone: bool,
    log: Vec<Stored>,
}

#[derive(Debug)]
struct Stored {
    shard: Shard,
    generation: u32,
    record: KinesisRecord,
}

/// Who reads the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Drops an aggregate that has a record of another shard's.
    Kcl,
    /// Takes every record wherever it lies.
    Undemanding,
}

/// What `ListShards` answers.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    pub(super) generation: u32,
    /// `None` if there is no such stream.
    pub(super) shards: Option<Vec<Shard>>,
}

/// What a producer knows of the stream.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// In which of its lives its shards were listed.
    listed: u32,
    /// All that were listed in that life.
    shards: Vec<ShardId>,
    /// Whether the producer was told that the life before was over; without that, all of it may look like resharding.
    is_noticed: bool,
    /// The last life of which the producer was told that it is over.
    missed: u32,
}

impl Known {
    /// The producer is given these shards of a life.
    pub(super) fn list(&mut self, generation: u32, shards: &[Shard]) {
        if generation > self.listed {
            self.is_noticed = self.missed >= self.listed;
            self.listed = generation;
            self.shards.clear();
        }
        self.shards.extend(shards.iter().map(|shard| shard.id.clone()));
    }

    /// The producer is told that a life is over.
    pub(super) fn miss(&mut self, generation: u32) {
        self.missed = generation;
    }

    /// Whether the producer can know what a shard of a life holds, or that it does not.
    fn can_judge(&self, generation: u32, shard: &ShardId) -> bool {
        match generation.cmp(&self.listed) {
            Ordering::Less => false,
            Ordering::Equal => self.is_noticed || self.shards.contains(shard),
            Ordering::Greater => self.missed >= self.listed,
        }
    }
}

pub(super) fn key(value: u128) -> HashKey {
    HashKey::new(value)
}

/// The hash key at `percent` of the whole space.
pub(super) fn at_percent(percent: u8) -> HashKey {
    key(u128::MAX / 100 * u128::from(percent))
}

impl Stream {
    pub(super) fn new(shards: u32) -> Self {
        let mut stream = Self {
            shards: Vec::new(),
            next_shard: 0,
            distribution: RecordDistribution::UserPartitionKey,
            generation: 0,
            is_gone: false,
            log: Vec::new(),
        };
        stream.recreate(shards);
        stream
    }

    /// Deletes the stream and creates it anew: its shards bear the old ids.
    pub(super) fn recreate(&mut self, shards: u32) {
        self.generation += 1;
        self.is_gone = false;
        self.next_shard = 0;
        self.shards = HashKeyRange::FULL
            .split_evenly(shards)
            .map(|range| (self.next_shard_id(), range))
            .map(|(id, range)| Shard { id, range })
            .collect();
    }

    /// Deletes the stream, until it is created anew.
    pub(super) fn delete(&mut self) {
        self.is_gone = true;
    }

    /// Splits the shard that holds `at` there, unless that is its first key.
    pub(super) fn split(&mut self, at: HashKey) {
        let index = self.index_of(at);
        let range = self.shards[index].range;
        if range.start() == at {
            return;
        }
        let halves = [
            HashKeyRange::new(range.start(), key(at.value() - 1)).unwrap(),
            HashKeyRange::new(at, range.end()).unwrap(),
        ];
        let children = halves.map(|range| Shard {
            id: self.next_shard_id(),
            range,
        });
        self.shards.splice(index..=index, children);
    }

    /// Merges the shard that holds `at` with the one behind it, if there is one.
    pub(super) fn merge(&mut self, at: HashKey) {
        let index = self.index_of(at);
        let Some(next) = self.shards.get(index + 1) else { return };
        let range = HashKeyRange::new(self.shards[index].range.start(), next.range.end()).unwrap();
        let id = self.next_shard_id();
        self.shards.splice(index..=index + 1, [Shard { id, range }]);
    }

    pub(super) fn listing(&self) -> Listing {
        Listing {
            generation: self.generation,
            shards: (!self.is_gone).then(|| self.shards.clone()),
        }
    }

    /// From now on the other one decides where records go.
    pub(super) fn flip(&mut self) {
        self.distribution = match self.distribution {
            RecordDistribution::Auto => RecordDistribution::UserPartitionKey,
            RecordDistribution::UserPartitionKey | RecordDistribution::Unknown => RecordDistribution::Auto,
        };
    }

    /// Stores a record in the shard of its outer hash key, or in the one whose turn it is; returns the shard and the
    /// sequence number.
    pub(super) fn store(&mut self, record: &KinesisRecord) -> (ShardId, Arc<str>) {
        let index = match self.distribution {
            RecordDistribution::Auto => self.log.len() % self.shards.len(),
            RecordDistribution::UserPartitionKey | RecordDistribution::Unknown => {
                self.index_of(record.explicit_hash_key)
            }
        };
        let shard = self.shards[index].clone();
        let id = shard.id.clone();
        self.log.push(Stored {
            shard,
            generation: self.generation,
            record: record.clone(),
        });
        (id, (self.log.len() - 1).to_string().into())
    }

    /// Kinesis records stored so far.
    pub(super) fn stored_count(&self) -> usize {
        self.log.len()
    }

    /// User records stored so far, copies included.
    pub(super) fn user_records_stored(&self) -> usize {
        self.log.iter().map(|stored| stored.record.user_records).sum()
    }

    /// The data of the user records that a KCL reader returns, in the order in which they were stored.
    pub(super) fn readable(&self) -> Vec<bytes::Bytes> {
        let dropped = |stored: &Stored| match decode(&stored.record.data) {
            Decoded::Aggregate(aggregate) => aggregate.first_outside(stored.shard.range).is_some(),
            Decoded::Plain | Decoded::Damaged(_) => false,
        };
        let kept = self.log.iter().filter(|stored| !dropped(stored));
        kept.flat_map(|stored| members(&stored.record))
            .map(|(_, data)| data)
            .collect()
    }

    /// Whether any copy of `record` was stored.
    pub(super) fn holds(&self, record: &Record) -> bool {
        self.log
            .iter()
            .flat_map(|stored| members(&stored.record))
            .any(|(partition_key, data)| partition_key == record.partition_key() && data == record.data())
    }

    /// Whether a reader of the shard returns `record` at the place that the receipt names. Nothing is asked of a place
    /// in a life of the stream that is over, or that the producer cannot know of.
    pub(super) fn assert_readable(&self, delivered: &Delivered, record: &Record, (reader, known): (Reader, &Known)) {
        let stored = &self.log[delivered.sequence_number.as_str().parse::<usize>().unwrap()];
        if !known.can_judge(stored.generation, &stored.shard.id) {
            return;
        }
        assert!(
            delivered.shard_id == "" || delivered.shard_id == stored.shard.id,
            "a receipt names the shard of its record"
        );
        let mut members = members(&stored.record);
        if reader == Reader::Kcl
            && let Decoded::Aggregate(aggregate) = decode(&stored.record.data)
        {
            let range = stored.shard.range;
            assert_eq!(
                aggregate.first_outside(range),
                None,
                "an aggregate that was acknowledged and that the KCL drops (P2): {delivered:?}"
            );
        }
        let place = usize::try_from(delivered.sub_sequence_number).unwrap();
        let expected = (record.partition_key().to_owned(), record.data().clone());
        assert_eq!(members.swap_remove(place), expected, "{delivered:?}");
    }

    fn index_of(&self, at: HashKey) -> usize {
        self.shards.iter().position(|shard| shard.range.contains(at)).unwrap()
    }

    fn next_shard_id(&mut self) -> ShardId {
        self.next_shard += 1;
        ShardId::new(&format!("shardId-{:012}", self.next_shard - 1))
    }
}

/// The keys and data of the user records inside.
pub(super) fn members(record: &KinesisRecord) -> Vec<(String, bytes::Bytes)> {
    match decode(&record.data) {
        Decoded::Aggregate(aggregate) => aggregate
            .into_iter()
            .map(|inner| (inner.partition_key.to_string(), inner.data))
            .collect(),
        Decoded::Plain | Decoded::Damaged(_) => vec![(record.partition_key.to_string(), record.data.clone())],
    }
}
