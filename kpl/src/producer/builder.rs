//! How a producer is made.
//!
//! `hooks` has the option by which a producer calls the application, `simulation` those of tests that repeat a run; `fit`
//! checks the client against the stream.

mod fit;
mod hooks;
#[cfg(feature = "_simulation")]
mod simulation;

use std::sync::Arc;
use std::time::Duration;

use ::metrics::Recorder;
use aws_config::SdkConfig;
use aws_sdk_kinesis::Client;
use service::StreamRef;
use tokio::sync::mpsc;

use crate::budget::Budget;
use crate::config::ordering::{Ordering, RecordDistribution};
use crate::config::properties::KplProperties;
use crate::config::{Aggregation, Config, OnMisplacement, OnThrottling, Rules};
use crate::driver::calls::Calls;
use crate::driver::{Driver, Hooks, Ports};
use crate::error::{BuildError, BuildErrorKind};
use crate::lanes::lane::LaneLimits;
use crate::lanes::{Handover, LaneTemplate};
use crate::observe::event::Event;
use crate::observe::metrics::{Meter, MetricsGranularity, MetricsLevel, SharedRecorder};
use crate::pipeline::Pipeline;
use crate::producer::Producer;
use crate::producer::shared::Shared;
use crate::record::limit::RecordLimit;

/// Commands that may wait for the driver; a caller beyond that waits to hand its command over.
const COMMANDS: usize = 16;

/// The options of a [`Producer`]. Each is validated by [`build`](Self::build), and fixed from then on.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
#[doc(alias = "KinesisProducerConfiguration")]
pub struct ProducerBuilder {
    stream: String,
    stream_id: Option<String>,
    client: Option<Client>,
    budget: Budget,
    seed: Option<u64>,
    hooks: Hooks,
    recorder: SharedRecorder,
    properties: Option<KplProperties>,
    config: Config,
}

impl Producer {
    /// Begins a producer for `stream`, a name or an ARN.
    pub fn builder(stream: impl Into<String>) -> ProducerBuilder {
        ProducerBuilder::new(stream.into())
    }
}

impl ProducerBuilder {
    pub(crate) fn new(stream: String) -> Self {
        Self {
            stream,
            stream_id: None,
            client: None,
            budget: Budget::default(),
            seed: None,
            hooks: Hooks::default(),
            recorder: SharedRecorder::default(),
            properties: None,
            config: Config::default(),
        }
    }

    /// The stream's id, sent wherever its name or ARN is: with each `PutRecords` and `DescribeStreamSummary`, and with the
    /// first page of each `ListShards`. The service keeps it for later use. Blanks around it are left out, and a blank one is
    /// none. Default: none.
    #[doc(alias = "setStreamId")]
    pub fn stream_id(mut self, id: impl AsRef<str>) -> Self {
        self.stream_id = Some(id.as_ref().to_owned());
        self
    }

    /// Makes the Kinesis client from an SDK configuration.
    pub fn aws(self, config: &SdkConfig) -> Self {
        self.client(Client::new(config))
    }

    /// Whether it is known which client to use.
    pub(crate) fn has_client(&self) -> bool {
        self.client.is_some()
    }

    /// Uses this Kinesis client. The producer switches the SDK's retries off for its own calls: it owns the retries.
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// What the producer may hold at a time, the copies of requests under way included; clones of one budget share it.
    /// Default: 64 MiB and 500,000 records.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// How long a record may wait for company: for most of it to share its aggregate, and for the last fifth, at most
    /// 50 ms, to share its request. Longer means fewer and larger Kinesis records; zero sends each at once. Default: 100 ms.
    #[doc(alias = "RecordMaxBufferedTime")]
    pub fn record_max_buffered_time(mut self, time: Duration) -> Self {
        self.config.record_max_buffered_time = time;
        self
    }

