//! Pure: which producers were told that their stream was deleted, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use super::faults::Faults;
use super::name::Process;

/// The producers that lived when the stream was deleted last.
#[derive(Debug, Default)]
pub(super) struct Deletions(BTreeMap<Process, Option<Duration>>);

impl Deletions {
    /// The stream was deleted. None of these knows it yet.
    pub(super) fn deleted(&mut self, producers: impl Iterator<Item = Process>) {
        self.0 = producers.map(|producer| (producer, None)).collect();
    }

    /// A process learnt that there is no such stream.
    pub(super) fn told(&mut self, caller: &Process, faults: &Faults, now: Duration) {
        for (producer, told) in &mut self.0 {
            if faults.is_or_lives_in(producer, caller) {
                told.get_or_insert(now);
            }
        }
    }

    /// Whether the producer had not been told of the deletion before that time, though it lived through it.
    pub(super) fn is_unnoticed(&self, producer: &Process, by: Duration) -> bool {
        let told = self.0.get(producer);
        told.is_some_and(|told| told.is_none_or(|told| told >= by))
    }
}
