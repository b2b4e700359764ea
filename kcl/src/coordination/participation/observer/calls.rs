//! The calls of an observer. Each one ends after a second, so that no turn waits for longer.

use futures::StreamExt as _;
use futures::stream::iter;

use super::super::{CALL_TIMEOUT, Context};
use super::Observer;
use crate::coordination::decisions::DecisionKind;
use crate::coordination::turns::{Assignment, TurnCall, TurnReply};
use crate::error::TableError;
use crate::lease::item::Row;
use crate::lease::model::LeaseKey;
use crate::lease::renewer::timed_out;
use crate::lease::table::ScanPage;
use crate::lease::write::WriteOutcome;
use crate::metrics::Outcome;

/// Calls that may be in flight at once. Our choice.
const CALLS_IN_FLIGHT: usize = 32;

impl Observer {
    /// Makes a call of a turn. Leases of other streams are left out of its reply.
    pub(super) async fn carry_out(&mut self, call: TurnCall) -> TurnReply {
        match call {
            TurnCall::ScanPage { from } => {
                if from.is_none() {
                    self.left_out = Default::default();
                    self.holes.clear();
                }
                let page = self.scan_page(from.as_ref()).await;
                TurnReply::Page(page.map(|page| self.of_this_stream(page)))
            }
            TurnCall::Get(keys) => {
                let context = &self.parts.context;
                let rows = iter(keys).map(|key| get(context, key)).buffered(CALLS_IN_FLIGHT);
                TurnReply::Rows(rows.collect().await)
            }
            TurnCall::Assign(assignments) => {
                let outcomes = self.write_all(assignments).await;
                let outcomes = outcomes.into_iter().map(|(assignment, outcome)| {
                    self.decided(&assignment.decision, DecisionKind::Assigned, &outcome);
                    (assignment.decision.lease, outcome)
                });
                TurnReply::Assigned(outcomes.collect())
            }
        }
    }

    async fn scan_page(&self, from: Option<&LeaseKey>) -> Result<ScanPage, TableError> {
        let Context {
            table,
            clock,
            observers,
            ..
        } = &self.parts.context;
        let begun = clock.now();
        let page = clock.timeout(CALL_TIMEOUT, table.scan_page(from)).await;
        let page = page.unwrap_or_else(|| Err(timed_out("Scan", CALL_TIMEOUT)));
        observers.ended(Outcome::LIST_LEASES, begun, &page);
        if let Err(error) = &page {
            self.tell_of_failure(error.clone());
        }
        page
    }

    fn of_this_stream(&mut self, mut page: ScanPage) -> ScanPage {
        page.rows.retain(|row| match row {
            Row::Lease(lease) => self.parts.context.other_streams.is_of_this(lease, &mut self.left_out),
            Row::Hole(hole) => {
                self.holes.insert(hole.key.clone());
                let table = self.parts.context.table.name();
                self.parts.context.observers.tell(hole.event(table));
                false
            }
            Row::Foreign(..) => true,
        });
        page
    }

    /// Makes writes, each bound to what was seen.
    pub(super) async fn write_all(&self, writes: Vec<Assignment>) -> Vec<(Assignment, WriteOutcome)> {
        let context = &self.parts.context;
        let written = iter(writes)
            .map(|assignment| write(context, assignment))
            .buffered(CALLS_IN_FLIGHT);
        written.collect().await
    }
}

async fn get(context: &Context, key: LeaseKey) -> (LeaseKey, Result<Option<Row>, TableError>) {
    let row = context.clock.timeout(CALL_TIMEOUT, context.table.get(&key)).await;
    let row = row.unwrap_or_else(|| Err(timed_out("GetItem", CALL_TIMEOUT)));
    (key, row)
}

async fn write(context: &Context, assignment: Assignment) -> (Assignment, WriteOutcome) {
    let written = context.table.write(&assignment.write);
    let outcome = context.clock.timeout(CALL_TIMEOUT, written).await;
    let outcome = outcome.unwrap_or_else(|| WriteOutcome::Unknown(timed_out("UpdateItem", CALL_TIMEOUT)));
    match &outcome {
        WriteOutcome::Applied(_) | WriteOutcome::Refused(_) => context.health.writes.over(),
        WriteOutcome::NotApplied(error) | WriteOutcome::Unknown(error) => {
            context.health.writes.met(error.clone(), context.clock.now());
        }
    }
    (assignment, outcome)
}
