//! Pure: which lists of shards processes got, and so which shards a producer can know.

use std::time::Duration;

use super::faults::Faults;
use super::name::Process;
use super::shard::Shard;

/// All lists of a run.
#[derive(Debug, Default)]
pub(crate) struct Lists(Vec<List>);

/// A list of the open shards.
#[derive(Debug)]
struct List {
    caller: Process,
    /// When these were the open shards.
    as_of: Duration,
    /// When the process got it.
    at: Duration,
}

/// What a producer can know of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// It had a list that names it as it wrote there.
    Listed,
    /// It got a list after it had written there, and none that names it: the shard opened after the one before, and was
    /// closed by then.
    TooShortLived,
    /// It had no such list then, and got none since, or one that names it.
    NotYetListed,
}

impl Lists {
    pub(crate) fn add(&mut self, caller: Process, as_of: Duration, at: Duration) {
        self.0.push(List { caller, as_of, at });
    }

    /// What the producer knows of the shard, to which it wrote at `written`.
    pub(crate) fn knowledge(
        &self,
        producer: &Process,
        (shard, written): (&Shard, Duration),
        faults: &Faults,
    ) -> Knowledge {
        let born = faults.lives_since(producer);
        let is_its_own = |list: &&List| list.at >= born && faults.is_or_lives_in(producer, &list.caller);
        let mut knowledge = Knowledge::NotYetListed;
        let mut is_named = false;
        for list in self.0.iter().filter(is_its_own) {
            match shard.was_open(list.as_of) {
                true if list.at <= written => return Knowledge::Listed,
                true => is_named = true,
                false if list.as_of >= written => knowledge = Knowledge::TooShortLived,
                false => {}
            }
        }
        if is_named { Knowledge::NotYetListed } else { knowledge }
    }
}
