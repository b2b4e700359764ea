//! Pure: the inputs of changing shards.

use serde::{Deserialize, Deserializer};

use crate::kinesis::wire;

stream_input! {
    /// Merges two adjacent shards into one.
    MergeShards {
        /// One of the shards, the `ParentShardId` of the child.
        shard_to_merge: String,
        /// The other, the `AdjacentParentShardId` of the child.
        adjacent_shard_to_merge: String,
    }
}

stream_input! {
    /// Splits a shard in two.
    SplitShard {
        /// The shard.
        shard_to_split: String,
        /// The first hash key of the upper child, in decimal.
        new_starting_hash_key: String,
    }
}

stream_input! {
    /// Changes the number of shards.
    UpdateShardCount {
        /// The number of open shards afterwards.
        target_shard_count: i32,
        /// There is only one.
        scaling_type: ScalingType,
    }
}

/// How shards are laid out by [`UpdateShardCount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalingType {
    /// Ranges of equal size.
    UniformScaling,
}

impl<'de> Deserialize<'de> for ScalingType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        wire::one_of(
            deserializer,
            "scalingType",
            &[("UNIFORM_SCALING", Self::UniformScaling)],
        )
    }
}
