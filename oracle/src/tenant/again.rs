//! Pure: what an ownership is offered again after a failure, and what it is not offered any more.

use std::ops::Range;

use super::{Begins, Repeats, SHARD_ENDED, Tenant};
use crate::fact::{Asks, Remedy};
use crate::judge::Judge;
use crate::position::{Place, Position};
use crate::rules::Rule;
use crate::shard::Shard;

impl Tenant {
    /// The task that took its batches has failed, and another one takes them: everything behind the checkpoint comes again.
    pub(crate) fn begun_anew(&mut self, checkpoint: Position, shard: &Shard, judge: &mut Judge) {
        if let Some(over) = self.over.filter(|over| *over != SHARD_ENDED) {
            let ownership = &self.ownership;
            judge.broken(Rule::OneOwner, format_args!("{ownership} was begun anew after {over}"));
        }
        self.over = None;
        self.failed(None, shard);
        let end = self.failed.take().map_or(self.next, |failed| failed.end.max(self.next));
        let from = match checkpoint {
            Position::At(_) => shard.count_up_to(checkpoint).max(self.first),
            Position::AtTimestamp | Position::TrimHorizon | Position::Latest | Position::ShardEnd => self.first,
        };
        self.is_unpinned = checkpoint == Position::Latest;
        self.next = self.next.min(from);
        self.failed = Some(self.next..end).filter(|failed| !failed.is_empty());
        self.repeats = Repeats::Everything;
    }

    /// An operator sees to the halted shard.
    pub(crate) fn halt_ends(&mut self, by: Remedy) {
        self.halted_at = None;
        self.remedy = Some(by);
        self.remedied = self.last_failed.as_ref().map_or(0, |(failed, _)| failed.end);
    }

    /// A handler names the record on which it fails. That holds until the record is processed, though those in front of it may
    /// fail by themselves meanwhile.
    pub(crate) fn named(&mut self, place: Place, asks: Option<Asks>, shard: &Shard) {
        let index = shard
            .find(place)
            .filter(|index| self.batch.as_ref().is_some_and(|batch| batch.contains(index)));
        self.named.extend(index.map(|index| (index, asks)));
    }

    /// These records are passed over: it is not offered them again.
    pub(crate) fn passed_over(&mut self, records: Range<usize>) {
        self.halted_at = None;
        self.remedy.take_if(|_| records.end >= self.remedied);
        if self.keyed.passed_over(&records) {
            return;
        }
        self.last_failed = None;
        (self.first, self.next) = (self.first.max(records.end), self.next.max(records.end));
        self.repeated(records.end);
    }

    /// A record begins that may run beside others. The first one of them, at `LATEST`, shows where it begins.
    pub(crate) fn begins_with(&mut self, index: usize, shard: &mut Shard, judge: &mut Judge) -> usize {
        if self.begins == Begins::WithWhatArrives {
            if self.first < index {
                self.skipped(self.first..index, shard, judge);
            }
            self.first = index;
        } else if index < self.first && self.begins_early(judge) {
            self.first = index;
        }
        self.begins = Begins::AtItsCheckpoint;
        self.offered_at = judge.now;
        self.first
    }
}
