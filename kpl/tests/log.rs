//! The log, whatever becomes of a record: never its data.
//!
//! A binary of its own: its subscriber is that of the whole process.

#![cfg(test)]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use kpl::{Delivered, Producer, PutError, Record};
use testkit::sim::{Entries, Fault, Sim};
use tracing_subscriber::fmt::MakeWriter;

const SECOND: Duration = Duration::from_secs(1);

/// All data are repetitions of this, so that each of its encodings is one of a few strings.
const SECRET: &str = "SECRET";

/// As text, as the numbers of its bytes, and in base64 from each of the three places where that may begin.
const SHAPES: [&str; 5] = [SECRET, "83, 69, 67, 82, 69, 84", "U0VDUkVU", "RUNSRVRT", "Q1JFVFNF"];

/// The line in which the SDK shows its HTTP client, which here is the simulated service with all that it has stored.
const HTTP_CLIENT: &str = "aws_smithy_runtime::client::orchestrator: runtime_components=";

/// What the subscriber has written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Takes in everything from `TRACE` on.
    fn capture(&self) {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(self.clone());
        tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn record(n: usize) -> Record {
    Record::new(format!("key-{n}"), SECRET.repeat(20))
}

/// Puts records and waits for their outcomes, each of which is logged as an application might.
async fn send(producer: &Producer, count: usize) -> Vec<Result<Delivered, PutError>> {
    let mut receipts = Vec::new();
    for n in 0..count {
        let record = record(n);
        tracing::trace!(?record, "put");
        receipts.push(producer.put(record).await.unwrap());
    }
    tracing::trace!(?receipts, ?producer, "wait");
    let outcomes = join_all(receipts).await;
    tracing::trace!(?outcomes, "ended");
    outcomes
}

fn on_put_records(sim: &Sim, fault: Fault) {
    sim.faults(move |call| match call.operation {
        "PutRecords" => fault.clone(),
        _ => Fault::None,
    });
}

#[tokio::test(start_paused = true)]
async fn no_line_of_the_log_has_the_data_of_a_record_whatever_becomes_of_it() {
    let log = Log::default();
    log.capture();
    let sim = Sim::new(7);
    sim.create_stream("orders", 2).unwrap();
    let builder = Producer::builder("orders").aws(&sim.sdk_config()).seed(7);
    let producer = builder.record_ttl(20 * SECOND).build().unwrap();
    assert!(send(&producer, 1).await[0].is_ok(), "alone");
    assert!(send(&producer, 50).await.iter().all(Result::is_ok), "in aggregates");
    let throttled = Fault::FailEntries {
        entries: Entries::All,
        code: "ProvisionedThroughputExceededException".to_owned(),
    };
    for (what, fault) in [
        ("throttled until it expires", throttled),
        ("a request that is lost until it expires", Fault::RequestLost),
        ("no answer until it expires", Fault::ReplyHangs),
        ("an error of the service until it expires", Fault::internal_failure()),
        ("refused for good", Fault::access_denied()),
    ] {
        on_put_records(&sim, fault);
        assert!(send(&producer, 20).await.iter().all(Result::is_err), "{what}");
    }
    on_put_records(&sim, Fault::RequestHangs);
    let put = producer.put(record(0)).await.unwrap();
    let report = producer.shutdown(SECOND).await;
    tracing::trace!(?report, "shut down");
    assert!(put.await.is_err(), "returned");
    let text = log.text();
    for event in [
        "request answered",
        "request failed",
        "shard throttled",
        "heavy key",
        "producer ended",
    ] {
        assert!(text.contains(event), "{event}: nothing was seen of it");
    }
    for line in text.lines().filter(|line| !line.contains(HTTP_CLIENT)) {
        assert!(SHAPES.iter().all(|shape| !line.contains(shape)), "{line}");
    }
}
