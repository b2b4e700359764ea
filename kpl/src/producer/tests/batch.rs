//! Records put as a batch: each has its own outcome, and together they wait for room as one, or piece by piece.

use futures::FutureExt as _;
use testkit::sim::Fault;

use super::{HOUR, SECOND, kinds, outage, producer, records, sim, sized, stored};
use crate::budget::{Budget, Room};
use crate::error::{PutError, PutErrorKind};
use crate::producer::Producer;
use crate::record::Record;

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
