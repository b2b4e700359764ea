//! Pure: the layout of a lease table, which says what key the row of a shard has, and of which shard a row is.
//!
//! | the table is for | `leaseKey` | `streamName` | `shardId` |
//! |---|---|---|---|
//! | one stream | the shard's id | absent | absent |
//! | several streams | `account:stream:created:shard` | `account:stream:created` | the shard's id |
//!
//! Rows of both forms are read. Only rows of the first form are written so far.
//!
//! Source: amazon-kinesis-client, `Lease` and `MultiStreamLease`.

use std::fmt;
use std::sync::Arc;

use crate::checkpoint::position::Position;
use crate::lease::model::Lease;
use crate::stream::{ShardId, ShardRef, StreamRef};

/// The key of a row of the lease table, as opaque text: its form belongs to the table's layout.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseKey(Arc<str>);

impl LeaseKey {
    /// The key of a row that was read. The key of a shard's row is made by [`TableLayout::key_of`].
    pub(super) fn of_row(key: &str) -> Self {
        Self(key.into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the rows of a lease table name their shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TableLayout {
    /// All rows are of this stream, and no row names it.
    OneStream(StreamRef),
}

impl TableLayout {
    /// The key of the row of `shard`.
    pub(crate) fn key_of(&self, shard: &ShardRef) -> LeaseKey {
        match self {
            Self::OneStream(_) => LeaseKey(shard.shard.shared()),
        }
    }

    /// The shard of a lease that is in this layout.
    pub(crate) fn shard_of(&self, lease: &Lease) -> ShardRef {
        match self {
            Self::OneStream(stream) => ShardRef::new(stream.clone(), lease.shard.clone()),
        }
    }

    /// The rows of one of the table's streams.
    pub(crate) fn rows_of<'a>(&'a self, stream: &'a StreamRef) -> StreamRows<'a> {
        StreamRows { layout: self, stream }
    }
}

/// The rows of one stream in a lease table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamRows<'a> {
    layout: &'a TableLayout,
    stream: &'a StreamRef,
}

impl StreamRows<'_> {
    /// The key of the row of `shard`.
    pub(crate) fn key_of(self, shard: &ShardId) -> LeaseKey {
        self.layout.key_of(&self.shard(shard))
    }

    /// The lease of `shard` that is about to be created.
    pub(crate) fn new_lease(self, shard: &ShardId, checkpoint: Position) -> Lease {
        Lease::new(self.layout, &self.shard(shard), checkpoint)
    }

    fn shard(self, shard: &ShardId) -> ShardRef {
        ShardRef::new(self.stream.clone(), shard.clone())
    }
}

/// Chooses what tells the id of a row's shard: its `shardId` if the row has a `streamName`, else its key.
pub(super) fn shard_in_row<T>(stream_name: Option<&str>, key: T, shard_id: T) -> T {
    match stream_name {
        None => key,
        Some(_) => shard_id,
    }
}

#[cfg(test)]
impl Lease {
    /// A lease of the stream `orders`, in a table for it alone.
    pub(crate) fn of_orders(shard: &str, checkpoint: Position) -> Self {
        let stream = StreamRef::parse("orders");
        let layout = TableLayout::OneStream(stream.clone());
        Self::new(&layout, &ShardRef::new(stream, ShardId::new(shard)), checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;
    use proptest::prelude::*;

    use super::*;
    use crate::lease::item::{EntityTypes, Row, decode, encode};

    fn text(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn read(row: Row) -> Lease {
        match row {
            Row::Lease(lease) => lease,
            Row::Foreign(..) | Row::Hole(_) => panic!("{row:?}"),
        }
    }

    proptest! {
        #[test]
        fn the_row_of_a_shard_is_found_by_its_key_and_names_the_shard(
            stream in "[a-z]{1,9}",
            [shard, other] in ["[a-zA-Z0-9_.-]{1,128}", "[a-zA-Z0-9_.-]{1,128}"],
        ) {
            let stream = StreamRef::parse(&stream);
            let layout = TableLayout::OneStream(stream.clone());
            let shard = ShardRef::new(stream.clone(), ShardId::new(&shard));
            let row = encode(&Lease::new(&layout, &shard, Position::TrimHorizon), EntityTypes::Written);
            let lease = read(decode(row));
            prop_assert_eq!(&lease.key, &layout.key_of(&shard));
            let rows = layout.rows_of(&stream);
            prop_assert_eq!(rows.key_of(&ShardId::new(&other)) == lease.key, shard.shard == other.as_str());
            prop_assert_eq!(layout.shard_of(&lease), shard);
        }
    }

    #[test]
    fn a_row_without_a_stream_names_its_shard_by_its_key_alone() {
        let lease = Lease::of_orders("shardId-7", Position::TrimHorizon);
        let mut row = encode(&lease, EntityTypes::Written);
        row.insert("shardId".to_owned(), text("shardId-8"));
        assert_eq!(read(decode(row)).shard, "shardId-7");
    }

    #[test]
    fn a_row_with_a_stream_names_its_shard_by_an_attribute_and_not_by_its_key() {
        let lease = Lease::of_orders("123456789012:orders:1700000000:shardId-7", Position::TrimHorizon);
        let mut row = encode(&lease, EntityTypes::Written);
        row.insert("streamName".to_owned(), text("123456789012:orders:1700000000"));
        row.insert("shardId".to_owned(), text("shardId-7"));
        assert_eq!(read(decode(row)).shard, "shardId-7");
    }
}
