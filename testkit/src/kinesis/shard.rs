//! Pure: one shard, an ordered log of records with a beginning, and perhaps an end.

use std::collections::VecDeque;

use aggregation::HashKeyRange;
use bytes::Bytes;

use super::limits;
use super::request::EncryptionType;
use super::response;
use super::sequence::{Layout, SequenceNumber};
use super::shard_id::ShardId;
use super::throughput::Throughput;
use super::timestamp::Timestamp;

/// A record in a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its number, unique in the stream and increasing in the shard.
    pub sequence_number: SequenceNumber,
    /// As the producer gave it, if it did.
    pub partition_key: Option<String>,
    /// The payload.
    pub data: Bytes,
    /// When it arrived; never decreasing in a shard.
    pub arrival: Timestamp,
    /// Whether the stream was encrypted when it arrived.
    pub encryption_type: EncryptionType,
}

impl StoredRecord {
    /// Bytes that count against limits: data and partition key.
    fn bytes(&self) -> u64 {
        record_bytes(&self.data, self.partition_key.as_deref())
    }
}

/// Bytes of a record that count against limits: data and partition key.
pub(super) fn record_bytes(data: &Bytes, partition_key: Option<&str>) -> u64 {
    (data.len() + partition_key.map_or(0, str::len)) as u64
}

/// A record that is not in a shard yet.
#[derive(Debug)]
pub(super) struct NewRecord {
    pub(super) partition_key: Option<String>,
    pub(super) data: Bytes,
    pub(super) encryption_type: EncryptionType,
}

/// The shards that a shard was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parents {
    /// It was there when the stream was created.
    None,
    /// It is half of a split shard.
    Split(ShardId),
    /// It is the union of two shards.
    Merged(ShardId, ShardId),
}

impl Parents {
    pub(super) fn ids(self) -> impl Iterator<Item = ShardId> {
        let (parent, adjacent) = match self {
            Self::None => (None, None),
            Self::Split(parent) => (Some(parent), None),
            Self::Merged(parent, adjacent) => (Some(parent), Some(adjacent)),
        };
        parent.into_iter().chain(adjacent)
    }
}

/// A shard: its place in the stream, its life, its records.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) id: ShardId,
    pub(super) range: HashKeyRange,
    pub(super) parents: Parents,
    pub(super) opened: Timestamp,
    pub(super) throughput: Throughput,
    closed: Option<Closing>,
    records: VecDeque<StoredRecord>,
    /// What all its sequence numbers share, with the position of the newest record.
    newest: Layout,
}

#[derive(Debug, Clone, Copy)]
struct Closing {
    at: Timestamp,
    sequence_number: SequenceNumber,
}

/// Where a new shard comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) id: ShardId,
    pub(super) range: HashKeyRange,
    pub(super) parents: Parents,
    pub(super) opened: Timestamp,
    /// The second under which its sequence numbers sort: larger than that of its parents.
    pub(super) era: u64,
}

impl Shard {
    pub(super) fn open(origin: Origin) -> Self {
        let Origin {
            id,
            range,
            parents,
            opened,
            era,
        } = origin;
        let newest = Layout {
            opened: era,
            shard: id,
            position: 0,
            arrived: era,
        };
        let throughput = Throughput::idle(opened);
        Self {
            id,
            range,
            parents,
            opened,
            throughput,
            closed: None,
            records: VecDeque::new(),
            newest,
        }
    }

    /// The second under which its sequence numbers sort.
    pub(super) fn era(&self) -> u64 {
        self.newest.opened
    }

    /// When it was closed, if it was.
    pub(super) fn closed_at(&self) -> Option<Timestamp> {
        self.closed.map(|closing| closing.at)
    }

    pub(super) fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// Tells whether it took records at some moment from `from` on.
    pub(super) fn was_open_since(&self, from: Timestamp) -> bool {
        self.closed.is_none_or(|closing| closing.at >= from)
    }

    /// Tells whether it took records at the moment `at`.
    pub(super) fn was_open_at(&self, at: Timestamp) -> bool {
        self.opened <= at && self.was_open_since(at)
    }

