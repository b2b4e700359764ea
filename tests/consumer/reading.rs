//! Nothing is skipped (C1): a worker reads all there is, goes on behind the checkpoints, and bears with the services.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl::ShardContext;
use testkit::Service;
use testkit::sim::Fault;

use super::MINUTE;
use crate::fleet::{Checkpoints, Entry, Journal, Recorder, STREAM, put, start, stream, worker};

#[tokio::test(start_paused = true)]
async fn a_new_worker_reads_everything_within_two_seconds_and_ends_when_asked() {
    let (sim, producer) = stream(4);
    let places = put(&producer, 0..1_000).await;
    let journal = Journal::default();
    let begun = sim.elapsed();
    let (control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    journal
        .until("the first record", |journal| !journal.all_read().is_empty())
        .await;
    assert!(
        sim.elapsed() - begun <= Duration::from_secs(2),
        "{:?}",
        sim.elapsed() - begun
    );
    journal
        .until("the last record", |journal| journal.read() == places)
        .await;
    assert_eq!(journal.all_read().len(), 1_000, "nothing is read twice");
    control.shutdown(MINUTE);
    let report = running.await.unwrap().unwrap();
    assert_eq!((report.released.len(), report.abandoned.len()), (4, 0));
    assert_eq!(
        journal
            .entries()
            .iter()
            .filter(|entry| matches!(entry, Entry::ShutdownRequested { .. }))
            .count(),
        4
    );
}

#[tokio::test(start_paused = true)]
async fn a_processor_and_the_shutdown_report_name_each_shard_with_its_stream() {
    let (sim, _producer) = stream(2);
    let shards = ["orders/shardId-000000000000", "orders/shardId-000000000001"];
    let (journal, made) = (Journal::default(), Arc::new(Mutex::new(BTreeSet::new())));
    let (seen, of_processor) = (Arc::clone(&made), journal.clone());
    let builder = worker(&sim, "w1", &journal, Checkpoints::Never).processor(move |shard: &ShardContext| {
        assert_eq!(shard.stream().name().as_deref(), Some(STREAM));
        seen.lock().unwrap().insert(shard.shard.to_string());
        Recorder {
            worker: "w1".to_owned(),
            shard: shard.shard_id().to_string(),
            journal: of_processor.clone(),
            checkpoints: Checkpoints::Never,
        }
    });
    let (control, running) = start(builder);
    journal
        .until("both processors", |journal| journal.entries().len() == 2)
        .await;
    assert_eq!(*made.lock().unwrap(), shards.map(str::to_owned).into());
    control.shutdown(MINUTE);
    let released = running.await.unwrap().unwrap().released;
    let released: BTreeSet<_> = released.iter().map(ToString::to_string).collect();
    assert_eq!(released, shards.map(str::to_owned).into());
}

#[tokio::test(start_paused = true)]
async fn a_worker_started_later_goes_on_behind_the_checkpoints() {
    let (sim, producer) = stream(2);
    put(&producer, 0..500).await;
    let first = Journal::default();
    let (control, running) = start(worker(&sim, "w1", &first, Checkpoints::AfterEachBatch));
    first
        .until("the first half", |journal| journal.all_read().len() == 500)
        .await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    let later = put(&producer, 500..1_000).await;
    let second = Journal::default();
    let begun = sim.elapsed();
    let (_control, _running) = start(worker(&sim, "w2", &second, Checkpoints::AfterEachBatch));
    second
        .until("the second half", |journal| journal.read().is_superset(&later))
        .await;
    assert!(
        sim.elapsed() - begun < Duration::from_secs(3),
        "released leases are taken at once"
    );
    assert_eq!(second.read(), later, "what was checkpointed is not read again");
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_in_the_middle_of_an_aggregate_is_resumed_there() {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..200).await;
    assert!(places.iter().any(|(_, _, sub)| *sub > 20), "there is an aggregate");
    let first = Journal::default();
    let (_control, running) = start(worker(&sim, "w1", &first, Checkpoints::InTheMiddle));
    first
        .until("a checkpoint", |journal| journal.all_read().len() == 200)
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    running.abort();
    let second = Journal::default();
    let (_control, _running) = start(worker(&sim, "w2", &second, Checkpoints::AfterEachBatch));
    let read = |journal: &Journal| first.read().union(&journal.read()).cloned().collect::<BTreeSet<_>>();
    second
        .until("the rest", |journal| {
            !journal.all_read().is_empty() && read(journal) == places
        })
        .await;
    let again = second.all_read();
    assert!(
        again.len() < 200 && again[0].2 > 0,
        "resumed inside an aggregate: {:?}",
        again[0]
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_from_latest_misses_nothing_when_its_first_iterator_expires() {
    let (sim, producer) = stream(1);
    put(&producer, 0..10).await;
    tokio::time::sleep(2 * MINUTE).await;
    let journal = Journal::default();
    let latest = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch).start_at(kcl::StartingPosition::Latest);
    let (_control, _running) = start(latest);
    tokio::time::sleep(MINUTE).await;
    sim.faults(|call| {
        if call.operation == "GetRecords" {
            Fault::RequestLost
        } else {
            Fault::None
        }
    });
    let places = put(&producer, 10..20).await;
    tokio::time::sleep(6 * MINUTE).await;
    sim.heal();
    journal.until("all records", |journal| journal.read() == places).await;
}

#[tokio::test(start_paused = true)]
async fn faults_of_both_services_cost_duplicates_and_no_record() {
    let (sim, producer) = stream(3);
    let places = put(&producer, 0..2_000).await;
    sim.faults(|call| match (call.service, call.ordinal % 11) {
        (Service::DynamoDb, 0) => Fault::ReplyLost,
        (Service::DynamoDb, 1) => Fault::RequestLost,
        (Service::DynamoDb, 2) => Fault::throttled(),
        (Service::Kinesis, 3) => Fault::ReplyLost,
        (Service::Kinesis, 4) => Fault::throttled(),
        (Service::Kinesis, 5) => Fault::internal_failure(),
        (_, 6) => Fault::Delay(Duration::from_secs(1)),
        _ => Fault::None,
    });
    let journal = Journal::default();
    let builder =
        worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch).error_policy(kcl::ErrorPolicy::halt().attempts(101));
    let (_first, _one) = start(builder);
    let builder =
        worker(&sim, "w22", &journal, Checkpoints::AfterEachBatch).error_policy(kcl::ErrorPolicy::halt().attempts(101));
    let (_second, _two) = start(builder);
    journal.until("all records", |journal| journal.read() == places).await;
}

#[tokio::test(start_paused = true)]
async fn an_expired_iterator_is_replaced_behind_what_was_read() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::Never));
    let mut places = put(&producer, 0..50).await;
    journal
        .until("the first records", |journal| journal.read() == places)
        .await;
    sim.kinesis(testkit::kinesis::Kinesis::expire_iterators);
    places.extend(put(&producer, 50..100).await);
    journal.until("all records", |journal| journal.read() == places).await;
    assert_eq!(journal.all_read().len(), 100, "nothing is read twice");
}
