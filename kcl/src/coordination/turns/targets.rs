//! Pure: to whom the leases are given that nobody reads.
//!
//! A worker that has died looks alive for a while: for the failover time by its leases, and for a minute by its metrics row, if it
//! had no lease that could expire. It has the least load then, and a lease that it is given waits for another failover time.
//! So of the candidates of the plan
//!
//! * a lease that **expired** goes to those that were seen to live since the second scan of the observation: whatever died together
//!   with its owner was dead by then. So that there are such, one lease of each is read when the time of the suspects is over,
//!   their *witness*. This worker is always one of them.
//! * what finds **no room** there, and what **nobody has read**, goes to all of them. The view limits what a quiet one is given: see
//!   [`WorkerView::most_new`](crate::coordination::planner::WorkerView::most_new).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::{Turns, TurnsPolicy};
use crate::coordination::members::FleetSnapshot;
use crate::coordination::planner::{Decision, Reader, plan};
use crate::lease::model::{LeaseKey, WorkerId};

/// How long ago a worker was seen to live that is given an expired lease, as a part of the failover time, in percent.
///
/// Our choice: an expired lease is read for the last time six tenths after the second scan, and a tenth is for the calls. The owner
/// of the lease, which renews it each third, died before that.
const SURE_PERCENT: u32 = 70;

/// The most witnesses that are read at once. Our choice: they take the leases of a dead worker, and all together are read by a scan.
const WITNESSES: usize = 20;

/// Decides to whom the leases are given that nobody reads.
pub(super) fn decide(fleet: &FleetSnapshot, policy: &TurnsPolicy, now: Instant) -> Vec<Decision> {
    let is_expired = |reader: &Reader| match reader {
        Reader::Expired { .. } => true,
        Reader::Nobody | Reader::Owner { .. } | Reader::HandingOver { .. } => false,
    };
    let expired = fleet.leases.iter().filter(|lease| is_expired(&lease.reader));
    let expired: BTreeSet<_> = expired.map(|lease| lease.key.clone()).collect();
    if expired.is_empty() {
        return plan(&fleet.view(), &policy.planner).assignments;
    }
    let since = now.checked_sub(policy.failover * SURE_PERCENT / 100);
    let sure = fleet.with_workers_seen_since(since.unwrap_or(now));
    let mut decisions = plan(&sure.view(), &policy.planner).assignments;
    decisions.retain(|decision| expired.contains(&decision.lease));
    let rest = fleet.with_given(&decisions, now);
    decisions.extend(plan(&rest.view(), &policy.planner).assignments);
    decisions
}

impl Turns {
    /// The leases by which the other candidates are seen to live, one of each.
    pub(super) fn witnesses(&self) -> Vec<LeaseKey> {
        let mut witnesses: BTreeMap<&WorkerId, &LeaseKey> = BTreeMap::new();
        for watched in self.watch.leases() {
            let is_open = watched.expired.is_none() && !watched.lease.is_finished();
            let owner = watched
                .lease
                .actual_owner()
                .filter(|owner| is_open && **owner != self.me);
            let Some(owner) = owner.filter(|owner| self.members.is_candidate(owner)) else {
                continue;
            };
            witnesses.entry(owner).or_insert(&watched.lease.key);
        }
        witnesses.into_values().take(WITNESSES).cloned().collect()
    }
}
