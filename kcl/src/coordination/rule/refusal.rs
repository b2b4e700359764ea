//! Pure: why a worker does not join a fleet, and what can be done about it.

use super::super::rows::{CLIENT_VERSION_KEY, ClientVersionState, FleetRowError, TABLE_MIGRATION_KEY};
use super::super::table::Place;
use crate::error::WorkerError;

/// A state of the tables in which a worker must not join. Its text says what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it holds leases of several streams")]
    SeveralStreams,
    /// Workers of KCL 3 have written rows, and none says the rule.
    #[error("it holds {found}, and no row {CLIENT_VERSION_KEY} that says which rule the fleet follows")]
    RowsWithoutVersion { found: String },
    #[error("nothing {place} says yet which rule the fleet follows")]
    Undecided { place: Place },
    #[error("the row {CLIENT_VERSION_KEY} {place} says {}", ClientVersionState::V3xWithRollback)]
    WithRollback { place: Place },
    #[error("the row {CLIENT_VERSION_KEY} {place} says {state:?}, which this version does not know")]
    UnknownState { place: Place, state: String },
    #[error("the attribute {} of the row {:?} {place} {}", error.attribute, error.key, error.fault)]
    Damaged { place: Place, error: FleetRowError },
    /// The worker is told to follow the 2.x rule.
    #[error("the row {CLIENT_VERSION_KEY} {place} says {}", ClientVersionState::V3x)]
    Follows3x { place: Place },
    /// The worker is told to follow the 3.x rule.
    #[error("the row {CLIENT_VERSION_KEY} {place} says {state}")]
    Follows2x { place: Place, state: ClientVersionState },
    /// The fleet follows the 3.x rule with the three tables of KCL 3.0 to 3.4.
    #[error(
        "the row {CLIENT_VERSION_KEY} {} says {}",
        Place::CoordinatorTable,
        ClientVersionState::V3x
    )]
    ThreeTables,
    #[error("the row {TABLE_MIGRATION_KEY} {} says {status}", Place::CoordinatorTable)]
    BetweenTables { status: String },
    #[error(
        "the row {CLIENT_VERSION_KEY} of the coordinator table says {coordinator}, and that of the lease table {lease_table}"
    )]
    Contradiction {
        coordinator: ClientVersionState,
        lease_table: ClientVersionState,
    },
}

impl Refusal {
    /// What can be done.
    pub(crate) fn cure(&self) -> &'static str {
        match self {
            Self::SeveralStreams => "run a worker, with a lease table of its own, for each stream",
            Self::RowsWithoutVersion { .. } => {
                "use a lease table of its own, or stop the workers of KCL 3 and delete these rows"
            }
            Self::Undecided {
                place: Place::CoordinatorTable,
            } => {
                "if no worker of KCL 3.0 to 3.4 is left, delete that table; else start again once one of them has written its state"
            }
            Self::Undecided {
                place: Place::LeaseTable,
            } => "start again once a worker of KCL 3 has decided",
            Self::WithRollback { .. } => {
                "finish the move to KCL 3 (CLIENT_VERSION_CONFIG_3X), or go back to 2.x with the KCL's rollback tool"
            }
            Self::UnknownState { .. } => "use a version of this library that knows it",
            Self::Damaged { .. } => "correct the row, or stop all other workers and delete it",
            Self::Follows3x { .. } => {
                "use a lease table of its own, or go back to 2.x: stop the workers of KCL 3, and delete their rows in the lease \
                 table and their coordinator table"
            }
            Self::Follows2x { .. } => "finish the move of its Java workers to KCL 3 (CLIENT_VERSION_CONFIG_3X) first",
            Self::ThreeTables => {
                "move the fleet to one table with KCL 3.5 (migrateAllEntitiesToLeaseTable) first, or back to 2.x with the KCL's \
                 rollback tool"
            }
            Self::BetweenTables { .. } => "start again once the move of the fleet to one table is complete, or undone",
            Self::Contradiction { .. } => "delete the coordinator table if no worker of KCL 3.0 to 3.4 is left",
        }
    }

    /// The error with which a worker of the lease table `table` ends.
    pub(crate) fn of_table(&self, table: &str) -> WorkerError {
        WorkerError::LedByOthers {
            table: table.to_owned(),
            found: self.to_string(),
            cure: self.cure(),
        }
    }
}
