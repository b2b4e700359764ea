//! Pure: the constants of the format, and the protobuf fields that an encoder writes.
//!
//! Every number here is fixed by the format: another value is another format.
//!
//! Source: amazon-kinesis-producer, aggregation-format.md.

use bytes::BufMut;

use crate::digest;

/// The first bytes of every aggregate.
///
/// Source: amazon-kinesis-producer, aggregation-format.md.
pub const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];

/// The partition key of every Kinesis record that is an aggregate.
///
/// Source: amazon-kinesis-producer, kinesis_record.cc.
pub const AGGREGATE_PARTITION_KEY: &str = "a";

/// The wire type of a `uint64`. Source: Protocol Buffers documentation, "Encoding".
const WIRE_TYPE_VARINT: u32 = 0;

/// The wire type of a `string`, of `bytes` and of a message. Source: Protocol Buffers documentation, "Encoding".
const WIRE_TYPE_LENGTH_DELIMITED: u32 = 2;

/// The MD5 of the message, at the end of an aggregate. Source: aggregation-format.md.
pub(crate) const CHECKSUM_LEN: usize = digest::LEN;

/// The bytes around the message. Source: aggregation-format.md.
pub(crate) const FRAME_LEN: usize = MAGIC.len() + CHECKSUM_LEN;

/// The field numbers of `message AggregatedRecord`. Source: aggregation-format.md.
pub(crate) mod aggregated_record {
    /// `repeated string partition_key_table = 1`.
    pub(crate) const PARTITION_KEY_TABLE: u32 = 1;
    /// `repeated string explicit_hash_key_table = 2`.
    pub(crate) const EXPLICIT_HASH_KEY_TABLE: u32 = 2;
    /// `repeated Record records = 3`.
    pub(crate) const RECORDS: u32 = 3;
}

/// The field numbers of `message Record`. Source: aggregation-format.md.
pub(crate) mod record {
    /// `required uint64 partition_key_index = 1`.
    pub(crate) const PARTITION_KEY_INDEX: u32 = 1;
    /// `optional uint64 explicit_hash_key_index = 2`.
    pub(crate) const EXPLICIT_HASH_KEY_INDEX: u32 = 2;
    /// `required bytes data = 3`.
    pub(crate) const DATA: u32 = 3;
    /// `repeated Tag tags = 4`.
    pub(crate) const TAGS: u32 = 4;
}

/// The field numbers of `message Tag`. Source: aggregation-format.md.
pub(crate) mod tag {
    /// `required string key = 1`.
    pub(crate) const KEY: u32 = 1;
    /// `optional string value = 2`.
    pub(crate) const VALUE: u32 = 2;
}

/// The length of [`put_bytes`] for a value of `len` bytes.
pub(crate) const fn bytes_len(field: u32, len: usize) -> usize {
    key_len(field) + varint_len(len as u64) + len
}

/// Writes a string or bytes field.
pub(crate) fn put_bytes(field: u32, value: &[u8], out: &mut impl BufMut) {
    put_bytes_header(field, value.len(), out);
    out.put_slice(value);
}

/// One `Record` field of an aggregate, as the KPL writes it: the partition key index also when it is 0, the data also
/// when they are empty, and no tags.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordField<'a> {
    pub(crate) partition_key_index: u64,
    pub(crate) explicit_hash_key_index: Option<u64>,
    pub(crate) data: &'a [u8],
}

impl RecordField<'_> {
    /// The length of the field.
    pub(crate) fn len(&self) -> usize {
        bytes_len(aggregated_record::RECORDS, self.body_len())
    }

    /// Writes the field, which then ends with the data.
    pub(crate) fn put(&self, out: &mut impl BufMut) {
        put_bytes_header(aggregated_record::RECORDS, self.body_len(), out);
        put_uint64(record::PARTITION_KEY_INDEX, self.partition_key_index, out);
        if let Some(index) = self.explicit_hash_key_index {
            put_uint64(record::EXPLICIT_HASH_KEY_INDEX, index, out);
        }
        put_bytes(record::DATA, self.data, out);
    }

    fn body_len(&self) -> usize {
        uint64_len(record::PARTITION_KEY_INDEX, self.partition_key_index)
            + self
                .explicit_hash_key_index
                .map_or(0, |index| uint64_len(record::EXPLICIT_HASH_KEY_INDEX, index))
            + bytes_len(record::DATA, self.data.len())
    }
}

fn put_bytes_header(field: u32, len: usize, out: &mut impl BufMut) {
    put_key(field, WIRE_TYPE_LENGTH_DELIMITED, out);
    put_varint(len as u64, out);
}

fn put_uint64(field: u32, value: u64, out: &mut impl BufMut) {
    put_key(field, WIRE_TYPE_VARINT, out);
    put_varint(value, out);
}

const fn uint64_len(field: u32, value: u64) -> usize {
    key_len(field) + varint_len(value)
}

fn put_key(field: u32, wire_type: u32, out: &mut impl BufMut) {
    put_varint((field << 3 | wire_type).into(), out);
}

/// The wire type is no part of the length: it lies in the lowest three bits.
const fn key_len(field: u32) -> usize {
    varint_len((field << 3) as u64)
}

/// Writes seven bits a byte, the lowest first; the eighth bit tells that more follow.
fn put_varint(mut value: u64, out: &mut impl BufMut) {
    while value > 0x7F {
        out.put_u8((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8((value & 0x7F) as u8);
}

const fn varint_len(value: u64) -> usize {
    (u64::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_is_as_long_as_foretold() {
        for (value, len) in [
            (0, 1),
            (1, 1),
            (127, 1),
            (128, 2),
            (16_383, 2),
            (16_384, 3),
            (u64::MAX, 10),
        ] {
            let mut out = Vec::new();
            put_varint(value, &mut out);
            assert_eq!((varint_len(value), out.len()), (len, len), "{value}");
        }
    }

    #[test]
    fn a_record_field_is_as_long_as_foretold() {
        for explicit_hash_key_index in [None, Some(0), Some(1 << 20)] {
            for data in [vec![], vec![7; 127], vec![7; 128]] {
                let field = RecordField {
                    partition_key_index: 300,
                    explicit_hash_key_index,
                    data: &data,
                };
                let mut out = Vec::new();
                field.put(&mut out);
                assert_eq!(field.len(), out.len());
            }
        }
    }
}
