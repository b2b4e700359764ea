//! Pure: levelling by load, calmly.
//!
//! Leases that nobody reads are placed on the least loaded workers, the largest first. A round that places some moves none.
//!
//! Leases are moved when the load of a settled worker differs from the mean by more than the threshold, or is beyond its
//! operating range. Then
//!
//! * the workers above the threshold or beyond their range give leases away, or without such a worker all above the mean;
//! * one gives away at most the dampened share of what it has above the mean, or one lease where overshoot is allowed;
//! * workers below the mean get them, up to the mean and their operating range; a single lease may take one beyond the mean;
//! * each move must be worth it: without it, the larger of the two loads would be higher by at least [`LEAST_GAIN`];
//! * a lease without traffic is not moved, nor one that has come to its owner less than [`LEASE_REST`] ago;
//! * a worker whose leases have changed less than [`METRICS_LAG`](super::limits::METRICS_LAG) ago, or are in a hand-off, takes no part.
//!
//! Of all such rounds the one with the smallest variance is chosen, and of those one with the fewest moves: exactly where
//! there are few choices, else greedily.
//!
//! A move by these rules lowers the variance. So does a move of the KCL's decider, which starts no round that this one would
//! not start, as long as all workers report the same metrics. Therefore leaders of both kinds in turn come to rest.

use std::collections::BTreeMap;
use std::time::Instant;

use super::board::Board;
use super::candidate::CandidateIndex;
use super::counts::place_elsewhere;
use super::decision::{DecisionReason, Plan, Rule};
use super::limits::{LEASE_REST, LEAST_GAIN, exceeds};
use super::planned_lease::{Hold, PlannedLease, Progress};
use super::queue::Queue;
use super::search::{Giver, Parcel, Round, Taker, choose};
use super::view::PlannerPolicy;

/// Places the leases that nobody reads.
pub(super) fn place(board: &mut Board<'_>, plan: &mut Plan) {
    let unread = board.unread();
    let free = board
        .candidates()
        .map(|(_, candidate)| candidate.room.saturating_sub(candidate.count));
    let (placed, beyond) = unread.split_at(free.fold(0, usize::saturating_add).min(unread.len()));
    let mut placed = placed.to_vec();
    // Stable: leases of one size stay in the order of their urgency.
    placed.sort_by(|a, b| board.lease(*b).size.total_cmp(&board.lease(*a).size));
    let mut left = Vec::new();
    let mut takers = Queue::new(board, board.candidates().map(|(at, _)| at));
    for at in placed {
        let planned = board.lease(at);
        let has_place = |to| board.has_place(board.candidate(to), planned);
        let preferred = board.preferred(planned).filter(|to| has_place(*to));
        match preferred.or_else(|| takers.first(has_place)) {
            Some(to) => {
                takers.remove(board, to);
                board.assign(at, to, Rule::ByLoad, plan);
                takers.insert(board, to);
            }
            None => left.push(at),
        }
    }
    place_elsewhere(board, &left, plan);
    place_elsewhere(board, beyond, plan);
}

/// Moves leases between workers, unless this plan has placed some.
pub(super) fn level(board: &mut Board<'_>, now: Instant, policy: &PlannerPolicy, plan: &mut Plan) {
    if !plan.assignments.is_empty() {
        return;
    }
    let round = round(board, now, policy);
    for transfer in choose(&round) {
        let from_load = board.candidate(transfer.from).load;
        let to_load = board.candidate(transfer.to).load;
        let size = board.lease(transfer.lease).size;
        let reason = DecisionReason::LevelByLoad {
            from_load,
            to_load,
            size,
        };
        plan.moves.push(board.hand(transfer.lease, transfer.to, reason));
    }
}

/// The workers and leases that take part in a round; none unless something is out of balance.
fn round(board: &Board<'_>, now: Instant, policy: &PlannerPolicy) -> Round {
    let threshold = f64::from(policy.rebalance_threshold_percent) / 100.0;
    let settled = || board.candidates().filter(|(_, candidate)| candidate.settled);
    let is_high = |load: f64, headroom: f64| exceeds(load, 1.0 + threshold) || exceeds(0.0, headroom);
    let is_any_high = settled().any(|(_, candidate)| is_high(candidate.load, candidate.headroom));
    let is_any_low = settled().any(|(_, candidate)| exceeds(1.0 - threshold, candidate.load));
    let mut round = Round {
        givers: Vec::new(),
        takers: Vec::new(),
        overshoot: policy.overshoot,
        max_throughput: board.max_throughput.unwrap_or(f64::INFINITY),
    };
    for (at, candidate) in settled() {
        let gives = match (is_any_high, is_any_low) {
            (true, _) => is_high(candidate.load, candidate.headroom),
            (false, true) => exceeds(candidate.load, 1.0),
            (false, false) => false,
        };
        if gives {
            let excess = (candidate.load - 1.0).max(-candidate.headroom);
            round.givers.push(Giver {
                at,
                load: candidate.load,
                budget: excess * f64::from(policy.dampening_percent) / 100.0,
                parcels: Vec::new(),
            });
        } else if exceeds(1.0, candidate.load) && candidate.count < candidate.room {
            round.takers.push(Taker {
                at,
                load: candidate.load,
                headroom: candidate.headroom,
                room: candidate.room - candidate.count,
                throughput: candidate.throughput,
            });
        }
    }
    fill(board, now, &mut round);
    round
}

/// Gives the workers that give leases away the leases that may be moved, the largest first.
fn fill(board: &Board<'_>, now: Instant, round: &mut Round) {
    if round.takers.is_empty() {
        round.givers.clear();
    }
    let may_move = |planned: &PlannedLease<'_>| {
        let is_held = planned.progress == Progress::Ready && planned.hold == Hold::Movable;
        let has_rested = planned.view.reader.owned_for(now).is_none_or(|time| time >= LEASE_REST);
        let has_traffic = planned.measured().is_some_and(|kbps| kbps > 0.0);
        is_held && has_rested && has_traffic && !exceeds(LEAST_GAIN, planned.size)
    };
    let mut parcels: BTreeMap<CandidateIndex, Vec<Parcel>> = BTreeMap::new();
    for (lease, planned) in board.leases().filter(|(_, planned)| may_move(planned)) {
        if let Some(home) = planned.home {
            parcels.entry(home).or_default().push(Parcel {
                lease,
                size: planned.size,
                throughput: planned.throughput,
            });
        }
    }
    for giver in &mut round.givers {
        giver.parcels = parcels.remove(&giver.at).unwrap_or_default();
        giver.parcels.sort_by(|a, b| b.size.total_cmp(&a.size));
    }
    round.givers.sort_by(|a, b| b.load.total_cmp(&a.load));
}
