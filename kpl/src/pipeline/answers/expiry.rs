//! Pure: when to look for records whose time is over.
//!
//! Nothing that has expired is sent: each hand-over to the next stage looks at the time. What waits in a stage is looked
//! through when the first of it has expired.

use std::time::Instant;

use crate::lanes::aggregate::SealedAggregate;
use crate::limits::EXPIRY_RESOLUTION;

/// When to look through what waits.
#[derive(Debug, Default)]
pub(crate) struct ExpiryWatch {
    look_at: Option<Instant>,
}

impl ExpiryWatch {
    /// Makes sure that the expiry of `aggregate` is noticed.
    pub(crate) fn enter(&mut self, aggregate: &SealedAggregate) {
        let look_at = aggregate.expires_at().map(|at| at + EXPIRY_RESOLUTION);
        self.look_at = [self.look_at, look_at].into_iter().flatten().min();
    }

    /// When to look next.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Whether to look now; the caller then has what goes on waiting enter again.
    #[must_use]
    pub(crate) fn start(&mut self, now: Instant) -> bool {
        self.look_at.take_if(|at| *at <= now).is_some()
    }
}
