//! Pure: a lease as a row of the table, attribute for attribute as the Java KCL writes it.
//!
//! Rows that are no leases live in the same table since KCL 3.5, and are told apart here. An attribute that is NULL or
//! empty counts as absent: consoles and other libraries write such. Whatever is not read here is kept with the lease, so
//! that a row that is read and written loses nothing.
//!
//! Source: amazon-kinesis-client, `DynamoDBLeaseSerializer`.
//!
//! `foreign` recognises the rows that are no leases; `fields` reads the attributes of the others.

use std::collections::BTreeSet;
use std::sync::Arc;

use aggregation::{HashKey, HashKeyRange};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::checkpoint::position::Position;
use crate::event::LeaseEvent;
use crate::lease::layout::{LeaseKey, shard_in_row};
use crate::lease::model::{IdlePosition, Lease, OtherAttributes, OwnAttributes, PendingCheckpoint, WorkerId};
use crate::stream::{Incarnation, ShardId};
use fields::Fields;
pub(crate) use fields::{Problem, RowError};
pub(crate) use foreign::ForeignKind;

mod fields;
mod foreign;

/// A row, as the SDK hands it over.
#[expect(clippy::disallowed_types, reason = "the SDK's own type; its order plays no part")]
pub(crate) type Item = std::collections::HashMap<String, AttributeValue>;

/// The names of a lease row's attributes.
pub(crate) mod attribute {
    pub(crate) const LEASE_KEY: &str = "leaseKey";
    pub(crate) const LEASE_OWNER: &str = "leaseOwner";
    pub(crate) const CHECKPOINT_OWNER: &str = "checkpointOwner";
    pub(crate) const LEASE_COUNTER: &str = "leaseCounter";
    pub(crate) const OWNER_SWITCHES: &str = "ownerSwitchesSinceCheckpoint";
    /// A position takes two attributes.
    pub(crate) const CHECKPOINT: [&str; 2] = ["checkpoint", "checkpointSubSequenceNumber"];
    pub(crate) const PENDING_CHECKPOINT: [&str; 2] = ["pendingCheckpoint", "pendingCheckpointSubSequenceNumber"];
    pub(crate) const PENDING_STATE: &str = "pendingCheckpointState";
    /// A set, in spite of its name.
    pub(crate) const PARENT_SHARDS: &str = "parentShardId";
    /// What others call it. It is read, and written under the KCL's name.
    pub(crate) const PARENT_SHARDS_OF_OTHERS: &str = "parentShardIds";
    pub(crate) const CHILD_SHARDS: &str = "childShardIds";
    pub(crate) const STARTING_HASH_KEY: &str = "startingHashKey";
    pub(crate) const ENDING_HASH_KEY: &str = "endingHashKey";
    pub(crate) const ENTITY_TYPE: &str = "entityType";
    /// Only in a table for several streams.
    pub(crate) const STREAM_NAME: &str = "streamName";
    /// Only in a table for several streams.
    pub(crate) const SHARD_ID: &str = "shardId";
    /// Ours.
    pub(crate) const STREAM_ARN: &str = "streamArn";
    /// Ours.
    pub(crate) const STREAM_CREATED: &str = "streamCreated";
    /// Ours: a time at which the shard had no records behind the checkpoint.
    pub(crate) const IDLE_AT: &str = "idleAt";
    /// Ours: the checkpoint that the row had then.
    pub(crate) const IDLE_CHECKPOINT: [&str; 2] = ["idleCheckpoint", "idleCheckpointSubSequenceNumber"];
    /// Ours.
    pub(crate) const TOKEN_BASE: &str = "tokenBase";
}

/// What `entityType` says of a lease.
const LEASE_ENTITY: &str = "LEASE";

/// Whether a row that is written says what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntityTypes {
    /// As KCL 3.5 and later do.
    Written,
    /// As it was read; earlier versions do not.
    #[cfg_attr(
        not(any(test, feature = "_bench")),
        expect(dead_code, reason = "every version takes a row that says it")
    )]
    AsRead,
}

/// What a row of the lease table holds.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all rows are leases")]
pub(crate) enum Row {
    Lease(Lease),
    /// The row does not hold a lease. It is kept as it is.
    Foreign(ForeignKind, OtherAttributes),
    /// A lease that cannot be read.
    Hole(Hole),
}

/// A row that should hold a lease and cannot be read: its shard has no reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hole {
    /// Empty if the row has no key.
    pub(crate) key: LeaseKey,
    /// In a table for several streams the stream.
    pub(crate) stream: Option<Arc<str>>,
    /// The shard of the row. `None` if the row does not tell.
    pub(crate) shard: Option<ShardId>,
    pub(crate) problem: RowError,
}

