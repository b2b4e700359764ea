//! How to see a consumer in Amazon CloudWatch, under the names that dashboards of the KCL look for. In virtual time.
//!
//! ```sh
//! cargo run --example cloudwatch_consumer
//! ```
//!
//! In AWS, the configuration is that of `aws_config::load_defaults`, and the process needs `cloudwatch:PutMetricData`.
//! `with_units` tells the exporter the unit of each series.

#![expect(clippy::print_stdout, reason = "the results of the program")]

#[path = "cloudwatch/with_units.rs"]
mod with_units;

use std::time::Duration;

use aws_config::SdkConfig;
use futures::future::join_all;
use kcl::{Batch, Checkpointer, HandlerError, MetricsGranularity, RecordProcessor, ShardContext, Worker};
use kpl::{Producer, Record};
use metrics::SetRecorderError;
use testkit::cloudwatch::{Metric, Statistics};
use testkit::sim::Sim;
use tokio_util::sync::CancellationToken;

use self::with_units::WithUnits;

/// The application's name, which is the KCL's namespace.
const APPLICATION: &str = "billing";
const STREAM: &str = "orders";
const ORDERS: usize = 1_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Installs the exporter for the process. What it returns sends every minute, and when `stop` comes the rest; then it
/// ends.
async fn install_exporter(
    config: &SdkConfig,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()> + use<>, Failure> {
    let exporter = metrics_cloudwatch::Builder::new()
        .cloudwatch_namespace(APPLICATION)
        .send_interval_secs(60)
        .shutdown_signal(Box::pin(stop.cancelled_owned()));
    let installed = exporter.init_async(aws_sdk_cloudwatch::Client::new(config), |recorder| {
        let installed = metrics::set_global_recorder(WithUnits::new(recorder));
        installed.map_err(|error| SetRecorderError(error.into_inner().recorder))
    });
    Ok(installed.await?)
}

struct Billing;

impl RecordProcessor for Billing {
    async fn process(&mut self, _: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        Ok(checkpointer.checkpoint().await?)
    }
}

/// Puts orders, and has a worker read them for two minutes.
async fn bill_orders(sim: &Sim) -> Result<(), Failure> {
    let producer = Producer::builder(STREAM).aws(&sim.sdk_config());
    let producer = producer.metrics_level(kpl::MetricsLevel::None).build()?;
    let orders = (0..ORDERS).map(|n| Record::new(format!("customer-{n}"), format!("order-{n:05}")));
    let receipts: Result<Vec<_>, _> = producer.put_all(orders).await.into_iter().collect();
    join_all(receipts?).await;
    let worker = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.sdk_config())
        .worker_id("worker-1")
        .metrics_granularity(MetricsGranularity::Shard)
        .processor(|_: &ShardContext| Billing)
        .build()?;
    let control = worker.control();
    let stopped = async {
        tokio::time::sleep(Duration::from_secs(120)).await;
        control.shutdown(Duration::from_secs(30));
    };
    let (report, ()) = futures::join!(worker.run(), stopped);
    report?;
    Ok(())
}

/// Everything from the start of the process to its end, in the order in which it matters: the exporter first and last.
async fn run(sim: &Sim) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    let exporter = install_exporter(&sim.sdk_config(), stop.clone()).await?;
    let work = async {
        let done = bill_orders(sim).await;
        stop.cancel();
        done
    };
    let (done, ()) = futures::join!(work, exporter);
    done
}

