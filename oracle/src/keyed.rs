//! Pure: the records of an ownership whose handler runs those of different keys at once, and those of one key in order (C5).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::fact::Asks;
use super::judge::Judge;
use super::position::Place;
use super::rules::Rule;
use super::shard::Shard;
use super::tenant::Tenant;

/// What became of records, by their numbers in the shard. Empty for a handler of batches.
#[derive(Debug, Default)]
pub(crate) struct Keyed {
    running: BTreeSet<usize>,
    /// Those that are done, or passed over.
    settled: BTreeSet<usize>,
    /// Those that have failed and were not begun again, each with what its handler asks for.
    failed: BTreeMap<usize, Option<Asks>>,
}

impl Keyed {
    /// The first record that runs.
    pub(crate) fn first_running(&self) -> Option<usize> {
        self.running.first().copied()
    }

    /// What the handler of the record asks for, if it has failed on it.
    pub(crate) fn failure(&self, index: usize) -> Option<Option<Asks>> {
        self.failed.get(&index).copied()
    }

    /// Whether these records, which are passed over, had failed one by one.
    pub(crate) fn passed_over(&mut self, records: &Range<usize>) -> bool {
        let failed: Vec<usize> = self.failed.range(records.clone()).map(|(index, _)| *index).collect();
        for index in &failed {
            self.failed.remove(index);
            self.settled.insert(*index);
        }
        !failed.is_empty()
    }
}

impl Tenant {
    /// The handler is called with a record: those of its key that lie before it are done, and it does not run twice.
    pub(crate) fn record_begun(&mut self, index: usize, shard: &mut Shard, judge: &mut Judge) {
        if self.keyed.failed.remove(&index).is_some() {
            self.check_halt(judge);
        }
        let first = self.begins_with(index, shard, judge);
        let kept = first.max(shard.trimmed).max(shard.due_from());
        let (ownership, place) = (&self.ownership, shard.place_of(index));
        let twice = match (self.keyed.running.contains(&index), self.keyed.settled.contains(&index)) {
            (true, _) => Some("is still at"),
            (false, true) => Some("was done with"),
            (false, false) if index < first => Some("began behind"),
            (false, false) => None,
        };
        if let Some(twice) = twice {
            judge.broken(
                Rule::Duplicate,
                format_args!("{ownership} was called with {place}, which it {twice}"),
            );
        }
        let key = shard.record(index).map(|record| record.key);
        let is_open = |before: &usize| {
            let record = shard.record(*before);
            record.is_some_and(|record| Some(record.key) == key) && !self.keyed.settled.contains(before)
        };
        if let Some(before) = (kept..index).find(is_open) {
            let before = shard.place_of(before);
            judge.broken(
                Rule::NothingSkipped,
                format_args!("{ownership} was called with {place} before it was done with {before}, of the same key"),
            );
        }
        self.keyed.running.insert(index);
    }

    /// The handler is done with a record.
    pub(crate) fn record_done(&mut self, place: Place, shard: &mut Shard, judge: &mut Judge) {
        if let Some(index) = self.ran(place, shard, judge) {
            self.keyed.settled.insert(index);
            shard.process(index..index + 1);
        }
    }

    /// The handler failed on a record.
    pub(crate) fn record_failed(&mut self, place: Place, asks: Option<Asks>, shard: &Shard, judge: &mut Judge) {
        if let Some(index) = self.ran(place, shard, judge) {
            self.keyed.failed.insert(index, asks);
        }
    }

    /// The number of a record that ran.
    fn ran(&mut self, place: Place, shard: &Shard, judge: &mut Judge) -> Option<usize> {
        let index = shard.find(place).filter(|index| self.keyed.running.remove(index));
        if index.is_none() {
            let ownership = &self.ownership;
            judge.broken(
                Rule::History,
                format_args!("{ownership} ended with {place}, which did not run"),
            );
        }
        index
    }
}
