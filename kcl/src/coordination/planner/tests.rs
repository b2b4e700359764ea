//! Fleets in few words, and in the files below what a plan makes of them.
//!
//! `candidates`, `families`, `by_count`, `by_load` and `relative` have the rules one by one; `oracle` compares whole plans with
//! independent searches, and `fleets` plays rounds in a row.

mod by_count;
mod by_load;
mod candidates;
mod families;
mod fleets;
mod oracle;
mod relative;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Instant;

use super::*;
use crate::checkpoint::position::Position;
use crate::lease::model::{Lease, LeaseKey, WorkerId};

const LEASE_COUNT: PlannerPolicy = PlannerPolicy {
    strategy: Strategy::LeaseCount,
    rebalance_threshold_percent: 10,
    dampening_percent: 60,
    overshoot: Overshoot::Allowed,
    max_throughput_per_host: None,
    max_leases: None,
};

const UTILIZATION: PlannerPolicy = PlannerPolicy {
    strategy: Strategy::Utilization,
    ..LEASE_COUNT
};

/// An hour after the first lease was seen.
fn now() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant cannot be made in another way; only differences count"
    )]
    let start = START.get_or_init(Instant::now);
    *start + Duration::from_secs(3_600)
}

fn ago(seconds: u64) -> Instant {
    now() - Duration::from_secs(seconds)
}

fn id(name: &str) -> WorkerId {
    WorkerId::new(name)
}

fn key(shard: usize) -> LeaseKey {
    static KEYS: OnceLock<Vec<LeaseKey>> = OnceLock::new();
    let make = |shard: usize| Lease::of_orders(&format!("shardId-{shard:03}"), Position::Latest).key;
    let keys = KEYS.get_or_init(|| (0..200).map(make).collect());
    keys.get(shard).cloned().unwrap_or_else(|| make(shard))
}

/// A Rust worker without metrics, seen a second ago.
fn worker(name: &str) -> WorkerView {
    WorkerView {
        id: id(name),
        implementation: Implementation::Rust,
        metrics: Fitness::Default,
        max_leases: None,
        most_new: usize::MAX,
        seen: ago(1),
        lease_expired: None,
    }
}

fn java(name: &str) -> WorkerView {
    WorkerView {
        implementation: Implementation::Java,
        ..worker(name)
    }
}

fn with_room(name: &str, max_leases: usize) -> WorkerView {
    WorkerView {
        max_leases: Some(max_leases),
        ..worker(name)
    }
}

/// A worker whose CPU is used to `value` percent.
fn with_cpu(name: &str, value: f64) -> WorkerView {
    let metrics = [("C".to_owned(), Utilization { value, limit: 100.0 })];
    WorkerView {
        metrics: Fitness::Measured(metrics.into()),
        ..worker(name)
    }
}

fn lease(shard: usize, reader: Reader) -> LeaseView {
    LeaseView {
        key: key(shard),
        reader,
        throughput: None,
        ended: false,
        parents: Vec::new(),
        first_seen: ago(3_600),
    }
}

fn unowned(shard: usize) -> LeaseView {
    lease(shard, Reader::Nobody)
}

fn owned(shard: usize, owner: &str) -> LeaseView {
    let owner = id(owner);
    lease(shard, Reader::Owner { owner, since: None })
}

/// A lease whose failover time was over ten seconds ago.
fn expired(shard: usize, owner: &str) -> LeaseView {
    let (owner, at) = (id(owner), ago(10));
    lease(shard, Reader::Expired { owner, next: None, at })
}

fn handing_over(shard: usize, owner: &str, next: &str, hand_off: HandOff) -> LeaseView {
    let (owner, next) = (id(owner), id(next));
    lease(shard, Reader::HandingOver { owner, next, hand_off })
}

fn reading(lease: LeaseView, kbps: f64) -> LeaseView {
    LeaseView {
        throughput: Some(kbps),
        ..lease
    }
}

fn ended(lease: LeaseView) -> LeaseView {
    LeaseView { ended: true, ..lease }
}

fn child_of(lease: LeaseView, parents: &[usize]) -> LeaseView {
    let parents = parents.iter().map(|parent| key(*parent)).collect();
    LeaseView { parents, ..lease }
}

/// A dead worker's entry: it was seen last before its leases expired.
fn silent(name: &str) -> WorkerView {
    WorkerView {
        seen: ago(20),
        ..worker(name)
    }
}

/// A fleet led by a worker without leases of its own.
#[derive(Debug, Clone)]
struct Fleet {
    workers: Vec<WorkerView>,
    leases: Vec<LeaseView>,
    membership_changed: Option<Instant>,
}

impl Fleet {
    fn new(workers: impl Into<Vec<WorkerView>>, leases: impl IntoIterator<Item = LeaseView>) -> Self {
        Self {
            workers: workers.into(),
            leases: leases.into_iter().collect(),
            membership_changed: None,
        }
    }

    fn plan(&self, policy: &PlannerPolicy) -> Plan {
        self.plan_as("somebody", policy)
    }

    fn plan_as(&self, me: &str, policy: &PlannerPolicy) -> Plan {
        let view = FleetView {
            me: &id(me),
            workers: &self.workers,
            leases: &self.leases,
            membership_changed: self.membership_changed,
            now: now(),
        };
        plan(&view, policy)
    }

    /// The fleet long after the plan was carried out.
    fn after(&self, plan: &Plan) -> Self {
        let mut fleet = self.clone();
        for decision in plan.assignments.iter().chain(&plan.moves) {
            let lease = fleet.leases.iter_mut().find(|lease| lease.key == decision.lease);
            let owner = decision.to.clone();
            lease.unwrap().reader = Reader::Owner { owner, since: None };
        }
        fleet
    }

    /// How many leases each worker has that are neither ended nor given to another.
    fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts: BTreeMap<&str, usize> = self.workers.iter().map(|worker| (worker.id.as_str(), 0)).collect();
        for lease in self.leases.iter().filter(|lease| !lease.ended) {
            match &lease.reader {
                Reader::Owner { owner: home, .. } | Reader::HandingOver { next: home, .. } => {
                    *counts.entry(home.as_str()).or_default() += 1;
                }
                Reader::Nobody | Reader::Expired { .. } => {}
            }
        }
        counts
    }
}

/// `shard → worker` of each decision.
fn pairs(decisions: &[Decision]) -> Vec<(String, &str)> {
    let short = |lease: &LeaseKey| lease.as_str().trim_start_matches("shardId-").to_owned();
    decisions
        .iter()
        .map(|decision| (short(&decision.lease), decision.to.as_str()))
        .collect()
}

fn targets(decisions: &[Decision]) -> Vec<&str> {
    decisions.iter().map(|decision| decision.to.as_str()).collect()
}

fn counts_after(fleet: &Fleet, policy: &PlannerPolicy) -> Vec<usize> {
    fleet.after(&fleet.plan(policy)).counts().into_values().collect()
}
