//! Pure: streams and shards as the service names them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aggregation::HashKeyRange;

pub use service::{InvalidShardRef, ShardId, ShardRef, ShardRefFault, StreamRef};

/// One of the streams that have had the same name, one after the other, as far as it is known.
///
/// The default is unknown. Compare by [`may_be`](Self::may_be): two that are equal can still be two streams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Incarnation {
    pub(crate) arn: Option<Arc<str>>,
    /// When it was created, by the service's clock: milliseconds since the Unix epoch.
    pub(crate) created: Option<u64>,
}

impl Incarnation {
    /// The stream `arn` that was created at `created`. Rounded, because replies carry fractions of seconds.
    pub(crate) fn new(arn: &str, created: SystemTime) -> Self {
        let since_epoch = created.duration_since(SystemTime::UNIX_EPOCH).ok();
        let millis = since_epoch.and_then(|time| u64::try_from((time.as_micros() + 500) / 1_000).ok());
        Self {
            arn: Some(arn.into()),
            created: millis,
        }
    }

    /// Whether both parts are known.
    pub(crate) fn is_known(&self) -> bool {
        self.arn.is_some() && self.created.is_some()
    }

    /// Whether nothing that is known tells the two apart.
    pub(crate) fn may_be(&self, other: &Self) -> bool {
        fn agree<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
            a.as_ref().zip(b.as_ref()).is_none_or(|(a, b)| a == b)
        }
        agree(&self.arn, &other.arn) && agree(&self.created, &other.created)
    }
}

/// A stream at one time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Description {
    pub(crate) incarnation: Incarnation,
    /// How long the service keeps records.
    pub(crate) retention: Option<Duration>,
}

/// One shard, as `ListShards` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    /// None, one (after a split) or two (after a merge). A parent may be trimmed from the stream already.
    pub(crate) parents: BTreeSet<ShardId>,
    /// `None` if it cannot be read: such a shard is read like any other, but nobody can tell whether a record belongs to it.
    pub(crate) range: Option<HashKeyRange>,
    pub(crate) state: ShardState,
    /// For creating leases in the order of the shards' age. Decimal.
    pub(crate) starting_sequence_number: String,
}

/// Whether a shard takes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShardState {
    Open,
    Closed,
}

/// Where a shard that nobody has read yet is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "InitialPositionInStream")]
#[non_exhaustive]
pub enum StartingPosition {
    /// The oldest record that the stream still holds.
    TrimHorizon,
    /// Records that arrive from now on. Until the first checkpoint the lease says no more than that: a worker that goes
    /// on with it begins anew at that time, and what arrived in between is not read.
    Latest,
    /// Records that arrived at this time or later, by the service's clock. A time that is still to come is waited for: its
    /// shards are on hold until then. A shard that a split or a merge makes meanwhile is read from its first record on.
    AtTimestamp(SystemTime),
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    const ARN: &str = "arn:aws:kinesis:eu-north-1:123456789012:stream/orders";

    fn created_at(micros: u64) -> Incarnation {
        Incarnation::new(ARN, SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
    }

    #[test]
    fn streams_are_told_apart_by_their_arns_and_by_the_milliseconds_of_their_creation() {
        let stream = created_at(1_700_000_000_123_000);
        assert!(stream.is_known());
        assert!(!stream.may_be(&created_at(1_700_000_000_124_000)));
        let other_arn = Incarnation {
            arn: Some("arn:aws:kinesis:eu-north-1:123456789012:stream/payments".into()),
            ..stream.clone()
        };
        assert!(!stream.may_be(&other_arn));
    }

    #[test]
    fn fractions_of_a_millisecond_tell_no_streams_apart() {
        let stream = created_at(1_700_000_000_123_000);
        assert!(stream.may_be(&created_at(1_700_000_000_122_999)));
        assert!(stream.may_be(&created_at(1_700_000_000_123_001)));
    }

    prop_compose! {
        fn any_incarnation()(arn in option::of("[ab]"), created in option::of(0u64..3)) -> Incarnation {
            Incarnation { arn: arn.map(Into::into), created }
        }
    }

    proptest! {
        #[test]
        fn each_may_be_itself_and_the_unknown_one(stream in any_incarnation()) {
            prop_assert!(stream.may_be(&stream));
            prop_assert!(stream.may_be(&Incarnation::default()));
        }

        #[test]
        fn the_comparison_is_symmetric(a in any_incarnation(), b in any_incarnation()) {
            prop_assert_eq!(a.may_be(&b), b.may_be(&a));
        }

        #[test]
        fn a_part_that_becomes_unknown_never_contradicts(a in any_incarnation(), b in any_incarnation()) {
            let of_unknown_arn = Incarnation { arn: None, ..a.clone() };
            let of_unknown_time = Incarnation { created: None, ..a.clone() };
            prop_assert_eq!(of_unknown_arn.may_be(&b) && of_unknown_time.may_be(&b), a.may_be(&b));
        }
    }
}
