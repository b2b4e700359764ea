//! Pure: the rows of the lease table that hold no lease.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Item, LEASE_ENTITY, attribute};

/// The kind of a row that holds no lease.
///
/// Source: amazon-kinesis-client 3.5, `EntityType`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ForeignKind {
    /// The lock of the leader, `Leader`.
    Leader,
    /// How far the fleet has come from KCL 2 to 3, `Migration3.0`.
    ClientVersionMigration,
    /// How far the fleet has come to one table for everything, `TableMigration3.5`.
    TableMigration,
    /// The load of a worker, under the worker's name.
    WorkerMetrics,
    /// A stream of a worker that reads several.
    Stream,
    /// Of a type that this version does not know.
    Unknown(String),
}

/// The attribute by which a row without a type is recognised; no lease has any of them.
const TELL_TALES: [(&str, ForeignKind); 5] = [
    ("recordVersionNumber", ForeignKind::Leader),
    ("cv", ForeignKind::ClientVersionMigration),
    ("tm", ForeignKind::TableMigration),
    ("sts", ForeignKind::WorkerMetrics),
    ("streamId", ForeignKind::Stream),
];

/// The keys that no lease has: a row under one of them is of its kind even if it holds nothing else.
const RESERVED_KEYS: [(&str, ForeignKind); 3] = [
    ("Leader", ForeignKind::Leader),
    ("Migration3.0", ForeignKind::ClientVersionMigration),
    ("TableMigration3.5", ForeignKind::TableMigration),
];

impl ForeignKind {
    /// What `item` holds instead of a lease; None if it is to be read as a lease.
    ///
    /// Rows that were written before KCL 3.5 do not state their type. They are leases if they have a counter.
    pub(super) fn of(item: &Item) -> Option<Self> {
        match item.get(attribute::ENTITY_TYPE) {
            Some(AttributeValue::S(entity_type)) if !entity_type.is_empty() => Self::named(entity_type),
            _ if item.contains_key(attribute::LEASE_COUNTER) => None,
            _ => {
                let tell_tale = |(attribute, kind)| item.contains_key(attribute).then_some(kind);
                let reserved = |(key, kind)| has_key(item, key).then_some(kind);
                let told = TELL_TALES.into_iter().find_map(tell_tale);
                told.or_else(|| RESERVED_KEYS.into_iter().find_map(reserved))
            }
        }
    }

    fn named(entity_type: &str) -> Option<Self> {
        Some(match entity_type {
            LEASE_ENTITY => return None,
            "LEADER" => Self::Leader,
            "CLIENT_VERSION_MIGRATION" => Self::ClientVersionMigration,
            "TABLE_MIGRATION" => Self::TableMigration,
            "WORKER_METRIC_STATS" => Self::WorkerMetrics,
            "STREAM" => Self::Stream,
            unknown => Self::Unknown(unknown.to_owned()),
        })
    }
}

fn has_key(item: &Item, key: &str) -> bool {
    let found = item.get(attribute::LEASE_KEY).and_then(|key| key.as_s().ok());
    found.is_some_and(|found| found == key)
}
