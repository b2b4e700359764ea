//! Whole plans against independent searches: balance is optimal first, then the number of moves is the least.
//!
//! The searches know nothing of how the planner works. On small instances all assignments are tried; on large ones a
//! min-cost flow finds the best counts and the fewest moves. `PLANNER_ORACLE` multiplies the number of instances.
//!
//! `counts` judges plans by count, `loads` those by load.

use proptest::prelude::*;
use proptest::strategy::Strategy;
use proptest::test_runner::TestRunner;

use super::*;

mod counts;
mod loads;

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
            metrics: Fitness::Failing,
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
