//! Everything observable about a producer, as one list. Today's view of it is `tracing`.

use std::time::Duration;

use crate::foreign::contained;
use crate::ordering::RecordDistribution;
use crate::pipeline::{HeavyKey, HotShard, Source, is_denied};
use crate::shard_map::ShardId;

/// Something that has happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub(crate) enum Event<'a> {
    /// A new shard map is in force.
    ShardMapChanged {
        /// Open shards.
        shards: usize,
    },
    /// The shard map could not be fetched.
    ShardMapUnavailable(CallFailed<'a>),
    /// Who distributes the stream's records is known now, or otherwise than before.
    DistributionChanged {
        /// Who.
        distribution: RecordDistribution,
        /// How that is known.
        source: Source,
    },
    /// The stream could not be described.
    DescriptionUnavailable(CallFailed<'a>),
    /// A request failed as a whole.
    RequestFailed {
        /// How.
        failed: CallFailed<'a>,
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
    /// The producer's task ended with records in it: its runtime did, or it panicked.
    TaskEnded {
        /// User records without an outcome.
        outstanding: u64,
    },
    /// The producer ended.
    Ended {
        /// User records delivered over its life.
        delivered: u64,
        /// User records given back at the end.
        returned: usize,
    },
}

/// A call that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallFailed<'a> {
    /// The error code.
    pub(crate) code: &'a str,
    /// The error text.
    pub(crate) message: &'a str,
    /// How many like it went before at `debug`, since the last at `warn`; `None` if this is one of the former itself.
    pub(crate) repeated: Option<u64>,
}

/// As `warn`, with the number of repetitions, or as `debug` if the failure is a repetition itself.
macro_rules! warn_of {
    ($failed:expr, $stream:ident, $($rest:tt)+) => {{
        let CallFailed { code, message, repeated } = $failed;
        match repeated {
            Some(repeated) => tracing::warn!($stream, code, error = message, repeated, $($rest)+),
            None => tracing::debug!($stream, code, error = message, $($rest)+),
        }
    }};
}

impl Event<'_> {
    /// Writes the event to the log. A log that panics misses it and stops nothing.
    pub(crate) fn emit(&self, stream: &str) {
        contained(|| self.write(stream)).unwrap_or_default();
    }

    fn write(&self, stream: &str) {
        match self {
            Self::ShardMapChanged { shards } => tracing::info!(stream, shards, "shard map changed"),
            Self::ShardMapUnavailable(failed) => warn_of!(failed, stream, "shard map unavailable"),
            Self::DistributionChanged { distribution, source } => {
                tracing::info!(stream, ?distribution, ?source, "record distribution known");
            }
            Self::DescriptionUnavailable(failed) => {
                let hint = is_denied(failed.code).then_some("it needs kinesis:DescribeStreamSummary");
                warn_of!(failed, stream, hint, "stream not described");
            }
            Self::RequestFailed { failed, entries } => warn_of!(failed, stream, entries, "request failed"),
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
            Self::TaskEnded { outstanding } => {
                let hint = "call shutdown before the runtime ends";
                tracing::warn!(stream, outstanding, hint, "producer ended with records in it");
            }
            Self::Ended { delivered, returned: 0 } => tracing::info!(stream, delivered, "producer ended"),
            Self::Ended { delivered, returned } => tracing::warn!(stream, delivered, returned, "producer ended"),
        }
    }
}
