//! Pure: what the oracle is told. What consumers tell is in `consumer`.

mod consumer;

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
pub use consumer::{Asks, ConsumerFact, LeaseClaim, OfferedRecord, Remedy, WorkerFact};

use super::name::{Digest, FaultId, Ownership, Process, RecordId};
use super::position::{Place, Position};
use super::rules::Budget;
use testkit::Service;
use testkit::kinesis::{SequenceNumber, ShardId, Timestamp};
use testkit::sim::observation::Missed;

/// One thing that happened.
///
/// Tell it when it happens, before anything that depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// To the stream.
    Service(ServiceFact),
    /// To the caller of this producer.
    Producer(Process, ProducerFact),
    /// To the application, in this ownership of a shard.
    Consumer(Ownership, ConsumerFact),
    /// To the shards and the records that this worker has.
    Worker(Process, WorkerFact),
    /// To the lease table and the processes.
    Fleet(FleetFact),
}

/// What happened to the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceFact {
    /// There is a stream, which has no shards yet. Need not be told if no lease names its stream.
    StreamCreated {
        /// When, as the service describes it.
        created: Timestamp,
    },
    /// The stream has a new shard. Parents come before their children.
    ShardCreated {
        /// The shard.
        shard: ShardId,
        /// The shards that were split or merged into it.
        parents: Vec<ShardId>,
        /// Its hash keys, both ends included.
        hash_range: RangeInclusive<u128>,
    },
    /// The shard takes no more records: it was split or merged.
    ShardClosed {
        /// The shard.
        shard: ShardId,
    },
    /// The service stored one Kinesis record, perhaps an aggregate of many user records.
    RecordStored {
        /// The shard.
        shard: ShardId,
        /// Its number, larger than all before it in the shard.
        sequence_number: SequenceNumber,
        /// As the producer gave it; empty if there is none.
        partition_key: String,
        /// The data.
        data: Bytes,
    },
    /// The stream is gone, with its shards. The one that is created under its name next may have shards of the same ids.
    /// Leases go on to be of the stream that their rows name, or else that had their shards as their rows were created.
    StreamDeleted,
    /// A process learnt from the service that there is no such stream.
    StreamMissed {
        /// The process, or where it [lives](FleetFact::LivesIn).
        caller: Process,
        /// When the answer came, which the process may have read only later: now.
        answered: Duration,
    },
    /// A process learnt from the service which shards are open.
    StreamListed {
        /// The process, or where it [lives](FleetFact::LivesIn).
        caller: Process,
        /// When it asked.
        asked: Duration,
        /// When that was so.
        as_of: Duration,
    },
    /// A process was given an iterator for what is stored in a shard from now on.
    BeginsAtLatest {
        /// The process, or where it [lives](FleetFact::LivesIn).
        caller: Process,
        /// The shard.
        shard: ShardId,
    },
    /// The service forgot the oldest records of a shard.
    RecordsTrimmed {
        /// The shard.
        shard: ShardId,
        /// All records before this one are gone.
        below: SequenceNumber,
    },
}

/// What happened to the caller of a producer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProducerFact {
    /// The producer accepted a record.
    Accepted(AcceptedRecord),
    /// A receipt said that the record was stored.
    Delivered {
        /// The record.
        record: RecordId,
        /// The shard that the receipt names.
        shard: ShardId,
        /// The place in it that the receipt names.
        place: Place,
    },
    /// A receipt gave the record back.
    Returned {
        /// The record.
        record: RecordId,
        /// Why.
        reason: String,
        /// Whether it may be in the stream all the same.
        stored: Stored,
    },
    /// The caller dropped the receipt of a record: of an outcome it learns no more, unless the report of a shutdown gives
    /// the record back. Tell it only where nothing else gives records back; an expiry, say, would go unnoticed.
    ReceiptDropped {
        /// The record.
        record: RecordId,
    },
    /// The producer said that every record that it had accepted has its outcome. Tell the outcomes first.
    Flushed,
    /// A sample of what the producer holds.
    Holds(Budget),
    /// The producer was shut down in an orderly way: the outcomes of all its records are known, or will be told before
    /// the run is finished.
    ShutDown,
    /// The producer's process died. Its open records will never have an outcome.
    Killed,
}

