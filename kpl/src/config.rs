//! Pure: the options of a producer and the rules between them.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::{BuildError, BuildErrorKind};
use crate::limits::{
    DEFAULT_MAX_RECORD_BYTES, DESCRIPTION_INTERVAL, LARGEST_MAX_RECORD_BYTES, MAX_COLLECTION_WAIT,
    MAX_ENTRIES_PER_REQUEST, MAX_REQUEST_BYTES, MAX_RETRY_DELAY, MIN_RECORD_TTL, RETRY_DELAY,
};
use crate::metrics::Selection;
use crate::ordering::{Ordering, RecordDistribution};

/// What becomes of a record that the service throttles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnThrottling {
    /// It is sent again, later.
    Retry,
    /// It is given back.
    Fail,
}

/// Whether records share Kinesis records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregation {
    Enabled,
    Disabled,
}

/// What becomes of an aggregate on a shard that does not hold all of its records' hash keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnMisplacement {
    SendAgain,
    Accept,
}

/// The validated, immutable options of one producer.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) record_max_buffered_time: Duration,
    pub(crate) record_ttl: Option<Duration>,
    pub(crate) on_throttling: OnThrottling,
    pub(crate) on_misplacement: OnMisplacement,
    pub(crate) aggregation: Aggregation,
    pub(crate) aggregation_max_size: usize,
    pub(crate) aggregation_max_count: usize,
    pub(crate) collection_max_size: usize,
    pub(crate) collection_max_count: usize,
    /// `None`: whatever the stream takes.
    pub(crate) max_user_record_size: Option<usize>,
    pub(crate) rate_limit_percent: u32,
    pub(crate) request_timeout: Duration,
    /// Before jitter: the wait after the first failure, and the longest.
    pub(crate) retry_delays: (Duration, Duration),
    pub(crate) max_connections: usize,
    pub(crate) max_requests_per_shard: usize,
    pub(crate) max_bytes_in_flight: usize,
    pub(crate) ordering: Ordering,
    pub(crate) record_distribution_default: RecordDistribution,
    pub(crate) describe_stream_summary_interval: Duration,
    pub(crate) shard_map_refresh_interval: Duration,
    pub(crate) stream_not_found_grace: Duration,
    pub(crate) metrics: Selection,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            record_max_buffered_time: Duration::from_millis(100),
            record_ttl: None,
            on_throttling: OnThrottling::Retry,
            on_misplacement: OnMisplacement::SendAgain,
            aggregation: Aggregation::Enabled,
            aggregation_max_size: 51_200,
            aggregation_max_count: u32::MAX as usize,
            collection_max_size: 5 * 1024 * 1024,
            collection_max_count: MAX_ENTRIES_PER_REQUEST,
            max_user_record_size: None,
            rate_limit_percent: 150,
            request_timeout: Duration::from_secs(6),
            retry_delays: (RETRY_DELAY, MAX_RETRY_DELAY),
            max_connections: 24,
            max_requests_per_shard: 8,
            max_bytes_in_flight: 16 * 1024 * 1024,
            ordering: Ordering::None,
            record_distribution_default: RecordDistribution::Unknown,
            describe_stream_summary_interval: DESCRIPTION_INTERVAL,
            shard_map_refresh_interval: Duration::from_secs(120),
            stream_not_found_grace: Duration::ZERO,
            metrics: Selection::default(),
        }
    }
}

