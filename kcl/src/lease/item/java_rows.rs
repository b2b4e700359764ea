//! The rows of real Java KCLs, read and written.

#![expect(clippy::wildcard_enum_match_arm, reason = "enums of serde_json and of the SDK")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

/// Recorded from Java KCLs 2.5.8, 2.7.2, 3.4.2 and 3.5.1; its README says how.
const ROWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rows");

#[test]
fn every_row_of_every_java_version_is_a_lease_or_of_a_known_kind() {
    for recorded in recorded_rows() {
        match decode(recorded.item.clone()) {
            Row::Lease(_) => assert!(recorded.key().starts_with("shardId-"), "{recorded:?}"),
            Row::Foreign(kind, _) => assert_eq!(Some(kind), kind_of_key(&recorded), "{recorded:?}"),
            Row::Hole(hole) => panic!("{hole:?}: {recorded:?}"),
        }
    }
}

#[test]
fn every_java_row_is_written_as_it_was_read() {
    let rows = recorded_rows();
    assert!(rows.len() > 300, "{}", rows.len());
    for recorded in rows {
        let written = match decode(recorded.item.clone()) {
            Row::Lease(lease) => encode(&lease, EntityTypes::AsRead),
            Row::Foreign(_, others) => others
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            Row::Hole(hole) => panic!("{hole:?}: {recorded:?}"),
        };
        assert_eq!(
            canonical(written),
            canonical(recorded.item),
            "{}",
            recorded.file.display()
        );
    }
}

#[test]
fn the_recordings_hold_every_state_of_a_lease() {
    let leases: Vec<_> = recorded_rows()
        .iter()
        .filter_map(|recorded| lease(&recorded.item))
        .collect();
    assert!(leases.len() > 200, "{}", leases.len());
    for (state, holds) in [
        ("unowned", (|lease| lease.owner.is_none()) as fn(&Lease) -> bool),
        ("owned", |lease| {
            lease.owner.is_some() && lease.checkpoint_owner.is_none()
        }),
        ("handed over", |lease| lease.checkpoint_owner.is_some()),
        ("switched", |lease| lease.owner_switches > 0),
        ("read", |lease| matches!(lease.checkpoint, Some(Position::At(_)))),
        ("finished, with children", |lease| {
            lease.is_finished() && lease.children.len() == 2
        }),
        ("split", |lease| lease.parents.len() == 1),
        ("merged", |lease| lease.parents.len() == 2),
    ] {
        assert!(leases.iter().any(holds), "no lease is {state}");
    }
}

#[test]
fn a_created_row_is_attribute_for_attribute_the_javas() {
    for (version, types) in [
        ("2.7.2", EntityTypes::AsRead),
        ("3.4.2", EntityTypes::AsRead),
        ("3.5.1", EntityTypes::Written),
    ] {
        let requests = fs::read_to_string(Path::new(ROWS).join(version).join("dynamodb-requests.txt")).unwrap();
        let javas: BTreeSet<_> = requests.lines().filter_map(created_lease).collect();
        let ours: BTreeSet<_> = [&[][..], &["shardId-000000000001"]]
            .map(|parents| shape(&encode(&fresh_lease(parents), types)))
            .into();
        assert_eq!(ours, javas, "{version}");
    }
}

#[test]
fn a_created_row_has_the_very_values_of_the_javas() {
    let recording = json(&Path::new(ROWS).join("2.5.8/stages-and-requests.json"));
    let shapes = recording["dynamodb_request_shapes"].as_array().unwrap();
    let mut compared = 0;
    for shape in shapes
        .iter()
        .filter(|shape| shape["shape"].as_str().unwrap().starts_with("PutItem"))
    {
        let java = item(&shape["example_request"]["Item"]);
        let lease = lease(&java).unwrap();
        assert_eq!(canonical(encode(&lease, EntityTypes::AsRead)), canonical(java));
        compared += 1;
    }
    assert_eq!(compared, 2);
}

#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) file: PathBuf,
    pub(crate) item: Item,
}

impl Recorded {
    /// The key, under whichever name: older tables of workers and coordinators have their own.
    pub(crate) fn key(&self) -> &str {
        ["leaseKey", "key", "wid"]
            .iter()
            .find_map(|name| self.item.get(*name))
            .unwrap()
            .as_s()
            .unwrap()
    }
}

