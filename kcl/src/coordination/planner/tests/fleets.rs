//! Rounds in a row: leaders of both kinds in turn, new workers, and large fleets.
//!
//! The Java leader is a model of the rules of its two deciders, as they are documented: when a round starts, which workers
//! give, how much, and whom they may give to.

use super::*;

/// A fleet whose workers' loads are the throughputs of their leases.
struct Numbers {
    workers: Vec<WorkerId>,
    /// The place of the owner, and KB/s.
    leases: Vec<(usize, f64)>,
}

impl Numbers {
    fn random(rng: &mut fastrand::Rng) -> Self {
        let workers = rng.usize(2..8);
        let leases = rng.usize(1..40);
        // The last worker has just come.
        let owner = |rng: &mut fastrand::Rng| rng.usize(..workers - 1).min(rng.usize(..workers));
        Self {
            workers: (0..workers).map(|at| id(&format!("worker-{at}"))).collect(),
            leases: (0..leases).map(|_| (owner(rng), f64::from(rng.u16(1..100)))).collect(),
        }
    }

    fn fleet(&self) -> Fleet {
        let workers: Vec<_> = self.workers.iter().map(|id| worker(id.as_str())).collect();
        let leases = self.leases.iter().enumerate();
        let leases = leases.map(|(shard, (owner, kbps))| reading(owned(shard, self.workers[*owner].as_str()), *kbps));
        Fleet::new(workers, leases)
    }

    fn loads(&self) -> Vec<f64> {
        let mut loads = vec![0.0; self.workers.len()];
        self.leases.iter().for_each(|(owner, kbps)| loads[*owner] += kbps);
        loads
    }

    fn counts(&self) -> Vec<usize> {
        let count = |at| self.leases.iter().filter(|(owner, _)| *owner == at).count();
        (0..self.workers.len()).map(count).collect()
    }

    fn squares(&self) -> f64 {
        self.loads().iter().map(|load| load * load).sum()
    }

    /// A round of ours; the leases that were moved.
    fn rust(&mut self, policy: &PlannerPolicy) -> Vec<(usize, usize)> {
        let plan = self.fleet().plan(policy);
        assert!(plan.assignments.is_empty() && plan.unplaced.is_empty());
        let place = |made: &Decision| {
            let lease = (0..self.leases.len()).find(|lease| key(*lease) == made.lease).unwrap();
            (
                lease,
                self.workers.iter().position(|worker| *worker == made.to).unwrap(),
            )
        };
        let moves: Vec<_> = plan.moves.iter().map(place).collect();
        moves.iter().for_each(|(lease, to)| self.leases[*lease].0 = *to);
        moves
    }

    /// A round of the variance decider.
    fn java_by_load(&mut self, rng: &mut fastrand::Rng) -> Vec<(usize, usize)> {
        let mut loads = self.loads();
        let mean = loads.iter().sum::<f64>() / loads.len() as f64;
        let (lower, upper) = (mean * 0.9, mean * 1.1);
        if loads.iter().all(|load| (lower..=upper).contains(load)) {
            return Vec::new();
        }
        let descending = |loads: &[f64], mut workers: Vec<usize>| {
            workers.sort_by(|a, b| loads[*b].total_cmp(&loads[*a]));
            workers
        };
        let mut sources = descending(&loads, (0..loads.len()).collect());
        let high = sources.iter().filter(|at| loads[**at] >= upper).count();
        sources.truncate(high.max(1));
        // A target that would come above the mean is lost for the rest of the round.
        let mut targets = descending(&loads, (0..loads.len()).collect());
        let mut moves = Vec::new();
        for source in sources {
            for lease in self.java_picks(source, (loads[source] - mean) * 0.6, rng) {
                let kbps = self.leases[lease].1;
                targets = descending(&loads, targets);
                let Some(target) = targets.pop() else { break };
                if loads[target] + kbps > mean {
                    break;
                }
                targets.push(target);
                if target != source {
                    loads[source] -= kbps;
                    loads[target] += kbps;
                    self.leases[lease].0 = target;
                    moves.push((lease, target));
                }
            }
        }
        moves
    }

    fn java_picks(&self, source: usize, take: f64, rng: &mut fastrand::Rng) -> Vec<usize> {
        let mut theirs: Vec<_> = (0..self.leases.len())
            .filter(|lease| self.leases[*lease].0 == source)
            .collect();
        rng.shuffle(&mut theirs);
        let mut rest = take;
        let mut picked = Vec::new();
        for lease in &theirs {
            if rest - self.leases[*lease].1 > 0.0 {
                rest -= self.leases[*lease].1;
                picked.push(*lease);
            }
        }
        if picked.is_empty() {
            picked.extend(
                theirs
                    .into_iter()
                    .min_by(|a, b| self.leases[*a].1.total_cmp(&self.leases[*b].1)),
            );
        }
        picked
    }

    /// A round of the lease-count decider.
    fn java_by_count(&mut self) -> Vec<(usize, usize)> {
        let target = self.leases.len().div_ceil(self.workers.len());
        let mut moves = Vec::new();
        loop {
            let counts = self.counts();
            let most = (0..counts.len()).max_by_key(|at| counts[*at]).unwrap();
            let least = (0..counts.len()).min_by_key(|at| counts[*at]).unwrap();
            if counts[most] <= target || counts[least] >= target {
                return moves;
            }
            let lease = self.leases.iter().position(|(owner, _)| *owner == most).unwrap();
            self.leases[lease].0 = least;
            moves.push((lease, least));
        }
    }
}

