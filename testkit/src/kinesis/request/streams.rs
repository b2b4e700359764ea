//! Pure: the inputs of creating, describing and deleting streams.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::RecordDistributionStrategy;
use crate::kinesis::wire;

input! {
    /// Creates a stream.
    CreateStream {
        /// Its name.
        stream_name: String,
        /// The number of shards; required unless the stream is on demand.
        shard_count: Option<i32>,
        /// Provisioned, unless said otherwise.
        stream_mode_details: Option<StreamModeDetails>,
        /// KiB of a record, data and partition key. Default: 1024.
        #[serde(rename = "MaxRecordSizeInKiB")]
        max_record_size_in_kib: Option<i32>,
        /// MiB a second of writes that an on-demand stream is to be ready for.
        #[serde(rename = "WarmThroughputMiBps")]
        warm_throughput_mibps: Option<i32>,
        /// By the partition key, unless said otherwise.
        record_distribution_strategy: Option<RecordDistributionStrategy>,
        /// Tags, values by key.
        tags: Option<BTreeMap<String, String>>,
    }
}

input! {
    /// The capacity mode of a stream.
    #[derive(Copy, Serialize)]
    StreamModeDetails {
        /// The mode.
        stream_mode: StreamMode,
    }
}

/// Who decides the number of shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StreamMode {
    /// The owner of the stream.
    Provisioned,
    /// The service. It starts with four; see [`Control::scale`](crate::kinesis::Control::scale).
    OnDemand,
}

impl StreamMode {
    /// The name on the wire.
    pub(in crate::kinesis) const fn name(self) -> &'static str {
        match self {
            Self::Provisioned => "PROVISIONED",
            Self::OnDemand => "ON_DEMAND",
        }
    }
}

impl<'de> Deserialize<'de> for StreamMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = [("PROVISIONED", Self::Provisioned), ("ON_DEMAND", Self::OnDemand)];
        wire::one_of(deserializer, "streamModeDetails.streamMode", &names)
    }
}

stream_input! {
    /// Deletes a stream and its records.
    DeleteStream {
    }
}

stream_input! {
    /// Describes a stream with its shards.
    DescribeStream {
        /// The number of shards to return. Default, and at most: 100.
        limit: Option<i32>,
        /// The shard after which to start.
        exclusive_start_shard_id: Option<String>,
    }
}

stream_input! {
    /// Describes a stream without its shards.
    DescribeStreamSummary {
    }
}

input! {
    /// Lists the streams of the account by name.
    ListStreams {
        /// The number of streams to return. Default, and at most: 100.
        limit: Option<i32>,
        /// The name after which to start.
        exclusive_start_stream_name: Option<String>,
        /// Continues a listing.
        next_token: Option<String>,
    }
}

stream_input! {
    /// Keeps records for longer.
    IncreaseStreamRetentionPeriod {
        /// Hours, at least as many as now and at most 8,760.
        retention_period_hours: i32,
    }
}

stream_input! {
    /// Keeps records for a shorter time.
    DecreaseStreamRetentionPeriod {
        /// Hours, at most as many as now and at least 24.
        retention_period_hours: i32,
    }
}
