//! Pure: one Kinesis record in, its user records out.
//!
//! ```text
//!  plain ──────► one record
//!  aggregate ──► all its records; or none, if one is outside of the shard and the policy says so
//!  unreadable ─► one record: the data as they are
//! ```
//!
//! A damaged record of an aggregate is delivered in its place, marked with its damage. The KCL drops such a record and
//! all records behind it when an index or an explicit hash key is bad, and its checkpoint passes them; a partition key
//! that is not UTF-8 it reads lossily, without a mark. Sub-sequence numbers are the same as the KCL's, so that a checkpoint
//! of either reader suits the other.
//! Source: amazon-kinesis-client, `AggregatorUtil.deaggregate`.
//!
//! Whatever is not delivered is counted or named in the returned [`Deaggregation`].

use std::fmt;
use std::time::SystemTime;

use aggregation::{Checked, DamageReason, Decoded, HashKeyRange, RecordDamage, UserRecord};
use bytes::Bytes;

use crate::checkpoint::position::{Position, RecordPosition, SequenceNumber};
use crate::record::{Origin, Record};

/// One Kinesis record, as it was read from a shard.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RawRecord {
    pub(crate) sequence_number: SequenceNumber,
    /// Empty if the service returned none.
    pub(crate) partition_key: String,
    pub(crate) data: Bytes,
    pub(crate) approximate_arrival: Option<SystemTime>,
}

/// Shows the length of the data, never the data.
impl fmt::Debug for RawRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRecord")
            .field("sequence_number", &self.sequence_number.as_str())
            .field("data_len", &self.data.len())
            .finish_non_exhaustive()
    }
}

/// What becomes of an aggregate with a record whose hash key lies outside of the shard.
///
/// A producer that does not know of a resharding yet writes such aggregates. The KPL sends their records again, so that
/// the KCL may drop them; the records of a producer that does not would be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum RangePolicy {
    /// All its records are delivered; those that the producer sends again come twice.
    #[default]
    Deliver,
    /// None of its records is delivered.
    ///
    /// Source: amazon-kinesis-client, `AggregatorUtil.deaggregate`.
    DropLikeKcl,
}

/// What became of a Kinesis record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deaggregation {
    pub(crate) form: Form,
    /// The user records that are delivered.
    pub(crate) delivered: usize,
    /// The readable user records that the [`RangePolicy`] keeps back.
    pub(crate) dropped: usize,
    /// The readable user records that lie outside of the shard.
    pub(crate) outside: usize,
    /// What is wrong with the first damaged user record, and the place of that record in the aggregate.
    pub(crate) first_damage: Option<(u64, RecordDamage)>,
}

/// What a Kinesis record turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// A user record of its own.
    Plain,
    /// An aggregate, perhaps of none.
    Aggregate,
    /// Something that starts like an aggregate, but yields no record. It is delivered as a plain record.
    Unreadable(DamageReason),
}

/// Appends the user records of `raw` to `out`. `checked` are the data of `raw`.
///
/// Without a `range` no record is outside of the shard. With one, each costs an MD5.
pub(crate) fn deaggregate(
    raw: RawRecord,
    checked: Checked,
    range: Option<HashKeyRange>,
    policy: RangePolicy,
    out: &mut Vec<Record>,
) -> Deaggregation {
    let aggregate = match checked.decode() {
        Decoded::Plain => return deliver_as_it_is(raw, Form::Plain, out),
        Decoded::Aggregate(aggregate) => aggregate,
        Decoded::Damaged(reason) => return deliver_as_it_is(raw, Form::Unreadable(reason), out),
    };
    let records: Vec<_> = aggregate.into_iter().collect();
    let outside = range.map_or(0, |range| count_outside(&records, range));
    let first_damage = first_damage(&records);
    let readable = records.len();
    if outside > 0 && policy == RangePolicy::DropLikeKcl {
        return Deaggregation {
            form: Form::Aggregate,
            delivered: 0,
            dropped: readable,
            outside,
            first_damage,
        };
    }
    out.extend((0..).zip(records).map(|(sub_sequence_number, content)| {
        let position = RecordPosition {
            sequence_number: raw.sequence_number.clone(),
            sub_sequence_number,
        };
        Record::new(position, raw.approximate_arrival, Origin::Aggregated, content)
    }));
    Deaggregation {
        form: Form::Aggregate,
        delivered: readable,
        dropped: 0,
        outside,
        first_damage,
    }
}

