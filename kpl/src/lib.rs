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

mod aggregate;
mod attempt;
pub mod blocking;
mod budget;
mod builder;
mod calls;
mod cohort;
mod config;
mod contents;
mod driver;
mod encoder;
mod error;
pub mod event;
mod foreign;
pub mod guide;
mod intake;
mod lane;
mod lanes;
pub mod limits;
pub mod metrics;
mod observation;
mod ordering;
mod outcome;
mod pipeline;
#[cfg(feature = "planted-bugs")]
pub mod planted_bugs;
mod producer;
pub mod properties;
mod receipt;
mod record;
mod record_limit;
mod routing;
mod shard_map;
mod shared;
pub mod stats;
mod summary;
mod sync;

pub use aggregation::{HashKey, InvalidHashKey};
pub use attempt::{Attempt, AttemptFailure, Attempts};
pub use budget::Budget;
pub use builder::ProducerBuilder;
pub use driver::{ShutdownEnd, ShutdownReport};
pub use encoder::{EncodeError, EncodingProducer, PayloadEncoder};
pub use error::{BuildError, BuildErrorKind, FlushError, OptionOrigin, OptionValue, PutError, PutErrorKind, Relation};
pub use event::Event;
pub use metrics::{MetricsGranularity, MetricsLevel};
pub use ordering::{Ordering, RecordDistribution};
pub use producer::{Producer, RecordSink};
pub use receipt::{Delivered, Receipt};
pub use record::Record;
pub use service::{InvalidSequenceNumber, SequenceNumber, ShardId};
pub use stats::Stats;
