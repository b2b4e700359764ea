//! Everything observable about a worker, as three lists: what happens to the worker and its leases, in `shard` what happens
//! to one shard, and in `handler` what happens in the application's code. Today's view of them is `tracing`; `logged` is what
//! their tests read.

mod handler;
#[cfg(test)]
mod logged;
mod shard;

use service::{RangeFault, chain};

use crate::error::{TableError, WorkerError};
use crate::lease::item::Hole;
use crate::lease::model::{LeaseKey, WorkerId};
use crate::lease::ownership::End;
use crate::shard_sync::end_evidence::Hold;
use crate::stream::StreamRef;
pub(crate) use handler::HandlerEvent;
pub(crate) use shard::ShardEvent;

/// Why leases of which nothing says the stream are not taken, and what to do.
const UNMARKED: &str = "the stream was created again after this worker began, and the rows of these leases do not say of which \
                        of the two streams they are; restart this worker to read the present stream";

/// Why the time of the lease table's service is unknown.
const NO_DATE: &str = "replies of the lease table carry no Date header";

/// Something that has happened to a worker or its leases.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum Event<'a> {
    /// The worker began.
    Started {
        worker: &'a WorkerId,
        stream: &'a StreamRef,
        table: &'a str,
    },
    /// The worker ended.
    Ended {
        worker: &'a WorkerId,
        released: usize,
        abandoned: usize,
    },
    /// A lease was created for a shard.
    LeaseCreated {
        worker: &'a WorkerId,
        lease: &'a LeaseKey,
        reason: &'a str,
    },
    /// This worker took a lease.
    LeaseTaken {
        worker: &'a WorkerId,
        lease: &'a LeaseKey,
        reason: String,
    },
    /// This worker lost a lease.
    LeaseLost {
        worker: &'a WorkerId,
        lease: &'a LeaseKey,
        end: &'a End,
    },
    /// Lease rows could not be written; `untold` others since the last of these events.
    LeaseWritesFailed {
        worker: &'a WorkerId,
        table: &'a str,
        lease: &'a LeaseKey,
        error: &'a TableError,
        untold: u64,
    },
    /// A row of the lease table should hold a lease and cannot be read: its shard has no reader.
    LeaseRowUnreadable { table: &'a str, hole: &'a Hole },
    /// The lease table could not be read.
    LeaseTableUnavailable {
        worker: &'a WorkerId,
        error: &'a TableError,
    },
    /// The hash-key range of a shard is not as it should be.
    ShardRangeFault {
        stream: &'a StreamRef,
        fault: &'a RangeFault,
    },
    /// Rows belong to another stream, or to an earlier one of the same name: they are not read.
    LeasesOfAnotherStream {
        worker: &'a WorkerId,
        table: &'a str,
        leases: usize,
    },
    /// The stream was created again, and rows do not say of which stream they are: they are not taken.
    UnmarkedLeases {
        worker: &'a WorkerId,
        table: &'a str,
        leases: usize,
    },
    /// The replies of the lease table carry no date.
    ServiceTimeUnknown { worker: &'a WorkerId, table: &'a str },
    /// The stream's creation time is unknown.
    StreamDescriptionDenied { stream: &'a StreamRef },
    /// The worker could not start, and tries again.
    StartFailed { error: &'a WorkerError },
    /// It is not known whether the table of KCL 3.0 to 3.4 exists.
    CoordinatorTableUnknown { error: &'a TableError },
    /// The credentials for the lease table could not be refreshed; the old ones are still valid, for this long if they
    /// expire.
    CredentialsNotRefreshed {
        error: &'a (dyn std::error::Error + 'static),
        valid_for: Option<std::time::Duration>,
    },
}

/// The span of a task that reads for `worker`: the events of a shard do not name it themselves.
///
/// Of the highest level, so that no filter that lets a warning pass removes it.
pub(crate) fn worker_span(worker: &WorkerId) -> tracing::Span {
    tracing::error_span!("consumer", %worker)
}

impl Event<'_> {
    /// Writes the event to the log.
    pub(crate) fn emit(&self) {
        match self {
            Self::Started { worker, stream, table } => tracing::info!(%worker, %stream, table, "worker started"),
            Self::Ended {
                worker,
                released,
                abandoned,
            } => {
                tracing::info!(%worker, released, abandoned, "worker ended");
            }
            Self::LeaseCreated { worker, lease, reason } => tracing::debug!(%worker, %lease, reason, "lease created"),
            Self::LeaseTaken { worker, lease, reason } => tracing::info!(%worker, %lease, reason, "lease taken"),
            Self::LeaseLost { worker, lease, end } if **end == End::WorkerIdInUse => {
                tracing::error!(%worker, %lease, reason = %end, "lease lost");
            }
            Self::LeaseLost { worker, lease, end } => tracing::info!(%worker, %lease, reason = %end, "lease lost"),
            Self::LeaseWritesFailed {
                worker,
                table,
                lease,
                error,
                untold,
            } => tracing::warn!(%worker, table, %lease, %error, others = untold, "lease write failed"),
            Self::LeaseRowUnreadable { table, hole } => {
                let (stream, shard) = (hole.stream.as_deref(), hole.shard.as_ref());
                let shard = shard.map(tracing::field::display);
                tracing::warn!(table, stream, shard, error = %hole.problem, "lease row unreadable: nobody reads its shard");
            }
            Self::LeaseTableUnavailable { worker, error } => {
                tracing::warn!(%worker, %error, "lease table unavailable");
            }
            Self::ShardRangeFault { stream, fault } => {
                let RangeFault { shard, kind } = fault;
                tracing::warn!(%stream, %shard, fault = %kind, "bad hash-key range");
            }
            Self::LeasesOfAnotherStream { worker, table, leases } => {
                let reason = Hold::StreamCreatedAgain;
                tracing::error!(%worker, table, leases, %reason, "stream created again, or the table is another stream's");
            }
            Self::UnmarkedLeases { worker, table, leases } => {
                tracing::error!(%worker, table, leases, reason = UNMARKED, "leases not taken");
            }
            Self::ServiceTimeUnknown { worker, table } => {
                tracing::warn!(%worker, table, reason = NO_DATE, "fencing tokens of new rows begin with this host's clock");
            }
            Self::StreamDescriptionDenied { stream } => tracing::warn!(
                %stream,
                "access to kinesis:DescribeStreamSummary is denied: a stream that is deleted and created again is not noticed"
            ),
            Self::StartFailed { error } => tracing::warn!(error = chain(*error), "start failed, trying again"),
            Self::CoordinatorTableUnknown { error } => {
                tracing::warn!(%error, "cannot tell whether workers of KCL 3.0 to 3.4 lead this application");
            }
            Self::CredentialsNotRefreshed { error, valid_for } => {
                tracing::warn!(
                    error = chain(*error),
                    ?valid_for,
                    "credentials not refreshed, trying again"
                );
            }
        }
    }
}
