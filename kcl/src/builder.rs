//! How a worker is made.
//!
//! `coordination` is how it shares the shards with its fleet, `simple_forms` are the closures that may take the place of a
//! processor, `observing` are the options of log, events and metrics, `simulation` those of tests that repeat a run,
//! `stream_options` say what is done when the stream is not what it was, `table_options` are those of the lease table,
//! `properties` takes the file of a KCL program over, and `build` makes the worker.

mod build;
mod coordination;
mod observing;
mod properties;
mod simple_forms;
#[cfg(feature = "_simulation")]
mod simulation;
mod stream_options;
mod table_options;

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use service::{Clock, Tasks};

use crate::config::Config;
use crate::metrics::SharedRecorder;
use crate::observers::Listener;
use crate::processor::error_policy::ErrorPolicy;
use crate::processor::simple::HandlerForm;
use crate::processor::{HandlerError, ProcessorFactory, RecordProcessor, ShardContext, ShardStream, StreamProcessor};
use crate::properties::KclProperties;
use crate::retrieval::loss::OnPossibleLoss;
use crate::stream::StartingPosition;

/// The options of a [`Worker`](crate::Worker). Each is validated by [`build`](Self::build), and fixed from then on.
#[must_use = "a builder does nothing until `build`"]
#[doc(alias = "ConfigsBuilder")]
pub struct WorkerBuilder {
    application: String,
    stream: String,
    table_name: Option<String>,
    worker_id: Option<String>,
    kinesis: Option<aws_sdk_kinesis::Client>,
    dynamodb: Option<aws_sdk_dynamodb::Client>,
    factory: Option<ProcessorFactory>,
    listener: Listener,
    recorder: SharedRecorder,
    seed: Option<u64>,
    tasks: Tasks,
    clock: Clock,
    config: Config,
    properties: Option<KclProperties>,
}

