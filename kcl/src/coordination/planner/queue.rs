//! Pure: the candidates in the order in which they are given leases.

use std::collections::BTreeSet;

use super::board::Board;
use super::candidate::{CandidateIndex, Rank};
use super::decision::Rule;

/// Candidates, the least loaded first.
#[derive(Debug)]
pub(super) struct Queue(BTreeSet<(Rank, CandidateIndex)>);

impl Queue {
    pub(super) fn new(board: &Board<'_>, members: impl Iterator<Item = CandidateIndex>) -> Self {
        let mut queue = Self(BTreeSet::new());
        members.for_each(|at| queue.insert(board, at));
        queue
    }

    /// The first candidate that is suitable.
    pub(super) fn first(&self, is_suitable: impl Fn(CandidateIndex) -> bool) -> Option<CandidateIndex> {
        let mut members = self.0.iter().map(|(_, at)| *at);
        members.find(|at| is_suitable(*at))
    }

    /// Takes a candidate out, before it is given a lease.
    pub(super) fn remove(&mut self, board: &Board<'_>, at: CandidateIndex) {
        self.0.remove(&(board.candidate(at).rank(Rule::ByLoad), at));
    }

    pub(super) fn insert(&mut self, board: &Board<'_>, at: CandidateIndex) {
        self.0.insert((board.candidate(at).rank(Rule::ByLoad), at));
    }
}
