//! Pure: the record aggregation format of the Kinesis Producer Library and the hash-key space of Kinesis shards.
//!
#![doc = include_str!("../README.md")]
//!
//! # Inside
//!
//! In the order of the data: `user_record` is what the application has, `encoder` writes it, `wire` has the constants
//! of the format, `decoder` reads it back, `digest` computes the checksums. `hash_key` and `hash_key_range` say which shard it belongs to.

mod decoder;
mod digest;
mod encoder;
mod hash_key;
mod hash_key_range;
mod user_record;
mod wire;

pub use decoder::{Aggregate, Checked, DamageReason, Decoded, MalformedMessage, RecordDamage, decode};
pub use encoder::{Encoder, KinesisRecord};
pub use hash_key::{HashKey, InvalidHashKey};
pub use hash_key_range::{HashKeyRange, InvalidRange};
pub use user_record::{Tag, UserRecord, UserRecordRef};
pub use wire::{AGGREGATE_PARTITION_KEY, MAGIC};
