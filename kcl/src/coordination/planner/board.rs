//! Pure: the candidates and the leases while a plan is made.
//!
//! A lease counts for the worker that has it or is to have it next, unless that worker is no candidate.

use std::collections::BTreeMap;
use std::time::Instant;

use super::candidate::{Candidate, CandidateIndex, candidates};
use super::decision::{Decision, DecisionReason, Figures, NoPlace, Plan, Rule, Unplaced};
use super::planned_lease::{Hold, LeaseIndex, PlannedLease, Progress};
use super::relative;
use super::view::{FleetView, HandOff, Implementation, LeaseView, PlannerPolicy, Reader, Strategy};
use crate::lease::model::{LeaseKey, WorkerId};

/// The state of the plan.
#[derive(Debug)]
pub(super) struct Board<'a> {
    /// In the order of their names.
    candidates: Vec<Candidate<'a>>,
    /// In the order of their keys.
    leases: Vec<PlannedLease<'a>>,
    live: usize,
    /// Whether a Java worker is alive.
    pub(super) beside_java: bool,
    pub(super) max_throughput: Option<f64>,
}

impl<'a> Board<'a> {
    pub(super) fn new(view: &FleetView<'a>, policy: &PlannerPolicy) -> Self {
        let views = in_order(view.leases, |lease| &lease.key, |_, _| false);
        let workers = in_order(
            view.workers,
            |worker| &worker.id,
            |earlier, later| later.seen > earlier.seen,
        );
        let mut board = Self {
            live: workers.len(),
            beside_java: workers
                .iter()
                .any(|worker| worker.implementation == Implementation::Java),
            candidates: candidates(&workers, &views, view.me, policy),
            leases: Vec::with_capacity(views.len()),
            max_throughput: policy
                .max_throughput_per_host
                .filter(|_| policy.strategy == Strategy::Utilization)
                .map(f64::from),
        };
        for lease in views {
            let (hold, home) = board.hold(lease);
            board.leases.push(PlannedLease::new(lease, hold, home));
        }
        board.link_families();
        board.count(view.now);
        relative::weigh(&mut board);
        board
    }

    pub(super) fn figures(&self, rule: Rule) -> Figures {
        let rooms = self.candidates.iter().map(|candidate| candidate.max_leases);
        Figures {
            rule,
            live: self.live,
            candidates: self.candidates.len(),
            leases: self
                .leases()
                .filter(|(_, planned)| planned.progress == Progress::Ready)
                .count(),
            room: rooms.fold(0, usize::saturating_add),
        }
    }

    pub(super) fn candidates(&self) -> impl Iterator<Item = (CandidateIndex, &Candidate<'a>)> {
        let candidates = self.candidates.iter().enumerate();
        candidates.map(|(at, candidate)| (CandidateIndex(at), candidate))
    }

