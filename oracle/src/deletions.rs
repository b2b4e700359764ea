//! Pure: which producers know that their stream was deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use super::faults::Faults;
use super::name::Process;

/// The producers that lived when the stream was deleted last.
#[derive(Debug, Default)]
pub(crate) struct Deletions {
    deleted_at: Duration,
    /// When each learnt that the stream is another one, or gone.
    told: BTreeMap<Process, Option<Duration>>,
}

impl Deletions {
    /// The stream was deleted. None of these knows it yet.
    pub(crate) fn deleted(&mut self, producers: impl Iterator<Item = Process>, now: Duration) {
        self.deleted_at = now;
        self.told = producers.map(|producer| (producer, None)).collect();
    }

    /// A process learnt that there is no such stream.
    pub(crate) fn missed(&mut self, caller: &Process, faults: &Faults, now: Duration) {
        for (producer, told) in &mut self.told {
            if faults.is_or_lives_in(producer, caller) {
                told.get_or_insert(now);
            }
        }
    }

    /// A process learnt the shards that the stream had at `as_of`.
    pub(crate) fn listed(&mut self, caller: &Process, as_of: Duration, faults: &Faults, now: Duration) {
        if as_of > self.deleted_at {
            self.missed(caller, faults, now);
        }
    }

    /// Whether the producer did not know of the deletion before that time, though it lived through it.
    pub(crate) fn is_unnoticed(&self, producer: &Process, by: Duration) -> bool {
        let told = self.told.get(producer);
        told.is_some_and(|told| told.is_none_or(|told| told >= by))
    }
}
