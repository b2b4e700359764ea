//! Whole plans against independent searches: balance is optimal first, then the number of moves is the least.
//!
//! The searches know nothing of how the planner works. On small instances all assignments are tried; on large ones a
//! min-cost flow finds the best counts and the fewest moves. `PLANNER_ORACLE` multiplies the number of instances.

use proptest::prelude::*;
use proptest::strategy::Strategy;
use proptest::test_runner::TestRunner;

use super::*;

/// Whose a lease of an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Nobodys,
    Expired,
    Of(usize),
    /// On its way between two workers.
    Passing(usize, usize),
}

/// A fleet in numbers.
#[derive(Debug, Clone)]
struct Instance {
    rooms: Vec<usize>,
    /// The use of the CPU by each worker. Without it their load is the throughput of their leases.
    cpu: Option<Vec<u8>>,
    leases: Vec<(Whose, u16)>,
}

const NAMES: [&str; 16] = [
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p",
];

impl Instance {
    /// Its workers without metrics, and an unfit and a dead one that are never to be given anything.
    fn fleet(&self) -> Fleet {
        let room = |at: usize| (self.rooms[at] < usize::MAX).then_some(self.rooms[at]);
        let mut workers: Vec<_> = (0..self.rooms.len())
            .map(|at| WorkerView {
                max_leases: room(at),
                ..match &self.cpu {
                    Some(cpu) => with_cpu(NAMES[at], f64::from(cpu[at])),
                    None => worker(NAMES[at]),
                }
            })
            .collect();
        workers.push(WorkerView {
            metrics: WorkerMetrics::Failing,
            ..worker("failing")
        });
        workers.push(WorkerView {
            lease_expired: Some(ago(10)),
            ..silent("dead")
        });
        let leases = self.leases.iter().enumerate().map(|(shard, (whose, kbps))| {
            let lease = match whose {
                Whose::Nobodys => unowned(shard),
                Whose::Expired => expired(shard, "dead"),
                Whose::Of(at) => owned(shard, NAMES[*at]),
                Whose::Passing(from, to) => handing_over(shard, NAMES[*from], NAMES[*to], HandOff::Pending),
            };
            reading(lease, f64::from(*kbps))
        });
        Fleet::new(workers, leases)
    }

    fn home(&self, lease: usize) -> Option<usize> {
        match self.leases[lease].0 {
            Whose::Nobodys | Whose::Expired => None,
            Whose::Of(at) | Whose::Passing(_, at) => Some(at),
        }
    }
}

fn instances(workers: std::ops::RangeInclusive<usize>, leases: usize) -> impl Strategy<Value = Instance> {
    (workers, 0..=leases).prop_flat_map(|(workers, leases)| {
        let room = prop_oneof![3 => Just(usize::MAX), 1 => 0..5_usize];
        let whose = (0..10_u8, 0..workers, 0..workers).prop_map(|(kind, at, other)| match kind {
            0 => Whose::Nobodys,
            1 => Whose::Expired,
            2 if at != other => Whose::Passing(at, other),
            // Often the first worker's, so that much is out of balance.
            3..6 => Whose::Of(0),
            _ => Whose::Of(at),
        });
        let rooms = proptest::collection::vec(room, workers);
        let cpu = proptest::option::of(proptest::collection::vec(0..=110_u8, workers));
        let leases = proptest::collection::vec((whose, 0..100_u16), leases);
        (rooms, cpu, leases).prop_map(|(rooms, cpu, leases)| Instance { rooms, cpu, leases })
    })
}

/// Checks that many instances, times `PLANNER_ORACLE`.
fn check<T: std::fmt::Debug>(
    cases: u32,
    instances: impl Strategy<Value = T>,
    judge: impl Fn(T) -> Result<(), TestCaseError>,
) {
    let factor = std::env::var("PLANNER_ORACLE")
        .ok()
        .and_then(|factor| factor.parse().ok())
        .unwrap_or(1_u32);
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases * factor)
    };
    TestRunner::new(config).run(&instances, judge).unwrap();
}

/// What is minimised by count, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct CountCost {
    unplaced: usize,
    /// Leases beyond the rooms of their workers.
    beyond_room: usize,
    squares: usize,
    moves: usize,
}

impl CountCost {
    fn of(instance: &Instance, homes: &[Option<usize>]) -> Self {
        let mut counts = vec![0_usize; instance.rooms.len()];
        homes.iter().flatten().for_each(|home| counts[*home] += 1);
        let moves =
            (0..homes.len()).filter(|lease| instance.home(*lease).is_some_and(|home| homes[*lease] != Some(home)));
        Self {
            unplaced: homes.iter().filter(|home| home.is_none()).count(),
            beyond_room: counts
                .iter()
                .zip(&instance.rooms)
                .map(|(count, room)| count.saturating_sub(*room))
                .sum(),
            squares: counts.iter().map(|count| count * count).sum(),
            moves: moves.count(),
        }
    }
}

