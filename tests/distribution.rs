//! The producer on streams that distribute records over their shards by themselves (AUTO), and on those that begin or
//! cease to while records flow. A worker reads everything (P1, P2).

use std::collections::BTreeSet;
use std::time::Duration;

use aggregation::{Decoded, HashKeyRange, decode};
use kpl::{Delivered, Ordering, Producer, ProducerBuilder, PutErrorKind, Record, RecordDistribution};
use testkit::kinesis::Request;
use testkit::kinesis::request::RecordDistributionStrategy::{self, Auto, UserPartitionKey};
use testkit::sim::{CallInfo, Fault, Sim};

use crate::fleet::{Checkpoints, Journal, Place, STREAM, put, put_all, start, worker};

const SECOND: Duration = Duration::from_secs(1);

/// A stream of four shards, on demand.
fn on_demand(strategy: RecordDistributionStrategy) -> Sim {
    let sim = Sim::new(11);
    let body = format!(r#"{{"StreamName":"{STREAM}","StreamModeDetails":{{"StreamMode":"ON_DEMAND"}}}}"#);
    let create = Request::decode("CreateStream", body.as_bytes()).unwrap();
    sim.kinesis(|kinesis| kinesis.handle(create, sim.now())).unwrap();
    distribute(&sim, strategy);
    sim
}

fn distribute(sim: &Sim, strategy: RecordDistributionStrategy) {
    let stream = sim.stream(STREAM);
    stream.control(|stream| stream.distribute(strategy)).unwrap();
}

fn producer(sim: &Sim) -> ProducerBuilder {
    Producer::builder(STREAM).aws(&sim.client("producer")).seed(11)
}

fn denied(call: &CallInfo<'_>) -> Fault {
    match call.operation {
        "DescribeStreamSummary" => Fault::access_denied(),
        _ => Fault::None,
    }
}

fn stored(sim: &Sim) -> u64 {
    sim.kinesis(|kinesis| kinesis.stored_count(STREAM))
}

fn calls(sim: &Sim, operation: &str) -> usize {
    sim.calls().iter().filter(|call| call.operation == operation).count()
}

/// The places in aggregates that the Java KCL drops, because a record in them lies outside of its shard.
fn dropped_by_the_java_kcl(sim: &Sim) -> BTreeSet<(String, String)> {
    let shards = sim.stream(STREAM).shards();
    let range = |id| &shards.iter().find(|shard| shard.shard_id == id).unwrap().hash_key_range;
    sim.kinesis(|kinesis| {
        let misplaced = kinesis.stored(STREAM).filter(|(shard, stored)| {
            let keys = range(*shard);
            let keys = HashKeyRange::new(keys.starting_hash_key, keys.ending_hash_key).unwrap();
            matches!(decode(&stored.data), Decoded::Aggregate(inside) if inside.first_outside(keys).is_some())
        });
        misplaced
            .map(|(shard, stored)| (shard.to_string(), stored.sequence_number.to_string()))
            .collect()
    })
}

/// A worker reads these places, whatever else is in the stream, and so does one of the Java KCL.
async fn assert_read(sim: &Sim, places: &BTreeSet<Place>) {
    let dropped = dropped_by_the_java_kcl(sim);
    for (shard, sequence, _) in places {
        assert!(!dropped.contains(&(shard.clone(), sequence.clone())), "{sequence}");
    }
    let journal = Journal::default();
    let (_control, _running) = start(worker(sim, "reader", &journal, Checkpoints::AfterEachBatch));
    journal
        .until("every record", |journal| journal.read().is_superset(places))
        .await;
}

#[tokio::test(start_paused = true)]
async fn records_with_and_without_keys_go_into_an_auto_stream_one_by_one_and_are_all_read() {
    let sim = on_demand(Auto);
    let producer = producer(&sim).build().unwrap();
    let keyed = |n: usize| Record::new("key", format!("data-{n}"));
    let bare = |n: usize| Record::without_key(format!("data-{n}"));
    let places = put_all(&producer, (0..200).map(|n| if n % 2 == 0 { keyed(n) } else { bare(n) })).await;
    let shards: BTreeSet<_> = places.iter().map(|(shard, ..)| shard).collect();
    assert_eq!((shards.len(), stored(&sim)), (4, 200));
    assert_eq!(
        (calls(&sim, "DescribeStreamSummary"), calls(&sim, "ListShards")),
        (1, 1)
    );
    assert_read(&sim, &places).await;
}

#[tokio::test(start_paused = true)]
async fn without_the_permission_an_auto_stream_gets_no_aggregate_and_each_record_once() {
    let sim = on_demand(Auto);
    sim.faults(denied);
    let producer = producer(&sim).build().unwrap();
    let places = put(&producer, 0..2_000).await;
    assert_eq!((places.len(), stored(&sim)), (2_000, 2_000));
    assert_eq!(calls(&sim, "DescribeStreamSummary"), 1, "it is not asked for ever");
    assert!(calls(&sim, "ListShards") <= 3, "{}", calls(&sim, "ListShards"));
    assert_read(&sim, &places).await;
}

#[tokio::test(start_paused = true)]
async fn without_the_permission_a_stream_that_follows_keys_is_soon_sent_aggregates() {
    let sim = on_demand(UserPartitionKey);
    sim.faults(denied);
    let producer = producer(&sim).build().unwrap();
    put(&producer, 0..64).await;
    let before = stored(&sim);
    assert_eq!(before, 64, "one by one at first");
    let places = put(&producer, 64..1_064).await;
    assert!(stored(&sim) - before < 40, "{}", stored(&sim) - before);
    assert_read(&sim, &places).await;
}

/// The producer of before this was known: told by hand, and wrongly.
#[tokio::test(start_paused = true)]
async fn an_auto_stream_that_is_said_to_follow_keys_still_gets_every_record() {
    let sim = on_demand(Auto);
    sim.faults(denied);
    let builder = producer(&sim).record_distribution_strategy_default(RecordDistribution::UserPartitionKey);
    let producer = builder.build().unwrap();
    let places = put(&producer, 0..200).await;
    assert!(sim.elapsed() < 60 * SECOND, "{:?}", sim.elapsed());
    assert!(stored(&sim) < 300, "a few aggregates, then each record alone");
    assert_read(&sim, &places).await;
}

/// Puts for twelve seconds while the stream's owner changes its mind every third.
async fn put_through_flips(sim: &Sim, producer: &Producer, first: RecordDistributionStrategy) -> BTreeSet<Place> {
    let flips = async {
        for n in 0..4 {
            tokio::time::sleep(3 * SECOND).await;
            distribute(
                sim,
                if (n % 2 == 0) == (first == Auto) {
                    UserPartitionKey
                } else {
                    Auto
                },
            );
        }
    };
    let puts = async {
        let mut receipts = Vec::new();
        for n in 0..2_400 {
            let record = Record::new(format!("key-{n}"), format!("data-{n}"));
            receipts.push(producer.put(record).await.unwrap());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        futures::future::join_all(receipts).await
    };
    let ((), outcomes) = futures::join!(flips, puts);
    outcomes.into_iter().map(|outcome| place(&outcome.unwrap())).collect()
}

fn place(delivered: &Delivered) -> Place {
    (
        delivered.shard_id.to_string(),
        delivered.sequence_number.to_string(),
        delivered.sub_sequence_number,
    )
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_flips_both_ways_under_load_loses_nothing_and_all_that_was_acknowledged_is_read() {
    for first in [Auto, UserPartitionKey] {
        let sim = on_demand(first);
        let producer = producer(&sim).build().unwrap();
        let places = put_through_flips(&sim, &producer, first).await;
        assert_eq!(places.len(), 2_400);
        assert_read(&sim, &places).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_permission_flips_are_survived_too() {
    for first in [Auto, UserPartitionKey] {
        let sim = on_demand(first);
        sim.faults(denied);
        let producer = producer(&sim).build().unwrap();
        let places = put_through_flips(&sim, &producer, first).await;
        assert_eq!(places.len(), 2_400);
        assert!(calls(&sim, "ListShards") < 30, "{}", calls(&sim, "ListShards"));
        assert_read(&sim, &places).await;
    }
}

#[tokio::test(start_paused = true)]
async fn records_without_keys_come_back_when_their_stream_begins_to_follow_keys() {
    let sim = on_demand(Auto);
    let producer = producer(&sim).build().unwrap();
    put_all(&producer, [Record::without_key("before")]).await;
    tokio::time::sleep(20 * SECOND).await;
    distribute(&sim, UserPartitionKey);
    let mut receipts = Vec::new();
    for n in 0..1_000 {
        let record = if n % 2 == 0 {
            Record::without_key("x")
        } else {
            Record::new(format!("key-{n}"), "y")
        };
        receipts.push(producer.put(record).await.unwrap());
    }
    for (n, outcome) in futures::future::join_all(receipts).await.into_iter().enumerate() {
        match outcome {
            Ok(_) => assert_eq!(n % 2, 1),
            Err(error) => {
                assert_eq!(error.kind(), &PutErrorKind::NoPartitionKey);
                assert_eq!(error.into_record(), Record::without_key("x"));
            }
        }
    }
    assert!(calls(&sim, "PutRecords") < 40, "{}", calls(&sim, "PutRecords"));
    let refused = producer.put(Record::without_key("late")).await.unwrap_err();
    assert_eq!(refused.kind(), &PutErrorKind::NoPartitionKey);
}

#[tokio::test(start_paused = true)]
async fn ordered_records_come_back_from_an_auto_stream_with_the_reason() {
    let sim = on_demand(Auto);
    let producer = producer(&sim).ordering(Ordering::PerKey).build().unwrap();
    let error = producer
        .put(Record::new("key", "data"))
        .await
        .unwrap()
        .await
        .unwrap_err();
    let distribution = RecordDistribution::Auto;
    assert_eq!(error.kind(), &PutErrorKind::OrderingImpossible { distribution });
    assert!(!error.may_have_been_stored());
}

/// Puts a record without a key ten times a second for so long; returns the answers, each with the time of its `put`.
async fn put_without_keys(sim: &Sim, producer: &Producer, time: Duration) -> Vec<(Duration, Result<(), PutErrorKind>)> {
    let (mut receipts, begun) = (Vec::new(), sim.elapsed());
    while sim.elapsed() - begun < time {
        let at = sim.elapsed() - begun;
        receipts.push((at, producer.put(Record::without_key("data")).await));
        tokio::time::sleep(SECOND / 10).await;
    }
    let mut answers = Vec::new();
    for (at, accepted) in receipts {
        let outcome = match accepted {
            Ok(receipt) => receipt.await.map(drop),
            Err(refused) => Err(refused),
        };
        answers.push((at, outcome.map_err(|error| error.kind().clone())));
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn records_without_keys_are_delivered_though_the_first_descriptions_fail() {
    let sim = on_demand(Auto);
    let failures = std::sync::atomic::AtomicU32::new(2);
    sim.faults(move |call| {
        let is_first = || {
            let left = |left: u32| left.checked_sub(1);
            let (set, fetch) = (
                std::sync::atomic::Ordering::Relaxed,
                std::sync::atomic::Ordering::Relaxed,
            );
            failures.fetch_update(set, fetch, left).is_ok()
        };
        if call.operation == "DescribeStreamSummary" && is_first() {
            Fault::internal_failure()
        } else {
            Fault::None
        }
    });
    let producer = producer(&sim).build().unwrap();
    let answers = put_without_keys(&sim, &producer, 36 * SECOND).await;
    let refused = answers.iter().filter(|(_, answer)| answer.is_err()).count();
    assert_eq!((answers.len(), refused), (360, 0));
    assert_eq!(stored(&sim), 360);
}

#[tokio::test(start_paused = true)]
async fn records_without_keys_wait_for_a_description_that_is_late() {
    for late in [SECOND * 6 / 10, 5 * SECOND] {
        let sim = on_demand(Auto);
        sim.faults(move |call| match call.operation {
            "DescribeStreamSummary" => Fault::Delay(late),
            _ => Fault::None,
        });
        let producer = producer(&sim).build().unwrap();
        let answers = put_without_keys(&sim, &producer, 6 * SECOND).await;
        let refused = answers.iter().filter(|(_, answer)| answer.is_err()).count();
        assert_eq!((answers.len(), refused), (60, 0), "{late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_becomes_auto_under_records_without_keys_soon_takes_them() {
    for fault in [None, Some(Fault::throttled())] {
        let sim = on_demand(UserPartitionKey);
        let producer = producer(&sim).build().unwrap();
        let before = put_without_keys(&sim, &producer, 60 * SECOND).await;
        assert!(
            before
                .iter()
                .all(|(_, answer)| *answer == Err(PutErrorKind::NoPartitionKey))
        );
        distribute(&sim, Auto);
        if let Some(fault) = fault {
            sim.faults(move |call| match call.operation {
                "DescribeStreamSummary" => fault.clone(),
                _ => Fault::None,
            });
            put_without_keys(&sim, &producer, 20 * SECOND).await;
            sim.heal();
        }
        let asked = calls(&sim, "DescribeStreamSummary");
        let after = put_without_keys(&sim, &producer, 120 * SECOND).await;
        let last_refused = after.iter().rfind(|(_, answer)| answer.is_err()).map(|(at, _)| *at);
        assert!(last_refused < Some(61 * SECOND), "refused after {last_refused:?}");
        let asked = calls(&sim, "DescribeStreamSummary") - asked;
        assert!((1..=3).contains(&asked), "{asked} calls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_goes_on_refusing_records_without_keys_is_asked_once_a_minute() {
    let sim = on_demand(UserPartitionKey);
    let producer = producer(&sim).build().unwrap();
    put_without_keys(&sim, &producer, 1_800 * SECOND).await;
    let asked = calls(&sim, "DescribeStreamSummary");
    assert!((25..40).contains(&asked), "{asked} calls in half an hour");
}