impl Config {
    /// Checks each option's range and the contradictions between them.
    pub(crate) fn validate(&self) -> Result<(), BuildError> {
        within(
            "aggregation_max_size",
            self.aggregation_max_size,
            64,
            LARGEST_MAX_RECORD_BYTES,
        )?;
        within("aggregation_max_count", self.aggregation_max_count, 1, usize::MAX)?;
        within(
            "collection_max_size",
            self.collection_max_size,
            52_224,
            MAX_REQUEST_BYTES,
        )?;
        within(
            "collection_max_count",
            self.collection_max_count,
            1,
            MAX_ENTRIES_PER_REQUEST,
        )?;
        within(
            "max_user_record_size",
            self.max_user_record_size.unwrap_or(DEFAULT_MAX_RECORD_BYTES),
            64,
            LARGEST_MAX_RECORD_BYTES,
        )?;
        within("rate_limit", self.rate_limit_percent as usize, 1, u32::MAX as usize)?;
        within("max_connections", self.max_connections, 1, 256)?;
        within("max_requests_per_shard", self.max_requests_per_shard, 1, 256)?;
        if self.collection_max_size > self.max_bytes_in_flight {
            return Err(BuildErrorKind::Contradiction {
                larger: "collection_max_size",
                smaller: "max_bytes_in_flight",
            }
            .into());
        }
        self.validate_ttl()?;
        self.validate_distribution()?;
        within_milliseconds("request_timeout in ms", self.request_timeout, 100..=600_000)?;
        self.validate_retry_delays()?;
        positive("shard_map_refresh_interval", self.shard_map_refresh_interval)?;
        if self.aggregation_max_size > self.collection_max_size {
            return Err(BuildErrorKind::Contradiction {
                larger: "aggregation_max_size",
                smaller: "collection_max_size",
            }
            .into());
        }
        let record_limit = self
            .max_user_record_size
            .unwrap_or_default()
            .max(DEFAULT_MAX_RECORD_BYTES);
        // An aggregate travels under a partition key of one byte.
        if self.aggregation_max_size >= record_limit {
            return Err(BuildErrorKind::Contradiction {
                larger: "aggregation_max_size",
                smaller: "max_user_record_size (nor reach it)",
            }
            .into());
        }
        Ok(())
    }

    /// What the stream turns out to be is not known yet.
    fn validate_distribution(&self) -> Result<(), BuildError> {
        let distribution = self.record_distribution_default;
        if self.ordering == Ordering::PerKey && distribution == RecordDistribution::Auto {
            return Err(BuildErrorKind::OrderingImpossible { distribution }.into());
        }
        positive(
            "describe_stream_summary_interval",
            self.describe_stream_summary_interval,
        )
    }

    /// A record must be able to wait for company, in its aggregate and in its request, and still leave in time.
    fn validate_ttl(&self) -> Result<(), BuildError> {
        let Some(ttl) = self.record_ttl else { return Ok(()) };
        within_milliseconds("record_ttl in ms", ttl, milliseconds(MIN_RECORD_TTL)..=usize::MAX)?;
        if self.record_max_buffered_time >= ttl {
            return Err(BuildErrorKind::Contradiction {
                larger: "record_max_buffered_time",
                smaller: "record_ttl (nor reach it)",
            }
            .into());
        }
        Ok(())
    }

    fn validate_retry_delays(&self) -> Result<(), BuildError> {
        let (first, longest) = self.retry_delays;
        within_milliseconds("retry_delays, the first in ms", first, 1..=600_000)?;
        within_milliseconds("retry_delays, the longest in ms", longest, 1..=600_000)?;
        if first > longest {
            return Err(BuildErrorKind::Contradiction {
                larger: "the first of retry_delays",
                smaller: "the longest of them",
            }
            .into());
        }
        Ok(())
    }

    /// How many user records an aggregate may have.
    pub(crate) fn max_count(&self) -> usize {
        match self.aggregation {
            Aggregation::Enabled => self.aggregation_max_count,
            Aggregation::Disabled => 1,
        }
    }

    /// How many requests may carry records of one shard at a time.
    pub(crate) fn requests_per_shard(&self) -> usize {
        match self.ordering {
            Ordering::None => self.max_requests_per_shard,
            Ordering::PerKey => 1,
        }
    }

    /// How long a record waits at most for others to share its aggregate. With the wait for its request, that makes the
    /// buffered time.
    pub(crate) fn aggregation_wait(&self) -> Duration {
        self.record_max_buffered_time - self.collection_wait()
    }

    /// How long a released aggregate waits for others to share its request: a fifth of the buffered time, at most 50 ms.
    pub(crate) fn collection_wait(&self) -> Duration {
        MAX_COLLECTION_WAIT.min(self.record_max_buffered_time / 5)
    }
}

fn milliseconds(time: Duration) -> usize {
    usize::try_from(time.as_millis()).unwrap_or(usize::MAX)
}

fn within_milliseconds(option: &'static str, time: Duration, range: RangeInclusive<usize>) -> Result<(), BuildError> {
    within(option, milliseconds(time), *range.start(), *range.end())
}

