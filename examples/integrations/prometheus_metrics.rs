//! How to see a producer and a consumer in Prometheus: their series as text on a port of this machine, as they are scraped.
//!
//! ```sh
//! cargo run --example prometheus_metrics
//! ```
//!
//! It scrapes itself once and ends. A service has an HTTP server already, whose handler returns `render()`; or it takes
//! the listener that comes with the exporter.

#![expect(clippy::print_stdout, reason = "the results of the program")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures::future::try_join_all;
use kcl::{Batch, Checkpointer, HandlerError, RecordProcessor, ShardContext, Worker};
use kpl::{Producer, Record};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use testkit::sandbox::Sandbox;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const STREAM: &str = "orders";
const ORDERS: usize = 1_000;
/// Milliseconds, for the times that records wait and requests take.
const TIMES: [f64; 8] = [5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1_000.0, 5_000.0];

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Installs the exporter for the process, and returns what renders it. With `metrics_recorder` instead, a producer or a worker
/// has one of its own.
#[expect(clippy::disallowed_methods, reason = "the exporter is for the life of the process")]
fn install_exporter() -> Result<PrometheusHandle, Failure> {
    let mut exporter = PrometheusBuilder::new();
    for series in ["BufferingTime", "RequestTime", "RecordProcessor_processRecords_Time"] {
        exporter = exporter.set_buckets_for_metric(Matcher::Full(series.to_owned()), &TIMES)?;
    }
    let handle = exporter.install_recorder()?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep(); // samples that nobody scrapes are summed up
        }
    });
    Ok(handle)
}

fn producer(sandbox: &Sandbox) -> Result<Producer, Failure> {
    let producer = Producer::builder(STREAM)
        .aws(&sandbox.sdk_config())
        .record_max_buffered_time(Duration::from_millis(20));
    Ok(producer.build()?)
}

struct Billing(mpsc::Sender<usize>);

impl RecordProcessor for Billing {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        checkpointer.checkpoint().await?;
        Ok(self.0.send(batch.records.len()).await?)
    }
}

/// Reads the orders until all are processed.
async fn bill_orders(sandbox: &Sandbox) -> Result<(), Failure> {
    let (sender, mut processed) = mpsc::channel(1);
    let worker = Worker::builder("billing", STREAM)
        .aws(&sandbox.sdk_config())
        .processor(move |_: &ShardContext| Billing(sender.clone()))
        .build()?;
    let control = worker.control();
    let all = async {
        let mut left = ORDERS;
        while left > 0 {
            left -= processed.recv().await.unwrap_or(left);
        }
        control.shutdown(Duration::from_secs(30));
    };
    let (report, ()) = futures::join!(worker.run(), all);
    report?;
    Ok(())
}

async fn put_orders(producer: &Producer) -> Result<(), Failure> {
    let orders = (0..ORDERS).map(|n| Record::new(format!("customer-{n}"), format!("order-{n:05}")));
    let receipts: Result<Vec<_>, _> = producer.put_all(orders).await.into_iter().collect();
    try_join_all(receipts?).await?;
    Ok(())
}

/// Answers one request, whatever it asks for.
async fn answer_one_scrape(listener: TcpListener, handle: &PrometheusHandle) -> Result<(), Failure> {
    let (mut connection, _) = listener.accept().await?;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && connection.read_buf(&mut request).await? > 0 {}
    let body = handle.render();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
    let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    connection.write_all(answer.as_bytes()).await?;
    connection.shutdown().await?;
    Ok(())
}

/// What Prometheus would do every few seconds.
async fn scrape(address: SocketAddr) -> Result<String, Failure> {
    let mut connection = TcpStream::connect(address).await?;
    connection
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Puts and reads all orders, and returns the answer to a scrape after that.
async fn run() -> Result<String, Failure> {
    let sandbox = Sandbox::start().await?;
    let client = aws_sdk_kinesis::Client::new(&sandbox.sdk_config());
    client.create_stream().stream_name(STREAM).shard_count(2).send().await?;
    let handle = install_exporter()?;
    let producer = producer(&sandbox)?;
    put_orders(&producer).await?;
    producer.shutdown(Duration::from_secs(30)).await;
    bill_orders(&sandbox).await?;

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let (answered, scraped) = tokio::join!(answer_one_scrape(listener, &handle), scrape(address));
    answered?;
    sandbox.stop().await;
    scraped
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    println!("{}", run().await?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::sync::OnceCell;

    use super::*;

    /// The answer to the scrape. The exporter is one for the process, and so is the run.
    async fn answer() -> &'static str {
        static ANSWER: OnceCell<String> = OnceCell::const_new();
        ANSWER.get_or_init(async || run().await.unwrap()).await
    }

    /// The code between the fences of this language, with single blanks.
    fn fenced(page: &str, language: &str) -> Vec<String> {
        let fence = format!("```{language}\n");
        let blocks = page.split(&fence).skip(1);
        let code = blocks.map(|block| block.split("```").next().unwrap());
        code.map(single_blanks).collect()
    }

    fn single_blanks(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[tokio::test]
    async fn the_page_of_the_consumers_metrics_shows_code_of_this_example_and_queries_of_its_series() {
        let page = include_str!("../../kcl/METRICS.md");
        let [code] = fenced(page, "rust,ignore").try_into().unwrap();
        assert!(
            single_blanks(include_str!("prometheus_metrics.rs")).contains(&code),
            "{code}"
        );
        let body = answer().await;
        let queries = fenced(page, "promql");
        assert_eq!(queries.len(), 3);
        for query in queries {
            let (name, labels) = query.split_once('{').unwrap();
            let name = name.rsplit('(').next().unwrap();
            let labels = labels.split('}').next().unwrap();
            // The table of the page is held to the series by a test of the consumer.
            let operation = labels.split('"').nth(1).unwrap();
            let row = format!("| `{}` | `{operation}` |", name.trim_end_matches("_sum"));
            assert!(page.contains(&row), "{row}");
            let is_sampled = body
                .lines()
                .any(|line| line.starts_with(&format!("{name}{{{labels}}}")));
            assert!(
                is_sampled || name == "HandlerFailures_sum",
                "{name}{{{labels}}} is not in\n{body}"
            );
        }
    }

    #[tokio::test]
    async fn a_scrape_has_the_series_of_the_process_of_the_stream_and_of_the_consumer() {
        let answer = answer().await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK"));
        for line in [
            "# TYPE UserRecordsPut summary",
            "UserRecordsPut_sum 1000",
            "UserRecordsPut_count 1000",
            "UserRecordsPut_sum{StreamName=\"orders\"} 1000",
            "UserRecordsDataPut_sum{StreamName=\"orders\"} 11000",
            "# TYPE BufferingTime histogram",
            "BufferingTime_bucket{StreamName=\"orders\",le=\"+Inf\"} 1000",
            "RecordsProcessed_sum{Operation=\"ProcessTask\"} 1000",
            "DataBytesProcessed_sum{Operation=\"ProcessTask\"} 11000",
            "# TYPE RecordProcessor_processRecords_Time histogram",
        ] {
            assert!(body.lines().any(|found| found == line), "{line} is not in\n{body}");
        }
    }
}
