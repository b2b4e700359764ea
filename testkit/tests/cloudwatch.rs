//! CloudWatch as its clients meet it: the SDK on both fronts, and the older protocols on a socket.

use std::io::Write as _;

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::error::ProvideErrorMetadata;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit, StatisticSet};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use testkit::Service;
use testkit::cloudwatch::{Metric, Statistics};
use testkit::sandbox::Sandbox;
use testkit::sim::{Fault, Sim};

use crate::fronts::on_both_fronts;
use crate::wire::{exchange_bytes, exchange_with, post};

on_both_fronts!(
    a_bad_value_is_an_error_of_the_sdks_type,
    an_operation_that_is_not_there_is_refused,
);

fn datum(value: f64) -> MetricDatum {
    MetricDatum::builder().metric_name("Lag").value(value).build()
}

/// Puts a value, a counted value, a set of statistics, and a request so long that the SDK compresses it.
async fn put_in_every_form(config: &SdkConfig) {
    let set = StatisticSet::builder()
        .sample_count(2.0)
        .sum(5.0)
        .minimum(2.0)
        .maximum(3.0)
        .build();
    let counted = MetricDatum::builder().metric_name("Lag").values(4.0).counts(2.0);
    let summed = MetricDatum::builder().metric_name("Lag").statistic_values(set);
    let stamped = summed.timestamp(DateTime::from_secs(1_767_225_600));
    let client = Client::new(config);
    for data in [
        vec![datum(1.0), counted.build(), stamped.build()],
        vec![datum(1.0); 1_000],
    ] {
        let put = client.put_metric_data().namespace("Orders").set_metric_data(Some(data));
        put.send().await.unwrap();
    }
}

const SUMS: Statistics = Statistics {
    sample_count: 1_005.0,
    sum: 1_014.0,
    minimum: 1.0,
    maximum: 4.0,
};

#[tokio::test(start_paused = true)]
async fn the_sim_tells_the_sums_of_every_form() {
    let sim = Sim::new(1);
    put_in_every_form(&sim.sdk_config()).await;
    let sums = sim.cloudwatch(|cloudwatch| cloudwatch.get(&Metric::new("Orders", "Lag")).copied());
    assert_eq!(sums, Some(SUMS));
}

#[tokio::test]
async fn the_sandbox_tells_the_sums_of_every_form() {
    let sandbox = Sandbox::start().await.unwrap();
    put_in_every_form(&sandbox.sdk_config()).await;
    assert_eq!(sums_of_lag(&sandbox), Some(SUMS));
}

async fn a_bad_value_is_an_error_of_the_sdks_type(config: &SdkConfig) {
    let put = Client::new(config).put_metric_data().namespace("Orders");
    let error = put.metric_data(datum(f64::NAN)).send().await.unwrap_err();
    let error = error.into_service_error();
    assert!(error.is_invalid_parameter_value_exception(), "{error:?}");
    assert_eq!(
        (error.code(), error.message()),
        (
            Some("InvalidParameterValue"),
            Some("The value NaN for parameter MetricData.member.1.Value is invalid.")
        )
    );
}

async fn an_operation_that_is_not_there_is_refused(config: &SdkConfig) {
    let error = Client::new(config).list_metrics().send().await.unwrap_err();
    assert_eq!(error.into_service_error().code(), Some("UnknownOperationException"));
}