/// What CloudWatch has of one series.
fn statistics(sim: &Sim, name: &str, unit: &str, dimensions: &[(&str, &str)]) -> Option<Statistics> {
    let metric = Metric::new(APPLICATION, name).unit(unit);
    let add = |metric: Metric, (name, value): &(&str, &str)| metric.dimension(*name, *value);
    let metric = dimensions.iter().fold(metric, add);
    sim.cloudwatch(|cloudwatch| cloudwatch.get(&metric).copied())
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Failure> {
    let sim = Sim::new(42);
    sim.create_stream(STREAM, 2)?;
    run(&sim).await?;
    println!(
        "{:<40} {:>12} {:>9} {:>12}  dimensions",
        "series", "Sum", "Average", "SampleCount"
    );
    sim.cloudwatch(|cloudwatch| {
        for (metric, statistics) in cloudwatch.series() {
            let dimensions: Vec<&str> = metric.dimensions.values().map(String::as_str).collect();
            println!(
                "{:<40} {:>12.1} {:>9.3} {:>12}  {}",
                metric.name,
                statistics.sum,
                statistics.average().unwrap_or_default(),
                statistics.sample_count,
                dimensions.join(" "),
            );
        }
    });
    let processed = statistics(&sim, "RecordsProcessed", "Count", &[("Operation", "ProcessTask")]);
    println!("processed: {} of {ORDERS}", processed.unwrap_or_default().sum);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: (&str, &str) = ("Operation", "ProcessTask");
    const SHARDS: [(&str, &str); 2] = [("ShardId", "shardId-000000000000"), ("ShardId", "shardId-000000000001")];

    /// Sum, Average and SampleCount.
    fn of(sim: &Sim, name: &str, unit: &str, dimensions: &[(&str, &str)]) -> (f64, f64, f64) {
        let found = statistics(sim, name, unit, dimensions);
        let found = found.unwrap_or_else(|| panic!("no {name} in {unit} with {dimensions:?}"));
        (found.sum, found.average().unwrap(), found.sample_count)
    }

    fn assert_same(left: f64, right: f64) {
        assert!((left - right).abs() <= right.abs() * 1e-9, "{left} {right}");
    }

    /// The recorder is the process's, so that this file has one test.
    #[tokio::test(start_paused = true)]
    async fn sum_average_and_sample_count_are_right_for_the_application_the_worker_and_each_shard() {
        let sim = Sim::new(42);
        sim.create_stream(STREAM, 2).unwrap();
        run(&sim).await.unwrap();

        let records = of(&sim, "RecordsProcessed", "Count", &[PROCESS]);
        assert_eq!(records.0, 1_000.0);
        let calls = of(&sim, "Success", "Count", &[PROCESS]);
        assert_eq!((calls.0, calls.1), (records.2, 1.0));
        assert_eq!(of(&sim, "DataBytesProcessed", "Bytes", &[PROCESS]).0, 11_000.0);
        for (name, unit) in [
            ("RecordsProcessed", "Count"),
            ("DataBytesProcessed", "Bytes"),
            ("MillisBehindLatest", "Milliseconds"),
            ("RecordProcessor.processRecords.Time", "Milliseconds"),
            ("KinesisDataFetcher.getRecords.Success", "Count"),
        ] {
            let application = of(&sim, name, unit, &[PROCESS]);
            let shards = SHARDS.map(|shard| of(&sim, name, unit, &[PROCESS, shard]));
            assert!(shards.iter().all(|shard| shard.2 > 0.0), "{name} {shards:?}");
            assert_same(shards.iter().map(|shard| shard.0).sum(), application.0);
            assert_same(shards.iter().map(|shard| shard.2).sum(), application.2);
            assert_same(application.1, application.0 / application.2);
        }

        let renew = ("Operation", "RenewAllLeases");
        let worker = ("WorkerIdentifier", "worker-1");
        let leases = of(&sim, "CurrentLeases", "Count", &[renew]);
        assert_eq!(leases, of(&sim, "CurrentLeases", "Count", &[renew, worker]));
        assert_same(leases.0, (leases.2 - 1.0) * 2.0);
        assert_eq!(of(&sim, "RenewLease.Success", "Count", &[renew]).1, 1.0);
        assert_eq!(of(&sim, "TakenLeases", "Count", &[("Operation", "TakeLeases")]).0, 2.0);
        assert_eq!(
            of(&sim, "HaltedShards", "Count", &[("Operation", "ApplicationTracker")]).0,
            0.0
        );
    }
}
