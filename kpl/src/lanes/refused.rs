//! Pure: since when something has been refused.

use std::time::{Duration, Instant};

use crate::limits::REFUSAL_GRACE;

/// The first and the last of several refusals in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    first: Instant,
    last: Instant,
}

impl Refused {
    /// Another refusal. After [`REFUSAL_GRACE`] without any, it is the first one again.
    pub(crate) fn again(before: Option<Self>, now: Instant) -> Self {
        let recent = before.filter(|before| now.saturating_duration_since(before.last) < REFUSAL_GRACE);
        Self {
            first: recent.map_or(now, |recent| recent.first),
            last: now,
        }
    }

    /// The time from the first to the last.
    pub(crate) fn lasted(self) -> Duration {
        self.last.saturating_duration_since(self.first)
    }
}