#[tokio::test(start_paused = true)]
async fn series_differ_by_dimensions_in_any_order_and_by_unit() {
    let sim = Sim::new(1);
    let client = Client::new(&sim.sdk_config());
    let dimension = |name: &str| Dimension::builder().name(name).value("x").build();
    for (first, second, unit) in [("A", "B", "Count"), ("B", "A", "Count"), ("A", "B", "Bytes")] {
        let datum = MetricDatum::builder()
            .metric_name("Records")
            .dimensions(dimension(first))
            .dimensions(dimension(second))
            .value(2.0)
            .unit(StandardUnit::from(unit));
        let put = client.put_metric_data().namespace("Orders").metric_data(datum.build());
        put.send().await.unwrap();
    }
    let metric = Metric::new("Orders", "Records").dimension("A", "x").dimension("B", "x");
    sim.cloudwatch(|cloudwatch| {
        let expected = Statistics {
            sample_count: 2.0,
            sum: 4.0,
            minimum: 2.0,
            maximum: 2.0,
        };
        assert_eq!(cloudwatch.get(&metric.clone().unit("Count")), Some(&expected));
        assert_eq!(cloudwatch.series().count(), 2);
        assert_eq!(cloudwatch.get(&metric), None, "it has no such unit");
    });
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_its_latency_and_meets_its_faults() {
    let sim = Sim::new(1);
    sim.faults(|call| match (call.service, call.ordinal) {
        (Service::CloudWatch, 0) => Fault::throttled(),
        (Service::CloudWatch, 1) => Fault::ReplyLost,
        _ => Fault::None,
    });
    let put = Client::new(&sim.sdk_config()).put_metric_data().namespace("Orders");
    put.metric_data(datum(1.0)).send().await.unwrap();

    let sums = sim.cloudwatch(|cloudwatch| cloudwatch.get(&Metric::new("Orders", "Lag")).copied());
    assert_eq!(sums.unwrap().sample_count, 2.0, "the lost reply was of an applied call");
    let calls: Vec<String> = sim.calls().iter().map(|call| call.to_string()).collect();
    assert!(
        calls[0].contains("CloudWatch.PutMetricData ProvisionedThroughputExceededException (error)"),
        "{calls:?}"
    );
    assert!(sim.elapsed().as_millis() >= 30, "{calls:?}");
}

/// The reply's head and body to a request of PutMetricData.
async fn put(sandbox: &Sandbox, headers: &str, body: &[u8]) -> (String, String) {
    exchange_with(sandbox, &post("/", headers, body)).await
}

const FORM: &str = "content-type: application/x-www-form-urlencoded; charset=utf-8\r\n";
const JSON: &str = "content-type: application/x-amz-json-1.0\r\nx-amzn-query-mode: true\r\n\
                    x-amz-target: GraniteServiceVersion20100801.PutMetricData\r\n";

fn sums_of_lag(sandbox: &Sandbox) -> Option<Statistics> {
    sandbox.cloudwatch(|cloudwatch| cloudwatch.get(&Metric::new("Orders", "Lag")).copied())
}

#[tokio::test]
async fn a_form_is_answered_in_xml() {
    let sandbox = Sandbox::start().await.unwrap();
    let form = b"Action=PutMetricData&Version=2010-08-01&Namespace=Orders&MetricData.member.1.MetricName=Lag\
                 &MetricData.member.1.Values.member.1=3&MetricData.member.1.Counts.member.1=2";
    let (head, body) = put(&sandbox, FORM, form).await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.contains("content-type: text/xml"),
        "{head}"
    );
    assert!(body.contains("<PutMetricDataResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\">"));
    assert_eq!(sums_of_lag(&sandbox).unwrap().sum, 6.0);
}

#[tokio::test]
async fn a_bad_form_is_an_error_in_xml() {
    let sandbox = Sandbox::start().await.unwrap();
    for (form, code) in [
        ("Action=PutMetricData&Namespace=Orders", "MissingParameter"),
        ("Action=ListMetrics", "InvalidAction"),
        ("Namespace=Orders", "InvalidAction"),
        ("Action=PutMetricData&MetricData.member.1.Value=x", "MalformedInput"),
    ] {
        let (head, body) = put(&sandbox, FORM, form.as_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert!(body.contains(&format!("<Code>{code}</Code>")), "{form}: {body}");
    }
}

#[tokio::test]
async fn json_is_taken_too_plain_or_compressed() {
    let sandbox = Sandbox::start().await.unwrap();
    let json = br#"{"Namespace":"Orders","MetricData":[{"MetricName":"Lag","Value":1,"Timestamp":1700000000}]}"#;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(json).unwrap();
    let (head, _) = put(&sandbox, JSON, json).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let (head, _) = put(
        &sandbox,
        &format!("{JSON}content-encoding: gzip\r\n"),
        &encoder.finish().unwrap(),
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(sums_of_lag(&sandbox).unwrap().sample_count, 2.0);
}

#[tokio::test]
async fn an_error_in_json_carries_the_old_code_too() {
    let sandbox = Sandbox::start().await.unwrap();
    let (head, body) = put(&sandbox, JSON, b"{}").await;
    assert!(head.contains("x-amzn-query-error: MissingParameter;Sender"), "{head}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["__type"], "MissingRequiredParameterException");
}

#[tokio::test]
async fn malformed_data_are_refused_and_nothing_of_them_is_recorded() {
    let sandbox = Sandbox::start().await.unwrap();
    let half = br#"{"Namespace":"Orders","MetricData":[{"MetricName":"Lag","Value":1},{"MetricName":"Lag"}]}"#;
    for body in [
        &b""[..],
        b"{",
        b"[]",
        br#"{"Namespace":7}"#,
        br#"{"MetricData":[{"Value":"1"}]}"#,
        half,
    ] {
        let (head, _) = put(&sandbox, JSON, body).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    }
    let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
    for body in [&b""[..], b"\xff", b"\xbf\x69Namespace"] {
        let request = post(path, "smithy-protocol: rpc-v2-cbor\r\n", body);
        let (head, _) = exchange_bytes(&sandbox, &request).await;
        assert!(
            head.starts_with("HTTP/1.1 400 ") && head.contains("smithy-protocol: rpc-v2-cbor"),
            "{head}"
        );
    }
    assert_eq!(sums_of_lag(&sandbox), None);
}