/// Where each lease is after a plan. Fails if a lease is given twice, to nobody's candidate, or to a full worker.
fn homes_after(instance: &Instance, plan: &Plan) -> Result<Vec<Option<usize>>, TestCaseError> {
    let mut homes: Vec<_> = (0..instance.leases.len()).map(|lease| instance.home(lease)).collect();
    let mut given = vec![false; homes.len()];
    let mut counts = vec![0_usize; instance.rooms.len()];
    homes.iter().flatten().for_each(|home| counts[*home] += 1);
    for decision in plan.moves.iter().chain(&plan.assignments) {
        let lease = (0..homes.len()).find(|lease| key(*lease) == decision.lease).unwrap();
        let to = NAMES[..instance.rooms.len()]
            .iter()
            .position(|name| *name == decision.to.as_str());
        prop_assert!(to.is_some(), "{} is no candidate", decision.to);
        prop_assert!(
            !std::mem::replace(&mut given[lease], true),
            "{} is given twice",
            decision.lease
        );
        let is_passing = matches!(instance.leases[lease].0, Whose::Passing(..));
        prop_assert!(!is_passing, "{} is in a hand-off", decision.lease);
        homes[lease].inspect(|home| counts[*home] -= 1);
        homes[lease] = to;
        counts[to.unwrap()] += 1;
    }
    for decision in plan.moves.iter().chain(&plan.assignments) {
        let to = NAMES.iter().position(|name| *name == decision.to.as_str()).unwrap();
        prop_assert!(counts[to] <= instance.rooms[to], "{} is full", decision.to);
    }
    let unplaced = homes.iter().filter(|home| home.is_none()).count();
    prop_assert_eq!(unplaced, plan.unplaced.len());
    Ok(homes)
}

/// The least cost of all assignments, by trying all.
fn least_count_cost(instance: &Instance) -> CountCost {
    let mut homes = Vec::new();
    let mut best = CountCost {
        unplaced: usize::MAX,
        beyond_room: 0,
        squares: 0,
        moves: 0,
    };
    try_counts(instance, &mut homes, &mut best);
    best
}

fn try_counts(instance: &Instance, homes: &mut Vec<Option<usize>>, best: &mut CountCost) {
    if homes.len() == instance.leases.len() {
        // A worker has more than its room only of its own leases.
        let comes = |lease: &usize| homes[*lease].is_some() && instance.home(*lease) != homes[*lease];
        let counts = |at: usize| homes.iter().filter(|home| **home == Some(at)).count();
        let overfills = |lease: usize| homes[lease].is_some_and(|to| counts(to) > instance.rooms[to]);
        if !(0..homes.len()).filter(comes).any(overfills) {
            *best = CountCost::of(instance, homes).min(*best);
        }
        return;
    }
    let lease = homes.len();
    let choices: Vec<Option<usize>> = match instance.leases[lease].0 {
        Whose::Passing(_, to) => vec![Some(to)],
        Whose::Of(_) => (0..instance.rooms.len()).map(Some).collect(),
        Whose::Nobodys | Whose::Expired => (0..instance.rooms.len()).map(Some).chain([None]).collect(),
    };
    for choice in choices {
        homes.push(choice);
        try_counts(instance, homes, best);
        homes.pop();
    }
}

fn counts_are_optimal(instance: &Instance, least: CountCost) -> Result<(), TestCaseError> {
    let fleet = instance.fleet();
    let plan = fleet.plan(&LEASE_COUNT);
    let homes = homes_after(instance, &plan)?;
    prop_assert_eq!(CountCost::of(instance, &homes), least);
    let again = fleet.after(&plan).plan(&LEASE_COUNT);
    prop_assert!(
        again.moves.is_empty() && again.assignments.is_empty(),
        "not at rest: {:?}",
        again
    );
    Ok(())
}

#[test]
fn counts_are_optimal_on_tiny_instances() {
    check(84_000, instances(1..=3, 4), |instance| {
        counts_are_optimal(&instance, least_count_cost(&instance))
    });
}

#[test]
fn counts_are_optimal_on_small_instances() {
    check(3_000, instances(1..=4, 5), |instance| {
        counts_are_optimal(&instance, least_count_cost(&instance))
    });
    check(150, instances(4..=4, 7), |instance| {
        counts_are_optimal(&instance, least_count_cost(&instance))
    });
}

