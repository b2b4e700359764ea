//! What an application asks for when it moves the reading of a shard, and what it is told.

use std::time::SystemTime;

use tokio::sync::oneshot;

use crate::checkpoint::position::RecordPosition;
use crate::error::{CallErrorKind, StreamError};
use crate::stream::StartingPosition;

/// Where to move the reading of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeekTo {
    /// The oldest record that the stream still holds.
    TrimHorizon,
    /// Records that arrive once the next owner has begun.
    Latest,
    /// Records that arrived at this time or later, by the service's clock.
    AtTimestamp(SystemTime),
    /// This record.
    At(RecordPosition),
    /// The record behind this one: as if this one had been checkpointed.
    After(RecordPosition),
}

impl From<StartingPosition> for SeekTo {
    fn from(start: StartingPosition) -> Self {
        match start {
            StartingPosition::TrimHorizon => Self::TrimHorizon,
            StartingPosition::Latest => Self::Latest,
            StartingPosition::AtTimestamp(time) => Self::AtTimestamp(time),
        }
    }
}

/// Why a shard was not moved, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeekError {
    /// This worker does not hold the lease of the shard: ask the worker that does. So it is also for the moment between an
    /// earlier seek and its next owner.
    #[error("this worker does not hold the shard's lease")]
    NotHeld,
    /// The shard was read to its end, and its children may be read already.
    #[error("the shard was read to its end")]
    Ended,
    /// The stream was deleted and created again: the lease is one of the former stream.
    #[error("the lease is of a former stream of the same name")]
    FormerStream,
    /// The service refuses the place: a position of another shard or stream, or a time that is later than its clock.
    #[error("the service refuses the position")]
    Refused(#[source] StreamError),
    /// The place could not be found, because the stream could not be read. Nothing was moved.
    #[error("the position could not be found in the stream")]
    Stream(#[source] StreamError),
    /// The lease was lost, or the worker ended, before it was certain that the row holds the new checkpoint: it may or may not.
    #[error("the lease was lost, and the shard may not have been moved")]
    LeaseLost,
}

/// A request to move a shard, and who waits for it.
#[derive(Debug)]
pub(crate) struct SeekRequest {
    pub(crate) to: SeekTo,
    pub(crate) answer: oneshot::Sender<Result<(), SeekError>>,
}

impl From<StreamError> for SeekError {
    fn from(error: StreamError) -> Self {
        match error.kind {
            CallErrorKind::Rejected { .. } => Self::Refused(error),
            CallErrorKind::NotFound
            | CallErrorKind::Throttled { .. }
            | CallErrorKind::Transient { .. }
            | CallErrorKind::Credentials { .. }
            | CallErrorKind::Encryption { .. }
            | CallErrorKind::Denied { .. }
            | CallErrorKind::Iterator { .. }
            | CallErrorKind::Unavailable { .. }
            | CallErrorKind::Unreadable { .. } => Self::Stream(error),
        }
    }
}
