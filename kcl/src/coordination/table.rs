//! The port to the rows of the lease table that are no leases.
//!
//! Reads are strongly consistent. A scan of all rows is the lease table's; [`FleetRows::add`](super::rows::FleetRows::add)
//! takes its rows that are no leases.
//!
//! `expression` has the writes as expressions, for `dynamodb`; `rules` has them as changes of items, for `memory`. The
//! `conformance` suite holds both backends to the table of writes in [`write`](super::write).

use std::fmt;

use futures::future::BoxFuture;

use super::rows::{FleetRow, FleetRows};
use super::write::{FleetOutcome, FleetWrite};
use crate::error::TableError;

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
    /// `None` as well if the coordinator table is missing.
    fn fleet_row<'a>(&'a self, at: Place, key: &'a str) -> BoxFuture<'a, Result<Option<FleetRow>, TableError>>;

    /// The rows of the coordinator table that say which rule the fleet follows; `None` if there is no such table.
    fn coordinator_rows(&self) -> BoxFuture<'_, Result<Option<FleetRows>, TableError>>;

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

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeaseTable => "in the lease table",
            Self::CoordinatorTable => "in the coordinator table",
        })
    }
}
