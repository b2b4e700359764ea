//! Two workers, each with threads and clients of its own, and services on other threads.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use service::Clock;
use testkit::kinesis::Settings;
use testkit::sandbox::Sandbox;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

use super::gate::{Blocking, Gate, Idle};
use super::lease_log::LeaseLog;
use super::provider::{Manner, Provider};
use super::{BLOCKED, EACH, FAILOVER, OTHER, SHARDS, THREADS};
use crate::{RunError, ShutdownReport, Worker, WorkerBuilder};

const STREAM: &str = "orders";

type Running = JoinSet<Result<ShutdownReport, RunError>>;

/// A worker whose handlers block all of its threads, and another one. Each holds half of the leases.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) gate: Arc<Gate>,
    pub(super) log: Arc<LeaseLog>,
    pub(super) provider: Provider,
    /// Runs the worker that is blocked.
    blocked: Running,
    _other: Running,
    application: Runtime,
    _others_runtime: Runtime,
    sandbox: Sandbox,
    services: Runtime,
}

impl Stage {
    /// Starts both and waits until they have shared the leases. `stall` is the bound of a standstill.
    pub(super) fn start(stall: Duration, provider: impl FnOnce(&Handle) -> Provider) -> Self {
        let (services, application, others_runtime) = (runtime(2), runtime(THREADS), runtime(1));
        let (gate, log) = (Arc::new(Gate::default()), Arc::new(LeaseLog::default()));
        let provider = provider(application.handle());
        let sandbox = services.block_on(sandbox());
        let noting = Arc::clone(&log);
        sandbox.dynamodb(|dynamodb| dynamodb.watch("billing", move |change| noting.note(change)));

        let config = config(&sandbox, provider.clone());
        let at_gate = Arc::clone(&gate);
        let builder = builder(&config, BLOCKED).max_leases(EACH);
        let builder = builder.processor(move |shard| Blocking::new(Arc::clone(&at_gate), shard));
        let mut worker = builder.build().unwrap();
        worker.config.application_stall = stall;
        let blocked = running(worker, &application);
        log.wait_for_owner(BLOCKED, EACH);
        gate.wait_for_processors(EACH);

        let config = self::config(&sandbox, Provider::new(Manner::Nothing, None));
        let worker = self::builder(&config, OTHER).processor(|_| Idle).build().unwrap();
        let other = running(worker, &others_runtime);
        log.wait_for_owner(OTHER, SHARDS - EACH);
        Self {
            gate,
            log,
            provider,
            blocked,
            _other: other,
            application,
            _others_runtime: others_runtime,
            sandbox,
            services,
        }
    }

    /// Gives each handler a record, and returns when all threads of the application are blocked, with the time. What is
    /// returned second gets a message once they run tasks again.
    pub(super) fn block(&self) -> (Instant, mpsc::Receiver<()>) {
        self.services.block_on(put_into_each_shard(&self.sandbox));
        self.gate.wait_for_blocked(THREADS);
        self.provider.slow_down();
        let (runs, running) = mpsc::channel();
        // Aborted with the runtime.
        let _task = self.application.handle().spawn(async move { runs.send(()) });
        (Clock::default().now(), running)
    }

    /// Lets the application's threads go on.
    pub(super) fn unblock(&self) {
        self.provider.speed_up();
        self.gate.open();
    }

    /// Waits until the worker that was blocked has ended.
    pub(super) fn end_of_blocked(&mut self) -> Result<ShutdownReport, RunError> {
        let Self { services, blocked, .. } = self;
        let ended = async { tokio::time::timeout(super::PATIENCE, blocked.join_next()).await };
        services.block_on(ended).unwrap().unwrap().unwrap()
    }
}

impl Drop for Stage {
    /// The end of a runtime waits for its threads.
    fn drop(&mut self) {
        self.gate.open();
    }
}

fn runtime(threads: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads).enable_all().build().unwrap()
}

fn running(worker: Worker, runtime: &Runtime) -> Running {
    let mut running = JoinSet::new();
    running.spawn_on(worker.run(), runtime.handle());
    running
}

async fn sandbox() -> Sandbox {
    let settings = Settings {
        creation_time: Duration::ZERO,
        ..Settings::default()
    };
    let sandbox = Sandbox::start_with(settings).await.unwrap();
    let create = Client::new(&sandbox.sdk_config()).create_stream().stream_name(STREAM);
    create.shard_count(SHARDS.try_into().unwrap()).send().await.unwrap();
    sandbox
}

fn config(sandbox: &Sandbox, provider: Provider) -> SdkConfig {
    let config = sandbox.sdk_config().into_builder();
    let config = config.http_client(aws_smithy_http_client::Builder::new().build_http());
    config
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build()
}

fn builder(config: &SdkConfig, worker: &str) -> WorkerBuilder {
    Worker::builder("billing", STREAM)
        .aws(config)
        .worker_id(worker)
        .failover_time(FAILOVER)
        .lease_assignment_interval(FAILOVER / 10)
        .idle_time_between_reads(Duration::from_millis(200))
}

async fn put_into_each_shard(sandbox: &Sandbox) {
    let client = Client::new(&sandbox.sdk_config());
    let parts = u32::try_from(SHARDS).unwrap();
    for range in aggregation::HashKeyRange::FULL.split_evenly(parts) {
        let put = client.put_record().stream_name(STREAM).partition_key("key");
        let put = put.explicit_hash_key(range.start().value().to_string());
        put.data(Blob::new("record")).send().await.unwrap();
    }
}
