//! Bugs on purpose, for the simulation to prove that it would find them. Default builds contain none of this.

use std::sync::atomic::{AtomicU8, Ordering};

/// The bug of the whole process; 0 for none.
static PLANTED: AtomicU8 = AtomicU8::new(0);

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PlantedBug {
    /// A lease counts as held for ten times the failover time.
    DeliverAfterExpiry = 1,
    /// A checkpoint is written whoever has the lease by now.
    CheckpointWithoutCounter = 2,
    /// A child is read whether or not its parents were.
    SkipParent = 3,
    /// A lease is renewed though its consumer has ended, and an answer after the lapse revives it.
    RenewWithoutReader = 4,
    /// A checkpoint is acknowledged and not written.
    AcknowledgeUnwritten = 5,
    /// A lease that another worker has taken is renewed on top of that worker's row.
    RenewTakenLease = 6,
}

impl PlantedBug {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::DeliverAfterExpiry,
        Self::CheckpointWithoutCounter,
        Self::SkipParent,
        Self::RenewWithoutReader,
        Self::AcknowledgeUnwritten,
        Self::RenewTakenLease,
    ];

    /// What it is called on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeliverAfterExpiry => "deliver-after-expiry",
            Self::CheckpointWithoutCounter => "checkpoint-without-the-counter",
            Self::SkipParent => "skip-a-parent",
            Self::RenewWithoutReader => "renew-without-a-reader",
            Self::AcknowledgeUnwritten => "acknowledge-an-unwritten-checkpoint",
            Self::RenewTakenLease => "renew-a-lease-that-was-taken",
        }
    }

    /// From now on, every worker of this process has this bug, and no other.
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
