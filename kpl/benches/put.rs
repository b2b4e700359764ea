//! What `put` and `put_all` cost on the caller's thread: validate, charge the budget, hash the key, find the shard, append.
//!
//! `cargo bench -p kinesis-kpl --bench put`
//!
//! Records of 100 bytes with 10,000 keys of 16 bytes over 64 shards, on one thread, with the default options. Beside it,
//! in the same run, the floor: the MD5 of each key and a copy of each payload. A round puts as many records as the open
//! aggregates take without being sealed, then seals them, which is timed apart, then waits until they are delivered,
//! which is not timed. Then the same number of records goes through `put_all`, in batches. The median of the rounds counts.
//!
//! `orders` is the stream and the producer.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a benchmark prints its result, has no caller to tell, and measures real time"
)]

use std::hint::black_box;
use std::time::Instant;

use kpl::{Producer, Receipt, Record};
use md5::{Digest as _, Md5};

mod orders;

/// On average 250 for each shard; about 400 fill an aggregate.
const RECORDS: usize = 16_000;
/// How many records are put together.
const BATCH: usize = 1_000;
/// The first ones find buffers that still grow.
const WARM_UP: usize = 20;
const ROUNDS: usize = 200;

/// What one round cost, in nanoseconds per record.
#[derive(Debug, Clone, Copy)]
struct Round {
    floor: f64,
    put: f64,
    put_all: f64,
    seal: f64,
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let producer = orders::producer().await;
    let mut receipts = Vec::with_capacity(RECORDS);
    let mut rounds = Vec::with_capacity(ROUNDS);
    for n in 0..WARM_UP + ROUNDS {
        let mut round = round(&producer, &mut receipts);
        receipts.clear();
        producer.flush().await.expect("a running producer");
        round.put_all = put_all(&producer, &mut receipts).await;
        receipts.clear();
        producer.flush().await.expect("a running producer");
        rounds.extend((n >= WARM_UP).then_some(round));
    }
    let [floor, put, put_all, seal] = [
        median(&rounds, |round| round.floor),
        median(&rounds, |round| round.put),
        median(&rounds, |round| round.put_all),
        median(&rounds, |round| round.seal),
    ];
    println!(
        "put: rounds={ROUNDS} records_a_round={RECORDS} ns_per_record={put:.0} records_per_s={:.0} floor_ns={floor:.0} \
         ratio={:.2} seal_ns={seal:.0} put_all_ns={put_all:.0} put_all_ratio={:.2}",
        1e9 / put,
        put / floor,
        put_all / floor
    );
}

fn median(rounds: &[Round], of: fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn round(producer: &Producer, receipts: &mut Vec<Receipt>) -> Round {
    let records: Vec<Record> = orders::records(RECORDS);

    let begun = Instant::now();
    run_floor(&records);
    let floor = per_record(begun);

    let begun = Instant::now();
    for record in records {
        receipts.push(producer.try_put(record).expect("room in the budget"));
    }
    let put = per_record(begun);

    let begun = Instant::now();
    producer.flush_hint();
    let seal = per_record(begun);
    Round {
        floor,
        put,
        put_all: f64::NAN,
        seal,
    }
}

async fn put_all(producer: &Producer, receipts: &mut Vec<Receipt>) -> f64 {
    let records = orders::records(RECORDS);
    let batches: Vec<Vec<Record>> = records.chunks(BATCH).map(<[Record]>::to_vec).collect();
    let begun = Instant::now();
    for batch in batches {
        for answer in producer.put_all(batch).await {
            receipts.push(answer.expect("a running producer"));
        }
    }
    per_record(begun)
}

fn per_record(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e9 / RECORDS as f64
}

fn run_floor(records: &[Record]) {
    let mut buffer = Vec::with_capacity(orders::PAYLOAD * records.len());
    for record in records {
        black_box(Md5::digest(record.partition_key().as_bytes()));
        buffer.extend_from_slice(record.data());
    }
    black_box(buffer);
}
