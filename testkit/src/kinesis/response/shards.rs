//! Pure: shards as they are listed, and the output of changing them.

use aggregation::HashKey;
use serde::Serialize;

use crate::kinesis::sequence::SequenceNumber;
use crate::kinesis::shard_id::ShardId;
use crate::kinesis::wire;

output! {
    /// A shard, as listed.
    Shard {
        /// The name.
        shard_id: ShardId,
        /// The shard it was split from, or the first of the two it was merged from.
        #[serde(skip_serializing_if = "Option::is_none")]
        parent_shard_id: Option<ShardId>,
        /// The second of the two it was merged from.
        #[serde(skip_serializing_if = "Option::is_none")]
        adjacent_parent_shard_id: Option<ShardId>,
        /// The hash keys of its records.
        hash_key_range: HashKeyRange,
        /// The sequence numbers of its records.
        sequence_number_range: SequenceNumberRange,
    }
}

output! {
    /// A range of hash keys, both ends included.
    HashKeyRange {
        /// The first.
        #[serde(serialize_with = "wire::as_text")]
        starting_hash_key: HashKey,
        /// The last.
        #[serde(serialize_with = "wire::as_text")]
        ending_hash_key: HashKey,
    }
}

impl From<aggregation::HashKeyRange> for HashKeyRange {
    fn from(range: aggregation::HashKeyRange) -> Self {
        Self {
            starting_hash_key: range.start(),
            ending_hash_key: range.end(),
        }
    }
}

output! {
    /// A range of sequence numbers.
    SequenceNumberRange {
        /// Smaller than that of any record.
        starting_sequence_number: SequenceNumber,
        /// Larger than that of any record; absent while the shard is open.
        #[serde(skip_serializing_if = "Option::is_none")]
        ending_sequence_number: Option<SequenceNumber>,
    }
}

output! {
    /// The output of ListShards.
    ListShards {
        /// Shards, by id.
        shards: Vec<Shard>,
        /// Present if there are more.
        #[serde(skip_serializing_if = "Option::is_none")]
        next_token: Option<String>,
    }
}

output! {
    /// The output of UpdateShardCount.
    UpdateShardCount {
        /// The name of the stream.
        stream_name: String,
        /// Its ARN.
        #[serde(rename = "StreamARN")]
        stream_arn: String,
        /// Open shards now.
        current_shard_count: usize,
        /// Open shards when it is done.
        target_shard_count: u32,
    }
}
