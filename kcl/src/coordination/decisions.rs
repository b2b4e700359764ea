//! The latest decisions of a worker about leases, for people and for tests.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::lease::model::{LeaseKey, WorkerId};

/// How many are kept. Our choice: an hour of a restless fleet.
const KEPT: usize = 1_000;

/// A decision of this worker about a lease, which the lease table has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// The lease.
    pub lease: LeaseKey,
    /// The owner before, dead or alive.
    pub from: Option<WorkerId>,
    /// The worker that the lease is given to.
    pub to: WorkerId,
    /// What was done.
    pub kind: DecisionKind,
    /// Why, with the numbers that decided.
    pub reason: String,
    /// When, by the time of the lease table's service.
    pub at: SystemTime,
}

/// What was done with a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecisionKind {
    /// Nobody read it, or its hand-off was overdue: it was given to the worker.
    Assigned,
    /// Its owner was asked to hand it over.
    HandOffOffered,
}

/// One line.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            lease,
            from,
            to,
            reason,
            ..
        } = self;
        let done = match self.kind {
            DecisionKind::Assigned => "assigned to",
            DecisionKind::HandOffOffered => "to be handed over to",
        };
        write!(f, "lease {lease} is {done} {to}")?;
        if let Some(from) = from {
            write!(f, ", from {from}")?;
        }
        write!(f, ": {reason}")
    }
}

/// The latest decisions. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decisions(Arc<Mutex<VecDeque<Decision>>>);

impl Decisions {
    pub(crate) fn add(&self, decision: Decision) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(decision);
    }

    /// The latest ones, oldest first.
    pub(crate) fn latest(&self) -> Vec<Decision> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::position::Position;
    use crate::lease::model::Lease;

    #[test]
    fn the_latest_thousand_decisions_are_kept() {
        let decisions = Decisions::default();
        for number in 0..1_003 {
            decisions.add(Decision {
                lease: Lease::of_orders(&format!("shardId-{number}"), Position::Latest).key,
                from: Some(WorkerId::new("a")),
                to: WorkerId::new("b"),
                kind: DecisionKind::Assigned,
                reason: "why".to_owned(),
                at: SystemTime::UNIX_EPOCH,
            });
        }
        let latest = decisions.latest();
        assert_eq!(latest.len(), 1_000);
        assert_eq!(latest[0].to_string(), "lease shardId-3 is assigned to b, from a: why");
    }
}
