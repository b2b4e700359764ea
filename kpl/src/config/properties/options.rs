//! Pure: every option of the KPL, with its default, its range, and what becomes of it here.

use std::time::Duration;

use self::Fate::{Applied, Capped, Ignored, Sdk};
use super::Disposition;
use super::form::Form::{self, Boolean, Integer, OneOf, Shaped, Text};
use super::form::{is_host, is_namespace, is_region};
use crate::config::ordering::RecordDistribution;
use crate::config::{Aggregation, Config, OnThrottling};
use crate::limits::MAX_REQUEST_BYTES;
use crate::observe::metrics::{MetricsGranularity, MetricsLevel};

/// One option of the KPL.
#[derive(Debug)]
pub(super) struct KplOption {
    pub(super) key: &'static str,
    /// The KPL's default, as a file would have it.
    pub(super) default: &'static str,
    pub(super) form: Form,
    pub(super) fate: Fate,
}

/// What becomes of an option.
#[derive(Debug)]
pub(super) enum Fate {
    /// It sets this option of ours, which takes the number of the value.
    Applied(&'static str, fn(&mut Config, u64)),
    /// It does, with this number at the most.
    Capped(&'static str, u64, fn(&mut Config, u64)),
    /// It belongs into the SDK's configuration.
    Sdk(&'static str),
    /// It has no meaning here.
    Ignored(&'static str),
}

/// The option with this key.
pub(super) fn find(key: &str) -> Option<&'static KplOption> {
    OPTIONS.iter().find(|option| option.key == key)
}

/// The key that an unknown one stands for, but for upper and lower case.
pub(super) fn meant(key: &str) -> Option<&'static str> {
    let mut keys = OPTIONS.iter().map(|option| option.key);
    keys.find(|known| known.eq_ignore_ascii_case(key))
}

impl KplOption {
    /// The number of its default.
    pub(super) fn default_number(&self) -> Option<u64> {
        self.form.read(self.default).ok()
    }
}

impl Fate {
    /// Sets it to `number`, if there is one.
    pub(super) fn apply(&self, config: &mut Config, number: u64) {
        match self {
            Applied(_, set) => set(config, number),
            Capped(_, most, set) => set(config, number.min(*most)),
            Sdk(_) | Ignored(_) => {}
        }
    }

    /// What becomes of it with the value `number`.
    pub(super) fn disposition(&self, number: u64) -> Disposition {
        match *self {
            Capped(option, most, _) if number > most => Disposition::Capped { option, value: most },
            Applied(option, _) | Capped(option, ..) => Disposition::Applied { option },
            Sdk(what) => Disposition::SdkConfiguration { what },
            Ignored(reason) => Disposition::Ignored { reason },
        }
    }
}

const MAX: i64 = i64::MAX;
const PORT: Form = Integer(1, 65_535);
const HOST: Form = Shaped(is_host, "the name of a host");
const REGION: Form = Shaped(is_region, "a region, such as us-gov-west-1");
const NAMESPACE: Form = Shaped(is_namespace, "1 to 255 characters that do not begin with AWS/");
const LEVELS: Form = OneOf(&["none", "summary", "detailed"], "none, summary or detailed");
const GRANULARITIES: Form = OneOf(&["global", "stream", "shard"], "global, stream or shard");
const LOG_LEVELS: Form = OneOf(
    &["trace", "debug", "info", "warning", "error"],
    "trace, debug, info, warning or error",
);
const THREADING: Form = OneOf(&["PER_REQUEST", "POOLED"], "PER_REQUEST or POOLED");
/// `RecordDistributionStrategyDefault` counts their places.
const STRATEGIES: Form = OneOf(
    &["UNSET", "AUTO", "USER_PARTITION_KEY"],
    "UNSET, AUTO or USER_PARTITION_KEY",
);

const NO_CHILD: &str = "there is no child process";
const NO_STS: &str = "no version of the KPL since 1.0.5 uses it";
const HTTP_CLIENT: Fate = Sdk("the HTTP client");
const NAMESPACE_OF_EXPORTER: &str = "the metrics exporter that the application installs has the namespace, as `cloudwatch_namespace`: see `kpl::metrics`";
const DELAY_OF_EXPORTER: &str =
    "the metrics exporter that the application installs uploads, at its own `send_interval_secs`: see `kpl::metrics`";
const RETURNED: &str = "an error always gives its record back";

const fn option(key: &'static str, default: &'static str, form: Form, fate: Fate) -> KplOption {
    KplOption {
        key,
        default,
        form,
        fate,
    }
}

fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// All of them. They are applied in this order, which matters where two set one option of ours.
#[rustfmt::skip]
pub(super) static OPTIONS: &[KplOption] = &[
    option("AggregationMaxCount", "4294967295", Integer(1, MAX),
        Applied("aggregation_max_count", |config, records| config.aggregation_max_count = count(records))),
    option("AggregationEnabled", "true", Boolean,
        Applied("aggregation_disabled", |config, enabled| {
            config.aggregation = if enabled == 0 { Aggregation::Disabled } else { Aggregation::Enabled };
        })),
    option("AggregationMaxSize", "51200", Integer(64, 10_485_760),
        Applied("aggregation_max_size", |config, bytes| config.aggregation_max_size = count(bytes))),
    option("CollectionMaxCount", "500", Integer(1, 500),
        Applied("collection_max_count", |config, records| config.collection_max_count = count(records))),
    // The KPL takes more than any request may have.
    option("CollectionMaxSize", "5242880", Integer(52_224, MAX),
        Capped("collection_max_size", MAX_REQUEST_BYTES as u64, |config, bytes| config.collection_max_size = count(bytes))),
    option("RecordMaxBufferedTime", "100", Integer(0, MAX),
        Applied("record_max_buffered_time", |config, time| config.record_max_buffered_time = milliseconds(time))),
    option("MaxUserRecordSize", "1048576", Integer(64, 10_485_760),
        Applied("max_user_record_size", |config, bytes| config.max_user_record_size = Some(count(bytes)))),
    option("RateLimit", "150", Integer(1, MAX),
        Capped("rate_limit", u32::MAX as u64, |config, percent| config.rate_limit_percent = u32::try_from(percent).unwrap_or(u32::MAX))),
    option("RequestTimeout", "6000", Integer(100, 600_000),
        Applied("request_timeout", |config, timeout| config.request_timeout = milliseconds(timeout))),
    option("MaxConnections", "24", Integer(1, 256),
        Applied("max_connections", |config, requests| config.max_connections = count(requests))),

    option("RecordTtl", "30000", Integer(100, MAX),
        Applied("record_ttl", |config, time| config.record_ttl = Some(milliseconds(time)))),
    option("FailIfThrottled", "false", Boolean,
        Applied("fail_if_throttled", |config, fail| {
            config.on_throttling = if fail == 0 { OnThrottling::Retry } else { OnThrottling::Fail };
        })),
    option("RecordDistributionStrategyDefault", "UNSET", STRATEGIES,
        Applied("record_distribution_strategy_default", |config, place| {
            config.record_distribution_default = match place {
                1 => RecordDistribution::Auto,
                2 => RecordDistribution::UserPartitionKey,
                _ => RecordDistribution::Unknown,
            };
        })),
    option("DescribeStreamSummaryIntervalMs", "300000", Integer(1, MAX),
        Applied("describe_stream_summary_interval", |config, time| config.describe_stream_summary_interval = milliseconds(time))),
    option("MetricsLevel", "detailed", LEVELS,
        Applied("metrics_level", |config, level| {
            config.metrics.level = match level { 0 => MetricsLevel::None, 1 => MetricsLevel::Summary, _ => MetricsLevel::Detailed };
        })),
    option("MetricsGranularity", "shard", GRANULARITIES,
        Applied("metrics_granularity", |config, granularity| {
            config.metrics.granularity = match granularity {
                0 => MetricsGranularity::Global,
                1 => MetricsGranularity::Stream,
                _ => MetricsGranularity::Shard,
            };
        })),
    option("MetricsNamespace", "KinesisProducerLibrary", NAMESPACE, Ignored(NAMESPACE_OF_EXPORTER)),
    option("MetricsUploadDelay", "60000", Integer(1, 60_000), Ignored(DELAY_OF_EXPORTER)),

    option("Region", "", REGION, Sdk("the region")),
    option("KinesisEndpoint", "", HOST, Sdk("the endpoint URL of Kinesis")),
    option("KinesisPort", "443", PORT, Sdk("the endpoint URL of Kinesis")),
    option("CloudwatchEndpoint", "", HOST, Sdk("the endpoint URL of CloudWatch")),
    option("CloudwatchPort", "443", PORT, Sdk("the endpoint URL of CloudWatch")),
    option("ConnectTimeout", "6000", Integer(100, 300_000), Sdk("the connect timeout")),
    option("VerifyCertificate", "true", Boolean, HTTP_CLIENT),
    option("CaCertPath", "", Text, HTTP_CLIENT),
    option("CaCertFile", "", Text, HTTP_CLIENT),
    option("ProxyHost", "", Text, HTTP_CLIENT),
    option("ProxyPort", "443", PORT, HTTP_CLIENT),
    option("ProxyUserName", "", Text, HTTP_CLIENT),
    option("ProxyPassword", "", Text, HTTP_CLIENT),

    option("MinConnections", "1", Integer(1, 16), Ignored("the KPL does not use it either")),
    option("StsEndpoint", "", HOST, Ignored(NO_STS)),
    option("StsPort", "443", PORT, Ignored(NO_STS)),
    option("ThreadingModel", "PER_REQUEST", THREADING, Ignored(NO_CHILD)),
    option("ThreadPoolSize", "0", Integer(0, i32::MAX as i64), Ignored(NO_CHILD)),
    option("CredentialsRefreshDelay", "5000", Integer(1, 300_000), Ignored("the SDK refreshes credentials when they are due")),
    option("LogLevel", "info", LOG_LEVELS, Ignored("the application's `tracing` subscriber decides what is logged")),
    option("EnableCoreDumps", "", Boolean, Ignored(NO_CHILD)),
    option("NativeExecutable", "", Text, Ignored(NO_CHILD)),
    option("TempDirectory", "", Text, Ignored("nothing is written to disk")),
    option("UserRecordTimeoutInMillis", "0", Integer(0, MAX), Ignored("wait for a receipt under a timeout instead")),
    option("EnableOldestFutureTracker", "true", Boolean, Ignored("there is no list of futures to keep")),
    option("ReturnUserRecordOnFailure", "false", Boolean, Ignored(RETURNED)),
    option("EnableDaemonHealthCheck", "false", Boolean, Ignored(NO_CHILD)),
    option("DaemonHealthCheckTimeoutMs", "30000", Integer(5_000, MAX), Ignored(NO_CHILD)),
    option("GlueSchemaRegistryPropertiesFilePath", "", Text, Ignored("a schema registry is a payload encoder")),
];
