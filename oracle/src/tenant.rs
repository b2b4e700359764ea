//! Pure: one ownership of a shard, and what its handler was given.
//!
//! What it learns from a fact is `told`; what it is offered `again` after a failure has a file of its own.

mod again;
mod told;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::evidence::Evidence;
use super::fact::{Asks, OfferedRecord, Remedy};
use super::judge::Judge;
use super::keyed::Keyed;
use super::name::Ownership;
use super::position::{Place, Position};
use super::rules::{Exception, Rule};
use super::shard::Shard;

/// What ends an ownership whose shard was read to its end.
const SHARD_ENDED: &str = "it was told that the shard has ended";

/// How long a halted shard is left alone, if nobody sees to it: somewhat less than the five minutes of the consumer.
const HALTED_RETRY: Duration = Duration::from_secs(290);

/// One ownership. Records are counted from 0 in their shard.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) ownership: Ownership,
    /// How often the stream whose shard it is had been deleted before.
    pub(crate) deletions: usize,
    /// Since when its worker has the lease; if it had lost it before the application learned of it, when it did.
    pub(crate) leased_at: Duration,
    /// When it was offered records last.
    pub(crate) offered_at: Duration,
    begins: Begins,
    /// Whether it began at `LATEST`, and may still begin earlier: nothing that it was offered is processed.
    is_unpinned: bool,
    /// The record that has to come next.
    next: usize,
    /// The batch that the handler is at.
    batch: Option<Range<usize>>,
    /// What a handler failed on, and was not processed again yet.
    pub(crate) failed: Option<Range<usize>>,
    /// How much of that comes again.
    repeats: Repeats,
    /// The records of the last failed call, and what it asked for.
    pub(crate) last_failed: Option<(Range<usize>, Option<Asks>)>,
    /// The records that a handler named as it failed, and that were not processed since.
    pub(crate) named: BTreeMap<usize, Option<Asks>>,
    /// The first record that it may be offered.
    first: usize,
    /// The records that run, for a handler of single records.
    pub(crate) keyed: Keyed,
    /// Since when it is halted.
    halted_at: Option<Duration>,
    /// What an operator has done about the handler's failure.
    pub(crate) remedy: Option<Remedy>,
    /// The end of the records that it is about.
    remedied: usize,
    /// What ended it, in the application's eyes.
    over: Option<&'static str>,
}

/// How much comes again of what a handler failed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    Unprocessed,
    /// Also what was processed, because the task that had it has failed.
    Everything,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    AtItsCheckpoint,
    /// At `LATEST`, and nothing was offered yet.
    WithWhatArrives,
}

impl Tenant {
    pub(crate) fn new(
        (ownership, deletions): (Ownership, usize),
        leased_at: Duration,
        checkpoint: Position,
        shard: &mut Shard,
        judge: &mut Judge,
    ) -> Self {
        let (begins, next) = match checkpoint {
            Position::Latest => {
                excuse_unpinned(shard, judge);
                (Begins::WithWhatArrives, shard.due_from())
            }
            // An earlier owner at `LATEST` may have left records behind its checkpoint that are excused.
            Position::At(_) | Position::ShardEnd => (Begins::AtItsCheckpoint, shard.count_up_to(checkpoint)),
            Position::AtTimestamp | Position::TrimHorizon => (
                Begins::AtItsCheckpoint,
                shard.count_up_to(checkpoint).max(shard.due_from()),
            ),
        };
        Self {
            ownership,
            deletions,
            leased_at,
            offered_at: judge.now,
            begins,
            is_unpinned: checkpoint == Position::Latest,
            next,
            first: next,
            batch: None,
            failed: None,
            repeats: Repeats::Unprocessed,
            last_failed: None,
            named: BTreeMap::new(),
            keyed: Keyed::default(),
            halted_at: None,
            remedy: None,
            remedied: 0,
            over: None,
        }
    }

    /// For the application the ownership is over: nothing more may be offered.
    pub(crate) fn over(&mut self, what: &'static str) {
        self.over.get_or_insert(what);
    }

    /// Whether the handler was offered something.
    pub(crate) fn is_offered_records(&self) -> bool {
        self.begins == Begins::AtItsCheckpoint
    }

    /// Whether the application knows that it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// The worker said that it reads the shard no further.
    pub(crate) fn halted(&mut self, now: Duration) {
        self.halted_at.get_or_insert(now);
    }

    /// Whether the handler may be called with a batch.
    pub(crate) fn check_life(&mut self, judge: &mut Judge) {
        self.check_end(judge);
        self.check_halt(judge);
        self.check_turn(judge);
    }

