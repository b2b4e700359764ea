//! Calls that fail, and a table that is not as usual.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::{DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate};
use kcl::event::FleetEvent;
use kcl::{Event, WorkerError};
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

/// What needs attention of a worker, in words.
fn degraded(fleet: &Fleet, name: &str) -> Vec<String> {
    let health = fleet.control(name).health();
    assert!(health.is_live() && health.is_ready(), "{name}: {health:?}");
    health.degraded.iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn where_the_index_may_not_be_asked_leases_are_found_by_scans_and_the_worker_says_so_once() {
    let mut fleet = Fleet::new(4);
    let queries = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&queries);
    fleet.sim.faults(move |call| match call.operation {
        "Query" => {
            asked.fetch_add(1, Ordering::SeqCst);
            denied()
        }
        _ => Fault::None,
    });
    let told = Arc::new(AtomicUsize::new(0));
    for name in ["w1", "w2"] {
        let told = Arc::clone(&told);
        let worker = fleet.worker(name).on_event(move |event| {
            if matches!(event, Event::Fleet(FleetEvent::IndexUnusable { .. })) {
                told.fetch_add(1, Ordering::SeqCst);
            }
        });
        fleet.start_as(name, worker);
    }
    let took = fleet.until_level(4).await;
    assert!(took <= 15 * SECOND, "{took:?}");
    tokio::time::sleep(120 * SECOND).await;
    assert_eq!(told.load(Ordering::SeqCst), 2, "once by each worker");
    assert_eq!(queries.load(Ordering::SeqCst), 2, "the index is left alone");
    for name in ["w1", "w2"] {
        let [line] = &degraded(&fleet, name)[..] else {
            panic!("{:?}", degraded(&fleet, name))
        };
        assert!(line.contains("index of owners"), "{line}");
    }
    fleet.sim.heal();
    tokio::time::sleep(600 * SECOND).await;
    assert_eq!(degraded(&fleet, "w1"), Vec::<String>::new(), "it is tried again");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_may_not_write_leases_does_not_report_itself_healthy() {
    let mut fleet = Fleet::new(4);
    // The first worker may write whatever is no lease, the last one nothing.
    fleet.sim.faults(|call| {
        let is_report = String::from_utf8_lossy(call.body).contains("WORKER_METRIC_STATS");
        match (call.client, call.operation) {
            ("w1", "UpdateItem") if !is_report => denied(),
            ("w3", "UpdateItem") => denied(),
            _ => Fault::None,
        }
    });
    fleet.start("w1");
    tokio::time::sleep(60 * SECOND).await;
    let lines = degraded(&fleet, "w1");
    assert!(lines.iter().any(|line| line.contains("lease table")), "{lines:?}");
    fleet.start("w2");
    fleet
        .until("the worker that may reads all", || {
            fleet.control("w2").shards().len() == 4
        })
        .await;
    fleet.start("w3");
    tokio::time::sleep(120 * SECOND).await;
    for (name, lines) in [("w1", degraded(&fleet, "w1")), ("w3", degraded(&fleet, "w3"))] {
        assert!(
            lines.iter().any(|line| line.contains("lease table")),
            "{name}: {lines:?}"
        );
    }
    assert_eq!(degraded(&fleet, "w2"), Vec::<String>::new());
}
