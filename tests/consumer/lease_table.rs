//! The lease table as others find it: as the Java KCL writes it, and with a row in it that nobody can read.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate};
use testkit::sim::{Fault, Sim};

use super::MINUTE;
use super::log::{capture, lines};
use crate::fleet::{APPLICATION, Checkpoints, Journal, put, split, start, stream, worker};

type Row = std::collections::BTreeMap<String, AttributeValue>;

/// The rows of the lease table that hold leases, in the order of their keys.
pub(super) async fn lease_rows(sim: &Sim) -> Vec<Row> {
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let scan = client.scan().table_name(APPLICATION).send().await.unwrap();
    let mut rows: Vec<Row> = scan
        .items()
        .iter()
        .filter(|row| row.contains_key("leaseCounter"))
        .map(|row| row.clone().into_iter().collect())
        .collect();
    rows.sort_by_key(|row| row["leaseKey"].as_s().unwrap().clone());
    rows
}

/// A worker that comes, creates the table, and goes.
pub(super) async fn leave_a_table(sim: &Sim, journal: &Journal) {
    let (control, running) = start(worker(sim, "w1", journal, Checkpoints::AfterEachBatch));
    tokio::time::sleep(MINUTE).await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_table_and_its_rows_are_those_of_the_java_kcl() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let places = put(&producer, 0..20).await;
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    journal.until("all records", |journal| journal.read() == places).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let table = client
        .describe_table()
        .table_name(APPLICATION)
        .send()
        .await
        .unwrap()
        .table
        .unwrap();
    let index = &table.global_secondary_indexes()[0];
    assert_eq!(index.index_name(), Some("LeaseOwnerToLeaseKeyIndex"));
    let rows = lease_rows(&sim).await;
    let names: Vec<&str> = rows[0].keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "checkpoint",
            "checkpointSubSequenceNumber",
            "endingHashKey",
            "entityType",
            "leaseCounter",
            "leaseKey",
            "leaseOwner",
            "ownerSwitchesSinceCheckpoint",
            "startingHashKey",
            // Ours; a KCL in Java keeps what it does not know.
            "streamArn",
            "streamCreated",
            "tokenBase",
        ]
    );
    assert_eq!(
        rows[1]["startingHashKey"],
        AttributeValue::S((1u128 << 127).to_string())
    );
    assert_eq!(rows[1]["endingHashKey"], AttributeValue::S(u128::MAX.to_string()));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_stops_nothing_else() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    leave_a_table(&sim, &journal).await;
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let damaged = client
        .put_item()
        .table_name(APPLICATION)
        .item("leaseKey", AttributeValue::S("damaged".into()));
    damaged
        .item("leaseCounter", AttributeValue::S("not a number".into()))
        .send()
        .await
        .unwrap();
    let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    let places = put(&producer, 0..50).await;
    journal.until("all records", |journal| journal.read() == places).await;
}

#[tokio::test(start_paused = true)]
async fn rows_with_null_in_the_place_of_owner_and_checkpoint_are_read_from_the_configured_position() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    leave_a_table(&sim, &journal).await;
    let places = put(&producer, 0..50).await;
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let mut row = lease_rows(&sim).await.remove(0);
    row.insert("checkpointOwner".into(), AttributeValue::Null(true));
    row.insert("checkpoint".into(), AttributeValue::Null(true));
    row.insert("checkpointSubSequenceNumber".into(), AttributeValue::Null(true));
    let edited = client.put_item().table_name(APPLICATION);
    let edited = edited.set_item(Some(row.into_iter().collect()));
    edited.send().await.unwrap();
    let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    journal.until("all records", |journal| journal.read() == places).await;
}

async fn put_row(sim: &Sim, row: Row) {
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let put = client.put_item().table_name(APPLICATION);
    put.set_item(Some(row.into_iter().collect())).send().await.unwrap();
}

