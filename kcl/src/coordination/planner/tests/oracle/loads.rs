//! By load: the smallest variance that the rules allow, against the variance of the plan.

use super::*;

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

/// What the plan costs, which has to be by the rules.
fn cost_after(rules: &LoadRules, plan: &Plan) -> Result<(f64, usize), TestCaseError> {
    let homes = homes_after(&rules.instance, plan)?.into_iter();
    let homes: Vec<_> = homes.map(|home| home.unwrap()).collect();
    let against_the_rules = || TestCaseError::fail(format!("against the rules: {:?}", plan.moves));
    rules.cost(&homes).ok_or_else(against_the_rules)
}

fn loads_are_optimal(instance: Instance) -> Result<(), TestCaseError> {
    let rules = LoadRules::of(instance);
    let plan = rules.instance.fleet().plan(&UTILIZATION);
    prop_assert_eq!(plan.figures.rule, Rule::ByLoad);
    let (squares, moves) = cost_after(&rules, &plan)?;
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
        let before: f64 = rules.loads.iter().map(|load| load * load).sum();
        let (after, moves) = cost_after(&rules, &plan)?;
        prop_assert!(after < before || moves == 0, "{} before, {} after", before, after);
        Ok(())
    });
}
