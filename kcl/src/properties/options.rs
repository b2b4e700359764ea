//! Pure: every option of the KCL's MultiLangDaemon, with its default, its form, and what becomes of it here.

use std::time::{Duration, SystemTime};

use self::Fate::{Applied, Compared, Ignored, Named, Raised, Sdk};
use super::Disposition;
use super::form::Form::{self, Boolean, Decimal, Dimensions, Exactly, Number, OneOf, RetrievalMode, Text};
use crate::config::Config;
use crate::lease::table_options::{Protection, Recovery};
use crate::limits::MAX_RECORDS_PER_READ;
use crate::metrics::{MetricsGranularity, MetricsLevel};
use crate::stream::StartingPosition;

/// One option of the KCL.
#[derive(Debug)]
pub(super) struct KclOption {
    pub(super) key: &'static str,
    /// The KCL's default, as a file would have it; empty if there is none.
    pub(super) default: &'static str,
    pub(super) form: Form,
    pub(super) fate: Fate,
}

/// What becomes of an option.
#[derive(Debug)]
pub(super) enum Fate {
    /// It sets this option of ours, which takes the number of the value.
    Applied(&'static str, fn(&mut Config, u64)),
    /// It does, with this number at the least.
    Raised(&'static str, u64, fn(&mut Config, u64)),
    /// It sets this name.
    Named(&'static str),
    /// It has to fit this argument of `Worker::builder`.
    Compared(&'static str),
    /// It belongs into the SDK's configuration.
    Sdk(&'static str),
    /// It has no meaning here.
    Ignored(&'static str),
}

/// The option with this key.
pub(super) fn find(key: &str) -> Option<&'static KclOption> {
    let canonical = canonical(key);
    let mut parts_of_clients = CLIENTS.iter().filter(|client| {
        let part = canonical.strip_prefix(client.key);
        part.is_some_and(|part| part.len() > 1 && part.starts_with('.'))
    });
    let named = OPTIONS.iter().find(|option| option.key == canonical);
    named.or_else(|| parts_of_clients.next())
}

/// The key under which an option is listed: those of polling can also be written as parts of `pollingConfig`, and those of
/// credentials in any case.
pub(super) fn canonical(key: &str) -> &str {
    let polling = key.strip_prefix("pollingConfig.").filter(|part| POLLING.contains(part));
    let credentials = CREDENTIALS.iter().find(|name| name.eq_ignore_ascii_case(key));
    polling.or(credentials.copied()).unwrap_or(key)
}

/// The key that an unknown one stands for, but for upper and lower case.
pub(super) fn meant(key: &str) -> Option<&'static str> {
    let mut keys = OPTIONS.iter().map(|option| option.key);
    keys.find(|known| known.eq_ignore_ascii_case(key))
}

impl KclOption {
    /// The number of its default.
    pub(super) fn default_number(&self) -> Option<u64> {
        self.form.read(self.default).ok().flatten()
    }
}

impl Fate {
    /// Sets it to `number`, if there is one.
    pub(super) fn apply(&self, config: &mut Config, number: u64) {
        match self {
            Applied(_, set) => set(config, number),
            Raised(_, least, set) => set(config, number.max(*least)),
            Named(_) | Compared(_) | Sdk(_) | Ignored(_) => {}
        }
    }

    /// What becomes of it with the value `number`.
    pub(super) fn disposition(&self, number: Option<u64>) -> Disposition {
        match *self {
            Raised(option, least, _) if number.is_some_and(|number| number < least) => {
                Disposition::Raised { option, value: least }
            }
            Applied(option, _) | Raised(option, ..) | Named(option) => Disposition::Applied { option },
            Compared(argument) => Disposition::Compared { argument },
            Sdk(what) => Disposition::SdkConfiguration { what },
            Ignored(reason) => Disposition::Ignored { reason },
        }
    }
}

const MAX: i64 = i64::MAX;
const MAX_INT: i64 = i32::MAX as i64;
/// No time of a worker is longer than a day.
const DAY: i64 = 24 * 60 * 60 * 1_000;
/// The last second of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;
const POSITIONS: Form = OneOf(
    &["LATEST", "TRIM_HORIZON"],
    "LATEST or TRIM_HORIZON; a time is in initialPositionInStreamExtended, in seconds since 1970",
);
const BILLING_MODE: Form = OneOf(&["PAY_PER_REQUEST", "PROVISIONED"], "PAY_PER_REQUEST or PROVISIONED");
const LEVELS: Form = OneOf(&["NONE", "SUMMARY", "DETAILED"], "NONE, SUMMARY or DETAILED");
const CLIENT_VERSIONS: Form = OneOf(
    &["CLIENT_VERSION_CONFIG_3X", "CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X"],
    "CLIENT_VERSION_CONFIG_3X or CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X",
);

const NO_CHILD: &str = "there is no child process";
const NO_FAN_OUT: &str = "enhanced fan-out is not there yet: the shards are polled";
const NO_LEADER: &str = "the coordination of KCL 3.x is not there yet: each worker takes leases by the rule of KCL 2.x";
const NO_THREADS: &str = "there are no thread pools: the worker's tasks run on your runtime";
const ON_DEMAND: &str =
    "a file cannot change the billing of the table, which is on demand, in the KCL either; `billing_mode` can";
const LISTS: &str = "a list that fails is asked for again, with growing waits, for `initialization_timeout`";
const EXPORTER: &str = "the metrics exporter that the application installs has it";
const PACE: &str = "a shard without new records is read each `idle_time_between_reads`, and at once while it is behind";
const CREDENTIALS_OF_SDK: Fate = Sdk("the credentials provider");

/// What these have as parts belongs into the SDK's configuration: `kinesisClient.region`.
static CLIENTS: &[KclOption] = &[
    option("kinesisClient", "", Text, Sdk("the Kinesis client")),
    option("dynamoDbClient", "", Text, Sdk("the DynamoDB client")),
    option("cloudWatchClient", "", Text, Sdk("the client of the metrics exporter")),
    option("kinesisCredentialsProvider", "", Text, CREDENTIALS_OF_SDK),
    option("dynamoDBCredentialsProvider", "", Text, CREDENTIALS_OF_SDK),
    option("cloudWatchCredentialsProvider", "", Text, CREDENTIALS_OF_SDK),
];

/// The options that are parts of `pollingConfig`, too.
const POLLING: [&str; 5] = [
    "idleTimeBetweenReadsInMillis",
    "maxGetRecordsThreadPool",
    "maxRecords",
    "millisBehindLatestThresholdForReducedTps",
    "retryGetRecordsInSeconds",
];

/// The keys that the KCL takes in any case.
const CREDENTIALS: [&str; 3] = [
    "AwsCredentialsProvider",
    "AwsCredentialsProviderDynamoDB",
    "AwsCredentialsProviderCloudWatch",
];

const fn option(key: &'static str, default: &'static str, form: Form, fate: Fate) -> KclOption {
    KclOption {
        key,
        default,
        form,
        fate,
    }
}

fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// Where new shards begin, by the places of the words.
fn position(place: u64) -> StartingPosition {
    match place {
        0 => StartingPosition::Latest,
        _ => StartingPosition::TrimHorizon,
    }
}

fn at_second(seconds: u64) -> StartingPosition {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    time.map_or(StartingPosition::TrimHorizon, StartingPosition::AtTimestamp)
}

/// All of them. They are applied in this order, which matters where two set one option of ours.
#[rustfmt::skip]
pub(super) static OPTIONS: &[KclOption] = &[
    option("applicationName", "", Text, Compared("application")),
    option("streamName", "", Text, Compared("stream")),
    option("streamArn", "", Text, Compared("stream")),
    option("tableName", "", Text, Named("table_name")),
    option("workerId", "", Text, Named("worker_id")),
    option("workerIdentifier", "", Text, Named("worker_id")),
    option("failoverTimeMillis", "10000", Number(100, DAY),
        Applied("failover_time", |config, time| config.failover_time = milliseconds(time))),
    // Twice the failover time, if it is left out.
    option("leaseAssignmentIntervalMillis", "", Number(10, DAY),
        Applied("lease_assignment_interval", |config, time| config.lease_assignment_interval = Some(milliseconds(time)))),
    option("maxLeasesForWorker", "2147483647", Number(1, MAX_INT),
        Applied("max_leases", |config, leases| config.max_leases = usize::try_from(leases).unwrap_or(usize::MAX))),
    option("initialPositionInStream", "LATEST", POSITIONS,
        Applied("start_at", |config, place| config.start_at = position(place))),
    option("initialPositionInStreamExtended", "", Exactly(0, LAST_SECOND),
        Applied("start_at", |config, seconds| config.start_at = at_second(seconds))),
    // The KCL raises it, too.
    option("idleTimeBetweenReadsInMillis", "1500", Number(1, DAY),
        Raised("idle_time_between_reads", 200, |config, time| config.idle_time_between_reads = milliseconds(time))),
    option("maxRecords", "10000", Number(1, MAX_RECORDS_PER_READ as i64),
        Applied("max_records", |config, records| config.max_records = u32::try_from(records).unwrap_or(MAX_RECORDS_PER_READ))),
    option("parentShardPollIntervalMillis", "10000", Number(10, DAY),
        Applied("parent_shard_poll_interval", |config, time| config.parent_shard_poll_interval = milliseconds(time))),
    option("timeoutInSeconds", "", Exactly(1, DAY / 1_000),
        Applied("handler_timeout", |config, seconds| config.handler_timeout = Some(Duration::from_secs(seconds)))),
    option("metricsLevel", "DETAILED", LEVELS,
        Applied("metrics_level", |config, level| {
            config.metrics.level = match level { 0 => MetricsLevel::None, 1 => MetricsLevel::Summary, _ => MetricsLevel::Detailed };
        })),
    option("metricsEnabledDimensions", "ALL", Dimensions,
        Applied("metrics_granularity", |config, finest| {
            config.metrics.granularity = match finest {
                0 => MetricsGranularity::Application,
                1 => MetricsGranularity::Worker,
                _ => MetricsGranularity::Shard,
            };
        })),

    option("regionName", "", Text, Sdk("the region")),
    option("kinesisEndpoint", "", Text, Sdk("the endpoint URL of Kinesis")),
    option("dynamoDBEndpoint", "", Text, Sdk("the endpoint URL of DynamoDB")),
    option("AwsCredentialsProvider", "", Text, CREDENTIALS_OF_SDK),
    option("AwsCredentialsProviderDynamoDB", "", Text, Sdk("the credentials provider of the DynamoDB client")),
    option("AwsCredentialsProviderCloudWatch", "", Text, Sdk("the credentials provider of the metrics exporter's client")),

    option("executableName", "", Text, Ignored(NO_CHILD)),
    option("processingLanguage", "", Text, Ignored(NO_CHILD)),
    option("maxActiveThreads", "0", Decimal, Ignored(NO_THREADS)),
    option("shutdownGraceMillis", "0", Number(0, MAX), Ignored("`WorkerControl::shutdown` takes it")),
    option("retrievalMode", "DEFAULT", RetrievalMode, Ignored("the shards are polled")),
    option("retryGetRecordsInSeconds", "", Number(0, MAX_INT), Ignored("reads that fail are tried again with growing waits")),
    option("maxGetRecordsThreadPool", "", Number(0, MAX_INT), Ignored(NO_THREADS)),
    option("millisBehindLatestThresholdForReducedTps", "0", Number(0, MAX), Ignored(PACE)),
    option("fanoutConfig.consumerArn", "", Text, Ignored(NO_FAN_OUT)),
    option("fanoutConfig.consumerName", "", Text, Ignored(NO_FAN_OUT)),
    option("fanoutConfig.maxDescribeStreamSummaryRetries", "10", Number(0, MAX_INT), Ignored(NO_FAN_OUT)),
    option("fanoutConfig.maxDescribeStreamConsumerRetries", "10", Number(0, MAX_INT), Ignored(NO_FAN_OUT)),
    option("fanoutConfig.registerStreamConsumerRetries", "10", Number(0, MAX_INT), Ignored(NO_FAN_OUT)),
    option("fanoutConfig.retryBackoffMillis", "1000", Number(0, MAX), Ignored(NO_FAN_OUT)),

    option("enablePriorityLeaseAssignment", "true", Boolean, Ignored("leases that nobody has had for long are always taken first")),
    option("maxLeasesToStealAtOneTime", "1", Number(0, MAX_INT), Ignored("one at a time is taken from a living worker, as the KCL does by default")),
    option("maxLeaseRenewalThreads", "20", Number(0, MAX_INT), Ignored(NO_THREADS)),
    option("shardSyncIntervalMillis", "60000", Number(0, MAX), Ignored("leases are created at the start of a worker and at the end of a shard")),
    option("cleanupLeasesUponShardCompletion", "true", Boolean, Ignored("the leases of ended shards are kept")),
    option("ignoreUnexpectedChildShards", "false", Boolean, Ignored("a list of shards that contradicts itself is asked for again")),
    option("skipShardSyncAtWorkerInitializationIfLeasesExist", "false", Boolean, Ignored("the shards are listed at each start, 1,000 in a call")),
    option("listShardsBackoffTimeInMillis", "1500", Number(0, MAX), Ignored(LISTS)),
    option("maxListShardsRetryAttempts", "50", Number(0, MAX_INT), Ignored(LISTS)),
    option("schedulerInitializationBackoffTimeMillis", "1000", Number(0, MAX), Ignored("a start is tried again, with growing waits, for `initialization_timeout`")),
    option("shardPrioritization", "", Text, Ignored("each shard has a task of its own, and parents are read first")),
    option("initialLeaseTableReadCapacity", "10", Number(0, MAX_INT), Ignored(ON_DEMAND)),
    option("initialLeaseTableWriteCapacity", "10", Number(0, MAX_INT), Ignored(ON_DEMAND)),
    option("leaseTableDeletionProtectionEnabled", "false", Boolean,
        Applied("deletion_protection", |config, on| config.table.protection = match on { 0 => Protection::Off, _ => Protection::On })),
    option("leaseTablePitrEnabled", "false", Boolean,
        Applied("point_in_time_recovery", |config, on| config.table.recovery = match on { 0 => Recovery::AsItIs, _ => Recovery::On })),
    option("leaseTableScanTotalSegments", "0", Number(0, MAX_INT), Ignored("the table is read page by page")),

    option("callProcessRecordsEvenForEmptyRecordList", "false", Boolean, Ignored("`RecordProcessor::idle` is called for a shard without new records")),
    option("taskBackoffTimeMillis", "500", Number(0, MAX), Ignored("a handler that fails is called again as the `error_policy` says")),
    option("logWarningForTaskAfterMillis", "", Number(0, MAX), Ignored("a handler that has not returned is warned of each minute")),
    option("validateSequenceNumberBeforeCheckpointing", "false", Boolean, Ignored("each checkpoint has to be of a record that was delivered")),
    option("metricsBufferTimeMillis", "10000", Number(0, MAX), Ignored(EXPORTER)),
    option("metricsMaxQueueSize", "10000", Number(0, MAX_INT), Ignored(EXPORTER)),

    option("clientVersionConfig", "CLIENT_VERSION_CONFIG_3X", CLIENT_VERSIONS, Ignored(NO_LEADER)),
    option("migrateAllEntitiesToLeaseTable", "false", Boolean, Ignored(NO_LEADER)),
    option("tableMigrationCompleteBakeTimeSeconds", "86400", Number(0, MAX), Ignored(NO_LEADER)),
    option("gracefulLeaseHandoffTimeoutMillis", "30000", Number(0, MAX), Ignored(NO_LEADER)),
    option("isGracefulLeaseHandoffEnabled", "true", Boolean, Ignored(NO_LEADER)),
    option("inMemoryWorkerMetricsCaptureFrequencyMillis", "1000", Number(0, MAX), Ignored(NO_LEADER)),
    option("workerMetricsReporterFreqInMillis", "30000", Number(0, MAX), Ignored(NO_LEADER)),
    option("noOfPersistedMetricsPerWorkerMetrics", "10", Number(0, MAX_INT), Ignored(NO_LEADER)),
    option("disableWorkerMetrics", "false", Boolean, Ignored(NO_LEADER)),
    option("maxThroughputPerHostKBps", "", Decimal, Ignored(NO_LEADER)),
    option("dampeningPercentage", "60", Number(0, MAX_INT), Ignored(NO_LEADER)),
    option("reBalanceThresholdPercentage", "10", Number(0, MAX_INT), Ignored(NO_LEADER)),
    option("allowThroughputOvershoot", "true", Boolean, Ignored(NO_LEADER)),
    option("varianceBalancingFrequency", "3", Number(0, MAX_INT), Ignored(NO_LEADER)),
    option("workerMetricsEMAAlpha", "0.5", Decimal, Ignored(NO_LEADER)),
    option("staleWorkerMetricsEntryCleanupDuration", "PT24H", Text, Ignored(NO_LEADER)),
    option("workerMetricsTableName", "", Text, Ignored(NO_LEADER)),
    option("workerMetricsBillingMode", "PAY_PER_REQUEST", BILLING_MODE, Ignored(NO_LEADER)),
    option("workerMetricsReadCapacity", "0", Number(0, MAX), Ignored(NO_LEADER)),
    option("workerMetricsWriteCapacity", "0", Number(0, MAX), Ignored(NO_LEADER)),
    option("workerMetricsPointInTimeRecoveryEnabled", "false", Boolean, Ignored(NO_LEADER)),
    option("workerMetricsDeletionProtectionEnabled", "false", Boolean, Ignored(NO_LEADER)),
    option("workerMetricsTags", "", Text, Ignored(NO_LEADER)),
    option("coordinatorStateTableName", "", Text, Ignored(NO_LEADER)),
    option("coordinatorStateBillingMode", "PAY_PER_REQUEST", BILLING_MODE, Ignored(NO_LEADER)),
    option("coordinatorStateReadCapacity", "0", Number(0, MAX), Ignored(NO_LEADER)),
    option("coordinatorStateWriteCapacity", "0", Number(0, MAX), Ignored(NO_LEADER)),
    option("coordinatorStatePointInTimeRecoveryEnabled", "false", Boolean, Ignored(NO_LEADER)),
    option("coordinatorStateDeletionProtectionEnabled", "false", Boolean, Ignored(NO_LEADER)),
    option("coordinatorStateTags", "", Text, Ignored(NO_LEADER)),
];
