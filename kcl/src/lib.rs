//! [METRICS.md]: metrics
//! [MIGRATING.md]: guide::migrating
//! [PERMISSIONS.md]: guide::permissions
//! [RUNBOOK.md]: guide::runbook
//! [TUNING.md]: guide::tuning
//!
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
//!
//! Inside, in the order of the data:
//!
//! * the start: `builder` and `config` make a `worker`, also from `properties`; `shard_sync` creates the leases that are missing;
//! * who reads what: `lease` has the table and the leases that are held, `assignment` takes leases,
//!   `coordination` leads a fleet on the table of KCL 3.5;
//! * reading: a `consumer` for each lease, `retrieval` of pages, `record` and the application's `processor`;
//! * how far: `checkpoint`;
//! * what can be seen: `event`, told through the `observers`, `fold` for its repeats, `metrics`, `spans`, `error`, and `trouble` for what
//!   fails for now;
//! * what all of it stands on: `stream`, `calls`, `limits`; `planted_bugs`
//!   for the simulation, `lease_bench` and `delivery_bench` for benchmarks;
//! * for tests of processors: `testing`;
//! * pages for its users: `guide`.

mod assignment;
mod builder;
mod calls;
mod checkpoint;
mod config;
mod consumer;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "its parts are complete before the worker uses them"
    )
)]
mod coordination;
#[cfg(feature = "_bench")]
#[doc(hidden)]
pub mod delivery_bench;
mod error;
pub mod event;
mod fold;
pub mod guide;
mod lease;
#[cfg(feature = "_bench")]
#[doc(hidden)]
pub mod lease_bench;
pub mod limits;
pub mod metrics;
mod observers;
#[cfg(feature = "_simulation")]
pub mod planted_bugs;
mod processor;
pub mod properties;
mod record;
mod retrieval;
mod shard_sync;
mod spans;
mod stream;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod trouble;
mod worker;

pub use aggregation::{HashKey, HashKeyRange, InvalidHashKey, InvalidRange, RecordDamage, Tag};
pub use builder::WorkerBuilder;
pub use checkpoint::{
    CheckpointError, Checkpointer, InvalidPosition, InvalidSequenceNumber, Position, PreparedCheckpoint,
    RecordPosition, SequenceNumber,
};
pub use consumer::seek::{SeekError, SeekTo};
pub use consumer::skip::{SkipError, Skipped};
pub use consumer::status::{ShardState, ShardStatus};
pub use consumer::supervisor::ShutdownReport;
#[doc(hidden)]
pub use coordination::decisions::{Decision, DecisionKind};
#[doc(hidden)]
pub use coordination::rule::Coordination;
pub use error::{BuildError, BuildErrorKind, CallErrorKind, StreamError, TableError, WorkerError};
pub use event::Event;
pub use lease::lost::LeaseLost;
pub use lease::table_options::{BillingMode, CreateTable};
pub use lease::{LeaseEpoch, LeaseGuard, LeaseKey, PendingCheckpoint, WorkerId};
pub use metrics::{MetricsGranularity, MetricsLevel};
pub use processor::dead_letter::{DeadLetter, DeadLetterSink};
pub use processor::error_policy::ErrorPolicy;
pub use processor::{
    Batch, BatchRoom, BoxProcessor, DynRecordProcessor, HandlerError, PerKey, RecordProcessor, ShardContext,
    ShardStream, StreamEnd, StreamProcessor,
};
pub use record::{Origin, Record};
pub use retrieval::loss::{OnPossibleLoss, PossibleLoss};
pub use shard_sync::former::OnRecreated;
pub use stream::{InvalidShardRef, ShardId, ShardRef, ShardRefFault, StartingPosition, StreamRef};
pub use worker::{Degraded, Health, RunError, Worker, WorkerControl, WorkerPhase};
