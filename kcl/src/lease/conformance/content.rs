//! Writes that change what a row says of its shard, its creation and its deletion.

use std::collections::BTreeSet;

use aggregation::{HashKey, HashKeyRange};
use aws_sdk_dynamodb::types::AttributeValue;

use super::bench::{Bench, at, key, owned, unowned};
use crate::checkpoint::position::Position;
use crate::lease::item::{self, EntityTypes};
use crate::lease::model::{IdlePosition, Lease, OwnAttributes, PendingCheckpoint, WorkerId};
use crate::lease::table::Creation;
use crate::lease::write::{LeaseWrite, OwnerWrite, Then, WriteOutcome};
use crate::stream::{Incarnation, ShardId};

run_against_each_backend! {
    a_row_is_created_once,
    a_created_row_has_all_that_the_lease_has,
    a_checkpoint_resets_the_owner_switches_and_the_pending_checkpoint,
    a_pending_checkpoint_leaves_the_checkpoint,
    a_pending_checkpoint_without_a_state_removes_the_state,
    a_checkpoint_and_a_pending_one_go_with_one_write,
    a_pending_checkpoint_survives_a_renewal_a_release_and_a_take,
    the_children_ride_on_a_checkpoint,
    children_are_noted_and_the_counter_stays,
    children_of_a_row_that_is_gone_are_refused,
    an_empty_set_of_children_removes_them,
    a_range_is_noted_and_the_counter_stays,
    an_owners_write_sets_our_own_attributes_where_they_are_absent,
    an_idle_position_is_noted_with_a_renewal,
    attributes_that_are_not_known_survive_every_write,
    a_checkpoint_owner_that_is_null_keeps_nobody_from_writing,
    the_row_of_a_finished_shard_is_deleted,
    the_row_of_an_unfinished_shard_is_not_deleted,
    a_row_that_has_changed_is_not_deleted,
    a_row_that_is_gone_is_not_deleted_again,
    the_row_of_a_former_stream_becomes_one_of_the_present_stream_and_its_tokens_grow,
    the_row_of_a_former_stream_is_deleted,
    a_row_that_has_changed_or_is_of_another_stream_by_now_is_neither_replaced_nor_discarded,
}

fn children(ids: &[&str]) -> BTreeSet<ShardId> {
    ids.iter().map(|id| ShardId::new(id)).collect()
}

fn pending(state: Option<&[u8]>) -> PendingCheckpoint {
    PendingCheckpoint {
        position: at("11"),
        state: state.map(<[u8]>::to_vec),
    }
}

fn finished() -> Lease {
    Lease {
        checkpoint: Some(Position::ShardEnd),
        ..owned()
    }
}

async fn a_row_is_created_once(bench: &Bench) {
    let table = bench.table();
    assert_eq!(table.create(&unowned()).await, Ok(Creation::Created));
    assert_eq!(table.create(&owned()).await, Ok(Creation::Existed));
    assert_eq!(bench.lease(&key()).await.unwrap().owner, None);
}

async fn a_created_row_has_all_that_the_lease_has(bench: &Bench) {
    let lease = Lease {
        pending: Some(pending(Some(b"state"))),
        parents: children(&["shardId-000000000001", "shardId-000000000002"]),
        children: children(&["shardId-000000000009"]),
        range: Some(HashKeyRange::FULL),
        own: OwnAttributes {
            stream: Incarnation {
                arn: Some("arn:aws:kinesis:eu-north-1:123456789012:stream/orders".into()),
                created: Some(1_700_000_000_000),
            },
            token_base: Some(1_784_000_000_000),
        },
        ..owned()
    };
    bench.table().create(&lease).await.unwrap();
    let mut read = bench.lease(&key()).await.unwrap();
    // Its type, which DynamoDB's backend writes.
    read.others = lease.others.clone();
    assert_eq!(read, lease);
}

