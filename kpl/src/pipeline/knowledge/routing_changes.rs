//! Pure: what the pipeline does when it learns who decides where records go, or which shards there are.

use std::sync::Arc;
use std::time::Instant;

use crate::config::ordering::{Ordering, RecordDistribution};
use crate::error::PutErrorKind;
use crate::error::codes::{Class, classify};
use crate::lanes::aggregate::SealedAggregate;
use crate::limits::{RESHARDING_REFRESH_INTERVAL, RESHARDING_TIME};
use crate::observe::observation::Observation;
use crate::pipeline::knowledge::distribution::{Interest, Waiting};
use crate::pipeline::knowledge::evidence::{Atlas, Placement};
use crate::pipeline::knowledge::map_changes::AWAITED_PAUSES;
use crate::pipeline::{CallFailure, Output, Pipeline, Stored};
use crate::routing::shard_map::ShardMap;
use crate::routing::summary::{Resharding, StreamSummary};
use crate::routing::{Routing, Target};

/// After so many misplacements the service evidently does not follow the hash keys.
const MAX_MISPLACEMENTS: u32 = 3;

impl Pipeline {
    pub(in crate::pipeline) fn on_description(&mut self, described: Result<StreamSummary, CallFailure>, now: Instant) {
        match described {
            Ok(summary) => self.on_summary(summary, now),
            Err(failure) => match classify(&failure.code) {
                Class::Denied | Class::Rejected => self.distribution.refused(now),
                class @ (Class::NotFound | Class::Throttled | Class::Credentials | Class::Transient) => {
                    if class == Class::NotFound && self.is_missing_for_good(now) {
                        self.give_back_keyless(&PutErrorKind::StreamNotFound);
                    }
                    let code = &failure.code;
                    self.observers.observe(Observation::LookUpFailed { code });
                    let failures = self.distribution.failed();
                    let (failures, waiting) = if self.unrouted.is_empty() {
                        (failures, Waiting::None)
                    } else {
                        (failures.min(AWAITED_PAUSES), Waiting::Some)
                    };
                    let at = now + self.fetch_delays.after(failures);
                    self.distribution.ask_again(at, waiting);
                }
            },
        }
    }

    /// The records that wait for nothing but the description will not have it.
    fn give_back_keyless(&mut self, reason: &PutErrorKind) {
        if let Routing::ByKey { .. } = self.routing {
            for aggregate in std::mem::take(&mut self.unrouted) {
                self.fail(aggregate, reason.clone());
            }
        }
    }

    fn on_summary(&mut self, summary: StreamSummary, now: Instant) {
        let StreamSummary {
            distribution,
            max_record_bytes,
            resharding,
        } = summary;
        self.distribution.described(distribution, now);
        self.outputs.extend(max_record_bytes.map(Output::RecordLimit));
        if resharding == Resharding::UnderWay {
            self.refresher
                .hasten(RESHARDING_REFRESH_INTERVAL, now + RESHARDING_TIME);
            self.distribution.ask_sooner(now);
        }
    }

    /// Notes where the service put an aggregate, if that may tell whether the stream follows hash keys.
    pub(in crate::pipeline) fn learn_from(&mut self, stored: &Stored, sent: Instant, now: Instant) {
        let Stored { aggregate, shard, .. } = stored;
        let Some(map) = &self.map else { return };
        let as_expected = aggregate.target.as_ref().is_some_and(|target| target.shard == *shard);
        let is_of_interest = match self.distribution.interest() {
            Interest::None => false,
            Interest::Surprises => !as_expected,
            Interest::All => true,
        };
        if !is_of_interest || aggregate.is_without_key() || shard.is_nameless() {
            return;
        }
        let placement = Placement {
            key: aggregate.record.explicit_hash_key,
            shard: shard.clone(),
            sent,
        };
        let up_to = self.refresher.updated_at();
        self.distribution.placed(placement, Atlas { map, up_to }, now);
    }

    /// Puts into force what is known by now of shards and distribution, and routes everything that waits by it.
    pub(in crate::pipeline) fn settle_routing(&mut self, now: Instant) {
        let (Some(map), Some((distribution, source))) = (&self.map, self.distribution.in_force()) else {
            return;
        };
        if self.told_distribution.replace((distribution, source)) != Some((distribution, source)) {
            self.outputs.push_back(Output::Distribution(distribution, source));
        }
        let routing = Routing::new(Arc::clone(map), distribution, self.distribution.keyless());
        if !routing.is_same(&self.routing) {
            let map = Arc::clone(map);
            self.adopt(routing, &map, now);
        }
    }

