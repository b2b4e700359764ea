//! Pure: the data of one Kinesis record in, the user records it carries out.
//!
//! ```text
//!        magic?           length, MD5?          protobuf?              indices, hash keys, UTF-8?
//! data ─────────► framed ─────────────► message ───────────► tables, ───────────────────────────► Aggregate
//!   │ no            │ no                  │ no               records         │ no                     ▲
//!   ▼               ▼                     ▼                                  ▼                        │
//! Plain          Damaged               Damaged                          RecordDamage, in its record ──┘
//! ```
//!
//! The KCL passes a plain record through, and passes an aggregate whose message it cannot read through as it is; so
//! should a reader do here. The two differ when a single record is damaged: an index that lies outside of its table, or
//! an explicit hash key that is no number. The KCL then drops that record and all records behind it, and its checkpoint
//! passes them. This decoder returns every record, with what can be read of it, and marks the damaged ones.
//! Source: amazon-kinesis-client, `AggregatorUtil.deaggregate`.
//!
//! In the order of the data: `message` takes the protobuf message apart, with `fields` for one field after the other;
//! `aggregate` hands out its records; `damage` says what can be wrong.

use bytes::Bytes;

use crate::wire;
pub use aggregate::Aggregate;
pub use damage::{DamageReason, MalformedMessage, RecordDamage};
use message::AggregatedRecord;

mod aggregate;
mod damage;
mod fields;
mod message;

/// What the data of a Kinesis record turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// A plain record: the data do not start with the [magic number](crate::MAGIC), and are the payload themselves.
    Plain,
    /// An aggregate, read to its last byte. Single records may be [damaged](crate::UserRecord::damage).
    Aggregate(Aggregate),
    /// Data that start like an aggregate and cannot be read as one: a damaged aggregate, or a plain payload that starts
    /// with the magic number by chance. Pass the data on as they are, as the KCL does.
    Damaged(DamageReason),
}

/// Reads the data of a Kinesis record.
///
/// Everything is checked here, so that iterating over an [`Aggregate`] cannot fail. The payloads are not copied: they
/// share the memory of `data`.
///
/// The decoder accepts what other writers than the KPL produce: duplicates in the tables, tables after the records,
/// unknown fields, and repeated scalar fields, of which the last wins. A record without an index into the table of
/// explicit hash keys has none.
///
/// A record with a bad index, a bad explicit hash key or a partition key that is not UTF-8 is returned in its place, with
/// its data; see [`RecordDamage`].
///
/// It never panics, whatever the bytes, and does not check that the records belong to some shard: see
/// [`Aggregate::first_outside`].
///
/// # Examples
///
/// ```
/// use aggregation::{Decoded, decode};
/// use bytes::Bytes;
///
/// assert_eq!(decode(&Bytes::from_static(b"just a payload")), Decoded::Plain);
/// ```
pub fn decode(data: &Bytes) -> Decoded {
    if !data.starts_with(&wire::MAGIC) {
        return Decoded::Plain;
    }
    match unframe(data).and_then(AggregatedRecord::parse) {
        Ok(message) => Decoded::Aggregate(resolve(message)),
        Err(reason) => Decoded::Damaged(reason),
    }
}

/// Takes the message out of its frame, of which the magic number is known to be there.
fn unframe(data: &Bytes) -> Result<Bytes, DamageReason> {
    let mut message = data.slice(wire::MAGIC.len()..);
    match message.len().checked_sub(wire::CHECKSUM_LEN) {
        None | Some(0) => Err(DamageReason::TooShort { len: data.len() }),
        Some(len) => {
            let checksum = message.split_off(len);
            if checksum != wire::md5(&message).as_slice() {
                return Err(DamageReason::ChecksumMismatch);
            }
            Ok(message)
        }
    }
}

/// Replaces the indices of the records by what they stand for.
fn resolve(message: AggregatedRecord) -> Aggregate {
    let AggregatedRecord { tables, records } = message;
    Aggregate {
        records: records.into_iter().map(|record| tables.resolve(record)).collect(),
    }
}
