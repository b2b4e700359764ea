//! The statistics of a producer on a simulated stream.

use std::time::Duration;

use futures::future::join_all;
use testkit::sim::{Entries, Fault, Sim};

use super::{Stats, Volume};
use crate::budget::Budget;
use crate::limits::KINESIS_RECORD_BYTES;
use crate::producer::Producer;
use crate::producer::builder::ProducerBuilder;
use crate::receipt::Receipt;
use crate::record::Record;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

fn sim(shards: usize) -> Sim {
    let sim = Sim::new(7);
    sim.create_stream("orders", shards).unwrap();
    sim
}

fn producer(sim: &Sim) -> ProducerBuilder {
    Producer::builder("orders").aws(&sim.sdk_config()).seed(7)
}

/// Puts records of 10 bytes each, key and data.
async fn put(producer: &Producer, count: usize) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for n in 0..count {
        let record = Record::new(format!("k{n:04}"), format!("d{n:04}"));
        receipts.push(producer.put(record).await.unwrap());
    }
    receipts
}

fn volume(records: u64) -> Volume {
    Volume {
        records,
        bytes: 10 * records,
    }
}

fn assert_adds_up(stats: &Stats) {
    assert_eq!(stats.put, stats.delivered.plus(stats.failed).plus(stats.outstanding));
    assert_eq!(stats.failed.records, stats.failures.total());
}

