//! Checkpoints: how far a shard was read.

pub(crate) mod checkpointer;
pub(crate) mod ledger;
pub(crate) mod position;

pub use checkpointer::Checkpointer;
pub use ledger::CheckpointRefused;
pub use position::{InvalidPosition, InvalidSequenceNumber, Position, RecordPosition, SequenceNumber};
