//! Pure: what the pipeline does when a new shard map arrives, or does not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answers::Exchange;
use super::retrier::{Class, classify, final_reason};
use super::{CallFailure, Output, Pipeline};
use crate::aggregate::{SealedAggregate, Target};
use crate::observation::Observation;
use crate::shard_map::{Shard, ShardMap, Topology};

/// The longest pause after a fetch that failed for good, as a number of failures: 400 ms. Longer would keep the next
/// caller from its error.
const SHORT_PAUSES: u32 = 4;

/// For how long a map that a fetch has just confirmed is not fetched again. Our choice.
const UNCHANGED_PAUSE: Duration = Duration::from_secs(1);

/// After so many misplacements the service evidently does not follow the hash keys.
const MAX_MISPLACEMENTS: u32 = 3;

impl Pipeline {
    pub(super) fn on_shards(&mut self, shards: Vec<Shard>, now: Instant) {
        let next = match &self.topology {
            Topology::Unknown => ShardMap::first(shards),
            Topology::Known(map) => map.refreshed(shards),
        };
        let Some(next) = next else {
            let failure = CallFailure {
                code: "NoOpenShards".into(),
                message: "ListShards named no open shard".into(),
                request_id: None,
                may_have_been_applied: false,
            };
            return self.on_fetch_failed(&failure, now);
        };
        self.fetch_began = None;
        self.refresher.succeeded(now);
        self.not_found_since = None;
        let changed = match &self.topology {
            Topology::Unknown => true,
            Topology::Known(map) => map.epoch() != next.epoch(),
        };
        if changed {
            self.adopt(Arc::new(next), now);
        } else {
            // Whatever contradicted the map, fetching it again at once will not explain it.
            self.refresher.pause_until(now + UNCHANGED_PAUSE);
        }
        self.judge_the_unjudged(now);
    }

    /// A fetch that failed is an attempt for each record that waits for it.
    fn note_fetch(&mut self, failure: &CallFailure, now: Instant) {
        let Some((sent, sent_wall)) = self.fetch_began.take() else {
            return;
        };
        let exchange = Exchange {
            sent,
            sent_wall,
            ended: now,
        };
        for aggregate in &mut self.unrouted {
            exchange.note(aggregate, Some(failure.clone().into()));
        }
    }

    /// Nobody waits for the fetch under way any more.
    pub(super) fn abandon_fetch(&mut self) {
        if let Some((began, _)) = self.fetch_began {
            let failure = CallFailure {
                code: "Abandoned".into(),
                message: "the producer stopped waiting for the stream's shards".into(),
                request_id: None,
                may_have_been_applied: false,
            };
            self.note_fetch(&failure, began);
        }
    }

    /// Puts a changed map into force and routes everything that waits by it.
    fn adopt(&mut self, map: Arc<ShardMap>, now: Instant) {
        self.topology = Topology::Known(Arc::clone(&map));
        self.outputs.push_back(Output::NewMap(Arc::clone(&map)));
        self.observers.observe(Observation::ShardsChanged(&map));
        let mut waiting = std::mem::take(&mut self.unrouted);
        waiting.extend(self.collector.take());
        waiting.extend(std::mem::take(&mut self.suspects).into_iter().flatten());
        waiting.extend(
            self.limiter
                .take_all(|shard| map.shards().iter().any(|open| open.id == *shard)),
        );
        self.hold_lanes_of_undecided(&map, now);
        for mut aggregate in waiting {
            aggregate.lanes_held.clear();
            self.route(aggregate, now);
        }
    }

    /// The aggregate as it suits `map`: as it is if its shard is unchanged, otherwise taken apart. One that keeps landing
    /// elsewhere is taken apart into its records: a record alone is right wherever it lands.
    pub(super) fn fitted(&mut self, mut aggregate: SealedAggregate, map: &ShardMap) -> Vec<SealedAggregate> {
        let max_count = match aggregate.misplacements {
            0..MAX_MISPLACEMENTS => self.config.records_per_aggregate(),
            _ => 1,
        };
        if let Some(target) = &aggregate.target
            && aggregate.record.user_records <= max_count
        {
            if target.epoch == map.epoch() {
                return vec![aggregate];
            }
            if map.shards().iter().any(|shard| shard.id == target.shard) && holds_all(map, target, &aggregate) {
                aggregate.target = Some(Target {
                    shard: target.shard.clone(),
                    epoch: map.epoch(),
                });
                return vec![aggregate];
            }
        }
        let generation = aggregate.generation;
        let parts = aggregate.resplit(map, self.config.aggregation_max_size, max_count);
        self.outstanding.split(generation, parts.len());
        parts
    }

    pub(super) fn on_fetch_failed(&mut self, failure: &CallFailure, now: Instant) {
        self.note_fetch(failure, now);
        let failures = self.refresher.failed();
        let class = classify(&failure.code);
        let is_final = match class {
            Class::Denied | Class::Rejected => true,
            Class::NotFound => self.is_missing_for_good(now),
            Class::Throttled | Class::Credentials | Class::Transient => false,
        };
        if is_final {
            let reason = final_reason(class, &failure.clone().into());
            for aggregate in std::mem::take(&mut self.unrouted) {
                self.fail(aggregate, reason.clone());
            }
            let pause = self.delays.after(failures.min(SHORT_PAUSES));
            self.refresher.pause_until(now + pause);
            self.judge_the_unjudged(now);
        } else {
            let at = now + self.delays.after(failures);
            self.refresher.retry_at(at);
        }
    }
}

fn holds_all(map: &ShardMap, target: &Target, aggregate: &SealedAggregate) -> bool {
    map.range_of(&target.shard)
        .is_some_and(|range| aggregate.hash_keys().into_iter().all(|key| range.contains(key)))
}
