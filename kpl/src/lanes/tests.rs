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
    let handed = template.handover.take_all_by_epoch();
    let sealed = handed.iter().filter_map(|handed| match handed {
        Handed::Sealed(aggregate) => aggregate.target.as_ref().map(|target| target.epoch),
        Handed::Armed { .. } => None,
    });
    assert_eq!(sealed.collect::<Vec<_>>(), [epochs[0], epochs[1]]);
    assert!(matches!(handed.last(), Some(Handed::Armed { .. })));
}
