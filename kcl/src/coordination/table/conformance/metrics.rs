//! Metrics rows.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::bench::{Bench, n, row, s, worker};
use crate::coordination::rows::{FleetRow, WorkerMetrics};
use crate::coordination::table::FleetWrite;

run_against_each_backend! {
    the_first_report_makes_the_row,
    a_later_report_replaces_what_it_has_a_value_for_and_keeps_the_rest,
    a_report_without_maps_keeps_those_of_the_row,
    a_metrics_row_is_deleted_if_its_time_is_the_one_that_was_read,
    a_metrics_row_that_was_reported_since_is_not_deleted,
    a_metrics_row_that_is_gone_is_not_deleted_again,
    a_metrics_row_that_is_not_there_is_not_found,
    a_damaged_metrics_row_is_read_as_damaged,
}

fn metrics(updated: u64) -> WorkerMetrics {
    WorkerMetrics {
        stats: Some(BTreeMap::from([("C".to_owned(), vec![41.2, -1.0])])),
        operating_range: Some(BTreeMap::from([("C".to_owned(), vec![100])])),
        started_at: Some(1_784_000_000_123),
        ..WorkerMetrics::without_metrics(worker("w1"), updated)
    }
}

fn delete(updated: u64) -> FleetWrite {
    FleetWrite::DeleteMetrics {
        worker: worker("w1"),
        updated,
    }
}

async fn the_first_report_makes_the_row(bench: &Bench) {
    bench.applied(FleetWrite::Report(metrics(7))).await;
    assert_eq!(bench.item("w1").await, Some(metrics(7).encode()));
    assert_eq!(bench.row("w1").await, Some(FleetRow::Metrics(metrics(7))));
}

async fn a_later_report_replaces_what_it_has_a_value_for_and_keeps_the_rest(bench: &Bench) {
    let mut item = metrics(7).encode();
    item.extend(row([("sup", n("1")), ("slu", n("7")), ("later", s("x"))]));
    bench.put(item.clone()).await;
    let report = WorkerMetrics {
        stats: Some(BTreeMap::new()),
        support_updated: Some(8),
        ..metrics(8)
    };
    bench.applied(FleetWrite::Report(report)).await;
    item.extend(row([
        ("lut", n("8")),
        ("slu", n("8")),
        ("sts", AttributeValue::M([].into())),
    ]));
    assert_eq!(bench.item("w1").await, Some(item));
}

async fn a_report_without_maps_keeps_those_of_the_row(bench: &Bench) {
    bench.applied(FleetWrite::Report(metrics(7))).await;
    let report = WorkerMetrics {
        stats: None,
        operating_range: None,
        ..metrics(8)
    };
    bench.applied(FleetWrite::Report(report)).await;
    assert_eq!(bench.row("w1").await, Some(FleetRow::Metrics(metrics(8))));
}

async fn a_metrics_row_is_deleted_if_its_time_is_the_one_that_was_read(bench: &Bench) {
    bench.applied(FleetWrite::Report(metrics(7))).await;
    bench.applied(delete(7)).await;
    assert_eq!(bench.row("w1").await, None);
}

async fn a_metrics_row_that_was_reported_since_is_not_deleted(bench: &Bench) {
    bench.applied(FleetWrite::Report(metrics(8))).await;
    bench.refused(delete(7)).await;
}

async fn a_metrics_row_that_is_gone_is_not_deleted_again(bench: &Bench) {
    bench.refused(delete(7)).await;
}

async fn a_metrics_row_that_is_not_there_is_not_found(bench: &Bench) {
    assert_eq!(bench.row("w1").await, None);
}

async fn a_damaged_metrics_row_is_read_as_damaged(bench: &Bench) {
    let mut item = metrics(7).encode();
    item.insert("sts".to_owned(), s("none"));
    bench.put(item).await;
    let Some(FleetRow::Damaged(error)) = bench.row("w1").await else {
        panic!("not damaged")
    };
    assert_eq!((error.key.as_str(), error.attribute.as_str()), ("w1", "sts"));
}