    fn adopt(&mut self, routing: Routing, map: &ShardMap, now: Instant) {
        self.routing = routing.clone();
        self.outputs.push_back(Output::NewRouting(routing));
        let mut waiting = std::mem::take(&mut self.unrouted);
        waiting.extend(self.collector.take());
        waiting.extend(std::mem::take(&mut self.suspects).into_iter().flatten());
        waiting.extend(self.limiter.take_all(|shard| map.open_range_of(shard).is_some()));
        self.limiter.set_open_shards(map.shards().len());
        self.hold_lanes_of_undecided(map, now);
        for mut aggregate in waiting {
            aggregate.lanes_held.clear();
            self.route(aggregate, now);
        }
    }

    /// The aggregate as it suits the routing, taken apart if need be. It is given back if the stream cannot take it.
    pub(in crate::pipeline) fn suited(&mut self, aggregate: SealedAggregate, now: Instant) -> Vec<SealedAggregate> {
        match self.objection(&aggregate) {
            None => self.fitted(aggregate),
            Some(objection) => {
                if objection == PutErrorKind::NoPartitionKey {
                    self.distribution.keyless_refused(now);
                }
                self.fail(aggregate, objection);
                Vec::new()
            }
        }
    }

    /// Whether it is not known yet where the aggregate goes.
    pub(in crate::pipeline) fn must_wait(&self, aggregate: &SealedAggregate) -> bool {
        let is_undecided = matches!(self.routing, Routing::Undecided);
        is_undecided || aggregate.is_without_key() && self.routing.holds_records_without_key()
    }

    /// Whether the stream can take the aggregate as it is.
    pub(in crate::pipeline) fn suits(&self, aggregate: &SealedAggregate) -> bool {
        let leads_there = match &self.routing {
            Routing::ByKey { map, .. } => target_in(map, aggregate).is_some(),
            Routing::Undecided | Routing::ServiceChosen { .. } => true,
        };
        leads_there
            && !self.must_wait(aggregate)
            && self.objection(aggregate).is_none()
            && aggregate.record.user_records <= self.max_count(aggregate)
    }

    /// Why this stream cannot take an aggregate, if it cannot.
    fn objection(&self, aggregate: &SealedAggregate) -> Option<PutErrorKind> {
        if self.config.ordering == Ordering::PerKey {
            let distribution = self.routing.distribution();
            if distribution != RecordDistribution::UserPartitionKey {
                return Some(PutErrorKind::OrderingImpossible { distribution });
            }
        }
        let lacks_key = aggregate.is_without_key() && !self.routing.admits_records_without_key();
        lacks_key.then_some(PutErrorKind::NoPartitionKey)
    }

    /// How many records may be together. Those of an aggregate that keeps landing elsewhere are each alone: a record alone
    /// is right wherever it lands.
    fn max_count(&self, aggregate: &SealedAggregate) -> usize {
        let allowed = match aggregate.misplacements {
            0..MAX_MISPLACEMENTS => self.routing.max_count(self.config.max_count()),
            _ => 1,
        };
        self.routing.max_count_for(aggregate.target.as_ref(), allowed)
    }

    /// As it is if it may stay together and its shard is unchanged, otherwise taken apart.
    fn fitted(&mut self, mut aggregate: SealedAggregate) -> Vec<SealedAggregate> {
        let max_count = self.max_count(&aggregate);
        if aggregate.record.user_records <= max_count {
            match &self.routing {
                Routing::Undecided => return vec![aggregate],
                Routing::ServiceChosen { .. } => {
                    aggregate.target = None;
                    return vec![aggregate];
                }
                Routing::ByKey { map, .. } => {
                    if let Some(target) = target_in(map, &aggregate) {
                        aggregate.target = Some(target);
                        return vec![aggregate];
                    }
                }
            }
        }
        let generation = aggregate.generation;
        let parts = aggregate.resplit(&self.routing, self.config.aggregation_max_size, max_count);
        self.outstanding.split(generation, parts.len());
        parts
    }
}

/// The target of the aggregate by `map`, if its shard is still there and holds all of it.
fn target_in(map: &ShardMap, aggregate: &SealedAggregate) -> Option<Target> {
    let target = aggregate.target.as_ref()?;
    if target.epoch == map.epoch() {
        return Some(target.clone());
    }
    let range = map.open_range_of(&target.shard)?;
    let holds_all = aggregate.hash_keys().into_iter().all(|key| range.contains(key));
    holds_all.then(|| Target {
        shard: target.shard.clone(),
        epoch: map.epoch(),
    })
}
