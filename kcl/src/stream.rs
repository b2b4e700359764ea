//! Pure: streams and shards as the service names them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aggregation::HashKeyRange;

/// A shard's id, as the service spells it. Ids need not be numeric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(Arc<str>);

impl ShardId {
    /// The id `id`.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stream by its name, or by its ARN (which another account's stream needs).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamRef {
    Name(Arc<str>),
    Arn(Arc<str>),
}

impl StreamRef {
    /// Reads what begins with `arn:` as an ARN, of whatever partition.
    pub(crate) fn parse(text: &str) -> Self {
        if text.starts_with("arn:") {
            Self::Arn(text.into())
        } else {
            Self::Name(text.into())
        }
    }

    pub(crate) fn name(&self) -> Option<String> {
        match self {
            Self::Name(name) => Some(name.to_string()),
            Self::Arn(_) => None,
        }
    }

    pub(crate) fn arn(&self) -> Option<String> {
        match self {
            Self::Arn(arn) => Some(arn.to_string()),
            Self::Name(_) => None,
        }
    }
}

impl fmt::Display for StreamRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Name(text) | Self::Arn(text)) = self;
        f.write_str(text)
    }
}

/// One of the streams that have had the same name, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incarnation {
    pub(crate) arn: Arc<str>,
    /// When it was created, by the service's clock.
    pub(crate) created: SystemTime,
}

/// One shard, as `ListShards` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    /// None, one (after a split) or two (after a merge). A parent may be trimmed from the stream already.
    pub(crate) parents: BTreeSet<ShardId>,
    pub(crate) range: HashKeyRange,
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
