//! Pure: user records in, the bytes of one Kinesis record out.
//!
//! ```text
//!             append                                       seal
//! user record ──────► partition key table ─┐
//!                     hash key table       ├─► magic │ tables │ records │ MD5   two records or more
//!                     records ─────────────┘
//!                           └────────────────► data                             one record alone
//! ```
//!
//! `string_table` collects the keys, `blocks` the bytes of the records.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;

use crate::digest;
use crate::wire::{self, RecordField, aggregated_record};
use crate::{HashKey, UserRecordRef};
use blocks::Blocks;
use string_table::{Found, StringTable};

mod blocks;
mod string_table;

/// Packs user records into one Kinesis record, byte for byte as the KPL does.
///
/// A user record alone becomes a plain Kinesis record, without any framing. Two or more become an aggregate: its
/// partition key is [`AGGREGATE_PARTITION_KEY`](crate::AGGREGATE_PARTITION_KEY) and its hash key that of the first user
/// record. The encoder keeps the order. The caller chooses the limit, with [`append_within`](Self::append_within), and
/// sees to it that all records belong to one shard.
///
/// The encoder keeps its buffers when it is sealed, so that in steady state appending copies the payload once and
/// allocates nothing, but for the partition key of a first record. Sealing allocates the Kinesis record, but for a
/// large user record that is alone, which keeps the buffer it was written into. The buffers stay as large as the largest Kinesis
/// record so far.
///
/// # Examples
///
/// ```
/// use aggregation::{Encoder, UserRecordRef};
///
/// let mut encoder = Encoder::new();
/// encoder.append(&UserRecordRef::new("a", None, b"x"));
/// assert_eq!(encoder.size(), 1);
///
/// let second = UserRecordRef::new("b", None, b"y");
/// assert_eq!(encoder.size_with(&second), 40);
/// encoder.append(&second);
///
/// let record = encoder.seal().unwrap();
/// assert_eq!(record.data.len(), 40);
/// assert_eq!(record.partition_key, "a");
/// assert_eq!(record.user_records, 2);
/// assert!(encoder.is_empty());
/// ```
pub struct Encoder {
    partition_keys: StringTable,
    explicit_hash_keys: StringTable,
    /// The `Record` fields, one after the other.
    records: Blocks,
    user_records: usize,
    first: Option<First>,
}

/// What the Kinesis record takes over from the first user record.
struct First {
    partition_key: ByteString,
    hash_key: HashKey,
    data_len: usize,
}

/// Where the keys of a record stand in the tables, or would.
#[derive(Debug, Clone, Copy)]
struct Keys {
    partition_key: Found,
    explicit_hash_key: Option<Found>,
}

impl Keys {
    /// The bytes by which the tables would grow.
    fn growth(self) -> usize {
        self.partition_key.growth + self.explicit_hash_key.map_or(0, |found| found.growth)
    }

    fn field<'a>(self, record: &UserRecordRef<'a>) -> RecordField<'a> {
        RecordField {
            partition_key_index: self.partition_key.index,
            explicit_hash_key_index: self.explicit_hash_key.map(|found| found.index),
            data: record.data,
        }
    }
}

/// One entry of a PutRecords request: a plain record, or an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KinesisRecord {
    /// The payload of the only user record, or an aggregate.
    pub data: Bytes,
    /// The partition key of the only user record, or [`AGGREGATE_PARTITION_KEY`](crate::AGGREGATE_PARTITION_KEY).
    pub partition_key: ByteString,
    /// The hash key in effect of the first user record. It is set for plain records too, as the KPL does.
    pub explicit_hash_key: HashKey,
    /// How many user records it carries: 1 or more.
    pub user_records: usize,
}

impl Encoder {
    /// Creates an empty encoder. It allocates nothing yet.
    pub fn new() -> Self {
        Self {
            partition_keys: StringTable::new(aggregated_record::PARTITION_KEY_TABLE),
            explicit_hash_keys: StringTable::new(aggregated_record::EXPLICIT_HASH_KEY_TABLE),
            records: Blocks::default(),
            user_records: 0,
            first: None,
        }
    }

