//! Pure: one shard as the service stored it, and which of its records were processed.

use std::ops::Range;
use std::time::Duration;

use aggregation::HashKeyRange;

use super::contents::Content;
use super::name::Digest;
use super::position::{Place, Position};
use testkit::kinesis::{SequenceNumber, ShardId};

/// One shard. Its user records are counted from 0, in their order.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) parents: Vec<ShardId>,
    pub(crate) range: HashKeyRange,
    pub(crate) life: Life,
    pub(crate) created: Duration,
    pub(crate) closed: Option<Duration>,
    pub(crate) records: Vec<StoredRecord>,
    /// The first record that the application wants.
    pub(crate) due_from: usize,
    /// The first record that is not trimmed.
    pub(crate) trimmed: usize,
    /// All records before this one were processed, are trimmed or not wanted.
    pub(crate) done: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Open,
    Closed,
}

/// One user record.
#[derive(Debug)]
pub(crate) struct StoredRecord {
    pub(crate) place: Place,
    pub(crate) payload: Digest,
    pub(crate) key: Digest,
    /// The number of the ownership that was offered it last.
    pub(crate) offered_by: Option<usize>,
    pub(crate) fate: Fate,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It has to be processed, if it is wanted.
    Due,
    Processed,
    /// A handler kept failing on it, and it was skipped, or sent to the dead-letter sink.
    PassedOver,
    /// The service forgot it while the checkpoint of its shard lay before it.
    Trimmed,
}

impl Shard {
    /// Whether it was open at that time.
    pub(crate) fn was_open(&self, at: Duration) -> bool {
        self.created <= at && self.closed.is_none_or(|closed| at < closed)
    }

    pub(crate) fn wanted(&self) -> impl Iterator<Item = &StoredRecord> {
        self.records.iter().skip(self.due_from)
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn record(&self, index: usize) -> Option<&StoredRecord> {
        self.records.get(index)
    }

    /// The place of a record, for people.
    pub(crate) fn place_of(&self, index: usize) -> String {
        self.record(index)
            .map_or("the end".to_owned(), |record| record.place.to_string())
    }

    /// The number of the record at exactly this place.
    pub(crate) fn find(&self, place: Place) -> Option<usize> {
        self.records.binary_search_by_key(&place, |record| record.place).ok()
    }

    /// How many records lie at or before the position. A lease at `AT_TIMESTAMP` stands before what is wanted.
    pub(crate) fn count_up_to(&self, position: Position) -> usize {
        match position {
            Position::TrimHorizon => 0,
            Position::AtTimestamp => self.due_from,
            Position::Latest | Position::ShardEnd => self.len(),
            Position::At(place) => self.records.partition_point(|record| record.place <= place),
        }
    }

    pub(crate) fn due_from(&self) -> usize {
        self.due_from
    }

    /// All records before this one were processed, are trimmed or not wanted.
    pub(crate) fn done(&self) -> usize {
        self.done
    }

    /// The first record that still has to be processed.
    pub(crate) fn first_undone(&self) -> Option<&StoredRecord> {
        self.records.get(self.done)
    }

    /// Adds the user records of one Kinesis record.
    pub(crate) fn store(&mut self, sequence_number: SequenceNumber, contents: &[Content]) {
        self.records
            .extend((0..).zip(contents).map(|(sub_sequence_number, content)| StoredRecord {
                place: Place {
                    sequence_number,
                    sub_sequence_number,
                },
                payload: content.payload,
                key: content.key,
                offered_by: None,
                fate: Fate::Due,
            }));
        self.advance();
    }

    /// Notes who is offered the record, and returns who was before.
    pub(crate) fn offer(&mut self, index: usize, ownership: usize) -> Option<usize> {
        let record = self.records.get_mut(index)?;
        record.offered_by.replace(ownership)
    }

    pub(crate) fn process(&mut self, records: Range<usize>) {
        let records = self.records.get_mut(records).unwrap_or_default();
        records.iter_mut().for_each(|record| record.fate = Fate::Processed);
        self.advance();
    }

    /// What is due of these records is passed over. Returns how many.
    pub(crate) fn pass_over(&mut self, records: Range<usize>) -> usize {
        let mut count = 0;
        for record in self.records.get_mut(records).unwrap_or_default() {
            if record.fate == Fate::Due {
                record.fate = Fate::PassedOver;
                count += 1;
            }
        }
        self.advance();
        count
    }

    /// The first of these records that was neither passed over nor trimmed, or their end.
    pub(crate) fn first_kept(&self, records: Range<usize>) -> usize {
        let (end, is_kept) = (records.end, |record: &StoredRecord| {
            matches!(record.fate, Fate::Due | Fate::Processed)
        });
        records
            .into_iter()
            .find(|index| self.record(*index).is_some_and(is_kept))
            .unwrap_or(end)
    }

    /// The first of these records that was not processed, or their end.
    pub(crate) fn first_unprocessed(&self, records: Range<usize>) -> usize {
        let (end, is_due) = (records.end, |record: &StoredRecord| record.fate == Fate::Due);
        records
            .into_iter()
            .find(|index| self.record(*index).is_some_and(is_due))
            .unwrap_or(end)
    }

    /// Returns how many records nobody can process any more. What lies before the checkpoint was passed over, and stays due.
    pub(crate) fn trim(&mut self, below: SequenceNumber, checkpoint: Option<Position>) -> usize {
        let trimmed = self
            .records
            .partition_point(|record| record.place.sequence_number < below);
        let passed = match checkpoint {
            Some(Position::At(_) | Position::ShardEnd) => checkpoint.map_or(0, |at| self.count_up_to(at)),
            Some(Position::AtTimestamp | Position::TrimHorizon | Position::Latest) | None => 0,
        };
        let lost = self.trimmed.max(passed).max(self.due_from)..trimmed;
        self.trimmed = self.trimmed.max(trimmed);
        let mut count = 0;
        for record in self.records.get_mut(lost).unwrap_or_default() {
            if record.fate == Fate::Due {
                record.fate = Fate::Trimmed;
                count += 1;
            }
        }
        self.advance();
        count
    }

    /// The application does not want what comes before this record.
    pub(crate) fn excuse_up_to(&mut self, index: usize) {
        self.due_from = self.due_from.max(index);
        self.advance();
    }

    pub(crate) fn advance(&mut self) {
        self.done = self.done.max(self.due_from);
        let rest = self.records.get(self.done..).unwrap_or_default();
        self.done += rest.iter().take_while(|record| record.fate != Fate::Due).count();
    }
}
