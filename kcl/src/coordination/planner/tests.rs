//! The rules one by one; `oracle` compares whole plans with independent searches, `fleets` plays rounds in a row.

mod fleets;
mod oracle;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Instant;

use super::*;
use crate::checkpoint::position::Position;
use crate::lease::model::{Lease, LeaseKey, WorkerId};

const LEASE_COUNT: PlannerPolicy = PlannerPolicy {
    strategy: Strategy::LeaseCount,
    rebalance_threshold_percent: 10.0,
    dampening_percent: 60.0,
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
        metrics: WorkerMetrics::Default,
        max_leases: None,
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
        metrics: WorkerMetrics::Measured(metrics.into()),
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

// Candidates.

#[test]
fn a_dead_worker_is_not_given_its_own_lease_nor_any_other() {
    let fleet = Fleet::new([silent("dead"), worker("live")], [expired(0, "dead"), unowned(1)]);
    for policy in [LEASE_COUNT, UTILIZATION] {
        assert_eq!(targets(&fleet.plan(&policy).assignments), ["live", "live"]);
    }
}

#[test]
fn a_dead_worker_is_given_nothing_when_others_have_all_its_leases() {
    let dead = WorkerView {
        lease_expired: Some(ago(10)),
        ..silent("dead")
    };
    let alive_again = WorkerView {
        seen: ago(9),
        ..dead.clone()
    };
    for (worker_before, moves) in [(dead, 0), (alive_again, 1)] {
        let plan = Fleet::new([worker_before, worker("live")], [owned(0, "live"), owned(1, "live")]).plan(&LEASE_COUNT);
        assert_eq!(plan.moves.len(), moves);
    }
}

#[test]
fn the_owner_of_an_expired_lease_gets_it_back_once_it_was_seen_alive_after_the_expiry() {
    let fleet = Fleet::new(
        [worker("b"), worker("a")],
        [expired(0, "a"), expired(1, "b"), expired(2, "a"), expired(3, "b")],
    );
    for policy in [LEASE_COUNT, UTILIZATION] {
        let plan = fleet.plan(&policy);
        let mut pairs = pairs(&plan.assignments);
        pairs.sort_unstable();
        assert_eq!(
            pairs,
            [("000", "a"), ("001", "b"), ("002", "a"), ("003", "b")].map(|(shard, to)| (shard.to_owned(), to))
        );
    }
}

#[test]
fn a_worker_that_plans_is_a_candidate_whatever_its_leases_look_like() {
    let fleet = Fleet::new([silent("me")], [expired(0, "me")]);
    assert_eq!(targets(&fleet.plan_as("me", &LEASE_COUNT).assignments), ["me"]);
    let plan = fleet.plan_as("other", &LEASE_COUNT);
    assert_eq!(plan.unplaced[0].reason, NoPlace::NoCandidate { live: 1 });
}

#[test]
fn a_worker_whose_metrics_fail_or_cannot_be_read_is_given_nothing_and_keeps_what_it_has() {
    let nan = with_cpu("bad", f64::NAN).metrics;
    for metrics in [WorkerMetrics::Failing, WorkerMetrics::Invalid, nan] {
        let bad = WorkerView {
            metrics,
            ..worker("bad")
        };
        let leases = [
            owned(0, "bad"),
            owned(1, "bad"),
            owned(2, "bad"),
            unowned(3),
            unowned(4),
        ];
        let plan = Fleet::new([bad, worker("good")], leases).plan(&LEASE_COUNT);
        assert_eq!((targets(&plan.assignments), plan.moves), (vec!["good", "good"], vec![]));
    }
}

#[test]
fn if_no_worker_has_usable_metrics_leases_are_given_to_all_live_workers() {
    let unusable = [
        WorkerMetrics::Failing,
        WorkerMetrics::Invalid,
        with_cpu("c", f64::NAN).metrics,
    ];
    let live = ["a", "b", "c"].into_iter().zip(unusable);
    let live = live.map(|(name, metrics)| WorkerView {
        metrics,
        ..worker(name)
    });
    let leases = (0..6).map(|shard| match shard {
        0 => expired(0, "dead"),
        _ => unowned(shard),
    });
    let fleet = Fleet::new(live.chain([silent("dead")]).collect::<Vec<_>>(), leases);
    for policy in [LEASE_COUNT, UTILIZATION] {
        assert_eq!(fleet.plan(&policy).figures.candidates, 3);
        assert_eq!(counts_after(&fleet, &policy), [2, 2, 2, 0]);
    }
}

#[test]
fn a_full_worker_is_given_nothing_and_what_has_no_place_is_told() {
    let fleet = Fleet::new(
        [with_room("full", 1), with_room("small", 2), silent("dead")],
        [owned(0, "full"), unowned(1), expired(2, "dead"), unowned(3)],
    );
    for policy in [LEASE_COUNT, UTILIZATION] {
        let plan = fleet.plan(&policy);
        assert_eq!(targets(&plan.assignments), ["small", "small"]);
        // What was read before goes first.
        assert_eq!(plan.assignments.iter().filter(|made| made.lease == key(2)).count(), 1);
        assert_eq!(
            plan.unplaced,
            [Unplaced {
                lease: key(3),
                reason: NoPlace::NoRoom { candidates: 2 }
            }]
        );
        assert_eq!((plan.figures.room, plan.figures.leases, plan.figures.live), (3, 4, 3));
    }
}

#[test]
fn the_room_of_a_worker_whose_row_says_nothing_is_that_of_the_settings() {
    let policy = PlannerPolicy {
        max_leases: Some(1),
        ..LEASE_COUNT
    };
    let plan = Fleet::new([java("a"), with_room("b", 3)], (0..5).map(unowned)).plan(&policy);
    assert_eq!((plan.assignments.len(), plan.unplaced.len()), (4, 1));
}

#[test]
fn a_worker_with_two_rows_counts_once() {
    let fleet = Fleet::new([worker("a"), worker("a"), worker("b")], (0..4).map(unowned));
    assert_eq!(counts_after(&fleet, &LEASE_COUNT), [2, 2]);
    let older = WorkerView {
        metrics: WorkerMetrics::Failing,
        seen: ago(30),
        ..worker("a")
    };
    for workers in [[older.clone(), worker("a")], [worker("a"), older]] {
        assert_eq!(
            Fleet::new(workers, [unowned(0)]).plan(&LEASE_COUNT).assignments.len(),
            1
        );
    }
}

// Rust workers before Java workers.

#[test]
fn an_expired_lease_goes_to_a_rust_worker_with_room_though_a_java_worker_has_fewer_leases() {
    let leases = || [owned(0, "rust"), owned(1, "rust"), expired(2, "dead")];
    let plan = Fleet::new([worker("rust"), java("java")], leases()).plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["rust"]);
    let plan = Fleet::new([with_room("rust", 2), java("java")], leases()).plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["java"]);
}