    /// Returns the number of user records appended since the last [`seal`](Self::seal).
    pub fn len(&self) -> usize {
        self.user_records
    }

    /// Tells whether nothing was appended since the last [`seal`](Self::seal).
    pub fn is_empty(&self) -> bool {
        self.user_records == 0
    }

    /// Returns the exact length of [`KinesisRecord::data`] if it were sealed now, 0 if it is empty. O(1).
    ///
    /// *Units:* bytes. The partition key, which counts towards the service's limits, is not included.
    pub fn size(&self) -> usize {
        match &self.first {
            None => 0,
            Some(first) if self.user_records == 1 => first.data_len,
            Some(_) => self.framed_size(),
        }
    }

    /// Returns what [`size`](Self::size) would be with `record` appended. O(1).
    ///
    /// *Units:* bytes.
    pub fn size_with(&self, record: &UserRecordRef<'_>) -> usize {
        self.size_with_keys(record, self.find_keys(record))
    }

    /// Appends a user record, however large the Kinesis record becomes.
    pub fn append(&mut self, record: &UserRecordRef<'_>) {
        let keys = self.find_keys(record);
        self.push(record, keys);
    }

    /// Appends a user record unless the Kinesis record would become larger than `max_size` bytes by it; one that is empty
    /// takes it, whatever its size. Returns whether it was appended.
    #[must_use = "a record that was not appended is in no Kinesis record"]
    pub fn append_within(&mut self, record: &UserRecordRef<'_>, max_size: usize) -> bool {
        let keys = self.find_keys(record);
        let fits = self.is_empty() || self.size_with_keys(record, keys) <= max_size;
        if fits {
            self.push(record, keys);
        }
        fits
    }

    fn find_keys(&self, record: &UserRecordRef<'_>) -> Keys {
        let explicit = |key: HashKey| self.explicit_hash_keys.find(itoa::Buffer::new().format(key.value()));
        Keys {
            partition_key: self.partition_keys.find(record.partition_key),
            explicit_hash_key: record.explicit_hash_key.map(explicit),
        }
    }

    fn size_with_keys(&self, record: &UserRecordRef<'_>, keys: Keys) -> usize {
        if self.is_empty() {
            return record.data.len();
        }
        self.framed_size() + keys.growth() + keys.field(record).len()
    }

    fn push(&mut self, record: &UserRecordRef<'_>, keys: Keys) {
        self.partition_keys.add(record.partition_key, keys.partition_key);
        if let (Some(key), Some(found)) = (record.explicit_hash_key, keys.explicit_hash_key) {
            self.explicit_hash_keys
                .add(itoa::Buffer::new().format(key.value()), found);
        }
        let field = keys.field(record);
        field.put(&mut self.records.extend(field.len()));
        self.first.get_or_insert_with(|| First {
            partition_key: record.partition_key.into(),
            hash_key: record.hash_key,
            data_len: record.data.len(),
        });
        self.user_records += 1;
    }

    /// Assembles the Kinesis record and empties the encoder. Returns `None` if it is empty.
    pub fn seal(&mut self) -> Option<KinesisRecord> {
        let First {
            partition_key,
            hash_key,
            data_len,
        } = self.first.take()?;
        let user_records = std::mem::take(&mut self.user_records);
        let (data, partition_key) = if user_records == 1 {
            (self.bare_data(data_len), partition_key)
        } else {
            (self.framed(), ByteString::from_static(wire::AGGREGATE_PARTITION_KEY))
        };
        self.partition_keys.clear();
        self.explicit_hash_keys.clear();
        self.records.clear();
        Some(KinesisRecord {
            data,
            partition_key,
            explicit_hash_key: hash_key,
            user_records,
        })
    }

    /// Gives back the memory of its buffers beyond `capacity` bytes of records, and twice as many for the tables of keys,
    /// which a few large ones may have left.
    pub fn shrink_to(&mut self, capacity: usize) {
        self.records.shrink_to(capacity);
        self.partition_keys.shrink_to(capacity / 2);
        self.explicit_hash_keys.shrink_to(capacity / 2);
    }

