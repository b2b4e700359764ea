//! Callers that wait for room which open aggregates hold: these leave early, though not one record at a time.

use futures::future::join_all;
use testkit::sim::Sim;

use super::{HOUR, SECOND, hanging, sim};
use crate::budget::Budget;
use crate::observe::metrics::MetricsLevel;
use crate::producer::Producer;
use crate::record::Record;

/// A producer whose aggregates leave when they are full, or after an hour, and whose task nothing else wakes.
fn patient(sim: &Sim, budget: Budget) -> Producer {
    let builder = Producer::builder("orders").aws(&sim.sdk_config()).seed(7);
    let builder = builder.budget(budget).record_max_buffered_time(HOUR);
    builder.metrics_level(MetricsLevel::None).build().unwrap()
}

/// Puts so many records from as many tasks, all at once, and waits until they are accepted.
async fn put_at_once(producer: &Producer, count: usize) {
    let put = |n: usize| async move {
        let record = Record::new(format!("key-{n}"), n.to_string());
        drop(producer.put(record).await.unwrap());
    };
    join_all((0..count).map(put)).await;
}

#[tokio::test(start_paused = true)]
async fn callers_that_wait_in_line_all_get_the_room_that_open_aggregates_hold() {
    let sim = sim();
    // For one record at a time, and for three.
    for records in [1, 3] {
        let producer = patient(&sim, Budget::new(40_000, records));
        put_at_once(&producer, 10).await;
    }
    assert!(sim.elapsed() < 10 * SECOND, "{:?}", sim.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_aggregate_that_is_stuck_does_not_keep_the_others_from_making_room() {
    let sim = sim();
    let producer = patient(&sim, Budget::new(400_000, 10));
    hanging(&sim, "PutRecords");
    put_at_once(&producer, 1).await;
    producer.flush_hint();
    tokio::time::sleep(SECOND).await;
    sim.heal();
    let before = sim.elapsed();
    put_at_once(&producer, 30).await;
    let took = sim.elapsed() - before;
    assert!(took < SECOND, "{took:?}: the request that hangs takes six");
}

#[tokio::test(start_paused = true)]
async fn under_pressure_records_still_share_aggregates() {
    let sim = sim();
    let producer = patient(&sim, Budget::new(200_000, 500));
    put_at_once(&producer, 10_000).await;
    producer.flush().await.unwrap();
    let aggregates = sim.kinesis(|kinesis| kinesis.stored_count("orders"));
    assert!(aggregates < 200, "{aggregates} for 10,000 records");
    assert!(sim.elapsed() < 10 * SECOND, "{:?}", sim.elapsed());
}
