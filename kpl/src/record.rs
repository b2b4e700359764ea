//! Pure: the record that a caller puts, and the rules it has to meet.
//!
//! `limit` is how large it may be, `doubts` are the refusals that may be out of date.

pub(crate) mod doubts;
pub(crate) mod limit;

use std::fmt;

use aggregation::{HashKey, UserRecordRef};
use bytes::Bytes;

use crate::error::PutErrorKind;
use crate::limits::MAX_PARTITION_KEY_CHARS;

/// What one record costs of the budget besides its key and data: its share of indices, receipts and bookkeeping.
const OVERHEAD_BYTES: usize = 64;

/// One user record: a partition key, data, and optionally the hash key to use instead of the partition key's.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    partition_key: Option<String>,
    explicit_hash_key: Option<HashKey>,
    data: Bytes,
}

impl Record {
    /// A record that goes to the shard of its partition key (1 to 256 Unicode characters).
    pub fn new(partition_key: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Self {
            partition_key: Some(partition_key.into()),
            explicit_hash_key: None,
            data: data.into(),
        }
    }

    /// A record without a partition key, for streams that distribute records over their shards by themselves (`AUTO`).
    ///
    /// While the stream has not been described yet, the record waits, however long the first description takes, and keeps its
    /// room in the budget; [`record_ttl`](crate::ProducerBuilder::record_ttl) bounds that. It does not wait where the
    /// configured default, or where records were stored, says that the stream is `AUTO`. On a stream that follows keys, or that the caller
    /// may not describe, it fails with [`NoPartitionKey`](PutErrorKind::NoPartitionKey), and the stream is described
    /// again, at most once in ten seconds and at least once a minute while such records come. So a stream that becomes
    /// `AUTO` takes them within a minute.
    pub fn without_key(data: impl Into<Bytes>) -> Self {
        Self {
            partition_key: None,
            explicit_hash_key: None,
            data: data.into(),
        }
    }

    /// The record with this partition key; an empty one is none.
    pub(crate) fn reopened(partition_key: &str, data: Bytes) -> Self {
        if partition_key.is_empty() {
            Self::without_key(data)
        } else {
            Self::new(partition_key, data)
        }
    }

    /// Whether it has a partition key.
    pub(crate) fn has_key(&self) -> bool {
        self.partition_key.is_some()
    }

    /// Sends the record to the shard of `hash_key`, whatever its partition key hashes to.
    ///
    /// A string becomes a [`HashKey`] by `parse`, which refuses what is not in 0…2^128−1.
    #[must_use]
    pub fn with_explicit_hash_key(mut self, hash_key: HashKey) -> Self {
        self.explicit_hash_key = Some(hash_key);
        self
    }

    /// The partition key; empty if the record has none.
    pub fn partition_key(&self) -> &str {
        self.partition_key.as_deref().unwrap_or_default()
    }

    /// The explicit hash key, if one was given.
    pub fn explicit_hash_key(&self) -> Option<HashKey> {
        self.explicit_hash_key
    }

    /// The data.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// Takes the data out.
    pub fn into_data(self) -> Bytes {
        self.data
    }

    /// The same record with other data.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Bytes>) -> Self {
        self.data = data.into();
        self
    }

    /// Checks the record by the service's contract: its key in Unicode characters, its size with the key.
    pub(crate) fn validate(&self, max_bytes: usize) -> Result<(), PutErrorKind> {
        if let Some(partition_key) = &self.partition_key {
            // A key has at most as many characters as bytes: most need not be counted.
            let valid = 1..=MAX_PARTITION_KEY_CHARS;
            if !valid.contains(&partition_key.len()) {
                let chars = partition_key.chars().count();
                if !valid.contains(&chars) {
                    return Err(PutErrorKind::InvalidPartitionKey { chars });
                }
            }
        }
        let bytes = self.partition_key().len() + self.data.len();
        if bytes > max_bytes {
            return Err(PutErrorKind::RecordTooLarge {
                bytes,
                limit: max_bytes,
            });
        }
        Ok(())
    }

    /// The record as the encoder takes it, with its effective hash key computed.
    pub(crate) fn as_user_record(&self) -> UserRecordRef<'_> {
        UserRecordRef::new(self.partition_key(), self.explicit_hash_key, &self.data)
    }
}

/// What a record with this key and data is charged, in bytes of the budget.
pub(crate) fn cost(partition_key: &str, data: &[u8]) -> usize {
    partition_key.len() + data.len() + OVERHEAD_BYTES
}

/// Shows sizes, never the payload.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("partition_key_bytes", &self.partition_key().len())
            .field("explicit_hash_key", &self.explicit_hash_key)
            .field("data_bytes", &self.data.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_measured_in_unicode_characters_not_in_bytes_or_utf16_units() {
        let longest = Record::new("😀".repeat(256), "x");
        assert_eq!(longest.validate(1 << 20), Ok(()));
        let longer = Record::new("k".repeat(257), "x");
        assert_eq!(
            longer.validate(1 << 20),
            Err(PutErrorKind::InvalidPartitionKey { chars: 257 })
        );
        assert_eq!(
            Record::new("", "x").validate(1 << 20),
            Err(PutErrorKind::InvalidPartitionKey { chars: 0 })
        );
    }

    #[test]
    fn a_key_may_be_missing_and_an_empty_key_is_no_missing_one() {
        assert_eq!(Record::without_key("x").validate(1 << 20), Ok(()));
        assert_ne!(Record::without_key("x"), Record::new("", "x"));
    }

    #[test]
    fn the_size_limit_counts_data_and_key() {
        assert_eq!(Record::new("key", vec![0; 97]).validate(100), Ok(()));
        let error = Record::new("key", vec![0; 98]).validate(100).unwrap_err();
        assert_eq!(error, PutErrorKind::RecordTooLarge { bytes: 101, limit: 100 });
    }

    #[test]
    fn debug_output_never_shows_the_payload() {
        let shown = format!("{:?}", Record::new("secret-key", "secret-data"));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
