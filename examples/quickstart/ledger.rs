//! Pure: which records were acknowledged, and how often each of them was read.
//!
//! A record is known by the place that its receipt names: shard, sequence number, and place inside the Kinesis record.
//! Never by its payload: two equal lines are two records.

use std::collections::BTreeMap;

use kcl::{InvalidSequenceNumber, RecordPosition, SequenceNumber, ShardId};
use kpl::Delivered;

/// The place of one record in the stream.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) shard: ShardId,
    pub(crate) position: RecordPosition,
}

impl TryFrom<Delivered> for Identity {
    type Error = InvalidSequenceNumber;

    fn try_from(delivered: Delivered) -> Result<Self, InvalidSequenceNumber> {
        let position = RecordPosition {
            sequence_number: SequenceNumber::new(delivered.sequence_number.as_str())?,
            sub_sequence_number: delivered.sub_sequence_number,
        };
        Ok(Self {
            shard: ShardId::new(delivered.shard_id.as_str()),
            position,
        })
    }
}

/// The account of a run.
///
/// The records of one Kinesis record lie side by side in one vector, so each costs eight bytes.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    shards: BTreeMap<ShardId, BTreeMap<SequenceNumber, Vec<Mark>>>,
    acknowledged: u64,
    found: u64,
    left_to_hide: usize,
}

/// What is known of one record.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    status: Status,
    reads: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Status {
    /// Somebody else's record, or ours and its receipt is still to come.
    #[default]
    Foreign,
    Acknowledged,
    /// Acknowledged, and overlooked on purpose however often it is read.
    Hidden,
}

/// The sums of a ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Records that were acknowledged.
    pub(crate) delivered: u64,
    /// Kinesis records that hold them.
    pub(crate) kinesis_records: u64,
    /// How often acknowledged records were read.
    pub(crate) read: u64,
    /// How many of them were read at all.
    pub(crate) distinct: u64,
}

impl Totals {
    /// Records that were acknowledged and not read.
    pub(crate) fn lost(&self) -> u64 {
        self.delivered - self.distinct
    }

    /// Reads of records that had been read before.
    pub(crate) fn duplicates(&self) -> u64 {
        self.read - self.distinct
    }
}

impl Ledger {
    /// An account that overlooks the first `hidden` records that are acknowledged.
    pub(crate) fn hiding(hidden: usize) -> Self {
        Self {
            left_to_hide: hidden,
            ..Self::default()
        }
    }

    /// Notes that a record was acknowledged, once for each receipt.
    pub(crate) fn acknowledge(&mut self, record: Identity) {
        let hide = self.left_to_hide > 0;
        self.left_to_hide = self.left_to_hide.saturating_sub(1);
        let Some(mark) = self.mark(record) else { return };
        mark.status = if hide { Status::Hidden } else { Status::Acknowledged };
        let found = mark.is_found();
        self.acknowledged += 1;
        self.found += u64::from(found);
    }

    /// Notes that a record was read. It may be before its receipt is here.
    pub(crate) fn read(&mut self, record: Identity) {
        let Some(mark) = self.mark(record) else { return };
        let found_before = mark.is_found();
        mark.reads = mark.reads.saturating_add(1);
        let newly_found = mark.is_found() && !found_before;
        self.found += u64::from(newly_found);
    }

    /// How many records were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many of these were read so far.
    pub(crate) fn found(&self) -> u64 {
        self.found
    }

    /// Whether all of these were.
    pub(crate) fn is_complete(&self) -> bool {
        self.found == self.acknowledged
    }

    /// The sums. What was read and never acknowledged is not in them: it is not of this run.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for marks in self.shards.values().flat_map(BTreeMap::values) {
            let mut ours = marks.iter().filter(|mark| mark.status != Status::Foreign).peekable();
            totals.kinesis_records += u64::from(ours.peek().is_some());
            for mark in ours {
                totals.delivered += 1;
                if mark.is_found() {
                    totals.distinct += 1;
                    totals.read += u64::from(mark.reads);
                }
            }
        }
        totals
    }

    fn mark(&mut self, record: Identity) -> Option<&mut Mark> {
        let Identity { shard, position } = record;
        let place = usize::try_from(position.sub_sequence_number).ok()?;
        let marks = self
            .shards
            .entry(shard)
            .or_default()
            .entry(position.sequence_number)
            .or_default();
        if marks.len() <= place {
            marks.resize(place + 1, Mark::default());
        }
        marks.get_mut(place)
    }
}

impl Mark {
    fn is_found(self) -> bool {
        self.status == Status::Acknowledged && self.reads > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(shard: &str, sequence: &str, sub_sequence_number: u64) -> Identity {
        let sequence_number = SequenceNumber::new(sequence).unwrap();
        let position = RecordPosition {
            sequence_number,
            sub_sequence_number,
        };
        Identity {
            shard: ShardId::new(shard),
            position,
        }
    }

    #[test]
    fn records_of_one_aggregate_are_told_apart_and_so_are_shards() {
        let mut ledger = Ledger::default();
        for record in [record("a", "10", 0), record("a", "10", 1), record("b", "10", 0)] {
            ledger.acknowledge(record);
        }
        ledger.read(record("a", "10", 1));
        ledger.read(record("a", "10", 1));
        let totals = ledger.totals();
        assert_eq!(
            totals,
            Totals {
                delivered: 3,
                kinesis_records: 2,
                read: 2,
                distinct: 1
            }
        );
        assert_eq!((totals.lost(), totals.duplicates()), (2, 1));
    }

    #[test]
    fn a_record_may_be_read_before_its_receipt_is_here() {
        let mut ledger = Ledger::default();
        ledger.read(record("a", "10", 3));
        assert_eq!((ledger.acknowledged(), ledger.found()), (0, 0));
        ledger.acknowledge(record("a", "10", 3));
        assert_eq!((ledger.acknowledged(), ledger.found()), (1, 1));
        assert_eq!(ledger.totals().lost(), 0);
    }

    #[test]
    fn what_nobody_acknowledged_is_not_counted() {
        let mut ledger = Ledger::default();
        ledger.read(record("a", "10", 0));
        assert_eq!(ledger.totals(), Totals::default());
    }

    #[test]
    fn a_hidden_record_is_lost_however_often_and_early_it_is_read() {
        let mut ledger = Ledger::hiding(2);
        ledger.read(record("a", "10", 0));
        for place in 0..3 {
            ledger.acknowledge(record("a", "10", place));
            ledger.read(record("a", "10", place));
        }
        assert_eq!(
            ledger.totals(),
            Totals {
                delivered: 3,
                kinesis_records: 1,
                read: 1,
                distinct: 1
            }
        );
        assert_eq!(ledger.found(), 1);
    }
}
