//! As fast as the producer takes records: each thread puts, and counts what its receipts say.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use bytes::Bytes;
use kpl::{Budget, Producer, Receipt, Record};
use tokio::task::JoinSet;

use crate::args::Args;
use crate::client::STREAM;
use crate::measure::{Measured, measure};

/// The distinct partition keys, of 16 bytes each.
const KEYS: u64 = 10_000;
/// The data of the records whose receipts are waited for together, in their order.
const CHUNK_BYTES: usize = 100_000;
/// Chunks of receipts that may be outstanding.
const CHUNKS: usize = 1_000;

#[derive(Debug, Default)]
struct Outcomes {
    delivered: AtomicU64,
    failed: AtomicU64,
    stopped: AtomicBool,
}

pub(crate) fn producer(client: Client, args: &Args) -> Result<Producer, Box<dyn Error>> {
    let producer = Producer::builder(STREAM)
        .client(client)
        .record_max_buffered_time(Duration::from_millis(args.buffered))
        .budget(Budget::new(512 * 1024 * 1024, 2_000_000))
        // The sink's shards take anything; the limiter is at work all the same.
        .rate_limit(100_000)
        .build()?;
    Ok(producer)
}

/// The partition key of record `n`.
pub(crate) fn key(n: u64) -> String {
    format!("key-{:012}", n % KEYS)
}

pub(crate) async fn run(client: Client, args: &Args) -> Result<String, Box<dyn Error>> {
    let producer = producer(client, args)?;
    // The shard map is there with the first receipt: how long the service takes to tell it is not what is measured.
    producer.put(Record::new(key(0), "first")).await?.await?;
    let outcomes = Arc::new(Outcomes::default());
    let mut tasks = JoinSet::new();
    for thread in 0..args.threads {
        tasks.spawn(put_all(producer.clone(), args.size, thread, Arc::clone(&outcomes)));
    }
    let measured = measure(Duration::from_secs(args.seconds), &outcomes.delivered).await;
    outcomes.stopped.store(true, Ordering::Relaxed);
    let report = producer.shutdown(Duration::from_secs(30)).await;
    tasks.join_all().await;
    let failed = outcomes
        .failed
        .load(Ordering::Relaxed)
        .max(report.returned.len() as u64);
    Ok(line(args, measured, failed))
}

/// Puts until it is told to stop, and then waits for the receipts. Each chunk is counted by itself: one that the service
/// refuses for long keeps no other from it.
async fn put_all(producer: Producer, size: u32, thread: usize, outcomes: Arc<Outcomes>) {
    let data = Bytes::from(vec![b'x'; size as usize]);
    let keys: Vec<String> = (0..KEYS).map(key).collect();
    let mut keys = keys.iter().cycle().skip(thread * 997);
    let len = (CHUNK_BYTES / data.len()).max(1);
    let mut counting = JoinSet::new();
    'putting: while !outcomes.stopped.load(Ordering::Relaxed) {
        let mut chunk = Vec::with_capacity(len);
        for key in keys.by_ref().take(len) {
            let Ok(receipt) = producer.put(Record::new(key.as_str(), data.clone())).await else {
                break 'putting;
            };
            chunk.push(receipt);
        }
        while counting.len() >= CHUNKS {
            counting.join_next().await;
        }
        counting.spawn(count(chunk, Arc::clone(&outcomes)));
        while counting.try_join_next().is_some() {}
    }
    counting.join_all().await;
}

async fn count(chunk: Vec<Receipt>, outcomes: Arc<Outcomes>) {
    let all = chunk.len() as u64;
    let mut delivered = 0;
    for receipt in chunk {
        delivered += u64::from(receipt.await.is_ok());
    }
    outcomes.delivered.fetch_add(delivered, Ordering::Relaxed);
    outcomes.failed.fetch_add(all - delivered, Ordering::Relaxed);
}

fn line(args: &Args, measured: Measured, failed: u64) -> String {
    format!(
        "load: size={} records={} seconds={:.1} records_per_s={:.0} mb_per_s={:.1} client_cpu_us_per_record={:.3} failed={failed}",
        args.size,
        measured.records,
        measured.seconds,
        measured.per_second(),
        measured.per_second() * f64::from(args.size) / 1e6,
        measured.cpu_us_per_record(),
    )
}