/// Lets leaders follow each other until neither moves anything; no move takes back the other leader's last one.
fn comes_to_rest(
    mut numbers: Numbers,
    rng: &mut fastrand::Rng,
    java: impl Fn(&mut Numbers, &mut fastrand::Rng) -> Vec<(usize, usize)>,
    policy: &PlannerPolicy,
) -> Numbers {
    let mut before: Vec<usize> = Vec::new();
    let mut quiet = 0;
    for round in 0..60 {
        let owners: Vec<usize> = numbers.leases.iter().map(|(owner, _)| *owner).collect();
        let squares = numbers.squares();
        // Terms of a few rounds, and of one.
        let moves = if round / (1 + round % 3) % 2 == 0 {
            java(&mut numbers, rng)
        } else {
            numbers.rust(policy)
        };
        for (lease, to) in &moves {
            let is_back = before
                .get(*lease)
                .is_some_and(|owner| *owner == *to && owners[*lease] != *to);
            assert!(!is_back, "lease {lease} is moved back to {to} in round {round}");
        }
        if policy.strategy == Strategy::Utilization {
            assert!(
                numbers.squares() < squares || moves.is_empty(),
                "round {round} makes it worse"
            );
        }
        quiet = if moves.is_empty() { quiet + 1 } else { 0 };
        before = owners;
        if quiet == 6 {
            return numbers;
        }
    }
    panic!("no rest after 60 rounds");
}

#[test]
fn leaders_of_both_kinds_that_follow_each_other_come_to_rest_by_load() {
    for seed in 0..1_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let numbers = Numbers::random(&mut rng);
        comes_to_rest(numbers, &mut rng, Numbers::java_by_load, &UTILIZATION);
    }
}

#[test]
fn leaders_of_both_kinds_that_follow_each_other_come_to_rest_by_count() {
    for seed in 0..1_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let numbers = Numbers::random(&mut rng);
        let numbers = comes_to_rest(numbers, &mut rng, |numbers, _| numbers.java_by_count(), &LEASE_COUNT);
        let counts = numbers.counts();
        assert!(
            counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1,
            "{counts:?}"
        );
    }
}

#[test]
fn a_leader_alone_comes_to_rest_by_load_in_a_few_rounds() {
    for seed in 0..300 {
        let mut numbers = Numbers::random(&mut fastrand::Rng::with_seed(seed));
        let rounds = (0..20).find(|_| numbers.rust(&UTILIZATION).is_empty());
        assert!(rounds.is_some(), "seed {seed}");
    }
}

#[test]
fn many_workers_that_start_together_get_equal_shares_at_once_and_keep_them() {
    let workers: Vec<_> = (0..10).map(|at| worker(&format!("worker-{at}"))).collect();
    let mut fleet = Fleet::new(workers, (0..300).map(unowned));
    for policy in [LEASE_COUNT, UTILIZATION] {
        for changed in [None, Some(ago(1))] {
            fleet.membership_changed = changed;
            let level = fleet.after(&fleet.plan(&policy));
            assert_eq!(level.counts().into_values().collect::<Vec<_>>(), [30; 10]);
            assert_eq!(level.plan(&policy).moves, []);
        }
    }
}

/// 10,000 leases and 200 workers: the first ten have just come, in the place of ten that are dead.
fn large(changed: Option<Instant>) -> Fleet {
    let mut rng = fastrand::Rng::with_seed(1);
    let workers: Vec<_> = (0..200)
        .map(|at| with_cpu(&format!("worker-{at:03}"), f64::from(rng.u8(10..90))))
        .collect();
    let mut leases = Vec::new();
    for shard in 0..10_000 {
        let owner = rng.usize(..200);
        let lease = match owner {
            0..10 => expired(shard, &format!("dead-{owner}")),
            _ => owned(shard, &format!("worker-{owner:03}")),
        };
        leases.push(reading(child_of(lease, &[shard + 10_000]), f64::from(rng.u16(1..500))));
    }
    let mut fleet = Fleet::new(workers, leases);
    fleet.membership_changed = changed;
    fleet
}

#[test]
#[ignore = "measures; run it in release"]
fn large_fleets_are_planned_in_time() {
    let settings = [(LEASE_COUNT, None), (UTILIZATION, Some(ago(1))), (UTILIZATION, None)];
    for (policy, changed) in settings {
        let mut fleet = large(changed);
        for round in ["first", "second", "cold"] {
            if round == "cold" {
                fleet.leases.iter_mut().for_each(|lease| lease.reader = Reader::Nobody);
            }
            let mut times = Vec::new();
            let mut plan = fleet.plan(&policy);
            for _ in 0..5 {
                #[expect(clippy::disallowed_methods, reason = "the time of this machine is what is measured")]
                let began = Instant::now();
                plan = fleet.plan(&policy);
                times.push(began.elapsed());
            }
            println!(
                "planner: {:?} {:?} {round} round: {} assignments, {} moves, {:?} at best, {:?} at worst",
                policy.strategy,
                plan.figures.rule,
                plan.assignments.len(),
                plan.moves.len(),
                times.iter().min().unwrap(),
                times.iter().max().unwrap(),
            );
            fleet = fleet.after(&plan);
        }
    }
}