fn deliver_as_it_is(raw: RawRecord, form: Form, out: &mut Vec<Record>) -> Deaggregation {
    let position = RecordPosition {
        sequence_number: raw.sequence_number,
        sub_sequence_number: 0,
    };
    let content = UserRecord {
        partition_key: raw.partition_key.into(),
        explicit_hash_key: None,
        data: raw.data,
        tags: Vec::new(),
        damage: None,
    };
    out.push(Record::new(position, raw.approximate_arrival, Origin::Plain, content));
    Deaggregation {
        form,
        delivered: 1,
        dropped: 0,
        outside: 0,
        first_damage: None,
    }
}

fn count_outside(records: &[UserRecord], range: HashKeyRange) -> usize {
    records.iter().filter(|record| record.is_outside(range)).count()
}

fn first_damage(records: &[UserRecord]) -> Option<(u64, RecordDamage)> {
    (0..)
        .zip(records)
        .find_map(|(place, record)| Some((place, RecordDamage::clone(record.damage.as_deref()?))))
}

/// Drops the records that a reader at `checkpoint` has read already, and returns their number.
///
/// A checkpoint may lie in the middle of an aggregate; reading resumes at the aggregate's beginning.
pub(crate) fn skip_up_to(records: &mut Vec<Record>, checkpoint: &Position) -> usize {
    let before = records.len();
    match checkpoint {
        Position::AtTimestamp | Position::TrimHorizon | Position::Latest => {}
        Position::At(read) => records.retain(|record| record.position() > read),
        Position::ShardEnd => records.clear(),
    }
    before - records.len()
}

#[cfg(test)]
mod tests {
    use aggregation::{Encoder, HashKey, UserRecordRef};
    use proptest::prelude::*;

    use super::*;

    const LOWER_HALF: u128 = u128::MAX / 2;

    fn raw(data: impl Into<Bytes>) -> RawRecord {
        RawRecord {
            sequence_number: SequenceNumber::new("49").unwrap(),
            partition_key: "outer".into(),
            data: data.into(),
            approximate_arrival: Some(SystemTime::UNIX_EPOCH),
        }
    }

    /// An aggregate of records with these explicit hash keys and their number as data.
    fn aggregate(hash_keys: &[u128]) -> RawRecord {
        let mut encoder = Encoder::new();
        for (number, hash_key) in hash_keys.iter().enumerate() {
            let data = number.to_string();
            encoder.append(&UserRecordRef::new(
                "inner",
                Some(HashKey::new(*hash_key)),
                data.as_bytes(),
            ));
        }
        raw(encoder.seal().unwrap().data)
    }

    fn lower_half() -> Option<HashKeyRange> {
        Some(HashKeyRange::new(HashKey::MIN, HashKey::new(LOWER_HALF)).unwrap())
    }

    fn delivered(raw: RawRecord, range: Option<HashKeyRange>, policy: RangePolicy) -> (Deaggregation, Vec<Record>) {
        let mut out = Vec::new();
        let checked = Checked::new(&raw.data);
        let outcome = deaggregate(raw, checked, range, policy, &mut out);
        assert_eq!(outcome.delivered, out.len());
        (outcome, out)
    }

    fn data(records: &[Record]) -> Vec<&[u8]> {
        records.iter().map(|record| record.data().as_ref()).collect()
    }

    #[test]
    fn a_plain_record_is_delivered_as_it_is() {
        let (outcome, records) = delivered(raw("payload"), lower_half(), RangePolicy::DropLikeKcl);
        assert_eq!(outcome.form, Form::Plain);
        assert_eq!(data(&records), [b"payload"]);
        assert_eq!(records[0].partition_key(), "outer");
        assert_eq!(records[0].position().to_string(), "49");
        assert_eq!(records[0].approximate_arrival(), Some(SystemTime::UNIX_EPOCH));
        assert_eq!(records[0].origin(), Origin::Plain);
    }

