//! CPU for each record, from sockets to the handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::ShardIteratorType;
use kcl::Worker;
use kpl::Record;
use testkit::kinesis::Limits;

use crate::measure::{cpu, now};
use crate::service::{APPLICATION, STREAM, Services};

const SHARDS: usize = 4;
const RECORDS: usize = 2_000_000;
const PAYLOAD: usize = 100;
const ROUNDS: usize = 3;

pub(crate) async fn run() {
    for (name, keys) in [("distinct", RECORDS), ("16", 16)] {
        let services = Services::start(Limits::Off);
        services.create_stream(SHARDS).await;
        let records = (0..RECORDS).map(|n| Record::new(format!("key-{:010}", n % keys), vec![b'x'; PAYLOAD]));
        services.put(services.producer(), records).await;
        for round in 0..ROUNDS {
            let floor = read_with_the_sdk_alone(&services).await;
            let (seconds, used) = read_with_a_worker(&services, round).await;
            let per_record = |time: Duration| time.as_secs_f64() * 1e6 / RECORDS as f64;
            println!(
                "throughput: keys={name} records={RECORDS} seconds={seconds:.2} cpu_us_per_record={:.3} sdk_alone={:.3} ratio={:.2}",
                per_record(used),
                per_record(floor),
                used.as_secs_f64() / floor.as_secs_f64(),
            );
        }
    }
}

async fn read_with_a_worker(services: &Services, round: usize) -> (f64, Duration) {
    let (before, begun) = (cpu(), now());
    let read = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&read);
    let worker = Worker::builder(format!("{APPLICATION}-{round}"), STREAM)
        .aws(&services.config)
        .for_each_batch(move |batch| {
            counting.fetch_add(batch.records.len(), Ordering::Relaxed);
            async { Ok(()) }
        })
        .build()
        .expect("valid options");
    let control = worker.control();
    let running = tokio::spawn(worker.run());
    while read.load(Ordering::Relaxed) < RECORDS {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let result = (begun.elapsed().as_secs_f64(), cpu().saturating_sub(before));
    control.shutdown(Duration::from_secs(10));
    running.await.expect("a worker").expect("a clean end");
    result
}

/// What the calls cost without a consumer: each shard is read to its newest record, and nothing is done with the records.
async fn read_with_the_sdk_alone(services: &Services) -> Duration {
    let (client, before) = (Client::new(&services.config), cpu());
    for shard in 0..SHARDS {
        let iterator = client
            .get_shard_iterator()
            .stream_name(STREAM)
            .shard_id(format!("shardId-{shard:012}"))
            .shard_iterator_type(ShardIteratorType::TrimHorizon);
        let mut next = iterator.send().await.expect("an iterator").shard_iterator;
        loop {
            let page = client
                .get_records()
                .set_shard_iterator(next)
                .send()
                .await
                .expect("a page");
            if page.millis_behind_latest == Some(0) && page.records.is_empty() {
                break;
            }
            next = page.next_shard_iterator;
        }
    }
    cpu().saturating_sub(before)
}
