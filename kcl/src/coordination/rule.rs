//! Pure: which rule a fleet follows, by what its tables hold and what the worker is told.
//!
//! The row `Migration3.0` says it: the 3.x rule for `CLIENT_VERSION_3X`, the 2.x rule for `CLIENT_VERSION_2X` and
//! `CLIENT_VERSION_UPGRADE_FROM_2X`. Each other state is refused by name, because the fleet is about to change. The row is in the
//! lease table, or in the coordinator table of KCL 3.0 to 3.4 until its row `TableMigration3.5` says that the fleet has left it.
//!
//! Without the row, leases mean the 2.x rule, and a table without leases is one for the 3.x rule: the row has to be created
//! before any other row of the fleet, since workers of KCL 2.x cannot read these.
//!
//! `refusal` has the reasons for which a worker does not join.
//!
//! Source: amazon-kinesis-client 3.5.1, `MigrationStateMachineImpl`, `MigrationClientVersionStateInitializer`, and the statuses
//! of `TableMigrationStatus`.

use std::fmt;

pub(crate) use self::refusal::Refusal;
use super::rows::{CLIENT_VERSION_KEY, ClientVersionState, FleetRowError, FleetRows, TABLE_MIGRATION_KEY};
use super::table::Place;

mod refusal;
#[cfg(test)]
mod tests;

/// By which rule the workers of a fleet share the shards.
///
/// By the rule of KCL 2.x each worker takes leases for itself. By that of KCL 3.x a leader levels them, and each worker has rows
/// of its own in the lease table. A worker never changes its rule while it runs: it ends when the fleet does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coordination {
    /// The rule that the lease table says, by its row `Migration3.0`. Without that row, leases mean the rule of KCL 2.x, and a
    /// table without leases becomes one for that of KCL 3.x.
    #[default]
    Auto,
    /// The rule of KCL 2.x. The worker does not start on a table for the other rule.
    Kcl2,
    /// The rule of KCL 3.x, also on a table whose leases mean the rule of KCL 2.x: such a table is moved up by the first
    /// worker. For a fleet without workers of KCL 2.x, which fail on the rows of KCL 3.x, and with this option in all of its
    /// workers.
    Kcl3,
}

/// What one look at the tables has shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) leases: Leases,
    /// The other rows of the lease table.
    pub(crate) rows: &'a FleetRows,
    pub(crate) coordinator: &'a Coordinator,
}

/// The leases of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leases {
    None,
    OfOneStream,
    OfSeveralStreams,
}

/// The coordinator table of KCL 3.0 to 3.4.
#[derive(Debug)]
pub(crate) enum Coordinator {
    Absent,
    /// It cannot be read.
    Unknown,
    /// Those of its rows that say the rule.
    Present(Box<FleetRows>),
}

impl From<Option<FleetRows>> for Coordinator {
    fn from(rows: Option<FleetRows>) -> Self {
        rows.map_or(Self::Absent, |rows| Self::Present(Box::new(rows)))
    }
}

/// The rule of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Each worker takes leases for itself, and no row but leases is written.
    Kcl2 { why: WhyKcl2 },
    /// A leader assigns leases.
    Kcl3 { row: VersionRow },
}

/// Why the 2.x rule is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WhyKcl2 {
    /// The worker is told to, and nothing in the tables speaks against it.
    Chosen,
    /// The table holds leases, and no row that says the rule.
    LeasesWithoutRow,
    /// The row says so.
    Row { place: Place, state: ClientVersionState },
    /// The lease table is empty, and the coordinator table cannot be read: a fleet of KCL 3.0 to 3.4 may be about to start,
    /// whose workers cannot read other rows in the lease table.
    CoordinatorUnknown,
}

/// The row that says the 3.x rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VersionRow {
    Present,
    /// It has to be created, if it is absent, before any other row of the fleet.
    ToCreate,
}

/// Which rule the worker follows.
///
/// # Errors
///
/// The state of the tables in which it must not join, with what can be done.
pub(crate) fn decide(seen: &Seen<'_>, option: Coordination) -> Result<Rule, Refusal> {
    if seen.leases == Leases::OfSeveralStreams {
        return Err(Refusal::SeveralStreams);
    }
    match version(seen)? {
        Some((place, state)) => by_row(place, state, option),
        None => without_row(seen, option),
    }
}

impl Rule {
    /// What a worker that follows this rule is told when it looks at the tables again: it never changes its rule.
    pub(crate) fn kept(&self) -> Coordination {
        match self {
            Self::Kcl2 { .. } => Coordination::Kcl2,
            Self::Kcl3 { .. } => Coordination::Kcl3,
        }
    }
}