#[test]
fn counts_are_optimal_on_large_instances() {
    check(1_000, instances(2..=16, 100), |instance| {
        counts_are_optimal(&instance, flow::least_count_cost(&instance))
    });
}

/// Equal numbers differ by less, different ones by more.
const EPSILON: f64 = 1e-9;

/// The rules of a round by load, read as rules of its result.
struct LoadRules {
    instance: Instance,
    sizes: Vec<f64>,
    loads: Vec<f64>,
    headrooms: Vec<f64>,
    settled: Vec<bool>,
}

impl LoadRules {
    /// The rules of an instance whose leases all have owners.
    fn of(mut instance: Instance) -> Self {
        for (whose, _) in &mut instance.leases {
            *whose = match *whose {
                Whose::Nobodys | Whose::Expired => Whose::Of(0),
                Whose::Of(_) | Whose::Passing(..) => *whose,
            };
        }
        let workers = instance.rooms.len();
        let total: f64 = instance.leases.iter().map(|(_, kbps)| f64::from(*kbps)).sum();
        let size = |kbps: u16| {
            if total > 0.0 {
                f64::from(kbps) * workers as f64 / total
            } else {
                0.0
            }
        };
        let sizes: Vec<f64> = instance.leases.iter().map(|(_, kbps)| size(*kbps)).collect();
        let sum_at = |at: usize| {
            (0..sizes.len())
                .filter(|lease| instance.home(*lease) == Some(at))
                .map(|lease| sizes[lease])
                .sum()
        };
        let mut loads: Vec<f64> = (0..workers).map(sum_at).collect();
        let mut headrooms = vec![f64::INFINITY; workers];
        if let Some(cpu) = &instance.cpu {
            let mean = cpu.iter().map(|cpu| f64::from(*cpu)).sum::<f64>() / workers as f64;
            if mean > 0.0 {
                loads = cpu.iter().map(|cpu| f64::from(*cpu) / mean).collect();
                headrooms = cpu.iter().map(|cpu| (100.0 - f64::from(*cpu)) / mean).collect();
            } else {
                loads = vec![1.0; workers];
            }
        }
        let passes = |at: usize| {
            instance
                .leases
                .iter()
                .any(|(whose, _)| matches!(whose, Whose::Passing(from, to) if *from == at || *to == at))
        };
        let settled = (0..workers).map(|at| !passes(at)).collect();
        Self {
            instance,
            sizes,
            loads,
            headrooms,
            settled,
        }
    }

    fn workers(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.loads.len()).filter(|at| self.settled[*at])
    }

    fn givers(&self) -> Vec<usize> {
        let high = |at: &usize| self.loads[*at] > 1.1 + EPSILON || self.headrooms[*at] < -EPSILON;
        let givers: Vec<_> = self.workers().filter(high).collect();
        if !givers.is_empty() || !self.workers().any(|at| self.loads[at] < 0.9 - EPSILON) {
            return givers;
        }
        self.workers().filter(|at| self.loads[*at] > 1.0 + EPSILON).collect()
    }

    /// The sum of squares and the number of moves, if the rules allow the result.
    fn cost(&self, homes: &[usize]) -> Option<(f64, usize)> {
        let givers = self.givers();
        let home = |lease: usize| self.instance.home(lease).unwrap();
        let moved: Vec<_> = (0..homes.len()).filter(|lease| homes[*lease] != home(*lease)).collect();
        let mut after = self.loads.clone();
        for lease in &moved {
            after[home(*lease)] -= self.sizes[*lease];
            after[homes[*lease]] += self.sizes[*lease];
        }
        for (at, after) in after.iter().copied().enumerate() {
            let given: Vec<_> = moved.iter().filter(|lease| home(**lease) == at).collect();
            let got: Vec<_> = moved.iter().filter(|lease| homes[**lease] == at).collect();
            let given_load: f64 = given.iter().map(|lease| self.sizes[**lease]).sum();
            let excess = (self.loads[at] - 1.0).max(-self.headrooms[at]);
            let may_give =
                given.is_empty() || givers.contains(&at) && (given.len() == 1 || given_load <= 0.6 * excess + EPSILON);
            let is_taker = self.settled[at] && !givers.contains(&at) && self.loads[at] < 1.0 - EPSILON;
            let holds = (0..homes.len()).filter(|lease| homes[*lease] == at).count();
            let within = after - self.loads[at] <= self.headrooms[at] + EPSILON
                && holds <= self.instance.rooms[at]
                && (after <= 1.0 + EPSILON || got.len() == 1);
            if !may_give || !(got.is_empty() || is_taker && within) {
                return None;
            }
        }
        let worth_it = |lease: &usize| {
            let gain = after[home(*lease)] + self.sizes[*lease] - after[homes[*lease]];
            self.sizes[*lease] >= 0.01 - EPSILON && gain >= 0.01 - EPSILON
        };
        let squares = after.iter().map(|load| load * load).sum();
        moved.iter().all(worth_it).then_some((squares, moved.len()))
    }

    /// The smallest variance that the rules allow, and the fewest moves to it, by trying all results.
    fn least_cost(&self) -> (f64, usize) {
        let mut results = vec![Vec::new()];
        for (whose, kbps) in &self.instance.leases {
            let choices: Vec<usize> = match whose {
                Whose::Of(at) if *kbps == 0 => vec![*at],
                Whose::Of(_) => (0..self.loads.len()).collect(),
                Whose::Passing(_, to) => vec![*to],
                Whose::Nobodys | Whose::Expired => unreachable!("all leases have owners"),
            };
            let longer = results
                .iter()
                .flat_map(|homes: &Vec<usize>| choices.iter().map(|to| [homes.as_slice(), &[*to]].concat()));
            results = longer.collect();
        }
        let costs: Vec<_> = results.iter().filter_map(|homes| self.cost(homes)).collect();
        let least = costs.iter().map(|(squares, _)| *squares).fold(f64::INFINITY, f64::min);
        let best = costs.iter().filter(|(squares, _)| *squares < least + EPSILON);
        (least, best.map(|(_, moves)| *moves).min().unwrap())
    }
}

