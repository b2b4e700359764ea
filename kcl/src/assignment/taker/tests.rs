//! The rule's cases one by one, then whole fleets of takers on one table.

use proptest::prelude::*;

use super::*;

const FAILOVER: Duration = Duration::from_secs(10);

const POLICY: TakerPolicy = TakerPolicy {
    failover: FAILOVER,
    max_leases: usize::MAX,
    max_leases_to_steal: 1,
    very_old_leases: VeryOldLeases::TakenFirst,
};

fn start() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant cannot be made in another way; only differences count"
    )]
    Instant::now()
}

fn worker(name: &str) -> WorkerId {
    WorkerId::new(name)
}

/// The lease of shard `shard`, owned by `owner` unless that is empty.
fn lease(shard: usize, owner: &str) -> Lease {
    let mut lease = Lease::of_orders(
        &format!("shardId-{shard:03}"),
        crate::checkpoint::position::Position::Latest,
    );
    lease.owner = (!owner.is_empty()).then(|| worker(owner));
    lease
}

/// One lease for each name, in this order; an empty name is nobody.
fn table(owners: &[&str]) -> Vec<Lease> {
    owners
        .iter()
        .enumerate()
        .map(|(shard, owner)| lease(shard, owner))
        .collect()
}

fn renewed(leases: &[Lease], owner: &str) -> Vec<Lease> {
    let is_theirs = |lease: &Lease| lease.actual_owner() == Some(&worker(owner));
    leases
        .iter()
        .map(|lease| Lease {
            counter: lease.counter + u64::from(is_theirs(lease)),
            ..lease.clone()
        })
        .collect()
}

/// The worker `me`, and how it plans after some time.
struct Me {
    taker: Taker,
    held: BTreeSet<LeaseKey>,
    now: Instant,
    rng: fastrand::Rng,
}

impl Me {
    fn new(policy: TakerPolicy) -> Self {
        Self {
            taker: Taker::new(worker("me"), policy),
            held: BTreeSet::new(),
            now: start(),
            rng: fastrand::Rng::with_seed(7),
        }
    }

    /// Holds all leases of the table that name it.
    fn holding(mut self, leases: &[Lease]) -> Self {
        let mine = leases.iter().filter(|lease| lease.owner == Some(worker("me")));
        self.held = mine.map(|lease| lease.key.clone()).collect();
        self
    }

    fn plan(&mut self, leases: &[Lease]) -> TakePlan {
        self.taker.plan(leases, &self.held, self.now, &mut self.rng)
    }

    fn plan_after(&mut self, elapsed: Duration, leases: &[Lease]) -> TakePlan {
        self.now += elapsed;
        self.plan(leases)
    }
}

fn keys(plan: &TakePlan) -> Vec<&str> {
    plan.takes.iter().map(|take| take.lease.key.as_str()).collect()
}

fn reasons(plan: &TakePlan) -> Vec<Reason> {
    plan.takes.iter().map(|take| take.because.clone()).collect()
}

const A_MOMENT: Duration = Duration::from_millis(1);

#[test]
fn leases_that_nobody_ever_had_are_all_taken_at_once() {
    let plan = Me::new(POLICY).plan(&table(&["", "a", "", ""]));
    assert_eq!(keys(&plan), ["shardId-000", "shardId-002", "shardId-003"]);
    assert_eq!(
        reasons(&plan),
        [
            Reason::VeryOld(Standing::Unowned),
            Reason::VeryOld(Standing::Unowned),
            Reason::VeryOld(Standing::Unowned)
        ]
    );
    assert_eq!(
        (plan.workers, plan.target, plan.mine, plan.unowned, plan.expired),
        (2, 2, 0, 3, 0)
    );
}

#[test]
fn a_share_of_unowned_leases_is_taken_if_very_old_ones_are_like_others() {
    let policy = TakerPolicy {
        very_old_leases: VeryOldLeases::LikeOthers,
        ..POLICY
    };
    let plan = Me::new(policy).plan(&table(&["", "a", "", ""]));
    assert_eq!(reasons(&plan), [Reason::Unowned, Reason::Unowned]);
}