/// What the row of the client version says, and where the row counts.
fn version(seen: &Seen<'_>) -> Result<Option<(Place, ClientVersionState)>, Refusal> {
    let in_lease_table = state_in(seen.rows, Place::LeaseTable)?;
    let Coordinator::Present(coordinator) = seen.coordinator else {
        return Ok(in_lease_table.map(|state| (Place::LeaseTable, state)));
    };
    let place = Place::CoordinatorTable;
    undamaged(coordinator, TABLE_MIGRATION_KEY, place)?;
    match coordinator.table_migration.as_ref().map(|row| row.status.as_str()) {
        Some(COMPLETE) => return Ok(in_lease_table.map(|state| (Place::LeaseTable, state))),
        // Nothing has been moved.
        None | Some(INIT | DEPLOYED) => {}
        Some(status) => return Err(Refusal::BetweenTables { status: status.into() }),
    }
    match (state_in(coordinator, place)?, in_lease_table) {
        (None, _) => Err(Refusal::Undecided { place }),
        (Some(coordinator), Some(lease_table)) if coordinator != lease_table => Err(Refusal::Contradiction {
            coordinator,
            lease_table,
        }),
        (Some(state), _) => Ok(Some((place, state))),
    }
}

/// The statuses of the move to one table.
const INIT: &str = "TABLE_MIGRATION_STATUS_INIT";
const DEPLOYED: &str = "TABLE_MIGRATION_STATUS_DEPLOYED";
const COMPLETE: &str = "TABLE_MIGRATION_STATUS_COMPLETE";

fn state_in(rows: &FleetRows, place: Place) -> Result<Option<ClientVersionState>, Refusal> {
    undamaged(rows, CLIENT_VERSION_KEY, place)?;
    Ok(rows.client_version.as_ref().map(|row| row.current.state.clone()))
}

fn undamaged(rows: &FleetRows, key: &str, place: Place) -> Result<(), Refusal> {
    let is_this = |error: &&FleetRowError| error.key == key;
    let damaged = rows.damaged.iter().find(is_this).cloned();
    damaged.map_or(Ok(()), |error| Err(Refusal::Damaged { place, error }))
}

fn by_row(place: Place, state: ClientVersionState, option: Coordination) -> Result<Rule, Refusal> {
    match (&state, option) {
        // The KCL keeps it to itself.
        (ClientVersionState::Init, _) => Err(Refusal::Undecided { place }),
        (ClientVersionState::UpgradeFrom2x | ClientVersionState::V2x, Coordination::Kcl3) => {
            Err(Refusal::Follows2x { place, state })
        }
        (ClientVersionState::UpgradeFrom2x | ClientVersionState::V2x, Coordination::Auto | Coordination::Kcl2) => {
            Ok(Rule::Kcl2 {
                why: WhyKcl2::Row { place, state },
            })
        }
        (ClientVersionState::V3xWithRollback, _) => Err(Refusal::WithRollback { place }),
        (ClientVersionState::V3x, Coordination::Kcl2) => Err(Refusal::Follows3x { place }),
        (ClientVersionState::V3x, Coordination::Auto | Coordination::Kcl3) => match place {
            Place::LeaseTable => Ok(Rule::Kcl3 {
                row: VersionRow::Present,
            }),
            Place::CoordinatorTable => Err(Refusal::ThreeTables),
        },
        (ClientVersionState::Unknown(name), _) => Err(Refusal::UnknownState {
            place,
            state: name.clone(),
        }),
    }
}

fn without_row(seen: &Seen<'_>, option: Coordination) -> Result<Rule, Refusal> {
    let kcl2 = |why| Ok(Rule::Kcl2 { why });
    let kcl3 = Rule::Kcl3 {
        row: VersionRow::ToCreate,
    };
    match (option, seen.leases, seen.rows.kinds()) {
        (Coordination::Kcl3, _, _) => Ok(kcl3),
        (Coordination::Kcl2, _, Some(found)) => Err(Refusal::RowsWithoutVersion { found }),
        (Coordination::Kcl2, _, None) => kcl2(WhyKcl2::Chosen),
        (Coordination::Auto, Leases::None, _) => match seen.coordinator {
            Coordinator::Unknown => kcl2(WhyKcl2::CoordinatorUnknown),
            Coordinator::Absent | Coordinator::Present(_) => Ok(kcl3),
        },
        (Coordination::Auto, _, Some(found)) => Err(Refusal::RowsWithoutVersion { found }),
        (Coordination::Auto, _, None) => kcl2(WhyKcl2::LeasesWithoutRow),
    }
}

/// Says how the fleet moves up.
impl fmt::Display for WhyKcl2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen => f.write_str("the worker is told to follow the 2.x rule"),
            Self::LeasesWithoutRow => write!(
                f,
                "the table holds leases and no row {CLIENT_VERSION_KEY}, as the tables of KCL 2.x do; a fleet without workers of \
                 KCL 2.x moves up with Coordination::Kcl3, in all of its workers"
            ),
            Self::Row { place, state } => write!(
                f,
                "the row {CLIENT_VERSION_KEY} {place} says {state}; the fleet moves up when its workers of the KCL change that \
                 to {}",
                ClientVersionState::V3x
            ),
            Self::CoordinatorUnknown => f.write_str(
                "the table is empty, and whether workers of KCL 3.0 to 3.4 lead the application is not known; it moves up if \
                 dynamodb:GetItem is allowed on the coordinator table before the first lease is created",
            ),
        }
    }
}