async fn a_checkpoint_resets_the_owner_switches_and_the_pending_checkpoint(bench: &Bench) {
    let before = Lease {
        pending: Some(pending(Some(b"state"))),
        ..owned()
    };
    bench.put(&before).await;
    let write = OwnerWrite {
        checkpoint: Some(Position::from_row("9", 4).unwrap()),
        ..OwnerWrite::renewal(before)
    };
    let expected = Lease {
        counter: 8,
        owner_switches: 0,
        checkpoint: Some(Position::from_row("9", 4).unwrap()),
        ..owned()
    };
    assert_eq!(bench.applied(LeaseWrite::Owner(write)).await, expected);
}

async fn a_pending_checkpoint_leaves_the_checkpoint(bench: &Bench) {
    bench.put(&owned()).await;
    let write = OwnerWrite {
        pending: Some(pending(Some(b"\0\xFF"))),
        ..OwnerWrite::renewal(owned())
    };
    let expected = Lease {
        counter: 8,
        pending: Some(pending(Some(b"\0\xFF"))),
        ..owned()
    };
    assert_eq!(bench.applied(LeaseWrite::Owner(write)).await, expected);
}

async fn a_pending_checkpoint_without_a_state_removes_the_state(bench: &Bench) {
    let before = Lease {
        pending: Some(pending(Some(b"state"))),
        ..owned()
    };
    bench.put(&before).await;
    let write = OwnerWrite {
        pending: Some(pending(None)),
        ..OwnerWrite::renewal(before)
    };
    assert_eq!(
        bench.applied(LeaseWrite::Owner(write)).await.pending,
        Some(pending(None))
    );
}

async fn a_checkpoint_and_a_pending_one_go_with_one_write(bench: &Bench) {
    let before = Lease {
        pending: Some(pending(None)),
        ..owned()
    };
    bench.put(&before).await;
    let write = OwnerWrite {
        checkpoint: Some(at("9")),
        pending: Some(pending(Some(b"state"))),
        ..OwnerWrite::renewal(before)
    };
    let expected = Lease {
        counter: 8,
        owner_switches: 0,
        checkpoint: Some(at("9")),
        pending: Some(pending(Some(b"state"))),
        ..owned()
    };
    assert_eq!(bench.applied(LeaseWrite::Owner(write)).await, expected);
}

async fn a_pending_checkpoint_survives_a_renewal_a_release_and_a_take(bench: &Bench) {
    let before = Lease {
        pending: Some(pending(Some(b"state"))),
        ..owned()
    };
    bench.put(&before).await;
    let renewed = bench
        .applied(LeaseWrite::Owner(OwnerWrite::renewal(before.clone())))
        .await;
    let release = OwnerWrite {
        then: Then::Release,
        ..OwnerWrite::renewal(renewed)
    };
    let released = bench.applied(LeaseWrite::Owner(release)).await;
    let take = LeaseWrite::Take {
        seen: released,
        by: WorkerId::new("b"),
        own: OwnAttributes::default(),
    };
    assert_eq!(bench.applied(take).await.pending, before.pending);
}

async fn the_children_ride_on_a_checkpoint(bench: &Bench) {
    bench.put(&owned()).await;
    let write = OwnerWrite {
        checkpoint: Some(Position::ShardEnd),
        children: Some(children(&["shardId-000000000009"])),
        then: Then::Release,
        ..OwnerWrite::renewal(owned())
    };
    let expected = Lease {
        owner: None,
        counter: 8,
        owner_switches: 0,
        children: children(&["shardId-000000000009"]),
        ..finished()
    };
    assert_eq!(bench.applied(LeaseWrite::Owner(write)).await, expected);
}

async fn children_are_noted_and_the_counter_stays(bench: &Bench) {
    bench.put(&unowned()).await;
    let noted = children(&["shardId-000000000008", "shardId-000000000009"]);
    let write = LeaseWrite::SetChildren {
        key: key(),
        children: noted.clone(),
    };
    let expected = Lease {
        children: noted,
        ..unowned()
    };
    assert_eq!(bench.applied(write).await, expected);
}

