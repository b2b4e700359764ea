//! Pure: the numbers that keep moves by load calm.

use std::time::Duration;

/// The least relative load by which a move must lower the larger load of its two workers.
///
/// Source: the KCL 3.5.2 moves no lease for less than 1 % of gain.
pub(super) const LEAST_GAIN: f64 = 0.01;

/// How long a worker's metrics take to show a change of its leases.
///
/// Our choice: two reports of the KCL's worker metrics.
pub(super) const METRICS_LAG: Duration = Duration::from_secs(60);

/// How long a lease stays with an owner before it is moved by load again.
///
/// Our choice: the metrics rows keep five minutes of values.
pub(super) const LEASE_REST: Duration = Duration::from_secs(300);

/// The largest number that is taken from a row, so that no sum is infinite. Our choice.
pub(super) const LARGEST: f64 = 1e12;

/// Differences below this are rounding. Our choice.
pub(super) const ROUNDING: f64 = 1e-9;

/// Whether a relative load is larger than another one by more than rounding.
pub(super) fn exceeds(load: f64, other: f64) -> bool {
    load > other + ROUNDING
}