/// Deletes the index by owner, which keeps rows from having other owners than names.
async fn delete_the_index(sim: &Sim) {
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let index = DeleteGlobalSecondaryIndexAction::builder().index_name("LeaseOwnerToLeaseKeyIndex");
    let delete = GlobalSecondaryIndexUpdate::builder().delete(index.build().unwrap());
    let update = client.update_table().table_name(APPLICATION);
    let update = update.global_secondary_index_updates(delete.build());
    update.send().await.unwrap();
    tokio::time::sleep(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_row_whose_owner_is_null_or_empty_is_one_that_nobody_owns() {
    for owner in [AttributeValue::Null(true), AttributeValue::S(String::new())] {
        let (sim, producer) = stream(1);
        let journal = Journal::default();
        leave_a_table(&sim, &journal).await;
        delete_the_index(&sim).await;
        let places = put(&producer, 0..50).await;
        let mut row = lease_rows(&sim).await.remove(0);
        row.insert("leaseOwner".into(), owner);
        put_row(&sim, row).await;
        let begun = sim.elapsed();
        let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
        journal.until("all records", |journal| journal.read() == places).await;
        assert!(sim.elapsed() - begun < Duration::from_secs(5), "it is taken at once");
        let rows = lease_rows(&sim).await;
        assert_eq!(rows[0]["leaseOwner"], AttributeValue::S("w2".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_whose_row_names_its_parents_by_another_attribute_waits_for_them() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    leave_a_table(&sim, &journal).await;
    let mut places = put(&producer, 0..50).await;
    split(&sim, "shardId-000000000000", 1u128 << 127).await;
    places.extend(put(&producer, 50..100).await);
    let parents = [
        AttributeValue::Ss(vec!["shardId-000000000000".into()]),
        AttributeValue::L(vec![AttributeValue::S("shardId-000000000000".into())]),
    ];
    for (child, parents) in ["shardId-000000000001", "shardId-000000000002"]
        .into_iter()
        .zip(parents)
    {
        let row = [
            ("leaseKey", AttributeValue::S(child.into())),
            ("leaseCounter", AttributeValue::N("0".into())),
            ("checkpoint", AttributeValue::S("TRIM_HORIZON".into())),
            ("parentShardIds", parents),
        ];
        put_row(&sim, row.map(|(name, value)| (name.to_owned(), value)).into()).await;
    }
    let slow = sim.now() + MINUTE;
    sim.faults(move |call| {
        let of_parent = String::from_utf8_lossy(call.body).contains("shardId-000000000000");
        match call.operation == "GetShardIterator" && of_parent && call.now < slow {
            true => Fault::throttled(),
            false => Fault::None,
        }
    });
    let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    journal
        .until("all records", |journal| journal.read().is_superset(&places))
        .await;
    for child in ["01", "02"] {
        journal.assert_parent_before_child("00", child);
    }
}

/// Makes the row of the first shard's lease unreadable.
pub(super) async fn damage_the_first_row(sim: &Sim) {
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let damage = client.update_item().table_name(APPLICATION);
    let damage = damage.key("leaseKey", AttributeValue::S("shardId-000000000000".into()));
    let damage = damage.update_expression("SET leaseCounter = :text");
    let damage = damage.expression_attribute_values(":text", AttributeValue::S("not a number".into()));
    damage.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_child_waits_for_a_parent_whose_row_cannot_be_read_until_the_parent_has_left_the_stream() {
    capture();
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    leave_a_table(&sim, &journal).await;
    split(&sim, "shardId-000000000000", 1u128 << 127).await;
    let (control, running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    journal.until("the end of the parent", Journal::has_ended_a_shard).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    damage_the_first_row(&sim).await;
    // The service lists a closed shard for as long as it keeps its records: a day.
    tokio::time::sleep(24 * 60 * MINUTE - 10 * MINUTE).await;

    let (_control, _running) = start(worker(&sim, "w3", &journal, Checkpoints::AfterEachBatch));
    let early = put(&producer, 0..50).await;
    tokio::time::sleep(MINUTE).await;
    assert!(
        journal.read().is_disjoint(&early),
        "the parent may have records that nobody has read"
    );
    let causes = lines("shard waits for a parent whose lease is unreadable");
    let [of_first, of_second] = &causes[..] else {
        panic!("once for each child: {causes:#?}")
    };
    for line in [of_first, of_second] {
        assert!(
            line.contains("parent=\"shardId-000000000000\"") && line.contains("leaseCounter"),
            "{line}"
        );
    }
    tokio::time::sleep(10 * MINUTE).await;
    journal
        .until("all records", |journal| early.is_subset(&journal.read()))
        .await;
}
