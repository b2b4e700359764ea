//! Pure: what is known of one payload: whose it is, where it was stored, and what its producer said of it.

use std::time::Duration;

use super::contents::Placement;
use super::deletions::Deletions;
use super::fact::Stored;
use super::faults::Faults;
use super::judge::{Judge, Seconds};
use super::key_order::Group;
use super::lists::{Knowledge, Lists};
use super::name::{Digest, Process, RecordId};
use super::position::Place;
use super::rules::{Exception, Rule};
use super::stream::Stream;
use testkit::Service;
use testkit::kinesis::ShardId;

/// What is known of one payload.
#[derive(Debug, Default)]
pub(crate) struct Payload {
    pub(crate) accepted: Option<Accepted>,
    copies: u32,
    /// Copies that the producer wrote itself, and not the network, which doubled a request.
    pub(crate) own: u32,
    /// Copies that a reader gets which drops misplaced aggregates.
    pub(crate) readable: u32,
    last_copy: Option<Copied>,
}

/// The stream, what went wrong, and which lists of shards were got.
pub(crate) type Known<'a> = (&'a Stream, &'a Faults, &'a Lists);

/// One copy of a payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copied {
    pub(crate) at: Duration,
    pub(crate) shard: ShardId,
    pub(crate) placement: Placement,
    /// User records in the Kinesis record.
    pub(crate) together: usize,
    /// How often its stream had been deleted before.
    pub(crate) deletions: usize,
    pub(crate) writer: Writer,
}

impl Copied {
    /// Why its producer cannot tell whether a reader finds it there; `None` if it can. A record alone is read wherever it is.
    fn why_unknown(&self, producer: &Process, (stream, faults, lists): Known<'_>) -> Option<Exception> {
        let shard = stream.get(self.shard).filter(|_| self.together > 1)?;
        match lists.knowledge(producer, (shard, self.at), faults) {
            Knowledge::Listed => None,
            Knowledge::TooShortLived => Some(Exception::ShortLivedShards),
            Knowledge::NotYetListed => Some(Exception::UnlistedShards),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) producer: Process,
    pub(crate) record: RecordId,
    pub(crate) payload: Digest,
    pub(crate) key: Digest,
    pub(crate) group: Group,
    pub(crate) outcome: Outcome,
}

/// Whose copy a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    Producer,
    /// A request was doubled on its way. The first one may have been refused, and its producer cannot know of this one.
    Network,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Open,
    /// The receipt was dropped.
    NotAwaited,
    Delivered,
    Returned(Stored),
}

impl Outcome {
    /// Only the report of a shutdown tells of a record whose receipt was dropped, and only that it is returned.
    pub(crate) fn may_become(self, next: Self) -> bool {
        match self {
            Self::Open => true,
            Self::NotAwaited => matches!(next, Self::Returned(_)),
            Self::Delivered | Self::Returned(_) => false,
        }
    }
}

impl Payload {
    pub(crate) fn is_of(&self, producer: &Process) -> bool {
        let accepted = self.accepted.as_ref();
        accepted.is_some_and(|accepted| accepted.producer == *producer)
    }

    /// Who stores a copy of it now.
    pub(crate) fn writer(&self, faults: &Faults, now: Duration) -> Writer {
        let doubled = |accepted: &Accepted| faults.was_doubled(&accepted.producer, Service::Kinesis, now);
        match self.accepted.as_ref().is_some_and(doubled) {
            true => Writer::Network,
            false => Writer::Producer,
        }
    }

    pub(crate) fn add_copy(&mut self, copy: Copied) {
        self.copies += 1;
        self.own += u32::from(copy.writer == Writer::Producer);
        self.last_copy = Some(copy);
        match copy.placement {
            Placement::Kept => self.readable += 1,
            Placement::Misplaced => {}
        }
    }

    /// A record is written again if the KCL would drop its last copy, if the stream with that was deleted, or if its
    /// producer did not learn of one of the two writes.
    pub(crate) fn check_another_copy(&self, shard: ShardId, known: Known<'_>, judge: &mut Judge) {
        let (Some(last), Some(Accepted { producer, record, .. })) = (self.last_copy, &self.accepted) else {
            return;
        };
        let (stream, faults, _) = known;
        let unknown = |written| faults.was_unacknowledged(producer, Service::Kinesis, written);
        let cause = match last.placement {
            Placement::Misplaced => "misplaced before",
            Placement::Kept if last.deletions < stream.deletions() => "in a deleted stream",
            Placement::Kept if unknown(last.at) || unknown(judge.now) => "unacknowledged",
            Placement::Kept if last.why_unknown(producer, known).is_some_and(|why| judge.excuses(why)) => {
                "in an unknown shard"
            }
            Placement::Kept => {
                judge.broken(
                    Rule::Duplicate,
                    format_args!(
                        "{record} of {producer} was stored again in {shard}, though its copy of {} was readable and \
                         both writes were acknowledged",
                        Seconds(last.at)
                    ),
                );
                "without a cause"
            }
        };
        *judge.figures.stored_again.entry(cause.to_owned()).or_default() += 1;
    }

    /// What the receipt says is true, and the record readable.
    pub(crate) fn check_delivery(
        &self,
        (shard, place): (ShardId, Place),
        stream: &Stream,
        deletions: &Deletions,
        judge: &mut Judge,
    ) {
        let Some(accepted) = &self.accepted else { return };
        let Accepted { producer, record, .. } = accepted;
        let lie = match stream.ever_stored(shard, place) {
            None => "no record was stored there",
            Some(stored) if stored.payload != accepted.payload => "the record there has another payload",
            Some(stored) if stored.key != accepted.key => "the record there has another partition key",
            Some(_) if self.readable > 0 || self.is_in_an_unnoticed_stream(deletions, judge) => return,
            Some(_) => {
                judge.broken(
                    Rule::Readable,
                    format_args!(
                        "{record} of {producer} was delivered to {shard} at {place}, but all its copies are in \
                         aggregates with records outside of their shards' ranges, which the Java KCL drops"
                    ),
                );
                return;
            }
        };
        judge.broken(
            Rule::Outcome,
            format_args!("{record} of {producer} was delivered to {shard} at {place}, but {lie}"),
        );
    }

    /// Whether its producer did not know, when it was stored, that this was another stream.
    fn is_in_an_unnoticed_stream(&self, deletions: &Deletions, judge: &mut Judge) -> bool {
        let (Some(Accepted { producer, .. }), Some(last)) = (&self.accepted, self.last_copy) else {
            return false;
        };
        deletions.is_unnoticed(producer, last.at) && judge.excuses(Exception::UnnoticedDeletion)
    }
}

impl Accepted {
    pub(crate) fn stored_after_all(&self, judge: &mut Judge) {
        let Self { producer, record, .. } = self;
        judge.broken(
            Rule::Outcome,
            format_args!("{record} of {producer} was returned as never stored, but it is in the stream"),
        );
    }
}