    /// Whether anything may be offered.
    pub(crate) fn check_end(&self, judge: &mut Judge) {
        if let Some(over) = self.over {
            self.offered_after(over, judge);
        }
    }

    /// Whether the handler may be tried again. A halted shard is now and then.
    pub(crate) fn check_halt(&mut self, judge: &mut Judge) {
        if self.halted_at.take().is_some_and(|at| judge.now < at + HALTED_RETRY) {
            self.offered_after("it was halted", judge);
        }
    }

    fn offered_after(&self, what: &str, judge: &mut Judge) {
        let ownership = &self.ownership;
        judge.broken(
            Rule::OneOwner,
            format_args!("{ownership} was offered records after {what}"),
        );
    }

    /// Methods of one processor are called one at a time.
    fn check_turn(&self, judge: &mut Judge) {
        let ownership = &self.ownership;
        if let Some(batch) = &self.batch {
            let count = batch.len();
            judge.broken(
                Rule::History,
                format_args!("{ownership} was called before its handler had returned from the last {count} records"),
            );
        }
    }

    /// The numbers of the offered records: stored ones, one after the other.
    pub(crate) fn locate(&self, records: &[OfferedRecord], shard: &Shard, judge: &mut Judge) -> Option<Range<usize>> {
        let ownership = &self.ownership;
        let start = shard.find(records.first()?.place);
        for (offset, OfferedRecord { place, payload }) in records.iter().enumerate() {
            let expected = start.and_then(|start| shard.record(start + offset));
            if expected.is_some_and(|stored| stored.place == *place && stored.payload == *payload) {
                continue;
            }
            let stored = shard.find(*place).and_then(|index| shard.record(index));
            match (stored, expected) {
                (None, _) => judge.broken(
                    Rule::AtLeastOnce,
                    format_args!("{ownership} was offered {place}, where the service stored no record"),
                ),
                (Some(stored), Some(expected)) if stored.place != expected.place => judge.broken(
                    Rule::AtLeastOnce,
                    format_args!("{ownership} was offered {place}, but {} comes next", expected.place),
                ),
                (Some(stored), _) if stored.payload == *payload => judge.broken(
                    Rule::AtLeastOnce,
                    format_args!("{ownership} was offered {place} behind the shard's last record"),
                ),
                (Some(_), _) => judge.broken(
                    Rule::AtLeastOnce,
                    format_args!("{ownership} was offered {place} with another payload than the stored one"),
                ),
            }
            return None;
        }
        start.map(|start| start..start + records.len())
    }

    /// Takes the next batch; it begins where the last one ended, or again where the handler failed.
    pub(crate) fn take(&mut self, batch: Range<usize>, shard: &mut Shard, judge: &mut Judge) {
        let again = self.failed.as_ref().map_or(self.next, |failed| failed.start);
        if batch.start < again && self.begins_early(judge) {
            (self.first, self.next) = (self.first.min(batch.start), batch.start);
            if let Some(failed) = &mut self.failed {
                failed.start = failed.start.min(batch.start);
            }
        } else if batch.start < again {
            let (ownership, place) = (&self.ownership, shard.place_of(batch.start));
            judge.broken(
                Rule::Duplicate,
                format_args!(
                    "{ownership} was offered {place}, which lies before its checkpoint or was offered to it before, \
                     and no handler failed on it"
                ),
            );
        }
        // At a timestamp to come, what is stored until then is not wanted, though the ownership has begun.
        let wanted = self.next.max(shard.trimmed).max(shard.due_from());
        let expected = self.first_missing(wanted..batch.start, shard);
        if expected < batch.start {
            self.skipped(expected..batch.start, shard, judge);
        }
        self.begins = Begins::AtItsCheckpoint;
        self.next = self.next.max(batch.end);
        self.offered_at = judge.now;
        self.batch = Some(batch);
    }

    /// The application is done with the batch, or with the records of it up to a place.
    pub(crate) fn processed(&mut self, through: Option<Place>, shard: &mut Shard, judge: &mut Judge) {
        let Some(batch) = self.batch.clone() else {
            let ownership = &self.ownership;
            judge.broken(
                Rule::History,
                format_args!("{ownership} processed records, but was offered none"),
            );
            return;
        };
        self.is_unpinned = false;
        match through {
            Some(place) => {
                let end = shard.count_up_to(Position::At(place));
                shard.process(batch.start..end.min(batch.end));
            }
            None => {
                self.batch = None;
                self.repeated(batch.end);
                shard.process(batch);
            }
        }
    }

