//! Pure: a lease and the names in it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use aggregation::HashKeyRange;

use crate::checkpoint::position::Position;
use crate::stream::ShardId;

/// The key of a lease: the shard's id in a table for one stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseKey(Arc<str>);

impl LeaseKey {
    /// The key `key`.
    pub fn new(key: &str) -> Self {
        Self(key.into())
    }

    /// The key of a shard's lease in a table for one stream.
    pub(crate) fn of_shard(shard: &ShardId) -> Self {
        Self::new(shard.as_str())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shard that the lease is for.
    pub fn shard_id(&self) -> ShardId {
        ShardId::new(&self.0)
    }
}

impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A worker's name in the lease table; unique in its fleet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "workerIdentifier")]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// The name `id`.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One row of the lease table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lease {
    pub(crate) key: LeaseKey,
    /// The owner, or during a hand-off the next one.
    pub(crate) owner: Option<WorkerId>,
    /// During a hand-off the owner that still reads.
    pub(crate) checkpoint_owner: Option<WorkerId>,
    /// Raised by every change of the row; what a conditional write names.
    pub(crate) counter: u64,
    pub(crate) owner_switches: u64,
    pub(crate) checkpoint: Position,
    pub(crate) pending_checkpoint: Option<Position>,
    pub(crate) parents: BTreeSet<ShardId>,
    pub(crate) children: BTreeSet<ShardId>,
    pub(crate) range: Option<HashKeyRange>,
}

impl Lease {
    /// A lease that is about to be created: unowned, never changed.
    pub(crate) fn new(key: LeaseKey, checkpoint: Position) -> Self {
        Self {
            key,
            owner: None,
            checkpoint_owner: None,
            counter: 0,
            owner_switches: 0,
            checkpoint,
            pending_checkpoint: None,
            parents: BTreeSet::new(),
            children: BTreeSet::new(),
            range: None,
        }
    }

    /// Whether its shard was read to the end.
    pub(crate) fn is_finished(&self) -> bool {
        self.checkpoint == Position::ShardEnd
    }
}
