//! Records that were read and that the application has not processed yet.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use aggregation::Checked;

use crate::checkpoint::position::SequenceNumber;
use crate::checkpoint::position::{Position, RecordPosition};
use crate::event::ShardEvent;
use crate::observers::ShardObserver;
use crate::record::Record;
use crate::retrieval::deaggregate::{Deaggregation, Form, RangePolicy, RawRecord, deaggregate, skip_up_to};
use crate::retrieval::permit::Permit;
use crate::retrieval::source::Page;

/// How many Kinesis records have their checksums computed in step: enough for the speed of many, and few enough that a
/// thread is busy for some milliseconds at most with a page of 10 MiB.
const CHECKED_AT_ONCE: usize = 16;

/// One page, and how much of it is processed.
///
/// Kinesis records are taken apart when they are needed, so a page of aggregates is not held twice. They are kept until their
/// user records are processed; after a failure they are taken apart again.
#[derive(Debug)]
pub(crate) struct Backlog {
    observer: ShardObserver,
    /// The Kinesis records whose user records are not all processed, oldest first.
    raw: VecDeque<RawRecord>,
    /// The checked data of the first of them, as many as were needed yet.
    checked: VecDeque<Checked>,
    /// How many of them were taken apart.
    opened: usize,
    /// User records that were taken apart and not handed out.
    records: VecDeque<Record>,
    lag: Option<Duration>,
    room: Option<Arc<Permit>>,
    /// The last Kinesis record whose damage was told.
    told: Option<SequenceNumber>,
}

/// Records to deliver in one call.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) records: Vec<Record>,
    pub(crate) lag: Option<Duration>,
    pub(crate) room: Option<Arc<Permit>>,
}

impl Backlog {
    /// Nothing was read yet.
    pub(crate) fn new(observer: ShardObserver) -> Self {
        Self {
            observer,
            raw: VecDeque::new(),
            checked: VecDeque::new(),
            opened: 0,
            records: VecDeque::new(),
            lag: None,
            room: None,
            told: None,
        }
    }

    /// Takes a page in the place of the last one, which must be processed.
    pub(crate) fn put(&mut self, page: Page) {
        debug_assert!(self.raw.is_empty(), "a page is replaced before it is processed");
        *self = Self {
            raw: page.records.into(),
            lag: page.lag,
            room: Some(Arc::new(page.permit)),
            told: self.told.take(),
            ..Self::new(self.observer.clone())
        };
    }

    /// Drops what was read, and its room in the budget.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            told: self.told.take(),
            ..Self::new(self.observer.clone())
        };
    }

    /// The next record behind `done`. `None` when all of the page are handed out or done.
    pub(crate) fn front(&mut self, done: &Position) -> Option<&RecordPosition> {
        while self.records.is_empty() && self.open_next(done) {}
        self.records.front().map(Record::position)
    }

    /// The next records behind `done`, at most `at_most`. `None` when all of the page are handed out or done.
    pub(crate) fn next(&mut self, at_most: usize, done: &Position) -> Option<Delivery> {
        self.next_in_front_of(None, at_most, done)
    }

    /// The next records behind `done`, at most `at_most`, which are not handed out by this: they come again, and so does what was
    /// handed out behind `done` before.
    pub(crate) fn look(&mut self, at_most: usize, done: &Position) -> Vec<Record> {
        self.failed();
        let delivery = self.next(at_most, done);
        self.failed();
        delivery.map(|delivery| delivery.records).unwrap_or_default()
    }

    /// As [`next`](Self::next), up to and without the record `end`, which must not come next.
    pub(crate) fn next_in_front_of(
        &mut self,
        end: Option<&RecordPosition>,
        at_most: usize,
        done: &Position,
    ) -> Option<Delivery> {
        while self.records.len() < at_most && self.open_next(done) {}
        let is_in_front = |record: &&Record| end.is_none_or(|end| record.position() < end);
        let count = self.records.iter().take(at_most).take_while(is_in_front).count();
        let records: Vec<_> = self.records.drain(..count).collect();
        if records.is_empty() {
            self.clear();
            return None;
        }
        Some(Delivery {
            records,
            lag: self.lag,
            room: self.room.clone(),
        })
    }

    /// Notes that everything that was handed out is processed.
    pub(crate) fn processed(&mut self) {
        let next = self.records.front().map(Record::sequence_number);
        let is_left = |raw: &RawRecord| next.is_some_and(|next| raw.sequence_number == *next);
        while self.opened > 0 && !self.raw.front().is_some_and(is_left) {
            self.raw.pop_front();
            self.checked.pop_front();
            self.opened -= 1;
        }
    }

    /// Notes that what was handed out has failed: it is handed out again.
    pub(crate) fn failed(&mut self) {
        self.records.clear();
        self.opened = 0;
    }

    /// Takes one more Kinesis record apart, if there is one.
    fn open_next(&mut self, done: &Position) -> bool {
        let Some(raw) = self.raw.get(self.opened).cloned() else {
            return false;
        };
        let checked = self.checked(&raw);
        self.opened += 1;
        let sequence_number = raw.sequence_number.clone();
        let mut records = Vec::new();
        let outcome = deaggregate(raw, checked, None, RangePolicy::Deliver, &mut records);
        if self.told.as_ref().is_none_or(|told| *told < sequence_number) {
            self.tell(sequence_number, outcome);
        }
        skip_up_to(&mut records, done);
        self.records.extend(records);
        true
    }

    /// The checked data of `raw`, which is to be opened next; the records behind it are checked with it.
    fn checked(&mut self, raw: &RawRecord) -> Checked {
        if self.checked.len() <= self.opened {
            let next = self.raw.iter().skip(self.checked.len()).take(CHECKED_AT_ONCE);
            self.checked.extend(Checked::all(next.map(|raw| &raw.data)));
        }
        let checked = self.checked.get(self.opened).cloned();
        checked.unwrap_or_else(|| Checked::new(&raw.data))
    }

    /// Tells of damage, once for each Kinesis record.
    fn tell(&mut self, sequence_number: SequenceNumber, outcome: Deaggregation) {
        if let Some((place, damage)) = &outcome.first_damage {
            let position = format!("{sequence_number}:{place}");
            self.observer.tell(ShardEvent::DamagedRecord {
                position,
                damage: damage.clone(),
                repeated: 0,
            });
        }
        if let Form::Unreadable(reason) = outcome.form {
            let (sequence_number, reason) = (sequence_number.to_string(), reason.to_string());
            self.observer.tell(ShardEvent::DamagedAggregate {
                sequence_number,
                reason,
                repeated: 0,
            });
        }
        self.told = Some(sequence_number);
    }
}

#[cfg(test)]
mod tests;
