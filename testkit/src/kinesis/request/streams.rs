//! Pure: the inputs of creating, describing and deleting streams.

use serde::{Deserialize, Deserializer, Serialize};

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
    /// The service. Modelled as a stream of four shards that never change.
    OnDemand,
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
