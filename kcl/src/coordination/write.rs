//! Pure: the writes of the rows that are no leases, and how they end.
//!
//! | write | condition | effect |
//! |---|---|---|
//! | create the client version | no row | the row |
//! | change the client version | `cv` as expected | `cv`, `mb`, `mts`, `h` |
//! | report | none | each attribute that has a value; the others stay |
//! | delete a metrics row | `lut` as read | no row |
//! | take a lock: absent | no row | the row, and nothing else |
//! | take a lock: released | the row exists, `isReleased` is "1" | the row, and nothing else |
//! | take a lock: version | the row exists, the version as seen | the row, and nothing else |
//! | heartbeat | the row exists, version and owner as named | lease and version |
//! | delete a lock | the row exists, version and owner as named | no row |
//!
//! Conditions and effects are the Java KCL's and its lock client's, on the same attributes.
//!
//! Source: amazon-kinesis-client 3.5.1, `CoordinatorStateDAO`, `WorkerMetricStatsDAO`; amazon-dynamodb-lock-client 1.4.0.

use std::time::Duration;

use super::rows::{
    CLIENT_VERSION_KEY, ClientVersion, ClientVersionState, FleetRow, LEADER_KEY, LockRow, LockVersion, WorkerMetrics,
};
use crate::error::TableError;
use crate::lease::model::WorkerId;

/// A write of a row that is no lease.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FleetWrite {
    CreateClientVersion(ClientVersion),
    ChangeClientVersion {
        /// The state that the row must have.
        from: ClientVersionState,
        to: ClientVersion,
    },
    Report(WorkerMetrics),
    DeleteMetrics {
        worker: WorkerId,
        /// The time of the last report, as it was read: seconds since the Unix epoch.
        updated: u64,
    },
    Lock(LockWrite),
}

/// A write of the leader's lock.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LockWrite {
    /// Makes a worker the holder.
    Take { lock: Box<LockRow>, when: TakeWhen },
    /// Says that the holder lives.
    Heartbeat {
        holder: WorkerId,
        seen: LockVersion,
        next: LockVersion,
        lease: Duration,
    },
    /// Gives the lock up.
    Delete { holder: WorkerId, seen: LockVersion },
}

/// The state that the row of the lock must have for a worker to take it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TakeWhen {
    Absent,
    Released,
    /// The version is still this one.
    Version(LockVersion),
}

/// How a write ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FleetOutcome {
    Applied,
    /// The condition does not hold for the row as it is now. `None`: there is no row, or the table does not show it.
    Refused(Option<FleetRow>),
    /// It was certainly not applied: throttled, denied, invalid, never sent.
    NotApplied(TableError),
    /// It may have been applied: no answer came, or the answer leaves that open.
    Unknown(TableError),
}

impl FleetWrite {
    /// The row that is written.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::CreateClientVersion(_) | Self::ChangeClientVersion { .. } => CLIENT_VERSION_KEY,
            Self::Report(WorkerMetrics { worker, .. }) | Self::DeleteMetrics { worker, .. } => worker.as_str(),
            Self::Lock(_) => LEADER_KEY,
        }
    }
}