#[test]
fn a_lease_without_owner_goes_to_the_java_worker_that_has_fewer_leases() {
    let leases = [owned(0, "rust"), unowned(1)];
    let plan = Fleet::new([worker("rust"), java("java")], leases).plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["java"]);
    let plan = Fleet::new([java("java"), worker("rust")], [unowned(0)]).plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["rust"]);
}

#[test]
fn an_expired_lease_is_not_torn_from_a_java_worker_that_lives() {
    let leases = [expired(0, "java"), owned(1, "rust")];
    let plan = Fleet::new([worker("rust"), java("java")], leases).plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["java"]);
}

// Families.

#[test]
fn a_lease_that_waits_for_a_parent_is_no_load() {
    let leases = [
        owned(0, "a"),
        child_of(owned(1, "a"), &[0]),
        child_of(owned(2, "a"), &[0]),
        owned(3, "b"),
    ];
    let plan = Fleet::new([worker("a"), worker("b")], leases).plan(&LEASE_COUNT);
    assert_eq!((plan.moves, plan.figures.leases), (vec![], 2));
}

#[test]
fn a_child_goes_after_its_parents_to_the_owner_of_one() {
    let leases = [
        child_of(unowned(0), &[1]),
        child_of(unowned(1), &[5]),
        child_of(unowned(2), &[5]),
        owned(3, "a"),
        unowned(5),
    ];
    let plan = Fleet::new([worker("a"), worker("b")], leases).plan(&LEASE_COUNT);
    let expected = [("005", "b"), ("001", "b"), ("002", "b"), ("000", "b")];
    assert_eq!(
        pairs(&plan.assignments),
        expected.map(|(shard, to)| (shard.to_owned(), to))
    );
    assert_eq!(
        plan.assignments[1].reason,
        DecisionReason::FollowsParent { parent: key(5) }
    );
}

