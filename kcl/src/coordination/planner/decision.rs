//! Pure: a plan and the reasons for it, with the numbers that decided.

use std::fmt;

use crate::lease::model::{LeaseKey, WorkerId};

/// One round of assignments and moves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// Leases that nobody reads, parents before children.
    pub(crate) assignments: Vec<Decision>,
    /// Leases that their owners are to hand over.
    pub(crate) moves: Vec<Decision>,
    /// Leases that nobody reads and that no worker is given.
    pub(crate) unplaced: Vec<Unplaced>,
    pub(crate) figures: Figures,
}

/// A lease and the worker that it is given to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    pub(crate) lease: LeaseKey,
    /// The worker that owns it before, alive or not.
    pub(crate) from: Option<WorkerId>,
    pub(crate) to: WorkerId,
    pub(crate) reason: DecisionReason,
}

/// Why a lease is given to a worker. Counts and loads are those before the decision, decisions of the same plan included.
///
/// A load is relative: 1.0 is the mean of the candidates.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DecisionReason {
    /// The lease had no owner; the new owner had this many leases and, in a round by load, this load.
    Unowned { leases: usize, load: Option<f64> },
    /// The owner did not renew it; the new owner had this many leases and, in a round by load, this load.
    Expired { leases: usize, load: Option<f64> },
    /// Its hand-off did not end in time.
    HandOffOverdue { leases: usize, load: Option<f64> },
    /// Its new owner has a parent for which the lease waits.
    FollowsParent { parent: LeaseKey },
    /// The lease waits for a parent, whose owner cannot have it; the new owner had this many leases.
    WaitsForParent { leases: usize },
    /// The shard was read to its end; Java workers keep such leases until they delete them.
    Ended,
    /// The owner had two leases more than the new one, or more leases than it may have.
    LevelByCount { from_leases: usize, to_leases: usize },
    /// The move lowers the variance of the loads.
    LevelByLoad {
        from_load: f64,
        to_load: f64,
        /// The relative load of the lease.
        size: f64,
    },
}

/// A lease that no worker is given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unplaced {
    pub(crate) lease: LeaseKey,
    pub(crate) reason: NoPlace,
}

/// Why no worker is given a lease.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NoPlace {
    /// None of the live workers is a candidate.
    NoCandidate { live: usize },
    /// All candidates have as many leases as they may have.
    NoRoom { candidates: usize },
    /// With this lease every candidate with room would read more than a worker may.
    TooMuchThroughput { kbps: f64, limit: f64 },
}

/// By which rule a round was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    ByCount,
    ByLoad,
}

/// The numbers of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) rule: Rule,
    /// The live workers.
    pub(crate) live: usize,
    /// Those of them that can be given leases.
    pub(crate) candidates: usize,
    /// The leases that are load: neither ended nor waiting.
    pub(crate) leases: usize,
    /// The most leases that the candidates may have together; `usize::MAX` without a limit.
    pub(crate) room: usize,
}

impl Plan {
    pub(super) fn new(figures: Figures) -> Self {
        Self {
            assignments: Vec::new(),
            moves: Vec::new(),
            unplaced: Vec::new(),
            figures,
        }
    }
}

impl fmt::Display for DecisionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unowned { leases, load } => write!(f, "it has no owner; {}", NewOwner(*leases, *load)),
            Self::Expired { leases, load } => write!(f, "its owner does not renew it; {}", NewOwner(*leases, *load)),
            Self::HandOffOverdue { leases, load } => {
                write!(f, "its hand-off did not end in time; {}", NewOwner(*leases, *load))
            }
            Self::FollowsParent { parent } => write!(f, "it waits for {parent}, which the new owner has"),
            Self::WaitsForParent { leases } => {
                write!(f, "it waits for a parent; {}", NewOwner(*leases, None))
            }
            Self::Ended => f.write_str("its shard was read to the end, and Java workers keep such leases"),
            Self::LevelByCount { from_leases, to_leases } => {
                write!(f, "its owner had {from_leases} leases, the new owner {to_leases}")
            }
            Self::LevelByLoad {
                from_load,
                to_load,
                size,
            } => write!(
                f,
                "its owner had {from_load:.3} of the mean load, the new owner {to_load:.3}, and the lease is {size:.3}"
            ),
        }
    }
}

/// Leases and load of a new owner.
struct NewOwner(usize, Option<f64>);

impl fmt::Display for NewOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the new owner had {} leases", self.0)?;
        self.1
            .map_or(Ok(()), |load| write!(f, " and {load:.3} of the mean load"))
    }
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCandidate { live } => write!(f, "none of {live} live workers can be given leases"),
            Self::NoRoom { candidates } => write!(f, "all {candidates} workers have as many leases as they may have"),
            Self::TooMuchThroughput { kbps, limit } => write!(
                f,
                "with its {kbps:.1} KB/s every worker with room would read more than {limit:.1} KB/s"
            ),
        }
    }
}
