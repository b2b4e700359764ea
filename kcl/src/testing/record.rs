//! Records that no service has stored.

use std::sync::Arc;
use std::time::SystemTime;

use aggregation::{HashKey, RecordDamage, Tag, UserRecord};
use bytes::Bytes;

use crate::checkpoint::position::{RecordPosition, SequenceNumber};
use crate::record::{Origin, Record};

/// A record for a test, made of a partition key and data and what else matters.
///
/// ```
/// use kcl::{HashKey, Origin, Record};
/// use kcl::testing::TestRecord;
///
/// let record: Record = TestRecord::new("customer-7", "20").aggregated(3).hash_key(HashKey::new(9)).at(49).into();
/// assert_eq!(record.position().to_string(), "49:3");
/// assert_eq!((record.origin(), record.explicit_hash_key()), (Origin::Aggregated, Some(HashKey::new(9))));
/// ```
#[derive(Debug, Clone)]
pub struct TestRecord {
    sequence_number: Option<SequenceNumber>,
    /// The place in an aggregate.
    place: Option<u64>,
    arrival: Option<SystemTime>,
    content: UserRecord,
}

impl TestRecord {
    /// A plain record. A [`TestShard`](super::TestShard) gives it its sequence number.
    pub fn new(partition_key: &str, data: impl Into<Bytes>) -> Self {
        Self {
            sequence_number: None,
            place: None,
            arrival: None,
            content: UserRecord {
                partition_key: partition_key.into(),
                explicit_hash_key: None,
                data: data.into(),
                tags: Vec::new(),
                damage: None,
            },
        }
    }

    /// Gives it this sequence number. Default: in a [`TestShard`](super::TestShard) the next one, else 1.
    #[must_use]
    pub fn at(mut self, sequence_number: u128) -> Self {
        self.sequence_number = Some(numbered(sequence_number, 0).sequence_number);
        self
    }

    /// Makes it a record of an aggregate, at this place in it, from 0. Places behind 0 share the sequence number of the record
    /// before.
    #[must_use]
    pub fn aggregated(mut self, place: u64) -> Self {
        self.place = Some(place);
        self
    }

    /// Gives it an explicit hash key. Default: none.
    #[must_use]
    pub fn hash_key(mut self, hash_key: HashKey) -> Self {
        self.content.explicit_hash_key = Some(hash_key);
        self
    }

    /// Adds a tag; `None` for one without a value. Default: none.
    #[must_use]
    pub fn tag<'a>(mut self, key: &str, value: impl Into<Option<&'a str>>) -> Self {
        self.content.tags.push(Tag {
            key: key.into(),
            value: value.into().map(Into::into),
        });
        self
    }

    /// Sets when the service took it. Default: the service did not say.
    #[must_use]
    pub fn arrived(mut self, time: SystemTime) -> Self {
        self.arrival = Some(time);
        self
    }

    /// Marks it as damaged. Its keys stay as they are given. Default: nothing is wrong with it.
    #[must_use]
    pub fn damaged(mut self, damage: RecordDamage) -> Self {
        self.content.damage = Some(Box::new(damage));
        self
    }

    /// The record behind `last`, which it replaces there.
    pub(super) fn behind(self, last: &mut RecordPosition) -> Record {
        let place = self.place.unwrap_or_default();
        let before = &last.sequence_number;
        let sequence_number = match &self.sequence_number {
            Some(sequence_number) => sequence_number.clone(),
            None if place > 0 => before.clone(),
            None => next(before),
        };
        *last = RecordPosition {
            sequence_number,
            sub_sequence_number: place,
        };
        let origin = self.place.map_or(Origin::Plain, |_| Origin::Aggregated);
        Record::new(last.clone(), self.arrival, origin, self.content)
    }
}

impl From<TestRecord> for Record {
    fn from(record: TestRecord) -> Self {
        let first = TestRecord {
            sequence_number: Some(
                record
                    .sequence_number
                    .clone()
                    .unwrap_or_else(|| next(&numbered(0, 0).sequence_number)),
            ),
            ..record
        };
        first.behind(&mut numbered(0, 0))
    }
}

/// Keeps the position.
impl From<Record> for TestRecord {
    fn from(record: Record) -> Self {
        Self {
            sequence_number: Some(record.sequence_number().clone()),
            place: match record.origin() {
                Origin::Plain => None,
                Origin::Aggregated => Some(record.sub_sequence_number()),
            },
            arrival: record.approximate_arrival(),
            content: record.into_content(),
        }
    }
}

/// The position of a user record of this Kinesis record.
pub(super) fn numbered(sequence_number: u128, place: u64) -> RecordPosition {
    RecordPosition {
        sequence_number: digits(&sequence_number.to_string()),
        sub_sequence_number: place,
    }
}

/// The sequence number behind another; behind those that real streams have, too.
fn next(before: &SequenceNumber) -> SequenceNumber {
    let (head, tail) = before.as_str().split_at(before.as_str().len().saturating_sub(30));
    let (width, tail) = (tail.len(), tail.parse::<u128>().unwrap_or_default());
    digits(&format!("{head}{:0width$}", tail + 1))
}

fn digits(text: &str) -> SequenceNumber {
    Arc::<str>::from(text).into()
}
