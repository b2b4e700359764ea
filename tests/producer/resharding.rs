//! Shards that change under load: nothing is lost, also to a reader that drops misplaced aggregates (P2).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use futures::future::join_all;
use kpl::Record;

use super::{STREAM, assert_each_is_stored_where_its_receipt_says, producer, record, sim};

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
