//! The consumer against the simulated services: nothing is skipped (C1), parents come before their children (C2), one
//! owner at a time (C3), and a handler's error loses nothing (C5).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use kcl::{Batch, Checkpointer, HandlerError, RecordProcessor, ShardContext, Worker, WorkerError};
use testkit::Service;
use testkit::sim::{Fault, Sim};

use crate::fleet::{APPLICATION, Checkpoints, Entry, Journal, STREAM, merge, put, split, start, stream, worker};

const MINUTE: Duration = Duration::from_secs(60);

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
async fn children_are_read_after_their_parents_across_a_split_and_a_merge() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let (_first, _one) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let (_second, _two) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    let mut places = put(&producer, 0..300).await;
    split(&sim, "shardId-000000000000", 1u128 << 126).await;
    places.extend(put(&producer, 300..600).await);
    merge(&sim, "shardId-000000000003", "shardId-000000000001").await;
    places.extend(put(&producer, 600..900).await);
    // An aggregate that landed beside its shard is sent again as a whole, so there may be more than was acknowledged.
    journal
        .until("all records", |journal| journal.read().is_superset(&places))
        .await;
    for (parent, child) in [("00", "02"), ("00", "03"), ("01", "04"), ("03", "04")] {
        journal.assert_parent_before_child(parent, child);
    }
    journal.assert_first_reads_are_in_order();
}

/// 0 splits into 2 and 3, and 3 merges with 1 into 4, before anybody reads; then 1 is read to its end long before 0 is.
#[tokio::test(start_paused = true)]
async fn the_child_of_a_merge_waits_for_a_parent_that_has_no_lease_yet() {
    let (sim, producer) = stream(2);
    let mut places = put(&producer, 0..300).await;
    split(&sim, "shardId-000000000000", 1u128 << 126).await;
    places.extend(put(&producer, 300..600).await);
    merge(&sim, "shardId-000000000003", "shardId-000000000001").await;
    places.extend(put(&producer, 600..900).await);
    let slow = sim.now() + MINUTE;
    sim.faults(move |call| {
        let of_shard_0 = String::from_utf8_lossy(call.body).contains("shardId-000000000000");
        let held_up = call.operation == "GetShardIterator" && of_shard_0 && call.now < slow;
        if held_up { Fault::throttled() } else { Fault::None }
    });
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    journal
        .until("all records", |journal| journal.read().is_superset(&places))
        .await;
    for (parent, child) in [("00", "02"), ("00", "03"), ("00", "04"), ("01", "04"), ("03", "04")] {
        journal.assert_parent_before_child(parent, child);
    }
}

#[tokio::test(start_paused = true)]
async fn ended_shards_do_not_count_against_the_leases_that_a_worker_may_have() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch).max_leases(3));
    put(&producer, 0..100).await;
    for shard in ["shardId-000000000000", "shardId-000000000001"] {
        let at = if shard.ends_with('0') {
            1u128 << 126
        } else {
            3u128 << 126
        };
        split(&sim, shard, at).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    put(&producer, 100..200).await;
    let children = |journal: &Journal| {
        let shards: BTreeSet<String> = journal.read().into_iter().map(|(shard, ..)| shard).collect();
        shards.len()
    };
    journal
        .until("two parents and three children read", |journal| children(journal) >= 5)
        .await;
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
    let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch).handler_retries(100);
    let (_first, _one) = start(builder);
    let builder = worker(&sim, "w22", &journal, Checkpoints::AfterEachBatch).handler_retries(100);
    let (_second, _two) = start(builder);
    journal.until("all records", |journal| journal.read() == places).await;
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

/// Fails on its first calls.
struct Failing {
    failures_left: Arc<AtomicUsize>,
    journal: Journal,
    shard: String,
}

impl RecordProcessor for Failing {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        if self.failures_left.load(Ordering::SeqCst) > 0 {
            let left = self.failures_left.fetch_sub(1, Ordering::SeqCst);
            assert!(left.is_multiple_of(2), "every other failure is a panic");
            return Err("not yet".into());
        }
        for record in &batch.records {
            let place = (
                self.shard.clone(),
                record.sequence_number().to_string(),
                record.sub_sequence_number(),
            );
            let data = String::from_utf8_lossy(record.data()).into_owned();
            self.journal.push(Entry::Read {
                worker: "w1".into(),
                place,
                data,
            });
        }
        Ok(checkpointer.checkpoint().await?)
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        Ok(checkpointer.checkpoint().await?)
    }
}