fn kind_of_key(recorded: &Recorded) -> Option<ForeignKind> {
    match recorded.key() {
        "Leader" => Some(ForeignKind::Leader),
        "Migration3.0" => Some(ForeignKind::ClientVersionMigration),
        "TableMigration3.5" => Some(ForeignKind::TableMigration),
        key if key.starts_with(['w', 'x']) => Some(ForeignKind::WorkerMetrics),
        _ => None,
    }
}

/// All rows of all files. Rows stand in tables' `items` and `plain`, and in states' `row` and `old`.
pub(crate) fn recorded_rows() -> Vec<Recorded> {
    let mut rows = Vec::new();
    for version in fs::read_dir(ROWS)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
    {
        for file in fs::read_dir(version).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|extension| extension == "json") {
                collect_rows(&json(&file), &file, &mut rows);
            }
        }
    }
    rows
}

fn collect_rows(value: &Value, file: &Path, rows: &mut Vec<Recorded>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("items" | "plain", Value::Array(items)) => {
                        rows.extend(items.iter().map(|row| recorded(row, file)))
                    }
                    ("row" | "old", Value::Object(_)) => rows.push(recorded(value, file)),
                    _ => collect_rows(value, file, rows),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_rows(value, file, rows)),
        _ => {}
    }
}

fn recorded(row: &Value, file: &Path) -> Recorded {
    Recorded {
        file: file.to_owned(),
        item: item(row),
    }
}

fn item(row: &Value) -> Item {
    row.as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), attribute_value(value)))
        .collect()
}

/// Reads DynamoDB's JSON, `{"S": "a"}`, and the plain one of the states, `"a"`.
fn attribute_value(value: &Value) -> AttributeValue {
    match value {
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_string) => AttributeValue::Ss(texts(list)),
        Value::Array(list) => AttributeValue::L(list.iter().map(attribute_value).collect()),
        Value::Object(fields) => typed_value(fields).unwrap_or_else(|| AttributeValue::M(item(value))),
        Value::Bool(_) | Value::Null => panic!("{value} is in no recording"),
    }
}

fn typed_value(fields: &serde_json::Map<String, Value>) -> Option<AttributeValue> {
    let (tag, value) = fields.iter().next().filter(|_| fields.len() == 1)?;
    Some(match (tag.as_str(), value) {
        ("S", Value::String(text)) => AttributeValue::S(text.clone()),
        ("N", Value::String(digits)) => AttributeValue::N(digits.clone()),
        ("SS", Value::Array(list)) => AttributeValue::Ss(texts(list)),
        ("L", Value::Array(list)) => AttributeValue::L(list.iter().map(attribute_value).collect()),
        ("M", Value::Object(_)) => AttributeValue::M(item(value)),
        _ => return None,
    })
}

fn texts(list: &[Value]) -> Vec<String> {
    list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn json(file: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn lease(item: &Item) -> Option<Lease> {
    match decode(item.clone()) {
        Row::Lease(lease) => Some(lease),
        Row::Foreign(..) | Row::Hole(_) => None,
    }
}

/// Sets have no order.
pub(crate) fn canonical(item: Item) -> BTreeMap<String, AttributeValue> {
    item.into_iter()
        .map(|(name, value)| match value {
            AttributeValue::Ss(mut texts) => {
                texts.sort();
                (name, AttributeValue::Ss(texts))
            }
            other => (name, other),
        })
        .collect()
}

fn fresh_lease(parents: &[&str]) -> Lease {
    let mut lease = Lease::of_orders("shardId-000000000004", Position::TrimHorizon);
    lease.parents = parents.iter().map(|id| ShardId::new(id)).collect();
    lease.range = Some(HashKeyRange::FULL);
    lease
}

/// The lease that a recorded request creates: its line is `count PutItem status {request}`.
fn created_lease(line: &str) -> Option<BTreeSet<String>> {
    let request = line.split_once("PutItem 200")?.1.trim();
    let put = item(&serde_json::from_str::<Value>(request).unwrap()["Item"]);
    put.contains_key("leaseCounter").then(|| shape(&put))
}

/// Names and types, and the values that the recorded requests did not replace by placeholders.
fn shape(item: &Item) -> BTreeSet<String> {
    let describe = |(name, value): (&String, &AttributeValue)| match (name.as_str(), value) {
        ("checkpoint" | "entityType", AttributeValue::S(text)) => format!("{name} S {text}"),
        (_, AttributeValue::S(_)) => format!("{name} S"),
        (_, AttributeValue::N(_)) => format!("{name} N"),
        (_, AttributeValue::Ss(texts)) => format!("{name} SS of {}", texts.len()),
        (_, other) => format!("{name} {other:?}"),
    };
    item.iter().map(describe).collect()
}
