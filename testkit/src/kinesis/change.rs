//! Pure: changes of a stream, which are asked for now and happen later.

use std::time::Duration;

use aggregation::HashKey;

use super::request::StreamMode;
use super::shard_id::ShardId;
use super::timestamp::Timestamp;

/// A change that was asked for and has not happened yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) due: Timestamp,
    pub(super) change: Change,
}

/// What happens to a stream, some time after it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It gets its first shards.
    Create { shards: u32 },
    /// It disappears.
    Delete,
    /// A shard becomes two, the upper of which starts `at`.
    Split { shard: ShardId, at: HashKey },
    /// Two shards become one.
    Merge { shard: ShardId, adjacent: ShardId },
    /// Rounds of splits and merges, each of which takes `round`.
    Scale { target: u32, round: Duration },
    /// Its shards become the owner's or the service's to decide.
    Mode(StreamMode),
    /// It takes records of so many KiB.
    RecordKib(u32),
    /// Its records are encrypted by this key, or not at all.
    EncryptionKey(Option<String>),
}
