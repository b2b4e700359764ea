//! Each open shard is read some day, whatever happens to the lease table.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use kcl::event::{LeaseEvent, WorkerEvent};
use kcl::{Coordination, CreateTable, Degraded, Event, WorkerBuilder, WorkerError};
use testkit::sim::{Fault, Sim};

use super::MINUTE;
use super::lease_table::lease_rows;
use crate::fleet::{APPLICATION, Checkpoints, Journal, put, start, stream, worker};

const BOTH_RULES: [Coordination; 2] = [Coordination::Kcl2, Coordination::Kcl3];

/// What the audit of a worker told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Event>>>);

impl Told {
    fn listen(&self, builder: WorkerBuilder) -> WorkerBuilder {
        let told = Arc::clone(&self.0);
        builder.on_event(move |event| told.lock().unwrap().push(event.clone()))
    }

    /// The shards that no lease led to.
    fn uncovered(&self) -> Vec<String> {
        let told = self.0.lock().unwrap();
        let shards = told.iter().filter_map(|event| {
            let Event::Lease(LeaseEvent::NotCovered { shard, .. }) = event else {
                return None;
            };
            Some(shard.to_string())
        });
        shards.collect()
    }

    fn failed_audits(&self) -> usize {
        let told = self.0.lock().unwrap();
        let is_failure = |event: &&Event| matches!(event, Event::Worker(WorkerEvent::AuditFailed { .. }));
        told.iter().filter(is_failure).count()
    }
}

fn operator(sim: &Sim) -> Client {
    Client::new(&sim.client("operator"))
}

fn one(sim: &Sim, journal: &Journal) -> WorkerBuilder {
    worker(sim, "w1", journal, Checkpoints::AfterEachBatch)
}

async fn delete_row(sim: &Sim, key: &str) {
    let delete = operator(sim).delete_item().table_name(APPLICATION);
    let delete = delete.key("leaseKey", AttributeValue::S(key.to_owned()));
    delete.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_lease_that_nobody_holds_and_somebody_deletes_is_there_again_within_two_minutes() {
    for rule in BOTH_RULES {
        let (sim, producer) = stream(2);
        let (journal, told) = (Journal::default(), Told::default());
        // One of the two shards has no reader.
        let builder = told.listen(one(&sim, &journal).max_leases(1).coordination(rule));
        let (control, _running) = start(builder);
        assert!(control.ready().await);
        tokio::time::sleep(MINUTE / 2).await;
        let read = control.shards();
        let unread = ["shardId-000000000000", "shardId-000000000001"].into_iter();
        let mut unread = unread.filter(|id| read.iter().all(|status| status.shard.shard.as_str() != *id));
        let unread = unread.next().unwrap();
        delete_row(&sim, unread).await;
        put(&producer, 0..10).await;
        tokio::time::sleep(2 * MINUTE).await;
        let keys: Vec<_> = lease_rows(&sim)
            .await
            .iter()
            .map(|row| row["leaseKey"].as_s().unwrap().clone())
            .collect();
        assert_eq!(keys, ["shardId-000000000000", "shardId-000000000001"], "{rule:?}");
        assert_eq!(told.uncovered(), [unread], "{rule:?}");
        assert_eq!(control.health().degraded, [], "{rule:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_shards_that_fails_shows_no_hole() {
    let (sim, _producer) = stream(2);
    let told = Told::default();
    let (control, _running) = start(told.listen(one(&sim, &Journal::default())));
    assert!(control.ready().await);
    sim.faults(|call| match call.operation {
        "ListShards" => Fault::internal_failure(),
        _ => Fault::None,
    });
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(told.uncovered(), [""; 0]);
    assert!(told.failed_audits() > 0);
    assert_eq!(lease_rows(&sim).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_open_shard_whose_lease_says_that_it_has_ended_is_told_until_the_row_is_deleted() {
    let (sim, _producer) = stream(2);
    let (journal, told) = (Journal::default(), Told::default());
    let (control, _running) = start(told.listen(one(&sim, &journal).max_leases(1)));
    assert!(control.ready().await);
    tokio::time::sleep(MINUTE / 2).await;
    let rows = lease_rows(&sim).await;
    let unowned = rows.iter().find(|row| !row.contains_key("leaseOwner")).unwrap();
    let key = unowned["leaseKey"].as_s().unwrap().clone();
    let update = operator(&sim).update_item().table_name(APPLICATION);
    let update = update.key("leaseKey", AttributeValue::S(key.clone()));
    let update = update.update_expression("SET checkpoint = :end");
    let update = update.expression_attribute_values(":end", AttributeValue::S("SHARD_END".to_owned()));
    update.send().await.unwrap();
    tokio::time::sleep(2 * MINUTE).await;
    let degraded = control.health().degraded;
    assert!(
        matches!(&degraded[..], [Degraded::NotCovered { shard, problem }] if shard.as_str() == key && problem.contains("SHARD_END")),
        "{degraded:?}"
    );
    delete_row(&sim, &key).await;
    tokio::time::sleep(3 * MINUTE).await;
    assert_eq!(control.health().degraded, []);
    assert_eq!(lease_rows(&sim).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn workers_that_live_audit_in_turn() {
    let (sim, _producer) = stream(4);
    let journal = Journal::default();
    let mut fleet = Vec::new();
    for name in ["w1", "w2", "w3", "w4"] {
        fleet.push(start(
            worker(&sim, name, &journal, Checkpoints::AfterEachBatch).coordination(Coordination::Kcl3),
        ));
    }
    tokio::time::sleep(5 * MINUTE).await;
    let lists = || sim.calls().iter().filter(|call| call.operation == "ListShards").count();
    let before = lists();
    tokio::time::sleep(12 * MINUTE).await;
    assert_eq!(lists() - before, 12, "one a minute");
}

#[tokio::test(start_paused = true)]
async fn a_lease_table_that_is_deleted_is_made_again() {
    for rule in BOTH_RULES {
        let (sim, producer) = stream(2);
        let journal = Journal::default();
        let mut places = put(&producer, 0..10).await;
        let (_control, _running) = start(one(&sim, &journal).coordination(rule));
        journal.until("all records", |journal| journal.read() == places).await;
        operator(&sim)
            .delete_table()
            .table_name(APPLICATION)
            .send()
            .await
            .unwrap();
        places.extend(put(&producer, 10..20).await);
        tokio::time::sleep(3 * MINUTE).await;
        assert_eq!(lease_rows(&sim).await.len(), 2, "{rule:?}");
        assert_eq!(journal.read(), places, "{rule:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_table_that_is_deleted_and_must_not_be_created_ends_the_worker() {
    for rule in BOTH_RULES {
        let (sim, _producer) = stream(2);
        let journal = Journal::default();
        let (_control, running) = start(one(&sim, &journal).coordination(rule));
        tokio::time::sleep(MINUTE / 2).await;
        running.abort();
        let (control, running) = start(one(&sim, &journal).coordination(rule).create_table(CreateTable::Never));
        assert!(control.ready().await);
        operator(&sim)
            .delete_table()
            .table_name(APPLICATION)
            .send()
            .await
            .unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(30), running)
            .await
            .expect("it ends");
        let error = ended.unwrap().unwrap_err();
        assert!(
            matches!(error.error(), WorkerError::LeaseTableMissing { .. }),
            "{rule:?}: {error}"
        );
    }
}
