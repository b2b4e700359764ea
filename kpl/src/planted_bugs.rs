//! Bugs on purpose, for the simulation to prove that it would find them. Default builds contain none of this.

use std::sync::atomic::{AtomicU8, Ordering};

/// The bug of the whole process; 0 for none.
static PLANTED: AtomicU8 = AtomicU8::new(0);

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PlantedBug {
    /// A record that is to be sent again is forgotten.
    DropRetried = 1,
    /// A record counts as delivered when its request leaves.
    AcknowledgeEarly = 2,
    /// An aggregate counts as delivered wherever it landed.
    AcceptMisplaced = 3,
    /// A record that is retried does not hold its shard.
    FreeShard = 4,
    /// The room of a record is given back when its request leaves.
    ReleaseEarly = 5,
}

impl PlantedBug {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::DropRetried,
        Self::AcknowledgeEarly,
        Self::AcceptMisplaced,
        Self::FreeShard,
        Self::ReleaseEarly,
    ];

    /// What it is called on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::DropRetried => "drop-a-retried-record",
            Self::AcknowledgeEarly => "acknowledge-before-sent",
            Self::AcceptMisplaced => "accept-a-misplaced-aggregate",
            Self::FreeShard => "overtake-a-retried-record",
            Self::ReleaseEarly => "release-room-when-sent",
        }
    }

    /// From now on, every producer of this process has this bug, and no other.
    pub fn plant(self) {
        PLANTED.store(self as u8, Ordering::Relaxed);
    }

    /// From now on, none has a bug.
    pub fn uproot() {
        PLANTED.store(0, Ordering::Relaxed);
    }

    pub(crate) fn is_planted(self) -> bool {
        PLANTED.load(Ordering::Relaxed) == self as u8
    }
}
