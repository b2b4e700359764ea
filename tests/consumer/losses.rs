//! Records that the service trims before they are read: reported, never passed over in silence (C1).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::AttributeValue;
use kcl::{
    Batch, HandlerError, OnPossibleLoss, Position, ShardState, StartingPosition, Worker, WorkerBuilder, WorkerControl,
};
use kpl::Producer;
use testkit::sim::{Fault, Sim};

use super::MINUTE;
use super::lease_table::lease_rows;
use super::log::{capture, lines};
use crate::fleet::{APPLICATION, Checkpoints, Journal, Place, STREAM, put, split, start, stream, worker};
use crate::replies::edited;

const REPORT: &str = "possible loss by retention";
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A worker reads the first 20 records, and ends. Returns the checkpoint of the first shard.
async fn read_and_stop(sim: &Sim, producer: &Producer) -> String {
    let journal = Journal::default();
    let (control, running) = start(worker(sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let places = put(producer, 0..20).await;
    journal.until("all records", |journal| journal.read() == places).await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    lease_rows(sim).await[0]["checkpoint"].as_s().unwrap().clone()
}

/// The same, then records that no worker reads within the retention time of 24 hours, and others that are there.
async fn lose_records(sim: &Sim, producer: &Producer) -> (String, BTreeSet<Place>) {
    let checkpoint = read_and_stop(sim, producer).await;
    tokio::time::sleep(HOUR).await;
    put(producer, 20..40).await;
    tokio::time::sleep(25 * HOUR).await;
    (checkpoint, put(producer, 40..60).await)
}

fn is_on_hold(control: &WorkerControl) -> bool {
    matches!(control.shards()[0].state, ShardState::OnHold { .. })
}

#[tokio::test(start_paused = true)]
async fn records_that_were_trimmed_behind_a_checkpoint_are_reported_and_the_others_are_read() {
    capture();
    let (sim, producer) = stream(1);
    let (checkpoint, places) = lose_records(&sim, &producer).await;
    let journal = Journal::default();
    let (control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    journal.until("the rest", |journal| journal.read() == places).await;
    control.pause();
    tokio::time::sleep(MINUTE).await;
    control.resume();
    tokio::time::sleep(MINUTE).await;
    let reports = lines(REPORT);
    assert_eq!(reports.len(), 1, "{reports:#?}");
    let oldest = &places.first().unwrap().1;
    assert!(reports[0].contains("ERROR") && reports[0].contains(&checkpoint) && reports[0].contains(oldest));
    let loss = control.shards().remove(0).possible_loss.unwrap();
    assert_eq!(loss.after.unwrap().as_str(), checkpoint);
    assert_eq!(loss.oldest.unwrap().as_str(), oldest);
    assert!(sim.now().duration_since(loss.oldest_arrived.unwrap()).unwrap() < 10 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_reported_within_the_retention_time() {
    capture();
    let (sim, producer) = stream(1);
    read_and_stop(&sim, &producer).await;
    let places = put(&producer, 20..40).await;
    tokio::time::sleep(23 * HOUR).await;
    let journal = Journal::default();
    let (control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    journal.until("the rest", |journal| journal.read() == places).await;
    assert_eq!(lines(REPORT), [""; 0]);
    assert_eq!(control.shards()[0].possible_loss, None);
}

/// A worker reads the first 20 records, is idle for ten minutes, and ends.
async fn read_idle_and_stop(sim: &Sim, producer: &Producer) {
    let journal = Journal::default();
    let (control, running) = start(worker(sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let places = put(producer, 0..20).await;
    journal.until("all records", |journal| journal.read() == places).await;
    tokio::time::sleep(10 * MINUTE).await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_loss_is_reported_of_a_shard_that_was_idle_within_the_retention_time() {
    capture();
    let (sim, producer) = stream(1);
    read_idle_and_stop(&sim, &producer).await;
    // The record of the checkpoint is trimmed after 24 hours, and nothing that came later is.
    tokio::time::sleep(24 * HOUR - 5 * MINUTE).await;
    let journal = Journal::default();
    let (control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    tokio::time::sleep(MINUTE).await;
    let places = put(&producer, 20..40).await;
    journal.until("the rest", |journal| journal.read() == places).await;
    assert_eq!(lines(REPORT), [""; 0]);
    assert_eq!(control.shards()[0].possible_loss, None);
}

#[tokio::test(start_paused = true)]
async fn a_loss_behind_an_idle_position_is_reported() {
    capture();
    let (sim, producer) = stream(1);
    read_idle_and_stop(&sim, &producer).await;
    tokio::time::sleep(HOUR).await;
    put(&producer, 20..40).await;
    tokio::time::sleep(25 * HOUR).await;
    let journal = Journal::default();
    let (control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    let places = put(&producer, 40..60).await;
    journal.until("the rest", |journal| journal.read() == places).await;
    assert_eq!(lines(REPORT).len(), 1);
    let loss = control.shards().remove(0).possible_loss.unwrap();
    let ago = sim.now().duration_since(loss.complete_until.unwrap()).unwrap();
    assert!(ago > 26 * HOUR && ago < 26 * HOUR + 5 * MINUTE, "{ago:?}");
}

/// The kinds of iterators that a worker has asked for.
fn iterators(sim: &Sim, client: &str) -> Vec<String> {
    let calls = sim.calls();
    let asked = calls
        .iter()
        .filter(|call| call.client == client && call.operation == "GetShardIterator");
    asked.map(|call| call.request.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_idle_shard_is_read_on_from_the_time_of_its_last_empty_read() {
    let (sim, producer) = stream(1);
    read_idle_and_stop(&sim, &producer).await;
    let places = put(&producer, 20..40).await;
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    journal.until("the rest", |journal| journal.read() == places).await;
    assert_eq!(journal.all_read().len(), 20, "nothing is read twice");
    assert!(iterators(&sim, "w2")[0].contains("AT_TIMESTAMP"));
}

#[tokio::test(start_paused = true)]
async fn the_idle_position_of_another_checkpoint_is_ignored() {
    let (sim, producer) = stream(1);
    read_idle_and_stop(&sim, &producer).await;
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    // A worker of a Java KCL goes back, and leaves the attributes that it does not know as they are.
    let edit = client
        .update_item()
        .table_name(APPLICATION)
        .key("leaseKey", AttributeValue::S("shardId-000000000000".into()))
        .update_expression("SET checkpoint = :checkpoint")
        .expression_attribute_values(":checkpoint", AttributeValue::S("TRIM_HORIZON".into()));
    edit.send().await.unwrap();
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    journal.until("all records", |journal| journal.read().len() == 20).await;
    assert!(iterators(&sim, "w2")[0].contains("TRIM_HORIZON"));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_halts_on_a_possible_loss_reads_on_when_it_is_told_to() {
    capture();
    let (sim, producer) = stream(1);
    let (checkpoint, places) = lose_records(&sim, &producer).await;
    let journal = Journal::default();
    let builder = worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch);
    let (control, _running) = start(builder.on_possible_loss(OnPossibleLoss::Halt));
    tokio::time::sleep(10 * MINUTE).await;
    assert!(
        journal.read().is_empty() && is_on_hold(&control),
        "{:?}",
        control.shards()
    );
    assert_eq!(lease_rows(&sim).await[0]["checkpoint"].as_s().unwrap(), &checkpoint);
    let status = control.shards().remove(0);
    assert!(matches!(status.checkpoint, Position::At(_)), "{status:?}");
    let skipped = control.skip(&status.shard).await.unwrap();
    assert!(
        skipped.records.is_empty() && skipped.possible_loss == status.possible_loss,
        "{skipped:?}"
    );
    assert!(skipped.possible_loss.is_some());
    journal.until("the rest", |journal| journal.read() == places).await;
    assert!(!is_on_hold(&control));
    assert_eq!(lines(REPORT).len(), 1);
}

/// A worker whose handler always fails.
fn failing(sim: &Sim) -> WorkerBuilder {
    let builder = Worker::builder(APPLICATION, STREAM).aws(&sim.client("w2")).seed(1);
    let builder = builder.failover_time(10 * MINUTE).idle_time_between_reads(MINUTE);
    builder.for_each_batch(|_: Batch| async { Err(HandlerError::new("the database is away")) })
}

#[tokio::test(start_paused = true)]
async fn a_second_loss_behind_the_same_position_is_reported_though_the_handler_fails_all_the_time() {
    capture();
    let (sim, producer) = stream(1);
    let (checkpoint, places) = lose_records(&sim, &producer).await;
    let (control, _running) = start(failing(&sim));
    tokio::time::sleep(20 * HOUR).await;
    assert_eq!(lines(REPORT).len(), 1, "{:#?}", lines(REPORT));
    assert!(lines(REPORT)[0].contains(&places.first().unwrap().1));
    // Those that were delivered first are trimmed now, and those that come after them are there.
    put(&producer, 60..80).await;
    tokio::time::sleep(10 * HOUR).await;
    assert_eq!(lines(REPORT).len(), 2, "{:#?}", lines(REPORT));
    let loss = control.shards().remove(0).possible_loss.unwrap();
    assert_eq!(loss.after.unwrap().as_str(), checkpoint);
    assert!(loss.oldest.unwrap().as_str() > places.last().unwrap().1.as_str());
}

#[tokio::test(start_paused = true)]
async fn a_loss_of_everything_is_reported_once_and_what_comes_later_is_none() {
    capture();
    let (sim, producer) = stream(1);
    read_and_stop(&sim, &producer).await;
    tokio::time::sleep(26 * HOUR).await;
    let (control, _running) = start(failing(&sim));
    tokio::time::sleep(HOUR).await;
    let reports = lines(REPORT).len();
    put(&producer, 60..80).await;
    tokio::time::sleep(20 * HOUR).await;
    assert_eq!(lines(REPORT).len(), reports, "{:#?}", lines(REPORT));
    assert!(matches!(control.shards()[0].state, ShardState::Halted { .. }));
    tokio::time::sleep(10 * HOUR).await;
    assert_eq!(lines(REPORT).len(), reports + 1, "the new ones were trimmed");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_was_closed_and_trimmed_before_its_end_was_read_is_reported() {
    capture();
    let (sim, producer) = stream(1);
    let checkpoint = read_and_stop(&sim, &producer).await;
    put(&producer, 20..40).await;
    split(&sim, "shardId-000000000000", 1u128 << 127).await;
    tokio::time::sleep(50 * HOUR).await;
    let places = put(&producer, 40..60).await;
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    journal
        .until("the rest", |journal| journal.read().is_superset(&places))
        .await;
    let reports = lines(REPORT);
    assert!(reports.len() == 1 && reports[0].contains(&checkpoint), "{reports:#?}");
}

/// A shard and a child of it are trimmed before a worker that runs has read the shard's end: nobody tells of the grandchildren.
#[tokio::test(start_paused = true)]
async fn the_grandchildren_of_a_shard_that_was_trimmed_with_its_child_are_read() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let places = put(&producer, 0..20).await;
    journal
        .until("the first records", |journal| journal.read() == places)
        .await;
    control.pause();
    tokio::time::sleep(Duration::from_secs(5)).await;
    split(&sim, "shardId-000000000000", 1 << 127).await;
    split(&sim, "shardId-000000000001", 1 << 126).await;
    tokio::time::sleep(25 * HOUR).await;
    control.resume();
    let places: BTreeSet<_> = places.into_iter().chain(put(&producer, 20..80).await).collect();
    tokio::time::sleep(3 * MINUTE).await;
    assert_eq!(journal.read(), places);
    let shards = control.shards();
    let reading = shards.iter().filter(|status| status.state == ShardState::Reading);
    let reading: BTreeSet<_> = reading.map(|status| status.shard.shard.to_string()).collect();
    assert_eq!(reading, [2, 3, 4].map(|n| format!("shardId-{n:012}")).into());
}

/// A worker that makes few calls, for tests that take days.
fn patient(sim: &Sim, journal: &Journal) -> WorkerBuilder {
    let builder = worker(sim, "w1", journal, Checkpoints::AfterEachBatch);
    builder.failover_time(10 * MINUTE).idle_time_between_reads(MINUTE)
}

/// Denies the worker `w1` its reads.
fn deny_reads(sim: &Sim) {
    sim.faults(|call| match call.operation == "GetRecords" && call.client == "w1" {
        true => Fault::access_denied(),
        false => Fault::None,
    });
}

/// Denies the worker `w1` its reads for a day and more, in which records are put and trimmed, and then allows them. Returns what was
/// put last.
async fn deny_reads_for_days(sim: &Sim, producer: &Producer, numbers: std::ops::Range<usize>) -> BTreeSet<Place> {
    deny_reads(sim);
    tokio::time::sleep(HOUR).await;
    put(producer, numbers.start..numbers.start + 20).await;
    tokio::time::sleep(26 * HOUR).await;
    sim.heal();
    put(producer, numbers.start + 20..numbers.end).await
}

#[tokio::test(start_paused = true)]
async fn each_loss_of_a_worker_that_runs_is_reported_while_it_cannot_read_or_is_paused() {
    capture();
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (control, _running) = start(patient(&sim, &journal));
    let places = put(&producer, 0..20).await;
    journal
        .until("the first records", |journal| journal.read() == places)
        .await;
    for (first, reports) in [(20, 1), (60, 2)] {
        let places = deny_reads_for_days(&sim, &producer, first..first + 40).await;
        journal
            .until("the rest", |journal| journal.read().is_superset(&places))
            .await;
        assert_eq!(lines(REPORT).len(), reports, "{:#?}", lines(REPORT));
    }
    control.pause();
    tokio::time::sleep(HOUR).await;
    put(&producer, 100..120).await;
    tokio::time::sleep(26 * HOUR).await;
    let places = put(&producer, 120..140).await;
    control.resume();
    journal
        .until("the rest", |journal| journal.read().is_superset(&places))
        .await;
    assert_eq!(lines(REPORT).len(), 3, "{:#?}", lines(REPORT));
}

#[tokio::test(start_paused = true)]
async fn no_loss_is_reported_of_a_worker_that_had_read_everything_and_could_not_read_for_less_than_the_retention_time()
{
    capture();
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (_control, _running) = start(patient(&sim, &journal));
    put(&producer, 0..20).await;
    tokio::time::sleep(30 * HOUR).await;
    deny_reads(&sim);
    tokio::time::sleep(5 * HOUR).await;
    let places = put(&producer, 20..40).await;
    sim.heal();
    journal
        .until("the rest", |journal| journal.read().is_superset(&places))
        .await;
    assert_eq!(lines(REPORT), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_in_front_of_the_oldest_record_is_no_loss() {
    capture();
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    put(&producer, 0..20).await;
    let places = put(&producer, 20..40).await;
    journal
        .until("all records", |journal| journal.read().is_superset(&places))
        .await;
    tokio::time::sleep(10 * MINUTE).await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    // The service may answer with an empty page and go on with the records behind it.
    let emptied = AtomicUsize::new(0);
    let client = edited(&sim, "w2", move |reply| {
        let Some(records) = reply["Records"].as_array_mut() else {
            return;
        };
        if !records.is_empty() && emptied.fetch_add(1, Ordering::Relaxed) == 0 {
            records.clear();
            reply["MillisBehindLatest"] = 1_000.into();
        }
    });
    sim.faults(|call| match call.operation {
        "DescribeStreamSummary" => Fault::access_denied(),
        _ => Fault::None,
    });
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch).kinesis_client(client));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(lines(REPORT), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_loss_of_a_worker_that_has_read_no_record_yet_is_reported_too() {
    capture();
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let builder = patient(&sim, &journal).start_at(StartingPosition::Latest);
    let (_control, _running) = start(builder);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let places = deny_reads_for_days(&sim, &producer, 0..40).await;
    journal
        .until("the rest", |journal| journal.read().is_superset(&places))
        .await;
    assert_eq!(lines(REPORT).len(), 1, "{:#?}", lines(REPORT));
}

/// It has a checkpoint, but begins at a time.
#[tokio::test(start_paused = true)]
async fn a_loss_of_a_worker_that_went_on_with_an_idle_shard_is_reported() {
    capture();
    let (sim, producer) = stream(1);
    read_idle_and_stop(&sim, &producer).await;
    let journal = Journal::default();
    let (_control, _running) = start(patient(&sim, &journal));
    tokio::time::sleep(Duration::from_secs(60)).await;
    let places = deny_reads_for_days(&sim, &producer, 100..140).await;
    journal
        .until("the rest", |journal| journal.read().is_superset(&places))
        .await;
    assert_eq!(lines(REPORT).len(), 1, "{:#?}", lines(REPORT));
}

#[tokio::test(start_paused = true)]
async fn no_loss_is_reported_of_a_worker_that_could_not_read_at_first() {
    for start_at in [
        StartingPosition::Latest,
        StartingPosition::TrimHorizon,
        StartingPosition::AtTimestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(1)),
    ] {
        capture();
        let (sim, producer) = stream(1);
        let journal = Journal::default();
        deny_reads(&sim);
        let (_control, _running) = start(patient(&sim, &journal).start_at(start_at));
        tokio::time::sleep(5 * HOUR).await;
        let places = put(&producer, 0..20).await;
        sim.heal();
        journal
            .until("the records", |journal| journal.read().is_superset(&places))
            .await;
        assert_eq!(lines(REPORT), [""; 0], "{start_at:?}");
        sim.end();
    }
}