    /// Ends the shard: it takes no more records.
    pub(super) fn close(&mut self, at: Timestamp) {
        let end = Layout {
            arrived: at.as_secs().max(self.era()),
            ..self.newest.end()
        };
        self.closed = Some(Closing {
            at,
            sequence_number: end.number(),
        });
    }

    /// Stores a record at the end and returns its number.
    pub(super) fn append(&mut self, record: NewRecord, arrival: Timestamp) -> SequenceNumber {
        debug_assert!(self.is_open(), "a closed shard takes no records");
        self.newest.position += 1;
        self.newest.arrived = arrival.as_secs().max(self.era());
        let sequence_number = self.newest.number();
        debug_assert!(
            self.records
                .back()
                .is_none_or(|last| last.sequence_number < sequence_number)
        );
        let NewRecord {
            partition_key,
            data,
            encryption_type,
        } = record;
        self.records.push_back(StoredRecord {
            sequence_number,
            partition_key,
            data,
            arrival,
            encryption_type,
        });
        sequence_number
    }

    /// Forgets records that arrived before `horizon`.
    pub(super) fn trim(&mut self, horizon: Timestamp) {
        while self.records.front().is_some_and(|record| record.arrival < horizon) {
            self.records.pop_front();
        }
    }

    /// Forgets records with smaller numbers.
    pub(super) fn trim_to(&mut self, first: SequenceNumber) {
        let kept = self.records.partition_point(|record| record.sequence_number < first);
        self.records.drain(..kept);
    }

    /// The next moment that, as a horizon, [`trim`](Self::trim)s something or makes the shard expire.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        let record = self.records.front().map(|record| record.arrival);
        record.or_else(|| self.closed.map(|closing| closing.at))
    }

    /// Reads records from `start` on: at most `limit`, and at most 10 MiB, but at least one if there is one.
    pub(super) fn read(&self, start: SequenceNumber, limit: usize) -> Reading<'_> {
        let first = self.records.partition_point(|record| record.sequence_number < start);
        let mut bytes = 0;
        let records: Vec<_> = self
            .records
            .range(first..)
            .take(limit)
            .take_while(|record| {
                let fits = bytes == 0 || bytes + record.bytes() <= limits::BYTES_PER_GET;
                if fits {
                    bytes += record.bytes();
                }
                fits
            })
            .collect();
        let next = records
            .last()
            .map_or(start, |record| record.sequence_number.successor());
        let drained = first + records.len() == self.records.len();
        Reading {
            records,
            bytes,
            next,
            drained,
        }
    }

    /// The place before the oldest record.
    pub(super) fn beginning(&self) -> SequenceNumber {
        Layout {
            position: 0,
            arrived: self.era(),
            ..self.newest
        }
        .number()
    }

    /// The place after the newest record.
    pub(super) fn end(&self) -> SequenceNumber {
        self.newest.number().successor()
    }

    /// The place of the first record that arrived at `timestamp` or later.
    pub(super) fn position_at(&self, timestamp: Timestamp) -> SequenceNumber {
        let index = self.records.partition_point(|record| record.arrival < timestamp);
        self.records
            .get(index)
            .map_or_else(|| self.end(), |record| record.sequence_number)
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &StoredRecord> {
        self.records.iter()
    }

    /// Its records with larger numbers, or all.
    pub(super) fn records_after(&self, after: Option<SequenceNumber>) -> impl Iterator<Item = &StoredRecord> {
        let first = self
            .records
            .partition_point(|record| after.is_some_and(|after| record.sequence_number <= after));
        self.records.range(first..)
    }

    /// The shard as ListShards shows it.
    pub(super) fn describe(&self) -> response::Shard {
        let mut parents = self.parents.ids();
        response::Shard {
            shard_id: self.id,
            parent_shard_id: parents.next(),
            adjacent_parent_shard_id: parents.next(),
            hash_key_range: self.range.into(),
            sequence_number_range: response::SequenceNumberRange {
                starting_sequence_number: self.beginning(),
                ending_sequence_number: self.closed.map(|closing| closing.sequence_number),
            },
        }
    }
}

