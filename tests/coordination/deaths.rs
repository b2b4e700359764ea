//! Workers that die.

use std::time::Duration;

use super::{FAILOVER, Fleet, SECOND};

/// From the death of a worker until all its shards are read elsewhere.
const WORST: Duration = FAILOVER.saturating_add(Duration::from_secs(5));

#[tokio::test(start_paused = true)]
async fn the_shards_of_a_worker_that_dies_are_read_elsewhere_within_the_failover_time_and_5_s() {
    let mut times = Vec::new();
    for (victim, after) in [
        ("w1", 0),
        ("w2", 700),
        ("w3", 1_900),
        ("w1", 3_100),
        ("w2", 4_300),
        ("w3", 5_500),
    ] {
        let mut fleet = Fleet::new(9);
        for name in ["w1", "w2", "w3"] {
            fleet.start(name);
        }
        fleet.until_level(9).await;
        tokio::time::sleep(30 * SECOND + Duration::from_millis(after)).await;
        fleet.kill(victim);
        let took = fleet
            .until("all shards are read", || fleet.counts().iter().sum::<usize>() == 9)
            .await;
        assert!(took <= WORST, "{victim}: {took:?}");
        times.push(took);
    }
    times.sort();
    assert!(times[2] <= FAILOVER + 2 * SECOND, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn all_but_one_may_die_at_once() {
    let mut fleet = Fleet::new(12);
    for name in ["w1", "w2", "w3", "w4"] {
        fleet.start(name);
    }
    fleet.until_level(12).await;
    tokio::time::sleep(30 * SECOND).await;
    for name in ["w1", "w2", "w4"] {
        fleet.kill(name);
    }
    let took = fleet.until_level(12).await;
    assert!(took <= WORST, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_only_worker_that_comes_back_under_another_id_reads_on_within_the_failover_time_and_5_s() {
    let mut fleet = Fleet::new(4);
    fleet.start("w1");
    fleet.until_level(4).await;
    tokio::time::sleep(30 * SECOND).await;
    fleet.kill("w1");
    fleet.start("w2");
    let took = fleet.until_level(4).await;
    assert!(took <= WORST, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn another_worker_leads_within_30_s_of_the_death_of_the_leader() {
    let mut fleet = Fleet::new(4);
    for name in ["w1", "w2"] {
        fleet.start(name);
    }
    fleet.until_level(4).await;
    tokio::time::sleep(30 * SECOND).await;
    let leader = fleet.leader().await.unwrap();
    fleet.kill(&leader);
    tokio::time::sleep(30 * SECOND).await;
    let next = fleet.leader().await.unwrap();
    assert_ne!(next, leader);
    fleet.start("w3");
    let took = fleet.until_level(4).await;
    assert!(took <= 10 * SECOND, "{took:?}");
}
