//! What the sink has taken.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the sink has taken.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    requests: AtomicU64,
    records: AtomicU64,
    failed: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    /// Numbers the entries of a request, from the returned one on.
    pub(crate) fn add(&self, records: u64, bytes: u64) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed)
    }

    pub(crate) fn add_failed(&self, entries: u64) {
        self.failed.fetch_add(entries, Ordering::Relaxed);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        write!(
            f,
            "requests={} kinesis_records={} throttled={} payload_bytes={}",
            read(&self.requests),
            read(&self.records),
            read(&self.failed),
            read(&self.bytes)
        )
    }
}
