//! Pure: the user records inside one stored Kinesis record, and who can read them.

use aggregation::{Aggregate, Decoded, HashKeyRange, decode};
use bytes::Bytes;

use super::name::Digest;

/// What one Kinesis record holds.
#[derive(Debug)]
pub(crate) struct Contents {
    /// Its user records; the place of each is its sub-sequence number.
    pub(crate) records: Vec<Content>,
    pub(crate) placement: Placement,
}

/// One user record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content {
    pub(crate) payload: Digest,
    pub(crate) key: Digest,
}

/// Whether the Java KCL reads a Kinesis record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// It does.
    Kept,
    /// It drops all of it, because one of its records lies outside of the shard's range.
    ///
    /// Source: amazon-kinesis-client, `AggregatorUtil.deaggregate`.
    Misplaced,
}

impl Contents {
    /// Takes `data` apart, which was stored in a shard with this `range`.
    pub(crate) fn of(partition_key: &str, data: &Bytes, range: HashKeyRange) -> Self {
        match decode(data) {
            Decoded::Plain | Decoded::Damaged(_) => Self::plain(partition_key, data),
            Decoded::Aggregate(aggregate) => Self::aggregated(&aggregate, range),
        }
    }

    fn plain(partition_key: &str, data: &Bytes) -> Self {
        let content = Content {
            payload: Digest::of(data),
            key: Digest::of(partition_key.as_bytes()),
        };
        Self {
            records: vec![content],
            placement: Placement::Kept,
        }
    }

    fn aggregated(aggregate: &Aggregate, range: HashKeyRange) -> Self {
        // Nothing lies outside of everything: that saves an MD5 for each record.
        let misplaced = range != HashKeyRange::FULL && aggregate.first_outside(range).is_some();
        let contents = aggregate.records().map(|record| Content {
            payload: Digest::of(&record.data),
            key: Digest::of(record.partition_key.as_bytes()),
        });
        Self {
            records: contents.collect(),
            placement: if misplaced {
                Placement::Misplaced
            } else {
                Placement::Kept
            },
        }
    }
}
