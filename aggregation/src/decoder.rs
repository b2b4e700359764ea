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

use crate::{digest, wire};
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
    Checked::new(data).decode()
}

/// The data of a Kinesis record with its checksum checked and its message not read yet.
///
/// Most of the time that [`decode`] takes goes into the MD5 of the message. [`Checked::all`] hashes eight messages in step,
/// in a quarter of the time, and leaves the records in their message until [`Checked::decode`] takes them out.
///
/// # Examples
///
/// ```
/// use aggregation::{Checked, Decoded};
/// use bytes::Bytes;
///
/// let page = [Bytes::from_static(b"one payload"), Bytes::from_static(b"another")];
/// let checked = Checked::all(&page);
/// assert!(checked.into_iter().all(|record| record.decode() == Decoded::Plain));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked(Frame);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Frame {
    /// The data are no aggregate.
    Absent,
    /// The message inside, whose checksum is right.
    Around(Bytes),
    Damaged(DamageReason),
}

impl Checked {
    /// Checks the data of one Kinesis record.
    pub fn new(data: &Bytes) -> Self {
        let split = Split::new(data);
        let digest = split.message().map(digest::md5);
        Self(split.check(digest))
    }

    /// Checks the data of many Kinesis records, and returns them in the same order.
    pub fn all<'a>(data: impl IntoIterator<Item = &'a Bytes>) -> Vec<Self> {
        let split: Vec<_> = data.into_iter().map(Split::new).collect();
        let messages: Vec<_> = split.iter().filter_map(Split::message).collect();
        let mut digests = digest::md5_of_all(&messages).into_iter();
        split
            .into_iter()
            .map(|split| {
                let digest = split.message().and_then(|_| digests.next());
                Self(split.check(digest))
            })
            .collect()
    }

    /// Reads the message, as [`decode`] does.
    pub fn decode(self) -> Decoded {
        match self.0 {
            Frame::Absent => Decoded::Plain,
            Frame::Damaged(reason) => Decoded::Damaged(reason),
            Frame::Around(message) => match AggregatedRecord::parse(message) {
                Ok(message) => Decoded::Aggregate(resolve(message)),
                Err(reason) => Decoded::Damaged(reason),
            },
        }
    }
}

/// The data of a Kinesis record, cut where its frame says.
enum Split {
    Plain,
    Framed { message: Bytes, checksum: Bytes },
    TooShort { len: usize },
}

impl Split {
    fn new(data: &Bytes) -> Self {
        if !data.starts_with(&wire::MAGIC) {
            return Self::Plain;
        }
        let mut message = data.slice(wire::MAGIC.len()..);
        match message.len().checked_sub(wire::CHECKSUM_LEN) {
            None | Some(0) => Self::TooShort { len: data.len() },
            Some(len) => {
                let checksum = message.split_off(len);
                Self::Framed { message, checksum }
            }
        }
    }

    fn message(&self) -> Option<&[u8]> {
        match self {
            Self::Plain | Self::TooShort { .. } => None,
            Self::Framed { message, .. } => Some(message),
        }
    }

    /// Compares the checksum with the `digest` of the message.
    fn check(self, digest: Option<[u8; digest::LEN]>) -> Frame {
        match self {
            Self::Plain => Frame::Absent,
            Self::TooShort { len } => Frame::Damaged(DamageReason::TooShort { len }),
            Self::Framed { message, checksum } if digest.is_some_and(|digest| checksum == digest.as_slice()) => {
                Frame::Around(message)
            }
            Self::Framed { .. } => Frame::Damaged(DamageReason::ChecksumMismatch),
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
