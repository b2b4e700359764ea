//! Workers that begin anew with a stream that was deleted and created again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use kcl::event::{Event, WorkerEvent};
use kcl::{
    Batch, Checkpointer, HandlerError, LeaseEpoch, LeaseLost, OnRecreated, RecordProcessor, ShardContext, ShardState,
    Worker, WorkerBuilder,
};
use testkit::Service;
use testkit::sim::{Fault, Sim};

use super::MINUTE;
use super::lease_table::lease_rows;
use super::log::{capture, lines};
use super::recreated_stream::{FIRST, SECOND, attribute, create_stream_again, put_unmarked, read_and_stop};
use crate::fleet::{APPLICATION, Checkpoints, Entry, Journal, STREAM, put, split, start, stream, worker};

const SECONDS: Duration = Duration::from_secs(1);

fn restarting(sim: &Sim, name: &str, journal: &Journal) -> WorkerBuilder {
    worker(sim, name, journal, Checkpoints::AfterEachBatch).on_recreated(OnRecreated::Restart)
}

/// The shards in the lease table, and the creation times that the rows say.
async fn rows(sim: &Sim) -> Vec<(String, Option<String>)> {
    let rows = lease_rows(sim).await;
    let created = |row: &std::collections::BTreeMap<String, AttributeValue>| {
        row.get("streamCreated").map(|created| created.as_n().unwrap().clone())
    };
    rows.iter()
        .map(|row| (row["leaseKey"].as_s().unwrap().clone(), created(row)))
        .collect()
}

/// The rows are those of so many shards of one stream, which is not `former`.
async fn assert_rows_of_one_stream(sim: &Sim, shards: usize, former: &str) {
    let rows = rows(sim).await;
    let streams: BTreeSet<_> = rows.iter().map(|(_, created)| created.clone().unwrap()).collect();
    assert_eq!((rows.len(), streams.len()), (shards, 1), "{rows:?}");
    assert!(!streams.contains(former));
}

/// What its processors were told, beside the journal of their records.
#[derive(Default, Clone)]
struct Told {
    lost: Arc<Mutex<Vec<LeaseLost>>>,
    epochs: Arc<Mutex<Vec<(String, LeaseEpoch)>>>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Told {
    fn times_created_again(&self) -> usize {
        let events = self.events.lock().unwrap();
        let is_told = |event: &&Event| matches!(event, Event::Worker(WorkerEvent::StreamCreatedAgain { .. }));
        events.iter().filter(is_told).count()
    }

    /// The fencing tokens of each shard grow.
    fn assert_tokens_grow(&self) {
        let epochs = self.epochs.lock().unwrap();
        for (shard, _) in epochs.iter() {
            let of_shard = epochs.iter().filter(|(of, _)| of == shard);
            let of_shard: Vec<_> = of_shard.map(|(_, epoch)| *epoch).collect();
            assert!(of_shard.is_sorted_by(|a, b| a < b), "{shard}: {of_shard:?}");
        }
    }
}

struct Watcher {
    shard: String,
    journal: Journal,
    told: Told,
}

impl RecordProcessor for Watcher {
    async fn initialize(&mut self, shard: &ShardContext) -> Result<(), HandlerError> {
        let epoch = shard.lease.epoch();
        self.told.epochs.lock().unwrap().push((self.shard.clone(), epoch));
        Ok(())
    }

    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        for record in &batch.records {
            let sequence_number = record.sequence_number().to_string();
            self.journal.push(Entry::Read {
                worker: String::new(),
                place: (self.shard.clone(), sequence_number, record.sub_sequence_number()),
                data: String::new(),
            });
        }
        Ok(checkpointer.checkpoint().await?)
    }

    async fn lease_lost(&mut self, reason: LeaseLost) {
        self.told.lost.lock().unwrap().push(reason);
    }
}

