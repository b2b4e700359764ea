//! A second opinion on the format: the schema for prost's derived code, and the rules of the decoder spelled out naively.
//!
//! The fuzz target includes this file too.

use aggregation::{Decoded, HashKey, MAGIC, RecordDamage, UserRecord, decode};
use bytes::Bytes;
use md5::{Digest, Md5};
use prost::Message;

/// Its strings are bytes here and in the other messages, because prost reads none that is not UTF-8.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct AggregatedRecord {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(crate) partition_key_table: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(crate) explicit_hash_key_table: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) records: Vec<Record>,
}

/// Its required fields are optional here, because prost reads a missing required field as 0.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Record {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) partition_key_index: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) explicit_hash_key_index: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(crate) data: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) tags: Vec<Tag>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tag {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(crate) key: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) value: Option<Vec<u8>>,
}

/// A user record in plain types: partition key, explicit hash key, data, tags.
pub(crate) type Fields = (String, Option<HashKey>, Vec<u8>, Vec<(String, Option<String>)>);

/// What is damaged in a user record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Intact,
    PartitionKey,
    ExplicitHashKey,
}

/// What is to be read from data.
#[derive(Debug, PartialEq)]
pub(crate) enum Reading {
    Plain,
    Aggregate(Vec<(Fields, Mark)>),
    Damaged,
    /// Groups nest deeper than prost reads. It counts the messages around them too, so the decoder may go deeper.
    TooDeep,
}

/// Puts magic number and checksum around a message.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    [&MAGIC, message, &Md5::digest(message)[..]].concat().into()
}

/// Asserts that the decoder reads `data` as prost does, and returns what it read.
pub(crate) fn assert_agreement(data: &Bytes) -> Decoded {
    let decoded = decode(data);
    let expected = expected(data);
    if expected != Reading::TooDeep {
        assert_eq!(reading(&decoded), expected, "{decoded:?} from {data:?}");
    }
    decoded
}

/// Rewrites what the decoder read.
pub(crate) fn reading(decoded: &Decoded) -> Reading {
    match decoded {
        Decoded::Plain => Reading::Plain,
        Decoded::Aggregate(aggregate) => {
            let records = aggregate.records().map(|record| {
                let mark = mark(&record);
                (fields(record), mark)
            });
            Reading::Aggregate(records.collect())
        }
        Decoded::Damaged(_) => Reading::Damaged,
    }
}

fn mark(record: &UserRecord) -> Mark {
    match record.damage.as_deref() {
        None => Mark::Intact,
        Some(RecordDamage::PartitionKeyIndexOutOfRange { .. } | RecordDamage::PartitionKeyNotUtf8 { .. }) => {
            Mark::PartitionKey
        }
        Some(_) => Mark::ExplicitHashKey,
    }
}

fn fields(record: UserRecord) -> Fields {
    let tags = record
        .tags
        .into_iter()
        .map(|tag| (tag.key.to_string(), tag.value.map(String::from)));
    (
        record.partition_key.to_string(),
        record.explicit_hash_key,
        record.data.to_vec(),
        tags.collect(),
    )
}

/// Reads `data` by way of prost.
pub(crate) fn expected(data: &[u8]) -> Reading {
    let Some(framed) = data.strip_prefix(&MAGIC) else {
        return Reading::Plain;
    };
    let Some((message, checksum)) = framed.split_last_chunk::<16>() else {
        return Reading::Damaged;
    };
    if message.is_empty() || Md5::digest(message)[..] != checksum[..] {
        return Reading::Damaged;
    }
    match AggregatedRecord::decode(message) {
        Ok(message) if message.is_initialized() => message.resolve(),
        Ok(_) => Reading::Damaged,
        Err(error) if error.to_string().contains("recursion limit") => Reading::TooDeep,
        Err(_) => Reading::Damaged,
    }
}

impl AggregatedRecord {
    /// Tells whether all required fields are there.
    fn is_initialized(&self) -> bool {
        self.records.iter().all(|record| {
            let has_keys = record.tags.iter().all(|tag| tag.key.is_some());
            record.partition_key_index.is_some() && record.data.is_some() && has_keys
        })
    }

    fn resolve(&self) -> Reading {
        Reading::Aggregate(self.records.iter().map(|record| self.resolve_record(record)).collect())
    }

    fn resolve_record(&self, record: &Record) -> (Fields, Mark) {
        let entry = |table: &[Vec<u8>], index: u64| table.get(usize::try_from(index).ok()?).cloned();
        let partition_key = entry(&self.partition_key_table, record.partition_key_index.unwrap());
        let hash_key = record.explicit_hash_key_index.map(|index| {
            let text = String::from_utf8(entry(&self.explicit_hash_key_table, index)?).ok()?;
            HashKey::parse_lenient(&text).ok()
        });
        let key_is_whole = partition_key.as_ref().is_some_and(|key| str::from_utf8(key).is_ok());
        let mark = match (key_is_whole, hash_key) {
            (false, _) => Mark::PartitionKey,
            (true, Some(None)) => Mark::ExplicitHashKey,
            (true, Some(Some(_)) | None) => Mark::Intact,
        };
        let tags = record.tags.iter().map(|tag| {
            let value = tag.value.as_ref().map(|value| lossy(value));
            (lossy(tag.key.as_ref().unwrap()), value)
        });
        let partition_key = partition_key.map_or_else(String::new, |key| lossy(&key));
        let data = record.data.clone().unwrap();
        ((partition_key, hash_key.flatten(), data, tags.collect()), mark)
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