    /// How long after `put` a record may be delivered. One that is not by then is given back as
    /// [`Expired`](crate::PutErrorKind::Expired), with its attempts; it is not sent after that, though a request may be
    /// under way whose answer still counts. Default: none, the record waits for as long as it takes (the KPL's is 30 s);
    /// at least 100 ms, and longer than [`record_max_buffered_time`](Self::record_max_buffered_time).
    #[doc(alias = "RecordTtl")]
    pub fn record_ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.config.record_ttl = ttl.into();
        self
    }

    /// Gives a record back as [`Throttled`](crate::PutErrorKind::Throttled) when the service answers
    /// `ProvisionedThroughputExceededException`, for callers that have somewhere else to put it. By default it is sent
    /// again, at a lower rate, until it is delivered.
    #[doc(alias = "FailIfThrottled")]
    pub fn fail_if_throttled(mut self) -> Self {
        self.config.on_throttling = OnThrottling::Fail;
        self
    }

    /// Sends each record in a Kinesis record of its own. Rates, shared requests and retries stay as they are. By default,
    /// records share.
    #[doc(alias = "AggregationEnabled")]
    pub fn aggregation_disabled(mut self) -> Self {
        self.config.aggregation = Aggregation::Disabled;
        self
    }

    /// The size in bytes at which an aggregate is full; a larger record travels alone. Larger aggregates cost less per
    /// record. Default: 51,200; range: 64 to 10,485,760, not over [`collection_max_size`](Self::collection_max_size), and
    /// below the larger of 1,048,576 and [`max_user_record_size`](Self::max_user_record_size).
    #[doc(alias = "AggregationMaxSize")]
    pub fn aggregation_max_size(mut self, bytes: usize) -> Self {
        self.config.aggregation_max_size = bytes;
        self
    }

    /// The number of user records at which an aggregate is full. Default: 4,294,967,295; at least 1.
    #[doc(alias = "AggregationMaxCount")]
    pub fn aggregation_max_count(mut self, records: usize) -> Self {
        self.config.aggregation_max_count = records;
        self
    }

    /// The size in bytes, keys included, at which a request is full. Default: 5,242,880; range: 52,224 to 10,485,760.
    #[doc(alias = "CollectionMaxSize")]
    pub fn collection_max_size(mut self, bytes: usize) -> Self {
        self.config.collection_max_size = bytes;
        self
    }

    /// The number of Kinesis records at which a request is full. Default: 500; range: 1 to 500.
    #[doc(alias = "CollectionMaxCount")]
    pub fn collection_max_count(mut self, records: usize) -> Self {
        self.config.collection_max_count = records;
        self
    }

    /// The largest record in bytes of data and key, if it is to be smaller than what the stream takes: its
    /// `MaxRecordSizeInKiB`, which its description tells. Default: none; 1,048,576 counts, the service's default, until the
    /// stream is described, or for good without the permission for it. Set it to send larger ones from the very first.
    /// Range: 64 to 10,485,760.
    #[doc(alias = "MaxUserRecordSize")]
    pub fn max_user_record_size(mut self, bytes: usize) -> Self {
        self.config.max_user_record_size = Some(bytes);
        self
    }

    /// The rate at which records leave for a shard, in percent of what it takes. Over 100 leaves it to the service to
    /// throttle, and uses what other producers leave. Default: 150; range: 1 to 4,294,967,295.
    #[doc(alias = "RateLimit")]
    pub fn rate_limit(mut self, percent: u32) -> Self {
        self.config.rate_limit_percent = percent;
        self
    }

    /// The longest a request may take, from its start to its answer; then it counts as failed and its records may have
    /// been stored. Default: 6 s; range: 100 ms to 10 minutes.
    #[doc(alias = "RequestTimeout")]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.config.request_timeout = timeout;
        self
    }

    /// How long a record waits for its next attempt: the first time, and at the most. The wait doubles from one to the
    /// other and is jittered: each is anything between nothing and this. Default: 50 ms and 2 s; range: 1 ms to 10 minutes,
    /// the first not over the longest.
    ///
    /// What is retried for one minute only, such as a refusal by a proxy, waits 15 s at most. A record that a proxy refuses while
    /// others pass waits longer each time, up to 15 s, whatever is set here.
    pub fn retry_delays(mut self, first: Duration, longest: Duration) -> Self {
        self.config.retry_delays = (first, longest);
        self
    }

    /// How many requests may be under way, each of which takes a connection. Default: 24; range: 1 to 256.
    #[doc(alias = "MaxConnections")]
    pub fn max_connections(mut self, requests: usize) -> Self {
        self.config.max_connections = requests;
        self
    }

    /// How many requests that are under way may carry records of one shard, so that a slow shard leaves connections to
    /// the others. Default: 8; range: 1 to 256. Always 1 with [`Ordering::PerKey`].
    pub fn max_requests_per_shard(mut self, requests: usize) -> Self {
        self.config.max_requests_per_shard = requests;
        self
    }

    /// How many bytes of data and keys the requests under way may have together. The SDK copies them more than three
    /// times, for which the [`budget`](Self::budget) has room: 9.7 MiB under way with its default. Default of this, which
    /// comes on top: 16,777,216. Not under [`collection_max_size`](Self::collection_max_size). A record that is larger than
    /// all of it is sent when nothing else is under way.
    pub fn max_bytes_in_flight(mut self, bytes: usize) -> Self {
        self.config.max_bytes_in_flight = bytes;
        self
    }

    /// Takes an aggregate for delivered on whichever shard the service stored it. For consumers that read every record
    /// wherever it lies. The Java KCL and `kinesis-kcl` are none: they drop an aggregate that has a record of another
    /// shard's, as one may after a split or a merge.
    ///
    /// By default such an aggregate is sent again, so that consumers that do not drop it read its records twice. So it is
    /// in any case with [`Ordering::PerKey`].
    pub fn accept_misplaced_aggregates(mut self) -> Self {
        self.config.on_misplacement = OnMisplacement::Accept;
        self
    }

    /// The order in which records are stored. Default: [`Ordering::None`].
    ///
    /// [`Ordering::PerKey`] needs a stream that is known to follow hash keys. Its records wait for the stream's first
    /// description, and come back with [`OrderingImpossible`](crate::PutErrorKind::OrderingImpossible) if that says `AUTO`
    /// or is not to be had; without `kinesis:DescribeStreamSummary`, say
    /// [`record_distribution_strategy_default`](Self::record_distribution_strategy_default).
    pub fn ordering(mut self, ordering: Ordering) -> Self {
        self.config.ordering = ordering;
        self
    }

    /// What to assume of who decides which shard a record goes to, while the stream's description does not tell: before
    /// its first answer, and without the permission `kinesis:DescribeStreamSummary`. Default:
    /// [`RecordDistribution::Unknown`] (the KPL's `UNSET`), which means to find out from where the service puts records.
    /// Until then, nothing is aggregated.
    #[doc(alias = "RecordDistributionStrategyDefault")]
    pub fn record_distribution_strategy_default(mut self, distribution: RecordDistribution) -> Self {
        self.config.record_distribution_default = distribution;
        self
    }

    /// The age at which the stream's description is asked for anew while records flow, give or take a fifth, and not more
    /// often than every 10 s. What contradicts it is followed up within these. Default: 300 s.
    #[doc(alias = "DescribeStreamSummaryIntervalMs")]
    pub fn describe_stream_summary_interval(mut self, interval: Duration) -> Self {
        self.config.describe_stream_summary_interval = interval;
        self
    }

    /// The age at which the shard map is fetched anew while records flow, give or take a fifth; it stays in use until
    /// the new one is there. An answer that contradicts it is followed up at once. Default: 120 s.
    pub fn shard_map_refresh_interval(mut self, interval: Duration) -> Self {
        self.config.shard_map_refresh_interval = interval;
        self
    }

    /// How long a stream may be unknown to the service, because it is about to be created, before records fail with
    /// [`StreamNotFound`](crate::PutErrorKind::StreamNotFound). Default: zero.
    pub fn stream_not_found_grace(mut self, grace: Duration) -> Self {
        self.config.stream_not_found_grace = grace;
        self
    }

    /// How much the producer tells of itself through the [`metrics`](crate::metrics) facade. It costs next to nothing as
    /// long as the process has installed no recorder. Default: [`MetricsLevel::Detailed`], the KPL's.
    #[doc(alias = "MetricsLevel")]
    pub fn metrics_level(mut self, level: MetricsLevel) -> Self {
        self.config.metrics.level = level;
        self
    }

    /// Of what there are series of its own. Each shard has up to ten series, which most monitoring services charge for;
    /// they show which shard is hot, as [`Producer::stats`] does for nothing. Default: [`MetricsGranularity::Stream`] (the
    /// KPL's is `Shard`).
    #[doc(alias = "MetricsGranularity")]
    pub fn metrics_granularity(mut self, granularity: MetricsGranularity) -> Self {
        self.config.metrics.granularity = granularity;
        self
    }

    /// The recorder that gets the series, in place of the one of the process: for tests, and for producers that report to
    /// different places. It is one of the crate `metrics` 0.24. Default: the one that `metrics::set_global_recorder` has
    /// installed when the producer is built, if any.
    pub fn metrics_recorder(mut self, recorder: impl Recorder + Send + Sync + 'static) -> Self {
        self.recorder = SharedRecorder::new(recorder);
        self
    }

    /// Sets every option that the KPL has too: to its value in `properties`, or to the KPL's default. Call it before the
    /// other options, which change it from there.
    ///
    /// What the SDK's configuration has to take over is not: [`build`](Self::build) refuses a client of another region than
    /// the file's, and logs a warning that names the other settings of this sort.
    pub fn kpl_properties(mut self, properties: &KplProperties) -> Self {
        properties.apply(&mut self.config);
        self.properties = Some(properties.clone());
        self
    }

    /// Validates the options and starts the producer's task. Makes no call: the first one follows the first record.
    ///
    /// # Errors
    ///
    /// [`BuildError`] for options out of range and contradictions, for what cannot be a stream, without a client or with
    /// one that has no region, for a properties file of another region than the client's, and outside a tokio runtime. An
    /// ARN of another region is only [warned of](Event::RegionsDiffer): the client's endpoint may know it.
    pub fn build(self) -> Result<Producer, BuildError> {
        let stream = StreamRef::parse(&self.stream).with_id(self.stream_id.as_deref());
        self.check(&stream)?;
        let client = self.client.ok_or(BuildErrorKind::NoClient)?;
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| BuildErrorKind::NoRuntime)?;
        let rng = self.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let limits = LaneLimits {
            max_size: self.config.aggregation_max_size,
            max_count: self.config.max_count(),
            max_buffered: self.config.aggregation_wait(),
            ttl: self.config.record_ttl,
        };
        if let Some(settings) = self.properties.and_then(|properties| properties.left_to_the_sdk()) {
            Event::SettingsLeft { settings: &settings }.emit(&self.stream, &self.hooks.listener);
        }
        if let Some((of_arn, of_client)) = fit::differing_regions(&client, &stream) {
            Event::RegionsDiffer { of_arn, of_client }.emit(&self.stream, &self.hooks.listener);
        }
        let handover = Arc::new(Handover::default());
        let template = LaneTemplate {
            stream: stream.shared(),
            limits,
            budget: self.budget,
            buffers: Arc::default(),
            handover,
            built: self.hooks.clock.monotonic(),
            clock: self.hooks.clock.clone(),
        };
        let record_limit = RecordLimit::new(self.config.max_user_record_size);
        let shared = Arc::new(Shared::new(template, record_limit));
        let (commands, received) = mpsc::channel(COMMANDS);
        let pipeline = Pipeline::new(&self.config, shared.template.budget.clone(), rng);
        let ports = Ports {
            calls: Calls::new(client, stream.clone(), self.config.request_timeout).with_clock(self.hooks.clock.clone()),
            meter: Meter::new(self.recorder, self.config.metrics, stream.label()),
            hooks: self.hooks.clone(),
        };
        let driver = Driver::new(Arc::clone(&shared), pipeline, received, ports);
        runtime.spawn(self.hooks.tasks.detached("driver", driver.run()));
        Ok(Producer::new(shared, commands))
    }

    /// Finds everything that is wrong, so that it can be mended at once.
    fn check(&self, stream: &StreamRef) -> Result<(), BuildError> {
        let properties = self.properties.as_ref();
        let broken = Rules::new(&self.config, properties).broken();
        let misfits = fit::misfits(self.client.as_ref(), stream, properties);
        BuildError::unless_empty(broken.into_iter().chain(misfits))
    }
}

#[cfg(test)]
#[cfg(not(feature = "_loom"))]
mod tests;
