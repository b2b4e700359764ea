//! The producer against the simulated service: every accepted record ends exactly once (P1).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use futures::future::join_all;
use kpl::{Budget, Delivered, Producer, ProducerBuilder, PutError, PutErrorKind, Record, ShutdownEnd};
use testkit::Service;
use testkit::sim::{Entries, Fault, Sim};

const STREAM: &str = "orders";
const HALF_MINUTE: Duration = Duration::from_secs(30);

fn sim(shards: usize) -> Sim {
    let sim = Sim::new(7);
    sim.create_stream(STREAM, shards).unwrap();
    sim
}

fn producer(sim: &Sim) -> ProducerBuilder {
    Producer::builder(STREAM).aws(&sim.sdk_config()).seed(7)
}

fn record(n: usize) -> Record {
    Record::new(format!("key-{n}"), format!("data-{n}"))
}

/// What the service stored, de-aggregated as a consumer does it: (shard, sequence, sub-sequence, data).
fn stored(sim: &Sim) -> Vec<(String, String, u64, Vec<u8>)> {
    sim.kinesis(|kinesis| {
        let mut all = Vec::new();
        for (shard, record) in kinesis.stored(STREAM) {
            let place = |sub, data: &[u8]| {
                (
                    shard.to_string(),
                    record.sequence_number.to_string(),
                    sub,
                    data.to_vec(),
                )
            };
            match aggregation::decode(&record.data) {
                aggregation::Decoded::Aggregate(aggregate) => {
                    all.extend(
                        aggregate
                            .records()
                            .enumerate()
                            .map(|(n, inner)| place(n as u64, &inner.data)),
                    );
                }
                aggregation::Decoded::Plain | aggregation::Decoded::Damaged(_) => all.push(place(0, &record.data)),
            }
        }
        all
    })
}

fn place(delivered: &Delivered) -> (String, String, u64) {
    (
        delivered.shard_id.to_string(),
        delivered.sequence_number.to_string(),
        delivered.sub_sequence_number,
    )
}

/// Puts `records` and waits for all outcomes.
async fn put_all(producer: &Producer, records: std::ops::Range<usize>) -> Vec<Result<Delivered, PutError>> {
    let mut receipts = Vec::new();
    for n in records {
        receipts.push(producer.put(record(n)).await.unwrap());
    }
    join_all(receipts).await
}

