//! The rule by which a worker shares the shards with its fleet, found and noted at its start.

use super::{Occasion, Start};
use crate::coordination::rows::worker_id;
use crate::coordination::rule::{Coordinator, Rule, VersionRow, WhyKcl2, decide};
use crate::coordination::version_row::create_version_row;
use crate::error::WorkerError;
use crate::event::{FleetEvent, WorkerEvent};
use crate::lease::scan::Listing;

impl Start<'_> {
    /// Finds the rule of the fleet, and writes the row that says it, if the table is new.
    pub(super) async fn follow(&self, listing: &Listing, coordinator: &Coordinator) -> Result<Rule, WorkerError> {
        let rule = decide(&listing.seen(coordinator), self.config.coordination);
        let rule = rule.map_err(|refusal| refusal.of_table(self.table.name()))?;
        match &rule {
            Rule::Kcl2 { why } => self.tell_of_kcl2(why),
            Rule::Kcl3 { row } => {
                let usable = worker_id::check(self.worker, self.stream.as_str());
                usable.map_err(|unusable| WorkerError::UnusableWorkerId {
                    problem: unusable.to_string(),
                })?;
                match row {
                    VersionRow::Present => {}
                    VersionRow::ToCreate => self.create_version_row().await?,
                }
            }
        }
        Ok(rule)
    }

    pub(super) async fn create_version_row(&self) -> Result<(), WorkerError> {
        let created = create_version_row(&**self.table, self.worker, self.clock, self.observers).await;
        created.map_err(|error| self.of_table(error))
    }

    fn tell_of_kcl2(&self, why: &WhyKcl2) {
        match (why, self.occasion) {
            (WhyKcl2::Chosen, _) | (_, Occasion::BeginAnew | Occasion::Tidy) => {}
            (WhyKcl2::LeasesWithoutRow | WhyKcl2::Row { .. } | WhyKcl2::CoordinatorUnknown, Occasion::Start) => {
                self.observers.tell(FleetEvent::FollowsKcl2 { why: why.to_string() })
            }
        }
    }

    /// The table by which workers of KCL 3.0 to 3.4 lead an application.
    pub(super) async fn coordinator(&self) -> Result<Coordinator, WorkerError> {
        match self.table.coordinator_rows().await {
            Ok(rows) => Ok(rows.into()),
            // Policies of KCL 2.x fleets often name the lease table only.
            Err(error) if error.kind().is_denied() => {
                self.observers
                    .tell(WorkerEvent::CoordinatorTableUnknown { error, repeated: 0 });
                Ok(Coordinator::Unknown)
            }
            Err(error) => Err(self.of_table(error)),
        }
    }
}