    /// A handler failed. If that was not with records, it concerns none.
    pub(crate) fn failed(&mut self, asks: Option<Asks>, shard: &Shard) {
        let Some(batch) = self.batch.take() else { return };
        self.next = shard.first_unprocessed(batch.clone());
        self.last_failed = Some((batch.clone(), asks));
        self.failed = Some(match self.failed.take() {
            None => batch,
            Some(failed) => failed.start.min(batch.start)..failed.end.max(batch.end),
        });
    }

    /// The application was told that the ownership is over: no handler of single records runs any more.
    pub(crate) fn ends(&mut self, what: &'static str, judge: &mut Judge) {
        self.over(what);
        if let Some(running) = self.keyed.first_running() {
            let ownership = &self.ownership;
            judge.broken(
                Rule::Shutdown,
                format_args!("{ownership} still ran record {running} of its shard, counted from 0, as {what}"),
            );
        }
    }

    /// The application was told that the shard has ended.
    pub(crate) fn shard_ended(&mut self, shard: &mut Shard, judge: &mut Judge) {
        self.ends(SHARD_ENDED, judge);
        self.check_turn(judge);
        if self.begins == Begins::WithWhatArrives {
            excuse_unpinned(shard, judge);
        }
        let ownership = &self.ownership;
        if let Some(undone) = shard.first_undone() {
            judge.broken(
                Rule::AtLeastOnce,
                format_args!(
                    "{ownership} was told that the shard has ended, before {} was processed",
                    undone.place
                ),
            );
        }
    }

    /// Nothing explains why it was offered what `previous` was.
    pub(crate) fn took_without_cause(
        &self,
        index: usize,
        previous: &Ownership,
        evidence: &Evidence,
        judge: &mut Judge,
    ) {
        let ownership = &self.ownership;
        let shard = evidence.stream.of(self.deletions, ownership.shard);
        let place = shard.map_or_else(String::new, |shard| shard.place_of(index));
        judge.broken(
            Rule::Duplicate,
            format_args!(
                "{ownership} was offered {place}, which {previous} had been offered; in between, nobody took the \
                 lease, it neither expired nor was it handed over or released, and no worker died"
            ),
        );
    }

    /// Of what the handler failed on, everything before `end` was processed.
    fn repeated(&mut self, end: usize) {
        self.remedy.take_if(|_| end >= self.remedied);
        self.named = self.named.split_off(&end);
        if let Some(failed) = &mut self.failed {
            failed.start = failed.start.max(end);
        }
        self.failed.take_if(|failed| failed.start >= failed.end);
        if self.failed.is_none() {
            self.repeats = Repeats::Unprocessed;
        }
    }

    /// The first record that must not be left out of those that are, or their end.
    fn first_missing(&self, left_out: Range<usize>, shard: &Shard) -> usize {
        if self.begins == Begins::WithWhatArrives {
            return shard.first_unprocessed(left_out);
        }
        // Of what its handler failed on, it need not be offered what was processed. Behind that, and behind its checkpoint,
        // it is offered everything, whatever an earlier owner has processed without a checkpoint.
        match &self.failed {
            Some(failed) if failed.contains(&left_out.start) && self.repeats == Repeats::Everything => {
                shard.first_kept(left_out.start..left_out.end.min(failed.end))
            }
            Some(failed) if failed.contains(&left_out.start) => {
                shard.first_unprocessed(left_out.start..left_out.end.min(failed.end))
            }
            _ => left_out.start,
        }
    }

    /// Whether it may be offered what arrived before it began.
    fn begins_early(&self, judge: &mut Judge) -> bool {
        self.is_unpinned && judge.excuses(Exception::UnpinnedLatest)
    }

    /// Nothing of `gap` was offered.
    fn skipped(&self, gap: Range<usize>, shard: &mut Shard, judge: &mut Judge) {
        if self.begins == Begins::WithWhatArrives && judge.excuses(Exception::UnpinnedLatest) {
            shard.excuse_up_to(gap.end);
            return;
        }
        let ownership = &self.ownership;
        let (skipped, offered, count) = (shard.place_of(gap.start), shard.place_of(gap.end), gap.len());
        match &self.failed {
            Some(_) => judge.broken(
                Rule::NothingSkipped,
                format_args!("{ownership} was offered {offered}, but its handler had failed on {skipped}"),
            ),
            None => judge.broken(
                Rule::AtLeastOnce,
                format_args!("{ownership} was offered {offered}, but {skipped} comes next ({count} records skipped)"),
            ),
        }
    }
}

/// What a lease at `LATEST` has not been read of by now never will be, unless it is pinned.
pub(crate) fn excuse_unpinned(shard: &mut Shard, judge: &mut Judge) {
    if shard.first_undone().is_some() && judge.excuses(Exception::UnpinnedLatest) {
        shard.excuse_up_to(shard.len());
    }
}
