#![doc = include_str!("../README.md")]
//!
//! # How it works
//!
//! ```text
//!  ListShards ─► shard sync ─► lease table ◄─► search for leases ─► renewer (the only writer of held leases)
//!                                  ▲                                   │ one task for each lease   ▲
//!                                  │ children                          ▼                           │ checkpoint
//!                                  └──────────── GetRecords ─► de-aggregate ─► your processor ─► Checkpointer
//! ```

mod assignment;
mod builder;
mod call_error;
mod calls;
mod checkpoint;
mod clock;
mod config;
mod consumer;
mod error;
mod event;
mod lease;
pub mod limits;
#[cfg(feature = "planted-bugs")]
pub mod planted_bugs;
mod processor;
mod record;
mod retrieval;
mod retry;
mod shard_sync;
mod stream;
mod tasks;
mod worker;

pub use aggregation::{HashKey, InvalidHashKey, RecordDamage};
pub use builder::WorkerBuilder;
pub use checkpoint::{
    CheckpointRefused, Checkpointer, InvalidPosition, InvalidSequenceNumber, Position, RecordPosition, SequenceNumber,
};
pub use consumer::supervisor::ShutdownReport;
pub use error::{
    BuildError, BuildErrorKind, CallErrorKind, CheckpointError, HandlerError, StreamError, TableError, WorkerError,
};
pub use lease::{LeaseEpoch, LeaseGuard, LeaseKey, WorkerId};
pub use processor::{Batch, RecordProcessor, ShardContext};
pub use record::{Origin, Record};
pub use stream::{ShardId, StartingPosition};
pub use worker::{Worker, WorkerControl};