fn loads_are_optimal(instance: Instance) -> Result<(), TestCaseError> {
    let rules = LoadRules::of(instance);
    let plan = rules.instance.fleet().plan(&UTILIZATION);
    prop_assert_eq!(plan.figures.rule, Rule::ByLoad);
    let homes: Vec<_> = homes_after(&rules.instance, &plan)?
        .into_iter()
        .map(|home| home.unwrap())
        .collect();
    let cost = rules.cost(&homes);
    prop_assert!(cost.is_some(), "against the rules: {:?}", plan.moves);
    let (squares, moves) = cost.unwrap();
    let (least, fewest) = rules.least_cost();
    prop_assert!(
        (squares - least).abs() < 1e-6,
        "{} instead of {}: {:?}",
        squares,
        least,
        plan.moves
    );
    prop_assert_eq!(moves, fewest, "{:?}", plan.moves);
    Ok(())
}

#[test]
fn loads_are_optimal_on_tiny_instances() {
    check(14_000, instances(1..=3, 4), loads_are_optimal);
}

#[test]
fn loads_are_optimal_on_small_instances() {
    check(600, instances(2..=4, 5), loads_are_optimal);
    check(30, instances(4..=4, 7), loads_are_optimal);
}

#[test]
fn loads_of_large_fleets_obey_the_rules_and_never_get_worse() {
    check(1_000, instances(2..=16, 100), |instance| {
        let rules = LoadRules::of(instance);
        let plan = rules.instance.fleet().plan(&UTILIZATION);
        let homes: Vec<_> = homes_after(&rules.instance, &plan)?
            .into_iter()
            .map(|home| home.unwrap())
            .collect();
        let cost = rules.cost(&homes);
        prop_assert!(cost.is_some(), "against the rules: {:?}", plan.moves);
        let before: f64 = rules.loads.iter().map(|load| load * load).sum();
        let (after, moves) = cost.unwrap();
        prop_assert!(after < before || moves == 0, "{} before, {} after", before, after);
        Ok(())
    });
}

#[test]
fn the_plan_does_not_depend_on_the_order_of_the_view() {
    let shuffled = (instances(1..=4, 12), any::<u64>());
    check(500, shuffled, |(instance, seed)| {
        let fleet = instance.fleet();
        let mut other = fleet.clone();
        let mut rng = fastrand::Rng::with_seed(seed);
        rng.shuffle(&mut other.workers);
        rng.shuffle(&mut other.leases);
        for policy in [LEASE_COUNT, UTILIZATION] {
            prop_assert_eq!(fleet.plan(&policy), other.plan(&policy));
        }
        Ok(())
    });
}

/// The least cost by a min-cost flow.
///
/// Leases flow from where they are to where they will be, and on into places. The n-th place of a worker costs more than the
/// one before, a place beyond its room more than all balance, and no place more than that.
mod flow {
    use super::*;

    const UNPLACED: i64 = 1_000_000_000_000;
    const BEYOND_ROOM: i64 = 1_000_000_000;
    const SQUARE: i64 = 1_000;