#[test]
fn a_parent_that_has_ended_or_has_no_lease_is_not_waited_for() {
    let leases = [
        ended(owned(0, "a")),
        child_of(unowned(1), &[0]),
        child_of(unowned(2), &[9]),
    ];
    let fleet = Fleet::new([worker("a"), worker("b")], leases);
    assert_eq!(fleet.plan(&LEASE_COUNT).figures.leases, 2);
    assert_eq!(counts_after(&fleet, &LEASE_COUNT), [1, 1]);
}

#[test]
fn a_child_takes_its_parents_place_in_the_room_and_its_sibling_goes_elsewhere() {
    let children = [child_of(unowned(1), &[0]), child_of(unowned(2), &[0])];
    let fleet = Fleet::new(
        [with_room("a", 1), with_room("b", 1)],
        [vec![owned(0, "a")], children.to_vec()].concat(),
    );
    let plan = fleet.plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["a", "b"]);
    assert_eq!(plan.assignments[1].reason, DecisionReason::WaitsForParent { leases: 0 });
    let plan = Fleet::new([with_room("a", 1)], fleet.leases).plan(&LEASE_COUNT);
    assert_eq!((plan.assignments.len(), plan.unplaced.len()), (1, 1));
}

#[test]
fn the_parent_for_which_a_full_worker_waits_is_placed_with_it() {
    let leases = [unowned(0), child_of(owned(1, "a"), &[0]), child_of(owned(2, "a"), &[0])];
    for policy in [LEASE_COUNT, UTILIZATION] {
        let plan = Fleet::new([with_room("a", 2)], leases.clone()).plan(&policy);
        assert_eq!(targets(&plan.assignments), ["a"]);
    }
}

#[test]
fn leases_that_wait_for_each_other_are_placed() {
    let leases = [child_of(unowned(0), &[1]), child_of(unowned(1), &[0])];
    let plan = Fleet::new([worker("a")], leases).plan(&LEASE_COUNT);
    assert_eq!(plan.assignments.len(), 2);
}

#[test]
fn an_ended_lease_is_no_load_and_is_placed_only_beside_java_workers() {
    let leases = || {
        [
            ended(owned(0, "a")),
            ended(owned(1, "a")),
            ended(unowned(2)),
            owned(3, "a"),
            owned(4, "b"),
        ]
    };
    let plan = Fleet::new([worker("a"), worker("b")], leases()).plan(&LEASE_COUNT);
    assert_eq!((plan.assignments, plan.moves, plan.unplaced), (vec![], vec![], vec![]));
    let plan = Fleet::new([worker("a"), java("b")], leases()).plan(&LEASE_COUNT);
    assert_eq!((targets(&plan.assignments), plan.moves), (vec!["b"], vec![]));
    assert_eq!(plan.assignments[0].reason, DecisionReason::Ended);
}

// Hand-offs.

#[test]
fn a_lease_in_a_hand_off_counts_for_its_next_owner_and_is_left_alone() {
    let leases = [
        owned(0, "a"),
        owned(1, "a"),
        handing_over(2, "a", "b", HandOff::Pending),
        unowned(3),
    ];
    let plan = Fleet::new([worker("a"), worker("b")], leases).plan(&LEASE_COUNT);
    assert_eq!((targets(&plan.assignments), plan.moves), (vec!["b"], vec![]));
}

