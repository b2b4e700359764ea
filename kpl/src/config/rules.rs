//! Pure: the ranges of the options, and the rules between them.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Config;
use crate::config::ordering::{Ordering, RecordDistribution};
use crate::config::properties::KplProperties;
use crate::error::{BuildErrorKind, OptionValue, Relation};
use crate::limits::{
    DEFAULT_MAX_RECORD_BYTES, LARGEST_MAX_RECORD_BYTES, MAX_ENTRIES_PER_REQUEST, MAX_REQUEST_BYTES, MIN_RECORD_TTL,
};

/// What a configuration has to keep to.
#[derive(Debug)]
pub(crate) struct Rules<'a> {
    config: &'a Config,
    /// The file that it was loaded from, before single options were set.
    properties: Option<&'a KplProperties>,
    broken: Vec<BuildErrorKind>,
}

impl<'a> Rules<'a> {
    pub(crate) fn new(config: &'a Config, properties: Option<&'a KplProperties>) -> Self {
        Self {
            config,
            properties,
            broken: Vec::new(),
        }
    }

    /// Every rule that is broken: ranges first, then contradictions.
    pub(crate) fn broken(mut self) -> Vec<BuildErrorKind> {
        self.check_sizes();
        self.check_counts();
        self.check_times();
        self.check_ordering();
        self.check_contradictions();
        self.broken
    }

    fn check_sizes(&mut self) {
        let config = self.config;
        let record = config.max_user_record_size.unwrap_or(DEFAULT_MAX_RECORD_BYTES);
        self.within(
            "aggregation_max_size",
            config.aggregation_max_size,
            64..=LARGEST_MAX_RECORD_BYTES,
        );
        self.within(
            "collection_max_size",
            config.collection_max_size,
            52_224..=MAX_REQUEST_BYTES,
        );
        self.within("max_user_record_size", record, 64..=LARGEST_MAX_RECORD_BYTES);
    }

    fn check_counts(&mut self) {
        let config = self.config;
        let rate = config.rate_limit_percent as usize;
        self.within("aggregation_max_count", config.aggregation_max_count, 1..=usize::MAX);
        self.within(
            "collection_max_count",
            config.collection_max_count,
            1..=MAX_ENTRIES_PER_REQUEST,
        );
        self.within("rate_limit", rate, 1..=u32::MAX as usize);
        self.within("max_connections", config.max_connections, 1..=256);
        self.within("max_requests_per_shard", config.max_requests_per_shard, 1..=256);
    }

    fn check_times(&mut self) {
        let config = self.config;
        let (first, longest) = config.retry_delays;
        if let Some(ttl) = config.record_ttl {
            let least = milliseconds(MIN_RECORD_TTL);
            self.within("record_ttl in ms", milliseconds(ttl), least..=usize::MAX);
        }
        for (option, time, least) in [
            ("request_timeout in ms", config.request_timeout, 100),
            ("retry_delays, the first in ms", first, 1),
            ("retry_delays, the longest in ms", longest, 1),
        ] {
            self.within(option, milliseconds(time), least..=600_000);
        }
        for (option, interval) in [
            (
                "describe_stream_summary_interval",
                config.describe_stream_summary_interval,
            ),
            ("shard_map_refresh_interval", config.shard_map_refresh_interval),
        ] {
            if interval.is_zero() {
                self.broken.push(BuildErrorKind::Zero { option });
            }
        }
    }

    /// What the stream turns out to be is not known yet.
    fn check_ordering(&mut self) {
        let distribution = self.config.record_distribution_default;
        if self.config.ordering == Ordering::PerKey && distribution == RecordDistribution::Auto {
            self.broken.push(BuildErrorKind::OrderingImpossible { distribution });
        }
    }