/// A worker that begins anew, whose processors write to `journal` and `told`.
fn watched(sim: &Sim, name: &str, journal: &Journal, told: &Told) -> WorkerBuilder {
    let (journal, told, events) = (journal.clone(), told.clone(), Arc::clone(&told.events));
    Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client(name))
        .worker_id(name)
        .seed(name.len() as u64)
        .on_recreated(OnRecreated::Restart)
        .on_event(move |event| events.lock().unwrap().push(event.clone()))
        .processor(move |shard: &ShardContext| Watcher {
            shard: shard.shard_id().to_string(),
            journal: journal.clone(),
            told: told.clone(),
        })
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_created_again_with_the_same_shards_is_read_from_the_start_without_an_operator() {
    let (sim, producer) = stream(2);
    let (journal, told) = (Journal::default(), Told::default());
    let (control, _running) = start(watched(&sim, "w1", &journal, &told));
    let former = put(&producer, 0..40).await;
    journal.until("all records", |journal| journal.read() == former).await;
    let created = attribute(&sim, FIRST, "streamCreated").await.unwrap();
    create_stream_again(&sim, 2).await;
    let present = put(&producer, 40..80).await;
    journal
        .until("the records of the present stream", |journal| {
            journal.read().is_superset(&present)
        })
        .await;
    assert_eq!(
        *told.lost.lock().unwrap(),
        [LeaseLost::StreamCreatedAgain, LeaseLost::StreamCreatedAgain]
    );
    assert_eq!(told.times_created_again(), 1);
    told.assert_tokens_grow();
    assert_eq!(told.epochs.lock().unwrap().len(), 4);
    assert_rows_of_one_stream(&sim, 2, &created).await;
    let statuses = control.shards();
    assert!(
        statuses.iter().all(|status| status.state == ShardState::Reading),
        "{statuses:?}"
    );
    assert_eq!(journal.all_read().len(), 80, "each record once");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_created_again_with_more_or_fewer_shards_is_read_from_the_start() {
    for (before, after) in [(1, 4), (4, 1), (3, 2)] {
        let (sim, producer) = stream(before);
        let journal = Journal::default();
        let (_control, _running) = start(restarting(&sim, "w1", &journal));
        let former = put(&producer, 0..60).await;
        journal.until("all records", |journal| journal.read() == former).await;
        let created = attribute(&sim, FIRST, "streamCreated").await.unwrap();
        create_stream_again(&sim, after).await;
        let present = put(&producer, 60..120).await;
        journal
            .until("the records of the present stream", |journal| {
                journal.read().is_superset(&present)
            })
            .await;
        assert_rows_of_one_stream(&sim, after, &created).await;
        split(&sim, FIRST, 1u128 << 100).await;
        let later = put(&producer, 120..160).await;
        journal
            .until("the children's records", |journal| journal.read().is_superset(&later))
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_still_believes_in_the_former_stream_loses_its_leases_and_follows() {
    let (sim, producer) = stream(4);
    let (journal, first, second) = (Journal::default(), Told::default(), Told::default());
    let (one, _one) = start(watched(&sim, "w1", &journal, &first));
    let (two, _two) = start(watched(&sim, "w22", &journal, &second));
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!((one.shards().len(), two.shards().len()), (2, 2));
    let former = put(&producer, 0..80).await;
    journal.until("all records", |journal| journal.read() == former).await;
    second.lost.lock().unwrap().clear();
    sim.faults(|call| match (call.client, call.service) {
        ("w22", Service::Kinesis) => Fault::throttled(),
        _ => Fault::None,
    });
    create_stream_again(&sim, 4).await;
    tokio::time::sleep(2 * MINUTE).await;
    let lost = second.lost.lock().unwrap().clone();
    assert_eq!(
        lost,
        [LeaseLost::StreamCreatedAgain, LeaseLost::StreamCreatedAgain],
        "by their rows"
    );
    assert_eq!(second.times_created_again(), 0, "it cannot see the stream");
    assert_eq!(one.shards().len(), 4);
    sim.heal();
    tokio::time::sleep(3 * MINUTE).await;
    assert_eq!(second.times_created_again(), 1);
    assert_eq!((one.shards().len(), two.shards().len()), (2, 2), "it has its share");
    let present = put(&producer, 80..200).await;
    journal
        .until("the records of the present stream", |journal| {
            journal.read().is_superset(&present)
        })
        .await;
    first.assert_tokens_grow();
    second.assert_tokens_grow();
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_crashes_half_way_leaves_what_the_next_one_completes() {
    for applied in 0..5 {
        let (sim, producer) = stream(5);
        let journal = Journal::default();
        let (_control, running) = start(restarting(&sim, "w1", &journal));
        let former = put(&producer, 0..100).await;
        journal.until("all records", |journal| journal.read() == former).await;
        let created = attribute(&sim, FIRST, "streamCreated").await.unwrap();
        let left = Arc::new(Mutex::new(applied));
        sim.faults(move |call| {
            let body = String::from_utf8_lossy(call.body);
            let is_made_anew = call.operation == "DeleteItem" || body.contains("streamCreated = :streamCreatedAsSeen");
            let mut left = left.lock().unwrap();
            match is_made_anew && *left == 0 {
                true => return Fault::RequestLost,
                false => *left -= usize::from(is_made_anew),
            }
            Fault::None
        });
        create_stream_again(&sim, 3).await;
        tokio::time::sleep(MINUTE).await;
        let of_former = rows(&sim).await;
        let of_former = of_former.iter().filter(|(_, of)| of.as_deref() == Some(&created));
        assert_eq!(of_former.count(), 5 - applied, "half-way");
        running.abort();
        sim.heal();
        let present = put(&producer, 100..160).await;
        let (_control, _running) = start(restarting(&sim, "w22", &journal));
        journal
            .until("the records of the present stream", |journal| {
                journal.read().is_superset(&present)
            })
            .await;
        assert_rows_of_one_stream(&sim, 3, &created).await;
    }
}

#[tokio::test(start_paused = true)]
async fn workers_that_may_not_delete_rows_begin_anew_and_warn() {
    capture();
    let (sim, producer) = stream(4);
    let journal = Journal::default();
    let (_control, running) = start(restarting(&sim, "w1", &journal));
    let former = put(&producer, 0..100).await;
    journal.until("all records", |journal| journal.read() == former).await;
    sim.faults(|call| match call.operation {
        "DeleteItem" => Fault::access_denied(),
        _ => Fault::None,
    });
    create_stream_again(&sim, 2).await;
    tokio::time::sleep(2 * MINUTE).await;
    let (_control, started_later) = start(restarting(&sim, "w22", &journal));
    let present = put(&producer, 100..160).await;
    tokio::time::sleep(2 * MINUTE).await;
    assert!(journal.read().is_superset(&present));
    assert!(!running.is_finished() && !started_later.is_finished());
    assert_eq!(rows(&sim).await.len(), 4, "nothing was deleted");
    let warning = "leases of a former stream not replaced, trying again";
    assert!(
        lines(warning).iter().any(|line| line.contains("AccessDenied")),
        "{:?}",
        lines(warning)
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_while_a_worker_begins_anew_is_tried_again() {
    for operation in ["ListShards", "Scan", "UpdateItem"] {
        let (sim, producer) = stream(2);
        let journal = Journal::default();
        let (_control, running) = start(restarting(&sim, "w1", &journal));
        let former = put(&producer, 0..100).await;
        journal.until("all records", |journal| journal.read() == former).await;
        create_stream_again(&sim, 2).await;
        sim.faults(move |call| match call.operation == operation && call.client == "w1" {
            true => Fault::access_denied(),
            false => Fault::None,
        });
        tokio::time::sleep(3 * MINUTE).await;
        assert!(!running.is_finished(), "{operation}");
        sim.heal();
        let present = put(&producer, 100..160).await;
        journal
            .until("the records of the present stream", |journal| {
                journal.read().is_superset(&present)
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_starts_after_the_stream_was_created_again_replaces_the_leases_of_the_former() {
    let (sim, producer) = stream(2);
    read_and_stop(&sim, &producer).await;
    let created = attribute(&sim, FIRST, "streamCreated").await.unwrap();
    create_stream_again(&sim, 2).await;
    let present = put(&producer, 20..60).await;
    let journal = Journal::default();
    let (_control, _running) = start(restarting(&sim, "w2", &journal));
    journal
        .until("the records of the present stream", |journal| journal.read() == present)
        .await;
    assert_rows_of_one_stream(&sim, 2, &created).await;
}

/// As by a worker that had not noticed yet when the others were done, and has crashed since.
#[tokio::test(start_paused = true)]
async fn a_lease_of_the_former_stream_that_comes_late_is_deleted_by_a_worker_that_runs() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (_control, _running) = start(restarting(&sim, "w1", &journal));
    let former = put(&producer, 0..20).await;
    journal.until("all records", |journal| journal.read() == former).await;
    let [arn, created] = ["streamArn", "streamCreated"].map(|name| attribute(&sim, FIRST, name));
    let (arn, created) = (arn.await.unwrap(), created.await.unwrap());
    create_stream_again(&sim, 1).await;
    tokio::time::sleep(MINUTE).await;
    put_unmarked(&sim, SECOND, "TRIM_HORIZON").await;
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let mark = client.update_item().table_name(APPLICATION);
    let mark = mark.key("leaseKey", AttributeValue::S(SECOND.into()));
    let mark = mark.update_expression("SET streamArn = :arn, streamCreated = :created");
    let mark = mark.expression_attribute_values(":arn", AttributeValue::S(arn));
    let mark = mark.expression_attribute_values(":created", AttributeValue::N(created.clone()));
    mark.send().await.unwrap();
    tokio::time::sleep(MINUTE).await;
    assert_rows_of_one_stream(&sim, 1, &created).await;
    split(&sim, FIRST, 1u128 << 127).await;
    let later = put(&producer, 20..60).await;
    journal
        .until("the children's records", |journal| journal.read().is_superset(&later))
        .await;
}

#[tokio::test(start_paused = true)]
async fn rows_that_do_not_say_their_stream_or_name_another_one_are_left_as_they_are() {
    let (sim, producer) = stream(2);
    let checkpoint = read_and_stop(&sim, &producer).await;
    create_stream_again(&sim, 2).await;
    put_unmarked(&sim, FIRST, &checkpoint).await;
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let other = client.update_item().table_name(APPLICATION);
    let other = other.key("leaseKey", AttributeValue::S(SECOND.into()));
    let other = other.update_expression("SET streamArn = :arn");
    let arn = "arn:aws:kinesis:eu-north-1:123456789012:stream/payments";
    let other = other.expression_attribute_values(":arn", AttributeValue::S(arn.into()));
    other.send().await.unwrap();
    let before = lease_rows(&sim).await;
    let journal = Journal::default();
    let (_control, _running) = start(restarting(&sim, "w2", &journal));
    put(&producer, 20..60).await;
    tokio::time::sleep(10 * MINUTE).await;
    assert!(journal.entries().is_empty());
    assert_eq!(lease_rows(&sim).await, before);
}

#[tokio::test(start_paused = true)]
async fn a_handler_of_the_former_stream_ends_first_and_one_that_hangs_does_not_keep_the_worker_for_ever() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let hangs = Arc::new(Mutex::new(true));
    let (read, hung) = (journal.clone(), Arc::clone(&hangs));
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .worker_id("w1")
        .seed(1)
        .on_recreated(OnRecreated::Restart)
        .for_each_batch(move |batch: Batch| {
            let (read, hangs) = (read.clone(), *hung.lock().unwrap());
            async move {
                if hangs && batch.records.iter().any(|record| record.data().as_ref() == b"data-3") {
                    std::future::pending::<()>().await;
                }
                for record in &batch.records {
                    let place = (
                        String::new(),
                        record.sequence_number().to_string(),
                        record.sub_sequence_number(),
                    );
                    let (worker, data) = (String::new(), String::new());
                    read.push(Entry::Read { worker, place, data });
                }
                Ok(())
            }
        });
    let (control, _running) = start(builder);
    put(&producer, 0..10).await;
    tokio::time::sleep(10 * SECONDS).await;
    let hang = |status: &kcl::ShardStatus| status.in_handler.is_some();
    assert_eq!(control.shards().iter().filter(|status| hang(status)).count(), 1);
    let former = journal.read();
    create_stream_again(&sim, 2).await;
    let present = put(&producer, 10..30).await;
    *hangs.lock().unwrap() = false;
    journal
        .until("the records of the present stream", |journal| {
            journal.read().difference(&former).count() == present.len()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn handlers_of_the_former_stream_that_do_not_return_are_left_behind_and_named() {
    let (sim, producer) = stream(2);
    let (calls, told) = (Arc::new(Mutex::new(0)), Told::default());
    let (counted, events) = (Arc::clone(&calls), Arc::clone(&told.events));
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .worker_id("w1")
        .seed(1)
        .handler_grace(60 * MINUTE)
        .on_recreated(OnRecreated::Restart)
        .on_event(move |event| events.lock().unwrap().push(event.clone()))
        .for_each_batch(move |batch: Batch| {
            *counted.lock().unwrap() += batch.records.len();
            let is_former = batch.records.iter().any(|record| record.data().as_ref() == b"data-3");
            async move {
                if is_former {
                    std::future::pending::<()>().await;
                }
                Ok(())
            }
        });
    let (_control, _running) = start(builder);
    let former = put(&producer, 0..10).await;
    tokio::time::sleep(10 * SECONDS).await;
    create_stream_again(&sim, 2).await;
    let present = put(&producer, 10..30).await;
    tokio::time::sleep(3 * MINUTE).await;
    assert_eq!(*calls.lock().unwrap(), former.len() + present.len());
    let events = told.events.lock().unwrap();
    let left: Vec<_> = events
        .iter()
        .filter_map(|event| {
            let Event::Worker(WorkerEvent::HandlersLeftBehind { shards }) = event else {
                return None;
            };
            Some(shards.len())
        })
        .collect();
    assert_eq!(left, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_asked_to_stop_while_it_begins_anew_stops() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (control, running) = start(restarting(&sim, "w1", &journal));
    let former = put(&producer, 0..20).await;
    journal.until("all records", |journal| journal.read() == former).await;
    sim.faults(|call| match call.operation {
        "DescribeTable" => Fault::throttled(),
        _ => Fault::None,
    });
    create_stream_again(&sim, 1).await;
    tokio::time::sleep(10 * MINUTE).await;
    assert!(!running.is_finished(), "it tries for ever");
    control.shutdown(MINUTE);
    let report = running.await.unwrap().unwrap();
    assert_eq!(report, kcl::ShutdownReport::default());
}
