//! Pure: one thing under way to a shard at a time, where records are ordered.
//!
//! An aggregate that leaves holds the lane of its shard until it is decided. One that is sent again goes before everything
//! else in its queue, and thereby holds the lane too. When the shards change, an undecided aggregate holds the lane of each
//! shard that its keys belong to now: a child waits for what is under way to its parents.

use std::collections::BTreeSet;
use std::time::Instant;

use service::ShardId;

use crate::config::ordering::Ordering;
use crate::lanes::aggregate::SealedAggregate;
use crate::pipeline::Pipeline;
use crate::routing::shard_map::ShardMap;

impl Pipeline {
    /// An aggregate begins its way to the service.
    pub(in crate::pipeline) fn hold_lane(&mut self, mut aggregate: SealedAggregate, now: Instant) -> SealedAggregate {
        if self.config.ordering == Ordering::PerKey
            && let Some(target) = &aggregate.target
        {
            self.limiter.hold(&target.shard, now);
            aggregate.lanes_held = vec![target.shard.clone()];
        }
        aggregate
    }

    /// A request leaves. It holds its shards until its answer, unless its aggregates do so for longer.
    pub(in crate::pipeline) fn hold_shards(&mut self, aggregates: &[SealedAggregate], now: Instant) -> Vec<ShardId> {
        match self.config.ordering {
            Ordering::PerKey => Vec::new(),
            Ordering::None => {
                let targets = aggregates.iter().filter_map(|aggregate| aggregate.target.as_ref());
                let shards: BTreeSet<&ShardId> = targets.map(|target| &target.shard).collect();
                shards.iter().for_each(|shard| self.limiter.hold(shard, now));
                shards.into_iter().cloned().collect()
            }
        }
    }

    /// Queues an aggregate before all that is queued for its shard, or for the shards that its keys belong to now.
    pub(in crate::pipeline) fn retry_in_order(
        &mut self,
        mut aggregate: SealedAggregate,
        (at, now): (Instant, Instant),
    ) {
        self.released.append(&mut aggregate.lanes_held);
        if_planted!(FreeLane, return self.retry_at(at, aggregate));
        for part in self.suited(aggregate, now).into_iter().rev() {
            match part.target.as_ref().map(|target| target.shard.clone()) {
                Some(shard) => self.limiter.push_front(&shard, part, (at, now)),
                // There is no order where there are no shards to keep it in.
                None => self.route(part, now),
            }
        }
    }

    /// Sends the parts of what was refused, each by itself.
    pub(in crate::pipeline) fn try_apart(&mut self, parts: Vec<SealedAggregate>, now: Instant) {
        match self.config.ordering {
            Ordering::PerKey => {
                for part in parts.into_iter().rev() {
                    self.retry_in_order(part, (now, now));
                }
            }
            Ordering::None => parts.into_iter().for_each(|part| self.suspect(vec![part], now)),
        }
    }

    /// The shards have changed: what is under way holds the lanes of the shards that its keys belong to now. Nothing is
    /// queued at this moment.
    pub(in crate::pipeline) fn hold_lanes_of_undecided(&mut self, map: &ShardMap, now: Instant) {
        if self.config.ordering != Ordering::PerKey {
            return;
        }
        self.released.clear();
        self.limiter.release_all();
        let in_flight = self.in_flight.values_mut().flat_map(|request| &mut request.aggregates);
        let unjudged = self.unjudged.iter_mut().map(|stored| &mut stored.aggregate);
        for aggregate in in_flight.chain(unjudged) {
            let keys = aggregate.hash_keys().into_iter();
            let shards = keys.filter_map(|key| map.shards().get(map.index_of(key)));
            let shards: BTreeSet<ShardId> = shards.map(|shard| shard.id.clone()).collect();
            shards.iter().for_each(|shard| self.limiter.hold(shard, now));
            aggregate.lanes_held = shards.into_iter().collect();
        }
    }
}
