//! What a producer and a consumer of Amazon Kinesis Data Streams share.
//!
#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! * names: `stream_ref`, `shard_id`, `shard_ref`, `sequence_number`; what a list says of shards: `hash_range`;
//! * what was refused, with all of its `reasons`;
//! * failed calls: `host_in_errors`, `call_error`, `call_class`, and the wait after them, `retry`;
//! * the process: `tasks`, `clock`;
//! * files of Java programs: `properties`.
mod call_class;
mod call_error;
mod clock;
mod hash_range;
mod host_in_errors;
mod properties;
mod reasons;
mod retry;
mod sequence_number;
mod shard_id;
mod shard_ref;
mod stream_ref;
mod tasks;

pub use call_class::CallClass;
pub use call_error::{CallError, Effect, chain};
pub use clock::{Clock, ClockSource};
pub use hash_range::{RangeFault, RangeFaultKind, read_range};
pub use host_in_errors::HostInErrors;
pub use properties::{MalformedEscape, PropertyEntry, property_entries};
pub use reasons::Reasons;
pub use retry::{Jitter, RetryDelays};
pub use sequence_number::{InvalidSequenceNumber, SequenceNumber};
pub use shard_id::ShardId;
pub use shard_ref::{InvalidShardRef, ShardRef, ShardRefFault};
pub use stream_ref::{StreamFault, StreamRef};
pub use tasks::{Lost, Tasks};
