//! What can be seen of a producer from outside.
//!
//! The pipeline tells each `observation` to its `tally`, from which the driver fills `stats`, for a snapshot, and `metrics`,
//! for series over time. It tells each `event` to the log and to a listener.

pub mod event;
pub mod metrics;
pub(crate) mod observation;
pub mod stats;
pub(crate) mod tally;
