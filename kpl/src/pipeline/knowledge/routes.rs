//! Pure: how aggregates are routed, and which of them wait until it is known how.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::config::Config;
use crate::config::ordering::{Ordering, RecordDistribution};
use crate::error::PutErrorKind;
use crate::lanes::aggregate::SealedAggregate;
use crate::pipeline::accounts::Accounts;
use crate::pipeline::answers::exchange::Exchange;
use crate::pipeline::knowledge::Knowledge;
use crate::pipeline::knowledge::distribution::{Source, Waiting};
use crate::pipeline::messages::Output;
use crate::receipt::attempt::AttemptFailure;
use crate::routing::shard_map::ShardMap;
use crate::routing::{Routing, Target};

/// After this number of misplacements the service evidently does not follow the hash keys.
const MAX_MISPLACEMENTS: u32 = 3;

/// That aggregates are routed otherwise than before.
#[derive(Debug, Clone)]
pub(crate) struct Rerouting {
    pub(crate) map: Arc<ShardMap>,
    affected: Affected,
}

/// Which aggregates are routed otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Affected {
    /// Those whose shards have changed.
    OfChangedShards,
    /// Possibly each.
    All,
}

impl Rerouting {
    /// Whether an aggregate stays with its shard as it is. If so, the map in force becomes that of its target.
    pub(crate) fn spares(&self, aggregate: &mut SealedAggregate) -> bool {
        let target = aggregate.target.as_mut().filter(|target| self.map.is_as_in(target));
        match (self.affected, target) {
            (Affected::OfChangedShards, Some(target)) => {
                target.epoch = self.map.epoch();
                true
            }
            (Affected::OfChangedShards, None) | (Affected::All, _) => false,
        }
    }
}

/// The routing in force, and the aggregates that wait for the first one.
#[derive(Debug)]
pub(crate) struct Routes {
    routing: Routing,
    told: Option<(RecordDistribution, Source)>,
    unrouted: Vec<SealedAggregate>,
    ordering: Ordering,
    max_size: usize,
    max_count: usize,
}

