//! By count: the least cost of an instance, against the cost of the plan.

use super::*;

mod flow;

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
        let unplaced = homes.iter().filter(|home| home.is_none()).count();
        Self::of_counts(instance, &counts, unplaced, moves.count())
    }

    fn of_counts(instance: &Instance, counts: &[usize], unplaced: usize, moves: usize) -> Self {
        let beyond = counts
            .iter()
            .zip(&instance.rooms)
            .map(|(count, room)| count.saturating_sub(*room));
        Self {
            unplaced,
            beyond_room: beyond.sum(),
            squares: counts.iter().map(|count| count * count).sum(),
            moves,
        }
    }
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