    #[derive(Debug, Clone, Copy)]
    struct Arc {
        to: usize,
        capacity: i64,
        cost: i64,
    }

    /// Arcs in pairs: each is followed by the one that takes it back.
    #[derive(Debug, Default)]
    struct Network {
        arcs: Vec<Arc>,
        from: Vec<Vec<usize>>,
    }

    impl Network {
        fn node(&mut self) -> usize {
            self.from.push(Vec::new());
            self.from.len() - 1
        }

        fn arc(&mut self, from: usize, to: usize, capacity: usize, cost: i64) -> usize {
            let capacity = i64::try_from(capacity).unwrap();
            let at = self.arcs.len();
            self.arcs.push(Arc { to, capacity, cost });
            self.arcs.push(Arc {
                to: from,
                capacity: 0,
                cost: -cost,
            });
            self.from[from].push(at);
            self.from[to].push(at + 1);
            at
        }

        /// Sends as much as possible at the least cost, path by path.
        fn send(&mut self, source: usize, sink: usize) {
            while let Some(path) = self.cheapest(source, sink) {
                for at in path {
                    self.arcs[at].capacity -= 1;
                    self.arcs[at ^ 1].capacity += 1;
                }
            }
        }

        /// Bellman and Ford, with a queue.
        fn cheapest(&self, source: usize, sink: usize) -> Option<Vec<usize>> {
            let mut cost = vec![i64::MAX; self.from.len()];
            let mut by = vec![None; self.from.len()];
            let mut queue = std::collections::VecDeque::from([source]);
            cost[source] = 0;
            while let Some(node) = queue.pop_front() {
                for at in &self.from[node] {
                    let Arc {
                        to,
                        capacity,
                        cost: more,
                    } = self.arcs[*at];
                    if capacity > 0 && cost[node] + more < cost[to] {
                        cost[to] = cost[node] + more;
                        by[to] = Some(*at);
                        queue.push_back(to);
                    }
                }
            }
            let mut path = Vec::new();
            let mut node = sink;
            while node != source {
                let at: usize = by[node]?;
                path.push(at);
                node = self.arcs[at ^ 1].to;
            }
            Some(path)
        }
    }

    pub(super) fn least_count_cost(instance: &Instance) -> CountCost {
        let workers = instance.rooms.len();
        let count = |is: &dyn Fn(Whose) -> bool| instance.leases.iter().filter(|(whose, _)| is(*whose)).count();
        let fixed: Vec<_> = (0..workers)
            .map(|at| count(&|whose| matches!(whose, Whose::Passing(_, to) if to == at)))
            .collect();
        let mine: Vec<_> = (0..workers).map(|at| count(&|whose| whose == Whose::Of(at))).collect();
        let unread = count(&|whose| matches!(whose, Whose::Nobodys | Whose::Expired));
        let mut network = Network::default();
        let (source, sink, nobodys) = (network.node(), network.node(), network.node());
        let before: Vec<_> = (0..workers).map(|_| network.node()).collect();
        let after: Vec<_> = (0..workers).map(|_| network.node()).collect();
        network.arc(source, nobodys, unread, 0);
        let unplaced = network.arc(nobodys, sink, unread, UNPLACED);
        let mut moves = Vec::new();
        let mut places = Vec::new();
        for at in 0..workers {
            network.arc(source, before[at], mine[at], 0);
            network.arc(nobodys, after[at], unread, 0);
            for (to, node) in after.iter().enumerate() {
                let arc = network.arc(before[at], *node, mine[at], i64::from(to != at));
                moves.extend((to != at).then_some(arc));
            }
            let most = instance.rooms[at].max(fixed[at] + mine[at]).min(instance.leases.len());
            for place in fixed[at]..most {
                let beyond = i64::from(place >= instance.rooms[at]) * BEYOND_ROOM;
                let square = SQUARE * i64::try_from(2 * place + 1).unwrap();
                places.push((at, network.arc(after[at], sink, 1, square + beyond)));
            }
        }
        network.send(source, sink);
        let sent = |arc: &usize| usize::try_from(network.arcs[arc ^ 1].capacity).unwrap();
        let mut counts = fixed;
        places.iter().for_each(|(at, arc)| counts[*at] += sent(arc));
        CountCost {
            unplaced: sent(&unplaced),
            beyond_room: counts
                .iter()
                .zip(&instance.rooms)
                .map(|(count, room)| count.saturating_sub(*room))
                .sum(),
            squares: counts.iter().map(|count| count * count).sum(),
            moves: moves.iter().map(sent).sum(),
        }
    }
}
