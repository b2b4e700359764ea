//! Pure: where a record was stored.

use service::{SequenceNumber, ShardId};

use crate::receipt::attempt::Attempts;

/// Where a record was stored.
///
/// A consumer reads it at the same place: the same shard, sequence number and sub-sequence number. It may read it a second
/// time, at another place, if an attempt before the last one ended without an answer:
/// `delivered.attempts.`[`may_have_been_stored()`](Attempts::may_have_been_stored) tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// The shard that stored it.
    pub shard_id: ShardId,
    /// The sequence number of the Kinesis record that holds it; shared by all records of one aggregate.
    pub sequence_number: SequenceNumber,
    /// Its place inside that Kinesis record, from 0; 0 for a record that travelled alone.
    pub sub_sequence_number: u64,
    /// The attempts it took; the last one succeeded.
    pub attempts: Attempts,
}

impl Delivered {
    /// A place, for tests of code that handles one. It took no attempts.
    pub fn new(shard_id: ShardId, sequence_number: SequenceNumber, sub_sequence_number: u64) -> Self {
        Self {
            shard_id,
            sequence_number,
            sub_sequence_number,
            attempts: Attempts::default(),
        }
    }
}
