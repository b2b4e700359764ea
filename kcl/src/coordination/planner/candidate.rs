//! Pure: the workers that can be given leases.

use std::collections::BTreeMap;
use std::time::Instant;

use super::decision::Rule;
use super::view::{LeaseView, PlannerPolicy, WorkerView};
use crate::lease::model::WorkerId;

/// A candidate's place in the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CandidateIndex(pub(super) usize);

/// A worker that can be given leases.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) view: &'a WorkerView,
    /// The leases that are load.
    pub(super) count: usize,
    /// The most of them that it may have.
    pub(super) room: usize,
    /// The most leases that it may have.
    pub(super) max_leases: usize,
    /// 1.0 is the mean.
    pub(super) load: f64,
    /// By how much the load may grow within the operating range; negative beyond it.
    pub(super) headroom: f64,
    /// KB/s.
    pub(super) throughput: f64,
    /// Whether its metrics show the leases that it has.
    pub(super) settled: bool,
}

/// The live workers with usable metrics. If no live worker has such metrics, all live workers.
pub(super) fn candidates<'a>(
    workers: &[&'a WorkerView],
    leases: &[&LeaseView],
    me: &WorkerId,
    policy: &PlannerPolicy,
) -> Vec<Candidate<'a>> {
    let mut expiries: BTreeMap<&WorkerId, Instant> = BTreeMap::new();
    for (owner, at) in leases.iter().filter_map(|lease| lease.reader.expired()) {
        let latest = expiries.entry(owner).or_insert(at);
        *latest = at.max(*latest);
    }
    let is_alive = |worker: &WorkerView| {
        let expired = worker.lease_expired.max(expiries.get(&worker.id).copied());
        worker.id == *me || expired.is_none_or(|expired| worker.seen > expired)
    };
    let alive = || workers.iter().filter(|worker| is_alive(worker));
    let is_any_usable = alive().any(|worker| worker.metrics.is_usable());
    let chosen = alive().filter(|worker| !is_any_usable || worker.metrics.is_usable());
    let candidate = |worker: &&'a WorkerView| {
        let max_leases = worker.max_leases.or(policy.max_leases).unwrap_or(usize::MAX);
        Candidate {
            view: worker,
            count: 0,
            room: max_leases,
            max_leases,
            load: 0.0,
            headroom: f64::INFINITY,
            throughput: 0.0,
            settled: true,
        }
    };
    chosen.map(candidate).collect()
}

impl Candidate<'_> {
    /// What the candidate with the least is chosen by.
    pub(super) fn rank(&self, rule: Rule) -> Rank {
        let load = Finite(self.load);
        match rule {
            Rule::ByCount => (Finite(0.0), self.count, load),
            Rule::ByLoad => (load, self.count, load),
        }
    }

    pub(super) fn gain(&mut self, size: f64, throughput: f64) {
        self.count += 1;
        self.load += size;
        self.headroom -= size;
        self.throughput += throughput;
    }

    pub(super) fn lose(&mut self, size: f64, throughput: f64) {
        self.count = self.count.saturating_sub(1);
        self.load -= size;
        self.headroom += size;
        self.throughput -= throughput;
    }
}

/// Load, leases, and load again among equals.
pub(super) type Rank = (Finite, usize, Finite);

/// A number with a total order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Finite(pub(super) f64);

impl Eq for Finite {}

impl PartialOrd for Finite {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Finite {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
