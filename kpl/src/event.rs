//! Everything observable about a producer, as one list. Today's view of it is `tracing`.

use std::time::Duration;

use crate::foreign::contained;
use crate::ordering::RecordDistribution;
use crate::pipeline::{HeavyKey, HotShard, Source};
use crate::shard_map::ShardId;

/// Something that has happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub(crate) enum Event<'a> {
    /// The properties file has settings that only the SDK's configuration can take over.
    SettingsLeft {
        /// Their keys and lines, and what each is to be set on.
        settings: &'a str,
    },
    /// A new shard map is in force.
    ShardMapChanged {
        /// Open shards.
        shards: usize,
    },
    /// The shard map could not be fetched.
    ShardMapUnavailable {
        /// The error code.
        code: &'a str,
        /// The error text.
        message: &'a str,
    },
    /// Who distributes the stream's records is known now, or otherwise than before.
    DistributionChanged {
        /// Who.
        distribution: RecordDistribution,
        /// How that is known.
        source: Source,
    },
    /// The stream could not be described, which needs `kinesis:DescribeStreamSummary`.
    DescriptionUnavailable {
        /// The error code.
        code: &'a str,
        /// The error text.
        message: &'a str,
    },
    /// A request failed as a whole.
    RequestFailed {
        /// The error code.
        code: &'a str,
        /// The error text.
        message: &'a str,
        /// Kinesis records in it.
        entries: usize,
    },
    /// A request was answered.
    RequestAnswered {
        /// Kinesis records in it.
        entries: usize,
        /// Those of them that the service refused.
        refused: usize,
        /// How long it took.
        took: Duration,
    },
    /// The service throttled a shard; this covers ten seconds.
    ShardThrottled {
        /// What it refused, and the partition keys with the most bytes in that.
        hot: &'a HotShard,
        /// The rate at which the shard is sent records now, in percent of what it takes.
        rate_percent: u32,
    },
    /// The producer ended.
    Ended {
        /// User records delivered over its life.
        delivered: u64,
        /// User records given back at the end.
        returned: usize,
    },
}

impl Event<'_> {
    /// Writes the event to the log. A log that panics misses it and stops nothing.
    pub(crate) fn emit(&self, stream: &str) {
        contained(|| self.write(stream)).unwrap_or_default();
    }

    fn write(&self, stream: &str) {
        match self {
            Self::SettingsLeft { settings } => {
                let hint = "set them in the SDK's configuration, and take them out of the file";
                tracing::warn!(stream, settings, hint, "settings of the properties file not taken over");
            }
            Self::ShardMapChanged { shards } => tracing::info!(stream, shards, "shard map changed"),
            Self::ShardMapUnavailable { code, message } => {
                tracing::warn!(stream, code, error = message, "shard map unavailable");
            }
            Self::DistributionChanged { distribution, source } => {
                tracing::info!(stream, ?distribution, ?source, "record distribution known");
            }
            Self::DescriptionUnavailable { code, message } => {
                let hint = "denied? it needs kinesis:DescribeStreamSummary";
                tracing::warn!(stream, code, error = message, hint, "stream not described");
            }
            Self::RequestFailed { code, message, entries } => {
                tracing::warn!(stream, code, error = message, entries, "request failed");
            }
            Self::RequestAnswered { entries, refused, took } => {
                tracing::debug!(stream, entries, refused, ?took, "request answered");
            }
            Self::ShardThrottled { hot, rate_percent } => {
                let HotShard {
                    destination,
                    refused,
                    refused_bytes,
                    heaviest,
                } = hot;
                let shard = destination.as_ref().map_or("chosen by the service", ShardId::as_str);
                tracing::warn!(stream, shard, refused, refused_bytes, rate_percent, "shard throttled");
                for HeavyKey {
                    partition_key,
                    bytes,
                    excess,
                } in heaviest
                {
                    tracing::debug!(
                        stream,
                        shard,
                        partition_key,
                        bytes,
                        excess,
                        "heavy key of a throttled shard"
                    );
                }
            }
            Self::Ended { delivered, returned: 0 } => tracing::info!(stream, delivered, "producer ended"),
            Self::Ended { delivered, returned } => tracing::warn!(stream, delivered, returned, "producer ended"),
        }
    }
}
