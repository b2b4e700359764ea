//! What a record costs of the heap between `put` and its outcome.
//!
//! `cargo bench -p kinesis-kpl --bench memory`
//!
//! Records of 100 bytes with keys of 16 bytes over 64 shards, in aggregates of the default size. The first rounds bring
//! every buffer to its size; the last one is counted.
//!
//! `orders` is the stream and the producer.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark prints its result and has no caller to tell"
)]

use std::alloc::System;

use kpl::{Receipt, Record};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

mod orders;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RECORDS: usize = 16_000;
const WARM_UP: usize = 20;

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let producer = orders::producer().await;
    let mut receipts: Vec<Receipt> = Vec::with_capacity(RECORDS);
    for _ in 0..WARM_UP {
        receipts.extend(put(&producer, orders::records(RECORDS)));
        receipts.clear();
        producer.flush().await.expect("a running producer");
    }
    let (records, before) = (orders::records(RECORDS), Region::new(ALLOCATOR));
    let key_bytes = records.first().map_or(0, |record| record.partition_key().len());
    receipts.extend(put(&producer, records));
    let open = before.change();
    producer.flush_hint();
    let sealed = before.change();
    let per_record = |total: usize| total as f64 / RECORDS as f64;
    // Putting frees the caller's keys and the vector of records.
    let freed = RECORDS * (key_bytes + size_of::<Record>());
    let held = sealed.bytes_allocated + freed - sealed.bytes_deallocated;
    println!(
        "memory: allocations_per_record={:.4} allocations_with_sealing={:.4} held_bytes_per_record={:.1} of_which_payload_and_key={} receipt_bytes={}",
        per_record(open.allocations + open.reallocations),
        per_record(sealed.allocations + sealed.reallocations),
        per_record(held),
        orders::PAYLOAD + key_bytes,
        size_of::<Receipt>(),
    );
}

fn put(producer: &kpl::Producer, records: Vec<Record>) -> impl Iterator<Item = Receipt> {
    let put = |record| producer.try_put(record).expect("room in the budget");
    records.into_iter().map(put)
}