fn failing(sim: &Sim, failures: usize, journal: &Journal) -> kcl::WorkerBuilder {
    let (failures_left, journal) = (Arc::new(AtomicUsize::new(failures)), journal.clone());
    Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .worker_id("w1")
        .seed(1)
        .processor(move |shard: &ShardContext| Failing {
            failures_left: Arc::clone(&failures_left),
            journal: journal.clone(),
            shard: shard.shard_id.to_string(),
        })
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_or_panics_gets_the_same_records_again() {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..50).await;
    let journal = Journal::default();
    let (_control, _running) = start(failing(&sim, 5, &journal));
    journal.until("all records", |journal| journal.read() == places).await;
    assert_eq!(journal.all_read().len(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_keeps_failing_halts_its_shard_and_skips_nothing() {
    let (sim, producer) = stream(1);
    put(&producer, 0..50).await;
    let journal = Journal::default();
    let (control, running) = start(failing(&sim, 1_000, &journal).handler_retries(3));
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(journal.all_read(), []);
    let leases = lease_rows(&sim).await;
    assert_eq!(leases[0]["checkpoint"], AttributeValue::S("TRIM_HORIZON".into()));
    assert_eq!(
        leases[0]["leaseOwner"],
        AttributeValue::S("w1".into()),
        "held, so that nobody runs into the same"
    );
    control.shutdown(MINUTE);
    let report = running.await.unwrap().unwrap();
    assert_eq!((report.released.len(), report.halted.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_handler_failed_is_not_checkpointed_by_a_shutdown_during_the_wait() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let places = put(&producer, 0..50).await;
    let (control, running) = start(failing(&sim, 1_000, &journal).handler_retries(1_000));
    tokio::time::sleep(Duration::from_secs(20)).await;
    let asked = sim.elapsed();
    control.shutdown(MINUTE);
    assert_eq!(running.await.unwrap().unwrap().released.len(), 1);
    assert!(
        sim.elapsed() - asked < Duration::from_secs(1),
        "the wait between attempts does not hold a shutdown up"
    );
    let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    journal.until("all records", |journal| journal.read() == places).await;
}

#[tokio::test(start_paused = true)]
async fn the_records_of_a_halted_shard_are_not_checkpointed_by_a_shutdown() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let places = put(&producer, 0..50).await;
    let (control, running) = start(failing(&sim, 1_000, &journal).handler_retries(2));
    tokio::time::sleep(10 * MINUTE).await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    journal.until("all records", |journal| journal.read() == places).await;
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_cannot_be_made_halts_its_shard_and_releases_it_at_shutdown() {
    let (sim, _producer) = stream(1);
    let builder =
        Worker::builder(APPLICATION, STREAM)
            .aws(&sim.client("w1"))
            .processor(|_: &ShardContext| -> Failing {
                panic!("injected: the factory panics");
            });
    let (control, running) = start(builder);
    tokio::time::sleep(MINUTE).await;
    control.shutdown(MINUTE);
    assert_eq!(running.await.unwrap().unwrap().released.len(), 1);
}

/// A worker that comes, creates the table, and goes.
async fn leave_a_table(sim: &Sim, journal: &Journal) {
    let (control, running) = start(worker(sim, "w1", journal, Checkpoints::AfterEachBatch));
    tokio::time::sleep(MINUTE).await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
}

type Row = std::collections::BTreeMap<String, AttributeValue>;

async fn lease_rows(sim: &Sim) -> Vec<Row> {
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let scan = client.scan().table_name(APPLICATION).send().await.unwrap();
    let mut rows: Vec<Row> = scan
        .items()
        .iter()
        .map(|row| row.clone().into_iter().collect())
        .collect();
    rows.sort_by_key(|row| row["leaseKey"].as_s().unwrap().clone());
    rows
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
        ]
    );
    assert_eq!(
        rows[1]["startingHashKey"],
        AttributeValue::S((1u128 << 127).to_string())
    );
    assert_eq!(rows[1]["endingHashKey"], AttributeValue::S(u128::MAX.to_string()));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_other_workers_lead_is_refused_with_what_was_found() {
    let (sim, _producer) = stream(1);
    let journal = Journal::default();
    leave_a_table(&sim, &journal).await;
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
    let (_control, running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error, WorkerError::LedByOthers { .. }), "{error}");
    assert!(
        error.to_string().contains(APPLICATION) && error.to_string().contains("Leader"),
        "{error}"
    );
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
    assert!(matches!(error, WorkerError::LedByOthers { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_exist_ends_the_worker_at_once_and_is_named() {
    let sim = Sim::new(3);
    let journal = Journal::default();
    let (_control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let error = running.await.unwrap().unwrap_err();
    assert!(
        matches!(&error, WorkerError::Stream { stream, .. } if stream == STREAM),
        "{error}"
    );
    assert!(sim.elapsed() < Duration::from_secs(5));
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
        matches!(&error, WorkerError::LeaseTable { table, .. } if table == APPLICATION),
        "{error}"
    );
    assert!(sim.elapsed() < 2 * MINUTE);
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