#[test]
fn an_overdue_hand_off_is_ended_by_giving_the_lease_to_its_next_owner_if_that_lives() {
    let leases = [
        owned(0, "a"),
        owned(1, "b"),
        handing_over(2, "a", "b", HandOff::Overdue),
    ];
    let plan = Fleet::new([worker("a"), worker("b")], leases.clone()).plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["b"]);
    assert_eq!(
        plan.assignments[0].reason,
        DecisionReason::HandOffOverdue { leases: 1, load: None }
    );
    let plan = Fleet::new([worker("a"), worker("c")], leases).plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["c"]);
}

// By count.

#[test]
fn a_new_worker_gets_its_share_in_one_plan_with_as_many_moves_as_it_takes() {
    let leases = (0..10).map(|shard| owned(shard, if shard < 5 { "a" } else { "b" }));
    let fleet = Fleet::new([worker("a"), worker("b"), worker("c")], leases);
    let plan = fleet.plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.moves), ["c", "c", "c"]);
    assert_eq!(
        plan.moves[0].reason,
        DecisionReason::LevelByCount {
            from_leases: 5,
            to_leases: 0
        }
    );
    assert_eq!(counts_after(&fleet, &LEASE_COUNT), [4, 3, 3]);
}

#[test]
fn counts_that_differ_by_one_are_left_alone() {
    let leases = (0..5).map(|shard| owned(shard, if shard < 2 { "a" } else { "b" }));
    assert_eq!(
        Fleet::new([worker("a"), worker("b")], leases).plan(&LEASE_COUNT).moves,
        []
    );
}

#[test]
fn a_worker_with_more_leases_than_it_may_have_gives_away_those_for_which_others_have_room() {
    let leases = (0..5).map(|shard| owned(shard, "a"));
    let fleet = Fleet::new([with_room("a", 2), with_room("b", 1)], leases);
    assert_eq!(counts_after(&fleet, &LEASE_COUNT), [4, 1]);
}

#[test]
fn leases_that_came_lately_and_parents_of_children_stay_rather_than_others() {
    let late = LeaseView {
        reader: Reader::Owner {
            owner: id("a"),
            since: Some(ago(5)),
        },
        ..owned(0, "a")
    };
    let leases = [
        late,
        owned(1, "a"),
        child_of(owned(2, "a"), &[1]),
        owned(3, "a"),
        owned(4, "a"),
    ];
    let plan = Fleet::new([worker("a"), worker("b")], leases).plan(&LEASE_COUNT);
    assert_eq!(pairs(&plan.moves), [("003".to_owned(), "b"), ("004".to_owned(), "b")]);
}

#[test]
fn for_a_minute_after_a_membership_change_utilization_levels_by_count() {
    let leases = (0..4).map(|shard| owned(shard, "a"));
    let mut fleet = Fleet::new([worker("a"), worker("b")], leases);
    fleet.membership_changed = Some(ago(59));
    let plan = fleet.plan(&UTILIZATION);
    assert_eq!((plan.figures.rule, plan.moves.len()), (Rule::ByCount, 2));
    fleet.membership_changed = Some(ago(60));
    let plan = fleet.plan(&UTILIZATION);
    assert_eq!((plan.figures.rule, plan.moves.len()), (Rule::ByLoad, 0));
}

#[test]
fn the_leases_of_a_dead_worker_are_dealt_by_size_so_that_loads_come_out_alike() {
    let sizes = [1.0, 4.0, 6.0, 5.0];
    let leases = (0..4).map(|shard| reading(expired(shard, "dead"), sizes[shard]));
    let mut fleet = Fleet::new([worker("a"), worker("b")], leases);
    fleet.membership_changed = Some(ago(1));
    let plan = fleet.plan(&UTILIZATION);
    let of_a = plan.assignments.iter().filter(|made| made.to == id("a"));
    let sum: f64 = of_a
        .filter_map(|made| fleet.leases.iter().find(|lease| lease.key == made.lease)?.throughput)
        .sum();
    assert!(sum == 7.0 || sum == 9.0, "{sum}");
}

// By load.

