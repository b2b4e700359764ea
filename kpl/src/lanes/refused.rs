//! Pure: since when something has been refused.

use std::time::{Duration, Instant};

use crate::limits::REFUSAL_GRACE;

/// The first and the last of several refusals in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    first: Instant,
    last: Instant,
    company: Company,
}

/// Whether there were other aggregates in a request that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Company {
    Others,
    None,
}

impl Refused {
    /// Another refusal. After [`REFUSAL_GRACE`] without any, it is the first one again.
    pub(crate) fn again(before: Option<Self>, now: Instant) -> Self {
        let recent = before.filter(|before| before.is_recent(now));
        Self {
            first: recent.map_or(now, |recent| recent.first),
            last: now,
            company: recent.map_or(Company::Others, |recent| recent.company),
        }
    }

    /// The same, of what was alone in its request.
    pub(crate) fn alone(self) -> Self {
        Self {
            company: Company::None,
            ..self
        }
    }

    /// Whether it was alone when it was refused.
    pub(crate) fn was_alone(self) -> bool {
        self.company == Company::None
    }

    /// Whether the next refusal is one more in the row.
    pub(crate) fn is_recent(self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) < REFUSAL_GRACE
    }

    /// Whether the first was before `at`.
    pub(crate) fn began_before(self, at: Instant) -> bool {
        self.first < at
    }

    /// Whether the last was before `at`.
    pub(crate) fn ended_before(self, at: Instant) -> bool {
        self.last < at
    }

    /// The time from the first to the last.
    pub(crate) fn lasted(self) -> Duration {
        self.last.saturating_duration_since(self.first)
    }
}
