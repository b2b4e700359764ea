//! What happens to one shard.

use aggregation::RecordDamage;
use service::chain;

use crate::error::{StreamError, WorkerError};
use crate::lease::item::Hole;
use crate::shard_sync::end_evidence::Hold;
use crate::stream::ShardId;

/// Something that has happened to a shard.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum ShardEvent<'a> {
    /// It waits for a parent whose lease cannot be read.
    ParentUnreadable { hole: &'a Hole },
    /// It could not be read.
    ReadFailed { error: &'a StreamError },
    /// It is not certain whether it has ended, so it is neither read nor ended.
    OnHold { reason: Hold },
    /// Data that start like an aggregate cannot be read as one. They were delivered as a plain record.
    DamagedAggregate { sequence_number: String, reason: String },
    /// A record of an aggregate was damaged: the first one, if there are several in its aggregate.
    DamagedRecord { position: String, damage: &'a RecordDamage },
    /// The application's handler failed.
    HandlerFailed { error: String, failures: u32 },
    /// It is not read on, because its handler keeps failing.
    Halted,
    /// Its task panicked: its lease is given up.
    Panicked,
    /// It was read to its end, and the leases of its children could not be created yet.
    ChildrenNotLeased { error: &'a WorkerError },
    /// It was read to its end, and the end is checkpointed.
    Ended { children: usize },
}

impl ShardEvent<'_> {
    /// Writes the event, which happened to `shard`, to the log.
    pub(crate) fn emit(&self, shard: &ShardId) {
        match self {
            Self::ParentUnreadable { hole } => {
                let error = &hole.problem;
                tracing::warn!(%shard, parent = %hole.key, %error, "shard waits for a parent whose lease is unreadable");
            }
            Self::ReadFailed { error } => tracing::warn!(%shard, %error, "read failed"),
            Self::OnHold { reason } if *reason == Hold::StreamCreatedAgain => {
                tracing::error!(%shard, %reason, "stream was created again");
            }
            Self::OnHold { reason } => tracing::warn!(%shard, %reason, "shard on hold"),
            Self::DamagedAggregate {
                sequence_number,
                reason,
            } => tracing::warn!(%shard, sequence_number, reason, "damaged aggregate"),
            Self::DamagedRecord { position, damage } => damaged_record(shard, position, damage),
            Self::HandlerFailed { error, failures } => tracing::warn!(%shard, error, failures, "handler failed"),
            Self::Halted => {
                tracing::error!(%shard, "shard halted: its handler keeps failing and no record is skipped");
            }
            Self::Panicked => tracing::error!(%shard, "the task of a shard panicked: its lease is given up"),
            Self::ChildrenNotLeased { error } => {
                tracing::warn!(%shard, error = chain(*error), "children not leased yet");
            }
            Self::Ended { children } => tracing::info!(%shard, children, "shard ended"),
        }
    }
}

/// A lost key is warned of. Other damage is the habit of a writer, perhaps in each of its records.
fn damaged_record(shard: &ShardId, position: &str, damage: &RecordDamage) {
    if matches!(damage, RecordDamage::PartitionKeyIndexOutOfRange { .. }) {
        tracing::warn!(%shard, position, %damage, "damaged record");
    } else {
        tracing::debug!(%shard, position, %damage, "damaged record");
    }
}