    pub(super) fn candidates_mut(&mut self) -> impl Iterator<Item = &mut Candidate<'a>> {
        self.candidates.iter_mut()
    }

    pub(super) fn leases(&self) -> impl Iterator<Item = (LeaseIndex, &PlannedLease<'a>)> {
        self.leases
            .iter()
            .enumerate()
            .map(|(at, planned)| (LeaseIndex(at), planned))
    }

    pub(super) fn leases_mut(&mut self) -> impl Iterator<Item = &mut PlannedLease<'a>> {
        self.leases.iter_mut()
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "indices are made here, and no candidate is ever removed"
    )]
    pub(super) fn candidate(&self, at: CandidateIndex) -> &Candidate<'a> {
        &self.candidates[at.0]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "indices are made here, and no candidate is ever removed"
    )]
    pub(super) fn candidate_mut(&mut self, at: CandidateIndex) -> &mut Candidate<'a> {
        &mut self.candidates[at.0]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "indices are made here, and no lease is ever removed"
    )]
    pub(super) fn lease(&self, at: LeaseIndex) -> &PlannedLease<'a> {
        &self.leases[at.0]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "indices are made here, and no lease is ever removed"
    )]
    pub(super) fn lease_mut(&mut self, at: LeaseIndex) -> &mut PlannedLease<'a> {
        &mut self.leases[at.0]
    }

    /// The candidate of this name.
    pub(super) fn find(&self, worker: &WorkerId) -> Option<CandidateIndex> {
        let found = self
            .candidates
            .binary_search_by(|candidate| candidate.view.id.cmp(worker));
        found.ok().map(CandidateIndex)
    }

    /// The leases that can be read and that nobody reads, the most urgent first.
    pub(super) fn unread(&self) -> Vec<LeaseIndex> {
        let unread = self
            .leases()
            .filter(|(_, planned)| planned.progress == Progress::Ready && planned.hold == Hold::Unread);
        let mut unread: Vec<_> = unread.map(|(at, planned)| (planned.urgency(), at)).collect();
        unread.sort_unstable();
        unread.into_iter().map(|(_, at)| at).collect()
    }

    /// Whether a candidate may read a lease besides those that it has.
    pub(super) fn admits(&self, candidate: &Candidate<'_>, planned: &PlannedLease<'_>) -> bool {
        let limit = self.max_throughput.unwrap_or(f64::INFINITY);
        candidate.throughput <= 0.0 || candidate.throughput + planned.throughput <= limit
    }

    /// Whether a candidate has room for a lease, and may read it.
    pub(super) fn has_place(&self, candidate: &Candidate<'_>, planned: &PlannedLease<'_>) -> bool {
        candidate.count < candidate.room && self.admits(candidate, planned)
    }

    /// The worker that was meant to have a lease, or had it, if it is a candidate.
    pub(super) fn preferred(&self, planned: &PlannedLease<'_>) -> Option<CandidateIndex> {
        match &planned.view.reader {
            Reader::Expired { owner, next, .. } => {
                let next = next.as_ref().and_then(|next| self.find(next));
                next.or_else(|| self.find(owner))
            }
            Reader::HandingOver { next, .. } => self.find(next),
            Reader::Nobody | Reader::Owner { .. } => None,
        }
    }

    /// Gives a lease that nobody reads to a candidate.
    pub(super) fn assign(&mut self, at: LeaseIndex, to: CandidateIndex, rule: Rule, plan: &mut Plan) {
        let leases = self.candidate(to).count;
        let load = match rule {
            Rule::ByCount => None,
            Rule::ByLoad => Some(self.candidate(to).load),
        };
        let reason = match &self.lease(at).view.reader {
            Reader::Nobody | Reader::Owner { .. } => DecisionReason::Unowned { leases, load },
            Reader::Expired { .. } => DecisionReason::Expired { leases, load },
            Reader::HandingOver { .. } => DecisionReason::HandOffOverdue { leases, load },
        };
        plan.assignments.push(self.hand(at, to, reason));
    }

    /// Puts a lease at a candidate.
    pub(super) fn hand(&mut self, at: LeaseIndex, to: CandidateIndex, reason: DecisionReason) -> Decision {
        let planned = self.lease_mut(at);
        let (size, throughput, progress) = (planned.size, planned.throughput, planned.progress);
        let former = planned.home.replace(to);
        planned.hold = Hold::Fixed;
        if progress == Progress::Ready {
            if let Some(former) = former {
                self.candidate_mut(former).lose(size, throughput);
            }
            self.candidate_mut(to).gain(size, throughput);
        }
        let view = self.lease(at).view;
        Decision {
            lease: view.key.clone(),
            from: view.reader.owner().cloned(),
            to: self.candidate(to).view.id.clone(),
            reason,
        }
    }

    /// Tells that no candidate can be given a lease by rooms and throughputs.
    pub(super) fn leave(&self, at: LeaseIndex, plan: &mut Plan) {
        let candidates = self.candidates.len();
        let kbps = self.lease(at).throughput;
        let has_room = self.candidates.iter().any(|candidate| candidate.count < candidate.room);
        let reason = match self.max_throughput {
            _ if candidates == 0 => NoPlace::NoCandidate { live: self.live },
            Some(limit) if has_room => NoPlace::TooMuchThroughput { kbps, limit },
            Some(_) | None => NoPlace::NoRoom { candidates },
        };
        let lease = self.lease(at).view.key.clone();
        plan.unplaced.push(Unplaced { lease, reason });
    }

    /// In a fleet of both kinds, gives expired leases to the least loaded Rust workers as long as they have room.
    ///
    /// A lease whose owner is alive again is not torn from it.
    pub(super) fn place_expired_on_rust_workers(&mut self, rule: Rule, plan: &mut Plan) {
        if !self.beside_java {
            return;
        }
        for at in self.unread() {
            let planned = self.lease(at);
            let with_place = self.candidates().filter(|(_, candidate)| {
                candidate.view.implementation == Implementation::Rust && self.has_place(candidate, planned)
            });
            let least = with_place.min_by(|(_, a), (_, b)| a.rank(rule).cmp(&b.rank(rule)));
            let is_lost = planned.view.reader.expired().is_some() && self.preferred(planned).is_none();
            if let Some((to, _)) = least.filter(|_| is_lost) {
                self.assign(at, to, rule, plan);
            }
        }
    }

    /// How many leases count against the most that a candidate may have: those that have not ended, without the parents
    /// whose places its waiting leases take.
    pub(super) fn occupied(&self) -> BTreeMap<CandidateIndex, usize> {
        let mut occupied = BTreeMap::new();
        for (at, planned) in self.leases().filter(|(_, planned)| planned.progress != Progress::Ended) {
            if let Some(home) = planned.home.filter(|home| !self.is_replaced(at, *home)) {
                *occupied.entry(home).or_default() += 1;
            }
        }
        occupied
    }

    /// Whether a lease that waits for this one counts for a candidate in its place.
    pub(super) fn is_replaced(&self, at: LeaseIndex, home: CandidateIndex) -> bool {
        let mut children = self.lease(at).children.iter();
        children.any(|child| self.lease(*child).home == Some(home))
    }

    pub(super) fn max_leases(&self, at: CandidateIndex) -> usize {
        self.candidate(at).max_leases
    }

    fn hold(&self, lease: &LeaseView) -> (Hold, Option<CandidateIndex>) {
        match &lease.reader {
            Reader::Nobody | Reader::Expired { .. } => (Hold::Unread, None),
            Reader::Owner { owner, .. } => match self.find(owner) {
                Some(home) => (Hold::Movable, Some(home)),
                None => (Hold::Fixed, None),
            },
            Reader::HandingOver { next, hand_off, .. } => match hand_off {
                HandOff::Pending => (Hold::Fixed, self.find(next)),
                HandOff::Overdue => (Hold::Unread, None),
            },
        }
    }

    fn link_families(&mut self) {
        let find = |key: &LeaseKey| self.leases.binary_search_by(|planned| planned.view.key.cmp(key)).ok();
        let is_awaited = |at: &LeaseIndex| !self.lease(*at).view.ended;
        let parents = |planned: &PlannedLease<'_>| -> Vec<_> {
            let found = planned.view.parents.iter().filter_map(find).map(LeaseIndex);
            found.filter(is_awaited).collect()
        };
        let waiting = self.leases().filter(|(_, planned)| planned.progress != Progress::Ended);
        let waiting: Vec<_> = waiting.map(|(at, planned)| (at, parents(planned))).collect();
        for (at, parents) in waiting.into_iter().filter(|(_, parents)| !parents.is_empty()) {
            parents
                .iter()
                .for_each(|parent| self.lease_mut(*parent).children.push(at));
            let planned = self.lease_mut(at);
            planned.progress = Progress::Waiting;
            planned.parents = parents;
        }
    }

    fn count(&mut self, now: Instant) {
        let ready = self.leases.iter().filter(|planned| planned.progress == Progress::Ready);
        let changes: Vec<_> = ready
            .map(|planned| (planned.home, planned.view.reader.clone()))
            .collect();
        for (home, reader) in changes {
            if let Some(home) = home {
                self.candidate_mut(home).count += 1;
            }
            for unsettled in reader.unsettled(now) {
                if let Some(at) = self.find(unsettled) {
                    self.candidate_mut(at).settled = false;
                }
            }
        }
        for (at, occupied) in self.occupied() {
            let candidate = self.candidate_mut(at);
            candidate.room = candidate
                .max_leases
                .saturating_add(candidate.count)
                .saturating_sub(occupied);
        }
        for candidate in &mut self.candidates {
            let most = candidate.count.saturating_add(candidate.view.most_new);
            candidate.room = candidate.room.min(most);
        }
    }
}

/// One view for each name, in the order of the names; of two with one name the later one, if it is better.
fn in_order<T, K: Ord>(views: &[T], name: impl Fn(&T) -> &K, is_better: impl Fn(&T, &T) -> bool) -> Vec<&T> {
    let mut views: Vec<&T> = views.iter().collect();
    // Stable: entries of one name keep their order, of which the result depends only among equals.
    views.sort_by(|a, b| name(a).cmp(name(b)));
    views.dedup_by(|later, earlier| {
        let is_same = name(later) == name(earlier);
        if is_same && is_better(earlier, later) {
            *earlier = later;
        }
        is_same
    });
    views
}
