//! Pure: which worker is given which lease, as the leader of a fleet decides it.
//!
//! ```text
//!  the live workers, the leases ──► board ──► leases that nobody reads are placed, read ones are moved
//!                                               by count: all counts within one of each other
//!                                               by load:  relative loads near the mean, few moves
//!                                          ──► leases that wait for a parent ──► ended leases, beside Java workers
//! ```
//!
//! | strategy | within 60 s after a membership change | afterwards |
//! |---|---|---|
//! | [`Strategy::LeaseCount`] | by count | by count |
//! | [`Strategy::Utilization`] | by count | by load |
//!
//! *By count*: the counts of leases are as equal as the rooms of the workers allow. Of all plans that reach this, one with
//! the fewest moves is chosen. *By load*: a worker whose relative load differs from the mean by more than the threshold
//! starts a round, which lowers the variance of the relative loads by the calm rules of [`loads`].
//!
//! A candidate is a live worker whose metrics row can be read and does not say that it fails; if there is no such worker, each
//! live worker is a candidate, so that leases are read though no load is known. The owner of an expired lease
//! is a candidate again once it was seen alive after the expiry. In a fleet with Java workers, expired leases go to Rust
//! workers with room first: a Java worker takes up to 13 s until it renews a lease that it is given.
//!
//! Leases of shards that were read to their ends and leases that wait for a parent are no load. The latter are placed last,
//! with the owner of a parent if it has room. A lease in a hand-off counts for its next owner.
//!
//! The plan depends on its arguments alone, and not on the order of the workers and leases in them.
//!
//! In the order of the data: `view` is what a plan is made from; `board` the plan while it is made, with each `candidate` and each
//! `planned_lease`; `relative` their relative loads; `queue` the candidates by load; `counts` and `loads` the two rules, with their
//! `limits`; `search` the choice of moves by load; `waiting` the leases that are no load; `decision` the plan with its reasons.
//!
//! Source of the thresholds and of the relative load: amazon-kinesis-client 3.5, `LeaseAssignmentManager` and
//! `VarianceBasedLeaseAssignmentDecider`. The choice of leases and targets is ours.

mod board;
mod candidate;
mod counts;
mod decision;
mod limits;
mod loads;
mod planned_lease;
mod queue;
mod relative;
mod search;
#[cfg(test)]
mod tests;
mod view;
mod waiting;

use std::time::Duration;

use board::Board;
pub(crate) use decision::{Decision, DecisionReason, NoPlace, Plan, Rule, Unplaced};
pub(crate) use view::{
    Fitness, FleetView, HandOff, Implementation, LeaseView, Overshoot, PlannerPolicy, Reader, Strategy, Utilization,
    WorkerView,
};

/// How long after a membership change the leases are levelled by count.
///
/// Our choice: two reports of worker metrics, before which the metrics do not show what the change has done.
const LEVEL_BY_COUNT: Duration = Duration::from_secs(60);

/// Plans one round of assignments and moves.
pub(crate) fn plan(view: &FleetView<'_>, policy: &PlannerPolicy) -> Plan {
    let rule = rule(view, policy);
    let mut board = Board::new(view, policy);
    let mut plan = Plan::new(board.figures(rule));
    board.place_expired_on_rust_workers(rule, &mut plan);
    match rule {
        Rule::ByCount => counts::level(&mut board, &mut plan),
        Rule::ByLoad => {
            loads::place(&mut board, &mut plan);
            loads::level(&mut board, view.now, policy, &mut plan);
        }
    }
    waiting::place(&mut board, &mut plan);
    plan
}

/// By which rule a round at this time levels.
pub(crate) fn rule(view: &FleetView<'_>, policy: &PlannerPolicy) -> Rule {
    let changed_lately = |at| view.now.saturating_duration_since(at) < LEVEL_BY_COUNT;
    match policy.strategy {
        Strategy::LeaseCount => Rule::ByCount,
        Strategy::Utilization if view.membership_changed.is_some_and(changed_lately) => Rule::ByCount,
        Strategy::Utilization => Rule::ByLoad,
    }
}
