//! The policies in the page of permissions are enough for a fleet, and what the page says of each action that is missing is so.

use std::collections::BTreeSet;

use kcl::{BillingMode, CallErrorKind, Degraded, RunError, WorkerError};
use serde_json::Value;
use testkit::Service;
use testkit::sim::{CallInfo, Fault, Sim};

use super::MINUTE;
use super::log::{capture, lines};
use crate::fleet::{APPLICATION, Checkpoints, Journal, STREAM, put, split, start, stream, worker};
use crate::permissions::{Grant, grants};

const PAGE: &str = include_str!("../../kcl/PERMISSIONS.md");

/// The policies of the page: for a fleet, and for a fleet whose table is there.
fn page() -> (BTreeSet<Grant>, BTreeSet<Grant>) {
    let [all, table_exists, _] = policies();
    (all, table_exists)
}

/// Those of the page, the options of the table among them, but for what is around the fleet.
fn policies() -> [BTreeSet<Grant>; 3] {
    let policies = grants(PAGE);
    let [all, table_exists, options, around @ ..] = policies.as_slice() else {
        panic!("{policies:?}");
    };
    let around: Vec<_> = around.iter().flatten().map(|(action, _)| action).collect();
    assert_eq!(around, ["kms:Decrypt", "cloudwatch:PutMetricData"]);
    [all.clone(), table_exists.clone(), options.clone()]
}

/// What a policy has to allow for this call: for the creation of a table with tags, to tag it too.
fn needed(call: &CallInfo<'_>) -> Vec<Grant> {
    let (action, resource) = called(call);
    let body: Value = serde_json::from_slice(call.body).unwrap();
    let tags = (call.operation == "CreateTable" && body.get("Tags").is_some())
        .then(|| ("dynamodb:TagResource".to_owned(), resource.clone()));
    std::iter::once((action, resource)).chain(tags).collect()
}

fn called(call: &CallInfo<'_>) -> Grant {
    let body: Value = serde_json::from_slice(call.body).unwrap();
    let operation = call.operation;
    match call.service {
        Service::Kinesis => {
            let stream = body.get("StreamName").and_then(Value::as_str).unwrap_or(STREAM);
            let resource = format!("arn:aws:kinesis:eu-central-1:123456789012:stream/{stream}");
            (format!("kinesis:{operation}"), resource)
        }
        Service::DynamoDb => {
            let table = body["TableName"].as_str().unwrap();
            let resource = format!("arn:aws:dynamodb:eu-central-1:123456789012:table/{table}");
            (format!("dynamodb:{operation}"), resource)
        }
        Service::CloudWatch => panic!("a worker calls no CloudWatch"),
    }
}

/// Denies the workers everything else.
fn allow(sim: &Sim, policy: &BTreeSet<Grant>) {
    let policy = policy.clone();
    sim.faults(move |call| {
        match call.client.starts_with('w') && !needed(call).iter().all(|grant| policy.contains(grant)) {
            true => Fault::access_denied(),
            false => Fault::None,
        }
    });
}

/// How many of the records were read.
#[derive(Debug, PartialEq, Eq)]
enum ReadRecords {
    None,
    Some,
    /// Those of the children of a split too.
    All,
}

/// What became of a fleet.
#[derive(Debug)]
struct Outcome {
    read: ReadRecords,
    /// The error of a worker that could not start.
    error: Option<RunError>,
}