/// A run of records, read from a shard.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) records: Vec<&'a StoredRecord>,
    pub(super) bytes: u64,
    /// The place after them.
    pub(super) next: SequenceNumber,
    /// Whether the shard holds no newer ones.
    pub(super) drained: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(START.as_millis() + millis)
    }

    fn shard() -> Shard {
        let origin = Origin {
            id: ShardId::FIRST,
            range: HashKeyRange::FULL,
            parents: Parents::None,
            opened: START,
            era: START.as_secs(),
        };
        Shard::open(origin)
    }

    fn put(shard: &mut Shard, bytes: usize, arrival: Timestamp) -> SequenceNumber {
        let record = NewRecord {
            partition_key: Some("k".to_owned()),
            data: Bytes::from(vec![0; bytes]),
            encryption_type: EncryptionType::None,
        };
        shard.append(record, arrival)
    }

    #[test]
    fn numbers_increase_between_the_start_and_the_end_of_the_range() {
        let mut shard = shard();
        let numbers: Vec<_> = (0..100).map(|step| put(&mut shard, 1, at(step * 100))).collect();
        shard.close(at(10_000));
        let range = shard.describe().sequence_number_range;
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert!(range.starting_sequence_number < numbers[0]);
        assert!(range.ending_sequence_number.unwrap() > numbers[99]);
    }

    #[test]
    fn a_reading_ends_at_its_limit_and_the_next_goes_on_there() {
        let mut shard = shard();
        let numbers: Vec<_> = (0..5).map(|_| put(&mut shard, 1, START)).collect();
        let first = shard.read(shard.beginning(), 3);
        assert_eq!(first.records.len(), 3);
        assert!(!first.drained);
        let second = shard.read(first.next, 3);
        assert_eq!(
            second
                .records
                .iter()
                .map(|record| record.sequence_number)
                .collect::<Vec<_>>(),
            numbers[3..]
        );
        assert!(second.drained);
        assert_eq!(second.next, shard.end());
    }

    #[test]
    fn a_reading_ends_before_10_mib_but_is_never_empty_for_size() {
        const MIB: usize = 1024 * 1024;
        let mut shard = shard();
        for _ in 0..11 {
            put(&mut shard, MIB - 1, START);
        }
        let reading = shard.read(shard.beginning(), 100);
        assert_eq!((reading.records.len(), reading.bytes), (10, limits::BYTES_PER_GET));

        let mut large = self::shard();
        put(&mut large, 10 * MIB, START);
        assert_eq!(large.read(large.beginning(), 100).records.len(), 1);
    }

    #[test]
    fn trimming_takes_what_is_older_than_the_horizon_and_reading_goes_on_behind_it() {
        let mut shard = shard();
        put(&mut shard, 1, at(0));
        let kept = put(&mut shard, 1, at(10));
        assert_eq!(shard.oldest(), Some(at(0)));
        shard.trim(at(10));
        assert_eq!(shard.oldest(), Some(at(10)));
        assert_eq!(shard.read(shard.beginning(), 10).records[0].sequence_number, kept);
        shard.trim(at(11));
        assert_eq!(shard.oldest(), None);
        shard.close(at(20));
        assert_eq!(shard.oldest(), Some(at(20)));
    }

    #[test]
    fn a_moment_is_found_by_arrival() {
        let mut shard = shard();
        let numbers: Vec<_> = [0, 10, 10, 20].map(|millis| put(&mut shard, 1, at(millis))).into();
        assert_eq!(shard.position_at(at(0)), numbers[0]);
        assert_eq!(shard.position_at(at(5)), numbers[1]);
        assert_eq!(shard.position_at(at(20)), numbers[3]);
        assert_eq!(shard.position_at(at(21)), shard.end());
    }

    #[test]
    fn a_shard_counts_as_open_from_its_opening_to_its_closing() {
        let mut shard = shard();
        shard.close(at(10));
        assert!(!shard.was_open_at(at(0) - std::time::Duration::from_millis(1)));
        assert!(shard.was_open_at(at(0)) && shard.was_open_at(at(10)));
        assert!(!shard.was_open_at(at(11)) && !shard.was_open_since(at(11)));
    }
}
