//! Seeks: the reading of a shard is moved through its lease, and begins anew there.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl::{
    Batch, CheckpointError, Checkpointer, ErrorPolicy, HandlerError, LeaseEpoch, RecordPosition, RecordProcessor,
    SeekError, SeekTo, ShardContext, ShardRef, ShardState, StartingPosition, Worker, WorkerBuilder, WorkerControl,
};
use kpl::Producer;
use testkit::Service;
use testkit::sim::{Call, Fault, Sim};
use tokio::sync::Semaphore;

use super::MINUTE;
use super::lease_table::lease_rows;
use crate::fleet::{
    APPLICATION, Checkpoints, Entry, Journal, Place, STREAM, merge, put, put_all, split, start, stream, worker,
};

const SECOND: Duration = Duration::from_secs(1);
const FIRST: &str = "shardId-000000000000";

fn first(control: &WorkerControl) -> ShardRef {
    control.shards()[0].shard.clone()
}

/// The place of a record as a position.
fn position(place: &Place) -> RecordPosition {
    RecordPosition {
        sequence_number: place.1.parse().unwrap(),
        sub_sequence_number: place.2,
    }
}

/// A checkpoint as it is in the row of the first shard: plain words and numbers.
async fn checkpoint(sim: &Sim) -> (String, String) {
    let rows = lease_rows(sim).await;
    let row = rows
        .iter()
        .find(|row| row["leaseKey"].as_s().unwrap() == FIRST)
        .unwrap();
    let sub = row["checkpointSubSequenceNumber"].as_n().unwrap();
    (row["checkpoint"].as_s().unwrap().clone(), sub.clone())
}

/// The records that were read behind those that had been, in order.
fn read_since(journal: &Journal, before: usize) -> Vec<Place> {
    journal.all_read().split_off(before)
}

