//! What a step of the driver looks at does not grow with the number of shards.

use std::time::Duration;

use aggregation::HashKey;
use testkit::sim::Sim;
use tokio::task::JoinSet;

use super::SECOND;
use crate::budget::Budget;
use crate::looks;
use crate::observe::metrics::MetricsGranularity;
use crate::producer::Producer;
use crate::record::Record;

const SHARDS: u32 = 1_000;

/// A record for the shard with this number.
fn record(shard: u32) -> Record {
    let width = u128::MAX / u128::from(SHARDS);
    let key = HashKey::new(u128::from(shard) * width + width / 2);
    Record::new("key", "data").with_explicit_hash_key(key)
}

/// A producer that has sent something to each shard.
async fn wide(sim: &Sim, budget: Budget) -> Producer {
    sim.create_stream("orders", SHARDS as usize).unwrap();
    let builder = Producer::builder("orders").aws(&sim.sdk_config()).seed(7);
    let builder = builder.budget(budget).metrics_granularity(MetricsGranularity::Shard);
    let producer = builder.build().unwrap();
    producer.put(record(0)).await.unwrap().await.unwrap();
    for shard in 0..SHARDS {
        drop(producer.put(record(shard)).await.unwrap());
    }
    producer.flush().await.unwrap();
    sim.advance(SECOND).await;
    looks::take();
    producer
}

#[tokio::test(start_paused = true)]
async fn a_step_looks_at_the_shards_that_have_something_new() {
    let sim = Sim::builder().seed(7).event_log(0).build();
    let producer = wide(&sim, Budget::default()).await;
    for _ in 0..50 {
        producer.put(record(7)).await.unwrap().await.unwrap();
    }
    let looks = looks::take();
    assert!((1..1_000).contains(&looks), "{looks} looks for 50 records");
}

#[tokio::test(start_paused = true)]
async fn a_step_looks_at_the_shards_with_open_aggregates_while_callers_wait_for_room() {
    let sim = Sim::builder().seed(7).event_log(0).build();
    let producer = wide(&sim, Budget::new(64 << 20, 20)).await;
    let mut tasks = JoinSet::new();
    for n in 0..500 {
        let producer = producer.clone();
        tasks.spawn(async move { producer.put(record(n % 10)).await.unwrap().await.unwrap() });
    }
    let all = tokio::time::timeout(Duration::from_secs(60), tasks.join_all()).await;
    assert!(all.is_ok());
    let looks = looks::take();
    assert!((1..20_000).contains(&looks), "{looks} looks for 500 records");
}
