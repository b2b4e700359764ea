//! The rows that real Java KCLs wrote beside the leases, read and written, and rows that are damaged.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;

use super::client_version::Modified;
use super::fields::FieldFault;
use super::*;
use crate::lease::item::java_rows::{Recorded, canonical, recorded_rows};
use crate::lease::item::{Item, decode};
use crate::lease::model::WorkerId;

fn read(item: &Item) -> FleetRow {
    FleetRow::of_item(item.clone())
}

/// The recorded rows of the table for everything, as they were read.
fn recorded() -> Vec<(Recorded, FleetRow)> {
    let rows = recorded_rows().into_iter();
    let rows = rows.filter(|recorded| recorded.item.contains_key(attribute::KEY));
    rows.map(|recorded| {
        let row = read(&recorded.item);
        (recorded, row)
    })
    .collect()
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(digits: &str) -> AttributeValue {
    AttributeValue::N(digits.to_owned())
}

fn list(values: &[&str]) -> AttributeValue {
    AttributeValue::L(values.iter().map(|digits| n(digits)).collect())
}

fn map<const N: usize>(entries: [(&str, AttributeValue); N]) -> AttributeValue {
    AttributeValue::M(entries.map(|(name, value)| (name.to_owned(), value)).into())
}

fn row<const N: usize>(entries: [(&str, AttributeValue); N]) -> Item {
    entries.map(|(name, value)| (name.to_owned(), value)).into()
}

fn metrics_row() -> Item {
    row([
        ("leaseKey", s("worker-A")),
        ("entityType", s("WORKER_METRIC_STATS")),
        ("lut", n("1784000000")),
        ("slu", n("1784000000")),
        ("sup", n("1")),
        (
            "sts",
            map([("C", list(&["41.2", "-1", "40.015"])), ("NI", list(&["0.000001"]))]),
        ),
        ("opr", map([("C", list(&["100"])), ("NI", list(&["100"]))])),
    ])
}

fn metrics(item: &Item) -> WorkerMetrics {
    let row = read(item);
    let FleetRow::Metrics(metrics) = row else {
        panic!("{row:?}")
    };
    metrics
}

fn lock_row() -> Item {
    row([
        ("leaseKey", s("Leader")),
        ("entityType", s("LEADER")),
        ("ownerName", s("w1")),
        ("leaseDuration", s("120000")),
        ("recordVersionNumber", s("6f9d")),
    ])
}

fn lock(item: &Item) -> LockRow {
    let row = read(item);
    let FleetRow::Lock(lock) = row else { panic!("{row:?}") };
    lock
}

fn damage(item: &Item) -> FleetRowError {
    let row = read(item);
    let FleetRow::Damaged(error) = row else {
        panic!("{row:?}")
    };
    error
}

#[test]
fn every_row_that_java_wrote_beside_the_leases_is_written_as_it_was_read() {
    let (mut metrics, mut locks, mut versions) = (0, 0, 0);
    for (recorded, row) in recorded() {
        let written = match row {
            FleetRow::Metrics(row) => {
                metrics += 1;
                row.encode()
            }
            FleetRow::Lock(row) => {
                locks += 1;
                assert_eq!(row.damage, None, "{recorded:?}");
                row.encode()
            }
            FleetRow::ClientVersion(row) => {
                versions += 1;
                row.encode()
            }
            FleetRow::TableMigration(_) | FleetRow::Lease(_) => continue,
            FleetRow::Damaged(_) | FleetRow::Other(_) => panic!("{row:?}: {recorded:?}"),
        };
        assert_eq!(canonical(written), canonical(recorded.item.clone()), "{recorded:?}");
    }
    assert!(
        metrics > 20 && locks > 5 && versions > 10,
        "{metrics} {locks} {versions}"
    );
}

#[test]
fn the_rows_of_the_tables_before_35_are_read_too() {
    let rows = recorded_rows().into_iter();
    let rows = rows.filter(|recorded| !recorded.item.contains_key(attribute::KEY));
    let mut kinds = BTreeMap::new();
    for recorded in rows {
        let kind = match read(&recorded.item) {
            FleetRow::Metrics(row) => {
                assert_eq!(row.worker, WorkerId::new(recorded.key()));
                "metrics"
            }
            FleetRow::Lock(_) => "lock",
            FleetRow::ClientVersion(row) => {
                assert_eq!(row.current.state, ClientVersionState::V3x);
                "client version"
            }
            FleetRow::TableMigration(row) => {
                assert!(row.status.starts_with("TABLE_MIGRATION_STATUS_"), "{row:?}");
                "table migration"
            }
            other @ (FleetRow::Damaged(_) | FleetRow::Other(_) | FleetRow::Lease(_)) => {
                panic!("{other:?}: {recorded:?}")
            }
        };
        *kinds.entry(kind).or_insert(0) += 1;
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
}

#[test]
fn the_lock_of_a_java_leader_is_read() {
    let lock = lock(&lock_row());
    assert_eq!(lock.owner, Some(WorkerId::new("w1")));
    assert_eq!(lock.lease, Some(std::time::Duration::from_secs(120)));
    assert_eq!(lock.version.value(), Some(&s("6f9d")));
    assert_eq!((lock.is_released, lock.leads_for, &lock.damage), (false, None, &None));
}

#[test]
fn a_row_under_the_key_of_the_lock_is_the_lock_even_if_it_looks_like_a_lease() {
    let mut item = lock_row();
    item.insert("leaseCounter".to_owned(), n("3"));
    item.insert("entityType".to_owned(), s("LEASE"));
    let lock = lock(&item);
    assert_eq!(lock.owner, Some(WorkerId::new("w1")));
    assert_eq!(lock.others.get("leaseCounter"), Some(&n("3")));
    let bare = row([("leaseKey", s("Leader")), ("leaseCounter", n("3"))]);
    assert!(matches!(FleetRow::of_item(bare), FleetRow::Lock(_)));
}

#[test]
fn a_lock_of_more_than_a_day_is_read_and_named_as_damage() {
    for (millis, is_damaged) in [(86_400_000_u64, false), (86_400_001, true), (u64::MAX, true)] {
        let mut item = lock_row();
        item.insert("leaseDuration".to_owned(), s(&millis.to_string()));
        let lock = lock(&item);
        assert_eq!(lock.lease, Some(std::time::Duration::from_millis(millis)));
        assert_eq!(lock.damage.is_some(), is_damaged, "{:?}", lock.damage);
        assert_eq!(lock.encode(), item);
    }
}

#[test]
fn a_lock_is_released_only_by_the_text_1() {
    for (value, is_released) in [(s("1"), true), (s("0"), false), (n("1"), false), (s(""), false)] {
        let mut item = lock_row();
        item.insert("isReleased".to_owned(), value);
        let lock = lock(&item);
        assert_eq!(lock.is_released, is_released);
        assert_eq!(lock.encode(), item);
    }
}

#[test]
fn a_damaged_lock_is_a_lock_that_names_its_damage_and_keeps_its_attributes() {
    let damaged = [
        ("ownerName", Some(n("7")), "holds the number 7, which is not a string"),
        ("recordVersionNumber", None, "is missing"),
        ("leaseDuration", None, "is missing"),
        ("leaseDuration", Some(s("")), "is missing"),
        (
            "leaseDuration",
            Some(n("120000")),
            "holds the number 120000, which is not milliseconds as a string",
        ),
        (
            "leaseDuration",
            Some(s("-1")),
            "holds the string \"-1\", which is not milliseconds as a string",
        ),
    ];
    for (attribute, value, fault) in damaged {
        let mut item = lock_row();
        item.remove(attribute);
        item.extend(value.map(|value| (attribute.to_owned(), value)));
        let lock = lock(&item);
        assert_eq!(
            lock.damage.as_ref().unwrap().to_string(),
            format!("the attribute {attribute} of the row \"Leader\" of the lease table {fault}")
        );
        assert_eq!(lock.encode(), item);
    }
}

#[test]
fn the_version_of_a_lock_is_kept_whatever_its_type() {
    for value in [n("7"), AttributeValue::Null(true), s("")] {
        let mut item = lock_row();
        item.insert("recordVersionNumber".to_owned(), value.clone());
        let lock = lock(&item);
        assert_eq!(lock.version.value(), Some(&value));
        assert_eq!(lock.encode(), item);
    }
}

#[test]
fn versions_are_uuids_that_do_not_repeat() {
    let mut rng = fastrand::Rng::with_seed(1);
    let versions = [(); 1_000].map(|()| LockVersion::random(&mut rng));
    let texts: BTreeSet<_> = versions.iter().map(|it| it.value().unwrap().as_s().unwrap()).collect();
    assert_eq!(texts.len(), 1_000);
    for text in texts {
        let parts: Vec<_> = text.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{text}");
        assert_eq!(&text[14..15], "4", "{text}");
        assert!(["8", "9", "a", "b"].contains(&&text[19..20]), "{text}");
    }
}

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

#[test]
fn a_damaged_row_does_not_keep_the_other_rows_from_being_read() {
    let mut damaged = metrics_row();
    damaged.insert("leaseKey".to_owned(), s("worker-B"));
    damaged.insert("sts".to_owned(), n("7"));
    let mut lock = lock_row();
    lock.remove("leaseDuration");
    let version = row([("leaseKey", s("Migration3.0")), ("cv", n("3"))]);
    let unknown = row([("leaseKey", s("later")), ("entityType", s("LATER"))]);
    let mut rows = FleetRows::default();
    for item in [damaged, version, lock, unknown, metrics_row()] {
        match decode(item) {
            Row::Foreign(kind, attributes) => rows.add(&kind, &attributes),
            other @ (Row::Lease(_) | Row::Hole(_)) => panic!("{other:?}"),
        }
    }
    assert_eq!(rows.metrics, [metrics(&metrics_row())]);
    assert!(rows.lock.is_some());
    assert_eq!(rows.client_version, None);
    let keys: Vec<_> = rows.damaged.iter().map(|error| error.key.as_str()).collect();
    assert_eq!(keys, ["worker-B", "Migration3.0", "Leader"]);
    assert_eq!(rows.others, [ForeignKind::Unknown("LATER".to_owned())].into());
}

#[test]
fn a_row_of_a_reserved_kind_under_another_key_plays_no_part() {
    for (entity, kind) in [
        ("LEADER", ForeignKind::Leader),
        ("CLIENT_VERSION_MIGRATION", ForeignKind::ClientVersionMigration),
        ("TABLE_MIGRATION", ForeignKind::TableMigration),
    ] {
        let item = row([
            ("leaseKey", s("other")),
            ("entityType", s(entity)),
            ("cv", s("CLIENT_VERSION_3X")),
            ("tm", s("TABLE_MIGRATION_STATUS_COMPLETE")),
        ]);
        assert_eq!(read(&item), FleetRow::Other(kind));
    }
}

#[test]
fn the_first_client_version_is_attribute_for_attribute_the_javas() {
    let ours = ClientVersion::first(ClientVersionState::V3x, &WorkerId::new("w1"), 1_795_236_294_778);
    let javas: Vec<_> = recorded()
        .into_iter()
        .filter(|(recorded, _)| recorded.key() == "Migration3.0")
        .collect();
    assert!(!javas.is_empty());
    for (recorded, row) in javas {
        let FleetRow::ClientVersion(java) = row else {
            panic!("{recorded:?}")
        };
        let names = |item: Item| item.into_keys().collect::<BTreeSet<_>>();
        assert_eq!(names(ours.encode()), names(recorded.item.clone()));
        let states = |row: &ClientVersion| (row.current.state.clone(), row.history[0].state.clone());
        assert_eq!(states(&ours), states(&java));
    }
}

#[test]
fn the_history_of_the_client_version_is_newest_first_and_at_most_ten_long() {
    let worker = WorkerId::new("w1");
    let states = [ClientVersionState::V2x, ClientVersionState::UpgradeFrom2x];
    let mut version = ClientVersion::first(ClientVersionState::V3x, &worker, 0);
    for at in 1..=20 {
        let state = states[usize::try_from(at % 2).unwrap()].clone();
        version = version.next(state, &worker, at);
    }
    let times: Vec<_> = version.history.iter().map(|past| past.at.unwrap()).collect();
    assert_eq!(times, (10..20).rev().collect::<Vec<_>>());
    assert_eq!(version.current.at, Some(20));
}

#[test]
fn a_client_version_of_a_state_that_is_not_known_is_kept_by_its_name() {
    let item = row([
        ("leaseKey", s("Migration3.0")),
        ("entityType", s("CLIENT_VERSION_MIGRATION")),
        ("cv", s("CLIENT_VERSION_4X")),
        ("h", AttributeValue::L(Vec::new())),
    ]);
    let FleetRow::ClientVersion(version) = read(&item) else {
        panic!("{item:?}")
    };
    assert_eq!(
        version.current.state,
        ClientVersionState::Unknown("CLIENT_VERSION_4X".to_owned())
    );
    assert_eq!(version.encode(), item);
}

#[test]
fn a_damaged_history_names_the_attribute_inside_of_it() {
    let past = map([("cv", n("3"))]);
    let item = row([
        ("leaseKey", s("Migration3.0")),
        ("cv", s("CLIENT_VERSION_3X")),
        ("h", AttributeValue::L(vec![past])),
    ]);
    let error = damage(&item);
    assert_eq!((error.key.as_str(), error.attribute.as_str()), ("Migration3.0", "h.cv"));
    assert!(matches!(error.fault, FieldFault::NotOfType { .. }));
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

    #[test]
    fn whatever_is_written_as_a_client_version_is_read_as_it_was(times in proptest::collection::vec(any::<u64>(), 0..15)) {
        let worker = WorkerId::new("w");
        let mut row = ClientVersion::first(ClientVersionState::V3xWithRollback, &worker, 7);
        for at in times {
            row = row.next(ClientVersionState::V2x, &worker, at);
        }
        let by_worker = |past: &Modified| past.by.as_ref() == Some(&worker);
        prop_assert!(row.history.iter().all(by_worker));
        prop_assert_eq!(read(&row.encode()), FleetRow::ClientVersion(row));
    }
}
