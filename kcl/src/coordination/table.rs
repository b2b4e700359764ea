//! The port to the rows of the lease table that are no leases.
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
//! Conditions and effects are the Java KCL's and its lock client's, on the same attributes. Reads are strongly consistent. A
//! scan of all rows is the lease table's; [`FleetRows::add`](super::rows::FleetRows::add) takes its rows that are no leases.
//!
//! `expression` has the writes as expressions, for `dynamodb`; `rules` has them as changes of items, for `memory`. The
//! `conformance` suite holds both backends to the table.
//!
//! Source: amazon-kinesis-client 3.5.1, `CoordinatorStateDAO`, `WorkerMetricStatsDAO`; amazon-dynamodb-lock-client 1.4.0.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;

use super::rows::{
    CLIENT_VERSION_KEY, ClientVersion, ClientVersionState, FleetRow, LEADER_KEY, LockRow, LockVersion, WorkerMetrics,
};
use crate::error::TableError;
use crate::lease::model::WorkerId;

#[cfg(test)]
mod conformance;
mod dynamodb;
mod expression;
#[cfg(any(test, feature = "_bench"))]
mod memory;
#[cfg(any(test, feature = "_bench"))]
pub(crate) mod rules;

/// The rows of a lease table that are no leases.
pub(crate) trait FleetTable: fmt::Debug + Send + Sync {
    /// The row of `key`, as it is after all writes that were answered before.
    ///
    /// `None` as well if the table is missing.
    fn fleet_row<'a>(&'a self, at: Place, key: &'a str) -> BoxFuture<'a, Result<Option<FleetRow>, TableError>>;

    /// Makes a write if its condition holds.
    ///
    /// A dropped future leaves open whether the write is applied.
    fn write_fleet<'a>(&'a self, write: &'a FleetWrite) -> BoxFuture<'a, FleetOutcome>;
}

/// A table with rows of the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    LeaseTable,
    /// The table `<application>-CoordinatorState` of KCL 3.0 to 3.4. It is only read.
    CoordinatorTable,
}

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
    Take { lock: LockRow, when: TakeWhen },
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

/// In which state of the row a lock may be taken.
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
