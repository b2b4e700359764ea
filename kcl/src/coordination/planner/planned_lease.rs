//! Pure: a lease while a plan is made.

use std::time::{Duration, Instant};

use super::candidate::CandidateIndex;
use super::limits::{LARGEST, METRICS_LAG};
use super::view::{LeaseView, Reader};
use crate::lease::model::WorkerId;

/// A lease's place in the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LeaseIndex(pub(super) usize);

/// A lease, and where it is in the plan.
#[derive(Debug)]
pub(super) struct PlannedLease<'a> {
    pub(super) view: &'a LeaseView,
    pub(super) progress: Progress,
    pub(super) hold: Hold,
    /// The candidate for which it counts.
    pub(super) home: Option<CandidateIndex>,
    /// Its throughput in terms of the fair share of a candidate.
    pub(super) size: f64,
    /// KB/s; the mean of the others if it is unknown.
    pub(super) throughput: f64,
    /// The leases for which it waits.
    pub(super) parents: Vec<LeaseIndex>,
    /// The leases that wait for it.
    pub(super) children: Vec<LeaseIndex>,
}

/// How far a lease is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It can be read.
    Ready,
    /// It waits for a parent.
    Waiting,
    Ended,
}

/// What can be done with a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nobody reads it, or its hand-off is overdue.
    Unread,
    /// A candidate reads it.
    Movable,
    /// It stays where it is in this plan.
    Fixed,
}

impl<'a> PlannedLease<'a> {
    pub(super) fn new(view: &'a LeaseView, hold: Hold, home: Option<CandidateIndex>) -> Self {
        Self {
            view,
            progress: if view.ended { Progress::Ended } else { Progress::Ready },
            hold,
            home,
            size: 0.0,
            throughput: 0.0,
            parents: Vec::new(),
            children: Vec::new(),
        }
    }

    /// The order in which leases that nobody reads are placed: those that were read before, then the oldest.
    pub(super) fn urgency(&self) -> (u8, Instant) {
        let class = match self.view.reader {
            Reader::Expired { .. } => 0,
            Reader::Nobody | Reader::Owner { .. } => 1,
            Reader::HandingOver { .. } => 2,
        };
        (class, self.view.first_seen)
    }

    /// KB/s, as it was measured.
    pub(super) fn measured(&self) -> Option<f64> {
        let measured = self.view.throughput.filter(|kbps| kbps.is_finite() && *kbps >= 0.0);
        measured.map(|kbps| kbps.min(LARGEST))
    }
}

impl Reader {
    /// The worker that read last.
    pub(super) fn owner(&self) -> Option<&WorkerId> {
        match self {
            Self::Nobody => None,
            Self::Expired { owner, .. } | Self::Owner { owner, .. } | Self::HandingOver { owner, .. } => Some(owner),
        }
    }

    /// The workers whose metrics do not show yet where the lease is.
    pub(super) fn unsettled(&self, now: Instant) -> impl Iterator<Item = &WorkerId> {
        let lately = |since: &Instant| now.saturating_duration_since(*since) < METRICS_LAG;
        let workers = match self {
            Self::Owner { owner, since } if since.as_ref().is_some_and(lately) => [Some(owner), None],
            Self::HandingOver { owner, next, .. } => [Some(owner), Some(next)],
            Self::Nobody | Self::Expired { .. } | Self::Owner { .. } => [None, None],
        };
        workers.into_iter().flatten()
    }

    /// How long the owner has had it, if it was seen to get it.
    pub(super) fn owned_for(&self, now: Instant) -> Option<Duration> {
        match self {
            Self::Owner { since, .. } => since.map(|since| now.saturating_duration_since(since)),
            Self::Nobody | Self::Expired { .. } | Self::HandingOver { .. } => None,
        }
    }
}
