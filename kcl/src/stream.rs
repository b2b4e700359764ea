//! Pure: streams and shards as the service names them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use aggregation::HashKeyRange;

pub use service::{ShardId, ShardRef, StreamRef};

/// One of the streams that have had the same name, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incarnation {
    pub(crate) arn: Arc<str>,
    /// When it was created, by the service's clock.
    pub(crate) created: SystemTime,
}

impl Incarnation {
    /// When it was created: milliseconds since the Unix epoch, rounded, because replies carry fractions of seconds.
    pub(crate) fn created_millis(&self) -> Option<u64> {
        let since_epoch = self.created.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        u64::try_from((since_epoch.as_micros() + 500) / 1_000).ok()
    }
}

/// One shard, as `ListShards` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    /// None, one (after a split) or two (after a merge). A parent may be trimmed from the stream already.
    pub(crate) parents: BTreeSet<ShardId>,
    /// `None` if it cannot be read: such a shard is read like any other, but nobody can tell whether a record belongs to it.
    pub(crate) range: Option<HashKeyRange>,
    pub(crate) state: ShardState,
    /// For creating leases in the order of the shards' age. Decimal.
    pub(crate) starting_sequence_number: String,
}

/// Whether a shard takes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShardState {
    Open,
    Closed,
}

/// Where a shard that nobody has read yet is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "InitialPositionInStream")]
#[non_exhaustive]
pub enum StartingPosition {
    /// The oldest record that the stream still holds.
    TrimHorizon,
    /// Records that arrive from now on. Until the first checkpoint the lease says no more than that: a worker that goes
    /// on with it begins anew at that time, and what arrived in between is not read.
    Latest,
    /// Records that arrived at this time or later.
    AtTimestamp(SystemTime),
}
