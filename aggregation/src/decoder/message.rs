//! Pure: the protobuf message of an aggregate, taken apart without copying.
//!
//! As the schema is proto2, required fields are insisted on. Stricter than the Java runtime, the decoder refuses a known
//! field of another wire type and a string that is not UTF-8: no writer produces them, and neither has a good reading.

use bytes::Bytes;
use bytestring::ByteString;

use super::DamageReason;
use super::fields::Fields;
use crate::wire::{aggregated_record, record, tag};
use crate::{HashKey, InvalidHashKey, Tag, UserRecord};

/// `message AggregatedRecord`.
#[derive(Debug, Default)]
pub(super) struct AggregatedRecord {
    pub(super) tables: Tables,
    pub(super) records: Vec<Record>,
}

/// The tables that the records point into. They are complete only at the end of the message.
#[derive(Debug, Default)]
pub(super) struct Tables {
    partition_keys: Vec<ByteString>,
    /// An invalid entry does no harm until a record points to it.
    explicit_hash_keys: Vec<Result<HashKey, InvalidHashKey>>,
}

/// `message Record`.
#[derive(Debug)]
pub(super) struct Record {
    partition_key_index: u64,
    explicit_hash_key_index: Option<u64>,
    data: Bytes,
    tags: Vec<Tag>,
}

impl AggregatedRecord {
    pub(super) fn parse(wire: Bytes) -> Result<Self, DamageReason> {
        let mut message = Self::default();
        let mut fields = Fields::new(wire);
        while let Some((number, value)) = fields.next()? {
            match number {
                aggregated_record::PARTITION_KEY_TABLE => message.tables.partition_keys.push(value.into_string()?),
                aggregated_record::EXPLICIT_HASH_KEY_TABLE => {
                    let key = HashKey::parse_lenient(&value.into_string()?);
                    message.tables.explicit_hash_keys.push(key);
                }
                aggregated_record::RECORDS => message.records.push(Record::parse(value.into_bytes()?)?),
                _ => {}
            }
        }
        Ok(message)
    }
}

impl Record {
    fn parse(wire: Bytes) -> Result<Self, DamageReason> {
        let (mut partition_key_index, mut explicit_hash_key_index, mut data) = (None, None, None);
        let mut tags = Vec::new();
        let mut fields = Fields::new(wire);
        while let Some((number, value)) = fields.next()? {
            match number {
                record::PARTITION_KEY_INDEX => partition_key_index = Some(value.into_varint()?),
                record::EXPLICIT_HASH_KEY_INDEX => explicit_hash_key_index = Some(value.into_varint()?),
                record::DATA => data = Some(value.into_bytes()?),
                record::TAGS => tags.push(parse_tag(value.into_bytes()?)?),
                _ => {}
            }
        }
        Ok(Self {
            partition_key_index: partition_key_index.ok_or(DamageReason::MissingField("Record.partition_key_index"))?,
            explicit_hash_key_index,
            data: data.ok_or(DamageReason::MissingField("Record.data"))?,
            tags,
        })
    }
}

fn parse_tag(wire: Bytes) -> Result<Tag, DamageReason> {
    let (mut key, mut tag_value) = (None, None);
    let mut fields = Fields::new(wire);
    while let Some((number, value)) = fields.next()? {
        match number {
            tag::KEY => key = Some(value.into_string()?),
            tag::VALUE => tag_value = Some(value.into_string()?),
            _ => {}
        }
    }
    Ok(Tag {
        key: key.ok_or(DamageReason::MissingField("Tag.key"))?,
        value: tag_value,
    })
}

impl Tables {
    /// Builds the user record that `record` describes; `position` is for the error.
    pub(super) fn resolve(&self, record: Record, position: usize) -> Result<UserRecord, DamageReason> {
        let explicit_hash_key = record
            .explicit_hash_key_index
            .map(|index| self.explicit_hash_key(index, position))
            .transpose()?;
        Ok(UserRecord {
            partition_key: self.partition_key(record.partition_key_index, position)?,
            explicit_hash_key,
            data: record.data,
            tags: record.tags,
        })
    }

    fn partition_key(&self, index: u64, record: usize) -> Result<ByteString, DamageReason> {
        let table_len = self.partition_keys.len();
        let out_of_range = DamageReason::PartitionKeyIndexOutOfRange {
            record,
            index,
            table_len,
        };
        lookup(&self.partition_keys, index).cloned().ok_or(out_of_range)
    }

    fn explicit_hash_key(&self, index: u64, record: usize) -> Result<HashKey, DamageReason> {
        let table_len = self.explicit_hash_keys.len();
        let out_of_range = DamageReason::ExplicitHashKeyIndexOutOfRange {
            record,
            index,
            table_len,
        };
        let key = lookup(&self.explicit_hash_keys, index).ok_or(out_of_range)?;
        key.map_err(|source| DamageReason::InvalidExplicitHashKey { record, source })
    }
}

fn lookup<T>(table: &[T], index: u64) -> Option<&T> {
    table.get(usize::try_from(index).ok()?)
}