/// What happened to the lease table and the processes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FleetFact {
    /// The lease table applied a write, whoever made it. Tell also the rows that are there when the run begins.
    LeaseWritten(LeaseWrite),
    /// The lease table applied a write that left a shard's row as no worker could read it.
    LeaseGarbled {
        /// The process that wrote.
        writer: Process,
        /// The shard whose lease it is.
        shard: ShardId,
        /// The attribute that is missing, or holds what it cannot.
        attribute: String,
    },
    /// A worker's process runs.
    WorkerStarted {
        /// The worker.
        worker: Process,
    },
    /// A worker's process died.
    WorkerKilled {
        /// The worker.
        worker: Process,
    },
    /// A worker ended by itself. What it held is left behind as if its process had died.
    WorkerFailed {
        /// The worker.
        worker: Process,
        /// Why.
        failure: Failure,
    },
    /// A worker was asked to shut down in an orderly way: it takes no more leases.
    WorkerStopping {
        /// The worker.
        worker: Process,
    },
    /// A worker has shut down in an orderly way.
    WorkerStopped {
        /// The worker.
        worker: Process,
    },
    /// A worker said that there are leases of another stream than the present one. Nothing of this one has to be read then,
    /// until all leases were deleted.
    RecreationTold,
    /// From now on nothing goes wrong, nothing is put, and nobody intervenes.
    Calm,
    /// These tasks were still there after everything had been shut down.
    TasksLeft {
        /// Their names.
        tasks: Vec<String>,
    },
    /// A process is one life of another, which faults name: a machine that restarts, say.
    LivesIn {
        /// The process.
        process: Process,
        /// Where it lives.
        host: Process,
    },
    /// Something was made to go wrong.
    FaultBegan {
        /// The fault.
        fault: FaultId,
        /// What it is, for people.
        name: String,
        /// What it hits.
        target: Target,
    },
    /// It was mended.
    FaultEnded {
        /// The fault.
        fault: FaultId,
    },
    /// A service applied a call, and the caller does not know it, or learns it after it has given up: it will make the
    /// call again. Tell it before that second time shows.
    Unacknowledged {
        /// The caller, or [where it lives](Self::LivesIn).
        caller: Process,
        /// The service.
        service: Service,
        /// What it was asked to do, as it calls it. Only a call that writes explains anything.
        operation: String,
        /// When it was applied.
        applied: Duration,
        /// Why the caller does not know.
        because: Missed,
    },
}

/// Why a worker ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// One of its tasks panicked, which nothing excuses: the panics of handlers are caught.
    Panicked,
    /// It gave up, with this error. It may if a fault hit it, or a service that it needs, in its life.
    GaveUp(String),
}

/// A record that a producer accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedRecord {
    /// The record.
    pub record: RecordId,
    /// Its partition key.
    pub partition_key: String,
    /// Its explicit hash key, if it has one.
    pub explicit_hash_key: Option<u128>,
    /// Its payload, which no other record of the run has.
    pub payload: Digest,
}

/// What a returned record claims about the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is not in the stream, and never will be.
    Never,
    /// An attempt ended without an answer.
    Maybe,
}

/// A write that the lease table applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseWrite {
    /// The process that wrote.
    pub writer: Process,
    /// When it sent the write.
    pub sent: Duration,
    /// The shard whose lease it is.
    pub shard: ShardId,
    /// The row after the write; `None` if it was deleted.
    pub after: Option<LeaseRow>,
}

/// The attributes of a lease row that the rules are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// `leaseOwner`.
    pub owner: Option<Process>,
    /// `checkpointOwner`: during a hand-over the worker that still reads.
    pub checkpoint_owner: Option<Process>,
    /// `leaseCounter`.
    pub counter: u64,
    /// `checkpoint` and `checkpointSubSequenceNumber`.
    pub checkpoint: Position,
    /// `pendingCheckpoint` and `pendingCheckpointSubSequenceNumber`: a checkpoint that is prepared.
    pub pending: Option<Position>,
    /// `parentShardId`.
    pub parents: Vec<ShardId>,
    /// `streamCreated`: when the stream was created whose shard it is, if the row says so.
    pub stream_created: Option<Timestamp>,
}

impl LeaseRow {
    /// The worker that reads: during a hand-over the old one, otherwise the owner.
    pub(crate) fn reader(&self) -> Option<&Process> {
        self.checkpoint_owner.as_ref().or(self.owner.as_ref())
    }
}

impl LeaseWrite {
    /// Whether it makes the row of a former stream one of another, as if it were deleted and created again.
    pub(crate) fn makes_anew(&self, before: Option<&LeaseRow>) -> bool {
        let named = |row: &LeaseRow| row.stream_created;
        let (before, after) = (before.and_then(named), self.after.as_ref().and_then(named));
        before.zip(after).is_some_and(|(before, after)| before != after)
    }
}

/// What a fault hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One process.
    Process(Process),
    /// A service, for everybody.
    Service(Service),
}
