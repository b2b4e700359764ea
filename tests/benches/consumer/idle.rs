//! What a worker costs that has nothing to do.

use std::time::Duration;

use kcl::{Worker, WorkerBuilder};
use testkit::kinesis::{Limits, Settings};
use testkit::sim::Sim;

use crate::ALLOCATOR;
use crate::measure::{cpu, mib, resident_mib};
use crate::service::{APPLICATION, STREAM, Services};

const IDLE_SHARDS: usize = 1_000;
const WORKER_SHARDS: i32 = 8;
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
    println!(
        "idle-worker: shards={WORKER_SHARDS} cpu_percent={:.3} heap_mib={:.1} resident_mib={:.1}",
        percent(cpu().saturating_sub(begun)),
        mib(ALLOCATOR.current_usage().saturating_sub(before)),
        resident_mib(),
    );
    running.abort();
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
    println!(
        "idle-shards: shards={IDLE_SHARDS} virtual_seconds={} cpu_percent={:.2} heap_mib={:.1} peak_heap_mib={:.1}",
        MEASURED.as_secs(),
        percent(cpu().saturating_sub(begun)),
        mib(ALLOCATOR.current_usage().saturating_sub(before)),
        mib(ALLOCATOR.peak_usage().saturating_sub(before)),
    );
    running.abort();
    sim.end();
}

fn handler(builder: WorkerBuilder) -> WorkerBuilder {
    builder.for_each_batch(|_| async { Ok(()) })
}

fn percent(used: Duration) -> f64 {
    100.0 * used.as_secs_f64() / MEASURED.as_secs_f64()
}