/// `a` reads as much as the sum of `sizes`, the others each as much as one number of theirs.
fn loaded(sizes: &[f64], others: &[(&str, f64)]) -> Fleet {
    let mut fleet = Fleet::new([worker("a")], []);
    for size in sizes {
        fleet.leases.push(reading(owned(fleet.leases.len(), "a"), *size));
    }
    for (name, size) in others {
        fleet.workers.push(worker(name));
        fleet.leases.push(reading(owned(fleet.leases.len(), name), *size));
    }
    fleet
}

#[test]
fn a_worker_above_the_threshold_gives_leases_to_the_least_loaded_one() {
    let fleet = loaded(
        &[50.0, 20.0, 20.0, 10.0, 10.0, 10.0, 10.0, 10.0],
        &[("b", 90.0), ("c", 70.0)],
    );
    let plan = fleet.plan(&UTILIZATION);
    // 60 % of the 40 above the mean.
    let moved: Vec<_> = plan
        .moves
        .iter()
        .filter_map(|made| match made.reason {
            DecisionReason::LevelByLoad { size, .. } => Some((size * 100.0).round()),
            DecisionReason::Unowned { .. }
            | DecisionReason::Expired { .. }
            | DecisionReason::HandOffOverdue { .. }
            | DecisionReason::FollowsParent { .. }
            | DecisionReason::WaitsForParent { .. }
            | DecisionReason::Ended
            | DecisionReason::LevelByCount { .. } => None,
        })
        .collect();
    assert_eq!((moved.iter().sum::<f64>(), targets(&plan.moves)), (20.0, vec!["c"]));
}

#[test]
fn loads_within_the_threshold_are_left_alone() {
    assert_eq!(loaded(&[60.0, 50.0], &[("b", 90.0)]).plan(&UTILIZATION).moves, []);
    assert_ne!(loaded(&[60.0, 42.0, 9.0], &[("b", 89.0)]).plan(&UTILIZATION).moves, []);
}

#[test]
fn no_lease_is_moved_by_load_without_traffic() {
    // With metrics, with and without a known throughput, and with nothing known at all.
    for throughput in [None, Some(0.0), Some(f64::NAN)] {
        let leases = (0..4).map(|shard| LeaseView {
            throughput,
            ..owned(shard, "a")
        });
        for workers in [
            [worker("a"), worker("b")],
            [with_cpu("a", 90.0), with_cpu("b", 10.0)],
            [with_cpu("a", 0.0), with_cpu("b", 0.0)],
        ] {
            let plan = Fleet::new(workers, leases.clone()).plan(&UTILIZATION);
            assert_eq!((plan.figures.rule, plan.moves), (Rule::ByLoad, vec![]));
        }
    }
}

#[test]
fn without_traffic_leases_are_placed_in_equal_numbers() {
    for kbps in [None, Some(0.0), Some(f64::INFINITY)] {
        let leases = (0..9).map(|shard| LeaseView {
            throughput: kbps,
            ..unowned(shard)
        });
        for cpu in [None, Some(0.0), Some(50.0)] {
            let make = |name| cpu.map_or(worker(name), |cpu| with_cpu(name, cpu));
            let fleet = Fleet::new([make("a"), make("b"), make("c")], leases.clone());
            assert_eq!(counts_after(&fleet, &UTILIZATION), [3, 3, 3], "{kbps:?} {cpu:?}");
        }
    }
}

#[test]
fn a_move_that_gains_less_than_one_percent_is_not_made() {
    // Either way one worker would have 1.2 of the mean.
    assert_eq!(loaded(&[40.4, 79.6], &[("b", 80.0)]).plan(&UTILIZATION).moves, []);
    assert_eq!(loaded(&[37.0, 83.0], &[("b", 80.0)]).plan(&UTILIZATION).moves.len(), 1);
}

#[test]
fn overshoot_moves_one_lease_that_is_larger_than_the_share_unless_it_is_forbidden() {
    let fleet = loaded(&[80.0, 80.0], &[("b", 40.0)]);
    assert_eq!(fleet.plan(&UTILIZATION).moves.len(), 1);
    let policy = PlannerPolicy {
        overshoot: Overshoot::Forbidden,
        ..UTILIZATION
    };
    assert_eq!(fleet.plan(&policy).moves, []);
}