#[test]
fn an_owned_lease_is_not_taken_when_it_is_first_seen() {
    assert_eq!(keys(&Me::new(POLICY).plan(&table(&["a", "b"]))), [""; 0]);
}

#[test]
fn a_lease_that_is_not_renewed_is_taken_after_the_failover_time() {
    let leases = table(&["a"]);
    let mut me = Me::new(POLICY);
    assert_eq!(keys(&me.plan(&leases)), [""; 0]);
    assert_eq!(keys(&me.plan_after(FAILOVER, &leases)), [""; 0]);
    let plan = me.plan_after(A_MOMENT, &leases);
    assert_eq!(
        plan.takes,
        [Take {
            lease: leases[0].clone(),
            because: Reason::Expired
        }]
    );
    assert_eq!((plan.workers, plan.expired), (1, 1));
}

#[test]
fn a_lease_is_not_taken_from_a_worker_that_renews() {
    let mut leases = table(&["a"]);
    let mut me = Me::new(POLICY);
    for _ in 0..9 {
        assert_eq!(keys(&me.plan_after(FAILOVER, &leases)), [""; 0]);
        leases = renewed(&leases, "a");
    }
}

#[test]
fn a_lease_that_is_held_is_not_taken_even_if_its_counter_stands_still() {
    let leases = table(&["me"]);
    let mut me = Me::new(POLICY).holding(&leases);
    me.plan(&leases);
    let plan = me.plan_after(FAILOVER * 9, &leases);
    assert_eq!((keys(&plan), plan.mine), (vec![], 1));
}

#[test]
fn a_lease_that_is_held_is_not_taken_even_if_its_row_has_no_owner() {
    let mut me = Me::new(POLICY);
    me.held = BTreeSet::from([lease(0, "").key]);
    assert_eq!(keys(&me.plan(&table(&[""]))), [""; 0]);
}

#[test]
fn a_lease_that_names_this_worker_but_is_not_held_is_recovered_at_once() {
    let plan = Me::new(POLICY).plan(&table(&["me", "a", "me"]));
    assert_eq!(keys(&plan), ["shardId-000", "shardId-002"]);
    assert_eq!(reasons(&plan), [Reason::Recovered, Reason::Recovered]);
    assert_eq!(plan.mine, 2);
}

#[test]
fn no_more_leases_are_recovered_than_the_worker_may_have() {
    let leases = table(&["me", "me", "me"]);
    let mut me = Me::new(TakerPolicy {
        max_leases: 2,
        ..POLICY
    });
    me.held = BTreeSet::from([leases[2].key.clone()]);
    assert_eq!(keys(&me.plan(&leases)), ["shardId-000"]);
}

#[test]
fn no_more_expired_leases_are_taken_than_the_share() {
    let leases = table(&["dead", "dead", "dead", "dead", "a", "me"]);
    let mut me = Me::new(POLICY).holding(&leases);
    me.plan(&leases);
    let plan = me.plan_after(FAILOVER + A_MOMENT, &renewed(&leases, "a"));
    assert_eq!((plan.workers, plan.target, plan.mine, plan.expired), (2, 3, 1, 4));
    assert_eq!(reasons(&plan), [Reason::Expired, Reason::Expired]);
}

#[test]
fn very_old_leases_are_taken_beyond_the_share_but_not_beyond_the_maximum() {
    let leases = table(&["dead", "dead", "dead", "dead", "a", "me"]);
    let mut me = Me::new(TakerPolicy {
        max_leases: 4,
        ..POLICY
    })
    .holding(&leases);
    me.plan(&leases);
    let plan = me.plan_after(FAILOVER * 3 + A_MOMENT, &renewed(&leases, "a"));
    assert_eq!(
        reasons(&plan),
        [
            Reason::VeryOld(Standing::NotRenewed),
            Reason::VeryOld(Standing::NotRenewed),
            Reason::VeryOld(Standing::NotRenewed)
        ]
    );
}

