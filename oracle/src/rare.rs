//! Pure: states that a run seldom reaches, by name: a campaign that never reaches one proves nothing about it.

use std::fmt;

/// A rare state that the facts show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rare {
    /// A worker gave up a lease whose last renewal was applied, but not acknowledged to it.
    LapseBeforeReply,
    /// One parent of a merged shard was read to its end, and the other was not.
    SecondParentAwaited,
    /// A shard that was halted on one machine was taken up on another.
    HaltedShardMoved,
    /// A worker renewed a lease though its last write of the row was not acknowledged.
    LostReplyRecognised,
    /// An owner moved the checkpoint of a lease in a write that was also due as a renewal.
    CheckpointRidesOnRenewal,
    /// A lease was taken from a worker before it could have expired.
    LeaseStolen,
    /// A worker was started again under the id that it had.
    WorkerBack,
    /// The stream was deleted while a living worker owned a lease of it.
    StreamDeletedUnderWorker,
    /// A worker was started while leases of a stream that was deleted were left.
    StartedAfterRecreation,
    /// All leases were deleted, after a worker had said that the stream was created again.
    BegunAnew,
    /// The lease of a former stream was made one of another stream.
    LeaseOfFormerReplaced,
    /// Records were trimmed before they were processed.
    TrimmedUnread,
    /// A write of a lease carried a checkpoint that asked for no write.
    DeferredCheckpointWritten,
    /// Records were passed over because a handler kept failing on them.
    SkippedByPolicy,
    /// Records of a halted shard were passed over because an operator wanted it.
    SkippedByOperator,
    /// Records were passed over because the handler's error asked for it.
    SkippedByHandler,
    /// A dead-letter sink took records.
    DeadLettered,
    /// A checkpoint that one owner had prepared was found by the next.
    PendingFound,
    /// The task of a stream of batches was begun anew, in the same ownership.
    TaskBegunAnew,
}

impl Rare {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::LapseBeforeReply,
        Self::SecondParentAwaited,
        Self::HaltedShardMoved,
        Self::LostReplyRecognised,
        Self::CheckpointRidesOnRenewal,
        Self::LeaseStolen,
        Self::WorkerBack,
        Self::StreamDeletedUnderWorker,
        Self::StartedAfterRecreation,
        Self::BegunAnew,
        Self::LeaseOfFormerReplaced,
        Self::TrimmedUnread,
        Self::DeferredCheckpointWritten,
        Self::SkippedByPolicy,
        Self::SkippedByOperator,
        Self::SkippedByHandler,
        Self::DeadLettered,
        Self::PendingFound,
        Self::TaskBegunAnew,
    ];
}

impl fmt::Display for Rare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LapseBeforeReply => "a lease lapses before the reply of its renewal comes",
            Self::SecondParentAwaited => "a child waits on a second parent",
            Self::HaltedShardMoved => "a halted shard moves to another worker",
            Self::LostReplyRecognised => "a lost reply of a conditional write is recognised",
            Self::CheckpointRidesOnRenewal => "a checkpoint rides on a renewal",
            Self::LeaseStolen => "a lease is stolen",
            Self::WorkerBack => "a worker comes back under its id",
            Self::StreamDeletedUnderWorker => "a stream is recreated under a worker",
            Self::StartedAfterRecreation => "a worker starts on the leases of a former stream",
            Self::BegunAnew => "the leases of a former stream are deleted",
            Self::LeaseOfFormerReplaced => "the lease of a former stream is replaced",
            Self::TrimmedUnread => "records are trimmed unread",
            Self::DeferredCheckpointWritten => "a deferred checkpoint rides on another write",
            Self::SkippedByPolicy => "a record is skipped by policy",
            Self::SkippedByOperator => "an operator skips the records of a halted shard",
            Self::SkippedByHandler => "a handler's error skips its records",
            Self::DeadLettered => "a record is dead-lettered",
            Self::PendingFound => "a prepared checkpoint is found by the next owner",
            Self::TaskBegunAnew => "the task of a stream form is begun anew",
        })
    }
}
