//! What a worker costs that has nothing to do, beside the same calls by the SDK alone.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_kinesis::types::ShardIteratorType;
use futures::future::{join, join_all};
use kcl::{Worker, WorkerBuilder};
use testkit::kinesis::{Limits, Settings};
use testkit::sim::Sim;

use crate::ALLOCATOR;
use crate::measure::{cpu, mib, resident_mib};
use crate::service::{APPLICATION, STREAM, Services};

const IDLE_SHARDS: usize = 1_000;
const WORKER_SHARDS: usize = 8;
/// How often a worker reads a shard without records: the default of `idle_time_between_reads`.
const PERIOD: Duration = Duration::from_secs(1);
/// How often a worker renews a lease: a third of the default of `failover_time`.
const RENEWAL: Duration = Duration::from_millis(3_333);
const WARM_UP: Duration = Duration::from_secs(60);
const MEASURED: Duration = Duration::from_secs(60);

/// A worker in a process of its own, in real time.
pub(crate) async fn worker() {
    let services = Services::start(Limits::Enforced);
    services.create_stream(WORKER_SHARDS).await;
    let before = ALLOCATOR.current_usage();
    let builder = Worker::builder(APPLICATION, STREAM).aws(&services.config);
    let running = tokio::spawn(handler(builder).build().expect("valid options").run());
    tokio::time::sleep(WARM_UP / 2).await;
    let begun = cpu();
    tokio::time::sleep(MEASURED).await;
    let used = cpu().saturating_sub(begun);
    let (heap, resident) = (ALLOCATOR.current_usage().saturating_sub(before), resident_mib());
    running.abort();
    let begun = cpu();
    read_with_the_sdk_alone(&services.config, WORKER_SHARDS).await;
    let reads = cpu().saturating_sub(begun);
    let begun = cpu();
    renew_with_the_sdk_alone(&services.config, WORKER_SHARDS).await;
    println!(
        "idle-worker: shards={WORKER_SHARDS} cpu_percent={:.3} reads_of_the_sdk_alone={:.3} renewals_of_the_sdk_alone={:.3} \
         heap_mib={:.1} resident_mib={:.1}",
        percent(used),
        percent(reads),
        percent(cpu().saturating_sub(begun)),
        mib(heap),
        resident,
    );
}

/// Many shards, in virtual time: the services are in this process, and their work counts.
pub(crate) async fn shards() {
    let settings = Settings {
        creation_time: Duration::ZERO,
        shard_quota: 10_000,
        ..Settings::default()
    };
    let sim = Sim::builder().kinesis(settings).event_log(0).build();
    sim.create_stream(STREAM, IDLE_SHARDS).expect("a new stream");
    sim.advance(Duration::from_secs(1)).await;
    let before = ALLOCATOR.current_usage();
    let builder = Worker::builder(APPLICATION, STREAM).aws(&sim.client("worker"));
    let running = tokio::spawn(handler(builder).build().expect("valid options").run());
    sim.advance(WARM_UP).await;
    let begun = cpu();
    ALLOCATOR.reset_peak_usage();
    sim.advance(MEASURED).await;
    let used = cpu().saturating_sub(begun);
    let (heap, peak) = (ALLOCATOR.current_usage(), ALLOCATOR.peak_usage());
    running.abort();
    drop(running.await);
    sim.advance(Duration::from_secs(1)).await;
    let freed = heap.saturating_sub(ALLOCATOR.current_usage());
    let alone = sim.client("alone");
    let reads = cpu_of(&sim, read_with_the_sdk_alone(&alone, IDLE_SHARDS)).await;
    let renewals = cpu_of(&sim, renew_with_the_sdk_alone(&alone, IDLE_SHARDS)).await;
    println!(
        "idle-shards: shards={IDLE_SHARDS} virtual_seconds={} cpu_percent={:.2} reads_of_the_sdk_alone={:.2} \
         renewals_of_the_sdk_alone={:.2} heap_mib={:.1} peak_heap_mib={:.1} freed_with_the_worker_mib={:.1}",
        MEASURED.as_secs(),
        percent(used),
        percent(reads),
        percent(renewals),
        mib(heap.saturating_sub(before)),
        mib(peak.saturating_sub(before)),
        mib(freed),
    );
    sim.end();
}

/// The CPU of this process while `calls` run in virtual time.
async fn cpu_of(sim: &Sim, calls: impl Future<Output = ()>) -> Duration {
    let begun = cpu();
    join(calls, sim.advance(MEASURED + PERIOD)).await;
    cpu().saturating_sub(begun)
}

/// A part of the floor: reads each shard once in each [`PERIOD`] for as long as a worker is measured, and does nothing else.
async fn read_with_the_sdk_alone(config: &SdkConfig, shards: usize) {
    let client = aws_sdk_kinesis::Client::new(config);
    join_all((0..shards).map(|shard| read_shard(&client, shard))).await;
}

/// The other part: writes the row of each shard once in each [`RENEWAL`], on a condition, as long as a worker is measured.
async fn renew_with_the_sdk_alone(config: &SdkConfig, shards: usize) {
    let client = aws_sdk_dynamodb::Client::new(config);
    join_all((0..shards).map(|shard| renew_lease(&client, shard))).await;
}

async fn renew_lease(client: &aws_sdk_dynamodb::Client, shard: usize) {
    for _ in 0..MEASURED.as_millis() / RENEWAL.as_millis() {
        let renewal = client
            .update_item()
            .table_name(APPLICATION)
            .key("leaseKey", AttributeValue::S(format!("shardId-{shard:012}")))
            .update_expression("SET leaseCounter = leaseCounter + :one")
            .condition_expression("attribute_exists(leaseOwner) AND leaseCounter > :zero")
            .expression_attribute_values(":one", AttributeValue::N("1".into()))
            .expression_attribute_values(":zero", AttributeValue::N("0".into()));
        renewal.send().await.expect("a row with an owner");
        tokio::time::sleep(RENEWAL).await;
    }
}

async fn read_shard(client: &aws_sdk_kinesis::Client, shard: usize) {
    let iterator = client
        .get_shard_iterator()
        .stream_name(STREAM)
        .shard_id(format!("shardId-{shard:012}"))
        .shard_iterator_type(ShardIteratorType::TrimHorizon);
    let mut next = iterator.send().await.expect("an iterator").shard_iterator;
    for _ in 0..MEASURED.as_secs() / PERIOD.as_secs() {
        let page = client.get_records().set_shard_iterator(next).send().await;
        next = page.expect("a page").next_shard_iterator;
        tokio::time::sleep(PERIOD).await;
    }
}

fn handler(builder: WorkerBuilder) -> WorkerBuilder {
    builder.for_each_batch(|_| async { Ok(()) })
}

fn percent(used: Duration) -> f64 {
    100.0 * used.as_secs_f64() / MEASURED.as_secs_f64()
}
