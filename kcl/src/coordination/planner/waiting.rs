//! Pure: the places of leases that are no load: those that wait for a parent, and ended ones.
//!
//! A lease that waits goes to the owner of a parent, which can begin it at once when the parent has ended. It takes its
//! parent's place among the most leases that a worker may have.
//!
//! Ended leases have no owner in a fleet of Rust workers. Java workers hold them until they delete them.

use std::collections::{BTreeMap, BTreeSet};

use super::board::Board;
use super::candidate::CandidateIndex;
use super::decision::{DecisionReason, NoPlace, Plan, Unplaced};
use super::planned_lease::{Hold, LeaseIndex, Progress};
use super::view::Implementation;

/// Places the leases that are no load and have no owner.
pub(super) fn place(board: &mut Board<'_>, plan: &mut Plan) {
    let mut pending = without_owner(board, Progress::Waiting);
    if !pending.is_empty() {
        let mut occupied = board.occupied();
        while !pending.is_empty() {
            let (generation, later) = next_generation(board, pending);
            generation
                .into_iter()
                .for_each(|at| place_waiting(board, at, &mut occupied, plan));
            pending = later;
        }
    }
    if board.beside_java {
        place_ended(board, plan);
    }
}

fn without_owner(board: &Board<'_>, progress: Progress) -> Vec<LeaseIndex> {
    let found = board
        .leases()
        .filter(|(_, planned)| planned.progress == progress && planned.hold == Hold::Unread);
    let mut found: Vec<_> = found.map(|(at, planned)| (planned.urgency(), at)).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, at)| at).collect()
}

/// The leases whose parents are not among them, and the others. Leases that wait for each other are one generation.
fn next_generation(board: &Board<'_>, pending: Vec<LeaseIndex>) -> (Vec<LeaseIndex>, Vec<LeaseIndex>) {
    let all: BTreeSet<_> = pending.iter().copied().collect();
    let waits = |at: &LeaseIndex| board.lease(*at).parents.iter().any(|parent| all.contains(parent));
    let (later, generation): (Vec<_>, Vec<_>) = pending.into_iter().partition(waits);
    if generation.is_empty() {
        return (later, generation);
    }
    (generation, later)
}

type Occupied = BTreeMap<CandidateIndex, usize>;

fn place_waiting(board: &mut Board<'_>, at: LeaseIndex, occupied: &mut Occupied, plan: &mut Plan) {
    let planned = board.lease(at);
    let with_place = |to: CandidateIndex| {
        let before = occupied.get(&to).copied().unwrap_or(0);
        let after = occupied_with(board, at, to, before);
        (after <= before || after <= board.max_leases(to)).then_some((before, after))
    };
    let parents = planned
        .parents
        .iter()
        .filter_map(|parent| Some((board.lease(*parent).home?, *parent)));
    let parents = parents.filter_map(|(to, parent)| Some((with_place(to)?, to, parent)));
    let is_java = |to| board.candidate(to).view.implementation == Implementation::Java;
    // Not to one that may be dead.
    let others = board
        .candidates()
        .filter(|(_, candidate)| candidate.view.most_new > 0)
        .filter_map(|(to, _)| Some((is_java(to), with_place(to)?, to)));
    let (follows, elsewhere) = (parents.min(), others.min());
    let (to, (before, after), parent) = if let Some((counts, to, parent)) = follows {
        (to, counts, Some(parent))
    } else if let Some((_, counts, to)) = elsewhere {
        (to, counts, None)
    } else {
        let lease = planned.view.key.clone();
        let reason = match plan.figures.candidates {
            0 => NoPlace::NoCandidate {
                live: plan.figures.live,
            },
            candidates => NoPlace::NoRoom { candidates },
        };
        plan.unplaced.push(Unplaced { lease, reason });
        return;
    };
    let reason = match parent {
        Some(parent) => DecisionReason::FollowsParent {
            parent: board.lease(parent).view.key.clone(),
        },
        None => DecisionReason::WaitsForParent { leases: before },
    };
    occupied.insert(to, after);
    plan.assignments.push(board.hand(at, to, reason));
}

/// How many leases count for a worker when it has a lease that waits besides `before`.
fn occupied_with(board: &Board<'_>, at: LeaseIndex, to: CandidateIndex, before: usize) -> usize {
    let parents = board.lease(at).parents.iter();
    let replaced = parents.filter(|parent| board.lease(**parent).home == Some(to) && !board.is_replaced(**parent, to));
    let added = usize::from(!board.is_replaced(at, to));
    (before + added).saturating_sub(replaced.count())
}

fn place_ended(board: &mut Board<'_>, plan: &mut Plan) {
    let mut held: BTreeMap<CandidateIndex, usize> = board.candidates().map(|(at, _)| (at, 0)).collect();
    let ended = board
        .leases()
        .filter(|(_, planned)| planned.progress == Progress::Ended);
    let homes: Vec<_> = ended.filter_map(|(_, planned)| planned.home).collect();
    homes.into_iter().for_each(|home| *held.entry(home).or_default() += 1);
    for at in without_owner(board, Progress::Ended) {
        let Some((to, _)) = held.iter().min_by_key(|(_, count)| **count) else {
            return;
        };
        let to = *to;
        *held.entry(to).or_default() += 1;
        plan.assignments.push(board.hand(at, to, DecisionReason::Ended));
    }
}
