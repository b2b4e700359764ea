//! How to see a producer in Amazon CloudWatch, under the names that dashboards of the KPL look for. In virtual time.
//!
//! ```sh
//! cargo run --example cloudwatch_metrics
//! ```
//!
//! In AWS, the two configurations are those of `aws_config::load_defaults`, and the process needs
//! `cloudwatch:PutMetricData`. `with_units` tells the exporter the unit of each series.

#![expect(clippy::print_stdout, reason = "the results of the program")]

#[path = "cloudwatch/with_units.rs"]
mod with_units;

use std::time::Duration;

use aws_config::SdkConfig;
use futures::future::join_all;
use kpl::{MetricsGranularity, Producer, Record};
use metrics::SetRecorderError;
use testkit::cloudwatch::{Metric, Statistics};
use testkit::sim::{Entries, Fault, Sim};
use tokio_util::sync::CancellationToken;

use self::with_units::WithUnits;

/// The KPL's namespace, which its dashboards look into.
const NAMESPACE: &str = "KinesisProducerLibrary";
const STREAM: &str = "orders";
const DELIVERED: usize = 900;
const GIVEN_BACK: usize = 100;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Installs the exporter for the process. What it returns sends every minute, and when `stop` comes the rest; then it
/// ends.
async fn install_exporter(
    config: &SdkConfig,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()> + use<>, Failure> {
    let exporter = metrics_cloudwatch::Builder::new()
        .cloudwatch_namespace(NAMESPACE)
        .send_interval_secs(60)
        .shutdown_signal(Box::pin(stop.cancelled_owned()));
    let installed = exporter.init_async(aws_sdk_cloudwatch::Client::new(config), |recorder| {
        let installed = metrics::set_global_recorder(WithUnits::new(recorder));
        installed.map_err(|error| SetRecorderError(error.into_inner().recorder))
    });
    Ok(installed.await?)
}

/// Puts orders through a producer that gives throttled ones back, and has the last hundred throttled.
async fn put_orders(sim: &Sim) -> Result<(), Failure> {
    let producer = Producer::builder(STREAM)
        .aws(&sim.sdk_config())
        .fail_if_throttled()
        .metrics_granularity(MetricsGranularity::Shard)
        .build()?;
    for count in [DELIVERED, GIVEN_BACK] {
        let orders = (0..count).map(|n| Record::new(format!("customer-{n}"), format!("order-{n:05}")));
        let receipts: Result<Vec<_>, _> = producer.put_all(orders).await.into_iter().collect();
        join_all(receipts?).await;
        sim.faults(|call| match call.operation {
            "PutRecords" => Fault::FailEntries {
                entries: Entries::All,
                code: "ProvisionedThroughputExceededException".to_owned(),
            },
            _ => Fault::None,
        });
    }
    producer.shutdown(Duration::from_secs(30)).await;
    Ok(())
}

/// Everything from the start of the process to its end, in the order in which it matters: the exporter first and last.
async fn run(sim: &Sim) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    let exporter = install_exporter(&sim.sdk_config(), stop.clone()).await?;
    let work = async {
        let done = put_orders(sim).await;
        stop.cancel();
        done
    };
    let (done, ()) = futures::join!(work, exporter);
    done
}

/// What CloudWatch has of one series of the process, of the stream, or of a shard.
fn statistics(sim: &Sim, name: &str, unit: &str, dimensions: &[(&str, &str)]) -> Option<Statistics> {
    let metric = Metric::new(NAMESPACE, name).unit(unit);
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
        "{:<36} {:>12} {:>9} {:>12}  dimensions",
        "series", "Sum", "Average", "SampleCount"
    );
    sim.cloudwatch(|cloudwatch| {
        for (metric, statistics) in cloudwatch.series() {
            let dimensions: Vec<&str> = metric.dimensions.values().map(String::as_str).collect();
            println!(
                "{:<36} {:>12.1} {:>9.3} {:>12}  {}",
                metric.name,
                statistics.sum,
                statistics.average().unwrap_or_default(),
                statistics.sample_count,
                dimensions.join(" "),
            );
        }
    });
    let put = statistics(&sim, "UserRecordsPut", "Count", &[]).unwrap_or_default();
    println!("delivered: {} of {}", put.sum, put.sample_count);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM_NAME: (&str, &str) = ("StreamName", STREAM);
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
    async fn sum_average_and_sample_count_are_right_for_the_process_the_stream_and_each_shard() {
        let sim = Sim::new(42);
        sim.create_stream(STREAM, 2).unwrap();
        run(&sim).await.unwrap();

        let expected = (900.0, 0.9, 1_000.0);
        assert_eq!(of(&sim, "UserRecordsPut", "Count", &[]), expected);
        assert_eq!(of(&sim, "UserRecordsPut", "Count", &[STREAM_NAME]), expected);
        let expected = (9_900.0, 11.0, 900.0);
        assert_eq!(of(&sim, "UserRecordsDataPut", "Bytes", &[]), expected);
        assert_eq!(of(&sim, "UserRecordsDataPut", "Bytes", &[STREAM_NAME]), expected);
        for (name, unit) in [
            ("UserRecordsPut", "Count"),
            ("UserRecordsDataPut", "Bytes"),
            ("KinesisRecordsPut", "Count"),
            ("AllErrors", "Count"),
            ("BufferingTime", "Milliseconds"),
        ] {
            let stream = of(&sim, name, unit, &[STREAM_NAME]);
            let shards = SHARDS.map(|shard| of(&sim, name, unit, &[STREAM_NAME, shard]));
            assert!(shards.iter().all(|shard| shard.2 > 0.0), "{name} {shards:?}");
            assert_same(shards.iter().map(|shard| shard.0).sum(), stream.0);
            assert_same(shards.iter().map(|shard| shard.2).sum(), stream.2);
            assert_same(stream.1, stream.0 / stream.2);
        }

        let code = ("ErrorCode", "ProvisionedThroughputExceededException");
        let errors = of(&sim, "ErrorsByCode", "Count", &[code]);
        assert_eq!(errors, of(&sim, "ErrorsByCode", "Count", &[code, STREAM_NAME]));
        assert_eq!(errors.0, of(&sim, "AllErrors", "Count", &[]).0);
        let (sum, average, requests) = of(&sim, "RequestTime", "Milliseconds", &[STREAM_NAME]);
        assert!(requests >= 2.0 && average > 1.0 && sum < 1_000.0);
    }
}