impl Hole {
    /// That the row, of this table, cannot be read.
    pub(crate) fn event(&self, table: &str) -> LeaseEvent {
        LeaseEvent::RowUnreadable {
            table: table.to_owned(),
            lease: self.key.clone(),
            stream: self.stream.as_deref().map(str::to_owned),
            shard: self.shard.clone(),
            problem: service::chain(&self.problem),
            repeated: 0,
        }
    }
}

/// The row of `lease`, for creating it.
pub(crate) fn encode(lease: &Lease, entity_types: EntityTypes) -> Item {
    let others = lease.others.iter();
    let mut item: Item = others.map(|(name, value)| (name.clone(), value.clone())).collect();
    item.extend([
        text(attribute::LEASE_KEY, lease.key.as_str()),
        number(attribute::LEASE_COUNTER, lease.counter),
        number(attribute::OWNER_SWITCHES, lease.owner_switches),
    ]);
    if let Some(stream) = &lease.stream {
        let shard = text(attribute::SHARD_ID, lease.shard.as_str());
        item.extend([text(attribute::STREAM_NAME, stream), shard]);
    }
    let owner = lease
        .owner
        .iter()
        .map(|owner| text(attribute::LEASE_OWNER, owner.as_str()));
    item.extend(owner);
    let owner = lease.checkpoint_owner.iter();
    item.extend(owner.map(|owner| text(attribute::CHECKPOINT_OWNER, owner.as_str())));
    item.extend(
        lease
            .checkpoint
            .iter()
            .flat_map(|at| position_pair(attribute::CHECKPOINT, at)),
    );
    if let Some(PendingCheckpoint { position, state }) = &lease.pending {
        item.extend(position_pair(attribute::PENDING_CHECKPOINT, position));
        let state = state
            .iter()
            .map(|state| (attribute::PENDING_STATE.to_owned(), bytes(state)));
        item.extend(state);
    }
    item.extend(shard_set(attribute::PARENT_SHARDS, &lease.parents));
    item.extend(shard_set(attribute::CHILD_SHARDS, &lease.children));
    item.extend(lease.range.and_then(hash_key_pair).into_iter().flatten());
    item.extend(own_attributes(&lease.own));
    if let Some(IdlePosition { at, checkpoint }) = &lease.idle {
        item.extend(position_pair(attribute::IDLE_CHECKPOINT, checkpoint));
        item.extend([number(attribute::IDLE_AT, *at)]);
    }
    match entity_types {
        EntityTypes::Written => item.extend([text(attribute::ENTITY_TYPE, LEASE_ENTITY)]),
        EntityTypes::AsRead => {}
    }
    item
}

/// Reads a row.
///
/// The owner switches and the sub-sequence number count as 0 if they are missing, and half a hash range as none, as in
/// Java. A lease without a checkpoint was not read yet.
pub(crate) fn decode(item: Item) -> Row {
    if let Some(kind) = ForeignKind::of(&item) {
        return Row::Foreign(kind, item.into_iter().collect());
    }
    match read(&item) {
        Ok(mut lease) => {
            lease.others = item.into_iter().filter(|(name, _)| !is_read(&lease, name)).collect();
            Row::Lease(lease)
        }
        Err(problem) => Row::Hole(hole(&item, problem)),
    }
}

fn read(item: &Item) -> Result<Lease, RowError> {
    let fields = Fields::of(item)?;
    let counter = fields.number(attribute::LEASE_COUNTER)?;
    let stream = fields.text(attribute::STREAM_NAME)?;
    let shard = shard_in_row(stream, Ok(Some(fields.key())), fields.text(attribute::SHARD_ID))?;
    let shard = fields.required(attribute::SHARD_ID, shard)?;
    Ok(Lease {
        key: LeaseKey::of_row(fields.key()),
        stream: stream.map(Into::into),
        shard: ShardId::new(shard),
        owner: fields.text(attribute::LEASE_OWNER)?.map(WorkerId::new),
        checkpoint_owner: fields.text(attribute::CHECKPOINT_OWNER)?.map(WorkerId::new),
        counter: fields.required(attribute::LEASE_COUNTER, counter)?,
        owner_switches: fields.number(attribute::OWNER_SWITCHES)?.unwrap_or(0),
        checkpoint: position(&fields, attribute::CHECKPOINT)?,
        pending: pending(&fields)?,
        parents: &shards(&fields, attribute::PARENT_SHARDS)? | &shards(&fields, attribute::PARENT_SHARDS_OF_OTHERS)?,
        children: shards(&fields, attribute::CHILD_SHARDS)?,
        range: range(&fields)?,
        own: OwnAttributes {
            stream: Incarnation {
                arn: fields.text(attribute::STREAM_ARN).ok().flatten().map(Into::into),
                created: fields.number(attribute::STREAM_CREATED).ok().flatten(),
            },
            token_base: fields.number(attribute::TOKEN_BASE).ok().flatten(),
        },
        idle: idle(&fields),
        others: OtherAttributes::default(),
    })
}

