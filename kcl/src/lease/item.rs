//! Pure: a lease as a row of the table, attribute for attribute as the Java KCL writes it.
//!
//! Rows that are no leases live in the same table since KCL 3.5, and are told apart here. Attributes that are not named
//! here are ignored, and survive, because rows are updated attribute by attribute.
//!
//! Source: amazon-kinesis-client, `DynamoDBLeaseSerializer`.
//!
//! `foreign` recognises the rows that are no leases; `fields` reads the attributes of the others.

use std::collections::BTreeSet;

use aggregation::{HashKey, HashKeyRange};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::checkpoint::position::Position;
use crate::lease::model::{Lease, LeaseKey, WorkerId};
use crate::stream::ShardId;
use fields::Fields;
pub(crate) use fields::{Problem, RowError};
pub(crate) use foreign::ForeignKind;

mod fields;
mod foreign;

/// A row, as the SDK hands it over.
#[expect(clippy::disallowed_types, reason = "the SDK's own type; nothing iterates over it")]
pub(crate) type Item = std::collections::HashMap<String, AttributeValue>;

/// The names of a lease row's attributes.
mod attribute {
    pub(super) const LEASE_KEY: &str = "leaseKey";
    pub(super) const LEASE_OWNER: &str = "leaseOwner";
    pub(super) const CHECKPOINT_OWNER: &str = "checkpointOwner";
    pub(super) const LEASE_COUNTER: &str = "leaseCounter";
    pub(super) const OWNER_SWITCHES: &str = "ownerSwitchesSinceCheckpoint";
    /// A position takes two attributes.
    pub(super) const CHECKPOINT: [&str; 2] = ["checkpoint", "checkpointSubSequenceNumber"];
    pub(super) const PENDING_CHECKPOINT: [&str; 2] = ["pendingCheckpoint", "pendingCheckpointSubSequenceNumber"];
    /// A set, in spite of its name.
    pub(super) const PARENT_SHARDS: &str = "parentShardId";
    pub(super) const CHILD_SHARDS: &str = "childShardIds";
    pub(super) const STARTING_HASH_KEY: &str = "startingHashKey";
    pub(super) const ENDING_HASH_KEY: &str = "endingHashKey";
    pub(super) const ENTITY_TYPE: &str = "entityType";
}

/// What `entityType` says of a lease.
const LEASE_ENTITY: &str = "LEASE";

/// Whether a row that is created says what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntityTypes {
    /// As KCL 3.5 and later do.
    Written,
    /// As all earlier versions do.
    #[cfg_attr(not(test), expect(dead_code, reason = "every version takes a row that says it"))]
    Absent,
}

/// What a row of the lease table holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Row {
    Lease(Lease),
    /// Something else, which is none of a lease reader's business.
    Foreign(ForeignKind),
}

/// The row of `lease`, for creating it.
pub(crate) fn encode(lease: &Lease, entity_types: EntityTypes) -> Item {
    let mut item = Item::from([
        text(attribute::LEASE_KEY, lease.key.as_str()),
        number(attribute::LEASE_COUNTER, lease.counter),
        number(attribute::OWNER_SWITCHES, lease.owner_switches),
    ]);
    item.extend(position_pair(attribute::CHECKPOINT, &lease.checkpoint));
    if let Some(owner) = &lease.owner {
        item.extend([text(attribute::LEASE_OWNER, owner.as_str())]);
    }
    if let Some(owner) = &lease.checkpoint_owner {
        item.extend([text(attribute::CHECKPOINT_OWNER, owner.as_str())]);
    }
    if let Some(pending) = &lease.pending_checkpoint {
        item.extend(position_pair(attribute::PENDING_CHECKPOINT, pending));
    }
    item.extend(shard_set(attribute::PARENT_SHARDS, &lease.parents));
    item.extend(shard_set(attribute::CHILD_SHARDS, &lease.children));
    // The Java KCL cannot read the range of a shard with a single hash key.
    if let Some(range) = lease.range.filter(|range| range.start() < range.end()) {
        item.extend([
            text(attribute::STARTING_HASH_KEY, &range.start().to_string()),
            text(attribute::ENDING_HASH_KEY, &range.end().to_string()),
        ]);
    }
    match entity_types {
        EntityTypes::Written => item.extend([text(attribute::ENTITY_TYPE, LEASE_ENTITY)]),
        EntityTypes::Absent => {}
    }
    item
}

