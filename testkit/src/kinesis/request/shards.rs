//! Pure: the input of listing shards.

use serde::{Deserialize, Deserializer};

use crate::kinesis::timestamp::Timestamp;
use crate::kinesis::wire;

stream_input! {
    /// Lists shards, oldest first. Without a stream if there is a token.
    ListShards {
        /// Continues a listing; excludes all other members except `MaxResults`.
        next_token: Option<String>,
        /// The shard after which to start.
        exclusive_start_shard_id: Option<String>,
        /// The number of shards to return. Default, and at most: 1,000.
        max_results: Option<i32>,
        /// Which of the streams of this name is meant, by its creation.
        stream_creation_timestamp: Option<Timestamp>,
        /// Which shards to return. Default: all.
        shard_filter: Option<ShardFilter>,
    }
}

input! {
    /// Which shards to list.
    ShardFilter {
        /// The kind of filter.
        r#type: ShardFilterType,
        /// For [`ShardFilterType::AfterShardId`].
        shard_id: Option<String>,
        /// For the types that name a moment.
        timestamp: Option<Timestamp>,
    }
}

/// The kinds of filter of [`ListShards`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardFilterType {
    /// Shards with a higher id.
    AfterShardId,
    /// Shards that were open at the trim horizon.
    AtTrimHorizon,
    /// All shards.
    FromTrimHorizon,
    /// Open shards.
    AtLatest,
    /// Shards that were open at a moment.
    AtTimestamp,
    /// Shards that were open at a moment or later.
    FromTimestamp,
}

impl<'de> Deserialize<'de> for ShardFilterType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = [
            ("AFTER_SHARD_ID", Self::AfterShardId),
            ("AT_TRIM_HORIZON", Self::AtTrimHorizon),
            ("FROM_TRIM_HORIZON", Self::FromTrimHorizon),
            ("AT_LATEST", Self::AtLatest),
            ("AT_TIMESTAMP", Self::AtTimestamp),
            ("FROM_TIMESTAMP", Self::FromTimestamp),
        ];
        wire::one_of(deserializer, "shardFilter.type", &names)
    }
}