#[test]
fn nothing_is_stolen_while_there_are_very_old_leases() {
    let mut leases = table(&["me", "me", "a", "a", "a", "a", "a", "a"]);
    leases.push(lease(8, ""));
    let mut me = Me::new(TakerPolicy {
        max_leases: 2,
        ..POLICY
    })
    .holding(&leases);
    assert_eq!(keys(&me.plan(&leases)), [""; 0]);
}

#[test]
fn nothing_is_stolen_while_there_are_expired_leases() {
    let leases = table(&["dead", "a", "a", "a"]);
    let mut me = Me::new(POLICY);
    me.plan(&leases);
    let plan = me.plan_after(FAILOVER + A_MOMENT, &renewed(&leases, "a"));
    assert_eq!(reasons(&plan), [Reason::Expired]);
}

#[test]
fn one_lease_is_stolen_from_the_most_loaded_worker() {
    let plan = Me::new(POLICY).plan(&table(&["a", "b", "b", "b", "b", "c"]));
    assert_eq!(reasons(&plan), [Reason::Steal { from: worker("b") }]);
}

#[test]
fn of_equally_loaded_workers_the_first_by_name_loses_a_lease() {
    let plan = Me::new(POLICY).plan(&table(&["c", "b", "c", "b", "c", "b"]));
    assert_eq!(reasons(&plan), [Reason::Steal { from: worker("b") }]);
}

#[test]
fn as_many_leases_are_stolen_as_the_policy_allows() {
    let policy = TakerPolicy {
        max_leases_to_steal: 3,
        ..POLICY
    };
    assert_eq!(Me::new(policy).plan(&table(&["a"; 10])).takes.len(), 3);
    assert_eq!(Me::new(policy).plan(&table(&["a"; 4])).takes.len(), 2);
}

#[test]
fn nothing_is_stolen_for_being_one_short() {
    let leases = table(&["a", "a", "me"]);
    let plan = Me::new(POLICY).holding(&leases).plan(&leases);
    assert_eq!((keys(&plan), plan.target, plan.mine), (vec![], 2, 1));
}

#[test]
fn one_lease_is_stolen_for_being_two_short_even_if_nobody_has_more_than_the_share() {
    let leases = table(&["a", "a", "a", "b", "b", "b", "me"]);
    let plan = Me::new(POLICY).holding(&leases).plan(&leases);
    assert_eq!(reasons(&plan), [Reason::Steal { from: worker("a") }]);
}

#[test]
fn nothing_is_stolen_when_there_are_no_fewer_workers_than_leases() {
    assert_eq!(keys(&Me::new(POLICY).plan(&table(&["a", "b"]))), [""; 0]);
}

#[test]
fn what_exceeds_the_maximum_is_spillover() {
    let policy = TakerPolicy {
        max_leases: 2,
        very_old_leases: VeryOldLeases::LikeOthers,
        ..POLICY
    };
    let plan = Me::new(policy).plan(&table(&[""; 5]));
    assert_eq!((plan.target, plan.spillover, plan.takes.len()), (2, 3, 2));
}

#[test]
fn a_lease_on_its_way_to_another_worker_counts_for_the_old_owner_and_is_not_stolen() {
    let mut leases = table(&["b", "b", "b", "b"]);
    for lease in &mut leases[..3] {
        lease.checkpoint_owner = Some(worker("a"));
    }
    let plan = Me::new(POLICY).plan(&leases);
    assert_eq!((keys(&plan), plan.workers), (vec![], 3));
}

#[test]
fn a_lease_on_its_way_to_this_worker_is_neither_recovered_nor_counted_before_it_arrives() {
    let mut leases = table(&["me"]);
    leases[0].checkpoint_owner = Some(worker("a"));
    let plan = Me::new(POLICY).plan(&leases);
    assert_eq!((keys(&plan), plan.mine), (vec![], 0));
}