    #[test]
    fn the_records_of_an_aggregate_are_numbered_and_keep_their_own_keys() {
        let (outcome, records) = delivered(aggregate(&[1, 2, 3]), lower_half(), RangePolicy::Deliver);
        assert_eq!(
            outcome,
            Deaggregation {
                form: Form::Aggregate,
                delivered: 3,
                dropped: 0,
                outside: 0,
                first_damage: None,
            }
        );
        assert_eq!(data(&records), [b"0", b"1", b"2"]);
        assert_eq!(records[2].position().to_string(), "49:2");
        assert_eq!(records[2].partition_key(), "inner");
        assert_eq!(records[2].explicit_hash_key(), Some(HashKey::new(3)));
        assert_eq!(records[2].approximate_arrival(), Some(SystemTime::UNIX_EPOCH));
        assert_eq!(records[2].origin(), Origin::Aggregated);
    }

    #[test]
    fn a_record_outside_of_the_shard_is_counted_and_delivered() {
        let (outcome, records) = delivered(aggregate(&[1, u128::MAX, 3]), lower_half(), RangePolicy::Deliver);
        assert_eq!((outcome.outside, outcome.dropped), (1, 0));
        assert_eq!(data(&records), [b"0", b"1", b"2"]);
    }

    #[test]
    fn a_record_outside_of_the_shard_takes_its_aggregate_along_if_the_policy_is_the_kcls() {
        let (outcome, records) = delivered(aggregate(&[1, u128::MAX, 3]), lower_half(), RangePolicy::DropLikeKcl);
        assert_eq!(
            outcome,
            Deaggregation {
                form: Form::Aggregate,
                delivered: 0,
                dropped: 3,
                outside: 1,
                first_damage: None,
            }
        );
        assert!(records.is_empty());
    }

    #[test]
    fn no_record_is_outside_of_an_unknown_range() {
        let (outcome, _) = delivered(aggregate(&[1, u128::MAX]), None, RangePolicy::DropLikeKcl);
        assert_eq!((outcome.delivered, outcome.outside), (2, 0));
    }

    #[test]
    fn an_aggregate_with_a_flipped_byte_is_delivered_as_it_is_and_reported() {
        let mut bytes = aggregate(&[1, 2]).data.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        let (outcome, records) = delivered(raw(bytes.clone()), lower_half(), RangePolicy::DropLikeKcl);
        assert_eq!(outcome.form, Form::Unreadable(DamageReason::ChecksumMismatch));
        assert_eq!(data(&records), [bytes.as_slice()]);
        assert_eq!(records[0].origin(), Origin::Plain);
    }

    /// An aggregate of three records whose second one has the explicit hash key `not-a-number`.
    const BAD_HASH_KEY: &str = "f3899ac20a01610a01620a0163120137120c6e6f742d612d6e756d6265721201391a0b080010001a056e616e2d30\
                                1a0b080110011a056e616e2d311a0b080210021a056e616e2d324469d3348e96d11034b7801cc2764d75";

    /// An aggregate of three records whose second one has the partition key `C3 28`, which is not UTF-8.
    const BAD_PARTITION_KEY: &str = "f3899ac20a01610a02c3280a01631a0908001a057574662d301a0908011a057574662d311a0908021a057574\
                                     662d321b049245516dc274278ed60e91e5f20c";

    /// Two records, of which the first points to a partition key that is not there.
    /// The checksum is the MD5 of the message, worked out beforehand: no MD5 is at hand here.
    const BAD_FIRST_INDEX: &str = "f3899ac20a016b1a0508071a01621a0508001a0161bf63ed1182094e985b80bc5ef435e681";

    fn recorded(hex: &str) -> RawRecord {
        let digits = hex.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
        let bytes: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        raw(bytes)
    }

    fn marks(records: &[Record]) -> Vec<bool> {
        records.iter().map(|record| record.damage().is_some()).collect()
    }