/// Two workers read a stream across a split, with this policy.
async fn consume(sim: &Sim, producer: &kpl::Producer, policy: &BTreeSet<Grant>) -> Outcome {
    allow(sim, policy);
    let journal = Journal::default();
    let mut places = put(producer, 0..100).await;
    let (_first, one) = start(worker(sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let (_second, two) = start(worker(sim, "w2", &journal, Checkpoints::AfterEachBatch));
    tokio::time::sleep(MINUTE).await;
    split(sim, "shardId-000000000000", 1u128 << 126).await;
    places.extend(put(producer, 100..200).await);
    tokio::time::sleep(2 * MINUTE).await;
    let error = match one.is_finished() {
        true => one.await.unwrap().err(),
        false => {
            one.abort();
            None
        }
    };
    two.abort();
    Outcome {
        read: match journal.read() {
            read if read.is_superset(&places) => ReadRecords::All,
            read if read.is_empty() => ReadRecords::None,
            _ => ReadRecords::Some,
        },
        error,
    }
}

/// What becomes of a fleet from whose policy `action` on `resource` is taken away.
async fn without(action: &str, resource: &str) -> Outcome {
    let (mut policy, _) = page();
    policy.retain(|(named, on)| !(named == action && on.ends_with(resource)));
    assert_eq!(policy.len(), page().0.len() - 1, "{action} on {resource}");
    let (sim, producer) = stream(2);
    consume(&sim, &producer, &policy).await
}

/// The operation that was denied to a worker which therefore ended.
fn denied(outcome: &Outcome) -> Option<String> {
    let error = outcome.error.as_ref()?.error();
    let (kind, words) = if let WorkerError::Stream { source, .. } = error {
        (source.kind(), source.to_string())
    } else if let WorkerError::LeaseTable { source, .. } = error {
        (source.kind(), source.to_string())
    } else {
        panic!("{error:?}");
    };
    assert!(matches!(kind, CallErrorKind::Denied { .. }), "{words}");
    words.split(' ').next().map(str::to_owned)
}

const TABLE: &str = "table/billing";
const COORDINATOR: &str = "table/billing-CoordinatorState";

#[tokio::test(start_paused = true)]
async fn a_fleet_needs_no_more_than_the_policy_of_the_page() {
    let (policy, _) = page();
    let (sim, producer) = stream(2);
    let outcome = consume(&sim, &producer, &policy).await;
    assert!(
        outcome.read == ReadRecords::All && outcome.error.is_none(),
        "{outcome:?}"
    );
    let called: BTreeSet<String> = sim
        .calls()
        .iter()
        .filter(|call| call.client.starts_with('w'))
        .map(|call| call.operation.clone())
        .collect();
    let named: BTreeSet<String> = policy
        .iter()
        .map(|(action, _)| action.split(':').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(called, named, "each action of the policy was called");
    assert_eq!(APPLICATION, "billing");
}

#[tokio::test(start_paused = true)]
async fn a_fleet_whose_table_exists_needs_no_more_than_the_policy_without_create_table() {
    let (all, table_exists) = page();
    let create_table = all.difference(&table_exists).map(|(action, _)| action);
    assert_eq!(create_table.collect::<Vec<_>>(), ["dynamodb:CreateTable"]);
    assert!(table_exists.is_subset(&all));
    let (sim, producer) = stream(2);
    super::lease_table::leave_a_table(&sim, &Journal::default()).await;
    let outcome = consume(&sim, &producer, &table_exists).await;
    assert!(
        outcome.read == ReadRecords::All && outcome.error.is_none(),
        "{outcome:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_options_of_the_table_need_the_actions_that_the_page_adds_for_them() {
    let [all, _, options] = policies();
    let with_options = |sim: &Sim| {
        let builder = worker(sim, "w1", &Journal::default(), Checkpoints::AfterEachBatch);
        builder
            .point_in_time_recovery()
            .deletion_protection()
            .billing_mode(BillingMode::Provisioned { read: 5, write: 5 })
            .tag("team", "billing")
    };
    let (sim, _producer) = stream(1);
    let allowed: BTreeSet<Grant> = all.union(&options).cloned().collect();
    allow(&sim, &allowed);
    let (control, _running) = start(with_options(&sim));
    assert!(control.ready().await);
    for (missing, operation) in [
        ("dynamodb:UpdateContinuousBackups", "UpdateContinuousBackups"),
        ("dynamodb:TagResource", "CreateTable"),
    ] {
        let (sim, _producer) = stream(1);
        let mut allowed = allowed.clone();
        allowed.retain(|(action, _)| action != missing);
        allow(&sim, &allowed);
        let (_control, running) = start(with_options(&sim));
        let ended = tokio::time::timeout(MINUTE, running).await.expect(missing);
        let error = Some(ended.unwrap().unwrap_err());
        let read = ReadRecords::None;
        assert_eq!(
            denied(&Outcome { read, error }).as_deref(),
            Some(operation),
            "{missing}"
        );
    }
    assert_eq!(options.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_lacks_what_its_start_needs_ends_and_names_the_operation() {
    for (action, resource) in [
        ("kinesis:ListShards", "stream/orders"),
        ("dynamodb:CreateTable", TABLE),
        ("dynamodb:DescribeTable", TABLE),
        ("dynamodb:Scan", TABLE),
        ("dynamodb:PutItem", TABLE),
    ] {
        let outcome = without(action, resource).await;
        assert_eq!(outcome.read, ReadRecords::None, "{action}");
        let operation = action.split(':').nth(1).map(str::to_owned);
        assert_eq!(denied(&outcome), operation, "{action}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_goes_on_without_what_only_recognises_others_and_warns() {
    for (action, resource, warning) in [
        (
            "kinesis:DescribeStreamSummary",
            "stream/orders",
            "a stream that is deleted and created again is not noticed",
        ),
        (
            "dynamodb:GetItem",
            COORDINATOR,
            "cannot tell whether workers of KCL 3.0 to 3.4 lead this application",
        ),
    ] {
        capture();
        let outcome = without(action, resource).await;
        assert!(
            outcome.read == ReadRecords::All && outcome.error.is_none(),
            "{action}: {outcome:?}"
        );
        assert!(!lines(warning).is_empty(), "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_may_not_read_or_write_leases_runs_and_warns() {
    for (action, resource, warning, read) in [
        (
            "kinesis:GetShardIterator",
            "stream/orders",
            "read failed",
            ReadRecords::None,
        ),
        ("kinesis:GetRecords", "stream/orders", "read failed", ReadRecords::None),
        ("dynamodb:UpdateItem", TABLE, "lease write failed", ReadRecords::None),
        ("dynamodb:GetItem", TABLE, "lease table unavailable", ReadRecords::Some),
    ] {
        capture();
        let outcome = without(action, resource).await;
        assert!(outcome.error.is_none(), "{action}: {outcome:?}");
        assert_eq!(outcome.read, read, "{action}");
        let warnings = lines(warning);
        assert!(
            warnings.iter().any(|line| line.contains("AccessDenied")),
            "{action}: {warnings:?}"
        );
        assert!(PAGE.contains(&format!("`{warning}`")), "{warning}");
    }
}

/// The permission is taken away from a worker that runs, and given back.
#[tokio::test(start_paused = true)]
async fn a_worker_that_runs_goes_on_by_itself_once_its_policy_is_corrected() {
    let (all, _) = page();
    for (action, warning) in [
        ("dynamodb:Scan", "lease table unavailable"),
        ("dynamodb:PutItem", "children not leased yet"),
        ("dynamodb:UpdateItem", "lease write failed"),
        ("kinesis:GetRecords", "read failed"),
    ] {
        capture();
        let (sim, producer) = stream(1);
        let journal = Journal::default();
        let mut places = put(&producer, 0..50).await;
        let (control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
        journal.until("all records", |journal| journal.read() == places).await;
        let mut denied = all.clone();
        denied.retain(|(named, _)| named != action);
        allow(&sim, &denied);
        split(&sim, "shardId-000000000000", 1u128 << 127).await;
        tokio::time::sleep(2 * MINUTE).await;
        assert!(!running.is_finished() && control.health().is_live(), "{action}");
        let degraded = control.health().degraded;
        let is_told = match action {
            "dynamodb:Scan" | "dynamodb:UpdateItem" => matches!(degraded[..], [Degraded::LeaseTable { .. }]),
            "kinesis:GetRecords" => matches!(degraded[..], [Degraded::ReadsFail { .. }]),
            _ => degraded.is_empty(),
        };
        assert!(is_told, "{action}: {degraded:?}");
        assert!(!lines(warning).is_empty(), "{action}");
        assert!(PAGE.contains(&format!("`{warning}`")), "{warning}");
        allow(&sim, &all);
        places.extend(put(&producer, 50..100).await);
        journal
            .until("the rest", |journal| journal.read().is_superset(&places))
            .await;
        running.abort();
    }
}
