//! What a leader tidies up each minute: the rows of workers that are long gone, and the leases of ended shards.

use std::time::{Duration, Instant};

use super::super::CALL_TIMEOUT;
use super::Observer;
use crate::coordination::cleanup;
use crate::event::FleetEvent;
use crate::lease::write::WriteOutcome;

/// Between two times. The KCL's, for leases.
const EACH: Duration = Duration::from_secs(60);

impl Observer {
    /// Tidies up if it is time. What fails is tried again a minute later.
    pub(super) async fn tidy_up(&mut self, now: Instant) {
        if self.tidied.is_some_and(|at| now < at + EACH) {
            return;
        }
        self.tidied = Some(now);
        let context = &self.parts.context;
        let (table, clock) = (&context.table, &context.clock);
        for write in self.turns.members().stale_rows(self.wall()) {
            clock.timeout(CALL_TIMEOUT, table.write_fleet(&write)).await;
        }
        let members = self.turns.members();
        for write in cleanup::plan(self.turns.watch(), |worker| members.is_ours(worker)) {
            let outcome = clock.timeout(CALL_TIMEOUT, table.write(&write)).await;
            if let Some(WriteOutcome::Applied(lease)) = outcome {
                let lease = lease.key;
                context.observers.tell(FleetEvent::EndedLeaseDeleted { lease });
            }
        }
    }
}