/// A worker that has read 60 records, put in three parts a minute apart, and checkpointed them.
async fn read_three_parts(sim: &Sim, producer: &Producer) -> (Journal, WorkerControl, [BTreeSet<Place>; 3]) {
    let journal = Journal::default();
    let (control, _running) = start(worker(sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let mut parts = Vec::new();
    for part in 0..3 {
        parts.push(put(producer, part * 20..part * 20 + 20).await);
        tokio::time::sleep(MINUTE).await;
    }
    assert_eq!(journal.all_read().len(), 60);
    (journal, control, parts.try_into().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_seek_to_the_trim_horizon_reads_everything_again_by_a_new_processor_within_a_second() {
    let (sim, producer) = stream(1);
    let (journal, control, parts) = read_three_parts(&sim, &producer).await;
    let epoch = control.shards()[0].epoch;
    control.seek(&first(&control), SeekTo::TrimHorizon).await.unwrap();
    tokio::time::sleep(SECOND).await;
    let all: BTreeSet<_> = parts.iter().flatten().cloned().collect();
    assert_eq!(read_since(&journal, 60).into_iter().collect::<BTreeSet<_>>(), all);
    let entries = journal.entries();
    let begun: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Initialized { checkpoint, .. } => Some(checkpoint.as_str()),
            Entry::Read { .. }
            | Entry::ShardEnded { .. }
            | Entry::ShutdownRequested { .. }
            | Entry::LeaseLost { .. } => None,
        })
        .collect();
    assert_eq!(begun, ["TRIM_HORIZON", "TRIM_HORIZON"]);
    let finished = |entry: &&Entry| matches!(entry, Entry::ShutdownRequested { .. });
    assert_eq!(entries.iter().filter(finished).count(), 1, "the first one could finish");
    assert!(control.shards()[0].epoch > epoch, "fencing tokens grow");
}

#[tokio::test(start_paused = true)]
async fn a_seek_to_a_time_reads_what_arrived_then_or_later() {
    let (sim, producer) = stream(1);
    let (journal, control, parts) = read_three_parts(&sim, &producer).await;
    let between = sim.now() - 90 * SECOND;
    control
        .seek(&first(&control), SeekTo::AtTimestamp(between))
        .await
        .unwrap();
    let (text, _) = checkpoint(&sim).await;
    assert_eq!(
        text,
        parts[1].last().unwrap().1,
        "the record in front of it, which every library reads"
    );
    tokio::time::sleep(2 * SECOND).await;
    let again: BTreeSet<_> = read_since(&journal, 60).into_iter().collect();
    assert_eq!(again, parts[2]);
}

#[tokio::test(start_paused = true)]
async fn a_seek_to_a_time_in_front_of_all_records_is_one_to_the_trim_horizon() {
    let (sim, producer) = stream(1);
    let (journal, control, _) = read_three_parts(&sim, &producer).await;
    let before = sim.now() - 60 * MINUTE;
    control
        .seek(&first(&control), SeekTo::AtTimestamp(before))
        .await
        .unwrap();
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(read_since(&journal, 60).len(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_seek_to_a_time_long_after_the_last_record_finds_that_record() {
    let (sim, producer) = stream(1);
    let (journal, control, parts) = read_three_parts(&sim, &producer).await;
    control.pause();
    tokio::time::sleep(120 * MINUTE).await;
    control.resume();
    control
        .seek(&first(&control), SeekTo::AtTimestamp(sim.now()))
        .await
        .unwrap();
    assert_eq!(checkpoint(&sim).await.0, parts[2].last().unwrap().1);
    let later = put(&producer, 60..70).await;
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(read_since(&journal, 60).into_iter().collect::<BTreeSet<_>>(), later);
}

#[tokio::test(start_paused = true)]
async fn a_seek_reads_from_a_record_or_behind_it_also_within_an_aggregate() {
    let (sim, producer) = stream(1);
    let (journal, control, parts) = read_three_parts(&sim, &producer).await;
    let all: Vec<_> = parts.iter().flatten().cloned().collect();
    assert!(all.iter().any(|place| place.2 > 0), "aggregates: {all:?}");
    let mut read = 60;
    for (place, to, from) in [
        (25, SeekTo::At(position(&all[25])), 25),
        (20, SeekTo::At(position(&all[20])), 20),
        (30, SeekTo::After(position(&all[30])), 31),
        (59, SeekTo::After(position(&all[59])), 60),
    ] {
        control.seek(&first(&control), to).await.unwrap();
        tokio::time::sleep(3 * SECOND).await;
        assert_eq!(read_since(&journal, read), all[from..], "{place}");
        read = journal.all_read().len();
    }
}

#[tokio::test(start_paused = true)]
async fn a_seek_to_latest_leaves_out_what_is_there() {
    let (sim, producer) = stream(1);
    put(&producer, 0..20).await;
    let journal = Journal::default();
    let (control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    control.ready().await;
    control.pause();
    journal.until("a lease", |_| !control.shards().is_empty()).await;
    control.seek(&first(&control), StartingPosition::Latest).await.unwrap();
    assert_eq!(checkpoint(&sim).await, ("LATEST".to_owned(), "0".to_owned()));
    tokio::time::sleep(SECOND).await;
    control.resume();
    tokio::time::sleep(SECOND).await;
    let later = put(&producer, 20..30).await;
    journal
        .until("what came then", |journal| journal.read().is_superset(&later))
        .await;
    assert_eq!(journal.read(), later);
}

#[tokio::test(start_paused = true)]
async fn a_position_of_another_shard_and_a_time_to_come_are_refused_and_the_shard_is_read_on() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let (control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let places = put(&producer, 0..40).await;
    journal.until("all records", |journal| journal.read() == places).await;
    let of_second = places.iter().find(|place| place.0 != FIRST).unwrap();
    for to in [
        SeekTo::After(position(of_second)),
        SeekTo::At(position(of_second)),
        SeekTo::AtTimestamp(sim.now() + MINUTE),
    ] {
        let refused = control.seek(&first(&control), to).await;
        assert!(matches!(refused, Err(SeekError::Refused(_))), "{refused:?}");
    }
    let later = put(&producer, 40..80).await;
    journal
        .until("the rest", |journal| journal.read().is_superset(&later))
        .await;
    assert_eq!(journal.all_read().len(), 80, "nothing twice");
}

#[tokio::test(start_paused = true)]
async fn a_shard_of_another_worker_and_one_that_has_ended_are_not_moved() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let places = put(&producer, 0..40).await;
    journal.until("all records", |journal| journal.read() == places).await;
    let (other, _) = start(worker(&sim, "w22", &journal, Checkpoints::AfterEachBatch));
    other.ready().await;
    let shard = first(&control);
    assert_eq!(other.seek(&shard, SeekTo::TrimHorizon).await, Err(SeekError::NotHeld));
    split(&sim, FIRST, 1u128 << 127).await;
    journal.until("the end", Journal::has_ended_a_shard).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(control.seek(&shard, SeekTo::TrimHorizon).await, Err(SeekError::Ended));
    assert_eq!(checkpoint(&sim).await.0, "SHARD_END");
}

#[tokio::test(start_paused = true)]
async fn all_shards_of_a_worker_are_moved_at_once_and_those_of_another_stay() {
    let (sim, producer) = stream(4);
    let journal = Journal::default();
    let (control, _one) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let (_other, _two) = start(worker(&sim, "w22", &journal, Checkpoints::AfterEachBatch));
    tokio::time::sleep(2 * MINUTE).await;
    let places = put(&producer, 0..200).await;
    journal.until("all records", |journal| journal.read() == places).await;
    let held: BTreeSet<_> = control.shards().iter().map(|status| status.shard.clone()).collect();
    assert_eq!(held.len(), 2);
    let moved = control.seek_all(StartingPosition::TrimHorizon).await;
    assert!(moved.iter().all(|(_, moved)| moved.is_ok()), "{moved:?}");
    assert_eq!(moved.into_iter().map(|(shard, _)| shard).collect::<BTreeSet<_>>(), held);
    tokio::time::sleep(10 * SECOND).await;
    let again = read_since(&journal, 200);
    let is_held = |place: &&Place| held.iter().any(|shard| shard.shard.as_str() == place.0);
    assert_eq!(again.len(), places.iter().filter(is_held).count());
    assert!(again.iter().all(|place| is_held(&place)));
}

/// Keeps the checkpointer of its first run, and processes a batch only once it is let.
struct Held {
    held: HeldWorker,
    journal: Journal,
    shard: String,
}

impl RecordProcessor for Held {
    async fn initialize(&mut self, shard: &ShardContext) -> Result<(), HandlerError> {
        self.held.epochs.lock().unwrap().push(shard.lease.epoch());
        Ok(())
    }

    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.held.let_in.acquire().await.unwrap().forget();
        self.held.kept.lock().unwrap().push(checkpointer.clone());
        for record in &batch.records {
            let sequence_number = record.sequence_number().to_string();
            self.journal.push(Entry::Read {
                worker: "w1".into(),
                place: (self.shard.clone(), sequence_number, record.sub_sequence_number()),
                data: String::new(),
            });
        }
        checkpointer.defer();
        Ok(())
    }
}

#[derive(Clone)]
struct HeldWorker {
    let_in: Arc<Semaphore>,
    kept: Arc<Mutex<Vec<Checkpointer>>>,
    epochs: Arc<Mutex<Vec<LeaseEpoch>>>,
}

fn held(sim: &Sim, journal: &Journal) -> (WorkerBuilder, HeldWorker) {
    let held = HeldWorker {
        let_in: Arc::new(Semaphore::new(0)),
        kept: Arc::default(),
        epochs: Arc::default(),
    };
    let (of_the_processor, journal) = (held.clone(), journal.clone());
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .worker_id("w1")
        .seed(1)
        .processor(move |shard: &ShardContext| Held {
            held: of_the_processor.clone(),
            journal: journal.clone(),
            shard: shard.shard_id().to_string(),
        });
    (builder, held)
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the seek waits beside the test")]
async fn the_handler_that_runs_ends_first_and_its_checkpoints_cannot_undo_the_seek() {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..20).await;
    let journal = Journal::default();
    let (builder, held) = held(&sim, &journal);
    let (control, _running) = start(builder);
    tokio::time::sleep(10 * SECOND).await;
    let shard = first(&control);
    let seek = tokio::spawn(async move { control.seek(&shard, SeekTo::TrimHorizon).await });
    tokio::time::sleep(MINUTE).await;
    assert!(!seek.is_finished(), "the handler runs");
    assert_eq!(checkpoint(&sim).await.0, "TRIM_HORIZON");
    held.let_in.add_permits(1);
    seek.await.unwrap().unwrap();
    assert_eq!(journal.read(), places, "it has ended");
    let of_first_run = held.kept.lock().unwrap()[0].clone();
    assert_eq!(of_first_run.checkpoint().await, Err(CheckpointError::LeaseLost));
    of_first_run.defer();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(
        checkpoint(&sim).await.0,
        "TRIM_HORIZON",
        "the deferred checkpoint is gone as well"
    );
    held.let_in.add_permits(10);
    journal
        .until("all again", |journal| journal.all_read().len() == 40)
        .await;
    assert!(held.epochs.lock().unwrap().is_sorted_by(|a, b| a < b));
}

#[tokio::test(start_paused = true)]
async fn a_seek_passes_over_the_records_that_halt_a_shard() {
    let (sim, producer) = stream(1);
    put(&producer, 0..20).await;
    let journal = Journal::default();
    let read = journal.clone();
    let poisoned = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .worker_id("w1")
        .seed(1)
        .error_policy(ErrorPolicy::halt().attempts(2))
        .for_each_record(move |record: kcl::Record| {
            let (data, read) = (String::from_utf8_lossy(record.data()).into_owned(), read.clone());
            async move {
                if data == "data-7" {
                    return Err(HandlerError::new("poison"));
                }
                let (worker, place) = (String::new(), (String::new(), data.clone(), 0));
                read.push(Entry::Read { worker, place, data });
                Ok(())
            }
        });
    let (control, _running) = start(poisoned);
    tokio::time::sleep(MINUTE).await;
    let status = &control.shards()[0];
    assert!(matches!(status.state, ShardState::Halted { .. }), "{status:?}");
    control
        .seek(&status.shard, SeekTo::AtTimestamp(sim.now()))
        .await
        .unwrap();
    put(&producer, 20..30).await;
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(control.shards()[0].state, ShardState::Reading);
    assert_eq!(journal.read().len(), 7 + 10);
}

#[tokio::test(start_paused = true)]
async fn a_seek_whose_reply_is_lost_is_certain_and_done_once() {
    let (sim, producer) = stream(1);
    let (journal, control, _) = read_three_parts(&sim, &producer).await;
    let lost = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&lost);
    sim.faults(move |call| {
        let is_seek = call.operation == "UpdateItem" && String::from_utf8_lossy(call.body).contains("TRIM_HORIZON");
        let mut lost = counted.lock().unwrap();
        if !is_seek || *lost == 1 {
            return Fault::None;
        }
        *lost += 1;
        Fault::ReplyLost
    });
    control.seek(&first(&control), SeekTo::TrimHorizon).await.unwrap();
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(*lost.lock().unwrap(), 1);
    assert_eq!(read_since(&journal, 60).len(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_seek_that_the_table_does_not_take_is_uncertain_and_the_shard_is_read_on() {
    let (sim, producer) = stream(1);
    let (journal, control, parts) = read_three_parts(&sim, &producer).await;
    sim.faults(|call| match call.service {
        Service::DynamoDb => Fault::RequestLost,
        Service::Kinesis | Service::CloudWatch => Fault::None,
    });
    let begun = sim.elapsed();
    let moved = control.seek(&first(&control), SeekTo::TrimHorizon).await;
    assert_eq!(moved, Err(SeekError::LeaseLost));
    assert!(sim.elapsed() - begun <= 10 * SECOND, "when the lease lapses");
    sim.heal();
    let later = put(&producer, 60..70).await;
    journal
        .until("the rest", |journal| journal.read().is_superset(&later))
        .await;
    assert_eq!(checkpoint(&sim).await.0, later.last().unwrap().1);
    assert_eq!(journal.read().len(), parts.iter().flatten().count() + 10);
    assert_eq!(journal.all_read().len(), 70, "nothing was moved");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_lost_while_its_place_is_sought_is_not_moved() {
    let (sim, producer) = stream(1);
    let (journal, control, _) = read_three_parts(&sim, &producer).await;
    sim.faults(|call| match (call.service, call.operation) {
        (Service::DynamoDb, _) => Fault::RequestLost,
        (_, "GetShardIterator") => Fault::Delay(20 * SECOND),
        _ => Fault::None,
    });
    let hour_ago = sim.now() - 60 * MINUTE;
    let moved = control.seek(&first(&control), SeekTo::AtTimestamp(hour_ago)).await;
    assert_eq!(moved, Err(SeekError::LeaseLost));
    sim.heal();
    let later = put(&producer, 60..70).await;
    journal
        .until("the rest", |journal| journal.read().is_superset(&later))
        .await;
    assert_eq!(journal.all_read().len(), 70, "it is read on behind its checkpoint");
}

#[tokio::test(start_paused = true)]
async fn a_seek_that_is_dropped_while_its_place_is_sought_moves_nothing() {
    let (sim, producer) = stream(1);
    let (journal, control, _) = read_three_parts(&sim, &producer).await;
    sim.faults(|call| match call.operation {
        "GetShardIterator" => Fault::Delay(5 * SECOND),
        _ => Fault::None,
    });
    let (shard, hour_ago) = (first(&control), sim.now() - 60 * MINUTE);
    let seek = control.seek(&shard, SeekTo::AtTimestamp(hour_ago));
    assert!(tokio::time::timeout(2 * SECOND, seek).await.is_err());
    sim.heal();
    let later = put(&producer, 60..70).await;
    journal
        .until("the rest", |journal| journal.read().is_superset(&later))
        .await;
    assert_eq!(journal.all_read().len(), 70);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_be_read_moves_nothing() {
    let (sim, producer) = stream(1);
    let (_journal, control, parts) = read_three_parts(&sim, &producer).await;
    sim.faults(|call| match call.operation {
        "GetShardIterator" => Fault::access_denied(),
        _ => Fault::None,
    });
    let moved = control.seek(&first(&control), SeekTo::AtTimestamp(sim.now())).await;
    assert!(matches!(moved, Err(SeekError::Stream(_))), "{moved:?}");
    assert_eq!(checkpoint(&sim).await.0, parts[2].last().unwrap().1);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_waits_for_its_parents_is_moved_and_still_waits() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let (builder, held) = held(&sim, &journal);
    let (control, _running) = start(builder.max_leases(10));
    put(&producer, 0..20).await;
    merge(&sim, FIRST, "shardId-000000000001").await;
    tokio::time::sleep(MINUTE).await;
    held.let_in.add_permits(1);
    tokio::time::sleep(MINUTE).await;
    let waiting = control.shards();
    let waiting = waiting
        .iter()
        .find(|status| status.state == ShardState::WaitingForParents);
    if let Some(child) = waiting {
        control.seek(&child.shard, SeekTo::Latest).await.unwrap();
        tokio::time::sleep(SECOND).await;
        let after = control.shards();
        let after = after.iter().find(|status| status.shard == child.shard).unwrap();
        assert_eq!(after.state, ShardState::WaitingForParents);
    }
    assert!(waiting.is_some(), "{:?}", control.shards());
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_was_idle_is_not_moved_on_by_its_idle_position() {
    let (sim, producer) = stream(1);
    let (journal, control, _) = read_three_parts(&sim, &producer).await;
    tokio::time::sleep(10 * MINUTE).await;
    let records = (0..5).map(|n| kpl::Record::new("key", format!("late-{n}")));
    put_all(&producer, records).await;
    tokio::time::sleep(MINUTE).await;
    control.seek(&first(&control), SeekTo::TrimHorizon).await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(read_since(&journal, 65).len(), 65);
}

#[tokio::test(start_paused = true)]
async fn the_search_for_a_place_reads_no_more_than_the_budget_and_the_share_allow() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let records = (0..60).map(|n| kpl::Record::new(format!("key-{n}"), vec![7; 40 * 1024]));
    let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch).read_share(0.1);
    let (control, _running) = start(builder.read_budget(256 * 1024));
    put_all(&producer, records).await;
    journal.until("all records", |journal| journal.read().len() == 60).await;
    tokio::time::sleep(MINUTE).await;
    let begun = sim.elapsed();
    let time = sim.now() - 2 * SECOND;
    control.seek(&first(&control), SeekTo::AtTimestamp(time)).await.unwrap();
    let calls = sim.calls();
    let is_search = |call: &&Call| call.operation == "GetRecords" && call.client == "w1" && call.at >= begun;
    let limit = |call: &Call| {
        let request: serde_json::Value = serde_json::from_str(&call.request.to_string()).unwrap();
        request["Limit"].as_u64().unwrap()
    };
    let limits: Vec<u64> = calls.iter().filter(is_search).map(limit).collect();
    assert!(
        !limits.is_empty() && limits.iter().all(|limit| *limit <= 6),
        "{limits:?}"
    );
}

/// The reads of `w1` since then.
fn reads(sim: &Sim, begun: Duration) -> usize {
    let is_read = |call: &&Call| call.operation == "GetRecords" && call.client == "w1" && call.at >= begun;
    sim.calls().iter().filter(is_read).count()
}

#[tokio::test(start_paused = true)]
async fn a_seek_behind_a_long_silence_reads_few_of_the_records_in_front_of_it() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch).max_records(5);
    let (control, _running) = start(builder);
    let mut last = None;
    for number in 0..300 {
        last = put(&producer, number..number + 1).await.pop_last();
        tokio::time::sleep(5 * SECOND).await;
    }
    tokio::time::sleep(30 * MINUTE).await;
    control.pause();
    tokio::time::sleep(MINUTE).await;
    let begun = sim.elapsed();
    let (shard, now) = (first(&control), sim.now());
    control.seek(&shard, SeekTo::AtTimestamp(now)).await.unwrap();
    assert_eq!(checkpoint(&sim).await.0, last.unwrap().1);
    let reads = reads(&sim, begun);
    assert!(reads <= 25, "{reads} reads, where the last hour's records take 60");
    assert!(sim.elapsed() - begun <= 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_search_for_a_place_goes_on_with_a_new_iterator_when_one_expires() {
    let (sim, producer) = stream(1);
    let (journal, control, parts) = read_three_parts(&sim, &producer).await;
    control.pause();
    tokio::time::sleep(MINUTE).await;
    let between = sim.now() - 150 * SECOND;
    // Every other read: none of the search's iterators is good for two.
    let count = Arc::new(Mutex::new(0));
    sim.faults(move |call| {
        let mut count = count.lock().unwrap();
        if call.operation != "GetRecords" {
            return Fault::None;
        }
        *count += 1;
        match *count % 2 {
            0 => Fault::None,
            _ => Fault::Error {
                status: 400,
                code: "ExpiredIteratorException".to_owned(),
                message: "injected".to_owned(),
            },
        }
    });
    control
        .seek(&first(&control), SeekTo::AtTimestamp(between))
        .await
        .unwrap();
    assert_eq!(checkpoint(&sim).await.0, parts[1].last().unwrap().1);
    sim.heal();
    control.resume();
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(read_since(&journal, 60).into_iter().collect::<BTreeSet<_>>(), parts[2]);
}
