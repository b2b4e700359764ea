//! Pure: what can be wrong with data that start like an aggregate.

use std::str::Utf8Error;

use crate::{Aggregate, InvalidHashKey};

/// Data that start with the [magic number](crate::MAGIC), but are not a complete aggregate.
///
/// Either some aggregate was damaged, or a plain payload starts like one by chance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    pub(super) reason: DamageReason,
    pub(super) intact: Aggregate,
}

impl Damaged {
    /// Tells what is wrong.
    pub fn reason(&self) -> &DamageReason {
        &self.reason
    }

    /// Returns the user records before the damage: those that the KCL delivers.
    ///
    /// It is empty if the message cannot be read at all; the data are then best passed on as they are. That is so for
    /// all reasons but an index that is out of range and an invalid explicit hash key.
    pub fn intact(&self) -> &Aggregate {
        &self.intact
    }
}

/// Tells why data that start like an aggregate are not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DamageReason {
    /// There is no room for a message between magic number and checksum.
    #[error("{len} bytes are too short for an aggregate")]
    TooShort {
        /// The length of the data, in bytes.
        len: usize,
    },
    /// The last 16 bytes are not the MD5 of the message: a byte was changed, lost or added, or this is no aggregate.
    #[error("the checksum does not match the message")]
    ChecksumMismatch,
    /// The message is not valid protobuf.
    #[error("the message is malformed")]
    Malformed(#[from] MalformedMessage),
    /// A string of the message is not UTF-8.
    #[error("a string of the message is not valid UTF-8")]
    InvalidUtf8(#[from] Utf8Error),
    /// A required field is not there.
    #[error("the message lacks the required field {0}")]
    MissingField(&'static str),
    /// A record points beyond the table of partition keys.
    #[error("record {record} has partition key index {index}, but the table has {table_len} entries")]
    PartitionKeyIndexOutOfRange {
        /// The position of the record.
        record: usize,
        /// Where it points.
        index: u64,
        /// The number of partition keys.
        table_len: usize,
    },
    /// A record points beyond the table of explicit hash keys.
    #[error("record {record} has explicit hash key index {index}, but the table has {table_len} entries")]
    ExplicitHashKeyIndexOutOfRange {
        /// The position of the record.
        record: usize,
        /// Where it points.
        index: u64,
        /// The number of explicit hash keys.
        table_len: usize,
    },
    /// A record points to an explicit hash key that is not a [hash key](crate::HashKey::parse_lenient).
    #[error("the explicit hash key of record {record} is invalid")]
    InvalidExplicitHashKey {
        /// The position of the record.
        record: usize,
        /// What is wrong with the hash key.
        source: InvalidHashKey,
    },
}

/// Tells where a message departs from the protobuf encoding or from the format's wire types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedMessage {
    /// A field goes on beyond the end of its message.
    #[error("a field goes on beyond the end of its message")]
    Truncated,
    /// An integer has more than 64 bits.
    #[error("an integer has more than 64 bits")]
    VarintOverflow,
    /// A field has an impossible number, or a wire type that does not exist.
    #[error("a field key is invalid")]
    InvalidKey,
    /// A group ends that did not start.
    #[error("a group ends that did not start")]
    UnbalancedGroup,
    /// Groups nest more than 100 deep.
    #[error("groups nest too deeply")]
    NestedTooDeeply,
    /// A field of the format has another wire type than the format's.
    #[error("a field has the wrong wire type")]
    WrongWireType,
}