async fn children_of_a_row_that_is_gone_are_refused(bench: &Bench) {
    let write = LeaseWrite::SetChildren {
        key: key(),
        children: children(&["shardId-000000000009"]),
    };
    bench.refused(write).await;
    let range = HashKeyRange::FULL;
    bench.refused(LeaseWrite::SetRange { key: key(), range }).await;
}

async fn an_empty_set_of_children_removes_them(bench: &Bench) {
    let before = Lease {
        children: children(&["shardId-000000000009"]),
        ..unowned()
    };
    bench.put(&before).await;
    let write = LeaseWrite::SetChildren {
        key: key(),
        children: BTreeSet::new(),
    };
    assert_eq!(bench.applied(write).await, unowned());
}

async fn a_range_is_noted_and_the_counter_stays(bench: &Bench) {
    bench.put(&unowned()).await;
    let range = HashKeyRange::new(HashKey::new(5), HashKey::new(9)).unwrap();
    let expected = Lease {
        range: Some(range),
        ..unowned()
    };
    assert_eq!(
        bench.applied(LeaseWrite::SetRange { key: key(), range }).await,
        expected
    );
}

async fn an_owners_write_sets_our_own_attributes_where_they_are_absent(bench: &Bench) {
    let mut row = owned();
    row.own.token_base = Some(5);
    bench.put(&row).await;
    let write = OwnerWrite {
        own: OwnAttributes {
            stream: Incarnation {
                arn: None,
                created: Some(6),
            },
            token_base: Some(7),
        },
        ..OwnerWrite::renewal(row)
    };
    let written = bench.applied(LeaseWrite::Owner(write)).await;
    assert_eq!((written.own.stream.created, written.own.token_base), (Some(6), Some(5)));
    assert_eq!(written.fencing_token(), Some(13));
}

async fn an_idle_position_is_noted_with_a_renewal(bench: &Bench) {
    bench.put(&owned()).await;
    let idle = IdlePosition {
        at: 1_700_000_000_000,
        checkpoint: at("7"),
    };
    let write = OwnerWrite {
        idle: Some(idle.clone()),
        ..OwnerWrite::renewal(owned())
    };
    let written = bench.applied(LeaseWrite::Owner(write)).await;
    let expected = Lease {
        counter: owned().counter + 1,
        idle: Some(idle),
        ..owned()
    };
    assert_eq!(
        (&written, bench.lease(&key()).await.as_ref()),
        (&expected, Some(&expected))
    );
}

async fn attributes_that_are_not_known_survive_every_write(bench: &Bench) {
    let mut item = item::encode(&owned(), EntityTypes::AsRead);
    let throughput = AttributeValue::N("412.118273".to_owned());
    item.insert("throughputKBps".to_owned(), throughput.clone());
    bench.put_item(item).await;
    let seen = bench.lease(&key()).await.unwrap();
    let write = OwnerWrite {
        checkpoint: Some(at("9")),
        then: Then::Release,
        ..OwnerWrite::renewal(seen)
    };
    let written = bench.applied(LeaseWrite::Owner(write)).await;
    assert_eq!(written.others.get("throughputKBps"), Some(&throughput));
}

async fn a_checkpoint_owner_that_is_null_keeps_nobody_from_writing(bench: &Bench) {
    let mut item = item::encode(&owned(), EntityTypes::AsRead);
    item.insert("checkpointOwner".to_owned(), AttributeValue::Null(true));
    bench.put_item(item).await;
    let seen = bench.lease(&key()).await.unwrap();
    let written = bench.applied(LeaseWrite::Owner(OwnerWrite::renewal(seen))).await;
    assert_eq!(written.counter, 8);
}

