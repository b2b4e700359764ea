//! Pure: the aggregates that are routed again because their shards have changed, a part of them at a time.

use std::collections::VecDeque;
use std::time::Instant;

use crate::lanes::aggregate::SealedAggregate;
use crate::limits::{REROUTING_PAUSE, REROUTING_STEP};
use crate::pipeline::accounts::Accounts;

/// Aggregates in the order in which they are routed again.
///
/// To take one apart and to build it anew costs as much time as to put its records. With all of a full budget at once, nothing
/// else would be sent, and no answer be heard, for as long as that takes.
#[derive(Debug, Default)]
pub(crate) struct Rerouted {
    waiting: VecDeque<SealedAggregate>,
    /// When the next part of them is routed.
    next_at: Option<Instant>,
}

impl Rerouted {
    /// Has these wait before the others. The first part is due now.
    pub(crate) fn put_first(&mut self, aggregates: Vec<SealedAggregate>, now: Instant) {
        let others = std::mem::replace(&mut self.waiting, aggregates.into());
        self.waiting.extend(others);
        self.next_at = (!self.waiting.is_empty()).then_some(now);
    }

    /// Has an aggregate wait behind the others.
    pub(crate) fn put_last(&mut self, aggregate: SealedAggregate) {
        self.waiting.push_back(aggregate);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.waiting.iter().map(SealedAggregate::bytes).sum()
    }

    /// When the next part is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.next_at
    }

    /// Takes the next part, if it is due.
    pub(crate) fn take_step(&mut self, now: Instant) -> Vec<SealedAggregate> {
        if self.next_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while bytes < REROUTING_STEP {
            let Some(aggregate) = self.waiting.pop_front() else {
                break;
            };
            bytes += aggregate.bytes();
            taken.push(aggregate);
        }
        self.next_at = (!self.waiting.is_empty()).then(|| now + REROUTING_PAUSE);
        taken
    }

    /// Returns what has expired to its callers.
    pub(crate) fn expire(&mut self, accounts: &mut Accounts, now: Instant) {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting = accounts.all_unexpired(waiting, now).into();
        self.next_at = self.next_at.filter(|_| !self.waiting.is_empty());
    }

    /// Takes everything out at the end.
    pub(crate) fn take_all(&mut self) -> Vec<SealedAggregate> {
        self.next_at = None;
        std::mem::take(&mut self.waiting).into()
    }
}