#[test]
fn a_lease_on_its_way_expires_like_others() {
    let mut leases = table(&["b"]);
    leases[0].checkpoint_owner = Some(worker("a"));
    let mut me = Me::new(POLICY);
    me.plan(&leases);
    assert_eq!(reasons(&me.plan_after(FAILOVER + A_MOMENT, &leases)), [Reason::Expired]);
}

#[test]
fn a_lease_that_was_deleted_and_created_again_is_a_new_one() {
    let leases = table(&["a"]);
    let mut me = Me::new(POLICY);
    me.plan(&leases);
    me.plan(&[]);
    assert_eq!(keys(&me.plan_after(FAILOVER + A_MOMENT, &leases)), [""; 0]);
}

#[test]
fn a_lease_that_was_released_is_not_very_old() {
    let mut leases = table(&["a", "a"]);
    let mut me = Me::new(POLICY);
    me.plan(&leases);
    leases[0].owner = None;
    leases[0].counter += 1;
    assert_eq!(reasons(&me.plan_after(A_MOMENT, &leases)), [Reason::Unowned]);
}

#[test]
fn a_lease_that_was_given_back_before_it_was_seen_first_is_taken_because_it_has_no_owner() {
    let plan = Me::new(POLICY).plan(&table(&[""]));
    assert_eq!(plan.takes[0].because.to_string(), "it has no owner");
    let leases = table(&["dead"]);
    let mut me = Me::new(POLICY);
    me.plan(&leases);
    let plan = me.plan_after(FAILOVER * 3 + A_MOMENT, &leases);
    assert_eq!(
        plan.takes[0].because.to_string(),
        "its owner has not renewed it for three failover times"
    );
}

#[test]
fn a_slow_scan_does_not_make_leases_older() {
    let leases = table(&["a"]);
    let mut me = Me::new(POLICY);
    me.plan(&leases);
    me.now += FAILOVER * 9;
    assert_eq!(keys(&me.plan(&renewed(&leases, "a"))), [""; 0]);
}

/// The leases of `owners`, of which those from the second on wait for the first.
fn family(owners: &[&str]) -> Vec<Lease> {
    let mut leases = table(owners);
    let parent = leases[0].shard.clone();
    leases[1..]
        .iter_mut()
        .for_each(|child| child.parents = BTreeSet::from([parent.clone()]));
    leases
}

#[test]
fn the_parent_is_taken_before_the_children_that_wait_for_it() {
    let two = TakerPolicy {
        max_leases: 2,
        ..POLICY
    };
    for seed in 0..20 {
        let mut me = Me::new(two);
        me.rng = fastrand::Rng::with_seed(seed);
        assert_eq!(keys(&me.plan(&family(&["", "", ""])))[0], "shardId-000");
        let recovered = Me::new(two).plan(&family(&["me", "me", "me"]));
        assert_eq!(keys(&recovered), ["shardId-000", "shardId-001", "shardId-002"]);
    }
}

#[test]
fn a_parent_is_taken_by_the_worker_whose_leases_wait_for_it_however_many_those_are() {
    let leases = family(&["", "me", "me"]);
    let mut me = Me::new(TakerPolicy {
        max_leases: 2,
        ..POLICY
    })
    .holding(&leases);
    assert_eq!(keys(&me.plan(&leases)), ["shardId-000"]);
}

#[test]
fn leases_that_wait_are_no_load_and_are_not_stolen() {
    let mut leases = family(&["a", "a", "a"]);
    leases.extend([lease(3, "me"), lease(4, "a")]);
    let plan = Me::new(POLICY).holding(&leases).plan(&leases);
    assert_eq!((keys(&plan), plan.workers, plan.target, plan.mine), (vec![], 2, 2, 1));
}

#[test]
fn leases_that_wait_make_their_owner_a_living_worker() {
    let plan = Me::new(POLICY).plan(&family(&["b", "a"]));
    assert_eq!((keys(&plan), plan.workers), (vec![], 3));
}

