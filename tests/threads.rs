//! One producer and many threads, over a socket and in real time: each record leaves once.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use kpl::blocking::{Producer, Receipt};
use kpl::{Delivered, Record};
use testkit::sandbox::Sandbox;
use tokio::runtime::Runtime;

const STREAM: &str = "orders";
const THREADS: usize = 16;
const RECORDS: usize = 500;
const PATIENCE: Duration = Duration::from_secs(60);

/// Puts the records of one thread, and flushes now and then.
fn put(producer: &Producer, thread: usize) -> Vec<Receipt> {
    let mut rng = fastrand::Rng::with_seed(thread as u64);
    let put = (0..RECORDS).map(|n| {
        if rng.usize(..100) == 0 {
            producer.flush(PATIENCE).unwrap();
        }
        let key = rng.u32(..).to_string();
        producer.put(Record::new(key, format!("{thread}/{n}"))).unwrap()
    });
    put.collect()
}

fn place(delivered: &Delivered) -> (String, String, u64) {
    let Delivered {
        shard_id,
        sequence_number,
        sub_sequence_number,
        ..
    } = delivered;
    (shard_id.to_string(), sequence_number.to_string(), *sub_sequence_number)
}

/// The data of everything that is stored, copies included.
fn stored(sandbox: &Sandbox) -> Vec<String> {
    let mut all = Vec::new();
    let text = |data: &[u8]| String::from_utf8(data.to_vec()).unwrap();
    sandbox.kinesis(|kinesis| {
        for (_, stored) in kinesis.stored(STREAM) {
            match aggregation::decode(&stored.data) {
                aggregation::Decoded::Aggregate(inside) => all.extend(inside.records().map(|inner| text(&inner.data))),
                aggregation::Decoded::Plain | aggregation::Decoded::Damaged(_) => all.push(text(&stored.data)),
            }
        }
    });
    all.sort();
    all
}

#[test]
fn of_the_records_of_16_threads_none_is_lost_and_none_is_doubled() {
    let runtime = Runtime::new().unwrap();
    let sandbox = runtime.block_on(Sandbox::start()).unwrap();
    let client = Client::new(&sandbox.sdk_config());
    let create = client.create_stream().stream_name(STREAM).shard_count(3);
    runtime.block_on(create.send()).unwrap();
    let builder = Producer::builder(STREAM).aws(&sandbox.sdk_config());
    // A request that timed out would rightly be sent again.
    let builder = builder.stream_not_found_grace(PATIENCE).request_timeout(PATIENCE);
    let producer = builder.build_blocking().unwrap();
    let start = Barrier::new(THREADS);
    let mut places = BTreeSet::new();
    thread::scope(|scope| {
        let put = |thread| {
            start.wait();
            put(&producer, thread)
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || put(thread))).collect();
        for thread in threads {
            let mut receipts = thread.join().unwrap();
            places.extend(receipts.iter_mut().map(|receipt| place(&receipt.wait().unwrap())));
        }
    });
    assert_eq!(places.len(), THREADS * RECORDS, "each receipt names a place of its own");
    let texts = (0..THREADS).flat_map(|thread| (0..RECORDS).map(move |n| format!("{thread}/{n}")));
    let mut put: Vec<String> = texts.collect();
    put.sort();
    assert_eq!(stored(&sandbox), put);
    assert!(
        sandbox.kinesis(|kinesis| kinesis.stored_count(STREAM)) < put.len() as u64,
        "in aggregates"
    );
}

/// The producer's task runs beside the caller, so the counts could lag behind.
#[test]
fn when_a_flush_returns_the_counts_know_of_every_record() {
    let runtime = Runtime::new().unwrap();
    let sandbox = runtime.block_on(Sandbox::start()).unwrap();
    let create = Client::new(&sandbox.sdk_config()).create_stream();
    runtime
        .block_on(create.stream_name(STREAM).shard_count(1).send())
        .unwrap();
    let builder = Producer::builder(STREAM).aws(&sandbox.sdk_config());
    let producer = builder.stream_not_found_grace(PATIENCE).build_blocking().unwrap();
    for n in 1..=300 {
        drop(producer.put(Record::new("key", n.to_string())).unwrap());
        producer.flush(PATIENCE).unwrap();
        let stats = producer.stats();
        assert_eq!((stats.delivered.records, stats.outstanding.records), (n, 0));
    }
}
