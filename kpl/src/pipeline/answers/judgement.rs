//! Pure: whether an aggregate is where a consumer finds all of it.

use std::sync::Arc;
use std::time::Instant;

use aggregation::HashKeyRange;
use service::ShardId;

use crate::config::ordering::Ordering;
use crate::config::{Config, OnMisplacement};
use crate::error::codes::WRONG_SHARD;
use crate::lanes::aggregate::SealedAggregate;
use crate::pipeline::accounts::Accounts;
use crate::pipeline::knowledge::Knowledge;
use crate::receipt::attempt::AttemptFailure;
use crate::routing::shard_map::ShardMap;

/// An aggregate that the service stored, and where.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) aggregate: SealedAggregate,
    pub(crate) shard: ShardId,
    pub(crate) sequence_number: Arc<str>,
    /// When the answer that tells of it came.
    pub(crate) answered: Instant,
}

impl Stored {
    /// The aggregate as one that a consumer may drop: its last attempt counts as failed.
    pub(crate) fn misplaced(self) -> SealedAggregate {
        let Self {
            mut aggregate, shard, ..
        } = self;
        aggregate.misplacements = aggregate.misplacements.saturating_add(1);
        let message = format!("stored in {shard}, which is not known to hold all of its records' hash keys");
        aggregate.attempts.fail_last(AttemptFailure {
            code: WRONG_SHARD.into(),
            message,
            may_have_been_stored: true,
        });
        aggregate
    }
}

/// Judges stored aggregates, and keeps those that only a fresh shard map can judge.
#[derive(Debug)]
pub(crate) struct Judge {
    consumers: Consumers,
    unjudged: Vec<Stored>,
}

/// Where the consumers of the stream find an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Consumers {
    /// On a shard that holds all of its keys.
    CheckRanges,
    /// Anywhere.
    ReadEverything,
}

impl Judge {
    pub(crate) fn new(config: &Config) -> Self {
        let consumers = match (config.on_misplacement, config.ordering) {
            (OnMisplacement::Accept, Ordering::None) => Consumers::ReadEverything,
            (OnMisplacement::Accept | OnMisplacement::SendAgain, _) => Consumers::CheckRanges,
        };
        Self {
            consumers,
            unjudged: Vec::new(),
        }
    }

    /// What to make of an aggregate where it is, by what is known of the stream.
    ///
    /// The map of a stream that was missing since says nothing of the stream that may have taken its place, though its
    /// shards bear the same ids.
    pub(crate) fn verdict(&self, stored: &Stored, knowledge: &Knowledge) -> Verdict {
        let Stored { aggregate, shard, .. } = stored;
        let verdict = match knowledge.map() {
            Some(map) if knowledge.is_map_trusted() || is_right_anywhere(aggregate, shard) => {
                judge(aggregate, shard, map)
            }
            Some(_) => Verdict::Unknown,
            None => Verdict::Right,
        };
        match (self.consumers, verdict) {
            (Consumers::ReadEverything, Verdict::Wrong | Verdict::Unknown) => Verdict::RightButUnexpected,
            (Consumers::CheckRanges | Consumers::ReadEverything, verdict) => verdict,
        }
    }

    /// Keeps an aggregate until there is a fresh map.
    pub(crate) fn keep(&mut self, stored: Stored) {
        self.unjudged.push(stored);
    }

    /// Whether no aggregate waits for a fresh map.
    pub(crate) fn is_idle(&self) -> bool {
        self.unjudged.is_empty()
    }

    /// Takes out what waits for a fresh map.
    pub(crate) fn take_unjudged(&mut self) -> Vec<Stored> {
        std::mem::take(&mut self.unjudged)
    }

    /// When the last answer came that names a shard of which the map in force says nothing.
    pub(crate) fn last_unknown(&self, knowledge: &Knowledge) -> Option<Instant> {
        let unknown = |stored: &&Stored| self.verdict(stored, knowledge) == Verdict::Unknown;
        self.unjudged.iter().filter(unknown).map(|stored| stored.answered).max()
    }

    /// What waits for a fresh map.
    pub(crate) fn unjudged(&mut self) -> impl Iterator<Item = &mut SealedAggregate> {
        self.unjudged.iter_mut().map(|stored| &mut stored.aggregate)
    }

    /// Returns what has expired to its callers, as maybe stored; what is left of those aggregates has to be retried.
    pub(crate) fn expire(&mut self, accounts: &mut Accounts, now: Instant) -> Vec<SealedAggregate> {
        let mut left = Vec::new();
        for stored in std::mem::take(&mut self.unjudged) {
            if stored.aggregate.expires_at().is_some_and(|at| at < now) {
                left.extend(accounts.unexpired(stored.misplaced(), now));
            } else {
                accounts.watch(&stored.aggregate);
                self.unjudged.push(stored);
            }
        }
        left
    }
}

/// Whether an aggregate that the service stored is where a consumer will find all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is.
    Right,
    /// It is, though not on the shard that the map named: the map is out of date.
    RightButUnexpected,
    /// The shard's range is not known: ask again after a refresh of the map.
    Unknown,
    /// It is not: a record of it lies outside the shard's range, so that a consumer drops the aggregate as a whole.
    Wrong,
}

/// Judges an aggregate that the service stored in `shard`, by the ranges of `map`.
///
/// A record that travelled alone is always right: no consumer checks its range. An aggregate is right if all of its
/// records belong to the shard, and otherwise wrong as a whole, because the KCL drops it as a whole. An answer that names
/// no shard leaves nothing to judge.
///
/// That holds for every distribution. What no shard was expected for cannot be unexpected.
fn judge(aggregate: &SealedAggregate, shard: &ShardId, map: &ShardMap) -> Verdict {
    let expected = aggregate.target.as_ref();
    let as_expected = expected.is_some_and(|target| target.shard == *shard);
    if shard.is_nameless() || as_expected && expected.is_some_and(|target| map.is_as_in(target)) {
        return Verdict::Right;
    }
    if aggregate.record.user_records > 1 {
        let Some(range) = map.range_of(shard) else {
            return Verdict::Unknown;
        };
        if !holds_all(range, aggregate) {
            return Verdict::Wrong;
        }
    }
    // Where the records of a shard lie whose range is not known, nobody can expect.
    let is_unexpected = !as_expected && expected.is_some_and(|target| !map.is_assumed(&target.shard));
    if !is_unexpected {
        Verdict::Right
    } else {
        Verdict::RightButUnexpected
    }
}

/// Whether nothing about the shards can make it wrong: it travelled alone, or the answer names no shard.
fn is_right_anywhere(aggregate: &SealedAggregate, shard: &ShardId) -> bool {
    aggregate.record.user_records == 1 || shard.is_nameless()
}

fn holds_all(range: HashKeyRange, aggregate: &SealedAggregate) -> bool {
    aggregate.hash_keys().into_iter().all(|key| range.contains(key))
}
