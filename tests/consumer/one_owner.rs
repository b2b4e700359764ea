//! Leases that change hands: each shard has one owner at a time (C3), and soon another when that one is gone.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::types::AttributeValue;
use kcl::{RunError, ShutdownReport, WorkerControl, WorkerError};
use testkit::Service;
use testkit::sim::{Fault, Process, Sim};
use tokio::task::JoinHandle;

use super::MINUTE;
use super::lease_table::lease_rows;
use crate::fleet::{APPLICATION, Checkpoints, Entry, Journal, put, start, stream, worker};

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
    assert!(matches!(error.error(), WorkerError::WorkerIdInUse { .. }), "{error}");
    assert!(error.to_string().contains("w1"));
    places.extend(put(&producer, 100..200).await);
    journal.until("all records", |journal| journal.read() == places).await;
    assert!(!other.is_finished(), "the other one goes on alone");
}

/// Its machine stands still in the midst of records, and its own time with it: by that alone its lease would be valid.
#[tokio::test(start_paused = true)]
async fn a_worker_whose_machine_was_suspended_delivers_nothing_of_a_shard_that_another_has_taken() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let process = sim.process("w1");
    let builder = worker(&sim, "w1", &journal, Checkpoints::Never)
        .aws(&process.sdk_config())
        .clock(process.clock())
        .wrap_tasks(process.task_wrapper());
    let suspended = builder.build().unwrap();
    drop(process.spawn(suspended.run()));
    let mut places = put(&producer, 0..20).await;
    journal
        .until("the first records", |journal| journal.read() == places)
        .await;
    let (_second, _running) = start(worker(&sim, "w2", &journal, Checkpoints::Never));
    tokio::time::sleep(Duration::from_secs(5)).await;
    process.suspend();
    places.extend(put(&producer, 20..40).await);
    tokio::time::sleep(MINUTE).await;
    let before = journal.entries().len();
    // From now on nothing tells it that it lost the lease, except its clock.
    process.cut_off(Service::DynamoDb);
    process.resume();
    for n in 40..60 {
        places.extend(put(&producer, n..n + 1).await);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let late = |entry: &&Entry| matches!(entry, Entry::Read { worker, .. } if worker == "w1");
    let entries = journal.entries();
    assert_eq!(entries[before..].iter().find(late), None);
    journal.until("all records", |journal| journal.read() == places).await;
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

type Running = JoinHandle<Result<ShutdownReport, RunError>>;

/// A number that the row of the first shard's lease holds.
async fn number_in_the_first_row(sim: &Sim, attribute: &str) -> u64 {
    lease_rows(sim).await[0][attribute].as_n().unwrap().parse().unwrap()
}

/// Starts a worker in a process of its own, whose clocks it reads.
fn start_by_its_own_clock(sim: &Sim, process: &Process) -> (WorkerControl, Running) {
    let builder = worker(sim, process.name(), &Journal::default(), Checkpoints::Never);
    start(builder.aws(&process.sdk_config()).clock(process.clock()))
}

#[tokio::test(start_paused = true)]
async fn fencing_tokens_begin_with_the_time_of_the_service_whatever_the_clocks_of_the_hosts_say() {
    let set_clock: [fn(&Process); 2] = [
        |process| process.set_clock_ahead(60 * MINUTE),
        |process| process.set_clock_behind(60 * MINUTE),
    ];
    for set_clock in set_clock {
        let (sim, _producer) = stream(1);
        let process = sim.process("w1");
        set_clock(&process);
        let (_control, _running) = start_by_its_own_clock(&sim, &process);
        tokio::time::sleep(MINUTE).await;
        let base = number_in_the_first_row(&sim, "tokenBase").await;
        let now = sim.now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let passed = now.checked_sub(Duration::from_millis(base)).unwrap();
        assert!(passed <= MINUTE + Duration::from_secs(2), "{passed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn fencing_tokens_grow_over_a_row_that_is_deleted_and_made_again_by_a_host_whose_clock_is_behind() {
    let (sim, _producer) = stream(1);
    let (first, second) = (sim.process("w1"), sim.process("w2"));
    first.set_clock_ahead(60 * MINUTE);
    let (_control, running) = start_by_its_own_clock(&sim, &first);
    tokio::time::sleep(10 * MINUTE).await;
    running.abort();
    let token =
        async || number_in_the_first_row(&sim, "tokenBase").await + number_in_the_first_row(&sim, "leaseCounter").await;
    let before = token().await;
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let delete = client.delete_item().table_name(APPLICATION);
    let delete = delete.key("leaseKey", AttributeValue::S("shardId-000000000000".into()));
    delete.send().await.unwrap();
    let (_control, _running) = start_by_its_own_clock(&sim, &second);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(token().await > before);
}

/// Takes the date out of each reply.
#[derive(Debug)]
struct WithoutDate;

impl Intercept for WithoutDate {
    fn name(&self) -> &'static str {
        "WithoutDate"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.response_mut().headers_mut().remove("date");
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn fencing_tokens_begin_with_the_time_of_the_host_if_replies_show_none() {
    let (sim, _producer) = stream(1);
    let process = sim.process("w1");
    process.set_clock_behind(60 * MINUTE);
    let config = aws_sdk_dynamodb::config::Builder::from(&process.sdk_config()).interceptor(WithoutDate);
    let undated = aws_sdk_dynamodb::Client::from_conf(config.build());
    let builder = worker(&sim, "w1", &Journal::default(), Checkpoints::Never).dynamodb_client(undated);
    let (_control, _running) = start(builder.clock(process.clock()));
    tokio::time::sleep(MINUTE).await;
    let base = number_in_the_first_row(&sim, "tokenBase").await;
    let now = process.clock().wall().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert!(now.checked_sub(Duration::from_millis(base)).unwrap() <= MINUTE);
}
