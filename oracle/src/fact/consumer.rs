//! Pure: what happened to consumers and their records.

use super::super::name::Digest;
use super::super::position::{Place, Position};
use testkit::kinesis::ShardId;

/// What happened to the application.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsumerFact {
    /// The record processor was initialized.
    Initialized {
        /// Behind which position its records begin.
        checkpoint: Position,
    },
    /// The task that takes the records of the ownership was begun anew, after it had failed.
    BegunAnew {
        /// Behind which position everything comes again.
        checkpoint: Position,
    },
    /// The record processor looked for a checkpoint that an earlier owner had prepared. Told at once after it was initialized.
    PendingFound {
        /// Where it is, if there is one.
        position: Option<Position>,
    },
    /// A handler was called with records.
    Offered {
        /// The records, in their order.
        records: Vec<OfferedRecord>,
        /// What the lease's guard said as the handler began.
        lease: LeaseClaim,
    },
    /// The application is done with records of the batch that it was offered last.
    ///
    /// Tell it before the application checkpoints them, and with `None` when the handler returns without an error.
    Processed {
        /// The last of these records; `None` means the whole batch, and that the handler returned.
        through: Option<Place>,
    },
    /// A handler returned an error, panicked or was dropped in the middle.
    Failed,
    /// A handler returned an error that asks for more than another attempt.
    GaveUp {
        /// What is to become of the records of the batch that are not checkpointed.
        asks: Asks,
    },
    /// A handler is about to fail, and names the record of its batch on which it does.
    RecordNamed {
        /// The record.
        place: Place,
        /// What is to become of it, if not another attempt.
        asks: Option<Asks>,
    },
    /// A handler was called with one record, while others of the ownership may run.
    RecordBegun {
        /// The record.
        record: OfferedRecord,
        /// What the lease's guard said.
        lease: LeaseClaim,
    },
    /// Such a handler is done with its record.
    RecordDone {
        /// The record.
        place: Place,
    },
    /// Such a handler returned an error, panicked or was dropped in the middle.
    RecordFailed {
        /// The record.
        place: Place,
        /// What is to become of it, if not another attempt.
        asks: Option<Asks>,
    },
    /// A handler that is at work looked at its lease.
    AtWork {
        /// What the lease's guard said.
        lease: LeaseClaim,
    },
    /// A checkpoint was acknowledged to the application.
    CheckpointAcknowledged {
        /// The position that is now safe.
        position: Position,
    },
    /// The application left a checkpoint to the next write of the lease's row. Tell it before.
    CheckpointDeferred {
        /// The position.
        position: Position,
    },
    /// The application was told that the shard has ended.
    ShardEnded,
    /// The application was asked to stop.
    ShutdownRequested,
    /// The application was told that the lease is lost.
    LeaseLost,
    /// The worker said that it reads the shard no further, because its handler keeps failing.
    ShardHalted,
    /// An operator is about to do something about the halted shard.
    HaltEnds {
        /// What.
        by: Remedy,
    },
    /// The worker no longer says that it has the shard: for handlers that are not told of the end of an ownership.
    Left,
}

/// What a worker says of its shards, and what becomes of their records.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerFact {
    /// It says that it reads a shard. For handlers that are not told of the beginning of an ownership.
    Reads {
        /// The shard.
        shard: ShardId,
    },
    /// It no longer says so.
    Left {
        /// The shard.
        shard: ShardId,
    },
    /// It said that it passes over records on which a handler failed.
    Skipped {
        /// Their shard.
        shard: ShardId,
        /// The last of them.
        through: Place,
        /// How many there are; 0 if the worker does not know: all that were not processed.
        count: usize,
    },
    /// The dead-letter sink took records. Tell it before the sink says so.
    DeadLettered {
        /// Their shard.
        shard: ShardId,
        /// The records, in their order.
        records: Vec<OfferedRecord>,
    },
}

/// What a failed handler asks for, instead of another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Its records are to be passed over.
    Skip,
    /// Its records are to be sent to the dead-letter sink.
    DeadLetter,
}

/// What an operator does about a halted shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Has its handler called again.
    Retry,
    /// Has the records passed over on which the handler failed.
    Skip,
}

/// A user record as a handler got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfferedRecord {
    /// Its place in the shard.
    pub place: Place,
    /// Its payload.
    pub payload: Digest,
}

/// What the guard of a lease said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseClaim {
    /// The lease is held.
    Held,
    /// The lease is lost.
    Lost,
}
