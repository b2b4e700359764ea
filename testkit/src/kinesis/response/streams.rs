//! Pure: the outputs of describing streams.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Shard, WarmThroughput};
use crate::kinesis::request::{EncryptionType, MetricsName, RecordDistributionStrategy, StreamModeDetails};
use crate::kinesis::timestamp::Timestamp;

output! {
    /// The output of DescribeStream.
    DescribeStream {
        /// The stream.
        stream_description: StreamDescription,
    }
}

output! {
    /// A stream with a page of its shards.
    StreamDescription {
        /// What is true of the stream.
        #[serde(flatten)]
        stream: StreamFacts,
        /// Shards, by id.
        shards: Vec<Shard>,
        /// Whether there are more.
        has_more_shards: bool,
    }
}

output! {
    /// The output of DescribeStreamSummary.
    DescribeStreamSummary {
        /// The stream.
        stream_description_summary: StreamDescriptionSummary,
    }
}

output! {
    /// A stream without its shards.
    StreamDescriptionSummary {
        /// What is true of the stream.
        #[serde(flatten)]
        stream: StreamFacts,
        /// Shards that take records.
        open_shard_count: usize,
        /// Registered fan-out consumers; always 0.
        consumer_count: usize,
        /// KiB of a record, data and partition key.
        #[serde(rename = "MaxRecordSizeInKiB")]
        max_record_size_in_kib: u32,
        /// Present for on-demand streams that were asked to be ready for a throughput.
        #[serde(skip_serializing_if = "Option::is_none")]
        warm_throughput: Option<WarmThroughput>,
        /// Present for on-demand streams.
        #[serde(skip_serializing_if = "Option::is_none")]
        record_distribution_strategy: Option<RecordDistributionStrategy>,
    }
}

output! {
    /// What both descriptions of a stream say.
    StreamFacts {
        /// The name.
        stream_name: String,
        /// The ARN.
        #[serde(rename = "StreamARN")]
        stream_arn: String,
        /// The state.
        stream_status: StreamStatus,
        /// Provisioned or on demand.
        stream_mode_details: StreamModeDetails,
        /// For how long records are kept.
        retention_period_hours: u32,
        /// When CreateStream was called.
        stream_creation_timestamp: Timestamp,
        /// Shard-level metrics that are switched on, in one element.
        enhanced_monitoring: [EnhancedMetrics; 1],
        /// Whether records are encrypted.
        encryption_type: EncryptionType,
        /// The KMS key by which they are.
        #[serde(skip_serializing_if = "Option::is_none")]
        key_id: Option<String>,
    }
}

output! {
    /// Shard-level metrics that are switched on.
    EnhancedMetrics {
        /// Their names.
        shard_level_metrics: BTreeSet<MetricsName>,
    }
}

/// The state of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StreamStatus {
    /// Not there yet.
    Creating,
    /// Going away.
    Deleting,
    /// There.
    Active,
    /// There, with a change under way.
    Updating,
}

impl StreamStatus {
    /// The name on the wire.
    pub(in crate::kinesis) const fn name(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Deleting => "DELETING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
        }
    }
}

output! {
    /// The output of ListStreams.
    ListStreams {
        /// Names, in order.
        stream_names: Vec<String>,
        /// Whether there are more.
        has_more_streams: bool,
        /// Present if there are more.
        #[serde(skip_serializing_if = "Option::is_none")]
        next_token: Option<String>,
        /// The same streams with more detail.
        stream_summaries: Vec<StreamSummary>,
    }
}

output! {
    /// A stream, as listed.
    StreamSummary {
        /// The name.
        stream_name: String,
        /// The ARN.
        #[serde(rename = "StreamARN")]
        stream_arn: String,
        /// The state.
        stream_status: StreamStatus,
        /// Provisioned or on demand.
        stream_mode_details: StreamModeDetails,
        /// When CreateStream was called.
        stream_creation_timestamp: Timestamp,
    }
}