fn assert_each_is_stored_where_its_receipt_says(sim: &Sim, outcomes: &[Result<Delivered, PutError>]) {
    let stored: BTreeSet<_> = stored(sim).into_iter().collect();
    for (n, outcome) in outcomes.iter().enumerate() {
        let (shard, sequence, sub) = place(outcome.as_ref().unwrap());
        let expected = (shard, sequence, sub, format!("data-{n}").into_bytes());
        assert!(stored.contains(&expected), "{expected:?}");
    }
}

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
async fn flush_is_a_barrier() {
    let sim = sim(4);
    let producer = producer(&sim)
        .record_max_buffered_time(Duration::from_secs(3_600))
        .build()
        .unwrap();
    let mut receipts = Vec::new();
    for n in 0..100 {
        receipts.push(producer.put(record(n)).await.unwrap());
    }
    let before = sim.elapsed();
    producer.flush().await.unwrap();
    assert!(sim.elapsed() - before < Duration::from_secs(1));
    assert_eq!(stored(&sim).len(), 100);
    for receipt in receipts {
        assert!(
            futures::FutureExt::now_or_never(receipt).unwrap().is_ok(),
            "the outcome is there"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_delivers_what_it_can_and_reports_it() {
    let sim = sim(2);
    let producer = producer(&sim)
        .record_max_buffered_time(Duration::from_secs(3_600))
        .build()
        .unwrap();
    let mut receipts = Vec::new();
    for n in 0..100 {
        receipts.push(producer.put(record(n)).await.unwrap());
    }
    let report = producer.shutdown(HALF_MINUTE).await;
    assert_eq!(
        (report.end, report.delivered, report.returned.len()),
        (ShutdownEnd::Completed, 100, 0)
    );
    assert!(join_all(receipts).await.iter().all(Result::is_ok));
    let refused = producer.put(record(100)).await.unwrap_err();
    assert_eq!(refused.kind(), &PutErrorKind::ShutDown);
    assert_eq!(refused.into_record(), record(100));
    assert!(producer.flush().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn shutdown_in_an_outage_gives_every_record_back_by_the_deadline() {
    let sim = sim(2);
    let producer = producer(&sim).build().unwrap();
    put_all(&producer, 0..10).await;
    sim.faults(|call| {
        if call.service == Service::Kinesis {
            Fault::RequestHangs
        } else {
            Fault::None
        }
    });
    let explicit = Record::new("key", "explicit").with_explicit_hash_key("42".parse().unwrap());
    let mut put = vec![explicit];
    put.extend((10..200).map(record));
    let mut receipts = Vec::new();
    for record in put.clone() {
        receipts.push(producer.put(record).await.unwrap());
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    let before = sim.elapsed();
    let report = producer.shutdown(Duration::from_secs(5)).await;
    assert!(sim.elapsed() - before <= Duration::from_millis(5_001));
    assert_eq!((report.end, report.delivered), (ShutdownEnd::DeadlinePassed, 0));
    assert_eq!(report.returned.len(), put.len());
    for (outcome, record) in join_all(receipts).await.into_iter().zip(put) {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), &PutErrorKind::ShutDown);
        assert!(error.may_have_been_stored(), "a request was under way");
        assert_eq!(error.into_record(), record, "as it was put");
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_still_delivers() {
    let sim = sim(2);
    let producer = producer(&sim)
        .record_max_buffered_time(Duration::from_secs(3_600))
        .build()
        .unwrap();
    let receipt = producer.clone().put(record(0)).await.unwrap();
    drop(producer);
    assert!(receipt.await.is_ok());
}

#[test]
fn a_runtime_that_ends_fails_the_receipts_with_their_records() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let first = runtime();
    let (_producer, receipt) = first.block_on(async {
        let producer = producer(&sim(2))
            .record_max_buffered_time(Duration::from_secs(60))
            .build()
            .unwrap();
        let receipt = producer.put(record(3)).await.unwrap();
        (producer, receipt)
    });
    drop(first);
    let error = runtime().block_on(receipt).unwrap_err();
    assert_eq!(error.kind(), &PutErrorKind::TaskEnded);
    assert_eq!(error.record(), &record(3));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_exist_fails_at_once_and_names_it() {
    let sim = Sim::new(7);
    let producer = Producer::builder("nowhere")
        .aws(&sim.sdk_config())
        .seed(7)
        .build()
        .unwrap();
    let error = producer.put(record(0)).await.unwrap().await.unwrap_err();
    assert_eq!(error.kind(), &PutErrorKind::StreamNotFound);
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!(sim.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_stream_in_creation_is_waited_for_within_the_grace() {
    let sim = Sim::new(7);
    let producer = producer(&sim).stream_not_found_grace(HALF_MINUTE).build().unwrap();
    let receipt = producer.put(record(0)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    sim.create_stream(STREAM, 2).unwrap();
    assert!(receipt.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn bad_records_are_refused_with_their_reason_and_given_back() {
    let sim = sim(1);
    let producer = producer(&sim).build().unwrap();
    let long = producer.put(Record::new("k".repeat(257), "x")).await.unwrap_err();
    assert_eq!(long.kind(), &PutErrorKind::InvalidPartitionKey { chars: 257 });
    let large = producer.put(Record::new("k", vec![0; 1 << 20])).await.unwrap_err();
    assert_eq!(
        large.kind(),
        &PutErrorKind::RecordTooLarge {
            bytes: (1 << 20) + 1,
            limit: 1 << 20
        }
    );
    assert_eq!(large.into_record().data().len(), 1 << 20);
    assert!(
        "340282366920938463463374607431768211456"
            .parse::<kpl::HashKey>()
            .is_err(),
        "2^128 is no hash key"
    );
}

#[tokio::test(start_paused = true)]
async fn put_waits_for_room_and_a_dropped_put_leaves_nothing_behind() {
    let sim = sim(1);
    let producer = producer(&sim).budget(Budget::new(2_000, 100)).build().unwrap();
    put_all(&producer, 0..1).await;
    sim.faults(|call| {
        if call.operation == "PutRecords" {
            Fault::RequestLost
        } else {
            Fault::None
        }
    });
    let first = producer.put(Record::new("k", vec![0; 900])).await.unwrap();
    let second = producer.put(Record::new("k", vec![1; 900]));
    assert!(
        tokio::time::timeout(Duration::from_secs(60), second).await.is_err(),
        "no room in an outage"
    );
    sim.heal();
    assert!(first.await.is_ok());
    producer.flush().await.unwrap();
    assert_eq!(stored(&sim).len(), 2, "the dropped put was not accepted");
}

#[tokio::test(start_paused = true)]
async fn put_does_not_wait_for_lanes_that_hold_the_whole_budget() {
    let sim = sim(1);
    let hour = Duration::from_secs(3_600);
    let producer = producer(&sim)
        .budget(Budget::new(2_000, 100))
        .record_max_buffered_time(hour)
        .build()
        .unwrap();
    for n in 0..10 {
        drop(
            producer
                .put(Record::new(format!("key-{n}"), vec![0; 400]))
                .await
                .unwrap(),
        );
    }
    assert!(sim.elapsed() < Duration::from_secs(10), "{:?}", sim.elapsed());
}

#[tokio::test(start_paused = true)]
async fn try_put_gives_the_record_back_when_there_is_no_room() {
    let sim = sim(1);
    let producer = producer(&sim).budget(Budget::new(2_000, 100)).build().unwrap();
    let first = producer.try_put(Record::new("k", vec![0; 900])).unwrap();
    let full = producer.try_put(Record::new("k", vec![1; 900])).unwrap_err();
    assert_eq!(full.kind(), &PutErrorKind::Full);
    assert_eq!(full.into_record().data().len(), 900);
    assert!(first.await.is_ok());
    assert!(producer.try_put(Record::new("k", vec![1; 900])).unwrap().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_split_and_a_merge_under_load_lose_nothing() {
    let sim = sim(4);
    let config = sim.sdk_config();
    let control = Client::new(&config);
    let producer = producer(&sim).build().unwrap();
    let put = async {
        let mut receipts = Vec::new();
        for n in 0..6_000 {
            receipts.push(producer.put(record(n)).await.unwrap());
            if n % 10 == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        join_all(receipts).await
    };
    let reshard = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let split = control
            .split_shard()
            .stream_name(STREAM)
            .shard_to_split("shardId-000000000001");
        split
            .new_starting_hash_key((3u128 << 125).to_string())
            .send()
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let merge = control
            .merge_shards()
            .stream_name(STREAM)
            .shard_to_merge("shardId-000000000002");
        merge
            .adjacent_shard_to_merge("shardId-000000000003")
            .send()
            .await
            .unwrap();
    };
    let (outcomes, ()) = futures::join!(put, reshard);
    assert_each_is_stored_where_its_receipt_says(&sim, &outcomes);
    let shards: BTreeSet<_> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().unwrap().shard_id.clone())
        .collect();
    assert!(shards.len() > 5, "children were used: {shards:?}");
}

/// What the KCL reads of a shard: it drops an aggregate as a whole if one record of it lies outside the shard's range.
#[tokio::test(start_paused = true)]
async fn every_delivered_record_survives_a_reader_that_drops_misplaced_aggregates() {
    let sim = sim(1);
    let control = Client::new(&sim.sdk_config());
    // The limiter is backed up, so that aggregates are old when they leave.
    let producer = producer(&sim).rate_limit(5).build().unwrap();
    let mut receipts = Vec::new();
    for n in 0..4_000 {
        receipts.push(
            producer
                .put(Record::new(format!("key-{n}"), vec![7; 200]))
                .await
                .unwrap(),
        );
    }
    let split = control
        .split_shard()
        .stream_name(STREAM)
        .shard_to_split("shardId-000000000000");
    split
        .new_starting_hash_key((1u128 << 127).to_string())
        .send()
        .await
        .unwrap();
    for outcome in join_all(receipts).await {
        outcome.unwrap();
    }
    let listed = control.list_shards().stream_name(STREAM).send().await.unwrap();
    let range = |shard: &aws_sdk_kinesis::types::Shard| {
        let keys = shard.hash_key_range().unwrap();
        let (start, end) = (
            keys.starting_hash_key().parse().unwrap(),
            keys.ending_hash_key().parse().unwrap(),
        );
        (
            shard.shard_id().to_owned(),
            aggregation::HashKeyRange::new(start, end).unwrap(),
        )
    };
    let ranges: BTreeMap<_, _> = listed.shards().iter().map(range).collect();
    let readable = sim.kinesis(|kinesis| {
        let mut keys = BTreeSet::new();
        for (shard, stored) in kinesis.stored(STREAM) {
            let range = ranges[&shard.to_string()];
            match aggregation::decode(&stored.data) {
                aggregation::Decoded::Aggregate(aggregate) if aggregate.first_outside(range).is_some() => {}
                aggregation::Decoded::Aggregate(aggregate) => {
                    keys.extend(aggregate.records().map(|inner| inner.partition_key.to_string()));
                }
                aggregation::Decoded::Plain | aggregation::Decoded::Damaged(_) => {
                    keys.extend(stored.partition_key.clone());
                }
            }
        }
        keys
    });
    assert_eq!(readable.len(), 4_000);
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
