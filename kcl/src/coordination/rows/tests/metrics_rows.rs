//! Metrics rows.

use super::*;

#[test]
fn a_metrics_row_is_read_with_its_failed_captures() {
    let metrics = metrics(&metrics_row());
    assert_eq!(metrics.worker, WorkerId::new("worker-A"));
    assert_eq!((metrics.updated, metrics.support_code), (1_784_000_000, Some(1)));
    let stats = metrics.stats.as_ref().unwrap();
    assert_eq!(stats["C"], [41.2, metrics::FAILED, 40.015]);
    assert_eq!(metrics.operating_range.as_ref().unwrap()["C"], [100]);
    assert_eq!(metrics.encode(), metrics_row());
}

#[test]
fn maps_that_are_missing_are_not_maps_that_are_empty() {
    let mut item = metrics_row();
    item.remove("sts");
    item.insert("opr".to_owned(), map([]));
    let metrics = metrics(&item);
    assert_eq!(metrics.stats, None);
    assert_eq!(metrics.operating_range, Some(BTreeMap::new()));
    assert_eq!(metrics.encode(), item);
}

#[test]
fn the_start_of_the_process_and_attributes_that_are_not_known_are_kept() {
    let mut item = metrics_row();
    item.insert("startedAt".to_owned(), n("1784000000123"));
    item.insert("later".to_owned(), map([("x", s("y"))]));
    item.insert("properties".to_owned(), map([("zone", s("a"))]));
    let metrics = metrics(&item);
    assert_eq!(metrics.started_at, Some(1_784_000_000_123));
    assert_eq!(metrics.properties.as_ref().unwrap()["zone"], "a");
    assert_eq!(metrics.encode(), item);
}

#[test]
fn an_attribute_of_a_metrics_row_that_is_null_or_empty_counts_as_absent_and_is_kept() {
    let mut item = metrics_row();
    item.insert("sts".to_owned(), AttributeValue::Null(true));
    item.insert("sup".to_owned(), s(""));
    let metrics = metrics(&item);
    assert_eq!((&metrics.stats, metrics.support_code), (&None, None));
    assert_eq!(metrics.encode(), item);
}

#[test]
fn a_value_that_the_table_refuses_is_written_as_a_failed_capture() {
    let mut metrics = metrics(&metrics_row());
    let values = vec![f64::NAN, f64::INFINITY, 1.0];
    metrics.stats = Some(BTreeMap::from([("C".to_owned(), values)]));
    assert_eq!(metrics.encode()["sts"], map([("C", list(&["-1", "-1", "1"]))]));
}

#[test]
fn a_damaged_metrics_row_is_a_fault_that_names_key_attribute_and_value() {
    let damaged = [
        ("lut", None, "lut", "is missing"),
        (
            "lut",
            Some(s("soon")),
            "lut",
            "holds the string \"soon\", which is not a count",
        ),
        ("lut", Some(n("-5")), "lut", "holds the number -5, which is not a count"),
        ("sts", Some(n("7")), "sts", "holds the number 7, which is not a map"),
        (
            "sts",
            Some(map([("C", n("7"))])),
            "sts.C",
            "holds the number 7, which is not a list of numbers",
        ),
        (
            "opr",
            Some(map([("C", list(&["99.5"]))])),
            "opr.C",
            "holds L([N(\"99.5\")]), which is not a list of counts",
        ),
        (
            "properties",
            Some(map([("a", n("7"))])),
            "properties.a",
            "holds the number 7, which is not a string",
        ),
    ];
    for (attribute, value, named, fault) in damaged {
        let mut item = metrics_row();
        item.remove(attribute);
        item.extend(value.map(|value| (attribute.to_owned(), value)));
        assert_eq!(
            damage(&item).to_string(),
            format!("the attribute {named} of the row \"worker-A\" of the lease table {fault}")
        );
    }
}

#[test]
fn a_fault_shows_no_more_than_the_beginning_of_a_long_value() {
    let mut item = metrics_row();
    item.insert("lut".to_owned(), s(&"ä".repeat(10_000)));
    assert!(damage(&item).to_string().chars().count() < 300);
}

fn series<T: std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<BTreeMap<String, Vec<T>>>> {
    let values = proptest::collection::vec(value, 1..10);
    proptest::option::of(proptest::collection::btree_map("[A-Z]{1,2}", values, 0..3))
}

proptest! {
    #[test]
    fn whatever_is_written_as_a_metrics_row_is_read_as_it_was(
        (stats, operating_range) in (series(prop_oneof![Just(-1.0), 0.0..100.0]), series(0..=100_u64)),
        counts in proptest::array::uniform4(proptest::option::of(0u64..2_000_000_000_000)),
        properties in proptest::option::of(proptest::collection::btree_map("[a-z]{1,4}", "[a-z]{1,4}", 0..3)),
    ) {
        let [updated, support_code, support_updated, started_at] = counts;
        let row = WorkerMetrics {
            stats,
            operating_range,
            properties,
            support_code,
            support_updated,
            started_at,
            ..WorkerMetrics::without_metrics(WorkerId::new("w"), updated.unwrap_or(0))
        };
        prop_assert_eq!(read(&row.encode()), FleetRow::Metrics(row));
    }
}
