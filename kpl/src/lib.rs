//! [MIGRATING.md]: guide::migrating
//! [TUNING.md]: guide::tuning
//! [PERMISSIONS.md]: guide::permissions
//! [METRICS.md]: metrics
//!
#![doc = include_str!("../README.md")]
//!
//! # How it works
//!
//! ```text
//!  per user record, on the caller's thread                  per Kinesis record, one task per producer
//!  put ─ validate ─ budget ─ shard map ─ lane ═══════════► limiter ─► collector ─► PutRecords ─► retrier
//!                                          sealed or due    per shard  ≤ 500, ≤ 5 MiB                │
//!  Receipt ◄──────────────────────────────────────────────── outcome ◄──────────────────────────────┘
//! ```
//!
//! Inside, in the order of the data:
//!
//! * the caller's side: a `producer`, made by its builder from a `config`; a `record` is charged to the `budget`;
//! * where it goes: `routing`, by the shard map, into the open aggregates of the `lanes`;
//! * the task: the `driver` moves facts between the callers' side, the pure `pipeline` and the service;
//! * the end: a `receipt` and its outcome, or an `error`;
//! * what can be seen: `observe`;
//! * what all of it stands on: `limits`, `sync`, `foreign`; `planted_bugs` for the
//!   simulation, with their sites by `planting`; `guide` has the pages.

#[macro_use]
mod planting;

mod budget;
mod config;
mod driver;
mod error;
mod foreign;
pub mod guide;
mod lanes;
pub mod limits;
#[cfg(test)]
mod looks;
mod observe;
mod pipeline;
#[cfg(feature = "_simulation")]
pub mod planted_bugs;
mod producer;
mod receipt;
mod record;
mod routing;
mod sync;

pub use aggregation::{HashKey, InvalidHashKey};
pub use budget::Budget;
pub use config::ordering::{Ordering, RecordDistribution};
pub use config::properties;
pub use driver::{ShutdownEnd, ShutdownReport};
pub use error::{BuildError, BuildErrorKind, EncodeError, FlushError, OptionValue, PutError, PutErrorKind, Relation};
pub use observe::event::Event;
pub use observe::metrics::{MetricsGranularity, MetricsLevel};
pub use observe::stats::Stats;
pub use observe::{event, metrics, stats};
pub use producer::blocking;
pub use producer::builder::ProducerBuilder;
pub use producer::encoding::{EncodingProducer, PayloadEncoder};
pub use producer::{Producer, RecordSink};
pub use receipt::attempt::{Attempt, AttemptFailure, Attempts};
pub use receipt::{Delivered, Receipt};
pub use record::Record;
pub use service::{InvalidSequenceNumber, SequenceNumber, ShardId};
