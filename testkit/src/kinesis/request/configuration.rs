//! Pure: the inputs of changing what a stream is like.

use serde::{Deserialize, Deserializer, Serialize};

use super::StreamModeDetails;
use crate::kinesis::wire;

input! {
    /// Changes who decides the number of shards.
    UpdateStreamMode {
        /// The stream.
        #[serde(rename = "StreamARN")]
        stream_arn: String,
        /// The mode that it gets.
        stream_mode_details: StreamModeDetails,
        /// Not modelled; refused if given.
        #[serde(rename = "WarmThroughputMiBps")]
        warm_throughput_mibps: Option<i32>,
    }
}

input! {
    /// Changes who chooses the shard of a record.
    UpdateStreamRecordDistributionStrategy {
        /// The stream.
        #[serde(rename = "StreamARN")]
        stream_arn: String,
        /// The strategy that it gets.
        record_distribution_strategy: RecordDistributionStrategy,
    }
}

stream_input! {
    /// Makes an on-demand stream ready for a throughput.
    UpdateStreamWarmThroughput {
        /// MiB a second of writes.
        #[serde(rename = "WarmThroughputMiBps")]
        warm_throughput_mibps: i32,
    }
}

input! {
    /// Changes the size that records can have.
    UpdateMaxRecordSize {
        /// The stream.
        #[serde(rename = "StreamARN")]
        stream_arn: Option<String>,
        /// KiB of a record, data and partition key.
        #[serde(rename = "MaxRecordSizeInKiB")]
        max_record_size_in_kib: i32,
    }
}

stream_input! {
    /// Encrypts records from now on.
    StartStreamEncryption {
        /// Always [`EncryptionType::Kms`].
        encryption_type: EncryptionType,
        /// The KMS key.
        key_id: String,
    }
}

stream_input! {
    /// Encrypts records no longer.
    StopStreamEncryption {
        /// Always [`EncryptionType::Kms`].
        encryption_type: EncryptionType,
        /// The KMS key.
        key_id: String,
    }
}

stream_input! {
    /// Switches shard-level metrics on.
    EnableEnhancedMonitoring {
        /// Their names.
        shard_level_metrics: Vec<MetricsName>,
    }
}

stream_input! {
    /// Switches shard-level metrics off.
    DisableEnhancedMonitoring {
        /// Their names.
        shard_level_metrics: Vec<MetricsName>,
    }
}

input! {
    /// Asks for the quotas of the account.
    DescribeLimits {
    }
}

/// Who chooses the shard of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RecordDistributionStrategy {
    /// The service; keys are optional and ignored.
    Auto,
    /// The producer, by the partition key or the explicit hash key.
    UserPartitionKey,
}

impl<'de> Deserialize<'de> for RecordDistributionStrategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = [("AUTO", Self::Auto), ("USER_PARTITION_KEY", Self::UserPartitionKey)];
        wire::one_of(deserializer, "recordDistributionStrategy", &names)
    }
}

/// How records are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EncryptionType {
    /// Not at all.
    None,
    /// By a key of KMS.
    Kms,
}

impl EncryptionType {
    /// Tells whether replies leave it out: those of a stream without encryption do not speak of it.
    pub(in crate::kinesis) fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl<'de> Deserialize<'de> for EncryptionType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        wire::one_of(
            deserializer,
            "encryptionType",
            &[("NONE", Self::None), ("KMS", Self::Kms)],
        )
    }
}

/// A shard-level metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum MetricsName {
    /// Bytes written.
    IncomingBytes,
    /// Records written.
    IncomingRecords,
    /// Bytes read.
    OutgoingBytes,
    /// Records read.
    OutgoingRecords,
    /// Writes throttled.
    WriteProvisionedThroughputExceeded,
    /// Reads throttled.
    ReadProvisionedThroughputExceeded,
    /// The age of the last record read.
    IteratorAgeMilliseconds,
    /// All of them.
    #[serde(rename = "ALL")]
    All,
}

impl MetricsName {
    /// All that [`All`](Self::All) means.
    pub(in crate::kinesis) const EACH: [Self; 7] = [
        Self::IncomingBytes,
        Self::IncomingRecords,
        Self::OutgoingBytes,
        Self::OutgoingRecords,
        Self::WriteProvisionedThroughputExceeded,
        Self::ReadProvisionedThroughputExceeded,
        Self::IteratorAgeMilliseconds,
    ];
}

impl<'de> Deserialize<'de> for MetricsName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = [
            ("IncomingBytes", Self::IncomingBytes),
            ("IncomingRecords", Self::IncomingRecords),
            ("OutgoingBytes", Self::OutgoingBytes),
            ("OutgoingRecords", Self::OutgoingRecords),
            (
                "WriteProvisionedThroughputExceeded",
                Self::WriteProvisionedThroughputExceeded,
            ),
            (
                "ReadProvisionedThroughputExceeded",
                Self::ReadProvisionedThroughputExceeded,
            ),
            ("IteratorAgeMilliseconds", Self::IteratorAgeMilliseconds),
            ("ALL", Self::All),
        ];
        wire::one_of(deserializer, "shardLevelMetrics", &names)
    }
}
