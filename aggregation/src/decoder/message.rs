//! Pure: the protobuf message of an aggregate, taken apart without copying.
//!
//! As the schema is proto2, required fields are insisted on. Stricter than the Java runtime, the decoder refuses a known
//! field of another wire type: no writer produces it, and it has no good reading. A string that is not UTF-8 is read
//! lossily, as the Java runtime reads it: Go writers let one pass.

use bytes::Bytes;
use bytestring::ByteString;

use super::fields::Fields;
use super::{DamageReason, RecordDamage};
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
    partition_keys: Vec<PartitionKey>,
    /// An invalid entry does no harm until a record points to it.
    explicit_hash_keys: Vec<Result<HashKey, InvalidHashKey>>,
}

/// A partition key, read lossily if it is not UTF-8.
#[derive(Debug)]
struct PartitionKey {
    text: ByteString,
    damage: Option<RecordDamage>,
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
                aggregated_record::PARTITION_KEY_TABLE => {
                    message
                        .tables
                        .partition_keys
                        .push(PartitionKey::read(value.into_bytes()?));
                }
                aggregated_record::EXPLICIT_HASH_KEY_TABLE => {
                    message
                        .tables
                        .explicit_hash_keys
                        .push(parse_hash_key(&value.into_bytes()?));
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
            tag::KEY => key = Some(lossy(value.into_bytes()?)),
            tag::VALUE => tag_value = Some(lossy(value.into_bytes()?)),
            _ => {}
        }
    }
    Ok(Tag {
        key: key.ok_or(DamageReason::MissingField("Tag.key"))?,
        value: tag_value,
    })
}

impl PartitionKey {
    fn read(bytes: Bytes) -> Self {
        match ByteString::try_from(bytes.clone()) {
            Ok(text) => Self { text, damage: None },
            Err(_) => Self {
                text: lossy(bytes.clone()),
                damage: Some(RecordDamage::PartitionKeyNotUtf8 { bytes }),
            },
        }
    }
}

/// Text that is UTF-8 shares the memory of `bytes`.
fn lossy(bytes: Bytes) -> ByteString {
    ByteString::try_from(bytes.clone()).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into())
}

fn parse_hash_key(bytes: &[u8]) -> Result<HashKey, InvalidHashKey> {
    HashKey::parse_lenient(str::from_utf8(bytes).map_err(|_| InvalidHashKey::NotDecimal)?)
}

impl Tables {
    /// Builds the user record that `record` describes.
    pub(super) fn resolve(&self, record: Record) -> UserRecord {
        let (partition_key, key_damage) = self.partition_key(record.partition_key_index);
        let (explicit_hash_key, hash_key_damage) = match record.explicit_hash_key_index {
            None => (None, None),
            Some(index) => match self.explicit_hash_key(index) {
                Ok(key) => (Some(key), None),
                Err(damage) => (None, Some(damage)),
            },
        };
        UserRecord {
            partition_key,
            explicit_hash_key,
            data: record.data,
            tags: record.tags,
            damage: key_damage.or(hash_key_damage).map(Box::new),
        }
    }

    fn partition_key(&self, index: u64) -> (ByteString, Option<RecordDamage>) {
        match lookup(&self.partition_keys, index) {
            Some(key) => (key.text.clone(), key.damage.clone()),
            None => {
                let table_len = self.partition_keys.len();
                let damage = RecordDamage::PartitionKeyIndexOutOfRange { index, table_len };
                (ByteString::new(), Some(damage))
            }
        }
    }

    fn explicit_hash_key(&self, index: u64) -> Result<HashKey, RecordDamage> {
        let table_len = self.explicit_hash_keys.len();
        let out_of_range = RecordDamage::ExplicitHashKeyIndexOutOfRange { index, table_len };
        let key = lookup(&self.explicit_hash_keys, index).ok_or(out_of_range)?;
        key.map_err(|source| RecordDamage::InvalidExplicitHashKey { source })
    }
}

fn lookup<T>(table: &[T], index: u64) -> Option<&T> {
    table.get(usize::try_from(index).ok()?)
}
