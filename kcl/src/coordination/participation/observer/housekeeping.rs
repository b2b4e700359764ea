//! What a leader tidies up each minute: the rows of workers that are long gone, and the leases of ended shards.
//!
//! The observer says what to delete, and the `Housekeeper` deletes it beside the observations: there may be a thousand rows.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::iter;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::super::{CALL_TIMEOUT, Context};
use super::Observer;
use crate::coordination::cleanup;
use crate::coordination::write::FleetWrite;
use crate::event::FleetEvent;
use crate::lease::write::{LeaseWrite, WriteOutcome};

/// Between two times. The KCL's, for leases.
const EACH: Duration = Duration::from_secs(60);

/// Deletes that may be in flight at once. Our choice: housekeeping leaves the table's capacity to others.
const DELETES_IN_FLIGHT: usize = 4;

/// The deletes of one time. Each of them names what was seen, so it is harmless if it comes late.
#[derive(Debug)]
pub(crate) struct Tidying {
    /// Rows of workers that are long gone.
    rows: Vec<FleetWrite>,
    /// Leases of ended shards.
    leases: Vec<LeaseWrite>,
}

impl Observer {
    /// Has the table tidied up if it is time. If the last time is not over yet, that is tried again after the next scan.
    pub(super) fn tidy_up(&mut self, now: Instant) {
        if self.tidied.is_some_and(|at| now < at + EACH) {
            return;
        }
        let members = self.turns.members();
        let tidying = Tidying {
            rows: members.stale_rows(self.wall()),
            leases: cleanup::plan(self.turns.watch(), |worker| members.is_ours(worker)),
        };
        if self.parts.tidying.try_send(tidying).is_ok() {
            self.tidied = Some(now);
        }
    }
}

/// Deletes what the observer of a leader asks for.
#[derive(Debug)]
pub(crate) struct Housekeeper {
    context: Context,
    tidying: mpsc::Receiver<Tidying>,
}

impl Housekeeper {
    /// The housekeeper, and where the observer asks it.
    pub(crate) fn new(context: Context) -> (Self, mpsc::Sender<Tidying>) {
        let (asked, tidying) = mpsc::channel(1);
        (Self { context, tidying }, asked)
    }

    /// Tidies up whenever it is asked, until `stop` is set. What fails is tried again a minute later.
    pub(in super::super) async fn run(mut self, stop: &CancellationToken) {
        let work = async {
            while let Some(tidying) = self.tidying.recv().await {
                tidy(&self.context, tidying).await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = work => {}
        }
    }
}

async fn tidy(context: &Context, tidying: Tidying) {
    let Tidying { rows, leases } = tidying;
    let (table, clock) = (&context.table, &context.clock);
    let rows = iter(rows).for_each_concurrent(DELETES_IN_FLIGHT, async |row| {
        clock.timeout(CALL_TIMEOUT, table.write_fleet(&row)).await;
    });
    rows.await;
    let leases = iter(leases).for_each_concurrent(DELETES_IN_FLIGHT, async |lease| {
        let outcome = clock.timeout(CALL_TIMEOUT, table.write(&lease)).await;
        if let Some(WriteOutcome::Applied(lease)) = outcome {
            let lease = lease.key;
            context.observers.tell(FleetEvent::EndedLeaseDeleted { lease });
        }
    });
    leases.await;
}
