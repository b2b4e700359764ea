//! How long an hour of a large fleet takes to simulate: 10 workers that share 100 shards, and a producer.
//!
//! `cargo bench -p kinesis-tests --bench fleet_hour`; with ` -- 5` five virtual minutes instead, to look for costs.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark prints its result, and has no caller to tell"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kcl::{Batch, Checkpointer, HandlerError, RecordProcessor, Worker};
use kpl::{Producer, Record};
use mimalloc::MiMalloc;
use testkit::kinesis::Settings;
use testkit::sim::{Process, Sim};

/// Faster here than the allocator of the system: a simulated call is many small allocations.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const WORKERS: usize = 10;
const SHARDS: usize = 100;
const MINUTE: Duration = Duration::from_secs(60);

/// Counts what it reads, and checkpoints about once a minute.
struct Counter {
    read: Arc<AtomicU64>,
    batches: u64,
}

impl RecordProcessor for Counter {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.read.fetch_add(batch.records.len() as u64, Ordering::Relaxed);
        self.batches += 1;
        if self.batches.is_multiple_of(60) {
            checkpointer.checkpoint().await?;
        }
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let minutes = std::env::args().find_map(|argument| argument.parse().ok());
    let begun = real_time();
    let sim = Sim::builder()
        .kinesis(Settings {
            creation_time: Duration::ZERO,
            ..Settings::default()
        })
        .build();
    sim.create_stream("orders", SHARDS).expect("a new stream");
    let read = Arc::new(AtomicU64::new(0));
    for number in 0..WORKERS {
        start(&sim.process(&format!("worker-{number}")), &read);
    }
    sim.process("producer").run(put);
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    sim.faults(move |_call| {
        counted.fetch_add(1, Ordering::Relaxed);
        testkit::sim::Fault::None
    });
    sim.advance(MINUTE * minutes.unwrap_or(60)).await;
    let (took, calls, read) = (
        begun.elapsed(),
        calls.load(Ordering::Relaxed),
        read.load(Ordering::Relaxed),
    );
    println!(
        "fleet_hour: workers={WORKERS} shards={SHARDS} virtual_seconds={} calls={calls} records={read} seconds={:.1} us_per_call={:.1}",
        sim.elapsed().as_secs(),
        took.as_secs_f64(),
        took.as_secs_f64() * 1e6 / calls as f64,
    );
    sim.end();
}

fn start(process: &Process, read: &Arc<AtomicU64>) {
    let read = Arc::clone(read);
    process.run(move |process| {
        let read = Arc::clone(&read);
        let worker = Worker::builder("billing", "orders")
            .kinesis_client(process.kinesis_client())
            .dynamodb_client(process.dynamodb_client())
            .worker_id(process.name())
            .seed(process.name().len() as u64)
            .wrap_tasks(process.task_wrapper())
            .processor(move |_shard| Counter {
                read: Arc::clone(&read),
                batches: 0,
            })
            .build();
        async move {
            worker
                .expect("valid options")
                .run()
                .await
                .expect("a worker that starts");
        }
    });
}

/// A hundred records a second.
async fn put(process: Process) {
    let builder = Producer::builder("orders")
        .client(process.kinesis_client())
        .seed(1)
        .wrap_tasks(process.task_wrapper());
    let producer = builder.build().expect("valid options");
    for number in 0_u64.. {
        let record = Record::new(format!("key-{number}"), vec![b'x'; 100]);
        drop(producer.put(record).await.expect("a running producer"));
        if number % 10 == 9 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what it costs is real time")]
fn real_time() -> std::time::Instant {
    std::time::Instant::now()
}
