//! Pure: levelling by count: the counts are as equal as the rooms allow, with the fewest moves.
//!
//! The counts that the workers are to have grow one lease at a time, beginning with the leases that cannot be moved. Each
//! goes to a worker below its room with the smallest count; among equals to one that has such a lease already, which saves a
//! move. Each further lease of a worker costs more balance than the one before, so the sum of the squares is as small as it
//! can be, and then the number of moves.
//!
//! A worker with more leases than it may have keeps the excess for which no other worker has room. Leases that nobody reads
//! get the room first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::board::Board;
use super::candidate::{CandidateIndex, Finite};
use super::decision::{DecisionReason, Plan, Rule};
use super::planned_lease::{Hold, LeaseIndex, PlannedLease, Progress};
use super::queue::Queue;
use super::view::{Implementation, Reader};

/// Places the leases that nobody reads, and moves others.
pub(super) fn level(board: &mut Board<'_>, plan: &mut Plan) {
    let unread = board.unread();
    let free = board
        .candidates()
        .map(|(_, candidate)| candidate.room.saturating_sub(candidate.count));
    let free = free.fold(0, usize::saturating_add).min(unread.len());
    let (placed, beyond) = unread.split_at(free);
    let mut shares = Shares::new(board, placed);
    let left = shares.place(board, placed, plan);
    place_elsewhere(board, &left, plan);
    shares.move_excess(board, plan);
    place_elsewhere(board, beyond, plan);
}

/// Places leases wherever there is room, or where they take no room because a lease of the worker waits for them.
pub(super) fn place_elsewhere(board: &mut Board<'_>, leases: &[LeaseIndex], plan: &mut Plan) {
    for at in leases {
        let planned = board.lease(*at);
        let with_place = board
            .candidates()
            .filter(|(_, candidate)| board.has_place(candidate, planned));
        let least = with_place.min_by_key(|(_, candidate)| candidate.rank(Rule::ByCount));
        let child_home = || planned.children.iter().find_map(|child| board.lease(*child).home);
        match least.map(|(to, _)| to).or_else(child_home) {
            Some(to) => board.assign(*at, to, plan.figures.rule, plan),
            None => board.leave(*at, plan),
        }
    }
}

/// How many leases more or less each worker is to have.
#[derive(Debug)]
struct Shares {
    missing: BTreeMap<CandidateIndex, usize>,
    excess: BTreeMap<CandidateIndex, usize>,
}

/// A worker's next lease in the order in which leases are dealt: the least first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Next {
    room: Room,
    count: usize,
    claim: Claim,
    /// Java workers after Rust workers: they take longer to begin.
    is_java: bool,
    candidate: CandidateIndex,
}

/// Whether a worker's next lease is within its room.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Room {
    Within,
    /// It has more leases than it may have.
    Beyond,
}

/// Whose lease a worker's next lease is.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// The worker has it.
    Held,
    /// Nobody reads it, and the worker was to have it or had it.
    Meant,
    /// Another's or nobody's.
    New,
}

impl Shares {
    /// The shares when the leases in `placed` have an owner too.
    fn new(board: &Board<'_>, placed: &[LeaseIndex]) -> Self {
        let mut meant: BTreeMap<CandidateIndex, usize> = BTreeMap::new();
        let preferred = placed.iter().filter_map(|at| board.preferred(board.lease(*at)));
        preferred.for_each(|to| *meant.entry(to).or_default() += 1);
        let mut movable: BTreeMap<CandidateIndex, usize> = BTreeMap::new();
        let read = board
            .leases()
            .filter(|(_, planned)| planned.progress == Progress::Ready && planned.hold == Hold::Movable);
        read.filter_map(|(_, planned)| planned.home)
            .for_each(|home| *movable.entry(home).or_default() += 1);
        let next = |at: CandidateIndex, count: usize| {
            let candidate = board.candidate(at);
            (count < candidate.room.max(candidate.count)).then_some(Reverse(Next {
                room: if count < candidate.room {
                    Room::Within
                } else {
                    Room::Beyond
                },
                count,
                claim: match count.checked_sub(candidate.count) {
                    None => Claim::Held,
                    Some(more) if more < meant.get(&at).copied().unwrap_or(0) => Claim::Meant,
                    Some(_) => Claim::New,
                },
                is_java: candidate.view.implementation == Implementation::Java,
                candidate: at,
            }))
        };
        let fixed = |at| board.candidate(at).count - movable.get(&at).copied().unwrap_or(0);
        let mut shares: BTreeMap<_, _> = board.candidates().map(|(at, _)| (at, fixed(at))).collect();
        let mut queue: BinaryHeap<_> = shares.iter().filter_map(|(at, count)| next(*at, *count)).collect();
        for _ in 0..placed.len() + movable.values().sum::<usize>() {
            let Some(Reverse(Next { count, candidate, .. })) = queue.pop() else {
                break;
            };
            shares.insert(candidate, count + 1);
            queue.extend(next(candidate, count + 1));
        }
        let difference = |larger: &dyn Fn(usize, usize) -> (usize, usize)| {
            let differences = shares.iter().map(|(at, share)| {
                let (more, less) = larger(*share, board.candidate(*at).count);
                (*at, more.saturating_sub(less))
            });
            differences.filter(|(_, difference)| *difference > 0).collect()
        };
        Self {
            missing: difference(&|share, count| (share, count)),
            excess: difference(&|share, count| (count, share)),
        }
    }

