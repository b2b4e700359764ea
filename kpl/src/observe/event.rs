//! What happens to a producer, as it happens.
//!
//! Each event goes to `tracing`, and to the listener of [`ProducerBuilder::on_event`](crate::ProducerBuilder::on_event).
//!
//! | event | level |
//! |---|---|
//! | [`ShardMapChanged`](Event::ShardMapChanged), [`DistributionChanged`](Event::DistributionChanged) | `info` |
//! | [`ShardMapUnavailable`](Event::ShardMapUnavailable), [`DescriptionUnavailable`](Event::DescriptionUnavailable), [`RequestFailed`](Event::RequestFailed) | `warn`, and `debug` for the same failure in the next ten seconds |
//! | [`RequestAnswered`](Event::RequestAnswered) | `debug` |
//! | [`ShardThrottled`](Event::ShardThrottled) | `warn`, and `debug` for the partition keys |
//! | [`RecordsLost`](Event::RecordsLost) | `warn` |
//! | [`Ended`](Event::Ended) | `info`, or `warn` if it gave records back |
//! | [`SettingsLeft`](Event::SettingsLeft), [`RegionsDiffer`](Event::RegionsDiffer), [`ShardRangeFault`](Event::ShardRangeFault) | `warn` |
//! | [`TaskEnded`](Event::TaskEnded) | `warn` |

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use service::ShardId;

use crate::config::ordering::RecordDistribution;
use crate::error::PutErrorKind;
use crate::foreign::contained;

pub use service::{RangeFault, RangeFaultKind};

pub use crate::pipeline::{HeavyKey, HotShard, Source};

/// Something that has happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The properties file has settings that only the SDK's configuration can take over.
    SettingsLeft {
        /// Their keys and lines, and what each is to be set on.
        settings: &'a str,
    },
    /// The stream's ARN is of another region than the client's. The service knows no such stream there, unless the client
    /// has an endpoint of its own.
    RegionsDiffer {
        /// The region in the ARN.
        of_arn: &'a str,
        /// The client's region.
        of_client: &'a str,
    },
    /// A new shard map is in force.
    ShardMapChanged {
        /// Open shards.
        shards: usize,
    },
    /// The shard map could not be fetched.
    ShardMapUnavailable(CallFailed<'a>),
    /// The hash-key range of a shard is not as it should be. Told once, as long as it stays so.
    ///
    /// A clamped range is used as it is. The range of another fault is not known: records for that shard are sent
    /// unaggregated, so that they are right wherever the service stores them. Other shards are not affected.
    ShardRangeFault(&'a RangeFault),
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
    /// Records failed or expired, and nobody held their receipts: the application does not hear of it otherwise. Told at once
    /// after ten seconds without such a loss, otherwise once in ten seconds, for each reason with all its records.
    ///
    /// Records that are left at the end of a shutdown are not among them: its report has them, and
    /// [`Ended`](Self::Ended) their number, also where nobody waits for the report.
    RecordsLost {
        /// Why, as the receipts would have said.
        reason: &'a PutErrorKind,
        /// User records. Of an aggregate that was taken apart some may be missing here, if somebody holds receipts of others.
        records: u64,
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
#[non_exhaustive]
pub struct CallFailed<'a> {
    /// The error code: the service's, or one of [`AttemptFailure::code`](crate::AttemptFailure).
    pub code: &'a str,
    /// The error text.
    pub message: &'a str,
    /// How many like it went before at `debug`, since the last at `warn`; `None` if this is one of the former itself.
    pub repeated: Option<u64>,
}

/// Who else is told.
#[derive(Clone, Default)]
pub(crate) struct Listener(Option<Arc<Listen>>);

type Listen = dyn Fn(&Event<'_>) + Send + Sync;

impl Listener {
    pub(crate) fn new(listen: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listen)))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.0.is_some()).finish()
    }
}

/// The target of these in the log, whichever file writes them: operators filter by it.
const TARGET: &str = "kpl::event";

/// As `warn`, with the number of repetitions, or as `debug` if the failure is a repetition itself.
macro_rules! warn_of {
    ($failed:expr, $stream:ident, $($rest:tt)+) => {{
        let CallFailed { code, message, repeated } = $failed;
        match repeated {
            Some(repeated) => tracing::warn!(target: TARGET, $stream, code, error = message, repeated, $($rest)+),
            None => tracing::debug!(target: TARGET, $stream, code, error = message, $($rest)+),
        }
    }};
}

