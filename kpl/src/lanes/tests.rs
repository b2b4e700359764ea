//! What lanes hand over, and in which order.

use std::sync::Arc;
use std::time::Duration;

use aggregation::HashKeyRange;
use service::{Clock, ShardId};

use super::{Handed, Handover, LaneTemplate, Lanes};
use crate::budget::{Budget, Permit, Room};
use crate::config::ordering::RecordDistribution;
use crate::lanes::lane::LaneLimits;
use crate::record::Record;
use crate::routing::shard_map::{Shard, ShardMap};
use crate::routing::{Keyless, Routing};
use crate::sync::try_lock;

fn now() -> std::time::Instant {
    Clock::default().monotonic()
}

fn template() -> LaneTemplate {
    LaneTemplate {
        stream: "orders".into(),
        limits: LaneLimits {
            max_size: 1_000,
            max_count: 2,
            max_buffered: Duration::from_secs(1),
            ttl: None,
        },
        budget: Budget::new(10_000, 100),
        buffers: Arc::default(),
        handover: Arc::new(Handover::default()),
        clock: Clock::default(),
        built: now(),
    }
}

fn shards(id: &str) -> Vec<Shard> {
    vec![Shard {
        id: ShardId::new(id),
        range: HashKeyRange::FULL,
    }]
}

fn by_key(map: ShardMap) -> Routing {
    Routing::new(Arc::new(map), RecordDistribution::UserPartitionKey, Keyless::Refused)
}

fn append(lanes: &Lanes, permit: Permit<'_>, record: &Record) {
    let seat = lanes.append(&record.as_user_record(), permit, now());
    assert!(seat.is_ok());
}

#[test]
fn what_replaced_lanes_sealed_is_taken_before_what_the_lanes_in_their_place_sealed_earlier() {
    let template = template();
    let first = ShardMap::first(shards("shardId-000000000000")).unwrap();
    let second = first.refreshed(shards("shardId-000000000001")).unwrap();
    let epochs = [first.epoch(), second.epoch()];
    let [old, new] = [first, second].map(|map| Lanes::new(by_key(map), &template));
    let permit = || template.budget.try_acquire(Room::of(100)).unwrap();
    append(&old, permit(), &Record::new("key", "put first"));
    append(&new, permit(), &Record::new("key", "put second"));
    append(&new, permit(), &Record::new("key", "put third"));
    old.retire();
    let handed = template.handover.take_all_by_lanes();
    let sealed = handed.iter().filter_map(|handed| match handed {
        Handed::Sealed(aggregate) => aggregate.target.as_ref().map(|target| target.epoch),
        Handed::Armed { .. } => None,
    });
    assert_eq!(sealed.collect::<Vec<_>>(), [epochs[0], epochs[1]]);
    assert!(matches!(handed.last(), Some(Handed::Armed { .. })));
}

/// The records of what was handed over, aggregate by aggregate.
fn records(handed: Vec<Handed>) -> Vec<Vec<String>> {
    let aggregates = handed.into_iter().filter_map(|handed| match handed {
        Handed::Sealed(aggregate) => Some(aggregate.records()),
        Handed::Armed { .. } => None,
    });
    let text = |record: Record| String::from_utf8(record.into_data().to_vec()).unwrap();
    aggregates
        .map(|records| records.into_iter().map(text).collect())
        .collect()
}

/// As when the map is the same and records without keys are no longer held.
#[test]
fn what_replaced_lanes_sealed_is_taken_first_also_when_the_shards_are_the_same() {
    let template = template();
    let map = ShardMap::first(shards("shardId-000000000000")).unwrap();
    let [old, new] = [map.clone(), map].map(|map| Lanes::new(by_key(map), &template));
    let put = |lanes: &Lanes, text: &'static str| {
        let permit = template.budget.try_acquire(Room::of(100)).unwrap();
        append(lanes, permit, &Record::new("key", text));
    };
    put(&old, "1");
    put(&new, "2");
    put(&new, "3");
    old.retire();
    assert_eq!(
        records(template.handover.take_all_by_lanes()),
        [vec!["1"], vec!["2", "3"]]
    );
}

#[test]
fn while_an_aggregate_is_framed_records_enter_its_lane_and_leave_behind_it() {
    let template = template();
    let lanes = Lanes::new(
        by_key(ShardMap::first(shards("shardId-000000000000")).unwrap()),
        &template,
    );
    let put = |text: &'static str| {
        let permit = template.budget.try_acquire(Room::of(100)).unwrap();
        append(&lanes, permit, &Record::new("key", text));
    };
    let handover = &template.handover;
    ["1", "2"].into_iter().for_each(put);
    let pledge = handover.first_pledge().unwrap();
    let framing = pledge.hold();
    ["3", "4", "5"].into_iter().for_each(put);
    lanes.seal_all();
    assert!(records(handover.take_ready()).is_empty(), "the driver does not wait");
    drop(framing);
    assert_eq!(
        records(handover.take_ready()),
        [vec!["1", "2"], vec!["3", "4"], vec!["5"]]
    );
}

/// Puts an aggregate that takes a while to hash into a lane and seals it; returns whether the lane was free meanwhile.
fn is_free_while_it_is_hashed(lanes: &Lanes, template: &LaneTemplate) -> bool {
    for _ in 0..2 {
        let permit = template.budget.try_acquire(Room::of(100)).unwrap();
        let seat = lanes.append(&Record::new("key", vec![0; 4 << 20]).as_user_record(), permit, now());
        assert!(seat.is_ok());
    }
    std::thread::scope(|scope| {
        let sealing = scope.spawn(|| lanes.seal_all());
        let mut was_free = false;
        let is_framed = || template.handover.first_pledge().is_some_and(|pledge| !pledge.is_free());
        while !sealing.is_finished() {
            // If it is still framed after the look at the lane, it was framed during that look.
            was_free |= is_framed() && try_lock(&lanes.places[0].slot).is_some() && is_framed();
        }
        was_free
    })
}

#[test]
fn an_aggregate_is_hashed_outside_of_the_lock_of_its_lane() {
    let mut template = template();
    template.budget = Budget::new(100 << 20, 100);
    template.limits.max_size = 16 << 20;
    template.limits.max_count = 10;
    let lanes = Lanes::new(
        by_key(ShardMap::first(shards("shardId-000000000000")).unwrap()),
        &template,
    );
    let is_free = |_| {
        let was_free = is_free_while_it_is_hashed(&lanes, &template);
        drop(template.handover.take_all());
        was_free
    };
    assert!((0..100).any(is_free), "a lane is locked while its aggregate is hashed");
}
