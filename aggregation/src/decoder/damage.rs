//! Pure: what can be wrong with data that start like an aggregate, and with a single record of an aggregate.

use bytes::Bytes;

use crate::InvalidHashKey;

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
    /// A required field is not there.
    #[error("the message lacks the required field {0}")]
    MissingField(&'static str),
}

/// Tells what is wrong with one record of an aggregate whose data can be read.
///
/// The record keeps its place in the aggregate, and with it its sub-sequence number. If both of its keys are damaged,
/// the damage of the partition key is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordDamage {
    /// The record points beyond the table of partition keys. Its partition key is lost and reads as empty.
    #[error("partition key index {index} lies outside of the table of {table_len} entries")]
    PartitionKeyIndexOutOfRange {
        /// The index of the record.
        index: u64,
        /// The number of partition keys.
        table_len: usize,
    },
    /// The partition key is not UTF-8. Each part that is not reads as `U+FFFD`.
    #[error("the partition key is not valid UTF-8")]
    PartitionKeyNotUtf8 {
        /// The partition key as it was written.
        bytes: Bytes,
    },
    /// The record points beyond the table of explicit hash keys. It reads as a record without one.
    #[error("explicit hash key index {index} lies outside of the table of {table_len} entries")]
    ExplicitHashKeyIndexOutOfRange {
        /// The index of the record.
        index: u64,
        /// The number of explicit hash keys.
        table_len: usize,
    },
    /// The explicit hash key is not a [hash key](crate::HashKey::parse_lenient). The record reads as one without.
    #[error("the explicit hash key is invalid")]
    InvalidExplicitHashKey {
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
