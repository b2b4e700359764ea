//! A list of shards with one bad hash-key range: that shard is named, and neither library loses a record of any shard.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use kcl::event::WorkerEvent;
use kpl::event::RangeFaultKind;
use kpl::{Event, Producer, Record};
use serde_json::Value;
use testkit::sim::Sim;

use crate::fleet::{Checkpoints, Journal, STREAM, put, start, stream, worker};
use crate::replies::edited;

/// The shard whose range is bad. Of four shards it is the third.
const BAD: &str = "shardId-000000000002";

/// The end that one shard's range has in each list.
#[derive(Debug, Clone, Copy)]
struct WithEnd(&'static str, &'static str);

impl WithEnd {
    /// A client of the process `name` that gets such lists.
    fn client(self, sim: &Sim, name: &str) -> aws_sdk_kinesis::Client {
        edited(sim, name, move |reply| {
            let shards = reply.get_mut("Shards").and_then(Value::as_array_mut);
            for shard in shards.into_iter().flatten() {
                if shard["ShardId"] == self.0 {
                    shard["HashKeyRange"]["EndingHashKey"] = self.1.into();
                }
            }
        })
    }
}

/// Puts 400 records through a list with this end. Returns the user records of each stored Kinesis record, by shard, and
/// the faults that were told.
async fn produce(with_end: WithEnd) -> (BTreeMap<String, Vec<usize>>, Vec<(String, RangeFaultKind)>) {
    let sim = Sim::new(7);
    sim.create_stream(STREAM, 4).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let producer = Producer::builder(STREAM)
        .client(with_end.client(&sim, "p1"))
        .shard_map_refresh_interval(Duration::from_secs(1))
        .seed(7)
        .on_event(move |event| {
            if let Event::ShardRangeFault(fault) = event {
                let fault = (fault.shard.to_string(), fault.kind.clone());
                heard.lock().unwrap().push(fault);
            }
        })
        .build()
        .unwrap();
    let mut places = BTreeMap::<_, BTreeMap<_, usize>>::new();
    for round in 0..4 {
        let records = (0..100).map(|n| Record::new(format!("key-{round}-{n}"), "data"));
        let receipts = join_all(records.map(|record| producer.put(record))).await;
        for delivered in join_all(receipts.into_iter().map(Result::unwrap)).await {
            let delivered = delivered.unwrap();
            assert_eq!(delivered.attempts.total(), 1, "{delivered:?}");
            let of_shard = places.entry(delivered.shard_id.to_string()).or_default();
            *of_shard.entry(delivered.sequence_number.to_string()).or_default() += 1;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let counts = places.into_iter();
    let counts = counts.map(|(shard, records)| (shard, records.into_values().collect()));
    let told = told.lock().unwrap().clone();
    (counts.collect(), told)
}

/// Puts 20 records each ten seconds for an hour through such a list. Returns how often shards were listed, and the shards
/// of the faults that were told.
async fn an_hour_with(with_end: WithEnd) -> (usize, Vec<String>) {
    let sim = Sim::new(7);
    sim.create_stream(STREAM, 4).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let producer = Producer::builder(STREAM)
        .client(with_end.client(&sim, "p1"))
        .seed(7)
        .on_event(move |event| {
            if let Event::ShardRangeFault(fault) = event {
                heard.lock().unwrap().push(fault.shard.to_string());
            }
        })
        .build()
        .unwrap();
    for round in 0..360 {
        let records = (0..20).map(|n| Record::new(format!("key-{round}-{n}"), "data"));
        let receipts = join_all(records.map(|record| producer.put(record))).await;
        let outcomes = join_all(receipts.into_iter().map(Result::unwrap));
        let outcomes = tokio::time::timeout(Duration::from_secs(10), outcomes).await;
        let outcomes = outcomes.expect("every record has its outcome");
        assert!(outcomes.iter().all(Result::is_ok), "{with_end:?}");
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let lists = sim.calls();
    let lists = lists.iter().filter(|call| call.operation == "ListShards").count();
    let told = told.lock().unwrap().clone();
    (lists, told)
}

#[tokio::test(start_paused = true)]
async fn a_list_with_a_bad_range_costs_no_record_and_few_more_lists_than_a_good_one() {
    let (good, told) = an_hour_with(WithEnd("no such shard", "0")).await;
    assert_eq!(told, [""; 0]);
    let behind = "shardId-000000000003";
    for (with_end, faulty) in [
        (WithEnd(BAD, "no number"), &[BAD][..]),
        (WithEnd(BAD, "170141183460469231731687303715884105738"), &[behind]),
        (WithEnd(BAD, "340282366920938463463374607431768211455"), &[BAD, behind]),
        (WithEnd(behind, "340282366920938463463374607431768211450"), &[behind]),
        (WithEnd(behind, "340282366920938463463374607431768211456"), &[behind]),
    ] {
        let (lists, told) = an_hour_with(with_end).await;
        assert_eq!(told, faulty, "{with_end:?}");
        assert!(lists <= good + 10, "{lists} lists, {good} of a good one: {with_end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_of_a_shard_with_an_unreadable_range_travel_alone_and_the_others_are_aggregated() {
    let (counts, told) = produce(WithEnd(BAD, "no number")).await;
    assert_eq!(counts.len(), 4);
    for (shard, counts) in counts {
        match shard == BAD {
            true => assert!(counts.iter().all(|records| *records == 1), "{counts:?}"),
            false => assert!(counts.iter().all(|records| *records > 5), "{shard}: {counts:?}"),
        }
    }
    let shards: Vec<_> = told.iter().map(|(shard, _)| shard.as_str()).collect();
    assert_eq!(shards, [BAD], "told once");
}

#[tokio::test(start_paused = true)]
async fn a_range_that_ends_at_two_to_the_128_is_clamped_by_the_producer_and_told_once() {
    let last = "shardId-000000000003";
    let (counts, told) = produce(WithEnd(last, "340282366920938463463374607431768211456")).await;
    assert!(counts.values().flatten().all(|records| *records > 5), "{counts:?}");
    assert_eq!(told, [(last.to_owned(), RangeFaultKind::Clamped)]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_reads_every_shard_of_a_list_with_a_bad_range_and_names_that_one() {
    for with_end in [
        WithEnd(BAD, "no number"),
        WithEnd(BAD, "0"),
        WithEnd("shardId-000000000003", "340282366920938463463374607431768211456"),
    ] {
        let (sim, producer) = stream(4);
        let places = put(&producer, 0..100).await;
        let journal = Journal::default();
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch).on_event(move |event| {
            if let kcl::Event::Worker(WorkerEvent::ShardRangeFault { fault, .. }) = event {
                heard.lock().unwrap().push(fault.shard.to_string());
            }
        });
        let (_control, _running) = start(builder.kinesis_client(with_end.client(&sim, "w1")));
        journal.until("all records", |journal| journal.read() == places).await;
        assert_eq!(*told.lock().unwrap(), [with_end.0], "told once: {with_end:?}");
    }
}