    fn check_contradictions(&mut self) {
        let config = self.config;
        self.compare(&COLLECTION_MAX_SIZE, Relation::AtMost, &MAX_BYTES_IN_FLIGHT);
        self.compare(&AGGREGATION_MAX_SIZE, Relation::AtMost, &COLLECTION_MAX_SIZE);
        // An aggregate travels under a partition key of one byte. A lower limit is one of user records alone.
        if config.aggregation_max_size >= DEFAULT_MAX_RECORD_BYTES {
            self.compare(&AGGREGATION_MAX_SIZE, Relation::Below, &MAX_USER_RECORD_SIZE);
        }
        // A record must be able to wait for company, in its aggregate and in its request, and still leave in time.
        if config.record_ttl.is_some() {
            self.compare(&RECORD_MAX_BUFFERED_TIME, Relation::Below, &RECORD_TTL);
        }
        self.compare(&FIRST_RETRY_DELAY, Relation::AtMost, &LONGEST_RETRY_DELAY);
    }

    fn within(&mut self, option: &'static str, value: usize, range: RangeInclusive<usize>) {
        if !range.contains(&value) {
            self.broken.push(BuildErrorKind::OutOfRange {
                option,
                value,
                min: *range.start(),
                max: *range.end(),
            });
        }
    }

    fn compare(&mut self, larger: &Compared, relation: Relation, smaller: &Compared) {
        let (left, right) = ((larger.amount)(self.config), (smaller.amount)(self.config));
        let is_kept = match relation {
            Relation::Below => left < right,
            Relation::AtMost => left <= right,
        };
        if !is_kept {
            self.broken.push(BuildErrorKind::Contradiction {
                larger: self.value(larger),
                relation,
                smaller: self.value(smaller),
            });
        }
    }

    fn value(&self, compared: &Compared) -> OptionValue {
        OptionValue {
            option: compared.option,
            value: (compared.amount)(self.config).to_string(),
            origin: self.origin(compared),
        }
    }

    /// Where a value comes from, in words. One that the file or a default has, too, is taken to be from there.
    fn origin(&self, compared: &Compared) -> Option<String> {
        let is_as_in = |other: &Config| (compared.amount)(other) == (compared.amount)(self.config);
        let is_loaded = |properties: &&KplProperties| {
            let mut loaded = Config::default();
            properties.apply(&mut loaded);
            is_as_in(&loaded)
        };
        let loaded = self.properties.filter(is_loaded);
        let default = match loaded {
            _ if is_as_in(&Config::default()) => Some("the default"),
            Some(_) => Some("the KPL's default"),
            None => None,
        };
        let line = loaded.and_then(|properties| properties.place_of(compared.option));
        line.or_else(|| default.map(str::to_owned))
    }
}

/// An option that is compared with another one.
#[derive(Debug)]
struct Compared {
    option: &'static str,
    amount: fn(&Config) -> Amount,
}

const AGGREGATION_MAX_SIZE: Compared = Compared {
    option: "aggregation_max_size",
    amount: |config| Amount::Bytes(config.aggregation_max_size),
};
const COLLECTION_MAX_SIZE: Compared = Compared {
    option: "collection_max_size",
    amount: |config| Amount::Bytes(config.collection_max_size),
};
const MAX_BYTES_IN_FLIGHT: Compared = Compared {
    option: "max_bytes_in_flight",
    amount: |config| Amount::Bytes(config.max_bytes_in_flight),
};
const MAX_USER_RECORD_SIZE: Compared = Compared {
    option: "max_user_record_size",
    amount: |config| Amount::Bytes(config.max_user_record_size.unwrap_or(DEFAULT_MAX_RECORD_BYTES)),
};
const RECORD_MAX_BUFFERED_TIME: Compared = Compared {
    option: "record_max_buffered_time",
    amount: |config| Amount::Time(config.record_max_buffered_time),
};
const RECORD_TTL: Compared = Compared {
    option: "record_ttl",
    amount: |config| Amount::Time(config.record_ttl.unwrap_or(Duration::MAX)),
};
const FIRST_RETRY_DELAY: Compared = Compared {
    option: "the first of retry_delays",
    amount: |config| Amount::Time(config.retry_delays.0),
};
const LONGEST_RETRY_DELAY: Compared = Compared {
    option: "the longest of retry_delays",
    amount: |config| Amount::Time(config.retry_delays.1),
};

/// The value of an option that is compared with another one of its sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Amount {
    Bytes(usize),
    Time(Duration),
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{bytes}"),
            Self::Time(time) => write!(f, "{time:?}"),
        }
    }
}

fn milliseconds(time: Duration) -> usize {
    usize::try_from(time.as_millis()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