/// Reads a row.
///
/// The owner switches and the sub-sequence number count as 0 if they are missing, and half a hash range as none, as in
/// Java.
///
/// # Errors
///
/// If a lease's row lacks an attribute without which it is none, or has one of another type or form.
pub(crate) fn decode(item: &Item) -> Result<Row, RowError> {
    if let Some(kind) = ForeignKind::of(item) {
        return Ok(Row::Foreign(kind));
    }
    let fields = Fields::of(item)?;
    let counter = fields.number(attribute::LEASE_COUNTER)?;
    let checkpoint = position(&fields, attribute::CHECKPOINT)?;
    let [checkpoint_attribute, _] = attribute::CHECKPOINT;
    Ok(Row::Lease(Lease {
        key: LeaseKey::new(fields.key()),
        owner: fields.text(attribute::LEASE_OWNER)?.map(WorkerId::new),
        checkpoint_owner: fields.text(attribute::CHECKPOINT_OWNER)?.map(WorkerId::new),
        counter: fields.required(attribute::LEASE_COUNTER, counter)?,
        owner_switches: fields.number(attribute::OWNER_SWITCHES)?.unwrap_or(0),
        checkpoint: fields.required(checkpoint_attribute, checkpoint)?,
        pending_checkpoint: position(&fields, attribute::PENDING_CHECKPOINT)?,
        parents: shards(&fields, attribute::PARENT_SHARDS)?,
        children: shards(&fields, attribute::CHILD_SHARDS)?,
        range: range(&fields)?,
    }))
}

fn position(fields: &Fields<'_>, attributes: [&'static str; 2]) -> Result<Option<Position>, RowError> {
    let [checkpoint, sub_sequence_number] = attributes;
    let Some(text) = fields.text(checkpoint)? else {
        return Ok(None);
    };
    let sub_sequence_number = fields.number(sub_sequence_number)?.unwrap_or(0);
    match Position::from_row(text, sub_sequence_number) {
        Ok(position) => Ok(Some(position)),
        Err(source) => Err(fields.error(checkpoint, Problem::Position(source))),
    }
}

fn shards(fields: &Fields<'_>, attribute: &'static str) -> Result<BTreeSet<ShardId>, RowError> {
    let ids = fields.texts(attribute)?;
    Ok(ids.iter().map(|id| ShardId::new(id)).collect())
}

fn range(fields: &Fields<'_>) -> Result<Option<HashKeyRange>, RowError> {
    let start = hash_key(fields, attribute::STARTING_HASH_KEY)?;
    let end = hash_key(fields, attribute::ENDING_HASH_KEY)?;
    let (Some(start), Some(end)) = (start, end) else {
        return Ok(None);
    };
    match HashKeyRange::new(start, end) {
        Ok(range) => Ok(Some(range)),
        Err(source) => Err(fields.error(attribute::ENDING_HASH_KEY, Problem::Range(source))),
    }
}

fn hash_key(fields: &Fields<'_>, attribute: &'static str) -> Result<Option<HashKey>, RowError> {
    let parsed = fields.text(attribute)?.map(str::parse).transpose();
    parsed.map_err(|source| fields.error(attribute, Problem::HashKey(source)))
}

fn text(attribute: &str, value: &str) -> (String, AttributeValue) {
    (attribute.to_owned(), AttributeValue::S(value.to_owned()))
}

fn number(attribute: &str, value: u64) -> (String, AttributeValue) {
    (attribute.to_owned(), AttributeValue::N(value.to_string()))
}

fn position_pair(attributes: [&str; 2], position: &Position) -> [(String, AttributeValue); 2] {
    let [checkpoint, sub_sequence_number] = attributes;
    [
        text(checkpoint, position.checkpoint_text()),
        number(sub_sequence_number, position.sub_sequence_number()),
    ]
}

/// DynamoDB knows no empty set: none is written then.
fn shard_set(attribute: &str, ids: &BTreeSet<ShardId>) -> Option<(String, AttributeValue)> {
    let texts: Vec<_> = ids.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| (attribute.to_owned(), AttributeValue::Ss(texts)))
}

#[cfg(test)]
mod java_rows;

