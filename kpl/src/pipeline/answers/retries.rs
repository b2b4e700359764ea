//! Pure: what waits for its next attempt, and for how long.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use service::{Jitter, RetryDelays};

use crate::lanes::aggregate::SealedAggregate;
use crate::pipeline::accounts::Accounts;

/// The aggregates that wait for their next attempt; after requests have failed for a reason that concerns all, all others
/// too.
#[derive(Debug)]
pub(crate) struct Retries {
    delays: RetryDelays,
    waiting: BTreeMap<(Instant, u64), SealedAggregate>,
    last_number: u64,
    /// How many times in a row requests have failed for a reason that concerns all, when they did so last, and until when
    /// none is sent.
    pauses: u32,
    paused_at: Option<Instant>,
    resume_at: Option<Instant>,
}

impl Retries {
    /// The first delay and the longest, both before jitter.
    pub(crate) fn new(delays: (Duration, Duration), rng: fastrand::Rng) -> Self {
        Self {
            delays: RetryDelays::new(delays, Jitter::Full, rng),
            waiting: BTreeMap::new(),
            last_number: 0,
            pauses: 0,
            paused_at: None,
            resume_at: None,
        }
    }

    /// How long to wait after this number of failures.
    pub(crate) fn delay_after(&mut self, failures: u32) -> Duration {
        self.delays.after(failures)
    }

    /// Has the aggregate wait until `at`.
    pub(crate) fn push(&mut self, at: Instant, aggregate: SealedAggregate) {
        self.last_number += 1;
        self.waiting.insert((at, self.last_number), aggregate);
    }

    /// The next aggregate whose time has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<SealedAggregate> {
        let first = self.waiting.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// When the first aggregate is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = SealedAggregate> + use<> {
        std::mem::take(&mut self.waiting).into_values()
    }

    /// Returns what has expired to its callers.
    pub(crate) fn expire(&mut self, accounts: &mut Accounts, now: Instant) {
        for (key, aggregate) in std::mem::take(&mut self.waiting) {
            let left = accounts.all_unexpired([aggregate], now).pop();
            self.waiting.extend(left.map(|left| (key, left)));
        }
    }

    /// A request that was sent at `sent` failed as a whole for a reason that concerns all requests, such as the account's limit
    /// or a KMS key that is disabled: nothing is sent for a while. One that was in flight when the last pause began has failed
    /// for the reason of that one. The pause is not above `longest`.
    pub(crate) fn pause(&mut self, sent: Instant, now: Instant, longest: Duration) {
        if self.paused_at.is_some_and(|at| sent <= at) {
            return;
        }
        self.paused_at = Some(now);
        self.pauses = self.pauses.saturating_add(1);
        self.resume_at = Some(now + self.delays.after(self.pauses).min(longest));
    }

    /// A request was answered: the next pause is the shortest again.
    pub(crate) fn end_pauses(&mut self) {
        self.pauses = 0;
    }

    /// Ends a pause that is over.
    pub(crate) fn resume(&mut self, now: Instant) {
        self.resume_at = self.resume_at.filter(|at| *at > now);
    }

    /// Until when nothing is sent.
    pub(crate) fn resume_at(&self) -> Option<Instant> {
        self.resume_at
    }
}
