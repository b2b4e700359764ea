//! Pure: a record as the application knows it, borrowed on its way in and shared on its way out.

use bytes::Bytes;
use bytestring::ByteString;

use crate::{HashKey, HashKeyRange, RecordDamage};

/// A user record to be [appended](crate::Encoder::append).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserRecordRef<'a> {
    /// The key that groups records. The service allows 1 to 256 Unicode characters; the format allows any string.
    pub partition_key: &'a str,
    /// The hash key that its caller asked for. It is written into an aggregate.
    pub explicit_hash_key: Option<HashKey>,
    /// The hash key in effect: the explicit one, or else that of the partition key. It steers a Kinesis record whose
    /// first user record this is.
    pub hash_key: HashKey,
    /// The payload.
    pub data: &'a [u8],
}

impl<'a> UserRecordRef<'a> {
    /// Describes a record, hashing the partition key if there is no explicit hash key.
    pub fn new(partition_key: &'a str, explicit_hash_key: Option<HashKey>, data: &'a [u8]) -> Self {
        let hash_key = effective_hash_key(partition_key, explicit_hash_key);
        Self {
            partition_key,
            explicit_hash_key,
            hash_key,
            data,
        }
    }
}

/// Borrows a decoded record in order to encode it again. Its tags and its damage are left out: no encoder writes them.
impl<'a> From<&'a UserRecord> for UserRecordRef<'a> {
    fn from(record: &'a UserRecord) -> Self {
        Self::new(&record.partition_key, record.explicit_hash_key, &record.data)
    }
}

/// A user record that was read from an [`Aggregate`](crate::Aggregate).
///
/// Its parts share the memory of the Kinesis record, and keep all of it alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The key that groups records. Damage can leave it empty, or with `U+FFFD` in the place of what is not UTF-8.
    pub partition_key: ByteString,
    /// The hash key that the producer's caller asked for, if any.
    pub explicit_hash_key: Option<HashKey>,
    /// The payload.
    pub data: Bytes,
    /// The tags, in their order on the wire. The KPL writes none. Parts that are not UTF-8 read as `U+FFFD`.
    pub tags: Vec<Tag>,
    /// What is wrong with the record, if something is. Boxed because it is rare.
    pub damage: Option<Box<RecordDamage>>,
}

impl UserRecord {
    /// Returns the hash key in effect: the explicit one, or else that of the partition key, computed at each call.
    ///
    /// The hash key of a [damaged](Self::damage) record need not be the one that its producer meant.
    pub fn hash_key(&self) -> HashKey {
        effective_hash_key(&self.partition_key, self.explicit_hash_key)
    }

    /// Tells whether the [hash key](Self::hash_key) lies outside of `range`.
    ///
    /// Returns `false` if damage hides the hash key that the producer meant. A damaged partition key does not hide an
    /// explicit hash key.
    pub fn is_outside(&self, range: HashKeyRange) -> bool {
        let is_hidden = self.damage.is_some() && self.explicit_hash_key.is_none();
        !is_hidden && !range.contains(self.hash_key())
    }
}

/// A label on a user record: part of the format, but written by none of the AWS libraries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The name of the label.
    pub key: ByteString,
    /// Its value, if it has one.
    pub value: Option<ByteString>,
}

fn effective_hash_key(partition_key: &str, explicit_hash_key: Option<HashKey>) -> HashKey {
    explicit_hash_key.unwrap_or_else(|| HashKey::of_partition_key(partition_key))
}