#[test]
fn a_lease_that_waits_is_taken_if_nobody_renews_it() {
    let leases = family(&["a", "dead"]);
    let mut me = Me::new(POLICY);
    assert_eq!(keys(&me.plan(&leases)), [""; 0]);
    let plan = me.plan_after(FAILOVER + A_MOMENT, &renewed(&leases, "a"));
    assert_eq!(
        (keys(&plan), reasons(&plan)),
        (vec!["shardId-001"], vec![Reason::Expired])
    );
}

#[test]
fn a_child_may_be_had_in_the_place_of_its_parent() {
    let leases = family(&["me"]);
    let mut me = Me::new(TakerPolicy {
        max_leases: 1,
        ..POLICY
    })
    .holding(&leases);
    me.plan(&leases);
    let children = &family(&["", "", ""])[1..];
    assert!(me.taker.may_have_child(&children[0], &me.held));
    me.held.insert(children[0].key.clone());
    assert!(!me.taker.may_have_child(&children[1], &me.held));
}

/// Workers that scan, take and renew on one table with conditional writes.
struct Fleet {
    table: Vec<Lease>,
    workers: Vec<FleetWorker>,
    now: Instant,
    rng: fastrand::Rng,
}

struct FleetWorker {
    taker: Taker,
    held: BTreeMap<LeaseKey, u64>,
    alive: bool,
}

