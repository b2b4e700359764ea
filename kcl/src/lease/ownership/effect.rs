//! Pure: what an input to an ownership leads to.

use std::time::Instant;

use super::End;
use crate::checkpoint::position::Position;
use crate::error::TableError;
use crate::lease::guard::LeaseEpoch;
use crate::lease::model::WorkerId;
use crate::stream::{Incarnation, ShardId};

/// Why a consumer is asked to finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Drain {
    /// The worker shuts down.
    Shutdown,
    /// The row names the next owner, which waits for this one.
    HandOff { to: WorkerId },
    /// The shard is one of a former stream, and the worker begins anew with the present one.
    StreamCreatedAgain,
}

/// An effect of an input.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect<W> {
    /// The lease is this worker's until then.
    Valid { until: Instant },
    /// The consumer is to finish.
    Drain(Drain),
    /// There is no row. Whether the service lists the shard of that stream is to be told to [`Ownership::listed`](super::Ownership::listed).
    Vanished {
        epoch: LeaseEpoch,
        shard: ShardId,
        stream: Incarnation,
    },
    /// The row was made again.
    MadeAgain,
    /// The row's checkpoint is there now.
    Reached(Position),
    /// The row holds the checkpoint, or the prepared one, that `waiter` waits for.
    Checkpointed { waiter: W },
    /// It was tried several times and not written, as far as is known.
    NotCheckpointed { waiter: W, error: TableError },
    /// The ownership has ended. No other effect follows.
    Ended {
        end: End,
        /// The waiters for checkpoints that were not written, as far as is known.
        waiters: Vec<W>,
        /// The waiter for the end of the ownership.
        leaver: Option<W>,
    },
}
