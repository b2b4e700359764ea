//! Pure: the inputs of writing and reading.

use bytes::Bytes;
use serde::{Deserialize, Deserializer};

use crate::kinesis::timestamp::Timestamp;
use crate::kinesis::wire;

stream_input! {
    /// Writes one record.
    PutRecord {
        /// The payload.
        #[serde(deserialize_with = "wire::blob")]
        data: Bytes,
        /// Decides the shard, by its MD5, unless the service does.
        partition_key: Option<String>,
        /// Decides the shard instead, in decimal.
        explicit_hash_key: Option<String>,
        /// A sequence number that the record's must be larger than.
        sequence_number_for_ordering: Option<String>,
        /// Whether to ask only if the call is allowed.
        dry_run: Option<bool>,
    }
}

stream_input! {
    /// Writes up to 500 records.
    PutRecords {
        /// The records.
        records: Vec<PutRecordsEntry>,
        /// Whether to ask only if the call is allowed.
        dry_run: Option<bool>,
    }
}

input! {
    /// A record of [`PutRecords`].
    PutRecordsEntry {
        /// The payload.
        #[serde(deserialize_with = "wire::blob")]
        data: Bytes,
        /// Decides the shard, by its MD5, unless the service does.
        partition_key: Option<String>,
        /// Decides the shard instead, in decimal.
        explicit_hash_key: Option<String>,
    }
}

input! {
    /// Reads from a shard.
    GetRecords {
        /// From GetShardIterator or the reply before.
        shard_iterator: String,
        /// The number of records to return. Default, and at most: 10,000.
        limit: Option<i32>,
        /// Whether to ask only if the call is allowed.
        dry_run: Option<bool>,
    }
}

stream_input! {
    /// Asks for a place in a shard to start reading from.
    GetShardIterator {
        /// The shard.
        shard_id: String,
        /// How the place is described.
        shard_iterator_type: ShardIteratorType,
        /// For the types that name a sequence number.
        starting_sequence_number: Option<String>,
        /// For [`ShardIteratorType::AtTimestamp`].
        timestamp: Option<Timestamp>,
        /// Whether to ask only if the call is allowed.
        dry_run: Option<bool>,
    }
}

/// How a place in a shard is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardIteratorType {
    /// After the record of a sequence number.
    AfterSequenceNumber,
    /// After the newest record.
    Latest,
    /// At the first record that arrived at a moment or later.
    AtTimestamp,
    /// At the record of a sequence number.
    AtSequenceNumber,
    /// At the oldest record.
    TrimHorizon,
}

impl ShardIteratorType {
    const NAMES: [(&'static str, Self); 5] = [
        ("AFTER_SEQUENCE_NUMBER", Self::AfterSequenceNumber),
        ("LATEST", Self::Latest),
        ("AT_TIMESTAMP", Self::AtTimestamp),
        ("AT_SEQUENCE_NUMBER", Self::AtSequenceNumber),
        ("TRIM_HORIZON", Self::TrimHorizon),
    ];

    /// The name on the wire.
    pub(in crate::kinesis) fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }
}

impl<'de> Deserialize<'de> for ShardIteratorType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        wire::one_of(deserializer, "shardIteratorType", &Self::NAMES)
    }
}
