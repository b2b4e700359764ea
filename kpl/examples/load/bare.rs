//! The peer: the same bytes through the SDK alone, as Kinesis records of 50 KiB.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use tokio::task::JoinSet;

use crate::args::Args;
use crate::client::STREAM;
use crate::measure::measure;
use crate::putter::key;

/// The default size of an aggregate.
const RECORD_BYTES: usize = 51_200;
/// As many as fit into 5 MiB, the default size of the producer's requests.
const RECORDS: usize = 100;
/// The producer's default number of requests in flight.
const IN_FLIGHT: u64 = 24;

pub(crate) async fn run(client: &Client, args: &Args) -> Result<String, Box<dyn Error>> {
    let sent = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for number in 0..IN_FLIGHT {
        tasks.spawn(send(client.clone(), number, Arc::clone(&sent)));
    }
    let measured = measure(Duration::from_secs(args.seconds), &sent).await;
    tasks.shutdown().await;
    Ok(format!(
        "bare: kinesis_record_bytes={RECORD_BYTES} kinesis_records={} seconds={:.1} kinesis_records_per_s={:.0} mb_per_s={:.1} client_cpu_us_per_kinesis_record={:.1}",
        measured.records,
        measured.seconds,
        measured.per_second(),
        measured.per_second() * RECORD_BYTES as f64 / 1e6,
        measured.cpu_us_per_record(),
    ))
}

async fn send(client: Client, number: u64, sent: Arc<AtomicU64>) {
    let data = vec![b'x'; RECORD_BYTES];
    for n in number * RECORDS as u64.. {
        let entries = (n..).take(RECORDS).filter_map(|n| {
            let entry = PutRecordsRequestEntry::builder().data(Blob::new(data.clone()));
            entry.partition_key(key(n)).build().ok()
        });
        let put = client
            .put_records()
            .stream_name(STREAM)
            .set_records(Some(entries.collect()));
        if let Ok(answer) = put.send().await {
            let stored = answer.records().iter().filter(|record| record.error_code().is_none());
            sent.fetch_add(stored.count() as u64, Ordering::Relaxed);
        }
    }
}
