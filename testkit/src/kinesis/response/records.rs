//! Pure: the outputs of writing and reading.

use bytes::Bytes;
use serde::Serialize;

use super::HashKeyRange;
use crate::kinesis::request::EncryptionType;
use crate::kinesis::sequence::SequenceNumber;
use crate::kinesis::shard_id::ShardId;
use crate::kinesis::timestamp::Timestamp;
use crate::kinesis::wire;

output! {
    /// The output of PutRecord.
    PutRecord {
        /// Where the record is.
        shard_id: ShardId,
        /// Its number.
        sequence_number: SequenceNumber,
        /// Present if it is encrypted.
        #[serde(skip_serializing_if = "EncryptionType::is_none")]
        encryption_type: EncryptionType,
    }
}

output! {
    /// The output of PutRecords.
    PutRecords {
        /// Entries that were not stored.
        failed_record_count: usize,
        /// One for each entry of the request, in its order.
        records: Vec<PutRecordsResult>,
        /// Present if they are encrypted.
        #[serde(skip_serializing_if = "EncryptionType::is_none")]
        encryption_type: EncryptionType,
    }
}

/// What became of an entry of PutRecords.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged, rename_all_fields = "PascalCase")]
pub enum PutRecordsResult {
    /// It is in the stream.
    Stored {
        /// Its number.
        sequence_number: SequenceNumber,
        /// Where it is.
        shard_id: ShardId,
    },
    /// It is not.
    Refused {
        /// `ProvisionedThroughputExceededException` or `InternalFailure`.
        error_code: &'static str,
        /// The human-readable text.
        error_message: String,
    },
}

output! {
    /// The output of GetRecords.
    GetRecords {
        /// Records, oldest first.
        records: Vec<Record>,
        /// The place after them; absent at the end of a closed shard.
        #[serde(skip_serializing_if = "Option::is_none")]
        next_shard_iterator: Option<String>,
        /// How long ago the last of them arrived; 0 if there are no newer ones.
        millis_behind_latest: u64,
        /// What the shard became; present at the end of a closed shard.
        #[serde(skip_serializing_if = "Option::is_none")]
        child_shards: Option<Vec<ChildShard>>,
    }
}

output! {
    /// A record, as read.
    Record {
        /// Its number, unique in the stream and increasing in the shard.
        sequence_number: SequenceNumber,
        /// When it arrived.
        approximate_arrival_timestamp: Timestamp,
        /// The payload.
        #[serde(serialize_with = "wire::as_blob")]
        data: Bytes,
        /// As the producer gave it; absent if he did not.
        #[serde(skip_serializing_if = "Option::is_none")]
        partition_key: Option<String>,
        /// Present if it is encrypted.
        #[serde(skip_serializing_if = "EncryptionType::is_none")]
        encryption_type: EncryptionType,
    }
}

output! {
    /// A child of the shard that was read to its end.
    ChildShard {
        /// The name.
        shard_id: ShardId,
        /// One parent, or two after a merge.
        parent_shards: Vec<ShardId>,
        /// The hash keys of its records.
        hash_key_range: HashKeyRange,
    }
}

output! {
    /// The output of GetShardIterator.
    GetShardIterator {
        /// For GetRecords within five minutes.
        shard_iterator: String,
    }
}
