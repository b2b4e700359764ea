//! Pure: which producers know that their stream was deleted, and which know the shards of the one that took its place.

use std::collections::BTreeMap;
use std::time::Duration;

use super::faults::Faults;
use super::name::Process;

/// The producers that lived when the stream was deleted last.
#[derive(Debug, Default)]
pub(super) struct Deletions {
    deleted_at: Duration,
    knowledge: BTreeMap<Process, Knowledge>,
}

/// When a producer learnt of it.
#[derive(Debug, Default)]
struct Knowledge {
    /// That the stream is another one, or gone.
    told: Option<Duration>,
    /// Which shards the new one has.
    listed: Option<Duration>,
}

impl Deletions {
    /// The stream was deleted. None of these knows it yet.
    pub(super) fn deleted(&mut self, producers: impl Iterator<Item = Process>, now: Duration) {
        self.deleted_at = now;
        self.knowledge = producers.map(|producer| (producer, Knowledge::default())).collect();
    }

    /// A process learnt that there is no such stream.
    pub(super) fn missed(&mut self, caller: &Process, faults: &Faults, now: Duration) {
        for knowledge in self.of(caller, faults) {
            knowledge.told.get_or_insert(now);
        }
    }

    /// A process learnt the shards that the stream had at `as_of`.
    pub(super) fn listed(&mut self, caller: &Process, as_of: Duration, faults: &Faults, now: Duration) {
        if as_of <= self.deleted_at {
            return;
        }
        for knowledge in self.of(caller, faults) {
            knowledge.told.get_or_insert(now);
            knowledge.listed.get_or_insert(now);
        }
    }

    /// Whether the producer did not know of the deletion before that time, though it lived through it.
    pub(super) fn is_unnoticed(&self, producer: &Process, by: Duration) -> bool {
        let knowledge = self.knowledge.get(producer);
        knowledge.is_some_and(|knowledge| knowledge.told.is_none_or(|told| told >= by))
    }

    /// Whether the producer did not know the shards of the new stream before that time, though it lived through the
    /// deletion.
    pub(super) fn is_unlisted(&self, producer: &Process, by: Duration) -> bool {
        let knowledge = self.knowledge.get(producer);
        knowledge.is_some_and(|knowledge| knowledge.listed.is_none_or(|listed| listed >= by))
    }

    fn of(&mut self, caller: &Process, faults: &Faults) -> impl Iterator<Item = &mut Knowledge> {
        let lives_there = |producer: &Process| faults.is_or_lives_in(producer, caller);
        let knowledge = self.knowledge.iter_mut();
        knowledge.filter_map(move |(producer, knowledge)| lives_there(producer).then_some(knowledge))
    }
}
