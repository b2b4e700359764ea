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
    /// Records on which the handler failed may be checkpointed.
    CheckpointPastFailure = 7,
    /// `PerKey` checkpoints the last record that it was given, not the last up to which all are done.
    HighestOfAllKeys = 8,
    /// `PerKey` does not wait for the records that run when the worker is asked to stop.
    LeaveRecordsRunning = 9,
    /// A policy for single records passes over their whole batch.
    SkipBatchOfRecord = 10,
    /// Records that the dead-letter sink refused are passed over.
    IgnoreTheSink = 11,
    /// What a failed task of a stream had taken before its last batch does not come again.
    ForgetWhatWasTaken = 12,
    /// An observer never finds that a lease stands still for too long.
    NeverExpire = 13,
    /// A lease is begun though its former owner has not handed it over yet.
    BeginBeforeHandOver = 14,
    /// A lease is begun without the write that proves that it is still this worker's.
    BeginWithoutRenewal = 15,
    /// Leases without an owner are given to nobody.
    LeaveUnowned = 16,
}

impl PlantedBug {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::DeliverAfterExpiry,
        Self::CheckpointWithoutCounter,
        Self::SkipParent,
        Self::RenewWithoutReader,
        Self::AcknowledgeUnwritten,
        Self::RenewTakenLease,
        Self::CheckpointPastFailure,
        Self::HighestOfAllKeys,
        Self::LeaveRecordsRunning,
        Self::SkipBatchOfRecord,
        Self::IgnoreTheSink,
        Self::ForgetWhatWasTaken,
        Self::NeverExpire,
        Self::BeginBeforeHandOver,
        Self::BeginWithoutRenewal,
        Self::LeaveUnowned,
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
            Self::CheckpointPastFailure => "checkpoint-past-a-failed-batch",
            Self::HighestOfAllKeys => "checkpoint-the-highest-of-all-keys",
            Self::LeaveRecordsRunning => "shut-down-while-records-run",
            Self::SkipBatchOfRecord => "skip-the-batch-of-a-record",
            Self::IgnoreTheSink => "pass-over-what-the-sink-refused",
            Self::ForgetWhatWasTaken => "forget-what-a-failed-task-had",
            Self::NeverExpire => "never-expire-a-lease",
            Self::BeginBeforeHandOver => "begin-before-the-hand-over",
            Self::BeginWithoutRenewal => "begin-without-a-renewal",
            Self::LeaveUnowned => "leave-leases-without-owner",
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
