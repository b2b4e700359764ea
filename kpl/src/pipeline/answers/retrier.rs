//! Pure: what an answer means for an aggregate: done, again, or given back.

use aggregation::HashKeyRange;
use service::ShardId;

use crate::error::PutErrorKind;
use crate::error::codes::Class;
use crate::lanes::aggregate::SealedAggregate;
use crate::receipt::attempt::AttemptFailure;
use crate::routing::shard_map::ShardMap;

/// The reason that a failure of `class` gives to the caller once it is final.
pub(crate) fn final_reason(class: Class, failure: &AttemptFailure) -> PutErrorKind {
    match class {
        Class::NotFound => PutErrorKind::StreamNotFound,
        Class::Denied => PutErrorKind::AccessDenied {
            code: failure.code.clone(),
        },
        Class::Throttled => PutErrorKind::Throttled {
            code: failure.code.clone(),
        },
        Class::Credentials | Class::Transient | Class::Rejected => PutErrorKind::Rejected {
            code: failure.code.clone(),
            message: failure.message.clone(),
        },
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
/// That holds whoever distributes the records. What no shard was expected for cannot be unexpected.
pub(crate) fn judge(aggregate: &SealedAggregate, shard: &ShardId, map: &ShardMap) -> Verdict {
    let expected = aggregate.target.as_ref();
    let as_expected = expected.is_some_and(|target| target.shard == *shard);
    if shard.is_nameless() || as_expected && expected.is_some_and(|target| target.epoch == map.epoch()) {
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
    if as_expected || expected.is_none() {
        Verdict::Right
    } else {
        Verdict::RightButUnexpected
    }
}

/// Whether nothing about the shards can make it wrong: it travelled alone, or the answer names no shard.
pub(crate) fn is_right_anywhere(aggregate: &SealedAggregate, shard: &ShardId) -> bool {
    aggregate.record.user_records == 1 || shard.is_nameless()
}

fn holds_all(range: HashKeyRange, aggregate: &SealedAggregate) -> bool {
    aggregate.hash_keys().into_iter().all(|key| range.contains(key))
}
