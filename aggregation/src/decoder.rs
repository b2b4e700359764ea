//! Pure: the data of one Kinesis record in, the user records it carries out.
//!
//! ```text
//!        magic?           length, MD5?          protobuf?              indices, hash keys?
//! data ─────────► framed ─────────────► message ───────────► tables, ────────────────────► Aggregate
//!   │ no            │ no                  │ no               records    │ no
//!   ▼               ▼                     ▼                             ▼
//! Plain          Damaged               Damaged                       Damaged, with the records before it
//! ```
//!
//! What the KCL does with each outcome: it passes a plain record through, and treats a damaged one as plain as long as
//! it cannot read the message; once the message is read, it delivers the records before the damage.
//! Source: amazon-kinesis-client, `AggregatorUtil.deaggregate`.
//!
//! In the order of the data: `message` takes the protobuf message apart, with `fields` for one field after the other;
//! `aggregate` hands out its records; `damage` says what can be wrong.

use bytes::Bytes;

use crate::wire;
pub use aggregate::Aggregate;
pub use damage::{DamageReason, Damaged, MalformedMessage};
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
    /// An aggregate, read to its last byte.
    Aggregate(Aggregate),
    /// Something that starts like an aggregate, but is not a complete one.
    Damaged(Damaged),
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
        Ok(message) => resolve(message),
        Err(reason) => Decoded::Damaged(Damaged {
            reason,
            intact: Aggregate::default(),
        }),
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
fn resolve(message: AggregatedRecord) -> Decoded {
    let mut records = Vec::with_capacity(message.records.len());
    for record in message.records {
        match message.tables.resolve(record, records.len()) {
            Ok(record) => records.push(record),
            Err(reason) => {
                return Decoded::Damaged(Damaged {
                    reason,
                    intact: Aggregate { records },
                });
            }
        }
    }
    Decoded::Aggregate(Aggregate { records })
}
