//! Shards that end while a fleet reads them.

use super::{Fleet, SECOND, text};
use crate::fleet::{put, split};

#[tokio::test(start_paused = true)]
async fn the_children_of_a_split_are_read_at_once_and_the_lease_of_their_parent_is_given_back_and_deleted() {
    let mut fleet = Fleet::new(2);
    for name in ["w1", "w2"] {
        fleet.start(name);
    }
    fleet.until_level(2).await;
    tokio::time::sleep(20 * SECOND).await;
    split(&fleet.sim, "shardId-000000000000", 1 << 126).await;
    let took = fleet
        .until("three shards are read", || fleet.counts().iter().sum::<usize>() == 3)
        .await;
    assert!(took <= 5 * SECOND, "{took:?}");
    let parent = fleet.rows().await["shardId-000000000000"].clone();
    assert_eq!(text(&parent, "checkpoint"), "SHARD_END");
    assert!(!parent.contains_key("leaseOwner"), "an ended lease is not held");
    put(&fleet.producer, 0..200).await;
    tokio::time::sleep(130 * SECOND).await;
    let rows = fleet.rows().await;
    assert!(
        !rows.contains_key("shardId-000000000000"),
        "it is deleted once its children have progressed"
    );
    assert_eq!(fleet.counts().iter().sum::<usize>(), 3);
}
