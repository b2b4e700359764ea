//! The ways to put: a batch, a sink, and hints to the lanes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use futures::{FutureExt as _, SinkExt as _, StreamExt as _, stream};
use testkit::kinesis::request::Request;
use testkit::sim::{Fault, Sim};
use tokio::task::JoinSet;

use super::Producer;
use crate::budget::{Budget, Room};
use crate::builder::ProducerBuilder;
use crate::error::{FlushError, PutError, PutErrorKind};
use crate::receipt::Receipt;
use crate::record::Record;

const HOUR: Duration = Duration::from_secs(3_600);
const SECOND: Duration = Duration::from_secs(1);

fn sim() -> Sim {
    let sim = Sim::new(7);
    sim.create_stream("orders", 2).unwrap();
    sim
}

fn producer(sim: &Sim) -> ProducerBuilder {
    Producer::builder("orders").aws(&sim.sdk_config()).seed(7)
}

fn records(numbers: std::ops::Range<usize>) -> Vec<Record> {
    numbers
        .map(|n| Record::new(format!("key-{n}"), n.to_string()))
        .collect()
}

/// A record that costs 300 bytes of the budget.
fn sized(n: u8) -> Record {
    Record::new("k", vec![n; 300 - 64 - 1])
}

fn outage(sim: &Sim) {
    sim.faults(|call| match call.operation {
        "PutRecords" => Fault::RequestLost,
        _ => Fault::None,
    });
}

fn stored(sim: &Sim) -> usize {
    sim.kinesis(|kinesis| {
        let users = kinesis
            .stored("orders")
            .map(|(_, record)| match aggregation::decode(&record.data) {
                aggregation::Decoded::Aggregate(aggregate) => aggregate.records().count(),
                aggregation::Decoded::Plain | aggregation::Decoded::Damaged(_) => 1,
            });
        users.sum()
    })
}

async fn kinds(answers: Vec<Result<Receipt, PutError>>) -> Vec<Option<PutErrorKind>> {
    join_all(answers.into_iter().map(kind)).await
}

async fn kind(answer: Result<Receipt, PutError>) -> Option<PutErrorKind> {
    let error = match answer {
        Ok(receipt) => receipt.await.err(),
        Err(refused) => Some(refused),
    };
    error.map(|error| error.kind().clone())
}

/// Nothing else would ask for the description.
#[tokio::test(start_paused = true)]
async fn where_all_records_are_large_the_first_is_refused_and_the_stream_described() {
    let sim = sim();
    raise_record_limit(&sim).await;
    let producer = producer(&sim).budget(Budget::new(200 << 20, 1_000)).build().unwrap();
    let large = || Record::new("k", vec![0; 3 << 20]);
    // The producer's task is asleep by then.
    sim.advance(SECOND).await;
    assert!(matches!(
        kind(producer.put(large()).await).await,
        Some(PutErrorKind::RecordTooLarge { .. })
    ));
    sim.advance(SECOND).await;
    assert_eq!(kind(producer.put(large()).await).await, None);
    let described = || {
        sim.calls()
            .iter()
            .filter(|call| call.operation == "DescribeStreamSummary")
            .count()
    };
    let giant = Record::new("k", vec![0; 11 << 20]);
    for _ in 0..20 {
        assert!(producer.put(giant.clone()).await.is_err());
        sim.advance(SECOND).await;
    }
    assert_eq!(described(), 1, "no stream takes that");
}

