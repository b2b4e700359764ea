//! Pure: the shard that an aggregate is for, by which shard map.

use service::ShardId;

use crate::routing::shard_map::Epoch;

/// The shard that an aggregate was built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) shard: ShardId,
    pub(crate) epoch: Epoch,
}
