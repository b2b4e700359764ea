//! Shards that split and merge: parents come before their children (C2), and ended ones are no burden.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::sim::{Call, Fault, Sim};

use super::MINUTE;
use super::lease_table::lease_rows;
use crate::fleet::{Checkpoints, Entry, Journal, Place, merge, put, split, start, stream, worker};

#[tokio::test(start_paused = true)]
async fn children_are_read_after_their_parents_across_a_split_and_a_merge() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let (_first, _one) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let (_second, _two) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    let mut places = put(&producer, 0..300).await;
    split(&sim, "shardId-000000000000", 1u128 << 126).await;
    places.extend(put(&producer, 300..600).await);
    merge(&sim, "shardId-000000000003", "shardId-000000000001").await;
    places.extend(put(&producer, 600..900).await);
    // An aggregate that landed beside its shard is sent again as a whole, so there may be more than was acknowledged.
    journal
        .until("all records", |journal| journal.read().is_superset(&places))
        .await;
    for (parent, child) in [("00", "02"), ("00", "03"), ("01", "04"), ("03", "04")] {
        journal.assert_parent_before_child(parent, child);
    }
    journal.assert_first_reads_are_in_order();
}

/// Waits (in virtual time, to 5 ms) until `done` says so, and returns when that was.
async fn time_of(sim: &Sim, journal: &Journal, done: impl Fn(&Entry) -> bool) -> Duration {
    for _ in 0..12_000 {
        if journal.entries().iter().any(&done) {
            return sim.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not happen within a minute");
}

#[tokio::test(start_paused = true)]
async fn the_children_of_a_split_are_read_within_three_tenths_of_a_second_of_their_parents_end() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let before = put(&producer, 0..100).await;
    journal
        .until("the parent read", |journal| journal.read() == before)
        .await;
    control.pause();
    split(&sim, "shardId-000000000000", 1u128 << 127).await;
    put(&producer, 100..200).await;
    control.resume();
    time_of(&sim, &journal, |entry| matches!(entry, Entry::ShardEnded { .. })).await;
    let calls = sim.calls();
    let creates_child = |call: &Call| call.operation == "PutItem" && call.request.to_string().contains("000001");
    let creation = calls.iter().position(creates_child).unwrap();
    let is_read = |call: &&Call| call.operation == "GetRecords";
    let ended = calls[..creation].iter().rfind(is_read).unwrap().at;
    for child in ["01", "02"] {
        let is_read = |entry: &Entry| matches!(entry, Entry::Read { place, .. } if place.0.ends_with(child));
        let took = time_of(&sim, &journal, is_read).await - ended;
        assert!(took <= Duration::from_millis(300), "{child}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_leases_of_children_are_created_for_the_worker_that_ended_their_parent() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    put(&producer, 0..100).await;
    split(&sim, "shardId-000000000000", 1u128 << 127).await;
    journal.until("the end", Journal::has_ended_a_shard).await;
    let calls = sim.calls();
    let created: Vec<_> = calls.iter().filter(|call| call.operation == "PutItem").collect();
    let owned = created
        .iter()
        .filter(|call| call.request.to_string().contains("leaseOwner"));
    assert_eq!(
        (created.len(), owned.count()),
        (3, 2),
        "the parent has no owner when it is created"
    );
}

/// A worker that may have two leases is killed when it has created the children's and not yet checkpointed the parent's end.
#[tokio::test(start_paused = true)]
async fn a_worker_that_may_have_two_leases_reads_the_parent_before_the_children_that_a_crash_left_behind() {
    for seed in 0..8 {
        let (sim, producer) = stream(1);
        let crash = Arc::new(AtomicBool::new(true));
        let crashes = Arc::clone(&crash);
        sim.faults(move |call| {
            let is_end = String::from_utf8_lossy(call.body).contains("SHARD_END");
            match crashes.load(Ordering::SeqCst) && call.operation == "UpdateItem" && is_end {
                true => Fault::throttled(),
                false => Fault::None,
            }
        });
        let journal = Journal::default();
        let (_control, running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch).max_leases(2));
        let mut places = put(&producer, 0..100).await;
        split(&sim, "shardId-000000000000", 1u128 << 127).await;
        places.extend(put(&producer, 100..200).await);
        while lease_rows(&sim).await.len() < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        running.abort();
        crash.store(false, Ordering::SeqCst);
        let second = worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch).seed(seed);
        let (_control, _running) = start(second.max_leases(2));
        journal
            .until("all records", |journal| journal.read().is_superset(&places))
            .await;
        journal.assert_parent_before_child("00", "01");
    }
}

/// 0 splits into 2 and 3, and 3 merges with 1 into 4, before anybody reads; then 1 is read to its end long before 0 is.
#[tokio::test(start_paused = true)]
async fn the_child_of_a_merge_waits_for_a_parent_that_has_no_lease_yet() {
    let (sim, producer) = stream(2);
    let mut places = put(&producer, 0..300).await;
    split(&sim, "shardId-000000000000", 1u128 << 126).await;
    places.extend(put(&producer, 300..600).await);
    merge(&sim, "shardId-000000000003", "shardId-000000000001").await;
    places.extend(put(&producer, 600..900).await);
    let slow = sim.now() + MINUTE;
    sim.faults(move |call| {
        let of_shard_0 = String::from_utf8_lossy(call.body).contains("shardId-000000000000");
        let held_up = call.operation == "GetShardIterator" && of_shard_0 && call.now < slow;
        if held_up { Fault::throttled() } else { Fault::None }
    });
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    journal
        .until("all records", |journal| journal.read().is_superset(&places))
        .await;
    for (parent, child) in [("00", "02"), ("00", "03"), ("00", "04"), ("01", "04"), ("03", "04")] {
        journal.assert_parent_before_child(parent, child);
    }
}

/// 0 splits into 2 and 3, and 3 merges with 1 into 4; then 1 is read to its end, and 0 cannot be read for so long.
async fn held_up_for(time: Duration) -> (Sim, Journal, BTreeSet<Place>) {
    let (sim, producer) = stream(2);
    let mut places = put(&producer, 0..300).await;
    split(&sim, "shardId-000000000000", 1u128 << 126).await;
    places.extend(put(&producer, 300..600).await);
    merge(&sim, "shardId-000000000003", "shardId-000000000001").await;
    places.extend(put(&producer, 600..900).await);
    let slow = sim.now() + time;
    sim.faults(move |call| {
        let of_shard_0 = String::from_utf8_lossy(call.body).contains("shardId-000000000000");
        let held_up = call.operation == "GetShardIterator" && of_shard_0 && call.now < slow;
        if held_up { Fault::throttled() } else { Fault::None }
    });
    (sim, Journal::default(), places)
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_another_parents_lease_costs_one_read_of_its_row_and_few_lists() {
    let (sim, journal, places) = held_up_for(12 * MINUTE).await;
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    tokio::time::sleep(MINUTE).await;
    let begun = sim.elapsed();
    tokio::time::sleep(10 * MINUTE).await;
    let calls = sim.calls();
    let count = |operation: &str| {
        let is_one = |call: &&Call| call.operation == operation && call.client == "w1" && call.at >= begun;
        let of_leases = |call: &&Call| !call.request.to_string().contains("-CoordinatorState");
        calls.iter().filter(is_one).filter(of_leases).count()
    };
    let [lists, scans, reads] = ["ListShards", "Scan", "GetItem"].map(count);
    // The audit of a fleet lists and scans once a minute.
    let audits = 11;
    assert!(lists <= 11 + audits, "{lists} lists of the shards");
    assert!(
        scans <= 61 + 11 + audits,
        "{scans} reads of the table, with those for leases to take"
    );
    assert!(reads <= 301, "{reads} reads of a row");
    journal
        .until("all records", |journal| journal.read().is_superset(&places))
        .await;
    journal.assert_parent_before_child("03", "04");
}

#[tokio::test(start_paused = true)]
async fn a_shard_ends_as_soon_as_the_same_worker_has_created_the_lease_that_its_child_waits_for() {
    let (sim, journal, _) = held_up_for(MINUTE).await;
    let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch);
    let (_control, _running) = start(builder.parent_shard_poll_interval(MINUTE));
    let has_ended = |parent: &'static str| move |entry: &Entry| matches!(entry, Entry::ShardEnded { shard, .. } if shard.ends_with(parent));
    tokio::time::sleep(MINUTE / 2).await;
    let other = time_of(&sim, &journal, has_ended("00")).await;
    let took = time_of(&sim, &journal, has_ended("01")).await - other;
    assert!(took <= Duration::from_millis(300), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn ended_shards_do_not_count_against_the_leases_that_a_worker_may_have() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch).max_leases(3));
    put(&producer, 0..100).await;
    for shard in ["shardId-000000000000", "shardId-000000000001"] {
        let at = if shard.ends_with('0') {
            1u128 << 126
        } else {
            3u128 << 126
        };
        split(&sim, shard, at).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    put(&producer, 100..200).await;
    let children = |journal: &Journal| {
        let shards: BTreeSet<String> = journal.read().into_iter().map(|(shard, ..)| shard).collect();
        shards.len()
    };
    journal
        .until("two parents and three children read", |journal| children(journal) >= 5)
        .await;
}

/// The owner and the counter in the row of a shard.
async fn owner_and_counter(sim: &Sim, shard: &str) -> (Option<String>, u64) {
    let rows = lease_rows(sim).await;
    let row = rows
        .iter()
        .find(|row| row["leaseKey"].as_s().unwrap() == shard)
        .unwrap();
    let owner = row.get("leaseOwner").map(|owner| owner.as_s().unwrap().clone());
    (owner, row["leaseCounter"].as_n().unwrap().parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_an_ended_shard_is_kept_and_renewed() {
    let (sim, producer) = stream(1);
    let shard = "shardId-000000000000";
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    put(&producer, 0..10).await;
    split(&sim, shard, 1u128 << 126).await;
    let ended = |entry: &Entry| matches!(entry, Entry::ShardEnded { .. });
    journal
        .until("the end of the shard", |journal| journal.entries().iter().any(ended))
        .await;
    let (_, at_the_end) = owner_and_counter(&sim, shard).await;
    sim.advance(MINUTE).await;
    let (owner, counter) = owner_and_counter(&sim, shard).await;
    assert_eq!(owner.as_deref(), Some("w1"));
    assert!(
        counter > at_the_end + 10,
        "renewed three times in ten seconds: {at_the_end}, {counter}"
    );
}
