//! How large a record may be: what is configured, and what the stream is described to take.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::{DEFAULT_MAX_RECORD_BYTES, LARGEST_MAX_RECORD_BYTES};

/// The largest record that is accepted. The driver lowers or raises it, callers read it.
#[derive(Debug)]
pub(crate) struct RecordLimit {
    configured: Option<usize>,
    in_force: AtomicUsize,
}

impl RecordLimit {
    /// As configured. Without that, the service's default, until the stream says more.
    pub(crate) fn new(configured: Option<usize>) -> Self {
        Self {
            configured,
            in_force: AtomicUsize::new(configured.unwrap_or(DEFAULT_MAX_RECORD_BYTES)),
        }
    }

    /// Bytes of data and key.
    pub(crate) fn bytes(&self) -> usize {
        self.in_force.load(Ordering::Relaxed)
    }

    /// Whether a stream may take a record of `bytes`, though what is known of this one says otherwise.
    pub(crate) fn may_rise_to(&self, bytes: usize) -> bool {
        bytes <= self.configured.unwrap_or(LARGEST_MAX_RECORD_BYTES)
    }

    /// The stream takes records of `bytes`. A configured limit can only be stricter.
    pub(crate) fn described(&self, bytes: usize) {
        let allowed = self.configured.map_or(bytes, |configured| configured.min(bytes));
        self.in_force.store(allowed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn the_stream_decides_unless_the_configuration_is_stricter() {
        for (configured, described, in_force) in [
            (None, MIB, MIB),
            (None, 10 * MIB, 10 * MIB),
            (Some(5 * MIB), MIB, MIB),
            (Some(5 * MIB), 10 * MIB, 5 * MIB),
            (Some(100), 10 * MIB, 100),
        ] {
            let limit = RecordLimit::new(configured);
            assert_eq!(limit.bytes(), configured.unwrap_or(MIB), "before it is described");
            limit.described(described);
            assert_eq!(limit.bytes(), in_force, "{configured:?} of {described}");
        }
    }
}
