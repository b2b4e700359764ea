//! From the answer of PutRecords to the handler.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use kcl::Worker;
use testkit::kinesis::Limits;

use crate::measure::{now, percentile};
use crate::service::{APPLICATION, STREAM, Services};

const SHARDS: usize = 4;
/// 20 records a second for a minute and a half, of which the first ten seconds do not count.
const PUT: u64 = 1_800;
const WARM_UP: u64 = 200;

/// When each record was answered for, and when it came to the handler.
#[derive(Default)]
struct Times {
    answered: BTreeMap<u64, Instant>,
    handled: BTreeMap<u64, Instant>,
}

pub(crate) async fn run() {
    let services = Services::start(Limits::Enforced);
    services.create_stream(SHARDS).await;
    let times = Arc::new(Mutex::new(Times::default()));
    let handling = Arc::clone(&times);
    let worker = Worker::builder(APPLICATION, STREAM)
        .aws(&services.config)
        .for_each_record(move |record| {
            let number = std::str::from_utf8(record.data())
                .ok()
                .and_then(|text| text.parse().ok());
            if let Some(number) = number {
                let mut times = handling.lock().unwrap_or_else(PoisonError::into_inner);
                times.handled.entry(number).or_insert_with(now);
            }
            async { Ok(()) }
        })
        .build()
        .expect("valid options");
    let control = worker.control();
    let running = tokio::spawn(worker.run());
    put(&Client::new(&services.config), &times).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    control.shutdown(Duration::from_secs(10));
    running.await.expect("a worker").expect("a clean end");

    let times = times.lock().unwrap_or_else(PoisonError::into_inner);
    let latency = |number: &u64| Some(*times.handled.get(number)? - *times.answered.get(number)?);
    let mut latencies: Vec<Duration> = (WARM_UP..PUT).filter_map(|number| latency(&number)).collect();
    latencies.sort_unstable();
    println!(
        "latency: shards={SHARDS} records={} p50_ms={:.0} p90_ms={:.0} p99_ms={:.0} max_ms={:.0}",
        latencies.len(),
        percentile(&latencies, 50).as_secs_f64() * 1e3,
        percentile(&latencies, 90).as_secs_f64() * 1e3,
        percentile(&latencies, 99).as_secs_f64() * 1e3,
        percentile(&latencies, 100).as_secs_f64() * 1e3,
    );
}

async fn put(client: &Client, times: &Mutex<Times>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for number in 0..PUT {
        ticks.tick().await;
        let entry = PutRecordsRequestEntry::builder()
            .data(Blob::new(number.to_string()))
            .partition_key(format!("key-{number}"));
        let put = client.put_records().stream_name(STREAM);
        let put = put.records(entry.build().expect("an entry"));
        let answer = put.send().await.expect("an answer");
        let answered = now();
        assert_eq!(answer.failed_record_count, Some(0), "nothing is throttled");
        let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
        times.answered.insert(number, answered);
    }
}
