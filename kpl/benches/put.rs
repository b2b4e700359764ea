//! What `put` costs on the caller's thread: validate, charge the budget, hash the key, find the shard, append.
//!
//! `cargo bench -p kinesis-kpl --bench put`
//!
//! Records of 100 bytes with 10,000 keys of 16 bytes over 64 shards, on one thread. Beside it, in the same run, the floor:
//! the MD5 of each key and a copy of each payload. Sealing, which happens once for each aggregate, is timed apart. The
//! median of the rounds counts.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a benchmark prints its result, has no caller to tell, and measures real time"
)]

use std::alloc::System;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kpl::{Budget, Producer, Receipt, Record};
use md5::{Digest as _, Md5};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use testkit::kinesis::Settings;
use testkit::sim::Sim;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RECORDS: usize = 400_000;
const PAYLOAD: usize = 100;
const KEYS: usize = 10_000;
const SHARDS: usize = 64;
const ROUNDS: usize = 7;

/// What one round cost, per record.
#[derive(Debug, Clone, Copy)]
struct Round {
    floor_ns: f64,
    put_ns: f64,
    seal_ns: f64,
    allocations: f64,
    held_bytes: f64,
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(round().await);
    }
    let median = |of: fn(&Round) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let (floor, put) = (median(|round| round.floor_ns), median(|round| round.put_ns));
    println!(
        "put: records={RECORDS} rounds={ROUNDS} ns_per_record={put:.0} records_per_s={:.0} floor_ns={floor:.0} ratio={:.2}",
        1e9 / put,
        put / floor
    );
    println!(
        "seal: ns_per_record={:.0}\nmemory: allocations_per_record={:.4} held_bytes_per_record={:.1} of_which_payload_and_key={} receipt_bytes={}",
        median(|round| round.seal_ns),
        median(|round| round.allocations),
        median(|round| round.held_bytes),
        PAYLOAD + key(0).len(),
        size_of::<Receipt>(),
    );
}

fn key(n: usize) -> String {
    format!("key-{:012}", n % KEYS)
}

async fn round() -> Round {
    let producer = producer().await;
    let data = Bytes::from(vec![b'x'; PAYLOAD]);
    // Lanes and cohorts have their size from the first half on; the second half is the steady state.
    put_all(
        &producer,
        (0..RECORDS).map(|n| Record::new(key(n), data.clone())).collect(),
    );
    let records: Vec<Record> = (0..RECORDS).map(|n| Record::new(key(n), data.clone())).collect();
    let floor_ns = floor(&records);
    let (mut receipts, heap) = (Vec::with_capacity(RECORDS), Region::new(ALLOCATOR));
    let begun = Instant::now();
    for record in records {
        receipts.push(producer.try_put(record).expect("room in the budget"));
    }
    let put = begun.elapsed();
    let heap = heap.change();
    let begun = Instant::now();
    producer.flush_hint();
    let sealed = begun.elapsed();
    drop(black_box(receipts));
    drop(producer.shutdown(Duration::ZERO).await);
    let per_record = |total: f64| total / RECORDS as f64;
    Round {
        floor_ns,
        put_ns: per_record(put.as_secs_f64() * 1e9),
        // Both halves are sealed here.
        seal_ns: per_record(sealed.as_secs_f64() * 1e9) / 2.0,
        allocations: per_record((heap.allocations + heap.reallocations) as f64),
        held_bytes: per_record(heap.bytes_allocated as f64 - heap.bytes_deallocated as f64),
    }
}

fn put_all(producer: &Producer, records: Vec<Record>) {
    for record in records {
        drop(producer.try_put(record).expect("room in the budget"));
    }
}

/// A producer that knows its shards, and whose aggregates hold more than a round.
async fn producer() -> Producer {
    let sim = Sim::builder()
        .kinesis(Settings {
            creation_time: Duration::ZERO,
            ..Settings::default()
        })
        .build();
    sim.create_stream("orders", SHARDS).expect("a new stream");
    let producer = Producer::builder("orders")
        .aws(&sim.sdk_config())
        .budget(Budget::new(u32::MAX, u32::MAX))
        .max_user_record_size(5 * 1024 * 1024)
        .aggregation_max_size(4 * 1024 * 1024)
        .build()
        .expect("valid options");
    let first = producer
        .put(Record::new("first", "first"))
        .await
        .expect("a running producer");
    first.await.expect("a stream that is there");
    producer
}

fn floor(records: &[Record]) -> f64 {
    let mut buffer = Vec::with_capacity(RECORDS * PAYLOAD);
    let begun = Instant::now();
    for record in records {
        black_box(Md5::digest(record.partition_key().as_bytes()));
        buffer.extend_from_slice(record.data());
    }
    let took = begun.elapsed();
    drop(black_box(buffer));
    took.as_secs_f64() * 1e9 / RECORDS as f64
}
