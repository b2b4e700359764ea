//! Pure: how records find their way into a stream, and with it which lanes there are.
//!
//! `summary` is what a description of the stream says, `coverage` what is wrong with a list of shards, `shard_map` is where
//! each hash key belongs, `target` names the shard of an aggregate.

mod coverage;
pub(crate) mod shard_map;
pub(crate) mod summary;
mod target;

use std::sync::Arc;

use aggregation::HashKey;

pub(crate) use self::target::Target;

use crate::config::ordering::RecordDistribution;
use crate::routing::shard_map::ShardMap;

/// What is known of the way of a record.
#[derive(Debug, Clone)]
pub(crate) enum Routing {
    /// Nothing yet: records gather in one lane and are routed when it is.
    Undecided,
    /// To the shard that holds its hash key. The map stays in use while a newer one is fetched.
    ByKey {
        map: Arc<ShardMap>,
        packing: Packing,
        keyless: Keyless,
    },
    /// To whichever shard the service chooses, alone.
    ServiceChosen { map: Arc<ShardMap> },
}

/// Whether records may share a Kinesis record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// As many as fit.
    Together,
    /// None: it is not known that the service follows hash keys, and a consumer may drop what lies on a wrong shard.
    Alone,
}

/// What becomes of a record without a partition key where hash keys lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keyless {
    /// It waits: the stream is not described yet, and may turn out to distribute records by itself.
    Waits,
    /// It is refused: the stream follows keys, or nobody says that it does not.
    Refused,
}

impl Routing {
    /// The routing on the shards of `map`, of a stream that distributes its records so.
    pub(crate) fn new(map: Arc<ShardMap>, distribution: RecordDistribution, keyless: Keyless) -> Self {
        let by_key = |map, packing| Self::ByKey { map, packing, keyless };
        match distribution {
            RecordDistribution::UserPartitionKey => by_key(map, Packing::Together),
            RecordDistribution::Unknown => by_key(map, Packing::Alone),
            RecordDistribution::Auto => Self::ServiceChosen { map },
        }
    }

    /// Who distributes the records. While nothing is decided, the stream is taken for one that follows keys.
    pub(crate) fn distribution(&self) -> RecordDistribution {
        match self {
            Self::Undecided => RecordDistribution::UserPartitionKey,
            Self::ByKey { packing, .. } => match packing {
                Packing::Together => RecordDistribution::UserPartitionKey,
                Packing::Alone => RecordDistribution::Unknown,
            },
            Self::ServiceChosen { .. } => RecordDistribution::Auto,
        }
    }

    /// Whether `other` has the same lanes and admits the same records.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Undecided, Self::Undecided) => true,
            (
                Self::ByKey { map, packing, keyless },
                Self::ByKey {
                    map: other,
                    packing: others,
                    keyless: other_keyless,
                },
            ) => map.epoch() == other.epoch() && (packing, keyless) == (others, other_keyless),
            (Self::ServiceChosen { map }, Self::ServiceChosen { map: other }) => map.epoch() == other.epoch(),
            (Self::Undecided | Self::ByKey { .. } | Self::ServiceChosen { .. }, _) => false,
        }
    }

    /// Whether `other` packs the records of a shard alike, where hash keys lead.
    pub(crate) fn differs_in_shards_alone(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ByKey { packing, .. }, Self::ByKey { packing: other, .. }) => packing == other,
            (Self::Undecided | Self::ByKey { .. } | Self::ServiceChosen { .. }, _) => false,
        }
    }

    /// What each lane is for.
    pub(crate) fn targets(&self) -> Vec<Option<Target>> {
        match self {
            Self::Undecided | Self::ServiceChosen { .. } => vec![None],
            Self::ByKey { map, .. } => {
                let targets = map.shards().iter().map(|shard| Target {
                    shard: shard.id.clone(),
                    epoch: map.epoch(),
                });
                targets.map(Some).collect()
            }
        }
    }

    /// The place in [`targets`](Self::targets) of the lane for `key`.
    pub(crate) fn lane_of(&self, key: HashKey) -> usize {
        match self {
            Self::Undecided | Self::ServiceChosen { .. } => 0,
            Self::ByKey { map, .. } => map.index_of(key),
        }
    }

    /// How many user records a Kinesis record may have where `configured` are allowed.
    pub(crate) fn max_count(&self, configured: usize) -> usize {
        match self {
            Self::Undecided
            | Self::ByKey {
                packing: Packing::Together,
                ..
            } => configured,
            Self::ByKey {
                packing: Packing::Alone,
                ..
            }
            | Self::ServiceChosen { .. } => 1,
        }
    }

    /// How many user records a Kinesis record for `target` may have where `allowed` are in general.
    ///
    /// Records for a shard of which nobody knows the range travel alone: a record alone is right in any shard.
    pub(crate) fn max_count_for(&self, target: Option<&Target>, allowed: usize) -> usize {
        match (self, target) {
            (Self::ByKey { map, .. }, Some(target)) if map.is_assumed(&target.shard) => 1,
            (Self::Undecided | Self::ByKey { .. } | Self::ServiceChosen { .. }, _) => allowed,
        }
    }

    /// Whether a record without a partition key may enter, if only to wait: not where its stream would refuse it.
    pub(crate) fn admits_records_without_key(&self) -> bool {
        match self {
            Self::Undecided | Self::ServiceChosen { .. } => true,
            Self::ByKey { keyless, .. } => *keyless == Keyless::Waits,
        }
    }

    /// Whether a record without a partition key waits for the stream's description.
    pub(crate) fn holds_records_without_key(&self) -> bool {
        match self {
            Self::Undecided => true,
            Self::ServiceChosen { .. } => false,
            Self::ByKey { keyless, .. } => *keyless == Keyless::Waits,
        }
    }
}