fn within(option: &'static str, value: usize, min: usize, max: usize) -> Result<(), BuildError> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(BuildErrorKind::OutOfRange {
            option,
            value,
            min,
            max,
        }
        .into())
    }
}

fn positive(option: &'static str, value: Duration) -> Result<(), BuildError> {
    if value.is_zero() {
        Err(BuildErrorKind::Zero { option }.into())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_those_of_the_kpl() {
        let config = Config::default();
        config.validate().unwrap();
        assert_eq!(config.record_max_buffered_time, Duration::from_millis(100));
        assert_eq!(config.aggregation_max_size, 51_200);
        assert_eq!(config.collection_max_size, 5_242_880);
        assert_eq!(config.rate_limit_percent, 150);
    }

    #[test]
    fn an_aggregate_that_no_request_could_carry_is_refused_with_both_names() {
        let config = Config {
            aggregation_max_size: 1 << 20,
            collection_max_size: 100_000,
            ..Config::default()
        };
        let text = config.validate().unwrap_err().to_string();
        assert!(
            text.contains("aggregation_max_size") && text.contains("collection_max_size"),
            "{text}"
        );
    }

    #[test]
    fn a_record_that_would_expire_while_it_is_buffered_is_refused_with_both_names() {
        let config = |buffered, ttl| Config {
            record_max_buffered_time: Duration::from_millis(buffered),
            record_ttl: Some(ttl),
            ..Config::default()
        };
        for (buffered, ttl) in [(200, 100), (100, 100)] {
            let error = config(buffered, Duration::from_millis(ttl)).validate().unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("record_max_buffered_time") && text.contains("record_ttl"),
                "{text}"
            );
        }
        config(100, Duration::from_millis(101)).validate().unwrap();
        config(100, Duration::MAX).validate().unwrap();
        let error = config(10, Duration::from_millis(99)).validate().unwrap_err();
        assert!(error.to_string().contains("record_ttl"), "{error}");
    }

    #[test]
    fn a_timeout_out_of_the_range_of_the_kpl_is_refused_and_so_are_delays_that_become_shorter() {
        let (ms, minutes) = (Duration::from_millis, |minutes: u64| Duration::from_secs(60 * minutes));
        let timeout = |request_timeout| Config {
            request_timeout,
            ..Config::default()
        };
        let delays = |first, longest| Config {
            retry_delays: (first, longest),
            ..Config::default()
        };
        for valid in [timeout(ms(100)), timeout(minutes(10)), delays(ms(7), ms(7))] {
            valid.validate().unwrap();
        }
        for (refused, option) in [
            (timeout(ms(99)), "request_timeout"),
            (timeout(minutes(11)), "request_timeout"),
            (delays(ms(0), ms(7)), "retry_delays"),
            (delays(ms(8), ms(7)), "retry_delays"),
            (delays(ms(1), minutes(11)), "retry_delays"),
        ] {
            let error = refused.validate().unwrap_err().to_string();
            assert!(error.contains(option), "{error}");
        }
    }

    #[test]
    fn order_is_refused_where_the_service_is_said_to_distribute_records() {
        let config = |distribution| Config {
            ordering: Ordering::PerKey,
            record_distribution_default: distribution,
            ..Config::default()
        };
        let distribution = RecordDistribution::Auto;
        let error = config(distribution).validate().unwrap_err();
        assert_eq!(*error.kind(), BuildErrorKind::OrderingImpossible { distribution });
        config(RecordDistribution::Unknown).validate().unwrap();
        config(RecordDistribution::UserPartitionKey).validate().unwrap();
    }

    #[test]
    fn the_collection_wait_is_a_fifth_of_the_buffered_time_and_at_most_50_ms() {
        for (buffered, wait) in [(0, 0), (15, 3), (100, 20), (250, 50), (10_000, 50)] {
            let config = Config {
                record_max_buffered_time: Duration::from_millis(buffered),
                ..Config::default()
            };
            assert_eq!(config.collection_wait(), Duration::from_millis(wait));
            assert_eq!(config.aggregation_wait(), Duration::from_millis(buffered - wait));
        }
    }
}