impl Routes {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            routing: Routing::Undecided,
            told: None,
            unrouted: Vec::new(),
            ordering: config.ordering,
            max_size: config.aggregation_max_size,
            max_count: config.max_count(),
        }
    }

    /// Puts into force what is known by now. Tells if aggregates are routed otherwise than before.
    pub(crate) fn settle(&mut self, knowledge: &Knowledge, outputs: &mut VecDeque<Output>) -> Option<Rerouting> {
        let (map, (distribution, source)) = (knowledge.map()?, knowledge.distribution()?);
        if self.told.replace((distribution, source)) != Some((distribution, source)) {
            outputs.push_back(Output::Distribution(distribution, source));
        }
        let routing = Routing::new(Arc::clone(map), distribution, knowledge.keyless());
        if routing.is_same(&self.routing) {
            return None;
        }
        let affected = match routing.differs_in_shards_alone(&self.routing) {
            true => Affected::OfChangedShards,
            false => Affected::All,
        };
        self.routing = routing.clone();
        outputs.push_back(Output::NewRouting(routing));
        Some(Rerouting {
            map: Arc::clone(map),
            affected,
        })
    }

    /// The map in force.
    pub(crate) fn map(&self) -> Option<&ShardMap> {
        match &self.routing {
            Routing::Undecided => None,
            Routing::ByKey { map, .. } | Routing::ServiceChosen { map } => Some(map),
        }
    }

    pub(crate) fn is_undecided(&self) -> bool {
        matches!(self.routing, Routing::Undecided)
    }

    /// Whether it is not known yet where an aggregate goes.
    pub(crate) fn must_wait(&self, aggregate: &SealedAggregate) -> bool {
        self.is_undecided() || aggregate.is_without_key() && self.routing.holds_records_without_key()
    }

    /// Has an aggregate wait for the first routing, or for the description.
    pub(crate) fn keep(&mut self, aggregate: SealedAggregate) {
        self.unrouted.push(aggregate);
    }

    /// Whether aggregates wait for the first routing, or for the description.
    pub(crate) fn waiting(&self) -> Waiting {
        match self.is_idle() {
            true => Waiting::None,
            false => Waiting::Some,
        }
    }

    /// Whether no aggregate waits for either.
    pub(crate) fn is_idle(&self) -> bool {
        self.unrouted.is_empty()
    }

    pub(crate) fn take_unrouted(&mut self) -> Vec<SealedAggregate> {
        std::mem::take(&mut self.unrouted)
    }

    /// The fetch of the first map failed: it is an attempt for each aggregate that waits. Whatever became of it, it has stored nothing.
    pub(crate) fn note_fetch(&mut self, fetch: &Exchange, failure: AttemptFailure) {
        let failure = AttemptFailure {
            may_have_been_stored: false,
            ..failure
        };
        for aggregate in &mut self.unrouted {
            fetch.note(aggregate, Some(failure.clone()));
        }
    }

    /// Nobody waits for the fetch of the first map any more.
    pub(crate) fn abandon_fetch(&mut self, fetch: &Exchange) {
        let failure = AttemptFailure {
            code: "Abandoned".into(),
            message: "the producer stopped waiting for the stream's shards".into(),
            may_have_been_stored: false,
        };
        self.note_fetch(fetch, failure);
    }

    /// Returns what has expired to its callers.
    pub(crate) fn expire(&mut self, accounts: &mut Accounts, now: Instant) {
        let unrouted = std::mem::take(&mut self.unrouted);
        self.unrouted = accounts.all_unexpired(unrouted, now);
    }

    /// Whether the stream can take the aggregate as it is. If its shard can, the map in force becomes that of its target.
    pub(crate) fn suits(&self, aggregate: &mut SealedAggregate) -> bool {
        let leads_there = match &self.routing {
            Routing::ByKey { map, .. } => {
                let target = target_in(map, aggregate);
                let is_there = target.is_some();
                aggregate.target = target.or(aggregate.target.take());
                is_there
            }
            Routing::Undecided | Routing::ServiceChosen { .. } => true,
        };
        leads_there
            && !self.must_wait(aggregate)
            && self.objection(aggregate).is_none()
            && aggregate.record.user_records <= self.max_count_of(aggregate)
    }

    /// Why this stream cannot take an aggregate, if it cannot.
    pub(crate) fn objection(&self, aggregate: &SealedAggregate) -> Option<PutErrorKind> {
        if self.ordering == Ordering::PerKey {
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
    fn max_count_of(&self, aggregate: &SealedAggregate) -> usize {
        let allowed = match aggregate.misplacements {
            0..MAX_MISPLACEMENTS => self.routing.max_count(self.max_count),
            _ => 1,
        };
        self.routing.max_count_for(aggregate.target.as_ref(), allowed)
    }

    /// As it is if it may stay together and its shard is unchanged, otherwise taken apart.
    pub(crate) fn fitted(&self, mut aggregate: SealedAggregate, accounts: &mut Accounts) -> Vec<SealedAggregate> {
        let max_count = self.max_count_of(&aggregate);
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
        let parts = aggregate.resplit(&self.routing, self.max_size, max_count);
        accounts.split(generation, parts.len());
        parts
    }
}

/// The target of the aggregate by `map`, if its shard is still there and holds all of it.
fn target_in(map: &ShardMap, aggregate: &SealedAggregate) -> Option<Target> {
    let target = aggregate.target.as_ref()?;
    let range = map.open_range_of(&target.shard)?;
    let fits = map.is_as_in(target) || aggregate.hash_keys().into_iter().all(|key| range.contains(key));
    fits.then(|| Target {
        shard: target.shard.clone(),
        epoch: map.epoch(),
    })
}
