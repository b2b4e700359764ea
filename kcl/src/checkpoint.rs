//! Checkpoints: how far a shard was read.
//!
//! In the order of the data: a `position` is a place in a shard, the `ledger` knows which ones may be checkpointed,
//! and the `checkpointer` writes them, in two phases if they are `prepared`, or fails with an `error`; `automatic` says when one
//! that was deferred is written. Their `destination` is the row of the lease, in a test a `recorder`.

pub(crate) mod automatic;
pub(crate) mod checkpointer;
mod destination;
pub(crate) mod error;
pub(crate) mod ledger;
pub(crate) mod position;
pub(crate) mod prepared;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod recorder;

pub use checkpointer::Checkpointer;
pub use error::CheckpointError;
pub use position::{InvalidPosition, InvalidSequenceNumber, Position, RecordPosition, SequenceNumber};
pub use prepared::PreparedCheckpoint;
