//! Leases that change hands: each shard has one owner at a time (C3), and soon another when that one is gone.

use std::collections::BTreeSet;
use std::time::Duration;

use testkit::Service;
use testkit::sim::Fault;

use super::MINUTE;
use crate::fleet::{Checkpoints, Entry, Journal, put, start, stream, worker};

#[tokio::test(start_paused = true)]
async fn two_workers_come_to_share_the_shards() {
    let (sim, producer) = stream(4);
    let journal = Journal::default();
    let (_first, _one) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let (_second, _two) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    tokio::time::sleep(2 * MINUTE).await;
    let places = put(&producer, 0..400).await;
    journal.until("all records", |journal| journal.read() == places).await;
    let shards_of = |name: &str| {
        let shard = |entry| match entry {
            Entry::Read { worker, place, .. } if worker == name => Some(place.0),
            Entry::Read { .. }
            | Entry::Initialized { .. }
            | Entry::ShardEnded { .. }
            | Entry::ShutdownRequested { .. }
            | Entry::LeaseLost { .. } => None,
        };
        journal
            .entries()
            .into_iter()
            .filter_map(shard)
            .collect::<BTreeSet<_>>()
            .len()
    };
    assert_eq!((shards_of("w1"), shards_of("w2")), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn the_shards_of_a_crashed_worker_are_taken_and_nothing_is_lost() {
    let (sim, producer) = stream(4);
    let mut places = put(&producer, 0..500).await;
    let journal = Journal::default();
    let (_first, crashing) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    journal
        .until("the first records", |journal| journal.read() == places)
        .await;
    let (_second, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    tokio::time::sleep(Duration::from_secs(5)).await;
    crashing.abort();
    let crashed = sim.elapsed();
    places.extend(put(&producer, 500..1_000).await);
    journal.until("all records", |journal| journal.read() == places).await;
    assert!(
        sim.elapsed() - crashed < Duration::from_secs(35),
        "{:?}",
        sim.elapsed() - crashed
    );
}

#[tokio::test(start_paused = true)]
async fn a_worker_under_its_old_name_takes_its_leases_back_at_once() {
    let (sim, producer) = stream(4);
    let journal = Journal::default();
    let (_control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    tokio::time::sleep(MINUTE).await;
    running.abort();
    let places = put(&producer, 0..100).await;
    let begun = sim.elapsed();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    journal.until("all records", |journal| journal.read() == places).await;
    assert!(sim.elapsed() - begun < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_worker_cut_off_from_the_table_stops_delivering_before_another_begins() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (_first, _one) = start(worker(&sim, "w1", &journal, Checkpoints::Never));
    let mut places = put(&producer, 0..10).await;
    journal
        .until("the first records", |journal| journal.read() == places)
        .await;
    sim.faults(|call| match (call.client, call.service) {
        ("w1", Service::DynamoDb) => Fault::RequestHangs,
        _ => Fault::None,
    });
    let (_second, _two) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    for n in 1..40 {
        places.extend(put(&producer, n * 10..n * 10 + 1).await);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    journal.until("all records", |journal| journal.read() == places).await;
    let entries = journal.entries();
    let by = |name: &str| {
        entries
            .iter()
            .map(|entry| matches!(entry, Entry::Read { worker, .. } if worker == name))
            .collect::<Vec<_>>()
    };
    let last_of_first = by("w1").iter().rposition(|is| *is).unwrap();
    let first_of_second = by("w2").iter().position(|is| *is).unwrap();
    assert!(last_of_first < first_of_second, "one owner at a time (C3)");
    assert!(entries.contains(&Entry::LeaseLost {
        worker: "w1".into(),
        shard: "shardId-000000000000".into()
    }));
}

/// How long a call to the table takes at most in these tests.
const MOMENT: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn two_processes_with_one_worker_id_are_noticed_and_one_of_them_ends() {
    let (sim, producer) = stream(4);
    let journal = Journal::default();
    let (_first, one) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let mut places = put(&producer, 0..100).await;
    journal
        .until("the first records", |journal| journal.read() == places)
        .await;
    let (_second, mut other) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let ended = tokio::time::timeout(MINUTE, async {
        tokio::select! {
            biased;
            ended = one => ended,
            ended = &mut other => ended,
        }
    });
    let error = ended.await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, kcl::WorkerError::WorkerIdInUse { .. }), "{error}");
    assert!(error.to_string().contains("w1"));
    places.extend(put(&producer, 100..200).await);
    journal.until("all records", |journal| journal.read() == places).await;
    assert!(!other.is_finished(), "the other one goes on alone");
}

/// Its first batch takes until long after the lapse of its lease.
struct Hanging {
    journal: Journal,
    shard: String,
}

impl kcl::RecordProcessor for Hanging {
    async fn process(&mut self, batch: kcl::Batch, _checkpointer: &kcl::Checkpointer) -> Result<(), kcl::HandlerError> {
        for record in &batch.records {
            let place = (
                self.shard.clone(),
                record.sequence_number().to_string(),
                record.sub_sequence_number(),
            );
            self.journal.push(Entry::Read {
                worker: "w1".into(),
                place,
                data: String::new(),
            });
        }
        tokio::time::sleep(10 * MINUTE).await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_lost_is_not_taken_back_while_its_handler_hangs() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    put(&producer, 0..10).await;
    let hanging = journal.clone();
    let builder =
        worker(&sim, "w1", &journal, Checkpoints::Never).processor(move |shard: &kcl::ShardContext| Hanging {
            journal: hanging.clone(),
            shard: shard.shard_id().to_string(),
        });
    let (_control, _running) = start(builder.handler_grace(20 * MINUTE));
    journal
        .until("the first batch", |journal| !journal.all_read().is_empty())
        .await;
    sim.faults(|call| match (call.client, call.service) {
        ("w1", Service::DynamoDb) => Fault::RequestHangs,
        _ => Fault::None,
    });
    tokio::time::sleep(MINUTE / 2).await;
    sim.heal();
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(journal.all_read().len(), 10, "one processor of the shard at a time");
    journal
        .until("the batch again", |journal| journal.all_read().len() == 20)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_release_waits_out_a_table_that_refuses_for_a_moment() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let places = put(&producer, 0..20).await;
    let (control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    journal.until("all records", |journal| journal.read() == places).await;
    let heals_at = sim.now() + MOMENT * 5;
    sim.faults(move |call| match (call.service, call.now < heals_at) {
        (Service::DynamoDb, true) => Fault::throttled(),
        _ => Fault::None,
    });
    control.shutdown(MINUTE);
    let report = running.await.unwrap().unwrap();
    assert_eq!((report.released.len(), report.abandoned.len()), (2, 0));
}
