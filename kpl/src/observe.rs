//! What can be seen of a producer from outside.
//!
//! The pipeline tells each `observation` to those who count: `stats` for a snapshot, `metrics` for series over time. The
//! driver tells each `event` to the log and to a listener.

pub mod event;
pub mod metrics;
pub(crate) mod observation;
pub mod stats;