    /// Returns how much memory its buffers take up.
    ///
    /// *Units:* bytes.
    pub fn memory(&self) -> usize {
        self.records.capacity() + self.partition_keys.memory() + self.explicit_hash_keys.memory()
    }

    fn framed_size(&self) -> usize {
        wire::FRAME_LEN
            + self.partition_keys.as_wire().len()
            + self.explicit_hash_keys.as_wire().len()
            + self.records.len()
    }

    /// Takes the data of the only record: its field ends with them.
    fn bare_data(&mut self, data_len: usize) -> Bytes {
        self.records.split_off(data_len)
    }

    fn framed(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.framed_size());
        out.extend_from_slice(&wire::MAGIC);
        out.extend_from_slice(self.partition_keys.as_wire());
        out.extend_from_slice(self.explicit_hash_keys.as_wire());
        out.extend_from_slice(self.records.as_slice());
        let (_, message) = out.split_at(wire::MAGIC.len());
        let checksum = digest::md5(message);
        out.extend_from_slice(&checksum);
        out.into()
    }
}

/// Shows sizes, never the payload.
impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("user_records", &self.user_records)
            .field("bytes", &self.size())
            .finish_non_exhaustive()
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_never_shows_the_payload() {
        let mut encoder = Encoder::new();
        encoder.append(&UserRecordRef::new("secret-key", None, b"secret-data"));
        let shown = format!("{encoder:?}");
        assert!(shown.contains("bytes: 11") && !shown.contains("115, 101"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn the_memory_of_a_large_record_can_be_given_back() {
        let mut encoder = Encoder::new();
        encoder.append(&UserRecordRef::new("k", None, &[0; 1 << 20]));
        encoder.append(&UserRecordRef::new("k", None, b"second"));
        assert!(encoder.seal().is_some());
        encoder.shrink_to(1_000);
        assert!(encoder.records.capacity() < 2_000);
    }

    #[test]
    fn the_memory_of_many_keys_can_be_given_back() {
        let mut encoder = Encoder::new();
        for n in 0..10_000 {
            let key = format!("key-{n}");
            encoder.append(&UserRecordRef::new(&key, Some(HashKey::new(n)), b""));
        }
        assert!(encoder.seal().is_some());
        encoder.shrink_to(1_000);
        for table in [&encoder.partition_keys, &encoder.explicit_hash_keys] {
            assert!(table.memory() < 2_000, "{}", table.memory());
        }
        let record = UserRecordRef::new("key-1", None, b"x");
        encoder.append(&record);
        encoder.append(&record);
        assert_eq!(encoder.seal().map(|sealed| sealed.user_records), Some(2));
    }

    #[test]
    fn a_sealed_encoder_goes_on_in_the_same_memory() {
        let mut encoder = Encoder::new();
        for count in [10, 1, 10] {
            for _ in 0..count {
                encoder.append(&UserRecordRef::new("a", None, b"some data"));
            }
            let capacity = encoder.records.capacity();
            encoder.seal();
            assert_eq!(encoder.records.capacity(), capacity);
        }
    }
    #[test]
    fn a_known_key_counts_with_its_own_index() {
        let keys: Vec<_> = (0..200).map(HashKey::new).collect();
        let mut encoder = Encoder::new();
        for _ in 0..2 {
            for key in &keys {
                let text = key.to_string();
                let record = UserRecordRef::new(&text, Some(*key), b"v");
                let foretold = encoder.size_with(&record);
                let fits_in_less = !encoder.is_empty() && encoder.append_within(&record, foretold - 1);
                assert!(!fits_in_less && encoder.append_within(&record, foretold));
                assert_eq!(encoder.size(), foretold);
            }
        }
        let size = encoder.size();
        assert_eq!(encoder.seal().map(|sealed| sealed.data.len()), Some(size));
    }
}
