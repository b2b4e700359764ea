//! Pure: the options of a producer.
//!
//! `properties` reads them from a file of the KPL; `ordering` has those of a word each; `rules` has the ranges and the
//! contradictions.

pub(crate) mod ordering;
pub mod properties;
mod rules;

use std::time::Duration;

pub(crate) use self::rules::Rules;
use crate::config::ordering::{Ordering, RecordDistribution};
use crate::limits::{DESCRIPTION_INTERVAL, MAX_COLLECTION_WAIT, MAX_ENTRIES_PER_REQUEST, MAX_RETRY_DELAY, RETRY_DELAY};
use crate::observe::metrics::Selection;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_those_of_the_kpl() {
        let config = Config::default();
        assert_eq!(Rules::new(&config, None).broken(), []);
        assert_eq!(config.record_max_buffered_time, Duration::from_millis(100));
        assert_eq!(config.aggregation_max_size, 51_200);
        assert_eq!(config.collection_max_size, 5_242_880);
        assert_eq!(config.rate_limit_percent, 150);
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
