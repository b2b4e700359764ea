//! The rows that real Java KCLs wrote beside the leases, read and written, and rows that are damaged.

mod client_versions;
mod lock_rows;
mod metrics_rows;

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
