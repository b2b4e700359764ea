//! Pure: when a leader levels the leases of its fleet.
//!
//! A new leader waits a moment for the metrics rows of others. Right after a membership change, or with a strategy that levels
//! by count, each whole scan is a round; by load a round is made each minute, as in the KCL, because the metrics do not show
//! earlier what the last one has done.

use std::time::{Duration, Instant};

use crate::coordination::leadership::Term;
use crate::coordination::members::FleetSnapshot;
use crate::coordination::planner::{Plan, PlannerPolicy, Rule, plan, rule};

/// How long a new leader waits. Our choice.
const WAIT: Duration = Duration::from_secs(1);

/// Between two rounds by load. The KCL's.
const BETWEEN: Duration = Duration::from_secs(60);

/// The rounds of one worker.
#[derive(Debug, Default)]
pub(super) struct Duties {
    term: Option<u64>,
    /// When the first scan of the term ended.
    since: Option<Instant>,
    /// The last round by load of the term.
    levelled: Option<Instant>,
}

impl Duties {
    /// The round that a whole scan at `now` asks for, if there is one.
    pub(super) fn round(
        &mut self,
        term: Term,
        fleet: &FleetSnapshot,
        policy: &PlannerPolicy,
        now: Instant,
    ) -> Option<Plan> {
        if self.term != Some(term.number) {
            *self = Self {
                term: Some(term.number),
                ..Self::default()
            };
        }
        let since = *self.since.get_or_insert(now);
        if now < since + WAIT {
            return None;
        }
        let view = fleet.view();
        match rule(&view, policy) {
            Rule::ByCount => {}
            Rule::ByLoad if self.levelled.is_some_and(|at| now < at + BETWEEN) => return None,
            Rule::ByLoad => self.levelled = Some(now),
        }
        Some(plan(&view, policy))
    }
}