impl Fleet {
    fn new(leases: usize, workers: usize, policy: TakerPolicy, seed: u64) -> Self {
        let worker = |number| FleetWorker {
            taker: Taker::new(worker(&format!("worker-{number}")), policy),
            held: BTreeMap::new(),
            alive: true,
        };
        Self {
            table: table(&vec![""; leases]),
            workers: (0..workers).map(worker).collect(),
            now: start(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// A third of the failover time: all renew, then all plan on the same scan and write in random order.
    fn round(&mut self) {
        self.now += FAILOVER / 3;
        self.workers
            .iter_mut()
            .filter(|worker| worker.alive)
            .for_each(|worker| renew(&mut self.table, worker));
        let scan = self.table.clone();
        let mut order: Vec<usize> = (0..self.workers.len()).collect();
        self.rng.shuffle(&mut order);
        for number in order {
            let worker = &mut self.workers[number];
            if worker.alive {
                let held = worker.held.keys().cloned().collect();
                let plan = worker.taker.plan(&scan, &held, self.now, &mut self.rng);
                check(&plan, worker, &scan);
                plan.takes.iter().for_each(|take| write(&mut self.table, worker, take));
            }
        }
    }

    fn rounds(&mut self, number: usize) {
        (0..number).for_each(|_| self.round());
    }

    /// How many leases each living worker owns. Every lease has to have a living owner.
    fn counts(&self) -> Vec<usize> {
        let living: Vec<_> = self.workers.iter().filter(|worker| worker.alive).collect();
        let count = |worker: &FleetWorker| {
            self.table
                .iter()
                .filter(|lease| lease.owner.as_ref() == Some(&worker.taker.worker))
                .count()
        };
        let counts: Vec<_> = living.into_iter().map(count).collect();
        assert_eq!(
            counts.iter().sum::<usize>(),
            self.table.len(),
            "a lease has no living owner"
        );
        counts
    }

    fn spread(&self) -> usize {
        let counts = self.counts();
        counts.iter().max().unwrap() - counts.iter().min().unwrap()
    }
}

fn renew(table: &mut [Lease], worker: &mut FleetWorker) {
    worker.held.retain(|key, counter| {
        let Some(row) = table.iter_mut().find(|row| row.key == *key && row.counter == *counter) else {
            return false;
        };
        row.counter += 1;
        *counter = row.counter;
        true
    });
}

fn write(table: &mut [Lease], worker: &mut FleetWorker, take: &Take) {
    let observed = &take.lease;
    if let Some(row) = table
        .iter_mut()
        .find(|row| row.key == observed.key && row.counter == observed.counter)
    {
        row.counter += 1;
        row.owner = Some(worker.taker.worker.clone());
        worker.held.insert(row.key.clone(), row.counter);
    }
}

/// What holds for every plan.
fn check(plan: &TakePlan, worker: &FleetWorker, scan: &[Lease]) {
    let policy = worker.taker.policy;
    let (stolen, others): (Vec<_>, Vec<_>) = plan
        .takes
        .iter()
        .partition(|take| matches!(take.because, Reason::Steal { .. }));
    assert!(plan.mine + plan.takes.len() <= policy.max_leases.max(plan.mine));
    assert!(stolen.len() <= policy.max_leases_to_steal);
    assert!(
        stolen.is_empty() || others.is_empty(),
        "stolen although others were to be had"
    );
    for take in stolen {
        let owner = take.lease.owner.as_ref();
        let theirs = scan.iter().filter(|lease| lease.owner.as_ref() == owner).count();
        assert!(
            theirs > plan.mine + 1 || theirs > plan.target,
            "stolen from a worker with {theirs}: {plan:?}"
        );
    }
    for take in &plan.takes {
        assert!(!worker.held.contains_key(&take.lease.key), "taken although held");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_fleet_comes_to_equal_shares_and_keeps_them(leases in 1..24_usize, workers in 1..6_usize, seed: u64) {
        let mut fleet = Fleet::new(leases, workers, POLICY, seed);
        fleet.rounds(2 * leases + 10);
        prop_assert!(fleet.spread() <= 1, "{:?}", fleet.counts());
        let settled: Vec<_> = fleet.table.iter().map(|lease| lease.owner.clone()).collect();
        fleet.rounds(12);
        prop_assert_eq!(settled, fleet.table.iter().map(|lease| lease.owner.clone()).collect::<Vec<_>>());
    }

    #[test]
    fn the_leases_of_a_dead_worker_are_taken_by_the_others(
        leases in 1..24_usize,
        workers in 2..6_usize,
        seed: u64,
    ) {
        let mut fleet = Fleet::new(leases, workers, POLICY, seed);
        fleet.rounds(2 * leases + 10);
        fleet.workers[0].alive = false;
        // Four rounds exceed the failover time; then leases change hands in the course of a few.
        fleet.rounds(4 + leases);
        fleet.counts();
    }

    #[test]
    fn a_restarted_worker_has_its_leases_back_after_one_plan(leases in 1..24_usize, workers in 1..6_usize, seed: u64) {
        let mut fleet = Fleet::new(leases, workers, POLICY, seed);
        fleet.rounds(2 * leases + 10);
        let before = fleet.counts();
        let first = &mut fleet.workers[0];
        first.held.clear();
        first.taker = Taker::new(first.taker.worker.clone(), POLICY);
        fleet.round();
        prop_assert_eq!(fleet.workers[0].held.len(), before[0]);
    }

    #[test]
    fn no_worker_ever_has_more_leases_than_it_may(leases in 1..24_usize, workers in 1..6_usize, seed: u64) {
        let max_leases = leases.div_ceil(workers);
        let policy = TakerPolicy { max_leases, max_leases_to_steal: 2, ..POLICY };
        let mut fleet = Fleet::new(leases, workers, policy, seed);
        for _ in 0..leases + 10 {
            fleet.round();
            prop_assert!(fleet.workers.iter().all(|worker| worker.held.len() <= max_leases));
        }
        fleet.counts();
    }

    #[test]
    fn the_plan_does_not_depend_on_the_order_of_the_scan(leases in 1..24_usize, seed: u64) {
        let in_order = table(&vec![""; leases]);
        let mut shuffled = in_order.clone();
        fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
        let policy = TakerPolicy { max_leases: 5, ..POLICY };
        prop_assert_eq!(Me::new(policy).plan(&in_order), Me::new(policy).plan(&shuffled));
    }
}
