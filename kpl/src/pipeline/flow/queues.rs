//! Pure: the queues of the shards, and what holds them.
//!
//! Where records are ordered, one Kinesis record of a shard is in flight at a time. An aggregate that leaves holds its shard
//! until it is decided. One that is retried goes before everything else in its queue, and thereby holds the shard too.
//! When the shards change, an undecided aggregate holds each shard that its keys belong to now: a child waits for what is
//! in flight to its parents.

use std::collections::BTreeSet;
use std::time::Instant;

use service::ShardId;

use crate::config::Config;
use crate::config::ordering::Ordering;
use crate::lanes::aggregate::SealedAggregate;
use crate::pipeline::accounts::Accounts;
use crate::pipeline::flow::ceiling::Ceiling;
use crate::pipeline::flow::cuts;
use crate::pipeline::flow::limiter::{Answered, Destination, Limiter};
use crate::routing::shard_map::ShardMap;

/// The limiter's queues, with the order that is promised of them.
#[derive(Debug)]
pub(crate) struct Queues {
    limiter: Limiter,
    ordering: Ordering,
}

impl Queues {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            limiter: Limiter::new(config.rate_limit_percent, config.requests_per_shard()),
            ordering: config.ordering,
        }
    }

    /// Queues an aggregate for the shard of its target: in the order of sealing where records are ordered, otherwise by its age.
    pub(crate) fn push(&mut self, aggregate: SealedAggregate, now: Instant) {
        match self.ordering {
            Ordering::PerKey => self.limiter.push(aggregate, now),
            Ordering::None => self.limiter.push_by_age(aggregate, now),
        }
    }

    /// Puts back an aggregate that was taken out to be sent.
    pub(crate) fn put_back(&mut self, aggregate: SealedAggregate, now: Instant) {
        match (self.ordering, &aggregate.target) {
            (Ordering::PerKey, Some(target)) => {
                let shard = target.shard.clone();
                self.limiter.push_front(&shard, aggregate, now, now);
            }
            (Ordering::PerKey, None) | (Ordering::None, _) => self.push(aggregate, now),
        }
    }

    /// Puts a retried aggregate before everything queued for `shard`, all of which waits until `not_before`.
    pub(crate) fn push_front(
        &mut self,
        shard: &ShardId,
        aggregate: SealedAggregate,
        not_before: Instant,
        now: Instant,
    ) {
        self.limiter.push_front(shard, aggregate, not_before, now);
    }

    /// Takes the next aggregate that may leave now and that `accept` takes, or its first part if it is larger than what passes by
    /// `ceiling`: the others stay in front of its queue. It is `None` inside if all of its records have expired.
    pub(crate) fn pop(
        &mut self,
        accounts: &mut Accounts,
        ceiling: &Ceiling,
        now: Instant,
        accept: impl Fn(&SealedAggregate) -> bool,
    ) -> Option<Option<SealedAggregate>> {
        let (destination, aggregate) = self.limiter.pop(now, accept)?;
        let mut leaves = accounts.unexpired(aggregate, now);
        if let Some(large) = leaves.take_if(|aggregate| cuts::must_be_halved(aggregate, ceiling)) {
            let mut parts = cuts::passing(large, ceiling, accounts).into_iter();
            leaves = parts.next();
            for part in parts.rev() {
                self.limiter.put_back(&destination, part, now);
            }
        }
        self.limiter.settle(&destination, leaves.as_ref(), now);
        Some(leaves.map(|aggregate| self.hold_for_aggregate(aggregate, now)))
    }

    /// When a queue wants to be looked at.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.limiter.next_at()
    }

    /// The service answered for an aggregate that was sent to `destination`.
    pub(crate) fn answered(&mut self, destination: &Destination, entry: Answered, now: Instant) {
        self.limiter.answered(destination, entry, now);
    }

    /// The rate of `destination` in percent of what its shards take.
    pub(crate) fn rate_of(&mut self, destination: &Destination, now: Instant) -> u32 {
        self.limiter.rate_of(destination, now)
    }

    /// A request leaves. It holds its shards until its answer, unless its aggregates do so for longer.
    pub(crate) fn hold_for_request(&mut self, aggregates: &[SealedAggregate], now: Instant) -> Vec<ShardId> {
        match self.ordering {
            Ordering::PerKey => Vec::new(),
            Ordering::None => {
                let targets = aggregates.iter().filter_map(|aggregate| aggregate.target.as_ref());
                let shards: BTreeSet<&ShardId> = targets.map(|target| &target.shard).collect();
                shards.iter().for_each(|shard| self.limiter.hold(shard, now));
                shards.into_iter().cloned().collect()
            }
        }
    }

    /// Takes back one hold of each of these.
    pub(crate) fn release(&mut self, shards: &[ShardId], now: Instant) {
        shards.iter().for_each(|shard| self.limiter.release(shard, now));
    }

    /// Other shards are open now: takes everything out, except from queues of which each aggregate `stays`.
    pub(crate) fn change_shards(
        &mut self,
        map: &ShardMap,
        stays: impl FnMut(&mut SealedAggregate) -> bool,
    ) -> Vec<SealedAggregate> {
        let is_open = |shard: &ShardId| map.open_range_of(shard).is_some();
        let taken = self.limiter.take_unless(stays, is_open);
        self.limiter.set_open_shards(map.shards().len());
        taken
    }

    /// Takes everything out at the end.
    pub(crate) fn take_all(&mut self) -> Vec<SealedAggregate> {
        self.limiter.take_unless(|_| false, |_| false)
    }

    /// The shards have changed: each of the `undecided` aggregates holds the shards that its keys belong to now.
    pub(crate) fn hold_for_undecided<'a>(
        &mut self,
        undecided: impl Iterator<Item = &'a mut SealedAggregate>,
        map: &ShardMap,
        accounts: &mut Accounts,
        now: Instant,
    ) {
        if self.ordering != Ordering::PerKey {
            return;
        }
        drop(accounts.take_released());
        self.limiter.release_all(now);
        for aggregate in undecided {
            let keys = aggregate.hash_keys().into_iter();
            let shards = keys.filter_map(|key| map.shards().get(map.index_of(key)));
            let shards: BTreeSet<ShardId> = shards.map(|shard| shard.id.clone()).collect();
            shards.iter().for_each(|shard| self.limiter.hold(shard, now));
            aggregate.shards_held = shards.into_iter().collect();
        }
    }

    /// Returns what has expired to its callers.
    pub(crate) fn expire(&mut self, accounts: &mut Accounts, now: Instant) {
        for (destination, queue) in self.limiter.take_queues() {
            let left = accounts.all_unexpired(queue, now);
            self.limiter.restore(&destination, left, now);
        }
    }

    /// An aggregate begins its way to the service.
    fn hold_for_aggregate(&mut self, mut aggregate: SealedAggregate, now: Instant) -> SealedAggregate {
        if self.ordering == Ordering::PerKey
            && let Some(target) = &aggregate.target
        {
            self.limiter.hold(&target.shard, now);
            aggregate.shards_held = vec![target.shard.clone()];
        }
        aggregate
    }
}
