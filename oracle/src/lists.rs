//! Pure: which lists of shards processes got, and so which shards a producer can know.

use std::collections::BTreeMap;
use std::time::Duration;

use super::faults::Faults;
use super::name::Process;
use super::shard::Shard;

/// All lists of a run.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    lists: Vec<List>,
    /// The last answer to each process that there is no such stream.
    missed: BTreeMap<Process, Missed>,
}

/// A list of the open shards.
#[derive(Debug)]
struct List {
    caller: Process,
    /// When the process asked for it.
    asked: Duration,
    /// When these were the open shards.
    as_of: Duration,
    /// When the process got it.
    at: Duration,
}

/// An answer that there is no such stream.
#[derive(Debug)]
struct Missed {
    answered: Duration,
    /// When the process read it.
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
    /// It had no such list then, and got none since, or one that names it. A list does not count that it had asked for
    /// before it read that there is no such stream: for all it knows, that list is of an earlier stream.
    NotYetListed,
}

impl Missed {
    /// Whether the process did not know it yet when it asked for the list. In the moment in which it awakes, it may ask before
    /// it reads what has come meanwhile; otherwise, what it does in one moment is the consequence of the answer.
    fn is_news_after(&self, list: &List) -> bool {
        let had_waited = self.answered < self.at;
        list.asked < self.at || had_waited && list.asked == self.at
    }
}

impl Lists {
    pub(crate) fn add(&mut self, caller: Process, asked: Duration, as_of: Duration, at: Duration) {
        self.lists.push(List {
            caller,
            asked,
            as_of,
            at,
        });
    }

    /// A process reads now, at `at`, that there is no such stream.
    pub(crate) fn missed(&mut self, caller: &Process, answered: Duration, at: Duration) {
        self.missed.insert(caller.clone(), Missed { answered, at });
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
        let is_trusted = |list: &&List| {
            self.missed
                .get(&list.caller)
                .is_none_or(|missed| !missed.is_news_after(list))
        };
        let mut knowledge = Knowledge::NotYetListed;
        let mut is_named = false;
        for list in self.lists.iter().filter(is_its_own).filter(is_trusted) {
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