impl Event<'_> {
    /// Tells of the event. A log or a listener that panics misses it and stops nothing.
    pub(crate) fn emit(&self, stream: &str, listener: &Listener) {
        contained(|| self.write(stream)).unwrap_or_default();
        if let Listener(Some(listen)) = listener {
            contained(|| listen(self)).unwrap_or_default();
        }
    }

    fn write(&self, stream: &str) {
        match self {
            Self::SettingsLeft { settings } => {
                let hint = "set them in the SDK's configuration, and take them out of the file";
                tracing::warn!(target: TARGET, stream, settings, hint, "settings of the properties file not taken over");
            }
            Self::RegionsDiffer { of_arn, of_client } => {
                tracing::warn!(target: TARGET, stream,
                    of_arn,
                    of_client,
                    "the stream's ARN is of another region than the client"
                );
            }
            Self::ShardMapChanged { shards } => tracing::info!(target: TARGET, stream, shards, "shard map changed"),
            Self::ShardRangeFault(fault) => {
                tracing::warn!(target: TARGET, stream, fault = fault.to_string(), "bad hash-key range")
            }
            Self::ShardMapUnavailable(failed) => warn_of!(failed, stream, "shard map unavailable"),
            Self::DistributionChanged { distribution, source } => {
                let (distribution, source) = (format!("{distribution:?}"), format!("{source:?}"));
                tracing::info!(target: TARGET, stream, distribution, source, "record distribution known");
            }
            Self::DescriptionUnavailable(failed) => {
                let lacks_permission = matches!(failed.code, "AccessDeniedException" | "AccessDenied");
                let hint = lacks_permission.then_some("it needs kinesis:DescribeStreamSummary");
                warn_of!(failed, stream, hint, "stream not described");
            }
            Self::RequestFailed { failed, entries } => warn_of!(failed, stream, entries, "request failed"),
            Self::RequestAnswered { entries, refused, took } => {
                tracing::debug!(target: TARGET, stream, entries, refused, ?took, "request answered");
            }
            Self::ShardThrottled { hot, rate_percent } => {
                write_throttled(stream, hot, *rate_percent);
            }
            Self::RecordsLost { reason, records } => {
                let hint = "keep the receipts of records that must arrive";
                tracing::warn!(target: TARGET, stream, records, reason = reason.to_string(), hint, "records lost");
            }
            Self::TaskEnded { outstanding } => {
                let hint = "call shutdown before the runtime ends";
                tracing::warn!(target: TARGET, stream, outstanding, hint, "producer ended with records in it");
            }
            Self::Ended { delivered, returned: 0 } => {
                tracing::info!(target: TARGET, stream, delivered, "producer ended")
            }
            Self::Ended { delivered, returned } => {
                tracing::warn!(target: TARGET, stream, delivered, returned, "producer ended")
            }
        }
    }
}

fn write_throttled(stream: &str, hot: &HotShard, rate_percent: u32) {
    let HotShard {
        shard,
        refused,
        refused_bytes,
        heaviest,
    } = hot;
    let shard = shard.as_ref().map_or("chosen by the service", ShardId::as_str);
    tracing::warn!(target: TARGET, stream, shard, refused, refused_bytes, rate_percent, "shard throttled");
    for HeavyKey {
        partition_key,
        bytes,
        excess,
    } in heaviest
    {
        tracing::debug!(
            target: TARGET,
            stream,
            shard,
            partition_key,
            bytes,
            excess,
            "heavy key of a throttled shard"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing::field::{Field, Visit};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt as _};

    use super::*;

    /// Checks the fields of each line, and counts the lines.
    struct TextsAreInQuotes(Arc<AtomicUsize>);

    impl<S: tracing::Subscriber> Layer<S> for TextsAreInQuotes {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            event.record(&mut Fields);
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Fields;

    impl Visit for Fields {
        fn record_str(&mut self, _: &Field, _: &str) {}

        /// The message, numbers and durations; and each text that is written by `%` or `?`, which gets no quotes.
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            let text = format!("{value:?}");
            let is_number = text.starts_with(|first: char| first.is_ascii_digit()) && !text.contains([' ', ':']);
            assert!(
                is_number || field.name() == "message",
                "{field} is a text without quotes: {text}"
            );
        }
    }

    fn failed() -> CallFailed<'static> {
        CallFailed {
            code: "InternalFailure",
            message: "no answer",
            repeated: Some(2),
        }
    }

    #[test]
    fn each_field_of_a_line_in_the_log_is_a_number_or_a_text_in_quotes() {
        let fault = RangeFault {
            shard: ShardId::new("shardId-7"),
            kind: RangeFaultKind::Clamped,
        };
        let hot = HotShard {
            shard: Some(ShardId::new("shardId-7")),
            refused: 3,
            refused_bytes: 300,
            heaviest: vec![HeavyKey {
                partition_key: "customer 7".into(),
                bytes: 200,
                excess: 2,
            }],
        };
        let (distribution, source) = (RecordDistribution::Auto, Source::Description);
        let (of_arn, of_client) = ("eu-central-1", "eu-north-1");
        let (entries, refused, took) = (7, 1, Duration::from_millis(12));
        let reason = &PutErrorKind::NoPartitionKey;
        let lines = Arc::new(AtomicUsize::new(0));
        let log = tracing_subscriber::registry().with(TextsAreInQuotes(Arc::clone(&lines)));
        tracing::subscriber::with_default(log, || {
            for event in [
                Event::SettingsLeft { settings: "Region" },
                Event::RegionsDiffer { of_arn, of_client },
                Event::ShardMapChanged { shards: 3 },
                Event::ShardMapUnavailable(failed()),
                Event::ShardRangeFault(&fault),
                Event::DistributionChanged { distribution, source },
                Event::DescriptionUnavailable(failed()),
                Event::RequestFailed {
                    failed: failed(),
                    entries,
                },
                Event::RequestAnswered { entries, refused, took },
                Event::ShardThrottled {
                    hot: &hot,
                    rate_percent: 50,
                },
                Event::RecordsLost { reason, records: 4 },
                Event::TaskEnded { outstanding: 5 },
                Event::Ended {
                    delivered: 6,
                    returned: 0,
                },
                Event::Ended {
                    delivered: 6,
                    returned: 1,
                },
            ] {
                event.write("orders");
            }
        });
        assert_eq!(lines.load(Ordering::Relaxed), 15);
    }
}
