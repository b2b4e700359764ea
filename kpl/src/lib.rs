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
//! * the caller's side: `builder` and `config` make a `producer`, also from `properties`, for a `blocking` program or
//!   with an `encoder`; a `record` is checked against `record_limit` and charged to the `budget`;
//! * where it goes: `shard_map`, `routing`, `ordering`, `summary`;
//! * open aggregates: `lanes` of one `lane` for each shard, what is in them (`contents`), who has put into them
//!   (`intake`), what receipts share (`cohort`), and the sealed `aggregate`;
//! * the task: `driver` moves facts between `shared`, the pure `pipeline` and the service (`calls`);
//! * the end: `outcome`, `attempt`, `receipt`, `error`;
//! * what can be seen: `event`, `observation`, `stats`, `metrics`;
//! * what all of it stands on: `limits`, `sync`, `foreign`; `planted_bugs` for the
//!   simulation; `guide` has the pages.

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
#[cfg(feature = "_simulation")]
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
