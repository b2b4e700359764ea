//! Pure: the order of one key's records (P4).
//!
//! A key's records follow each other from shard to child, and a parent is closed before its children take records. So
//! the order in which they are stored is the one in which they are read. Where the service chooses shards (AUTO), a key's
//! records lie in several, which are read side by side: there the order of storing is all that a producer can keep.

use std::collections::BTreeMap;

use super::judge::Judge;
use super::name::{Digest, Process, RecordId};
use super::rules::Rule;
use testkit::kinesis::ShardId;

/// The keys of all producers.
#[derive(Debug, Default)]
pub(crate) struct KeyOrders {
    numbers: BTreeMap<(Process, Digest, Option<u128>), usize>,
    keys: Vec<Key>,
}

/// One key of one producer.
#[derive(Debug, Default)]
struct Key {
    accepted: u64,
    /// The record that was stored last among those stored for the first time.
    last: Option<(u64, RecordId)>,
    released: bool,
}

/// Where a record stands among those of its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    key: usize,
    ordinal: u64,
}

impl KeyOrders {
    pub(crate) fn accepted(
        &mut self,
        producer: &Process,
        partition_key: Digest,
        explicit_hash_key: Option<u128>,
    ) -> Group {
        let fresh = self.keys.len();
        let number = self
            .numbers
            .entry((producer.clone(), partition_key, explicit_hash_key))
            .or_insert(fresh);
        let key = *number;
        if key == fresh {
            self.keys.push(Key::default());
        }
        let mut ordinal = 0;
        if let Some(key) = self.keys.get_mut(key) {
            key.accepted += 1;
            ordinal = key.accepted;
        }
        Group { key, ordinal }
    }

    /// The record's first readable copy was stored.
    pub(crate) fn stored(&mut self, group: &Group, record: RecordId, shard: ShardId, judge: &mut Judge) {
        let Some(key) = self.keys.get_mut(group.key).filter(|key| !key.released) else {
            return;
        };
        match key.last {
            Some((ordinal, later)) if ordinal > group.ordinal => judge.broken(
                Rule::KeyOrder,
                format_args!(
                    "{record} was stored in {shard} behind {later}, which has the same key and was accepted later"
                ),
            ),
            _ => key.last = Some((group.ordinal, record)),
        }
    }

    /// A record of the key was given back to the caller: from now on the order is the caller's.
    pub(crate) fn released(&mut self, group: Group) {
        if let Some(key) = self.keys.get_mut(group.key) {
            key.released = true;
        }
    }
}
