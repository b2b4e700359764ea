//! The metrics of this worker: where they come from, and the row that reports them.
//!
//! ```text
//!  platform ──► sources, each second a sample ──► recorder: 300 samples ──► each 30 s a mean ──► the row
//! ```
//!
//! A [`MetricSource`] measures one thing, CPU for example. A worker without sources is legal: its row has empty maps, and a
//! leader balances it by the throughput of its leases.
//!
//! In the order of the data: `platform` says which sources suit this machine; `proc_stat`, `cgroup` and `ecs` compute the use
//! of CPU from what the machine says; `sources` reads it; `recorder` keeps the samples and makes the row.
//!
//! Source: amazon-kinesis-client 3.5, `WorkerMetricsSelector` and `WorkerMetricStatsReporter`.

use std::fmt;
use std::time::Instant;

use futures::future::BoxFuture;

mod cgroup;
mod ecs;
pub(crate) mod platform;
mod proc_stat;
pub(crate) mod recorder;
pub(crate) mod sources;

/// The name of the metric for CPU in a row. The KCL's.
pub(crate) const CPU: &str = "C";

/// The top of the operating range of CPU, in percent. The KCL's.
pub(crate) const CPU_LIMIT: u32 = 100;

/// Measures one metric of this worker.
///
/// Its values are percentages from 0 to 100. A sample that fails, or is outside of this range, is left out. A period of
/// 30 s without a good sample is reported as −1, by which a leader gives this worker no leases until a later period has one.
/// If no sample was ever good, the metric is not reported: a source that cannot work on this machine does not take the
/// worker out of the fleet.
pub(crate) trait MetricSource: fmt::Debug + Send {
    /// The name in the row. The KCL's own are `C` for CPU, `M` for memory, `NI` and `NO` for the network in and out.
    ///
    /// Two sources of one worker must not have the same name.
    fn name(&self) -> &str;

    /// The top of the operating range, in percent, greater than 0: a leader gives no lease that lifts the metric beyond it.
    fn limit(&self) -> u32;

    /// Measures once. It is called each second; `now` is the time of the call.
    ///
    /// # Errors
    ///
    /// If it cannot be measured now. The next second it is tried again.
    ///
    /// # Cancellation
    ///
    /// A dropped future is a sample that failed.
    fn sample(&mut self, now: Instant) -> BoxFuture<'_, Result<f64, SampleError>>;
}

/// Why a metric could not be measured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SampleError {
    #[error("{what} cannot be read: {problem}")]
    Unreadable {
        /// The file or the address.
        what: String,
        problem: String,
    },
    #[error("{what} has not the expected form: {problem}")]
    Malformed { what: &'static str, problem: String },
}

impl SampleError {
    fn malformed(what: &'static str, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self::Malformed { what, problem }
    }
}
