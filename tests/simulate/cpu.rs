//! The processor time of this process and of this thread, as Linux counts it.

use std::time::Duration;

/// The processor time that this thread has used; zero where the system does not tell.
pub(crate) fn of_thread() -> Duration {
    // The first number is nanoseconds on a processor.
    let read = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = read.split_whitespace().next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
