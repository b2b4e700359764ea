//! Calls that fail, and a table that is not as usual.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::{DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate};
use kcl::WorkerError;
use testkit::Service;
use testkit::sim::Fault;

use super::{FAILOVER, Fleet, SECOND, text};
use crate::fleet::{APPLICATION, Entry};

fn denied() -> Fault {
    Fault::Error {
        status: 400,
        code: "AccessDeniedException".into(),
        message: "no".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn workers_that_were_cut_off_from_the_table_for_longer_than_the_failover_time_read_all_again_soon() {
    let mut fleet = Fleet::new(6);
    for name in ["w1", "w2", "w3"] {
        fleet.start(name);
    }
    fleet.until_level(6).await;
    tokio::time::sleep(30 * SECOND).await;
    fleet.sim.faults(|call| match call.service {
        Service::DynamoDb => Fault::RequestHangs,
        Service::Kinesis | Service::CloudWatch => Fault::None,
    });
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(fleet.counts(), [0, 0, 0], "nobody reads on a lease that has lapsed");
    fleet.sim.heal();
    let took = fleet.until_level(6).await;
    assert!(took <= FAILOVER + 5 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn without_the_index_leases_are_found_by_scans() {
    let mut fleet = Fleet::new(4);
    fleet.start("w1");
    fleet.until_level(4).await;
    fleet.stop("w1").await.unwrap();
    let client = aws_sdk_dynamodb::Client::new(&fleet.sim.client("operator"));
    let index = DeleteGlobalSecondaryIndexAction::builder()
        .index_name("LeaseOwnerToLeaseKeyIndex")
        .build()
        .unwrap();
    let update = client.update_table().table_name(APPLICATION);
    let update = update.global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().delete(index).build());
    update.send().await.unwrap();
    for name in ["w2", "w3"] {
        fleet.start(name);
    }
    let took = fleet.until_level(4).await;
    assert!(took <= 10 * SECOND, "{took:?}");
    fleet.kill("w2");
    let took = fleet.until_level(4).await;
    assert!(took <= FAILOVER + 5 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn two_processes_with_one_worker_id_are_noticed_and_one_of_them_ends() {
    let mut fleet = Fleet::new(4);
    fleet.start("w1");
    fleet.until_level(4).await;
    let first = fleet.workers.remove("w1").unwrap();
    fleet.start("w1");
    let ended = tokio::time::timeout(60 * SECOND, first.running).await;
    let error = ended.unwrap().unwrap().unwrap_err();
    assert!(matches!(error.error(), WorkerError::WorkerIdInUse { .. }), "{error}");
    fleet.until_level(4).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_may_not_write_its_metrics_row_is_alive_by_its_renewals_and_reads() {
    let mut fleet = Fleet::new(4);
    fleet.start("w1");
    fleet.until_level(4).await;
    fleet.kill("w1");
    fleet.sim.faults(|call| {
        let is_report = String::from_utf8_lossy(call.body).contains("WORKER_METRIC_STATS");
        match (call.client, call.operation) {
            ("w2", "UpdateItem") if is_report => denied(),
            _ => Fault::None,
        }
    });
    fleet.start("w2");
    let took = fleet.until_level(4).await;
    assert!(took <= FAILOVER + 5 * SECOND, "{took:?}");
    tokio::time::sleep(Duration::from_secs(120)).await;
    let lost = |entry: &Entry| matches!(entry, Entry::LeaseLost { .. });
    assert!(!fleet.journal.entries().iter().any(lost));
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_scans_fail_lets_another_worker_lead() {
    let mut fleet = Fleet::new(4);
    for name in ["w1", "w2"] {
        fleet.start(name);
    }
    fleet.until_level(4).await;
    tokio::time::sleep(20 * SECOND).await;
    let first = fleet.leader().await.unwrap();
    let denied_to = first.clone();
    fleet.sim.faults(move |call| match (call.client, call.operation) {
        (client, "Scan") if client == denied_to => denied(),
        _ => Fault::None,
    });
    tokio::time::sleep(40 * SECOND).await;
    let leader = fleet.leader().await;
    assert!(leader.as_ref().is_some_and(|leader| *leader != first), "{leader:?}");
    assert_eq!(fleet.counts(), [2, 2], "a worker that may not scan reads on");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_keeps_no_other_lease_from_its_begin() {
    let mut fleet = Fleet::new(8);
    fleet.start("w1");
    fleet.until_level(8).await;
    let unread = Arc::new(Mutex::new(None));
    fleet.sim.faults(move |call| {
        let asked = String::from_utf8_lossy(call.body);
        let Some(at) = asked
            .find("shardId-")
            .filter(|_| call.client == "w2" && call.operation == "GetItem")
        else {
            return Fault::None;
        };
        let shard = asked[at..at + 20].to_owned();
        match *unread.lock().unwrap().get_or_insert_with(|| shard.clone()) == shard {
            true => Fault::throttled(),
            false => Fault::None,
        }
    });
    fleet.start("w2");
    let are_read = || fleet.control("w2").shards().len() >= 3;
    let took = fleet.until("three of four leases are begun", are_read).await;
    assert!(took <= 15 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_row_that_says_the_rule_is_made_again() {
    let mut fleet = Fleet::new(2);
    fleet.start("w1");
    fleet.until_level(2).await;
    fleet.delete_row("Migration3.0").await;
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(text(&fleet.rows().await["Migration3.0"], "cv"), "CLIENT_VERSION_3X");
    assert_eq!(fleet.counts(), [2]);
}
