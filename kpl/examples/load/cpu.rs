//! The processor time of this process, by the system's own account.

use std::time::Duration;

/// Linux counts in hundredths of a second here, on every architecture.
const TICKS_PER_SECOND: u64 = 100;

/// The time that all threads of this process have spent on a processor, in user and kernel mode; zero where the system
/// does not tell.
pub(crate) fn of_process() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program stands in parentheses, and may contain anything. `utime` and `stime` are fields 14 and 15.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
}
