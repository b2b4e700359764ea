//! How to compress payloads: a codec before the producer, and a processor that undoes it. In virtual time.
//!
//! ```sh
//! cargo run --example zstd_payloads
//! ```
//!
//! The same hook is the place of a schema registry or of encryption.

#![expect(clippy::print_stdout, reason = "the results of the program")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, try_join_all};
use kcl::{Batch, Checkpointer, HandlerError, RecordProcessor, Worker};
use kpl::{EncodeError, PayloadEncoder, Producer, Record};
use testkit::sim::Sim;

const DOCUMENTS: usize = 200;
/// No document is larger when it is decoded: the limit of a reader that does not trust what it reads.
const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The codec of the producer.
struct Zstd {
    level: i32,
}

impl PayloadEncoder for Zstd {
    fn encode<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<Bytes, EncodeError>> {
        Box::pin(async move {
            // Some microseconds for each kilobyte. What takes longer belongs on `tokio::task::spawn_blocking`.
            let compressed = zstd::bulk::compress(record.data(), self.level)?;
            Ok(compressed.into())
        })
    }
}

/// What the consumer has read, by the number of the document.
#[derive(Clone, Default)]
struct Archive(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Archive {
    fn keep(&self, key: &str, document: Vec<u8>) {
        let mut documents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        documents.insert(key.to_owned(), document);
    }

    fn documents(&self) -> BTreeMap<String, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The processor that undoes the codec.
struct Archivist {
    archive: Archive,
}

impl RecordProcessor for Archivist {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        for record in &batch.records {
            let document = zstd::bulk::decompress(record.data(), MAX_DOCUMENT_BYTES)?;
            self.archive.keep(record.partition_key(), document);
        }
        checkpointer.checkpoint().await?;
        Ok(())
    }
}

fn document(number: usize) -> (String, Vec<u8>) {
    let lines = (0..40).map(|line| format!("{{\"document\":{number},\"line\":{line},\"text\":\"one espresso\"}}\n"));
    (format!("document-{number}"), lines.collect::<String>().into_bytes())
}

/// Puts all documents and waits until the service has them.
async fn put_documents(sim: &Sim) -> Result<(), Failure> {
    let producer = Producer::builder("documents").aws(&sim.sdk_config()).build()?;
    let compressing = producer.encoding(Zstd { level: 3 });
    let records = (0..DOCUMENTS)
        .map(document)
        .map(|(key, document)| Record::new(key, document));
    let mut receipts = Vec::new();
    for answer in compressing.put_all(records).await {
        receipts.push(answer?);
    }
    try_join_all(receipts).await?;
    Ok(())
}

/// Runs a worker until it has read every document.
async fn read_documents(sim: &Sim) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let archive = Archive::default();
    let kept = archive.clone();
    let processor = move |_shard: &kcl::ShardContext| Archivist { archive: kept.clone() };
    let config = sim.sdk_config();
    let worker = Worker::builder("archive", "documents")
        .aws(&config)
        .processor(processor)
        .build()?;
    let complete = sim.until(Duration::from_secs(60), || archive.documents().len() == DOCUMENTS);
    tokio::select! {
        biased;
        ended = worker.run() => return Err(format!("the worker ended: {ended:?}").into()),
        _ = complete => {}
    }
    Ok(archive.documents())
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Failure> {
    let sim = Sim::new(42);
    sim.create_stream("documents", 2)?;
    put_documents(&sim).await?;
    let stored: usize = sim.kinesis(|kinesis| kinesis.stored("documents").map(|(_, record)| record.data.len()).sum());
    let read = read_documents(&sim).await?;
    let bytes: usize = read.values().map(Vec::len).sum();
    println!("documents: {DOCUMENTS}, read back: {}", read.len());
    println!("{bytes} bytes of documents in {stored} bytes of records");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_document_is_stored_compressed_and_read_back_as_it_was() {
        let sim = Sim::new(42);
        sim.create_stream("documents", 2).unwrap();
        put_documents(&sim).await.unwrap();
        let stored: usize =
            sim.kinesis(|kinesis| kinesis.stored("documents").map(|(_, record)| record.data.len()).sum());
        let documents: BTreeMap<_, _> = (0..DOCUMENTS).map(document).collect();
        assert!(stored * 5 < documents.values().map(Vec::len).sum());
        assert_eq!(read_documents(&sim).await.unwrap(), documents);
    }
}
