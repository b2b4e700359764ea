//! Everything observable about a worker, as one list. Today's view of it is `tracing`.

use aggregation::RecordDamage;
use service::{RangeFault, chain};

use crate::error::{StreamError, TableError, WorkerError};
use crate::lease::item::Hole;
use crate::lease::model::{LeaseKey, WorkerId};
use crate::lease::ownership::End;
use crate::shard_sync::end_evidence::Hold;
use crate::stream::ShardId;

/// Something that has happened.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum Event<'a> {
    /// The worker began.
    Started {
        worker: &'a WorkerId,
        stream: &'a str,
        table: &'a str,
    },
    /// The worker ended.
    Ended {
        worker: &'a WorkerId,
        released: usize,
        abandoned: usize,
    },
    /// A lease was created for a shard.
    LeaseCreated { lease: &'a LeaseKey, reason: &'a str },
    /// This worker took a lease.
    LeaseTaken { lease: &'a LeaseKey, reason: String },
    /// This worker lost a lease.
    LeaseLost { lease: &'a LeaseKey, end: &'a End },
    /// Lease rows could not be written; `untold` others since the last of these events.
    LeaseWritesFailed {
        table: &'a str,
        lease: &'a LeaseKey,
        error: &'a TableError,
        untold: u64,
    },
    /// The task of a shard panicked: its lease is given up.
    ConsumerPanicked { shard: &'a ShardId },
    /// A row of the lease table should hold a lease and cannot be read: its shard has no reader.
    LeaseRowUnreadable { table: &'a str, hole: &'a Hole },
    /// A shard waits for a parent whose lease cannot be read.
    ParentUnreadable { shard: &'a ShardId, hole: &'a Hole },
    /// The lease table could not be read.
    LeaseTableUnavailable { error: &'a TableError },
    /// The hash-key range of a shard is not as it should be.
    ShardRangeFault(&'a RangeFault),
    /// The stream could not be read.
    ReadFailed { shard: &'a ShardId, error: &'a StreamError },
    /// It is not certain whether a shard has ended, so it is neither read nor ended.
    ShardOnHold { shard: &'a ShardId, reason: Hold },
    /// The stream's creation time is unknown.
    StreamDescriptionDenied { stream: &'a str },
    /// A record was not what it should be.
    DamagedAggregate {
        shard: &'a ShardId,
        sequence_number: String,
        reason: String,
    },
    /// A record of an aggregate was damaged: the first one, if there are several in its aggregate.
    DamagedRecord {
        shard: &'a ShardId,
        position: String,
        damage: &'a RecordDamage,
    },
    /// The application's handler failed.
    HandlerFailed {
        shard: &'a ShardId,
        error: String,
        failures: u32,
    },
    /// A shard is not read on, because its handler keeps failing.
    ShardHalted { shard: &'a ShardId },
    /// The leases of an ended shard's children could not be created yet.
    ChildrenNotLeased { shard: &'a ShardId, error: &'a WorkerError },
    /// The worker could not start, and tries again.
    StartFailed { error: &'a WorkerError },
    /// It is not known whether the table of KCL 3.0 to 3.4 exists.
    CoordinatorTableUnknown { error: &'a TableError },
    /// A shard was read to its end.
    ShardEnded { shard: &'a ShardId, children: usize },
}

impl Event<'_> {
    /// Writes the event to the log.
    pub(crate) fn emit(&self) {
        match self {
            Self::Started { worker, stream, table } => tracing::info!(%worker, stream, table, "worker started"),
            Self::Ended {
                worker,
                released,
                abandoned,
            } => {
                tracing::info!(%worker, released, abandoned, "worker ended");
            }
            Self::LeaseCreated { lease, reason } => tracing::debug!(%lease, reason, "lease created"),
            Self::LeaseTaken { lease, reason } => tracing::info!(%lease, reason, "lease taken"),
            Self::LeaseLost { lease, end } => tracing::info!(%lease, reason = %end, "lease lost"),
            Self::LeaseWritesFailed {
                table,
                lease,
                error,
                untold,
            } => tracing::warn!(table, %lease, %error, others = untold, "lease write failed"),
            Self::ConsumerPanicked { shard } => {
                tracing::error!(%shard, "the task of a shard panicked: its lease is given up");
            }
            Self::LeaseRowUnreadable { table, hole } => {
                let shard = hole.shard.as_ref().map(tracing::field::display);
                tracing::warn!(table, shard, error = %hole.problem, "lease row unreadable: nobody reads its shard");
            }
            Self::ParentUnreadable { shard, hole } => {
                let error = &hole.problem;
                tracing::warn!(%shard, parent = %hole.key, %error, "shard waits for a parent whose lease is unreadable");
            }
            Self::LeaseTableUnavailable { error } => tracing::warn!(%error, "lease table unavailable"),
            Self::ShardRangeFault(fault) => tracing::warn!(%fault, "bad hash-key range"),
            Self::ReadFailed { shard, error } => tracing::warn!(%shard, %error, "read failed"),
            Self::ShardOnHold { shard, reason } if *reason == Hold::StreamCreatedAgain => {
                tracing::error!(%shard, %reason, "stream was created again");
            }
            Self::ShardOnHold { shard, reason } => tracing::warn!(%shard, %reason, "shard on hold"),
            Self::StreamDescriptionDenied { stream } => tracing::warn!(
                stream,
                "access to kinesis:DescribeStreamSummary is denied: a stream that is deleted and created again is not noticed"
            ),
            Self::DamagedAggregate {
                shard,
                sequence_number,
                reason,
            } => {
                tracing::warn!(%shard, sequence_number, reason, "damaged aggregate");
            }
            Self::DamagedRecord {
                shard,
                position,
                damage,
            } => damaged_record(shard, position, damage),
            Self::HandlerFailed { shard, error, failures } => {
                tracing::warn!(%shard, error, failures, "handler failed");
            }
            Self::ShardHalted { shard } => {
                tracing::error!(%shard, "shard halted: its handler keeps failing and no record is skipped");
            }
            Self::ChildrenNotLeased { shard, error } => {
                tracing::warn!(%shard, error = chain(*error), "children not leased yet");
            }
            Self::StartFailed { error } => tracing::warn!(error = chain(*error), "start failed, trying again"),
            Self::CoordinatorTableUnknown { error } => {
                tracing::warn!(%error, "cannot tell whether workers of KCL 3.0 to 3.4 lead this application");
            }
            Self::ShardEnded { shard, children } => tracing::info!(%shard, children, "shard ended"),
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
