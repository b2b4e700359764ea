//! The lease table as infrastructure code is the one that a worker creates.

use serde_json::Value;
use testkit::sim::Sim;

use crate::fleet::{Checkpoints, Journal, start, stream, worker};

const CLOUD_FORMATION: &str = include_str!("../../kcl/deploy/lease-table.yaml");
const TERRAFORM: &str = include_str!("../../kcl/deploy/lease-table.tf");

/// The request by which a worker creates its table.
async fn create_table(sim: &Sim) -> Value {
    let (control, _running) = start(worker(sim, "w1", &Journal::default(), Checkpoints::Never));
    assert!(control.ready().await);
    let calls = sim.calls();
    let created: Vec<_> = calls.iter().filter(|call| call.operation == "CreateTable").collect();
    let [created] = created[..] else { panic!("{created:?}") };
    serde_json::from_str(&created.request.to_string()).unwrap()
}

/// Writes a value in block style, each line behind `indent` blanks.
fn yaml(value: &Value, indent: usize, lines: &mut Vec<String>) {
    let margin = " ".repeat(indent);
    for (name, field) in value.as_object().into_iter().flatten() {
        if let Value::String(text) = field {
            lines.push(format!("{margin}{name}: {text}"));
        } else {
            lines.push(format!("{margin}{name}:"));
            yaml(field, indent + 2, lines);
        }
    }
    for item in value.as_array().into_iter().flatten() {
        let first = lines.len();
        yaml(item, indent + 2, lines);
        lines[first].replace_range(indent..=indent, "-");
    }
}

/// The value of the key with this role in a key schema.
fn key<'a>(schema: &'a Value, role: &str) -> Option<&'a str> {
    let mut keys = schema.as_array().unwrap().iter();
    keys.find(|key| key["KeyType"] == role)?["AttributeName"].as_str()
}

/// A file without its blanks and comments, as `name=value` and the braces of blocks.
fn squeezed(terraform: &str) -> Vec<String> {
    let lines = terraform.lines().filter_map(|line| line.split('#').next());
    let lines = lines.map(|line| line.split_whitespace().collect::<String>());
    lines.filter(|line| !line.is_empty()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_template_of_cloud_formation_creates_the_table_that_a_worker_creates() {
    let (sim, _producer) = stream(1);
    let mut created = create_table(&sim).await;
    let fields = created.as_object_mut().unwrap();
    assert_eq!(fields.remove("TableName").unwrap(), "billing");
    assert_eq!(fields.remove("DeletionProtectionEnabled").unwrap(), false);
    let mut lines = vec!["      TableName: !Ref Application".to_owned()];
    yaml(&created, 6, &mut lines);
    let (_, properties) = CLOUD_FORMATION.split_once("    Properties:\n").unwrap();
    let (properties, protection) = properties
        .split_once("      # A worker sets neither of these by default.\n")
        .unwrap();
    assert_eq!(properties.lines().collect::<Vec<_>>(), lines);
    let names = protection
        .lines()
        .filter(|line| line.starts_with("      ") && !line.starts_with("       "));
    let names: Vec<_> = names.filter_map(|line| line.trim().split(':').next()).collect();
    assert_eq!(names, ["DeletionProtectionEnabled", "PointInTimeRecoverySpecification"]);
}

#[tokio::test(start_paused = true)]
async fn the_module_of_terraform_creates_the_table_that_a_worker_creates() {
    let (sim, _producer) = stream(1);
    let created = create_table(&sim).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut expected = vec![
        r#"resource"aws_dynamodb_table""leases"{"#.to_owned(),
        "name=var.application".to_owned(),
        format!("billing_mode={}", created["BillingMode"]),
        format!("hash_key=\"{}\"", key(&created["KeySchema"], "HASH").unwrap()),
    ];
    assert_eq!(key(&created["KeySchema"], "RANGE"), None);
    for attribute in created["AttributeDefinitions"].as_array().unwrap() {
        let name = format!("name={}", attribute["AttributeName"]);
        let of_type = format!("type={}", attribute["AttributeType"]);
        expected.extend(["attribute{".to_owned(), name, of_type, "}".to_owned()]);
    }
    for index in created["GlobalSecondaryIndexes"].as_array().unwrap() {
        let keys = |role| key(&index["KeySchema"], role).unwrap();
        expected.extend([
            "global_secondary_index{".to_owned(),
            format!("name=\"{}\"", text(&index["IndexName"])),
            format!("hash_key=\"{}\"", keys("HASH")),
            format!("range_key=\"{}\"", keys("RANGE")),
            format!("projection_type={}", index["Projection"]["ProjectionType"]),
            "}".to_owned(),
        ]);
    }
    let protection = [
        "deletion_protection_enabled=true",
        "point_in_time_recovery{",
        "enabled=true",
        "}",
        "}",
    ];
    expected.extend(protection.map(str::to_owned));
    let lines = squeezed(TERRAFORM);
    let begin = lines.iter().position(|line| line.starts_with("resource")).unwrap();
    assert_eq!(lines[begin..], expected);
}
