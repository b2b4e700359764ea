//! Pure: the choice of moves by load: the smallest variance by the rules of a round, then the fewest moves.
//!
//! All choices are tried where there are few. Otherwise the choice is greedy: the most loaded worker first, its largest lease
//! that fits first, to the least loaded worker.

use super::candidate::CandidateIndex;
use super::limits::{LEAST_GAIN, ROUNDING, exceeds};
use super::planned_lease::LeaseIndex;
use super::view::Overshoot;

/// The most combinations that are tried. Our choice: about a millisecond.
const EXHAUSTIVE: usize = 1 << 14;

/// The workers and leases that take part.
#[derive(Debug)]
pub(super) struct Round {
    /// The most loaded first.
    pub(super) givers: Vec<Giver>,
    pub(super) takers: Vec<Taker>,
    pub(super) overshoot: Overshoot,
    /// KB/s of one worker.
    pub(super) max_throughput: f64,
}

/// A worker that gives leases away.
#[derive(Debug)]
pub(super) struct Giver {
    pub(super) at: CandidateIndex,
    pub(super) load: f64,
    /// The most relative load that it gives away. A single lease may be larger where overshoot is allowed.
    pub(super) budget: f64,
    /// The leases that it may give away, the largest first.
    pub(super) parcels: Vec<Parcel>,
}

/// A lease that may be moved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parcel {
    pub(super) lease: LeaseIndex,
    pub(super) size: f64,
    pub(super) throughput: f64,
}

/// A worker below the mean.
#[derive(Debug, Clone)]
pub(super) struct Taker {
    pub(super) at: CandidateIndex,
    pub(super) load: f64,
    pub(super) headroom: f64,
    /// How many leases more it may have.
    pub(super) room: usize,
    pub(super) throughput: f64,
}

/// A move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transfer {
    pub(super) lease: LeaseIndex,
    pub(super) from: CandidateIndex,
    pub(super) to: CandidateIndex,
}

/// The moves of a round.
pub(super) fn choose(round: &Round) -> Vec<Transfer> {
    let parcels = round.givers.iter().map(|giver| giver.parcels.len()).sum::<usize>();
    let choices = round.takers.len() + 1;
    let combinations = u32::try_from(parcels)
        .ok()
        .and_then(|parcels| choices.checked_pow(parcels));
    match combinations {
        Some(combinations) if combinations <= EXHAUSTIVE => Search::new(round).best(),
        Some(_) | None => greedy(round),
    }
}

fn greedy(round: &Round) -> Vec<Transfer> {
    let mut takers: Vec<Open> = round.takers.iter().cloned().map(Open::new).collect();
    let mut transfers = Vec::new();
    for giver in &round.givers {
        let mut load = giver.load;
        let mut budget = giver.budget;
        let before = transfers.len();
        for parcel in &giver.parcels {
            if exceeds(parcel.size, budget) || exceeds(1.0, load - parcel.size) {
                continue;
            }
            let open = takers
                .iter_mut()
                .filter(|taker| !exceeds(taker.after(parcel), 1.0) && taker.admits(parcel, round));
            if let Some(taker) = open.min_by(|a, b| a.taker.load.total_cmp(&b.taker.load)) {
                transfers.push(taker.take(giver, parcel));
                load -= parcel.size;
                budget -= parcel.size;
            }
        }
        if transfers.len() == before && round.overshoot == Overshoot::Allowed {
            transfers.extend(overshoot(round, giver, &mut takers));
        }
    }
    transfers
}

/// The one lease of a worker whose move lowers the variance most.
fn overshoot(round: &Round, giver: &Giver, takers: &mut [Open]) -> Option<Transfer> {
    let pairs = giver.parcels.iter().flat_map(|parcel| {
        let open = takers.iter().enumerate().filter(move |(_, taker)| {
            let stays_low = !exceeds(taker.after(parcel), 1.0) || taker.arrivals == 0;
            stays_low && taker.admits(parcel, round) && !exceeds(LEAST_GAIN, giver.load - taker.after(parcel))
        });
        open.map(move |(at, taker)| (parcel.size * (giver.load - taker.after(parcel)), at, parcel))
    });
    // The first of equals: the largest lease, the first worker.
    let (_, at, parcel) = pairs.reduce(|best, next| if next.0 > best.0 + ROUNDING { next } else { best })?;
    takers.get_mut(at).map(|taker| taker.take(giver, parcel))
}

/// A worker that takes leases in a greedy choice.
#[derive(Debug)]
struct Open {
    taker: Taker,
    arrivals: usize,
}

impl Open {
    fn new(taker: Taker) -> Self {
        Self { taker, arrivals: 0 }
    }

    fn after(&self, parcel: &Parcel) -> f64 {
        self.taker.load + parcel.size
    }

    /// Whether a lease is within the worker's limits, and none has taken the worker beyond the mean.
    fn admits(&self, parcel: &Parcel, round: &Round) -> bool {
        !exceeds(self.taker.load, 1.0) && self.taker.admits(parcel, round)
    }

