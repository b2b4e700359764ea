//! A worker that cannot work ends with an error that names what is wrong: the stream, or the lease table.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use kcl::{CallErrorKind, WorkerError};
use testkit::Service;
use testkit::sim::{Fault, Sim};

use super::MINUTE;
use super::lease_table::leave_a_table;
use crate::fleet::{APPLICATION, Checkpoints, Journal, STREAM, put, start, stream, worker};

#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_exist_ends_the_worker_at_once_and_is_named() {
    let sim = Sim::new(3);
    let journal = Journal::default();
    let (_control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let error = running.await.unwrap().unwrap_err();
    assert!(
        matches!(error.error(), WorkerError::Stream { stream, .. } if stream == STREAM),
        "{error}"
    );
    assert!(sim.elapsed() < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_ends_by_itself_reports_its_shards_with_its_error() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let (_control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let places = put(&producer, 0..100).await;
    journal.until("all records", |journal| journal.read() == places).await;
    be_led_by_others(&sim).await;
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error.error(), WorkerError::LedByOthers { .. }), "{error}");
    let report = error.report();
    assert_eq!((report.released.len(), report.abandoned.len()), (2, 0), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_table_that_cannot_be_reached_ends_the_worker_with_its_name() {
    let (sim, _producer) = stream(1);
    sim.faults(|call| {
        if call.service == Service::DynamoDb {
            Fault::RequestLost
        } else {
            Fault::None
        }
    });
    let journal = Journal::default();
    let (_control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let error = running.await.unwrap().unwrap_err();
    assert!(
        matches!(error.error(), WorkerError::LeaseTable { table, .. } if table == APPLICATION),
        "{error}"
    );
    assert!(sim.elapsed() < 2 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn a_worker_starts_once_its_credentials_are_known_and_the_key_of_its_table_can_be_used() {
    for (operation, code) in [
        ("ListShards", "UnrecognizedClientException"),
        ("ListShards", "ExpiredTokenException"),
        ("ListShards", "KMSDisabledException"),
        ("Scan", "KMSAccessDeniedException"),
        ("DescribeTable", "InvalidSignatureException"),
    ] {
        let (sim, producer) = stream(1);
        let calls = AtomicUsize::new(0);
        sim.faults(move |call| {
            let counts = (call.client, call.operation) == ("w1", operation);
            match counts && calls.fetch_add(1, Ordering::SeqCst) < 5 {
                true => Fault::Error {
                    status: 400,
                    code: code.to_owned(),
                    message: "injected".to_owned(),
                },
                false => Fault::None,
            }
        });
        let places = put(&producer, 0..20).await;
        let journal = Journal::default();
        let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
        journal.until(code, |journal| journal.read() == places).await;
        assert!(sim.elapsed() < MINUTE, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_key_stays_disabled_ends_when_its_time_to_start_is_over() {
    let (sim, _producer) = stream(1);
    sim.faults(|call| match call.operation == "ListShards" {
        true => Fault::Error {
            status: 400,
            code: "KMSDisabledException".to_owned(),
            message: "injected".to_owned(),
        },
        false => Fault::None,
    });
    let journal = Journal::default();
    let (_control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let error = running.await.unwrap().unwrap_err();
    let WorkerError::Stream { source, .. } = error.error() else {
        panic!("{error}")
    };
    assert!(matches!(source.kind(), CallErrorKind::Encryption { .. }), "{source}");
    assert!(sim.elapsed() > MINUTE / 2 && sim.elapsed() < 2 * MINUTE);
}

/// A worker of KCL 3.x begins to lead the table.
async fn be_led_by_others(sim: &Sim) {
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let leader = client
        .put_item()
        .table_name(APPLICATION)
        .item("leaseKey", AttributeValue::S("Leader".into()));
    let leader = leader.item("entityType", AttributeValue::S("LEADER".into()));
    leader
        .item("ownerName", AttributeValue::S("java-1".into()))
        .send()
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_table_that_other_workers_lead_is_refused_with_what_was_found() {
    let (sim, _producer) = stream(1);
    let journal = Journal::default();
    leave_a_table(&sim, &journal).await;
    be_led_by_others(&sim).await;
    let (_control, running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error.error(), WorkerError::LedByOthers { .. }), "{error}");
    assert!(
        error.to_string().contains(APPLICATION) && error.to_string().contains("Leader"),
        "{error}"
    );
}

/// A table of this name, with this attribute as its key.
async fn leave_a_table_with_the_key(sim: &Sim, table: &str, key: &str) {
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let attribute = AttributeDefinition::builder().attribute_name(key);
    let schema = KeySchemaElement::builder().attribute_name(key);
    let table = client.create_table().table_name(table);
    table
        .attribute_definitions(attribute.attribute_type(ScalarAttributeType::S).build().unwrap())
        .key_schema(schema.key_type(KeyType::Hash).build().unwrap())
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
}

/// A table of KCL 3.0 to 3.4, with `Migration3.0` in this state.
async fn leave_a_coordinator(sim: &Sim, state: Option<&str>) {
    leave_a_table_with_the_key(sim, COORDINATOR, "key").await;
    tokio::time::sleep(MINUTE).await;
    if let Some(state) = state {
        say_the_state(sim, state).await;
    }
}

async fn say_the_state(sim: &Sim, state: &str) {
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let row = client.put_item().table_name(COORDINATOR);
    let row = row.item("key", AttributeValue::S("Migration3.0".into()));
    let row = row.item("cv", AttributeValue::S(state.into()));
    row.send().await.unwrap();
}

const COORDINATOR: &str = "billing-CoordinatorState";

#[tokio::test(start_paused = true)]
async fn a_fleet_of_kcl_3_that_was_rolled_back_to_2_is_joined() {
    for state in ["CLIENT_VERSION_2X", "CLIENT_VERSION_UPGRADE_FROM_2X"] {
        let (sim, producer) = stream(2);
        leave_a_coordinator(&sim, Some(state)).await;
        let journal = Journal::default();
        let (_control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
        let places = put(&producer, 0..50).await;
        journal.until(state, |journal| journal.read() == places).await;
        tokio::time::sleep(2 * MINUTE).await;
        assert!(!running.is_finished(), "{state}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_table_in_any_other_state_is_refused_with_the_state_and_the_cure() {
    for (state, found, cure) in [
        (None, "nothing in the coordinator table says yet", "delete that table"),
        (Some("CLIENT_VERSION_3X"), "says CLIENT_VERSION_3X;", "go back to 2.x"),
        (
            Some("CLIENT_VERSION_3X_WITH_ROLLBACK"),
            "says CLIENT_VERSION_3X_WITH_ROLLBACK",
            "the KCL's rollback tool",
        ),
        (
            Some("CLIENT_VERSION_4X"),
            "\"CLIENT_VERSION_4X\"",
            "a version of this library",
        ),
    ] {
        let (sim, _producer) = stream(1);
        leave_a_coordinator(&sim, state).await;
        let journal = Journal::default();
        let (_control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
        let ended = tokio::time::timeout(MINUTE, running).await.expect("it ends");
        let error = ended.unwrap().unwrap_err();
        assert!(matches!(error.error(), WorkerError::LedByOthers { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(APPLICATION) && text.contains(found) && text.contains(cure),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_fleet_moves_to_kcl_3_gives_its_leases_back_and_ends() {
    let (sim, producer) = stream(2);
    leave_a_coordinator(&sim, Some("CLIENT_VERSION_2X")).await;
    let journal = Journal::default();
    let (_control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let places = put(&producer, 0..50).await;
    journal.until("all records", |journal| journal.read() == places).await;
    say_the_state(&sim, "CLIENT_VERSION_3X_WITH_ROLLBACK").await;
    let ended = tokio::time::timeout(MINUTE, running).await.expect("it ends");
    let error = ended.unwrap().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("CLIENT_VERSION_3X_WITH_ROLLBACK"), "{text}");
    assert_eq!(error.report().released.len(), 2, "{:?}", error.report());
}

#[tokio::test(start_paused = true)]
async fn a_worker_goes_on_while_the_coordinator_table_cannot_be_read() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let (_control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let mut places = put(&producer, 0..50).await;
    journal.until("all records", |journal| journal.read() == places).await;
    sim.faults(|call| match String::from_utf8_lossy(call.body).contains(COORDINATOR) {
        true => Fault::throttled(),
        false => Fault::None,
    });
    tokio::time::sleep(2 * MINUTE).await;
    places.extend(put(&producer, 50..100).await);
    journal.until("the rest", |journal| journal.read() == places).await;
    assert!(!running.is_finished());
}

#[tokio::test(start_paused = true)]
async fn the_table_of_a_worker_for_several_streams_is_refused() {
    let (sim, _producer) = stream(1);
    let journal = Journal::default();
    leave_a_table(&sim, &journal).await;
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let key = "000000000000:orders:1700000000:shardId-000000000000".to_owned();
    let lease = client
        .put_item()
        .table_name(APPLICATION)
        .item("leaseKey", AttributeValue::S(key));
    let lease = lease.item("leaseCounter", AttributeValue::N("1".into()));
    let lease = lease.item("checkpoint", AttributeValue::S("TRIM_HORIZON".into()));
    lease
        .item("streamName", AttributeValue::S("000000000000:orders:1700000000".into()))
        .send()
        .await
        .unwrap();
    let (_control, running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error.error(), WorkerError::LedByOthers { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_table_of_another_program_is_refused_with_the_name_of_its_key() {
    let (sim, _producer) = stream(1);
    leave_a_table_with_the_key(&sim, APPLICATION, "ShardID").await;
    let journal = Journal::default();
    let (_control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let error = running.await.unwrap().unwrap_err();
    assert!(
        matches!(error.error(), WorkerError::NotALeaseTable { table, key } if table == APPLICATION && key == "ShardID"),
        "{error}"
    );
    assert!(
        error.to_string().contains("its key is ShardID, not leaseKey"),
        "{error}"
    );
    assert!(sim.elapsed() < Duration::from_secs(5));
}
