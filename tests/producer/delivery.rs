//! Each record is stored where its receipt says, once if no reply is lost, whatever happens to the requests.

use std::time::Duration;

use kpl::Producer;
use testkit::sim::{Entries, Fault};

use super::{STREAM, assert_each_is_stored_where_its_receipt_says, producer, put_all, record, sim, stored};

#[tokio::test(start_paused = true)]
async fn a_receipt_names_the_place_of_its_record() {
    let sim = sim(4);
    let producer = producer(&sim).build().unwrap();
    let outcomes = put_all(&producer, 0..1_000).await;
    assert_each_is_stored_where_its_receipt_says(&sim, &outcomes);
    assert_eq!(stored(&sim).len(), 1_000, "nothing is stored twice");
    assert!(
        sim.kinesis(|kinesis| kinesis.stored_count(STREAM)) < 40,
        "records travel in aggregates"
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_alone_leaves_unwrapped_after_the_buffered_time() {
    let sim = sim(1);
    let producer = producer(&sim)
        .record_max_buffered_time(Duration::from_millis(100))
        .build()
        .unwrap();
    put_all(&producer, 0..1).await;
    let before = sim.elapsed();
    let delivered = producer.put(record(1)).await.unwrap().await.unwrap();
    let took = sim.elapsed() - before;
    assert!(
        took >= Duration::from_millis(100) && took < Duration::from_millis(200),
        "{took:?}"
    );
    assert_eq!(delivered.sub_sequence_number, 0);
    assert!(sim.kinesis(|kinesis| kinesis.stored(STREAM).any(|(_, stored)| stored.data == "data-1")));
}

#[tokio::test(start_paused = true)]
async fn failed_entries_are_sent_again_and_only_these() {
    let sim = sim(4);
    sim.faults(|call| match (call.operation, call.ordinal) {
        ("PutRecords", 0..=6) => Fault::FailEntries {
            entries: Entries::Every(2),
            code: "InternalFailure".to_owned(),
        },
        _ => Fault::None,
    });
    let producer = producer(&sim).build().unwrap();
    let outcomes = put_all(&producer, 0..2_000).await;
    assert_each_is_stored_where_its_receipt_says(&sim, &outcomes);
    assert_eq!(stored(&sim).len(), 2_000, "a stored entry is not sent again");
    assert!(
        outcomes
            .iter()
            .any(|outcome| outcome.as_ref().unwrap().attempts.total() > 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_costs_duplicates_and_no_record() {
    let sim = sim(2);
    sim.faults(|call| match call.operation {
        "PutRecords" if call.ordinal.is_multiple_of(2) => Fault::ReplyLost,
        "PutRecords" if call.ordinal.is_multiple_of(3) => Fault::RequestLost,
        "PutRecords" if call.ordinal.is_multiple_of(5) => Fault::ReplyHangs,
        _ => Fault::None,
    });
    let producer = producer(&sim).build().unwrap();
    let outcomes = put_all(&producer, 0..500).await;
    assert_each_is_stored_where_its_receipt_says(&sim, &outcomes);
    assert!(stored(&sim).len() >= 500);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_counts_as_failed_and_loses_nothing() {
    let sim = sim(2);
    sim.faults(|call| {
        assert!(
            call.operation != "PutRecords" || call.ordinal > 3,
            "injected: the connector panics"
        );
        Fault::None
    });
    let producer = producer(&sim).build().unwrap();
    let outcomes = put_all(&producer, 0..100).await;
    assert_each_is_stored_where_its_receipt_says(&sim, &outcomes);
    assert!(
        outcomes
            .iter()
            .any(|outcome| outcome.as_ref().unwrap().attempts.total() > 1)
    );
}

#[tokio::test(start_paused = true)]
async fn attempts_are_dated_by_the_clock_of_the_client() {
    let sim = sim(1);
    let process = sim.process("producer");
    process.set_clock_ahead(Duration::from_secs(3_600));
    let producer = Producer::builder(STREAM)
        .aws(&process.sdk_config())
        .seed(7)
        .build()
        .unwrap();
    let delivered = producer.put(record(1)).await.unwrap().await.unwrap();
    let started = delivered.attempts.newest()[0].started;
    let ahead = started.duration_since(sim.now()).unwrap().as_secs();
    assert!((3_590..=3_600).contains(&ahead), "{ahead} s");
}