#[test]
fn a_target_is_not_filled_beyond_its_operating_range() {
    let busy = |name: &str, value, limit| {
        let metrics = [("C".to_owned(), Utilization { value, limit })];
        WorkerView {
            metrics: WorkerMetrics::Measured(metrics.into()),
            ..worker(name)
        }
    };
    let leases = (0..10).map(|shard| reading(owned(shard, "a"), 10.0));
    let fleet = |limit| Fleet::new([busy("a", 60.0, 100.0), busy("b", 30.0, limit)], leases.clone());
    assert_eq!(fleet(100.0).plan(&UTILIZATION).moves.len(), 1);
    assert_eq!(fleet(31.0).plan(&UTILIZATION).moves, []);
}

#[test]
fn a_worker_beyond_its_operating_range_gives_leases_away_though_it_is_not_above_the_threshold() {
    let metrics = [(
        "C".to_owned(),
        Utilization {
            value: 52.0,
            limit: 51.0,
        },
    )];
    let a = WorkerView {
        metrics: WorkerMetrics::Measured(metrics.into()),
        ..worker("a")
    };
    let leases = (0..100).map(|shard| reading(owned(shard, "a"), 1.0));
    let plan = Fleet::new([a, with_cpu("b", 48.0)], leases).plan(&UTILIZATION);
    assert_eq!(targets(&plan.moves), ["b"]);
}

#[test]
fn a_lease_that_was_moved_lately_rests() {
    let mut fleet = loaded(&[50.0, 50.0, 50.0], &[("b", 50.0)]);
    for (seconds, moves) in [(299, 0), (300, 1)] {
        for lease in &mut fleet.leases[..3] {
            let since = Some(ago(seconds));
            lease.reader = Reader::Owner { owner: id("a"), since };
        }
        assert_eq!(fleet.plan(&UTILIZATION).moves.len(), moves);
    }
}

#[test]
fn a_worker_whose_leases_have_just_changed_takes_no_part() {
    let mut fleet = loaded(&[50.0, 50.0, 50.0], &[("b", 50.0)]);
    for (seconds, moves) in [(59, 0), (60, 1)] {
        let since = Some(ago(seconds));
        fleet.leases[3].reader = Reader::Owner { owner: id("b"), since };
        assert_eq!(fleet.plan(&UTILIZATION).moves.len(), moves);
    }
    fleet.leases[3] = reading(handing_over(3, "b", "a", HandOff::Pending), 1.0);
    assert_eq!(fleet.plan(&UTILIZATION).moves, []);
}

#[test]
fn a_round_that_places_leases_moves_none_by_load() {
    let mut fleet = loaded(&[50.0, 50.0, 50.0], &[("b", 50.0)]);
    fleet.leases.push(reading(unowned(9), 1.0));
    let plan = fleet.plan(&UTILIZATION);
    assert_eq!((targets(&plan.assignments), plan.moves), (vec!["b"], vec![]));
}

#[test]
fn no_worker_is_to_read_more_than_the_limit_but_a_lease_beyond_it_has_a_worker_of_its_own() {
    let policy = PlannerPolicy {
        max_throughput_per_host: Some(100.0),
        ..UTILIZATION
    };
    let leases = [
        reading(unowned(0), 150.0),
        reading(unowned(1), 60.0),
        reading(unowned(2), 60.0),
    ];
    let mut fleet = Fleet::new([worker("a"), worker("b")], leases);
    for (changed, rule) in [(None, Rule::ByLoad), (Some(ago(1)), Rule::ByCount)] {
        fleet.membership_changed = changed;
        let plan = fleet.plan(&policy);
        assert_eq!(
            (plan.figures.rule, pairs(&plan.assignments)),
            (rule, vec![("000".to_owned(), "a"), ("001".to_owned(), "b")])
        );
        let reason = NoPlace::TooMuchThroughput {
            kbps: 60.0,
            limit: 100.0,
        };
        assert_eq!(plan.unplaced, [Unplaced { lease: key(2), reason }]);
    }
}

