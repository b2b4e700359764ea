//! Pure: one finished call, as an attempt of each aggregate that was in it or waited for it.

use std::sync::Arc;
use std::time::Instant;

use crate::lanes::aggregate::SealedAggregate;
use crate::pipeline::messages::Moment;
use crate::receipt::attempt::{AttemptFailure, Made};

/// When a call began and ended, and what the service calls it.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) sent: Moment,
    pub(crate) ended: Instant,
    pub(crate) request_id: Option<Arc<str>>,
}

impl Exchange {
    /// A call whose answer nobody waits for any more.
    pub(crate) fn abandoned(sent: Moment, now: Instant) -> Self {
        Self {
            sent,
            ended: now,
            request_id: None,
        }
    }

    /// Adds the attempt to the history of an aggregate.
    pub(crate) fn note(&self, aggregate: &mut SealedAggregate, failure: Option<AttemptFailure>) {
        let made = Made {
            started: self.sent.wall,
            duration: self.ended.saturating_duration_since(self.sent.now),
            request_id: self.request_id.clone(),
        };
        aggregate.attempts.push(made, failure);
    }
}
