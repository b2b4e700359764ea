//! Pure: the aggregates that are routed again because their shards have changed, a part of them at a time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use service::ShardId;

use crate::lanes::aggregate::SealedAggregate;
use crate::limits::{REROUTING_PAUSE, REROUTING_STEP};
use crate::pipeline::accounts::Accounts;
use crate::routing::shard_map::{Epoch, ShardMap};

/// Aggregates in the order in which they are routed again.
///
/// To take one apart and to build it anew costs as much time as to put its records. With all of a full budget at once, nothing
/// else would be sent, and no answer be heard, for as long as that takes.
#[derive(Debug, Default)]
pub(crate) struct Rerouted {
    waiting: VecDeque<SealedAggregate>,
    built_for: BuiltFor,
    /// When the next part of them is routed.
    next_at: Option<Instant>,
}

/// What the waiting aggregates were built for, with the number of each.
#[derive(Debug, Default)]
struct BuiltFor {
    shards: BTreeMap<ShardId, usize>,
    epochs: BTreeMap<Epoch, usize>,
    /// Aggregates that may have any key.
    anything: usize,
}

impl BuiltFor {
    fn enter(&mut self, aggregate: &SealedAggregate) {
        match &aggregate.target {
            Some(target) => {
                *self.shards.entry(target.shard.clone()).or_default() += 1;
                *self.epochs.entry(target.epoch).or_default() += 1;
            }
            None => self.anything += 1,
        }
    }

    fn leave(&mut self, aggregate: &SealedAggregate) {
        match &aggregate.target {
            Some(target) => {
                count_down(&mut self.shards, &target.shard);
                count_down(&mut self.epochs, &target.epoch);
            }
            None => self.anything = self.anything.saturating_sub(1),
        }
    }
}

fn count_down<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Rerouted {
    /// Has these wait before the others. The first part is due now.
    pub(crate) fn put_first(&mut self, aggregates: Vec<SealedAggregate>, now: Instant) {
        aggregates.iter().for_each(|aggregate| self.built_for.enter(aggregate));
        let others = std::mem::replace(&mut self.waiting, aggregates.into());
        self.waiting.extend(others);
        self.next_at = (!self.waiting.is_empty()).then_some(now);
    }

    /// Has an aggregate wait behind the others.
    pub(crate) fn put_last(&mut self, aggregate: SealedAggregate) {
        self.built_for.enter(&aggregate);
        self.waiting.push_back(aggregate);
    }

    /// Whether none of them can have a key of `aggregate`, by the map in force: its shard has been the same since the oldest of
    /// them was built, and none was built for it.
    pub(crate) fn has_no_key_of(&self, aggregate: &SealedAggregate, map: Option<&ShardMap>) -> bool {
        let BuiltFor {
            shards,
            epochs,
            anything,
        } = &self.built_for;
        match (&aggregate.target, epochs.first_key_value(), map) {
            _ if self.waiting.is_empty() => true,
            (Some(target), Some((oldest, _)), Some(map)) => {
                *anything == 0 && !shards.contains_key(&target.shard) && map.has_kept_apart(target, *oldest)
            }
            _ => false,
        }
    }

    #[cfg(test)]
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
            self.built_for.leave(&aggregate);
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
        self.built_for = BuiltFor::default();
        self.waiting
            .iter()
            .for_each(|aggregate| self.built_for.enter(aggregate));
        self.next_at = self.next_at.filter(|_| !self.waiting.is_empty());
    }

    /// Takes everything out at the end.
    pub(crate) fn take_all(&mut self) -> Vec<SealedAggregate> {
        std::mem::take(self).waiting.into()
    }
}
