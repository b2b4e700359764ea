//! What the benchmarks have in common: a simulated stream, a producer that knows its shards, and records for it.

use std::time::Duration;

use bytes::Bytes;
use kpl::{Producer, Record};
use testkit::kinesis::Settings;
use testkit::sim::Sim;

/// Bytes of data of each record.
pub(crate) const PAYLOAD: usize = 100;
const KEYS: usize = 10_000;
const SHARDS: usize = 64;

/// `count` records, with the keys in turn.
pub(crate) fn records(count: usize) -> Vec<Record> {
    let data = Bytes::from(vec![b'x'; PAYLOAD]);
    (0..count)
        .map(|n| Record::new(format!("key-{:012}", n % KEYS), data.clone()))
        .collect()
}

/// A producer that knows its shards.
pub(crate) async fn producer() -> Producer {
    let sim = Sim::builder()
        .kinesis(Settings {
            creation_time: Duration::ZERO,
            ..Settings::default()
        })
        .build();
    sim.create_stream("orders", SHARDS).expect("a new stream");
    let producer = Producer::builder("orders")
        .aws(&sim.sdk_config())
        .build()
        .expect("valid options");
    let first = producer
        .put(Record::new("first", "first"))
        .await
        .expect("a running producer");
    first.await.expect("a stream that is there");
    producer
}