    fn take(&mut self, giver: &Giver, parcel: &Parcel) -> Transfer {
        self.taker.take(parcel);
        self.arrivals += 1;
        Transfer {
            lease: parcel.lease,
            from: giver.at,
            to: self.taker.at,
        }
    }
}

impl Taker {
    fn admits(&self, parcel: &Parcel, round: &Round) -> bool {
        let reads_nothing = self.throughput <= 0.0;
        self.room > 0
            && !exceeds(parcel.size, self.headroom)
            && (reads_nothing || self.throughput + parcel.throughput <= round.max_throughput)
    }

    fn take(&mut self, parcel: &Parcel) {
        self.load += parcel.size;
        self.headroom -= parcel.size;
        self.throughput += parcel.throughput;
        self.room = self.room.saturating_sub(1);
    }
}

/// A search through all choices.
#[derive(Debug)]
struct Search<'a> {
    round: &'a Round,
    /// All leases that may be moved, each with the place of its giver.
    parcels: Vec<(usize, Parcel)>,
    best: Vec<Option<usize>>,
    /// The sum of squares and the number of moves of the best choice.
    value: (f64, usize),
}

/// A choice: for each lease the place of its taker, as far as it is made.
#[derive(Debug, Clone)]
struct Choice {
    targets: Vec<Option<usize>>,
    /// The relative load that each giver gives away, and in how many leases.
    given: Vec<(f64, usize)>,
    takers: Vec<Taker>,
    arrivals: Vec<usize>,
}

#[expect(
    clippy::indexing_slicing,
    reason = "places come from enumerating the vectors of the same round"
)]
impl<'a> Search<'a> {
    fn new(round: &'a Round) -> Self {
        let givers = round.givers.iter().enumerate();
        let parcels: Vec<_> = givers
            .flat_map(|(at, giver)| giver.parcels.iter().map(move |parcel| (at, *parcel)))
            .collect();
        Self {
            round,
            best: vec![None; parcels.len()],
            value: (f64::INFINITY, usize::MAX),
            parcels,
        }
    }

    fn best(mut self) -> Vec<Transfer> {
        self.try_all(&Choice {
            targets: Vec::with_capacity(self.parcels.len()),
            given: vec![(0.0, 0); self.round.givers.len()],
            takers: self.round.takers.clone(),
            arrivals: vec![0; self.round.takers.len()],
        });
        let moved = self.parcels.iter().zip(&self.best);
        let transfer = |((giver, parcel), target): (&(usize, Parcel), &Option<usize>)| {
            let to = self.round.takers.get((*target)?)?.at;
            let from = self.round.givers.get(*giver)?.at;
            let lease = parcel.lease;
            Some(Transfer { lease, from, to })
        };
        moved.filter_map(transfer).collect()
    }

    fn try_all(&mut self, choice: &Choice) {
        let Some((giver, parcel)) = self.parcels.get(choice.targets.len()).copied() else {
            self.judge(choice);
            return;
        };
        let mut stays = choice.clone();
        stays.targets.push(None);
        self.try_all(&stays);
        let (given, number) = choice.given[giver];
        let given = (given + parcel.size, number + 1);
        let is_within_budget = !exceeds(given.0, self.round.givers[giver].budget);
        if !is_within_budget && (number > 0 || self.round.overshoot == Overshoot::Forbidden) {
            return;
        }
        for (at, taker) in choice.takers.iter().enumerate() {
            if taker.admits(&parcel, self.round) {
                let mut moves = choice.clone();
                moves.targets.push(Some(at));
                moves.given[giver] = given;
                moves.takers[at].take(&parcel);
                moves.arrivals[at] += 1;
                self.try_all(&moves);
            }
        }
    }

    /// Keeps a choice, if it is allowed and better.
    fn judge(&mut self, choice: &Choice) {
        let after = |giver: usize| self.round.givers[giver].load - choice.given[giver].0;
        let mut moved = self.parcels.iter().zip(&choice.targets);
        let is_worth_it = moved.all(|((giver, parcel), target)| {
            target.is_none_or(|at| !exceeds(LEAST_GAIN, after(*giver) + parcel.size - choice.takers[at].load))
        });
        let mut takers = choice.takers.iter().zip(&choice.arrivals);
        let stay_low = takers.all(|(taker, arrivals)| !exceeds(taker.load, 1.0) || *arrivals <= 1);
        if !is_worth_it || !stay_low {
            return;
        }
        let givers = (0..self.round.givers.len()).map(after);
        let loads = givers.chain(choice.takers.iter().map(|taker| taker.load));
        let squares: f64 = loads.map(|load| load * load).sum();
        let moves = choice.targets.iter().flatten().count();
        let is_lower = squares < self.value.0 - ROUNDING;
        if is_lower || (squares < self.value.0 + ROUNDING && moves < self.value.1) {
            self.value = (squares, moves);
            self.best.clone_from(&choice.targets);
        }
    }
}