    /// Gives leases that nobody reads to workers that miss some; returns those for which none may read them.
    fn place(&mut self, board: &mut Board<'_>, leases: &[LeaseIndex], plan: &mut Plan) -> Vec<LeaseIndex> {
        let rule = plan.figures.rule;
        let mut in_turn = leases.to_vec();
        // Those that a worker is to have rather than others, then the largest, so that the loads come out alike too.
        in_turn.sort_by_key(|at| {
            let planned = board.lease(*at);
            (board.preferred(planned).is_none(), Reverse(Finite(planned.size)))
        });
        let mut left = Vec::new();
        let mut takers = Queue::new(board, self.missing.keys().copied());
        for at in in_turn {
            let planned = board.lease(at);
            let admits = |to| board.admits(board.candidate(to), planned);
            let preferred = board
                .preferred(planned)
                .filter(|to| self.missing.contains_key(to) && admits(*to));
            let Some(to) = preferred.or_else(|| takers.first(admits)) else {
                left.push(at);
                continue;
            };
            takers.remove(board, to);
            board.assign(at, to, rule, plan);
            take_one(&mut self.missing, to);
            if self.missing.contains_key(&to) {
                takers.insert(board, to);
            }
        }
        left
    }

    /// Moves leases from the workers that have more than they are to have to those that have fewer.
    fn move_excess(&mut self, board: &mut Board<'_>, plan: &mut Plan) {
        let mut movable = movable_by_home(board);
        for (from, excess) in std::mem::take(&mut self.excess) {
            for at in movable.remove(&from).unwrap_or_default().into_iter().take(excess) {
                let planned = board.lease(at);
                let takers = self.missing.keys().copied();
                let takers = takers.filter(|to| board.admits(board.candidate(*to), planned));
                let Some(to) = takers.min_by_key(|to| board.candidate(*to).rank(Rule::ByLoad)) else {
                    continue;
                };
                take_one(&mut self.missing, to);
                let reason = DecisionReason::LevelByCount {
                    from_leases: board.candidate(from).count,
                    to_leases: board.candidate(to).count,
                };
                plan.moves.push(board.hand(at, to, reason));
            }
        }
    }
}

/// The leases of each worker in the order in which it gives them away: those with children at the worker last, those that
/// came to it lately before them.
fn movable_by_home(board: &Board<'_>) -> BTreeMap<CandidateIndex, Vec<LeaseIndex>> {
    let is_movable = |planned: &PlannedLease<'_>| planned.progress == Progress::Ready && planned.hold == Hold::Movable;
    let movable = board.leases().filter(|(_, planned)| is_movable(planned));
    let order = |(at, planned): (LeaseIndex, &PlannedLease<'_>)| {
        let since = match &planned.view.reader {
            Reader::Owner { since, .. } => *since,
            Reader::Nobody | Reader::Expired { .. } | Reader::HandingOver { .. } => None,
        };
        let home = planned.home?;
        Some((board.is_replaced(at, home), since, at, home))
    };
    let mut movable: Vec<_> = movable.filter_map(order).collect();
    movable.sort_unstable();
    let mut by_home: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (_, _, at, home) in movable {
        by_home.entry(home).or_default().push(at);
    }
    by_home
}

fn take_one(counts: &mut BTreeMap<CandidateIndex, usize>, at: CandidateIndex) {
    if let Some(count) = counts.get_mut(&at) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&at);
        }
    }
}