/// Whether the fields of `lease` hold what the attribute `name` says. Every other attribute is kept as it is.
fn is_read(lease: &Lease, name: &str) -> bool {
    let of_pair = |pair: [&str; 2]| pair.contains(&name);
    match name {
        attribute::LEASE_KEY | attribute::LEASE_COUNTER | attribute::OWNER_SWITCHES => true,
        attribute::LEASE_OWNER => lease.owner.is_some(),
        attribute::CHECKPOINT_OWNER => lease.checkpoint_owner.is_some(),
        attribute::PENDING_STATE => lease.pending.as_ref().is_some_and(|pending| pending.state.is_some()),
        attribute::PARENT_SHARDS | attribute::PARENT_SHARDS_OF_OTHERS => !lease.parents.is_empty(),
        attribute::CHILD_SHARDS => !lease.children.is_empty(),
        attribute::STARTING_HASH_KEY | attribute::ENDING_HASH_KEY => lease.range.is_some_and(is_written),
        attribute::STREAM_NAME | attribute::SHARD_ID => lease.stream.is_some(),
        attribute::STREAM_ARN => lease.own.stream.arn.is_some(),
        attribute::STREAM_CREATED => lease.own.stream.created.is_some(),
        attribute::IDLE_AT => lease.idle.is_some(),
        attribute::TOKEN_BASE => lease.own.token_base.is_some(),
        _ if of_pair(attribute::CHECKPOINT) => lease.checkpoint.is_some(),
        _ if of_pair(attribute::IDLE_CHECKPOINT) => lease.idle.is_some(),
        _ if of_pair(attribute::PENDING_CHECKPOINT) => lease.pending.is_some(),
        _ => false,
    }
}

fn hole(item: &Item, problem: RowError) -> Hole {
    let text = |name| {
        item.get(name)?
            .as_s()
            .ok()
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    };
    let key = text(attribute::LEASE_KEY);
    let stream = text(attribute::STREAM_NAME);
    let shard = shard_in_row(stream, key, text(attribute::SHARD_ID));
    Hole {
        key: LeaseKey::of_row(key.unwrap_or_default()),
        stream: stream.map(Into::into),
        shard: shard.map(ShardId::new),
        problem,
    }
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

/// A state that is not binary is kept unread: the create path of the Java KCL writes a number there by mistake.
fn pending(fields: &Fields<'_>) -> Result<Option<PendingCheckpoint>, RowError> {
    let position = position(fields, attribute::PENDING_CHECKPOINT)?;
    let state = fields.bytes(attribute::PENDING_STATE).map(<[u8]>::to_vec);
    Ok(position.map(|position| PendingCheckpoint { position, state }))
}

/// An idle position that cannot be read counts as absent: the shard is read from its checkpoint.
fn idle(fields: &Fields<'_>) -> Option<IdlePosition> {
    let checkpoint = position(fields, attribute::IDLE_CHECKPOINT).ok().flatten()?;
    let at = fields.number(attribute::IDLE_AT).ok().flatten()?;
    Some(IdlePosition { at, checkpoint })
}

fn shards(fields: &Fields<'_>, attribute: &'static str) -> Result<BTreeSet<ShardId>, RowError> {
    let ids = fields.texts(attribute)?;
    Ok(ids.into_iter().map(ShardId::new).collect())
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

pub(crate) fn bytes(value: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
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
    (!ids.is_empty()).then(|| (attribute.to_owned(), shard_ids(ids)))
}

pub(crate) fn shard_ids(ids: &BTreeSet<ShardId>) -> AttributeValue {
    AttributeValue::Ss(ids.iter().map(ToString::to_string).collect())
}

/// Whether a range is written: the Java KCL cannot read the range of a shard with a single hash key.
pub(crate) fn is_written(range: HashKeyRange) -> bool {
    range.start() < range.end()
}

fn hash_key_pair(range: HashKeyRange) -> Option<[(String, AttributeValue); 2]> {
    let pair = [
        text(attribute::STARTING_HASH_KEY, &range.start().to_string()),
        text(attribute::ENDING_HASH_KEY, &range.end().to_string()),
    ];
    is_written(range).then_some(pair)
}

/// Those of our own attributes that are set.
pub(crate) fn own_attributes(own: &OwnAttributes) -> impl Iterator<Item = (String, AttributeValue)> {
    let arn = own.stream.arn.as_deref().map(|arn| text(attribute::STREAM_ARN, arn));
    let created = own.stream.created.map(|at| number(attribute::STREAM_CREATED, at));
    let base = own.token_base.map(|at| number(attribute::TOKEN_BASE, at));
    arn.into_iter().chain(created).chain(base)
}

#[cfg(test)]
pub(crate) mod java_rows;
#[cfg(test)]
mod tests;
