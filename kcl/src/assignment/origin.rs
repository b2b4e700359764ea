//! Pure: of which stream a lease row is, by what a worker knew of the stream when it began.
//!
//! ```text
//!  the row says which stream ──────────────────────► this one, or another one
//!  it does not: a worker of a Java KCL created it
//!     this worker saw that the stream was replaced ─► unmarked: its position may be of either stream
//!     its checkpoint is a word ─────────────────────► this one: a word means the same in each stream
//!     its checkpoint is a number
//!        below the first of its shard ──────────────► another one
//!        else ──────────────────────────────────────► this one
//! ```
//!
//! Sequence numbers grow with time, also from one stream to the next one of the same name: the numbers of a former stream
//! are below the first number of each shard. The service promises that within a shard only, where it is enough for the
//! converse: a checkpoint of this stream is never taken for one of another.

use std::collections::BTreeMap;

use crate::checkpoint::position::{Position, SequenceNumber};
use crate::lease::model::Lease;
use crate::stream::{Incarnation, Shard, ShardId};

/// The stream as it was when a worker began.
#[derive(Debug)]
pub(crate) struct StreamAtStart {
    /// Unknown if access to its description is denied.
    pub(crate) incarnation: Incarnation,
    /// The first sequence number of each shard that was listed.
    first_numbers: BTreeMap<ShardId, SequenceNumber>,
}

/// Whether the name belongs to the stream that a worker began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// It does, as far as is known.
    Kept,
    /// Another stream has had the name since.
    Replaced,
}

/// Of which stream a lease row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Of the one that the worker began with, as far as is known.
    ThisStream,
    /// Of an earlier or another one: its checkpoint means nothing in this one.
    AnotherStream,
    /// The row does not say it, and there are two streams that it may be of.
    Unmarked,
}

impl StreamAtStart {
    /// The stream `incarnation` with these shards.
    pub(crate) fn new(incarnation: Incarnation, shards: &[Shard]) -> Self {
        let first_number = |shard: &Shard| {
            let number = SequenceNumber::new(&shard.starting_sequence_number).ok()?;
            Some((shard.id.clone(), number))
        };
        Self {
            incarnation,
            first_numbers: shards.iter().filter_map(first_number).collect(),
        }
    }

    /// Of which stream `lease` is.
    pub(crate) fn origin(&self, lease: &Lease, name: Name) -> Origin {
        let stream = &lease.own.stream;
        if !stream.may_be(&self.incarnation) {
            return Origin::AnotherStream;
        }
        if stream.created.is_some() {
            return Origin::ThisStream;
        }
        match (name, &lease.checkpoint) {
            (Name::Replaced, _) => Origin::Unmarked,
            (Name::Kept, Some(Position::At(record))) if self.is_before(&lease.shard, &record.sequence_number) => {
                Origin::AnotherStream
            }
            (Name::Kept, _) => Origin::ThisStream,
        }
    }

    /// Whether `number` is smaller than all numbers of the shard.
    fn is_before(&self, shard: &ShardId, number: &SequenceNumber) -> bool {
        match self.first_numbers.get(shard) {
            Some(first) => number < first,
            // Trimmed, or created after the list was made. A shard that was trimmed has nothing left to be read.
            None => self.is_after_all(shard) && self.first_numbers.values().all(|first| number < first),
        }
    }