    #[test]
    fn a_bad_explicit_hash_key_costs_no_record() {
        let (outcome, records) = delivered(recorded(BAD_HASH_KEY), lower_half(), RangePolicy::DropLikeKcl);
        assert_eq!((&outcome.form, outcome.outside), (&Form::Aggregate, 0));
        assert_eq!(outcome.first_damage.unwrap().0, 1);
        assert_eq!(data(&records), [b"nan-0", b"nan-1", b"nan-2"]);
        assert_eq!(records[1].explicit_hash_key(), None);
        assert_eq!(records[1].partition_key(), "b");
        assert_eq!(records[2].position().to_string(), "49:2");
        assert_eq!(marks(&records), [false, true, false]);
    }

    #[test]
    fn a_partition_key_that_is_not_utf_8_is_delivered_lossily_and_marked() {
        let (outcome, records) = delivered(recorded(BAD_PARTITION_KEY), None, RangePolicy::Deliver);
        assert_eq!(outcome.first_damage.unwrap().0, 1);
        assert_eq!(data(&records), [b"utf-0", b"utf-1", b"utf-2"]);
        assert_eq!(records[1].partition_key(), "\u{FFFD}(");
        let damage = RecordDamage::PartitionKeyNotUtf8 {
            bytes: Bytes::from_static(b"\xC3("),
        };
        assert_eq!(records[1].damage(), Some(&damage));
        assert_eq!(records[2].position().to_string(), "49:2");
    }

    #[test]
    fn a_record_whose_partition_key_is_lost_is_delivered_in_its_place_and_marked() {
        let (outcome, records) = delivered(recorded(BAD_FIRST_INDEX), None, RangePolicy::Deliver);
        assert_eq!((outcome.delivered, outcome.dropped), (2, 0));
        assert_eq!(data(&records), [b"b", b"a"]);
        assert_eq!((records[0].partition_key(), records[1].partition_key()), ("", "k"));
        let damage = RecordDamage::PartitionKeyIndexOutOfRange { index: 7, table_len: 1 };
        assert_eq!(records[0].damage(), Some(&damage));
        assert_eq!(marks(&records), [true, false]);
    }

    #[test]
    fn a_checkpoint_behind_a_damaged_record_resumes_behind_it() {
        let (_, mut records) = delivered(recorded(BAD_HASH_KEY), None, RangePolicy::Deliver);
        assert_eq!(skip_up_to(&mut records, &Position::from_row("49", 1).unwrap()), 2);
        assert_eq!(data(&records), [b"nan-2"]);
    }

    #[test]
    fn reading_resumes_in_the_middle_of_an_aggregate() {
        let (_, mut records) = delivered(aggregate(&[1, 2, 3]), None, RangePolicy::Deliver);
        assert_eq!(skip_up_to(&mut records, &Position::from_row("49", 1).unwrap()), 2);
        assert_eq!(data(&records), [b"2"]);
    }

    #[test]
    fn a_word_as_checkpoint_skips_nothing_and_the_shard_end_everything() {
        let (_, mut records) = delivered(aggregate(&[1, 2, 3]), None, RangePolicy::Deliver);
        for word in [Position::AtTimestamp, Position::TrimHorizon, Position::Latest] {
            assert_eq!(skip_up_to(&mut records, &word), 0);
        }
        assert_eq!(skip_up_to(&mut records, &Position::ShardEnd), 3);
    }

    proptest! {
        #[test]
        fn any_data_are_delivered_or_accounted_for(tail: Vec<u8>, starts_like_an_aggregate: bool) {
            let magic = if starts_like_an_aggregate { &aggregation::MAGIC[..] } else { &[] };
            let bytes = [magic, &tail].concat();
            let (outcome, records) = delivered(raw(bytes.clone()), None, RangePolicy::Deliver);
            prop_assert_ne!(&outcome.form, &Form::Aggregate);
            prop_assert_eq!(data(&records), [bytes.as_slice()]);
        }

        #[test]
        fn exactly_the_records_up_to_the_checkpoint_are_skipped(len in 1..20_usize, read in 0..25_u64) {
            let (_, mut records) = delivered(aggregate(&vec![0; len]), None, RangePolicy::Deliver);
            let skipped = skip_up_to(&mut records, &Position::from_row("49", read).unwrap());
            prop_assert_eq!(skipped as u64, (read + 1).min(len as u64));
            prop_assert!(records.iter().all(|record| record.sub_sequence_number() > read));
        }
    }
}