impl std::fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("application", &self.application)
            .field("stream", &self.stream)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl WorkerBuilder {
    pub(crate) fn new(application: String, stream: String) -> Self {
        Self {
            application,
            stream,
            table_name: None,
            worker_id: None,
            kinesis: None,
            dynamodb: None,
            factory: None,
            listener: Listener::default(),
            recorder: SharedRecorder::default(),
            seed: None,
            tasks: Tasks::default(),
            clock: Clock::default(),
            config: Config::default(),
            properties: None,
        }
    }

    /// Makes the Kinesis and the DynamoDB client from an SDK configuration.
    pub fn aws(self, config: &SdkConfig) -> Self {
        self.kinesis_client(aws_sdk_kinesis::Client::new(config))
            .dynamodb_client(aws_sdk_dynamodb::Client::new(config))
    }

    /// Uses this Kinesis client. The worker switches the SDK's retries off for its own calls: it owns the retries.
    pub fn kinesis_client(mut self, client: aws_sdk_kinesis::Client) -> Self {
        self.kinesis = Some(client);
        self
    }

    /// Uses this DynamoDB client for the lease table, which may be in another account or region than the stream. The
    /// worker switches the SDK's retries off for its own calls: it owns the retries.
    pub fn dynamodb_client(mut self, client: aws_sdk_dynamodb::Client) -> Self {
        self.dynamodb = Some(client);
        self
    }

    /// Makes the processor of each shard whose lease this worker comes to hold. It checkpoints only when it says so.
    ///
    /// Of `processor`, [`stream`](Self::stream), [`for_each_batch`](Self::for_each_batch) and
    /// [`for_each_record`](Self::for_each_record) the last call counts.
    #[doc(alias = "ShardRecordProcessorFactory")]
    pub fn processor<P, F>(mut self, factory: F) -> Self
    where
        P: RecordProcessor,
        F: Fn(&ShardContext) -> P + Send + Sync + 'static,
    {
        self.factory = Some(Arc::new(move |shard| Box::new(factory(shard))));
        self.config.form = HandlerForm::Processor;
        self
    }

    /// Hands the records of each shard to a task of its own, as a [`ShardStream`] of batches: the pull form of a processor.
    pub fn stream<R, Running>(self, run: R) -> Self
    where
        R: Fn(ShardStream) -> Running + Clone + Send + Sync + 'static,
        Running: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        self.processor(move |shard: &ShardContext| StreamProcessor::new(shard, run.clone()))
    }

    /// Where shards that nobody has read yet are read from. Default: [`StartingPosition::TrimHorizon`].
    #[doc(alias = "initialPositionInStream")]
    pub fn start_at(mut self, position: StartingPosition) -> Self {
        (self.config.start_at, self.config.start_is_set) = (position, true);
        self
    }

    /// The name of the lease table. Default: the application's name.
    #[doc(alias = "tableName")]
    pub fn table_name(mut self, name: impl Into<String>) -> Self {
        self.table_name = Some(name.into());
        self
    }

    /// This worker's name in the lease table, unique in its fleet. A worker that is started again under its old name
    /// takes its leases back at once. Default: random.
    #[doc(alias = "workerIdentifier")]
    pub fn worker_id(mut self, id: impl Into<String>) -> Self {
        self.worker_id = Some(id.into());
        self
    }

    /// How long a lease lasts without a renewal; must be the same in the whole fleet. Shorter means that the shards of
    /// a crashed worker are taken sooner, and more writes to the table: each lease is renewed three times in it, and a
    /// worker that pauses for longer than two thirds of it can lose its leases. Default: 10 s; at least 100 ms.
    #[doc(alias = "failoverTimeMillis")]
    pub fn failover_time(mut self, time: Duration) -> Self {
        self.config.failover_time = time;
        self
    }

    /// How often the table is read for leases to take. Default: the failover time; at least 10 ms.
    #[doc(alias = "leaseAssignmentIntervalMillis")]
    pub fn lease_assignment_interval(mut self, interval: Duration) -> Self {
        self.config.lease_assignment_interval = Some(interval);
        self
    }

    /// The most leases that this worker takes. Default: no limit.
    #[doc(alias = "maxLeasesForWorker")]
    pub fn max_leases(mut self, leases: usize) -> Self {
        self.config.max_leases = leases;
        self
    }

    /// The wait between reads of a shard that has no more records; a shard that is behind is read as fast as the
    /// service allows. Default: 1 s; at least 200 ms, the service's limit.
    #[doc(alias = "idleTimeBetweenReadsInMillis")]
    pub fn idle_time_between_reads(mut self, time: Duration) -> Self {
        self.config.idle_time_between_reads = time;
        self
    }

    /// The most Kinesis records of one read. Default: 10,000, the service's limit.
    #[doc(alias = "maxRecords")]
    pub fn max_records(mut self, records: u32) -> Self {
        self.config.max_records = records;
        self
    }

    /// How often a child shard looks whether its parents were read to the end by other workers. Default: 2 s; at least
    /// 10 ms.
    #[doc(alias = "parentShardPollIntervalMillis")]
    pub fn parent_shard_poll_interval(mut self, interval: Duration) -> Self {
        self.config.parent_shard_poll_interval = interval;
        self
    }

    /// The longest that a call to Kinesis may take. Default: 30 s; at least 10 ms.
    #[doc(alias = "kinesisRequestTimeout")]
    pub fn kinesis_request_timeout(mut self, timeout: Duration) -> Self {
        self.config.kinesis_request_timeout = timeout;
        self
    }

    /// How long the worker tries to start while its services fail. That includes the time in which a lease table that is
    /// missing is created. DynamoDB mostly needs some seconds for it, and promises nothing; a creation that takes longer goes
    /// on, and a later start finds the table. Default: 60 s; at least 1 ms.
    #[doc(alias = "maxInitializationAttempts")]
    pub fn initialization_timeout(mut self, timeout: Duration) -> Self {
        self.config.initialization_timeout = timeout;
        self
    }

    /// How long the worker waits at its start for a stream that does not exist yet. Other troubles of the start are tried again
    /// for [`initialization_timeout`](Self::initialization_timeout), which begins anew when the stream is there. Default: it
    /// does not wait, so a mistyped name is noticed at once.
    pub fn wait_for_stream(mut self, time: Duration) -> Self {
        self.config.wait_for_stream = time;
        self
    }

    /// The part of a shard's reads that this application may use, from 0.01 to 1: of 5 reads and 2 MiB a second, which
    /// all polling applications of a stream share. Set it to a half when two applications poll one stream. Below 1,
    /// one read asks for no more than the share of a second. Throttled reads lower the share of the reads further for a
    /// while. Default: 1.
    pub fn read_share(mut self, share: f64) -> Self {
        self.config.read_share = share;
        self
    }

    /// The most bytes of records that the worker holds, in all of its shards together: read, and not yet released by the
    /// application. A shard that holds no page may read one of 64 KiB beyond it, so that each shard can go on. The replies that the
    /// SDK is reading also come on top. Default: 64 MiB.
    ///
    /// A shard whose processor keeps its batches, or their [`room`](crate::Batch::room), is not read further once they reach the
    /// budget, or the larger of 10 MiB and an eighth of it. Then `idle` is not called either: write what is kept before.
    pub fn read_budget(mut self, bytes: u64) -> Self {
        self.config.read_budget = bytes;
        self
    }

    /// The most user records of one [`Batch`](crate::Batch). Default: 10,000; at least 1.
    pub fn max_batch_records(mut self, records: usize) -> Self {
        self.config.max_batch_records = records;
        self
    }

    /// What is done when the service may have trimmed records of a shard before they were read: it keeps records for the
    /// stream's retention time, 24 hours unless that was changed. Default: [`OnPossibleLoss::Report`].
    pub fn on_possible_loss(mut self, reaction: OnPossibleLoss) -> Self {
        self.config.on_possible_loss = reaction;
        self
    }

    /// What becomes of records on which the handler keeps failing. Default: the shard is halted after 8 attempts, about two
    /// minutes.
    pub fn error_policy(mut self, policy: ErrorPolicy) -> Self {
        self.config.error_policy = policy;
        self
    }

    /// How long a call to the processor may go on after its lease is lost, before it is dropped. Another worker may read the
    /// shard meanwhile. Default: 5 s.
    pub fn handler_grace(mut self, grace: Duration) -> Self {
        self.config.handler_grace = grace;
        self
    }

    /// How long a call to the processor may take before it is dropped and the shard's lease is given up, so that a worker, this
    /// one perhaps, begins anew behind the last checkpoint (without any, at `start_at`). With [`PerKey`](crate::PerKey) each
    /// record has this time instead, and fails alone. Default: as long as it likes; calls of more than a minute are warned of.
    pub fn handler_timeout(mut self, timeout: Duration) -> Self {
        self.config.handler_timeout = Some(timeout);
        self
    }
}