    /// Whether all shards that were listed are older. Not if that cannot be told.
    fn is_after_all(&self, shard: &ShardId) -> bool {
        let listed = self.first_numbers.keys().map(ShardId::number);
        !self.first_numbers.is_empty() && listed.max().flatten() < shard.number()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;

    use super::*;
    use crate::lease::model::OwnAttributes;
    use crate::stream::ShardState;

    fn incarnation(created: u64) -> Incarnation {
        let arn = "arn:aws:kinesis:eu-north-1:123456789012:stream/orders";
        Incarnation::new(arn, SystemTime::UNIX_EPOCH + Duration::from_secs(created))
    }

    fn id(number: u64) -> ShardId {
        ShardId::new(&format!("shardId-{number:012}"))
    }

    fn shard(number: u64, first: u64) -> Shard {
        Shard {
            id: id(number),
            parents: [].into(),
            range: None,
            state: ShardState::Open,
            starting_sequence_number: first.to_string(),
        }
    }

    /// Shards 2 and 3 are listed; those before them were trimmed.
    fn stream() -> StreamAtStart {
        StreamAtStart::new(incarnation(1), &[shard(2, 1_000), shard(3, 2_000)])
    }

    fn lease(of: u64, checkpoint: &str) -> Lease {
        let checkpoint = Position::from_row(checkpoint, 0).unwrap();
        Lease::of_orders(id(of).as_str(), checkpoint)
    }

    fn marked(created: u64, lease: Lease) -> Lease {
        let own = OwnAttributes::of(&incarnation(created));
        Lease { own, ..lease }
    }

    #[test]
    fn a_row_that_says_its_stream_is_of_that_one_whatever_its_checkpoint_is() {
        for name in [Name::Kept, Name::Replaced] {
            for checkpoint in ["TRIM_HORIZON", "7", "3000"] {
                let of = |created| stream().origin(&marked(created, lease(2, checkpoint)), name);
                assert_eq!((of(1), of(2)), (Origin::ThisStream, Origin::AnotherStream));
            }
        }
    }

    #[test]
    fn a_number_below_the_first_one_of_its_shard_is_of_another_stream() {
        let origin = |of, checkpoint| stream().origin(&lease(of, checkpoint), Name::Kept);
        assert_eq!(origin(2, "999"), Origin::AnotherStream);
        assert_eq!(origin(2, "1000"), Origin::ThisStream);
        assert_eq!(origin(3, "1999"), Origin::AnotherStream);
    }

    #[test]
    fn a_shard_that_is_newer_than_the_list_has_no_number_below_all_listed_ones() {
        let origin = |of, checkpoint| stream().origin(&lease(of, checkpoint), Name::Kept);
        assert_eq!(origin(4, "999"), Origin::AnotherStream);
        assert_eq!(origin(4, "2500"), Origin::ThisStream);
        assert_eq!(origin(1, "999"), Origin::ThisStream, "trimmed");
    }

    #[test]
    fn a_word_in_place_of_a_number_means_the_same_in_each_stream() {
        for checkpoint in ["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"] {
            assert_eq!(stream().origin(&lease(2, checkpoint), Name::Kept), Origin::ThisStream);
        }
    }

    #[test]
    fn once_the_stream_was_replaced_a_row_that_says_nothing_may_be_of_either() {
        for checkpoint in ["TRIM_HORIZON", "7", "3000"] {
            assert_eq!(stream().origin(&lease(2, checkpoint), Name::Replaced), Origin::Unmarked);
        }
    }

    #[test]
    fn numbers_tell_the_former_stream_also_where_its_description_is_denied() {
        let stream = StreamAtStart::new(Incarnation::default(), &[shard(0, 1_000)]);
        assert_eq!(stream.origin(&lease(0, "999"), Name::Kept), Origin::AnotherStream);
        assert_eq!(stream.origin(&lease(0, "1001"), Name::Kept), Origin::ThisStream);
    }

    proptest! {
        /// Shards whose first numbers grow with their ids, as those of one stream do.
        #[test]
        fn no_row_of_this_stream_is_taken_for_one_of_another(
            steps in proptest::collection::vec(0u64..5, 1..10),
            (listed_from, listed_to) in (0usize..10, 0usize..10),
            (of, ahead) in (0usize..10, 0u64..20),
        ) {
            let first_numbers: Vec<u64> = steps.iter().scan(100, |sum, step| { *sum += step; Some(*sum) }).collect();
            let of = of % first_numbers.len();
            let shards = first_numbers.iter().enumerate();
            let shards: Vec<Shard> = shards.map(|(number, first)| shard(number as u64, *first)).collect();
            let listed: Vec<Shard> = shards.into_iter().take(listed_to).skip(listed_from).collect();
            let row = lease(of as u64, &(first_numbers[of] + ahead).to_string());
            let stream = StreamAtStart::new(incarnation(1), &listed);
            prop_assert_eq!(stream.origin(&row, Name::Kept), Origin::ThisStream);
        }
    }
}
