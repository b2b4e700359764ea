//! What happens to one shard.

use std::collections::BTreeSet;
use std::time::Duration;

use aggregation::RecordDamage;
use service::chain;

use crate::checkpoint::error::CheckpointError;
use crate::error::{StreamError, WorkerError};
use crate::lease::item::Hole;
use crate::retrieval::loss::PossibleLoss;
use crate::shard_sync::end_evidence::Hold;
use crate::stream::{ShardId, ShardRef};

/// Something that has happened to a shard.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum ShardEvent<'a> {
    /// It began to wait for parents that were not read to their ends yet.
    WaitsForParents { parents: &'a BTreeSet<ShardId> },
    /// It still waits for parents, after this time.
    StillWaitsForParents {
        parents: &'a BTreeSet<ShardId>,
        waited: Duration,
    },
    /// It waits for a parent whose lease cannot be read.
    ParentUnreadable { parent: &'a ShardId, hole: &'a Hole },
    /// It could not be read; `untold` other failures since the last of these events.
    ReadFailed { error: &'a StreamError, untold: u64 },
    /// It is not certain whether it has ended, so it is neither read nor ended.
    OnHold { reason: Hold, position: String },
    /// The checkpoint that the service refuses was changed in its row: the shard begins anew there.
    CheckpointCorrected { checkpoint: String },
    /// The service may have trimmed records of it before they were read.
    PossibleLoss(&'a PossibleLoss),
    /// Data that start like an aggregate cannot be read as one. They were delivered as a plain record.
    DamagedAggregate { sequence_number: String, reason: String },
    /// A record of an aggregate was damaged: the first one, if there are several in its aggregate.
    DamagedRecord { position: String, damage: &'a RecordDamage },
    /// The task that reads it panicked, and is started again.
    SourcePanicked,
    /// Its end could not be checkpointed yet.
    EndNotCheckpointed { error: &'a CheckpointError },
    /// Its task panicked: its lease is given up.
    Panicked,
    /// It was read to its end, and its children get no leases before these other parents have one, after this time.
    ChildrenWait {
        parents: &'a BTreeSet<ShardId>,
        waited: Duration,
    },
    /// It was read to its end, and the leases of its children could not be created yet; `untold` other failures since the last
    /// of these events.
    ChildrenNotLeased { error: &'a WorkerError, untold: u64 },
    /// It was read to its end, and the end is checkpointed.
    Ended { children: usize },
}

impl ShardEvent<'_> {
    /// Writes the event, which happened to the shard `of`, to the log.
    pub(crate) fn emit(&self, of: &ShardRef) {
        let ShardRef { stream, shard } = of;
        match self {
            Self::WaitsForParents { parents } => {
                tracing::debug!(%stream, %shard, parents = list(parents), "shard waits for its parents");
            }
            Self::StillWaitsForParents { parents, waited } => {
                let parents = list(parents);
                tracing::warn!(%stream, %shard, parents, ?waited, "shard still waits for its parents");
            }
            Self::ParentUnreadable { parent, hole } => {
                let error = &hole.problem;
                tracing::warn!(%stream, %shard, %parent, %error, "shard waits for a parent whose lease is unreadable");
            }
            Self::ReadFailed { error, untold } => {
                tracing::warn!(%stream, %shard, %error, others = untold, "read failed")
            }
            Self::OnHold { reason, position } => match reason {
                Hold::StreamCreatedAgain => {
                    tracing::error!(%stream, %shard, position, %reason, "stream was created again")
                }
                Hold::PositionRefused => tracing::error!(%stream, %shard, position, %reason, "checkpoint refused"),
                Hold::PossibleLoss
                | Hold::StreamMissing
                | Hold::StreamUnknown
                | Hold::ShardNotListed
                | Hold::ChildrenNotListed => {
                    tracing::warn!(%stream, %shard, position, %reason, "shard on hold");
                }
            },
            Self::CheckpointCorrected { checkpoint } => {
                tracing::warn!(%stream, %shard, checkpoint, "refused checkpoint was corrected");
            }
            Self::PossibleLoss(loss) => {
                tracing::error!(%stream, %shard, %loss, "possible loss by retention");
            }
            Self::DamagedAggregate {
                sequence_number,
                reason,
            } => tracing::warn!(%stream, %shard, sequence_number, reason, "damaged aggregate"),
            Self::DamagedRecord { position, damage } => damaged_record(of, position, damage),
            Self::SourcePanicked => {
                tracing::error!(%stream, %shard, "the task that reads a shard panicked, and is started again")
            }
            Self::EndNotCheckpointed { error } => {
                tracing::warn!(%stream, %shard, error = chain(*error), "end of shard not checkpointed yet");
            }
            Self::Panicked => tracing::error!(%stream, %shard, "the task of a shard panicked: its lease is given up"),
            Self::ChildrenWait { parents, waited } => children_wait(of, parents, *waited),
            Self::ChildrenNotLeased { error, untold } => {
                tracing::warn!(%stream, %shard, error = chain(*error), others = untold, "children not leased yet");
            }
            Self::Ended { children } => tracing::info!(%stream, %shard, children, "shard ended"),
        }
    }
}

/// A lost key is warned of. Other damage is the habit of a writer, perhaps in each of its records.
fn damaged_record(of: &ShardRef, position: &str, damage: &RecordDamage) {
    let ShardRef { stream, shard } = of;
    if matches!(damage, RecordDamage::PartitionKeyIndexOutOfRange { .. }) {
        tracing::warn!(%stream, %shard, position, %damage, "damaged record");
    } else {
        tracing::debug!(%stream, %shard, position, %damage, "damaged record");
    }
}

/// The beginning of the wait is ordinary. It is warned of while it lasts.
fn children_wait(of: &ShardRef, parents: &BTreeSet<ShardId>, waited: Duration) {
    let (ShardRef { stream, shard }, parents) = (of, list(parents));
    if waited.is_zero() {
        tracing::debug!(%stream, %shard, parents, "children wait for another parent to be leased");
    } else {
        tracing::warn!(%stream, %shard, parents, ?waited, "children wait for another parent to be leased");
    }
}

fn list(shards: &BTreeSet<ShardId>) -> String {
    let ids: Vec<&str> = shards.iter().map(ShardId::as_str).collect();
    ids.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CallErrorKind;
    use crate::event::logged::logged;
    use crate::lease::item::{Item, Row, decode};
    use crate::stream::StreamRef;

    fn possible_loss() -> PossibleLoss {
        PossibleLoss {
            after: "49".parse().ok(),
            complete_until: None,
            oldest: None,
            oldest_arrived: None,
        }
    }

    #[test]
    fn each_line_about_a_shard_names_its_stream_and_its_id_in_two_fields() {
        let Row::Hole(hole) = decode(Item::default()) else {
            unreachable!("a row without a key cannot be read")
        };
        let (hole, parent) = (&hole, &ShardId::new("shardId-0"));
        let kind = CallErrorKind::NotFound;
        let operation = "GetRecords";
        let table_len = 1;
        let no_key = RecordDamage::PartitionKeyIndexOutOfRange { index: 7, table_len };
        let no_hash_key = RecordDamage::ExplicitHashKeyIndexOutOfRange { index: 7, table_len };
        let damaged_record = |damage| ShardEvent::DamagedRecord {
            position: "49:2".to_owned(),
            damage,
        };
        let on_hold = |reason| ShardEvent::OnHold {
            reason,
            position: "49".to_owned(),
        };
        let (parents, waited) = (&[parent.clone()].into(), Duration::from_secs(300));
        let events = [
            ShardEvent::WaitsForParents { parents },
            ShardEvent::StillWaitsForParents { parents, waited },
            ShardEvent::ParentUnreadable { parent, hole },
            ShardEvent::ReadFailed {
                error: &StreamError { operation, kind },
                untold: 0,
            },
            on_hold(Hold::StreamCreatedAgain),
            on_hold(Hold::PositionRefused),
            on_hold(Hold::StreamMissing),
            ShardEvent::PossibleLoss(&possible_loss()),
            ShardEvent::CheckpointCorrected {
                checkpoint: "50".to_owned(),
            },
            ShardEvent::DamagedAggregate {
                sequence_number: "49".to_owned(),
                reason: "cut off".to_owned(),
            },
            damaged_record(&no_key),
            damaged_record(&no_hash_key),
            ShardEvent::SourcePanicked,
            ShardEvent::EndNotCheckpointed {
                error: &CheckpointError::LeaseLost,
            },
            ShardEvent::Panicked,
            ShardEvent::ChildrenWait { parents, waited },
            ShardEvent::ChildrenNotLeased {
                error: &WorkerError::TaskPanicked,
                untold: 0,
            },
            ShardEvent::Ended { children: 2 },
        ];
        let shard = ShardRef::new(StreamRef::parse("orders"), ShardId::new("shardId-7"));
        for event in events {
            let lines = logged(|| event.emit(&shard));
            let [line] = lines.as_slice() else {
                panic!("{event:?}: {lines:?}")
            };
            assert!(line.contains(" stream=orders shard=shardId-7"), "{line}");
        }
    }
}
