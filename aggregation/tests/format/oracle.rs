//! A second opinion on the format: the schema for prost's derived code, and the rules of the KCL spelled out naively.
//!
//! The fuzz target includes this file too.

use aggregation::{Decoded, HashKey, MAGIC, UserRecord, decode};
use bytes::Bytes;
use md5::{Digest, Md5};
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AggregatedRecord {
    #[prost(string, repeated, tag = "1")]
    pub(crate) partition_key_table: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) explicit_hash_key_table: Vec<String>,
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
    #[prost(string, optional, tag = "1")]
    pub(crate) key: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(crate) value: Option<String>,
}

/// A user record in plain types: partition key, explicit hash key, data, tags.
pub(crate) type Fields = (String, Option<HashKey>, Vec<u8>, Vec<(String, Option<String>)>);

/// What is to be read from data.
#[derive(Debug, PartialEq)]
pub(crate) enum Reading {
    Plain,
    Complete(Vec<Fields>),
    /// Damaged, with the records before the damage.
    Broken(Vec<Fields>),
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
        Decoded::Aggregate(aggregate) => Reading::Complete(aggregate.records().map(fields).collect()),
        Decoded::Damaged(damaged) => Reading::Broken(damaged.intact().records().map(fields).collect()),
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
        return Reading::Broken(vec![]);
    };
    if message.is_empty() || Md5::digest(message)[..] != checksum[..] {
        return Reading::Broken(vec![]);
    }
    match AggregatedRecord::decode(message) {
        Ok(message) if message.is_initialized() => message.resolve(),
        Ok(_) => Reading::Broken(vec![]),
        Err(error) if error.to_string().contains("recursion limit") => Reading::TooDeep,
        Err(_) => Reading::Broken(vec![]),
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
        let mut records = Vec::new();
        for record in &self.records {
            match self.resolve_record(record) {
                Some(record) => records.push(record),
                None => return Reading::Broken(records),
            }
        }
        Reading::Complete(records)
    }

    fn resolve_record(&self, record: &Record) -> Option<Fields> {
        let explicit_hash_key = match record.explicit_hash_key_index {
            None => None,
            Some(index) => {
                let text = self.explicit_hash_key_table.get(usize::try_from(index).ok()?)?;
                Some(HashKey::parse_lenient(text).ok()?)
            }
        };
        Some((
            self.partition_key_table
                .get(usize::try_from(record.partition_key_index?).ok()?)?
                .clone(),
            explicit_hash_key,
            record.data.clone()?,
            record
                .tags
                .iter()
                .map(|tag| Some((tag.key.clone()?, tag.value.clone())))
                .collect::<Option<_>>()?,
        ))
    }
}
