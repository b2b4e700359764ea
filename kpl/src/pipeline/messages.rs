//! Pure: what the driver and the pipeline tell each other.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use aggregation::KinesisRecord;
use service::{CallError, ShardId};

use crate::budget::{Cargo, Copies};
use crate::config::ordering::RecordDistribution;
use crate::error::PutErrorKind;
use crate::error::codes::{RECORD_COUNT_MISMATCH, Refusal};
use crate::lanes::aggregate::SealedAggregate;
use crate::pipeline::{HotShard, Source};
use crate::routing::Routing;
use crate::routing::shard_map::Listing;
use crate::routing::summary::StreamSummary;

/// Names one request.
pub(crate) type RequestId = u64;

/// What the driver tells the pipeline.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all inputs are the large one, and none of them is kept"
)]
pub(crate) enum Input {
    /// A lane sealed an aggregate.
    Sealed(SealedAggregate),
    /// A request ended.
    Answer {
        /// Which.
        request: RequestId,
        /// How.
        answer: Answer,
    },
    /// The fetch of the shard map ended.
    Shards(Result<Listing, CallError>),
    /// The stream was described, or not.
    Description(Result<StreamSummary, CallError>),
    /// There is the room for copies that was awaited.
    Room(Copies),
}

/// How a request ended.
#[derive(Debug)]
pub(crate) enum Answer {
    /// With one result for each entry, in order.
    Entries {
        entries: Vec<EntryAnswer>,
        request_id: Option<Arc<str>>,
    },
    /// Without.
    Failed(CallError),
}

/// What became of one entry of a request.
#[derive(Debug, Clone)]
pub(crate) enum EntryAnswer {
    /// The service stored it.
    Stored { shard: ShardId, sequence_number: Arc<str> },
    /// The service refused it.
    Refused(Refusal),
}

/// What the pipeline wants done.
#[derive(Debug)]
pub(crate) enum Output {
    /// Send these entries, and report the answer.
    Send {
        request: RequestId,
        entries: Vec<KinesisRecord>,
    },
    /// Fetch the stream's shards, and report them.
    FetchShards,
    /// Wait for room for the copies of this request, and hand it over.
    AwaitRoom(Cargo),
    /// Ask who distributes the stream's records, and report it.
    Describe,
    /// Records find their way by this from now on: make lanes for it.
    NewRouting(Routing),
    /// The stream takes records of this number of bytes.
    RecordLimit(usize),
    /// Tell that other shards are open now, and how many.
    ShardsChanged(usize),
    /// Tell who distributes the stream's records, and how that is known.
    Distribution(RecordDistribution, Source),
    /// Tell that a shard is throttled, and at which rate it is sent records now, in percent of what it takes.
    Throttled(HotShard, u32),
    /// Report that this number of records failed for this reason, and that no receipt of them was held.
    Lost(PutErrorKind, u64),
}

/// A point in time, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    pub(crate) wall: SystemTime,
}

impl Answer {
    /// The error code of a request that failed as a whole, or whose answer cannot be told apart.
    pub(crate) fn failure(&self, sent: usize) -> Option<&str> {
        match self {
            Self::Failed(failure) => Some(&failure.code),
            Self::Entries { entries, .. } if entries.len() != sent => Some(RECORD_COUNT_MISMATCH),
            Self::Entries { .. } => None,
        }
    }

    /// What the service calls the request.
    pub(crate) fn request_id(&self) -> Option<Arc<str>> {
        match self {
            Self::Failed(CallError { request_id, .. }) | Self::Entries { request_id, .. } => request_id.clone(),
        }
    }
}

impl EntryAnswer {
    /// Where the entry was stored, if the service says so.
    pub(crate) fn shard(&self) -> Option<&ShardId> {
        match self {
            Self::Stored { shard, .. } => Some(shard).filter(|shard| !shard.is_nameless()),
            Self::Refused(_) => None,
        }
    }

    /// Why an entry was refused, if it was.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Stored { .. } => None,
            Self::Refused(refusal) => Some(refusal),
        }
    }
}