#[test]
fn a_worker_with_metrics_has_the_load_of_its_largest_one() {
    let metrics = |cpu: f64, memory: f64| {
        let metric = |value| Utilization { value, limit: 100.0 };
        WorkerMetrics::Measured([("C".to_owned(), metric(cpu)), ("M".to_owned(), metric(memory))].into())
    };
    let make = |name, cpu, memory| WorkerView {
        metrics: metrics(cpu, memory),
        ..worker(name)
    };
    let workers = [make("a", 10.0, 80.0), make("b", 10.0, 10.0), make("c", 10.0, 30.0)];
    let fleet = Fleet::new(workers, [unowned(0)]);
    let plan = fleet.plan(&UTILIZATION);
    assert_eq!(targets(&plan.assignments), ["b"]);
    assert_eq!(
        plan.assignments[0].reason,
        DecisionReason::Unowned {
            leases: 0,
            load: Some(1.0)
        }
    );
}

/// A worker with these metrics, each in percent.
fn with_metrics(name: &str, metrics: &[(&str, f64)]) -> WorkerView {
    let metric = |(name, value): &(&str, f64)| {
        let (value, limit) = (*value, 100.0);
        ((*name).to_owned(), Utilization { value, limit })
    };
    WorkerView {
        metrics: WorkerMetrics::Measured(metrics.iter().map(metric).collect()),
        ..worker(name)
    }
}

/// The new owner of an unowned lease in a round by load, and the load that it had.
fn placed_by_load(workers: impl Into<Vec<WorkerView>>, leases: impl IntoIterator<Item = LeaseView>) -> (String, f64) {
    let fleet = Fleet::new(workers, leases.into_iter().chain([reading(unowned(9), 1.0)]));
    let plan = fleet.plan(&UTILIZATION);
    let [
        Decision {
            to,
            reason: DecisionReason::Unowned { load: Some(load), .. },
            ..
        },
    ] = &plan.assignments[..]
    else {
        panic!("{plan:?}")
    };
    (to.to_string(), (load * 1000.0).round() / 1000.0)
}

#[test]
fn a_metric_that_not_all_candidates_report_does_not_count_for_the_load() {
    let workers = [
        with_metrics("a", &[("C", 10.0), ("M", 50.0)]),
        with_metrics("b", &[("C", 30.0)]),
        with_metrics("c", &[("C", 50.0)]),
    ];
    assert_eq!(placed_by_load(workers, []), ("a".to_owned(), 0.333));
}

#[test]
fn without_a_metric_that_all_candidates_report_the_load_is_the_throughput() {
    let leases = || [reading(owned(0, "a"), 90.0), reading(owned(1, "b"), 9.0)];
    let cpu = with_metrics("a", &[("C", 50.0)]);
    for other in [with_metrics("b", &[("M", 50.0)]), worker("b")] {
        assert_eq!(placed_by_load([cpu.clone(), other], leases()), ("b".to_owned(), 0.18));
    }
    let memory = with_metrics("b", &[("M", 50.0)]);
    assert_eq!(placed_by_load([worker("a"), memory], leases()), ("b".to_owned(), 0.18));
}

#[test]
fn a_metric_that_one_candidate_reports_still_keeps_it_within_its_operating_range() {
    let leases = || (0..10).map(|shard| reading(owned(shard, "a"), 10.0));
    let fleet = |value| Fleet::new([worker("a"), with_metrics("b", &[("C", value)])], leases());
    assert_eq!(fleet(50.0).plan(&UTILIZATION).moves.len(), 3);
    assert_eq!(fleet(99.0).plan(&UTILIZATION).moves, []);
}

#[test]
fn reasons_are_sentences_with_the_numbers_that_decided() {
    let fleet = loaded(&[80.0, 80.0], &[("b", 40.0)]);
    let plan = fleet.plan(&UTILIZATION);
    assert_eq!(
        plan.moves[0].reason.to_string(),
        "its owner had 1.600 of the mean load, the new owner 0.400, and the lease is 0.800"
    );
    let plan = Fleet::new([silent("a")], [expired(0, "a")]).plan(&LEASE_COUNT);
    assert_eq!(
        plan.unplaced[0].reason.to_string(),
        "none of 1 live workers can be given leases"
    );
}
