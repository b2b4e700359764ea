//! What a worker tells probes and operators about itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use kcl::{
    Batch, CallErrorKind, Checkpointer, Degraded, ErrorPolicy, HandlerError, RecordProcessor, ShardContext, Worker,
};
use testkit::Service;
use testkit::sim::{Fault, Sim};

use super::MINUTE;
use crate::fleet::{APPLICATION, Checkpoints, Journal, STREAM, put, start, stream, worker};

/// Fails, or takes two minutes for a batch.
struct Troubled {
    fails: bool,
}

impl RecordProcessor for Troubled {
    async fn process(&mut self, _: Batch, _: &Checkpointer) -> Result<(), HandlerError> {
        if self.fails {
            return Err("no such column".into());
        }
        tokio::time::sleep(2 * MINUTE).await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_ready_once_it_looks_for_shards_and_not_live_once_it_has_ended() {
    let (sim, _producer) = stream(1);
    let journal = Journal::default();
    let (control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let health = control.health();
    assert!(health.is_live() && !health.is_ready());
    assert!(control.ready().await);
    assert!(control.health().is_ready());
    assert_eq!(control.health().degraded, []);
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    let health = control.health();
    assert!(!health.is_live() && !health.is_ready());
    assert!(!control.ready().await);
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_run_is_dropped_is_not_live() {
    let (sim, _producer) = stream(1);
    let (control, running) = start(worker(&sim, "w1", &Journal::default(), Checkpoints::Never));
    assert!(control.ready().await);
    running.abort();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!control.health().is_live());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_start_yet_says_why() {
    let (sim, _producer) = stream(1);
    sim.faults(|call| match call.operation {
        "ListShards" => Fault::internal_failure(),
        _ => Fault::None,
    });
    let (control, _running) = start(worker(&sim, "w1", &Journal::default(), Checkpoints::Never));
    tokio::time::sleep(Duration::from_secs(20)).await;
    let health = control.health();
    assert!(health.is_live() && !health.is_ready());
    assert!(
        matches!(&health.degraded[..], [Degraded::Starting { error }] if error.contains("ListShards")),
        "{health:?}"
    );
    sim.heal();
    assert!(control.ready().await);
    assert_eq!(control.health().degraded, []);
}

#[tokio::test(start_paused = true)]
async fn a_lease_table_that_is_away_degrades_a_worker_until_it_is_back() {
    let (sim, _producer) = stream(1);
    let (control, _running) = start(worker(&sim, "w1", &Journal::default(), Checkpoints::Never));
    tokio::time::sleep(MINUTE / 2).await;
    sim.faults(|call| match call.service {
        Service::DynamoDb => Fault::throttled(),
        Service::Kinesis | Service::CloudWatch => Fault::None,
    });
    tokio::time::sleep(Duration::from_secs(15)).await;
    let health = control.health();
    assert!(
        matches!(&health.degraded[..], [Degraded::LeaseTable { error, .. }] if error.contains("Throughput")),
        "{health:?}"
    );
    sim.heal();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(control.health().degraded, []);
}

/// The handlers of one shard fail, those of the other are slow.
fn troubled(sim: &Sim) -> kcl::WorkerBuilder {
    Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .error_policy(ErrorPolicy::halt().attempts(1))
        .processor(|shard: &ShardContext| Troubled {
            fails: shard.shard_id().as_str().ends_with('0'),
        })
}

#[tokio::test(start_paused = true)]
async fn a_halted_shard_a_slow_handler_and_an_unreadable_row_degrade_a_worker() {
    let (sim, producer) = stream(2);
    put(&producer, 0..50).await;
    let (control, _running) = start(troubled(&sim));
    assert!(control.ready().await);
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let damaged = client.put_item().table_name(APPLICATION);
    let damaged = damaged.item("leaseKey", AttributeValue::S("damaged".into()));
    let damaged = damaged.item("leaseCounter", AttributeValue::S("not a number".into()));
    damaged.send().await.unwrap();
    tokio::time::sleep(MINUTE + MINUTE / 4).await;
    let health = control.health();
    assert!(
        health.is_live() && health.is_ready(),
        "degraded is neither dead nor unready"
    );
    let [
        Degraded::UnreadableRow { lease },
        Degraded::Halted { shard, error, .. },
        Degraded::SlowHandler { shard: slow, .. },
    ] = &health.degraded[..]
    else {
        panic!("{health:?}")
    };
    assert_eq!(lease.as_str(), "damaged");
    assert!(shard.shard.as_str().ends_with('0') && slow.shard.as_str().ends_with('1'));
    assert_eq!(error.as_deref(), Some("no such column"));
}

const SECOND: Duration = Duration::from_secs(1);

/// Has the calls of one operation of a client fail.
fn fail(sim: &Sim, client: &'static str, operation: &'static str, fault: Fault) {
    sim.faults(move |call| match (call.client, call.operation) == (client, operation) {
        true => fault.clone(),
        false => Fault::None,
    });
}

fn expired_credentials() -> Fault {
    Fault::Error {
        status: 400,
        code: "ExpiredTokenException".to_owned(),
        message: "injected".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_whose_reads_are_throttled_for_a_minute_degrades_a_worker_until_one_succeeds() {
    let (sim, _producer) = stream(1);
    let (control, _running) = start(worker(&sim, "w1", &Journal::default(), Checkpoints::Never));
    tokio::time::sleep(MINUTE / 2).await;
    fail(&sim, "w1", "GetRecords", Fault::throttled());
    tokio::time::sleep(MINUTE - 2 * SECOND).await;
    assert_eq!(control.health().degraded, [], "throttling mostly passes");
    tokio::time::sleep(4 * SECOND).await;
    let health = control.health();
    let [Degraded::ReadsFail { lasting, error, .. }] = &health.degraded[..] else {
        panic!("{health:?}")
    };
    assert!(*lasting >= MINUTE && *lasting < MINUTE + 4 * SECOND, "{lasting:?}");
    assert!(matches!(error.kind(), CallErrorKind::Throttled { .. }), "{error:?}");
    let status = &control.shards()[0];
    assert_eq!(status.read_error.as_ref(), Some(error));
    sim.heal();
    tokio::time::sleep(12 * SECOND).await;
    assert_eq!(control.health().degraded, []);
    assert_eq!(control.shards()[0].reads_failing, None);
}

#[tokio::test(start_paused = true)]
async fn a_paused_shard_whose_last_reads_failed_degrades_no_worker() {
    let (sim, _producer) = stream(1);
    let (control, _running) = start(worker(&sim, "w1", &Journal::default(), Checkpoints::Never));
    tokio::time::sleep(MINUTE / 2).await;
    fail(&sim, "w1", "GetRecords", Fault::throttled());
    tokio::time::sleep(2 * MINUTE).await;
    assert!(!control.health().degraded.is_empty());
    control.pause();
    tokio::time::sleep(SECOND).await;
    assert_eq!(control.health().degraded, []);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_refused_degrade_a_worker_once_and_until_they_are_accepted() {
    for operation in ["GetRecords", "Scan", "UpdateItem"] {
        let (sim, _producer) = stream(3);
        let (control, _running) = start(worker(&sim, "w1", &Journal::default(), Checkpoints::Never));
        tokio::time::sleep(MINUTE / 2).await;
        fail(&sim, "w1", operation, expired_credentials());
        tokio::time::sleep(8 * SECOND).await;
        let health = control.health();
        assert!(
            matches!(&health.degraded[..], [Degraded::Credentials { error, .. }]
                if error.contains(operation) && error.contains("ExpiredTokenException")),
            "{health:?}"
        );
        sim.heal();
        tokio::time::sleep(MINUTE / 2).await;
        assert_eq!(control.health().degraded, [], "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_expired_credentials_ends_no_worker_loses_no_record_and_is_told_meanwhile() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let (control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let mut places = put(&producer, 0..50).await;
    journal
        .until("the first records", |journal| journal.read() == places)
        .await;
    sim.faults(|call| match call.client == "w1" {
        true => expired_credentials(),
        false => Fault::None,
    });
    places.extend(put(&producer, 50..100).await);
    for quarter in 1..=4 {
        tokio::time::sleep(15 * MINUTE).await;
        let health = control.health();
        let refused = |degraded: &Degraded| matches!(degraded, Degraded::Credentials { .. });
        assert!(
            health.is_live() && health.degraded.iter().any(refused),
            "quarter {quarter}: {health:?}"
        );
    }
    assert!(!running.is_finished());
    sim.heal();
    journal.until("all records", |journal| journal.read() == places).await;
    tokio::time::sleep(MINUTE / 2).await;
    assert_eq!(control.health().degraded, []);
}

#[tokio::test(start_paused = true)]
async fn lease_rows_that_cannot_be_written_degrade_a_worker_though_they_can_be_read() {
    let (sim, _producer) = stream(2);
    let (control, _running) = start(worker(&sim, "w1", &Journal::default(), Checkpoints::Never));
    tokio::time::sleep(MINUTE / 2).await;
    fail(&sim, "w1", "UpdateItem", Fault::throttled());
    // Before the leases lapse, and after: then the worker fails to take them.
    for wait in [8 * SECOND, MINUTE] {
        tokio::time::sleep(wait).await;
        let health = control.health();
        assert!(
            matches!(&health.degraded[..], [Degraded::LeaseTable { error, .. }] if error.contains("UpdateItem")),
            "after {wait:?}: {health:?}"
        );
    }
    assert!(control.shards().is_empty(), "the leases have lapsed");
    sim.heal();
    tokio::time::sleep(MINUTE / 2).await;
    assert_eq!(control.health().degraded, []);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_lost_its_leases_to_another_and_has_nothing_to_write_is_not_degraded_for_ever() {
    let (sim, _producer) = stream(1);
    let (control, _running) = start(worker(&sim, "w1", &Journal::default(), Checkpoints::Never));
    tokio::time::sleep(MINUTE / 2).await;
    fail(&sim, "w1", "UpdateItem", Fault::throttled());
    let (other, _running) = start(worker(&sim, "w2", &Journal::default(), Checkpoints::Never));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(other.shards().len(), 1);
    assert_eq!(control.health().degraded, []);
}

#[tokio::test(start_paused = true)]
async fn the_lag_of_a_shard_that_cannot_be_read_grows() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let places = put(&producer, 0..10).await;
    journal.until("all records", |journal| journal.read() == places).await;
    sim.faults(|call| match call.operation {
        "GetRecords" => Fault::access_denied(),
        _ => Fault::None,
    });
    tokio::time::sleep(5 * MINUTE).await;
    let lag = control.max_lag().unwrap();
    assert!(lag > 4 * MINUTE, "{lag:?}");
    sim.heal();
    tokio::time::sleep(MINUTE).await;
    assert!(control.max_lag().unwrap() < MINUTE / 30);
}

#[tokio::test(start_paused = true)]
async fn the_lag_of_a_shard_whose_handler_keeps_failing_grows_also_when_its_records_are_read_again() {
    let (sim, producer) = stream(1);
    let works = Arc::new(AtomicBool::new(false));
    let does = Arc::clone(&works);
    let builder = worker(&sim, "w1", &Journal::default(), Checkpoints::Never).for_each_batch(move |_| {
        let works = does.load(Ordering::Relaxed);
        async move { if works { Ok(()) } else { Err("no".into()) } }
    });
    let (control, _running) = start(builder);
    put(&producer, 0..10).await;
    tokio::time::sleep(10 * MINUTE).await;
    let shard = control.shards()[0].shard.clone();
    for second in 0..10 {
        control.retry(&shard);
        tokio::time::sleep(MINUTE / 60).await;
        let (most, its) = (control.max_lag(), control.shards()[0].lag);
        assert!(most > Some(9 * MINUTE), "{most:?} after {second} s");
        assert_eq!(its, most);
    }
    works.store(true, Ordering::Relaxed);
    control.retry(&shard);
    tokio::time::sleep(MINUTE / 10).await;
    assert!(control.max_lag().unwrap() < MINUTE / 30);
}
