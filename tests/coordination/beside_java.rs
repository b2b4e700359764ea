//! What a worker does while a worker of the Java KCL lives in its fleet.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Fleet, SECOND, text};
use crate::fleet::{APPLICATION, split};

impl Fleet {
    /// Writes the metrics row of a Java worker, as of now by the row of a worker of ours.
    async fn report_as_java(&self, ours: &str) {
        let mut row = self.rows().await[ours].clone();
        for name in ["startedAt", "maxLeases"] {
            row.remove(name);
        }
        row.insert("leaseKey".to_owned(), AttributeValue::S("java".to_owned()));
        let client = aws_sdk_dynamodb::Client::new(&self.sim.client("java"));
        let put = client.put_item().table_name(APPLICATION);
        put.set_item(Some(row.into_iter().collect())).send().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_an_ended_shard_is_held_and_assigned_once() {
    let mut fleet = Fleet::new(2);
    fleet.start("w1");
    fleet.until_level(2).await;
    // Without records at the children the lease is not deleted.
    split(&fleet.sim, "shardId-000000000000", 1 << 126).await;
    fleet.until("three shards are read", || fleet.counts() == [3]).await;
    assert!(!fleet.rows().await["shardId-000000000000"].contains_key("leaseOwner"));
    for _ in 0..8 {
        fleet.report_as_java("w1").await;
        tokio::time::sleep(10 * SECOND).await;
    }
    let assigned = fleet.control("w1").decisions();
    let of_the_ended = assigned
        .iter()
        .filter(|decision| decision.lease.as_str() == "shardId-000000000000");
    let to_this: Vec<_> = of_the_ended
        .filter(|it| it.to.as_str() == "w1" && it.reason.contains("to the end"))
        .collect();
    assert_eq!(to_this.len(), 1, "{to_this:?}");
    let before = fleet.rows().await["shardId-000000000000"].clone();
    assert_eq!(text(&before, "checkpoint"), "SHARD_END");
    assert!(before.contains_key("leaseOwner"), "{before:?}");
    tokio::time::sleep(Duration::from_secs(10)).await;
    let after = fleet.rows().await["shardId-000000000000"].clone();
    assert_ne!(before["leaseCounter"], after["leaseCounter"], "it is renewed");
}