/// Makes a stream that takes records of 10 MiB.
async fn raise_record_limit(sim: &Sim) {
    let body = br#"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders","MaxRecordSizeInKiB":10240}"#;
    let raise = Request::decode("UpdateMaxRecordSize", body).unwrap();
    sim.kinesis(|kinesis| kinesis.handle(raise, sim.now())).unwrap();
    sim.advance(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn a_record_may_be_as_large_as_its_stream_takes_once_that_is_known() {
    const MIB: usize = 1024 * 1024;
    let large = || Record::new("k", vec![0; 3 * MIB]);
    for (raised, option, limit) in [
        (true, None, None),
        (true, Some(2 * MIB), Some(2 * MIB)),
        (false, None, Some(MIB)),
        (false, Some(10 * MIB), Some(MIB)),
    ] {
        let sim = sim();
        if raised {
            raise_record_limit(&sim).await;
        }
        let builder = producer(&sim).budget(Budget::new(200 << 20, 1_000));
        let builder = option.into_iter().fold(builder, ProducerBuilder::max_user_record_size);
        let producer = builder.build().unwrap();
        producer.put(Record::new("k", "first")).await.unwrap().await.unwrap();
        let refused = kind(producer.put(large()).await).await;
        let expected = limit.map(|limit| PutErrorKind::RecordTooLarge {
            bytes: 3 * MIB + 1,
            limit,
        });
        assert_eq!(refused, expected, "raised: {raised}, option: {option:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_puts_in_a_loop_lets_others_run() {
    const ALL: usize = 10_000;
    let (sim, mut tasks) = (sim(), JoinSet::new());
    let producer = producer(&sim).build().unwrap();
    let accepted = Arc::new(Mutex::new(0));
    let (putter, counter) = (producer.clone(), Arc::clone(&accepted));
    tasks.spawn(async move {
        for record in records(0..ALL) {
            drop(putter.put(record).await.unwrap());
            *counter.lock().unwrap() += 1;
        }
    });
    tokio::task::yield_now().await;
    let in_one_go = *accepted.lock().unwrap();
    assert!((1..ALL / 10).contains(&in_one_go), "{in_one_go}");
    tasks.join_all().await;
    producer.flush().await.unwrap();
    assert_eq!(stored(&sim), ALL);
}

#[tokio::test(start_paused = true)]
async fn a_large_batch_lets_others_run() {
    let (sim, mut tasks) = (sim(), JoinSet::new());
    let producer = producer(&sim).build().unwrap();
    let put = tasks.spawn(async move { producer.put_all(records(0..10_000)).await.len() });
    tokio::task::yield_now().await;
    assert!(!put.is_finished());
    assert_eq!(tasks.join_all().await, [10_000]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_of_a_stream_that_never_waits_lets_others_run() {
    let (sim, mut tasks) = (sim(), JoinSet::new());
    let (producer, accepted) = (producer(&sim).build().unwrap(), Arc::new(Mutex::new(0)));
    let counter = Arc::clone(&accepted);
    tasks.spawn(async move {
        let sink = producer.sink(|answer| *counter.lock().unwrap() += usize::from(answer.is_ok()));
        stream::iter(records(0..10_000)).map(Ok).forward(sink).await
    });
    tokio::task::yield_now().await;
    let in_one_go = *accepted.lock().unwrap();
    assert!((1..1_000).contains(&in_one_go), "{in_one_go}");
    assert_eq!(tasks.join_all().await, [Ok(())]);
    assert_eq!(stored(&sim), 10_000);
}

#[tokio::test(start_paused = true)]
async fn the_receipts_of_a_batch_come_in_the_order_of_its_records() {
    let sim = sim();
    let producer = producer(&sim).build().unwrap();
    let receipts = producer.put_all(records(0..500)).await;
    outage(&sim);
    tokio::time::sleep(SECOND).await;
    assert_eq!(receipts.len(), 500);
    let report = producer.shutdown(SECOND).await;
    assert_eq!(report.returned.len(), 500);
    for (receipt, record) in receipts.into_iter().zip(records(0..500)) {
        assert_eq!(receipt.unwrap().await.unwrap_err().into_record(), record);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_record_of_a_batch_fails_alone_and_as_soon_as_it_is_known_to_be_one() {
    let sim = sim();
    let producer = producer(&sim).build().unwrap();
    let batch = [
        Record::new("a", "1"),
        Record::new("b", vec![0; 1 << 20]),
        Record::without_key("2"),
        Record::new("c", "3"),
    ];
    let answers = producer.put_all(batch.clone()).await;
    let refused: Vec<_> = answers
        .iter()
        .filter_map(|answer| answer.as_ref().err())
        .map(PutError::record)
        .collect();
    assert_eq!(
        refused,
        [&batch[1]],
        "whether the stream takes records without a key is not known yet"
    );
    let kinds = kinds(answers).await;
    assert!(matches!(
        kinds[..],
        [
            None,
            Some(PutErrorKind::RecordTooLarge { .. }),
            Some(PutErrorKind::NoPartitionKey),
            None
        ]
    ));
    assert_eq!(stored(&sim), 2);
    let answers = producer.put_all(batch.clone()).await;
    assert_eq!(answers[2].as_ref().unwrap_err().kind(), &PutErrorKind::NoPartitionKey);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fits_the_budget_waits_once_and_enters_as_a_whole_or_not_at_all() {
    let sim = sim();
    let producer = producer(&sim).budget(Budget::new(16_000, 100)).build().unwrap();
    outage(&sim);
    let first = producer.put(sized(0)).await.unwrap();
    // Most of these would fit beside the first, and its Kinesis record.
    let batch = producer.put_all((0..24).map(sized));
    assert!(tokio::time::timeout(60 * SECOND, batch).await.is_err());
    sim.heal();
    assert!(first.await.is_ok());
    producer.flush().await.unwrap();
    assert_eq!(stored(&sim), 1, "nothing of the dropped batch was accepted");
    assert!(
        producer.shared.template.budget.try_acquire(Room::of(8_000)).is_some(),
        "and it holds no room"
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_larger_than_the_budget_goes_in_pieces_that_each_fit() {
    let sim = sim();
    let budget = Budget::new(2_000, 100);
    let producer = producer(&sim)
        .budget(budget)
        .record_max_buffered_time(HOUR)
        .build()
        .unwrap();
    let mut batch: Vec<_> = (0..20).map(sized).collect();
    batch.insert(7, Record::new("k", vec![0; 5_000]));
    let answers = producer.put_all(batch).await;
    producer.flush_hint();
    assert_eq!(kinds(answers).await, vec![None; 21]);
    assert!(sim.elapsed() < 10 * SECOND, "{:?}", sim.elapsed());
}

/// More than a budget of 8,000 bytes for records; six are what a quarter of it has room for.
fn larger_than_the_budget() -> Vec<Record> {
    (0..30).map(sized).collect()
}

#[tokio::test(start_paused = true)]
async fn of_a_dropped_batch_the_pieces_before_the_one_that_waits_are_delivered() {
    let sim = sim();
    let producer = producer(&sim).budget(Budget::new(16_000, 100)).build().unwrap();
    outage(&sim);
    let batch = producer.put_all(larger_than_the_budget());
    assert!(tokio::time::timeout(60 * SECOND, batch).await.is_err());
    sim.heal();
    producer.flush().await.unwrap();
    assert_eq!(stored(&sim), 18, "three pieces, beside the aggregate that holds them");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_gives_back_what_of_a_batch_still_waits() {
    let sim = sim();
    let producer = producer(&sim).budget(Budget::new(16_000, 100)).build().unwrap();
    outage(&sim);
    let batch = producer.put_all(larger_than_the_budget());
    let (answers, report) = futures::join!(batch, producer.shutdown(SECOND));
    assert_eq!(report.returned.len(), 18);
    let back: Vec<_> = answers
        .into_iter()
        .filter_map(Result::err)
        .map(PutError::into_record)
        .collect();
    assert_eq!(back, larger_than_the_budget()[18..]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_larger_than_the_budget_passes_by_a_record_of_another_producer_that_is_stuck() {
    for budget in [Budget::new(16_000, 100), Budget::new(1 << 20, 20)] {
        let sim = sim();
        sim.faults(|call| match (call.client, call.operation) {
            ("stuck", "PutRecords") => Fault::RequestLost,
            _ => Fault::None,
        });
        let stuck = Producer::builder("orders").aws(&sim.client("stuck")).seed(7);
        let stuck = stuck.budget(budget.clone()).build().unwrap();
        let held = stuck.put(sized(0)).await.unwrap();
        let producer = producer(&sim).budget(budget).build().unwrap();
        let answers = producer.put_all(larger_than_the_budget());
        let answers = tokio::time::timeout(60 * SECOND, answers).await.unwrap();
        assert_eq!(kinds(answers).await, vec![None; 30]);
        assert!(held.now_or_never().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_has_no_answers() {
    let producer = producer(&sim()).build().unwrap();
    assert!(producer.put_all([]).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_flush_hint_sends_what_there_is_and_waits_for_nothing() {
    let sim = sim();
    let producer = producer(&sim).record_max_buffered_time(HOUR).build().unwrap();
    let receipts = producer.put_all(records(0..10)).await;
    producer.flush_hint();
    assert_eq!(stored(&sim), 0);
    assert_eq!(kinds(receipts).await, vec![None; 10]);
    assert!(sim.elapsed() < SECOND);
    producer.shutdown(SECOND).await;
    producer.flush_hint();
}

#[tokio::test(start_paused = true)]
async fn what_the_last_drop_cannot_deliver_in_its_30_seconds_fails_as_shut_down() {
    let sim = sim();
    let producer = producer(&sim).build().unwrap();
    outage(&sim);
    let receipts = producer.put_all(records(0..3)).await;
    drop(producer);
    let shut_down = Some(PutErrorKind::ShutDown);
    assert_eq!(kinds(receipts).await, [shut_down.clone(), shut_down.clone(), shut_down]);
    assert!(
        (30 * SECOND..31 * SECOND).contains(&sim.elapsed()),
        "{:?}",
        sim.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn producers_that_share_a_budget_share_its_room_and_a_stream_that_is_down_keeps_what_it_holds() {
    let (sim, budget) = (sim(), Budget::new(2_000, 100));
    let nowhere = Producer::builder("elsewhere")
        .aws(&sim.sdk_config())
        .stream_not_found_grace(60 * SECOND);
    let down = nowhere.budget(budget.clone()).seed(7).build().unwrap();
    let up = producer(&sim).budget(budget).build().unwrap();
    let held = down.put_all((0..3).map(sized)).await;
    assert_eq!(up.try_put(sized(3)).unwrap_err().kind(), &PutErrorKind::Full);
    let receipt = up.put(sized(3)).await.unwrap();
    assert!(sim.elapsed() >= 60 * SECOND, "its records had their outcome first");
    assert!(receipt.await.is_ok());
    assert_eq!(kinds(held).await, vec![Some(PutErrorKind::StreamNotFound); 3]);
}

#[tokio::test(start_paused = true)]
async fn producers_that_share_a_budget_wait_for_room_for_their_copies_and_keep_their_place() {
    let (sim, budget) = (sim(), Budget::new(60_000, 1_000));
    sim.faults(|call| match (call.client, call.operation) {
        ("slow", "PutRecords") => Fault::RequestHangs,
        _ => Fault::None,
    });
    let shared = |client| {
        let builder = Producer::builder("orders").aws(&sim.client(client)).seed(7);
        builder.budget(budget.clone()).build().unwrap()
    };
    let (slow, quick) = (shared("slow"), shared("quick"));
    let held = slow.put(Record::new("a", vec![0; 8_000])).await.unwrap();
    tokio::time::sleep(SECOND).await;
    let waiting = quick.put(Record::new("b", vec![0; 8_000])).await.unwrap();
    // What else happens to the producer that waits does not cost it its place in line.
    for _ in 0..10 {
        quick.flush_hint();
        tokio::time::sleep(SECOND / 10).await;
    }
    assert!(waiting.await.is_ok());
    let took = sim.elapsed();
    assert!(
        took > 6 * SECOND && took < 8 * SECOND,
        "{took:?}: with the time-out of the other's request"
    );
    sim.heal();
    assert!(held.await.is_ok());
}

/// The answers that a sink gave.
#[derive(Clone, Default)]
struct Answers(Arc<Mutex<Vec<Result<Receipt, PutError>>>>);

impl Answers {
    fn sink(&self, producer: &Producer) -> super::RecordSink<impl FnMut(Result<Receipt, PutError>) + use<>> {
        let answers = self.clone();
        producer.sink(move |answer| answers.0.lock().unwrap().push(answer))
    }

    fn take(&self) -> Vec<Result<Receipt, PutError>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_forwarded_into_the_producer_and_a_bad_record_does_not_end_it() {
    let (sim, answers) = (sim(), Answers::default());
    let producer = producer(&sim).budget(Budget::new(2_000, 10)).build().unwrap();
    let mut batch = records(0..100);
    batch.insert(50, Record::new("", "no key"));
    stream::iter(batch)
        .map(Ok)
        .forward(answers.sink(&producer))
        .await
        .unwrap();
    assert_eq!(stored(&sim), 100, "closing is a barrier");
    let kinds = kinds(answers.take()).await;
    assert_eq!(kinds.len(), 101);
    assert_eq!(kinds[50], Some(PutErrorKind::InvalidPartitionKey { chars: 0 }));
    assert_eq!(kinds.iter().flatten().count(), 1);
    assert!(
        producer.put(Record::new("k", "more")).await.is_ok(),
        "the producer stays open"
    );
}

#[tokio::test(start_paused = true)]
async fn a_sink_is_not_ready_while_its_record_waits_for_room() {
    let (sim, answers) = (sim(), Answers::default());
    let producer = producer(&sim).budget(Budget::new(1_000, 1)).build().unwrap();
    outage(&sim);
    let mut sink = answers.sink(&producer);
    sink.feed(Record::new("k", "1")).await.unwrap();
    sink.feed(Record::new("k", "2")).await.unwrap();
    let third = sink.feed(Record::new("k", "3"));
    assert!(tokio::time::timeout(60 * SECOND, third).await.is_err());
    assert_eq!(answers.0.lock().unwrap().len(), 1, "the second waits and is held");
    sim.heal();
    sink.flush().await.unwrap();
    assert_eq!(stored(&sim), 2, "the third never reached the sink");
    assert_eq!(kinds(answers.take()).await, [None, None]);
}

#[tokio::test(start_paused = true)]
async fn a_record_sent_to_a_sink_that_is_not_ready_comes_back() {
    let (sim, answers) = (sim(), Answers::default());
    let producer = producer(&sim).budget(Budget::new(1_000, 1)).build().unwrap();
    let mut sink = answers.sink(&producer);
    for n in ["1", "2", "3"] {
        sink.start_send_unpin(Record::new("k", n)).unwrap();
    }
    sink.close().await.unwrap();
    let kinds = kinds(answers.take()).await;
    assert_eq!(
        kinds,
        [None, Some(PutErrorKind::Full), None],
        "the second was held and came last"
    );
    assert_eq!(stored(&sim), 2);
}

#[tokio::test(start_paused = true)]
async fn a_flush_of_a_sink_covers_the_record_that_was_sent_after_another_flush_began() {
    let (sim, answers) = (sim(), Answers::default());
    let producer = producer(&sim).build().unwrap();
    let mut sink = answers.sink(&producer);
    sink.feed(Record::new("k", "1")).await.unwrap();
    assert!(sink.flush().now_or_never().is_none(), "begun and dropped");
    tokio::time::sleep(SECOND).await;
    sink.feed(Record::new("k", "2")).await.unwrap();
    sink.flush().await.unwrap();
    assert_eq!(stored(&sim), 2);
}

#[tokio::test(start_paused = true)]
async fn a_sink_of_a_producer_that_has_ended_says_so_and_gives_the_record_back() {
    let (sim, answers) = (sim(), Answers::default());
    let producer = producer(&sim).build().unwrap();
    let mut sink = answers.sink(&producer);
    producer.shutdown(SECOND).await;
    assert_eq!(sink.feed(Record::new("k", "late")).await, Err(FlushError));
    let refused = answers.take().remove(0).unwrap_err();
    assert_eq!(refused.into_record(), Record::new("k", "late"));
}