fn hanging(sim: &Sim, operation: &'static str) {
    sim.faults(move |call| {
        if call.operation == operation {
            Fault::RequestHangs
        } else {
            Fault::None
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_record_is_buffered_then_in_flight_then_delivered() {
    let sim = sim(1);
    let producer = producer(&sim).build().unwrap();
    assert_eq!(producer.stats().put, volume(0));
    join_all(put(&producer, 1).await).await;
    let before = producer.stats();
    assert_eq!(
        (before.put, before.delivered, before.oldest_outstanding),
        (volume(1), volume(1), None)
    );

    let receipts = put(&producer, 30).await;
    sim.advance(SECOND / 20).await;
    let stats = producer.stats();
    assert_eq!(
        (stats.outstanding, stats.buffered, stats.in_flight),
        (volume(30), volume(30), volume(0))
    );
    assert_eq!(stats.oldest_outstanding, Some(SECOND / 20));
    assert_eq!(
        (stats.budget.records, stats.budget.bytes),
        (30, 30 * (10 + 64) + KINESIS_RECORD_BYTES)
    );

    hanging(&sim, "PutRecords");
    sim.advance(SECOND / 4).await;
    let stats = producer.stats();
    assert_eq!(
        (stats.outstanding, stats.buffered, stats.in_flight),
        (volume(30), volume(0), volume(30))
    );
    assert_eq!(stats.oldest_outstanding, Some(SECOND * 3 / 10));
    assert_eq!(
        (stats.requests_in_flight, stats.requests, stats.requests_failed),
        (1, 4, 0),
        "two with records, one for the shards and one for the description"
    );

    sim.heal();
    join_all(receipts).await;
    let stats = producer.stats();
    assert_eq!(
        (stats.outstanding, stats.delivered, stats.in_flight),
        (volume(0), volume(31), volume(0))
    );
    assert_eq!((stats.requests, stats.requests_failed, stats.retries), (5, 1, 1));
    assert_eq!((stats.budget.records, stats.budget.max_records), (0, 500_000));
    assert_adds_up(&stats);
}

#[tokio::test(start_paused = true)]
async fn what_is_given_back_counts_by_its_reason() {
    let sim = sim(1);
    let producer = producer(&sim).record_ttl(SECOND).build().unwrap();
    hanging(&sim, "ListShards");
    join_all(put(&producer, 3).await).await;
    sim.faults(|call| match call.operation {
        "PutRecords" => Fault::access_denied(),
        _ => Fault::None,
    });
    sim.advance(SECOND * 10).await;
    join_all(put(&producer, 4).await).await;
    hanging(&sim, "PutRecords");
    let receipts = put(&producer, 5).await;
    producer.shutdown(SECOND / 2).await;
    join_all(receipts).await;
    let stats = producer.stats();
    let failures = stats.failures;
    assert_eq!(
        (failures.expired, failures.access_denied, failures.shut_down),
        (3, 4, 5)
    );
    assert_eq!(
        (stats.put, stats.failed, stats.outstanding),
        (volume(12), volume(12), volume(0))
    );
    assert_adds_up(&stats);
}

#[tokio::test(start_paused = true)]
async fn records_of_a_producer_whose_task_died_are_failed_and_not_outstanding() {
    let sim = sim(1);
    let builder = producer(&sim).wrap_tasks(|name, task| {
        if name == "driver" {
            Box::pin(async move { drop(tokio::time::timeout(SECOND, task).await) })
        } else {
            task
        }
    });
    let producer = builder.build().unwrap();
    hanging(&sim, "PutRecords");
    let receipts = put(&producer, 5).await;
    sim.advance(SECOND * 2).await;
    assert!(join_all(receipts).await.iter().all(Result::is_err));
    let stats = producer.stats();
    assert_eq!((stats.failures.task_ended, stats.outstanding), (5, volume(0)));
    assert_eq!((stats.oldest_outstanding, stats.requests_in_flight), (None, 0));
    assert_adds_up(&stats);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_forgotten_when_the_lanes_are_replaced_by_a_split() {
    let sim = sim(1);
    let producer = producer(&sim).build().unwrap();
    let mut receipts = Vec::new();
    for round in 1..=40 {
        receipts.extend(put(&producer, 25).await);
        let stats = producer.stats();
        assert_eq!(stats.put, volume(25 * round));
        assert_adds_up(&stats);
        if round == 10 {
            sim.stream("orders").split(testkit::kinesis::ShardId::FIRST).unwrap();
        }
        sim.advance(SECOND / 10).await;
    }
    join_all(receipts).await;
    let stats = producer.stats();
    assert_eq!(
        (stats.delivered, stats.shards.len()),
        (volume(1_000), 2),
        "the closed shard is gone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_shard_has_its_rates_and_its_share_of_throttling() {
    let sim = sim(1);
    let producer = producer(&sim).aggregation_max_count(1).build().unwrap();
    join_all(put(&producer, 1).await).await;
    sim.faults(|call| match (call.operation, call.ordinal % 2) {
        ("PutRecords", 0) => Fault::FailEntries {
            entries: Entries::All,
            code: "ProvisionedThroughputExceededException".to_owned(),
        },
        _ => Fault::None,
    });
    for _ in 0..30 {
        join_all(put(&producer, 10).await).await;
    }
    let throttled = producer.stats().shards[0].throttled_percent;
    assert!((30.0..70.0).contains(&throttled), "{throttled}");

    sim.heal();
    sim.advance(HOUR).await;
    let idle = &producer.stats().shards[0];
    assert_eq!((idle.kinesis_records_per_second, idle.throttled_percent), (0.0, 0.0));
    join_all(put(&producer, 50).await).await;
    let busy = &producer.stats().shards[0];
    assert!(
        (5.0..5.6).contains(&busy.kinesis_records_per_second),
        "50 in 9 to 10 s: {busy:?}"
    );
    let bytes_per_record = busy.bytes_per_second / busy.user_records_per_second;
    assert!((bytes_per_record - 10.0).abs() < 1e-9, "but for rounding: {busy:?}");
    assert_eq!(busy.throttled_percent, 0.0);
}

#[tokio::test(start_paused = true)]
async fn producers_that_share_a_budget_see_all_of_its_use_and_their_own_records() {
    let sim = sim(1);
    let budget = Budget::new(10_000, 100);
    let one = producer(&sim).budget(budget.clone()).build().unwrap();
    let other = producer(&sim).budget(budget).build().unwrap();
    let receipts = (put(&one, 3).await, put(&other, 4).await);
    assert_eq!(
        (one.stats().outstanding, other.stats().outstanding),
        (volume(3), volume(4))
    );
    assert_eq!(
        (one.stats().budget, one.stats().budget.records),
        (other.stats().budget, 7)
    );
    drop(receipts);
}
