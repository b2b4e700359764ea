//! The codec against rows as others write them, edit them and damage them.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;

fn minimal() -> Item {
    encode(&Lease::of_orders("shardId-7", Position::Latest), EntityTypes::AsRead)
}

fn with(attribute: &str, value: AttributeValue) -> Item {
    let mut item = minimal();
    item.insert(attribute.to_owned(), value);
    item
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(digits: &str) -> AttributeValue {
    AttributeValue::N(digits.to_owned())
}

fn ss(texts: &[&str]) -> AttributeValue {
    AttributeValue::Ss(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn lease_in(item: Item) -> Lease {
    match decode(item) {
        Row::Lease(lease) => lease,
        other @ (Row::Foreign(..) | Row::Hole(_)) => panic!("{other:?}"),
    }
}

fn hole_in(item: Item) -> Hole {
    match decode(item) {
        Row::Hole(hole) => hole,
        other @ (Row::Foreign(..) | Row::Lease(_)) => panic!("{other:?}"),
    }
}

fn kind_of(item: Item) -> Option<ForeignKind> {
    match decode(item) {
        Row::Foreign(kind, _) => Some(kind),
        Row::Lease(_) | Row::Hole(_) => None,
    }
}

/// Written again as it was read.
fn written_again(item: &Item) -> Item {
    encode(&lease_in(item.clone()), EntityTypes::AsRead)
}

/// A lease of a worker that reads several streams, as the Java KCL writes it.
fn of_several_streams() -> Item {
    let mut item = minimal();
    item.extend([
        (
            "leaseKey".to_owned(),
            s("123456789012:orders:1700000000:shardId-000000000003"),
        ),
        ("streamName".to_owned(), s("123456789012:orders:1700000000")),
        ("shardId".to_owned(), s("shardId-000000000003")),
        ("parentShardId".to_owned(), ss(&["shardId-000000000000"])),
    ]);
    item
}

#[test]
fn a_new_lease_is_written_with_five_attributes() {
    let expected = Item::from([
        ("leaseKey".to_owned(), s("shardId-7")),
        ("leaseCounter".to_owned(), AttributeValue::N("0".to_owned())),
        (
            "ownerSwitchesSinceCheckpoint".to_owned(),
            AttributeValue::N("0".to_owned()),
        ),
        ("checkpoint".to_owned(), s("LATEST")),
        (
            "checkpointSubSequenceNumber".to_owned(),
            AttributeValue::N("0".to_owned()),
        ),
    ]);
    assert_eq!(minimal(), expected);
}

#[test]
fn what_is_wrong_with_a_row_is_told_by_key_and_attribute() {
    for (item, message) in [
        (
            with("leaseKey", s("")),
            r#"the attribute leaseKey of the lease row "" is missing"#,
        ),
        (
            with("leaseCounter", s("7")),
            r#"the attribute leaseCounter of the lease row "shardId-7" is not of type N"#,
        ),
        (
            with("leaseCounter", AttributeValue::N("-1".to_owned())),
            r#"the attribute leaseCounter of the lease row "shardId-7" is no count: invalid digit found in string"#,
        ),
        (
            with("parentShardId", s("shardId-1")),
            r#"the attribute parentShardId of the lease row "shardId-7" is not of type SS"#,
        ),
        (
            with("startingHashKey", s("007")),
            r#"the attribute startingHashKey of the lease row "shardId-7" is no hash key: a hash key has no leading zeros"#,
        ),
    ] {
        assert_eq!(hole_in(item).problem.to_string(), message);
    }
}

#[test]
fn a_row_without_a_counter_and_without_a_tell_tale_is_a_hole_in_the_place_of_its_shard() {
    let mut item = minimal();
    item.remove("leaseCounter");
    let problem = RowError {
        key: "shardId-7".into(),
        attribute: "leaseCounter",
        problem: Problem::Missing,
    };
    let hole = hole_in(item);
    assert_eq!(hole.shard, Some(ShardId::new("shardId-7")));
    assert_eq!((hole.key.as_str(), hole.problem), ("shardId-7", problem));
}

#[test]
fn half_a_hash_range_is_none() {
    let item = with("startingHashKey", s("5"));
    assert_eq!(lease_in(item.clone()).range, None);
    assert_eq!(written_again(&item), item);
}

#[test]
fn a_row_whose_checkpoint_is_null_was_not_read_yet() {
    let mut item = with("checkpoint", AttributeValue::Null(true));
    item.insert("checkpointSubSequenceNumber".to_owned(), AttributeValue::Null(true));
    assert_eq!(lease_in(item.clone()).checkpoint, None);
    assert_eq!(written_again(&item), item);
    item.retain(|name, _| !name.starts_with("checkpoint"));
    assert_eq!(lease_in(item).checkpoint, None);
}

#[test]
fn a_null_or_empty_attribute_reads_as_absent() {
    for name in [
        "leaseOwner",
        "checkpointOwner",
        "parentShardId",
        "childShardIds",
        "startingHashKey",
        "pendingCheckpoint",
        "ownerSwitchesSinceCheckpoint",
        "streamName",
        "entityType",
        "streamArn",
        "tokenBase",
    ] {
        for absent in [AttributeValue::Null(true), s("")] {
            let item = with(name, absent);
            let mut lease = lease_in(item);
            lease.others = OtherAttributes::default();
            assert_eq!(lease, lease_in(minimal()), "{name}");
        }
    }
}

#[test]
fn an_owner_that_is_null_is_kept_as_it_was_found() {
    let item = with("leaseOwner", AttributeValue::Null(true));
    assert_eq!(lease_in(item.clone()).owner, None);
    assert_eq!(written_again(&item), item);
}

#[test]
fn parents_are_read_under_either_name_and_as_set_or_list() {
    let list = AttributeValue::L(vec![s("shardId-1"), s("shardId-2")]);
    for item in [
        with("parentShardId", ss(&["shardId-1", "shardId-2"])),
        with("parentShardIds", ss(&["shardId-1", "shardId-2"])),
        with("parentShardIds", list),
    ] {
        let parents = ["shardId-1", "shardId-2"].map(ShardId::new);
        assert_eq!(lease_in(item.clone()).parents, parents.into());
        assert_eq!(
            written_again(&item),
            with("parentShardId", ss(&["shardId-1", "shardId-2"]))
        );
    }
}

#[test]
fn attributes_that_are_not_known_are_kept() {
    let mut item = with("throughputKBps", n("0.5"));
    item.insert("custom".to_owned(), AttributeValue::Bool(true));
    assert_eq!(lease_in(item.clone()).others.get("throughputKBps"), Some(&n("0.5")));
    assert_eq!(written_again(&item), item);
}

#[test]
fn a_pending_checkpoint_is_read_with_its_state() {
    let mut item = with("pendingCheckpoint", s("49"));
    item.insert("pendingCheckpointSubSequenceNumber".to_owned(), n("3"));
    item.insert("pendingCheckpointState".to_owned(), bytes(b"\0\xFF"));
    let pending = PendingCheckpoint {
        position: Position::from_row("49", 3).unwrap(),
        state: Some(b"\0\xFF".to_vec()),
    };
    assert_eq!(lease_in(item.clone()).pending, Some(pending));
    assert_eq!(written_again(&item), item);
}

/// The create path of the Java KCL writes the sub-sequence number there.
#[test]
fn a_pending_state_that_is_a_number_is_kept() {
    let mut item = with("pendingCheckpoint", s("49"));
    item.insert("pendingCheckpointSubSequenceNumber".to_owned(), n("3"));
    item.insert("pendingCheckpointState".to_owned(), n("3"));
    assert_eq!(lease_in(item.clone()).pending.unwrap().state, None);
    assert_eq!(written_again(&item), item);
}

#[test]
fn our_own_attributes_are_read_and_never_make_a_row_unreadable() {
    let mut item = with("streamArn", s("arn:aws:kinesis:eu-north-1:123456789012:stream/orders"));
    item.insert("streamCreated".to_owned(), n("1700000000000"));
    item.insert("tokenBase".to_owned(), n("1784000000000"));
    item.insert("leaseCounter".to_owned(), n("7"));
    let lease = lease_in(item.clone());
    assert_eq!(lease.own.stream.created, Some(1_700_000_000_000));
    assert_eq!(lease.fencing_token(), Some(1_784_000_000_007));
    assert_eq!(written_again(&item), item);
    item.insert("tokenBase".to_owned(), s("another program's"));
    assert_eq!(lease_in(item.clone()).fencing_token(), None);
    assert_eq!(written_again(&item), item);
}

#[test]
fn a_lease_of_several_streams_names_its_stream_and_its_shard() {
    let lease = lease_in(of_several_streams());
    assert_eq!(lease.stream.as_deref(), Some("123456789012:orders:1700000000"));
    assert_eq!(lease.shard, ShardId::new("shardId-000000000003"));
    assert_eq!(
        lease.key.as_str(),
        "123456789012:orders:1700000000:shardId-000000000003"
    );
    assert_eq!(written_again(&of_several_streams()), of_several_streams());
}

#[test]
fn a_hole_among_the_leases_of_several_streams_tells_its_shard() {
    let mut item = of_several_streams();
    item.insert("leaseCounter".to_owned(), s("x"));
    assert_eq!(hole_in(item.clone()).shard, Some(ShardId::new("shardId-000000000003")));
    item.remove("shardId");
    assert_eq!(hole_in(item).shard, None);
}

#[test]
fn a_range_of_one_key_is_read_and_kept() {
    let mut item = with("startingHashKey", s("5"));
    item.insert("endingHashKey".to_owned(), s("5"));
    assert!(lease_in(item.clone()).range.is_some());
    assert_eq!(written_again(&item), item);
}

#[test]
fn a_type_that_is_not_known_is_kept_by_name() {
    let unknown = ForeignKind::Unknown("SNAPSHOT".to_owned());
    assert_eq!(kind_of(with("entityType", s("SNAPSHOT"))), Some(unknown));
}

#[test]
fn a_row_without_a_type_is_recognised_by_what_it_holds() {
    for (attribute, kind) in [
        ("recordVersionNumber", ForeignKind::Leader),
        ("cv", ForeignKind::ClientVersionMigration),
        ("tm", ForeignKind::TableMigration),
        ("sts", ForeignKind::WorkerMetrics),
        ("streamId", ForeignKind::Stream),
    ] {
        let item = Item::from([("leaseKey".to_owned(), s("Leader")), (attribute.to_owned(), s("x"))]);
        assert_eq!(kind_of(item), Some(kind));
    }
}

#[test]
fn a_lease_that_has_the_name_of_a_coordinators_row_is_still_a_lease() {
    assert_eq!(lease_in(with("leaseKey", s("Leader"))).key.as_str(), "Leader");
}

fn any_position() -> impl Strategy<Value = Position> {
    prop_oneof![
        Just(Position::TrimHorizon),
        Just(Position::ShardEnd),
        ("[1-9][0-9]{0,55}", any::<u64>()).prop_map(|(digits, sub)| Position::from_row(&digits, sub).unwrap()),
    ]
}

fn any_range() -> impl Strategy<Value = HashKeyRange> {
    any::<(u128, u128)>().prop_map(|(a, b)| HashKeyRange::new(HashKey::new(a.min(b)), HashKey::new(a.max(b))).unwrap())
}

prop_compose! {
    fn any_own()(
        arn in option::of("arn:[a-z]{1,9}"),
        (created, token_base) in any::<(Option<u64>, Option<u64>)>(),
    ) -> OwnAttributes {
        let stream = Incarnation { arn: arn.map(Into::into), created };
        OwnAttributes { stream, token_base }
    }
}

prop_compose! {
    fn any_lease()(
        stream in option::of("[0-9]{12}:[a-z]{1,9}:[1-9][0-9]{0,9}"),
        owners in option::of("[a-z]{1,9}").prop_flat_map(|owner| (Just(owner), option::of("[a-z]{1,9}"))),
        (counter, owner_switches) in any::<(u64, u64)>(),
        checkpoint in option::of(any_position()),
        pending in option::of((any_position(), option::of(vec(any::<u8>(), 0..5)))),
        (parents, children) in (btree_set("[a-z0-9-]{1,9}", 0..3), btree_set("[a-z0-9-]{1,9}", 0..3)),
        range in option::of(any_range().prop_filter("one key is not written", |range| range.start() < range.end())),
        own in any_own(),
        idle in option::of((any::<u64>(), any_position())),
        others in btree_map("x[a-z]{1,9}", "[a-z]{0,9}".prop_map(AttributeValue::S), 0..3),
    ) -> Lease {
        Lease {
            key: LeaseKey::of_row("shardId-7"),
            stream: stream.map(Into::into),
            shard: ShardId::new("shardId-7"),
            owner: owners.0.as_deref().map(WorkerId::new),
            checkpoint_owner: owners.1.as_deref().map(WorkerId::new),
            counter,
            owner_switches,
            checkpoint,
            pending: pending.map(|(position, state)| PendingCheckpoint { position, state }),
            parents: parents.iter().map(|id| ShardId::new(id)).collect(),
            children: children.iter().map(|id| ShardId::new(id)).collect(),
            range,
            own,
            idle: idle.map(|(at, checkpoint)| IdlePosition { at, checkpoint }),
            others: others.into_iter().collect(),
        }
    }
}

proptest! {
    #[test]
    fn a_lease_is_read_back_from_its_row(lease in any_lease()) {
        prop_assert_eq!(lease_in(encode(&lease, EntityTypes::AsRead)), lease);
    }

    #[test]
    fn a_type_that_is_written_is_kept(lease in any_lease()) {
        let item = encode(&lease, EntityTypes::Written);
        prop_assert_eq!(item.get("entityType"), Some(&s("LEASE")));
        prop_assert_eq!(written_again(&item), item);
    }

    #[test]
    fn no_attribute_that_is_written_is_empty(mut lease in any_lease()) {
        lease.others = OtherAttributes::default();
        for value in encode(&lease, EntityTypes::Written).values() {
            prop_assert!(!matches!(value, AttributeValue::S(text) if text.is_empty()));
            prop_assert!(!matches!(value, AttributeValue::Ss(texts) if texts.is_empty()));
        }
    }
}
