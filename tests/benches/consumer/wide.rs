//! Many shards with large pages, and handlers that do not keep up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kcl::{Batch, Checkpointer, ErrorPolicy, HandlerError, RecordProcessor, ShardContext, Worker};
use kpl::{Producer, Record};
use testkit::kinesis::{Limits, Settings};
use testkit::sim::Sim;

use crate::ALLOCATOR;
use crate::measure::mib;
use crate::service::{APPLICATION, STREAM, Services};

const SHARDS: usize = 100;
const RECORD: usize = 512 * 1024;
/// 10 MiB for each shard on average, which is the most that one read brings.
const RECORDS: usize = SHARDS * 20;
const MEASURED: Duration = Duration::from_secs(40);

/// What the handlers do.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// They take a second for each batch.
    Slow,
    /// They fail at once, and their shards are halted.
    Halted,
}

struct Handler(Manner);

impl RecordProcessor for Handler {
    async fn process(&mut self, _: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        match self.0 {
            Manner::Slow => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(checkpointer.checkpoint().await?)
            }
            Manner::Halted => Err(HandlerError::fatal("on purpose")),
        }
    }
}

pub(crate) async fn run() {
    let services = Services::start(Limits::Off);
    services.create_stream(SHARDS).await;
    let records = (0..RECORDS).map(|n| Record::new(format!("key-{n}"), vec![b'x'; RECORD]));
    let producer = services.producer().aggregation_disabled();
    services.put(producer, records).await;
    for manner in [Manner::Slow, Manner::Halted] {
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let worker = Worker::builder(format!("{APPLICATION}-{manner:?}"), STREAM)
            .aws(&services.config)
            .error_policy(ErrorPolicy::halt())
            .processor(move |_: &ShardContext| Handler(manner))
            .build()
            .expect("valid options");
        let running = tokio::spawn(worker.run());
        tokio::time::sleep(MEASURED).await;
        println!(
            "wide: handlers={manner:?} shards={SHARDS} budget_mib=64 peak_heap_mib={:.1} heap_mib={:.1}",
            mib(ALLOCATOR.peak_usage().saturating_sub(before)),
            mib(ALLOCATOR.current_usage().saturating_sub(before)),
        );
        running.abort();
        drop(running.await);
    }
}

const BUSY_SHARDS: usize = 10;
const BLOCKED: usize = 8;

/// How many records each shard's handler was given.
type Counts = Arc<Mutex<BTreeMap<String, usize>>>;

/// Counts its records. The handlers of the first shards never return from their first batch.
struct Counter {
    shard: String,
    counts: Counts,
    is_blocked: bool,
}

impl RecordProcessor for Counter {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        if self.is_blocked {
            std::future::pending::<()>().await;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(self.shard.clone()).or_default() += batch.records.len();
        drop(counts);
        checkpointer.defer();
        Ok(())
    }
}

/// Two shards beside eight whose handlers are blocked, against the same two beside eight that go on.
pub(crate) async fn starving() {
    for blocked in [0, BLOCKED] {
        let counts = read_beside(blocked).await;
        let others: Vec<usize> = counts.values().skip(BLOCKED).copied().collect();
        println!(
            "starving: shards={BUSY_SHARDS} blocked={blocked} virtual_seconds=60 records_of_the_other_two={others:?}"
        );
    }
}

async fn read_beside(blocked: usize) -> BTreeMap<String, usize> {
    let settings = Settings {
        creation_time: Duration::ZERO,
        ..Settings::default()
    };
    let sim = Sim::builder().seed(7).kinesis(settings).event_log(0).build();
    sim.create_stream(STREAM, BUSY_SHARDS).expect("a new stream");
    let none = (0..BUSY_SHARDS).map(|n| (format!("shardId-{n:012}"), 0)).collect();
    let counts: Counts = Arc::new(Mutex::new(none));
    let counting = Arc::clone(&counts);
    let worker = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("worker"))
        .seed(7)
        .worker_id("worker")
        .processor(move |shard: &ShardContext| {
            let number = shard
                .shard_id()
                .as_str()
                .rsplit('-')
                .next()
                .and_then(|n| n.parse::<usize>().ok());
            Counter {
                shard: shard.shard_id().to_string(),
                counts: Arc::clone(&counting),
                is_blocked: number.is_some_and(|number| number < blocked),
            }
        })
        .build()
        .expect("valid options");
    let running = tokio::spawn(worker.run());
    let producer = Producer::builder(STREAM)
        .aws(&sim.client("producer"))
        .seed(7)
        .build()
        .expect("valid options");
    let putting = tokio::spawn(async move {
        // About half of what the shards take.
        for n in 0_u64.. {
            let record = Record::new(format!("key-{n}"), vec![b'x'; 50 * 1024]);
            drop(producer.put(record).await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    sim.advance(Duration::from_secs(60)).await;
    putting.abort();
    running.abort();
    sim.end();
    let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    counts.clone()
}
