//! What callers have put into one lane.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::lanes::contents::Volume;

/// The count of one lane. Its writers hold the lane's lock, so that plain stores are enough; anyone may read it.
#[derive(Debug, Default)]
pub(crate) struct LaneCount {
    records: AtomicU64,
    bytes: AtomicU64,
    /// When the open aggregate was begun, in nanoseconds after the producer was built, plus 1; 0 if there is none.
    begun: AtomicU64,
}

impl LaneCount {
    /// Counts a record of `bytes`.
    pub(crate) fn add(&self, bytes: usize) {
        let add = |count: &AtomicU64, more: u64| count.store(count.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        add(&self.records, 1);
        add(&self.bytes, bytes as u64);
    }

    /// Sets when the open aggregate was begun, counted from the producer's start; `None` if no aggregate is open.
    pub(crate) fn begin(&self, begun: Option<Duration>) {
        let nanoseconds = begun.map_or(0, |after| u64::try_from(after.as_nanos()).unwrap_or(u64::MAX - 1) + 1);
        self.begun.store(nanoseconds, Ordering::Relaxed);
    }

    pub(crate) fn volume(&self) -> Volume {
        Volume {
            records: self.records.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// When the open aggregate was begun, after the producer was built.
    pub(crate) fn begun(&self) -> Option<Duration> {
        #[cfg(test)]
        crate::looks::note();
        let nanoseconds = self.begun.load(Ordering::Relaxed);
        nanoseconds.checked_sub(1).map(Duration::from_nanos)
    }
}
