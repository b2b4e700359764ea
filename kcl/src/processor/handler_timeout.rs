//! How long the application may take: for a call, or for a record of an adapter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The worker's `handler_timeout` for one shard. Its clones are one.
///
/// It bounds each call, until an adapter says that it bounds each record instead. A call of such an adapter waits for many
/// records, for one that is tried again or for all at the end of the shard, and may take longer than any of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct HandlerTimeout {
    timeout: Option<Duration>,
    is_of_records: Arc<AtomicBool>,
}

impl HandlerTimeout {
    pub(crate) fn new(timeout: Option<Duration>) -> Self {
        Self {
            timeout,
            is_of_records: Arc::default(),
        }
    }

    /// How long a call may take. `None` if it may take as long as it likes.
    pub(crate) fn of_a_call(&self) -> Option<Duration> {
        self.timeout.filter(|_| !self.is_of_records.load(Ordering::Relaxed))
    }

    /// How long a record may take. From now on the caller bounds each record, and nothing bounds its calls.
    pub(crate) fn of_a_record(&self) -> Option<Duration> {
        self.is_of_records.store(true, Ordering::Relaxed);
        self.timeout
    }
}
