//! Workers that die.

use std::time::Duration;

use super::{FAILOVER, Fleet, SECOND, text};

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

/// More workers than shards: those that read, and those that are idle.
async fn fleet_with_idle_workers(shards: usize, workers: usize) -> (Fleet, Vec<String>, Vec<String>) {
    let mut fleet = Fleet::new(shards);
    for number in 1..=workers {
        fleet.start(&format!("w{number}"));
    }
    fleet.until_level(shards).await;
    tokio::time::sleep(40 * SECOND).await;
    let names: Vec<_> = fleet.workers.keys().cloned().collect();
    let (readers, idle) = names
        .into_iter()
        .partition(|name| !fleet.control(name).shards().is_empty());
    (fleet, readers, idle)
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_that_died_is_given_no_lease_of_the_next_one_that_dies() {
    for (pause, later) in [(0, 0), (1, 4), (12, 20), (25, 40), (33, 45)] {
        let (mut fleet, readers, idle) = fleet_with_idle_workers(3, 6).await;
        tokio::time::sleep(pause * SECOND).await;
        for name in &idle[1..] {
            fleet.kill(name);
        }
        tokio::time::sleep(later * SECOND).await;
        fleet.kill(&readers[1]);
        let took = fleet.until_all_are_read(3).await;
        assert!(took <= WORST, "{pause} s, {later} s: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn leases_of_several_dead_workers_are_given_to_no_idle_dead_worker() {
    for pause in [0, 7, 19] {
        let (mut fleet, readers, idle) = fleet_with_idle_workers(5, 8).await;
        tokio::time::sleep(pause * SECOND).await;
        fleet.kill(&idle[0]);
        fleet.kill(&idle[2]);
        for name in &readers[..3] {
            fleet.kill(name);
        }
        let took = fleet.until_all_are_read(5).await;
        assert!(took <= WORST, "{pause} s: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_but_one_may_die_at_once_if_some_are_idle() {
    for pause in [0, 11] {
        for survivor in ["w1", "w6"] {
            let (mut fleet, readers, idle) = fleet_with_idle_workers(4, 6).await;
            tokio::time::sleep(pause * SECOND).await;
            for name in readers.iter().chain(&idle).filter(|name| *name != survivor) {
                fleet.kill(name);
            }
            let took = fleet.until_all_are_read(4).await;
            assert!(took <= WORST, "{pause} s, {survivor}: {took:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_leader_and_the_next_worker_may_die_together() {
    for pause in [0, 1_300, 2_600, 8_000, 21_000] {
        let (mut fleet, readers, idle) = fleet_with_idle_workers(4, 5).await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let leader = fleet.leader().await.unwrap();
        let next = readers.iter().chain(&idle).find(|name| **name != leader).unwrap();
        fleet.kill(&leader);
        fleet.kill(next);
        let took = fleet.until_all_are_read(4).await;
        assert!(took <= WORST, "{pause} ms: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_names_a_retired_worker_is_read_elsewhere_within_the_failover_time_and_5_s() {
    for pause in [0, 500, 5_000, 20_000] {
        let mut fleet = Fleet::new(6);
        for name in ["w1", "w2", "w3"] {
            fleet.start(name);
        }
        fleet.until_level(6).await;
        tokio::time::sleep(30 * SECOND).await;
        fleet.stop("w2").await.unwrap();
        fleet.until_all_are_read(6).await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        // As if another observer had given it to the worker in the moment of its shutdown.
        let begun = fleet.sim.elapsed();
        let given = fleet.give_away("w2").await;
        while text(&fleet.rows().await[&given], "leaseOwner") == "w2" {
            tokio::time::sleep(SECOND / 10).await;
        }
        fleet.until_all_are_read(6).await;
        let took = fleet.sim.elapsed() - begun;
        assert!(took <= WORST, "{pause} ms: {took:?}");
    }
}
