//! Creates the row that says which rule the fleet follows.

use std::time::SystemTime;

use service::Clock;

use super::rows::{ClientVersion, ClientVersionState, FleetRow};
use super::write::{FleetOutcome, FleetWrite};
use crate::error::{CallErrorKind, TableError};
use crate::lease::model::WorkerId;
use crate::lease::table::{LeaseTable, service_time};
use crate::observers::Observers;

/// Creates the row of the 3.x rule, unless it is there. It comes before all other rows: workers that find leases without it
/// follow the 2.x rule.
///
/// # Errors
///
/// The table cannot be written, or the row says another rule.
pub(crate) async fn create_version_row(
    table: &dyn LeaseTable,
    worker: &WorkerId,
    clock: &Clock,
    observers: &Observers,
) -> Result<(), TableError> {
    let since_epoch = service_time(table, clock, observers).duration_since(SystemTime::UNIX_EPOCH);
    let millis = u64::try_from(since_epoch.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
    let row = ClientVersion::first(ClientVersionState::V3x, worker, millis);
    match table.write_fleet(&FleetWrite::CreateClientVersion(row)).await {
        FleetOutcome::Applied => Ok(()),
        FleetOutcome::Refused(Some(FleetRow::ClientVersion(row))) if row.current.state == ClientVersionState::V3x => {
            Ok(())
        }
        FleetOutcome::Refused(_) => Err(changed()),
        FleetOutcome::NotApplied(error) | FleetOutcome::Unknown(error) => Err(error),
    }
}

/// The next attempt reads what the other worker has written.
fn changed() -> TableError {
    TableError {
        operation: "PutItem",
        kind: CallErrorKind::Unavailable {
            code: "Changed".into(),
            message: "another worker has just written the row that says which rule the fleet follows".into(),
        },
    }
}
