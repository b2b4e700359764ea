//! The rows of a lease table in memory that are no leases: the second backend of the port.

use futures::future::BoxFuture;

use super::{FleetTable, Place, rules};
use crate::coordination::rows::{FleetRow, FleetRows};
use crate::coordination::write::{FleetOutcome, FleetWrite};
use crate::error::TableError;
use crate::lease::memory::{Failure, MemoryLeaseTable};

impl FleetTable for MemoryLeaseTable {
    fn fleet_row<'a>(&'a self, at: Place, key: &'a str) -> BoxFuture<'a, Result<Option<FleetRow>, TableError>> {
        Box::pin(async move {
            match at {
                Place::LeaseTable => Ok(self.item(key)?.map(FleetRow::of_item)),
                Place::CoordinatorTable => Ok(None),
            }
        })
    }

    fn coordinator_rows(&self) -> BoxFuture<'_, Result<Option<FleetRows>, TableError>> {
        Box::pin(async { Ok(None) })
    }

    fn write_fleet<'a>(&'a self, write: &'a FleetWrite) -> BoxFuture<'a, FleetOutcome> {
        Box::pin(async move {
            let changed = self.change_item(write.key(), |row| {
                if rules::holds(row.as_ref(), write) {
                    return (rules::apply(row, write), FleetOutcome::Applied);
                }
                let found = row.clone().map(FleetRow::of_item);
                (row, FleetOutcome::Refused(found))
            });
            match changed {
                Ok(outcome) => outcome,
                Err(Failure::NotApplied(error)) => FleetOutcome::NotApplied(error),
                Err(Failure::Unknown(error)) => FleetOutcome::Unknown(error),
            }
        })
    }
}