async fn the_row_of_a_finished_shard_is_deleted(bench: &Bench) {
    bench.put(&finished()).await;
    let deleted = bench.table().write(&LeaseWrite::Delete { seen: finished() }).await;
    assert_eq!(deleted, WriteOutcome::Applied(finished()));
    assert_eq!(bench.lease(&key()).await, None);
}

async fn the_row_of_an_unfinished_shard_is_not_deleted(bench: &Bench) {
    bench.put(&owned()).await;
    bench.refused(LeaseWrite::Delete { seen: owned() }).await;
}

async fn a_row_that_has_changed_is_not_deleted(bench: &Bench) {
    bench.put(&finished()).await;
    let seen = Lease {
        counter: 6,
        ..finished()
    };
    bench.refused(LeaseWrite::Delete { seen }).await;
}

async fn a_row_that_is_gone_is_not_deleted_again(bench: &Bench) {
    bench.refused(LeaseWrite::Delete { seen: finished() }).await;
}

fn stream(created: u64) -> Incarnation {
    Incarnation {
        arn: Some("arn:aws:kinesis:eu-north-1:123456789012:stream/orders".into()),
        created: Some(created),
    }
}

/// A row with all that a row can have, of the stream that was created at `created`.
fn full_row(created: u64) -> Lease {
    Lease {
        checkpoint: Some(at("9")),
        pending: Some(pending(Some(b"state"))),
        parents: children(&["shardId-000000000001"]),
        children: children(&["shardId-000000000009"]),
        range: Some(HashKeyRange::FULL),
        idle: Some(IdlePosition {
            at: 5,
            checkpoint: at("9"),
        }),
        own: OwnAttributes {
            stream: stream(created),
            token_base: Some(1_000),
        },
        ..owned()
    }
}

/// The lease as it would be created for the stream of `created`.
fn fresh(created: u64) -> Lease {
    Lease {
        counter: 0,
        owner_switches: 0,
        own: OwnAttributes::of(&stream(created)),
        ..unowned()
    }
}

async fn the_row_of_a_former_stream_becomes_one_of_the_present_stream_and_its_tokens_grow(bench: &Bench) {
    let of_two_parents = Lease {
        parents: children(&["shardId-000000000003", "shardId-000000000004"]),
        range: Some(HashKeyRange::new(HashKey::new(1), HashKey::new(9)).unwrap()),
        ..fresh(2)
    };
    for with in [fresh(2), of_two_parents] {
        let seen = full_row(1);
        bench.put(&seen).await;
        let replaced = bench
            .applied(LeaseWrite::Replace {
                seen: seen.clone(),
                with: with.clone(),
            })
            .await;
        let own = OwnAttributes {
            token_base: seen.own.token_base,
            ..with.own.clone()
        };
        assert!(replaced.fencing_token() > seen.fencing_token());
        let others = replaced.others.clone();
        let expected = Lease {
            counter: seen.counter + 1,
            own,
            others,
            ..with
        };
        assert_eq!(replaced, expected);
    }
}

async fn the_row_of_a_former_stream_is_deleted(bench: &Bench) {
    bench.put(&full_row(1)).await;
    let discard = LeaseWrite::Discard { seen: full_row(1) };
    let outcome = bench.table().write(&discard).await;
    assert!(matches!(outcome, WriteOutcome::Applied(_)), "{outcome:?}");
    assert_eq!(bench.lease(&key()).await, None);
}

async fn a_row_that_has_changed_or_is_of_another_stream_by_now_is_neither_replaced_nor_discarded(bench: &Bench) {
    let renewed = Lease {
        counter: 8,
        ..full_row(1)
    };
    for row in [renewed, full_row(3)] {
        bench.put(&row).await;
        let (seen, with) = (full_row(1), fresh(2));
        bench.refused(LeaseWrite::Replace { seen, with }).await;
        bench.refused(LeaseWrite::Discard { seen: full_row(1) }).await;
    }
}