#[cfg(test)]
mod tests {
    use proptest::collection::btree_set;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn minimal() -> Item {
        encode(
            &Lease::new(LeaseKey::new("shardId-7"), Position::Latest),
            EntityTypes::Absent,
        )
    }

    fn with(attribute: &str, value: AttributeValue) -> Item {
        let mut item = minimal();
        item.insert(attribute.to_owned(), value);
        item
    }

    fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
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
            assert_eq!(decode(&item).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_row_without_a_counter_and_without_a_tell_tale_is_an_error() {
        let mut item = minimal();
        item.remove("leaseCounter");
        let error = RowError {
            key: "shardId-7".into(),
            attribute: "leaseCounter",
            problem: Problem::Missing,
        };
        assert_eq!(decode(&item), Err(error));
    }

    #[test]
    fn half_a_hash_range_is_none() {
        let Ok(Row::Lease(lease)) = decode(&with("startingHashKey", s("5"))) else {
            panic!("not a lease")
        };
        assert_eq!(lease.range, None);
    }

    #[test]
    fn an_attribute_that_is_not_known_is_ignored() {
        assert_eq!(
            decode(&with("throughputKBps", AttributeValue::N("0.5".to_owned()))),
            decode(&minimal())
        );
    }

    #[test]
    fn a_type_that_is_not_known_is_kept_by_name() {
        let unknown = ForeignKind::Unknown("SNAPSHOT".to_owned());
        assert_eq!(decode(&with("entityType", s("SNAPSHOT"))), Ok(Row::Foreign(unknown)));
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
            assert_eq!(decode(&item), Ok(Row::Foreign(kind)));
        }
    }

    #[test]
    fn a_lease_that_has_the_name_of_a_coordinators_row_is_still_a_lease() {
        assert!(matches!(decode(&with("leaseKey", s("Leader"))), Ok(Row::Lease(_))));
    }

    fn any_position() -> impl Strategy<Value = Position> {
        prop_oneof![
            Just(Position::TrimHorizon),
            Just(Position::ShardEnd),
            ("[1-9][0-9]{0,55}", any::<u64>()).prop_map(|(digits, sub)| Position::from_row(&digits, sub).unwrap()),
        ]
    }

    fn any_range() -> impl Strategy<Value = HashKeyRange> {
        any::<(u128, u128)>()
            .prop_map(|(a, b)| HashKeyRange::new(HashKey::new(a.min(b)), HashKey::new(a.max(b))).unwrap())
    }

    prop_compose! {
        fn any_lease()(
            owners in option::of("[a-z]{1,9}").prop_flat_map(|owner| (Just(owner), option::of("[a-z]{1,9}"))),
            (counter, owner_switches) in any::<(u64, u64)>(),
            (checkpoint, pending_checkpoint) in (any_position(), option::of(any_position())),
            (parents, children) in (btree_set("[a-z0-9-]{1,9}", 0..3), btree_set("[a-z0-9-]{1,9}", 0..3)),
            range in option::of(any_range().prop_filter("one key is not written", |range| range.start() < range.end())),
        ) -> Lease {
            Lease {
                key: LeaseKey::new("shardId-7"),
                owner: owners.0.as_deref().map(WorkerId::new),
                checkpoint_owner: owners.1.as_deref().map(WorkerId::new),
                counter,
                owner_switches,
                checkpoint,
                pending_checkpoint,
                parents: parents.iter().map(|id| ShardId::new(id)).collect(),
                children: children.iter().map(|id| ShardId::new(id)).collect(),
                range,
            }
        }
    }

    proptest! {
        #[test]
        fn a_lease_is_read_back_from_its_row(lease in any_lease(), typed: bool) {
            let entity_types = if typed { EntityTypes::Written } else { EntityTypes::Absent };
            prop_assert_eq!(decode(&encode(&lease, entity_types)), Ok(Row::Lease(lease)));
        }

        #[test]
        fn no_attribute_of_a_row_is_empty(lease in any_lease()) {
            for value in encode(&lease, EntityTypes::Written).values() {
                prop_assert!(!matches!(value, AttributeValue::S(text) if text.is_empty()));
                prop_assert!(!matches!(value, AttributeValue::Ss(texts) if texts.is_empty()));
            }
        }
    }
}
