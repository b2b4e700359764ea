//! Pure: a lease as a row of the table, attribute for attribute as the Java KCL writes it.
//!
//! Rows that are no leases live in the same table since KCL 3.5, and are told apart here. Attributes that are not named
//! here are ignored, and survive, because rows are updated attribute by attribute.
//!
//! Source: amazon-kinesis-client, `DynamoDBLeaseSerializer`.

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
pub(crate) mod attribute {
    pub(crate) const LEASE_KEY: &str = "leaseKey";
    pub(crate) const LEASE_OWNER: &str = "leaseOwner";
    pub(crate) const CHECKPOINT_OWNER: &str = "checkpointOwner";
    pub(crate) const LEASE_COUNTER: &str = "leaseCounter";
    pub(crate) const OWNER_SWITCHES: &str = "ownerSwitchesSinceCheckpoint";
    pub(crate) const CHECKPOINT: &str = "checkpoint";
    pub(crate) const CHECKPOINT_SUB_SEQUENCE_NUMBER: &str = "checkpointSubSequenceNumber";
    pub(crate) const PENDING_CHECKPOINT: &str = "pendingCheckpoint";
    pub(crate) const PENDING_CHECKPOINT_SUB_SEQUENCE_NUMBER: &str = "pendingCheckpointSubSequenceNumber";
    pub(crate) const PENDING_CHECKPOINT_STATE: &str = "pendingCheckpointState";
    /// A set, in spite of its name.
    pub(crate) const PARENT_SHARD_IDS: &str = "parentShardId";
    pub(crate) const CHILD_SHARD_IDS: &str = "childShardIds";
    pub(crate) const STARTING_HASH_KEY: &str = "startingHashKey";
    pub(crate) const ENDING_HASH_KEY: &str = "endingHashKey";
    pub(crate) const ENTITY_TYPE: &str = "entityType";
}

/// What `entityType` says of a lease.
const LEASE_ENTITY: &str = "LEASE";

/// Whether a row that is created says what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntityTypes {
    /// As KCL 3.5 and later do.
    Written,
    /// As all earlier versions do.
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
        text(attribute::CHECKPOINT, lease.checkpoint.checkpoint_text()),
        number(
            attribute::CHECKPOINT_SUB_SEQUENCE_NUMBER,
            lease.checkpoint.sub_sequence_number(),
        ),
    ]);
    item.extend(
        lease
            .owner
            .as_ref()
            .map(|owner| text(attribute::LEASE_OWNER, owner.as_str())),
    );
    item.extend(
        lease
            .checkpoint_owner
            .as_ref()
            .map(|owner| text(attribute::CHECKPOINT_OWNER, owner.as_str())),
    );
    if let Some(pending) = &lease.pending_checkpoint {
        item.extend([
            text(attribute::PENDING_CHECKPOINT, pending.checkpoint_text()),
            number(
                attribute::PENDING_CHECKPOINT_SUB_SEQUENCE_NUMBER,
                pending.sub_sequence_number(),
            ),
        ]);
    }
    item.extend(shard_ids(attribute::PARENT_SHARD_IDS, &lease.parents));
    item.extend(shard_ids(attribute::CHILD_SHARD_IDS, &lease.children));
    if let Some(range) = lease.range {
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
    let lease = Lease {
        key: LeaseKey::new(fields.key()),
        owner: fields.text(attribute::LEASE_OWNER)?.map(WorkerId::new),
        checkpoint_owner: fields.text(attribute::CHECKPOINT_OWNER)?.map(WorkerId::new),
        counter: fields.required(attribute::LEASE_COUNTER, fields.number(attribute::LEASE_COUNTER)?)?,
        owner_switches: fields.number(attribute::OWNER_SWITCHES)?.unwrap_or(0),
        checkpoint: fields.required(
            attribute::CHECKPOINT,
            position(
                &fields,
                attribute::CHECKPOINT,
                attribute::CHECKPOINT_SUB_SEQUENCE_NUMBER,
            )?,
        )?,
        pending_checkpoint: position(
            &fields,
            attribute::PENDING_CHECKPOINT,
            attribute::PENDING_CHECKPOINT_SUB_SEQUENCE_NUMBER,
        )?,
        parents: fields
            .texts(attribute::PARENT_SHARD_IDS)?
            .iter()
            .map(|id| ShardId::new(id))
            .collect(),
        children: fields
            .texts(attribute::CHILD_SHARD_IDS)?
            .iter()
            .map(|id| ShardId::new(id))
            .collect(),
        range: range(&fields)?,
    };
    Ok(Row::Lease(lease))
}

/// The position in a pair of attributes.
pub(crate) fn position(
    fields: &Fields<'_>,
    checkpoint: &'static str,
    sub_sequence_number: &'static str,
) -> Result<Option<Position>, RowError> {
    let Some(text) = fields.text(checkpoint)? else {
        return Ok(None);
    };
    let sub_sequence_number = fields.number(sub_sequence_number)?.unwrap_or(0);
    match Position::from_row(text, sub_sequence_number) {
        Ok(position) => Ok(Some(position)),
        Err(source) => Err(fields.error(checkpoint, Problem::Position(source))),
    }
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

/// DynamoDB knows no empty set: none is written then.
fn shard_ids(attribute: &str, ids: &BTreeSet<ShardId>) -> Option<(String, AttributeValue)> {
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
            range in option::of(any_range()),
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
