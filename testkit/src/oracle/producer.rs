//! Pure: what became of the records that producers accepted (P1, P2, P3).

use std::collections::BTreeMap;
use std::time::Duration;

use super::contents::{Contents, Placement};
use super::fact::{AcceptedRecord, ProducerFact, Stored};
use super::faults::Faults;
use super::judge::{Judge, Seconds};
use super::key_order::{Group, KeyOrders};
use super::name::{Digest, Process, RecordId};
use super::position::Place;
use super::rules::{Budget, Exception, Rule};
use super::stream::Stream;
use crate::Service;
use crate::kinesis::ShardId;

/// The producers of a run, and every payload that they or anybody else stored.
#[derive(Debug, Default)]
pub(super) struct Producers {
    ends: BTreeMap<Process, End>,
    records: BTreeMap<RecordId, Digest>,
    payloads: BTreeMap<Digest, Payload>,
    orders: KeyOrders,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    ShutDown,
    Killed,
}

/// What is known of one payload.
#[derive(Debug, Default)]
struct Payload {
    accepted: Option<Accepted>,
    copies: u32,
    /// Copies that the producer wrote itself, and not the network, which doubled a request.
    own: u32,
    /// Copies that a reader gets which drops misplaced aggregates.
    readable: u32,
    last_copy: Option<Copied>,
}

/// One copy of a payload.
#[derive(Debug, Clone, Copy)]
struct Copied {
    at: Duration,
    placement: Placement,
    /// User records in the Kinesis record.
    together: usize,
    /// A reshard made its shard, so a producer may not have heard of it.
    in_a_child: bool,
    writer: Writer,
}

impl Copied {
    /// Whether a producer may be unable to tell where a reader finds it: a record alone is read wherever it is.
    fn may_be_in_an_unknown_shard(&self) -> bool {
        self.together > 1 && self.in_a_child
    }
}

#[derive(Debug)]
struct Accepted {
    producer: Process,
    record: RecordId,
    payload: Digest,
    key: Digest,
    group: Group,
    outcome: Outcome,
}

/// Whose copy a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    Producer,
    /// A request was doubled on its way. The first one may have been refused, and its producer cannot know of this one.
    Network,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Open,
    /// The receipt was dropped.
    NotAwaited,
    Delivered,
    Returned(Stored),
}

impl Outcome {
    /// Only the report of a shutdown tells of a record whose receipt was dropped, and only that it is returned.
    fn may_become(self, next: Self) -> bool {
        match self {
            Self::Open => true,
            Self::NotAwaited => matches!(next, Self::Returned(_)),
            Self::Delivered | Self::Returned(_) => false,
        }
    }
}

impl Producers {
    pub(super) fn tell(&mut self, producer: Process, fact: ProducerFact, stream: &Stream, judge: &mut Judge) {
        match fact {
            ProducerFact::Accepted(record) => self.accepted(producer, record, judge),
            ProducerFact::Delivered { record, shard, place } => {
                judge.figures.delivered += 1;
                if let Some(payload) = self.end(&producer, record, Outcome::Delivered, judge) {
                    payload.check_delivery(shard, place, stream, judge);
                }
            }
            ProducerFact::Returned { record, reason, stored } => {
                *judge.figures.returned.entry(reason).or_default() += 1;
                self.returned(&producer, record, stored, judge);
            }
            ProducerFact::ReceiptDropped { record } => {
                self.end(&producer, record, Outcome::NotAwaited, judge);
            }
            ProducerFact::Flushed => self.flushed(&producer, judge),
            ProducerFact::Holds(held) => check_budget(&producer, held, judge),
            ProducerFact::ShutDown => drop(self.ends.insert(producer, End::ShutDown)),
            ProducerFact::Killed => drop(self.ends.insert(producer, End::Killed)),
        }
    }

    /// The service stored a Kinesis record.
    pub(super) fn stored(
        &mut self,
        shard: ShardId,
        contents: &Contents,
        (stream, faults): (&Stream, &Faults),
        judge: &mut Judge,
    ) {
        judge.figures.stored += contents.records.len() as u64;
        let in_a_child = stream.get(shard).is_some_and(|shard| !shard.parents.is_empty());
        for content in &contents.records {
            let payload = self.payloads.entry(content.payload).or_default();
            payload.check_another_copy(shard, faults, judge);
            let was_readable = payload.readable > 0;
            let writer = payload.writer(faults, judge.now);
            payload.add_copy(Copied {
                at: judge.now,
                placement: contents.placement,
                together: contents.records.len(),
                in_a_child,
                writer,
            });
            let Some(accepted) = &payload.accepted else { continue };
            if accepted.outcome == Outcome::Returned(Stored::Never) && writer == Writer::Producer {
                accepted.stored_after_all(judge);
            }
            if !was_readable && payload.readable > 0 {
                self.orders.stored(&accepted.group, accepted.record, shard, judge);
            }
        }
    }

    /// At the end of a run, every record of a producer that was shut down has an outcome.
    pub(super) fn finish(&self, judge: &mut Judge) {
        for payload in self.payloads.values() {
            let Some(Accepted {
                producer,
                record,
                outcome,
                ..
            }) = &payload.accepted
            else {
                continue;
            };
            let was_shut_down = self.ends.get(producer) == Some(&End::ShutDown);
            match outcome {
                Outcome::Open => {
                    judge.figures.open += 1;
                    if was_shut_down {
                        judge.broken(
                            Rule::Outcome,
                            format_args!("{producer} was shut down, but {record} was neither delivered nor returned"),
                        );
                    }
                }
                Outcome::NotAwaited if was_shut_down && payload.readable == 0 => judge.broken(
                    Rule::Outcome,
                    format_args!(
                        "{producer} was shut down and did not return {record}, whose receipt was dropped, but no copy \
                         of it can be read"
                    ),
                ),
                Outcome::NotAwaited | Outcome::Delivered | Outcome::Returned(_) => {}
            }
        }
    }

    /// Every record that the producer has accepted has its outcome.
    fn flushed(&self, producer: &Process, judge: &mut Judge) {
        let accepted = self.payloads.values().filter_map(|payload| payload.accepted.as_ref());
        for Accepted { record, .. } in
            accepted.filter(|accepted| accepted.producer == *producer && accepted.outcome == Outcome::Open)
        {
            judge.broken(
                Rule::Outcome,
                format_args!("{producer} was flushed, but {record}, which it had accepted before, has no outcome"),
            );
        }
    }

    fn accepted(&mut self, producer: Process, accepted: AcceptedRecord, judge: &mut Judge) {
        judge.figures.accepted += 1;
        let AcceptedRecord {
            record,
            partition_key,
            explicit_hash_key,
            payload,
        } = accepted;
        let known = self.payloads.entry(payload).or_default();
        if let Some(Accepted { record: other, .. }) = known.accepted {
            judge.broken(
                Rule::History,
                format_args!("{record} has the payload of {other}; each payload must be used once"),
            );
            return;
        }
        if self.records.insert(record, payload).is_some() {
            judge.broken(Rule::History, format_args!("{record} was accepted twice"));
            return;
        }
        let key = Digest::of(partition_key.as_bytes());
        known.accepted = Some(Accepted {
            group: self.orders.accepted(&producer, key, explicit_hash_key),
            producer,
            record,
            payload,
            key,
            outcome: Outcome::Open,
        });
    }

    fn returned(&mut self, producer: &Process, record: RecordId, stored: Stored, judge: &mut Judge) {
        let Some(payload) = self.end(producer, record, Outcome::Returned(stored), judge) else {
            return;
        };
        let Some(accepted) = &payload.accepted else { return };
        if stored == Stored::Never && payload.own > 0 {
            accepted.stored_after_all(judge);
        }
        let group = accepted.group;
        self.orders.released(group);
    }

    /// Gives an open record its outcome.
    fn end(&mut self, producer: &Process, record: RecordId, outcome: Outcome, judge: &mut Judge) -> Option<&Payload> {
        let digest = self.records.get(&record);
        let payload = digest.and_then(|digest| self.payloads.get_mut(digest));
        let Some(payload) = payload.filter(|payload| payload.is_of(producer)) else {
            judge.broken(
                Rule::Outcome,
                format_args!("{producer} tells the outcome of {record}, which it never accepted"),
            );
            return None;
        };
        let accepted = payload.accepted.as_mut()?;
        if !accepted.outcome.may_become(outcome) {
            let before = accepted.outcome;
            judge.broken(
                Rule::Outcome,
                format_args!("{record} of {producer} ended twice: first {before:?}, then {outcome:?}"),
            );
            return None;
        }
        accepted.outcome = outcome;
        Some(payload)
    }
}

impl Payload {
    fn is_of(&self, producer: &Process) -> bool {
        let accepted = self.accepted.as_ref();
        accepted.is_some_and(|accepted| accepted.producer == *producer)
    }

    /// Who stores a copy of it now.
    fn writer(&self, faults: &Faults, now: Duration) -> Writer {
        let doubled = |accepted: &Accepted| faults.was_doubled(&accepted.producer, Service::Kinesis, now);
        match self.accepted.as_ref().is_some_and(doubled) {
            true => Writer::Network,
            false => Writer::Producer,
        }
    }

    fn add_copy(&mut self, copy: Copied) {
        self.copies += 1;
        self.own += u32::from(copy.writer == Writer::Producer);
        self.last_copy = Some(copy);
        match copy.placement {
            Placement::Kept => self.readable += 1,
            Placement::Misplaced => {}
        }
    }

    /// A record is written again if the KCL would drop its last copy, or if its producer did not learn of one of the two
    /// writes.
    fn check_another_copy(&self, shard: ShardId, faults: &Faults, judge: &mut Judge) {
        let (Some(last), Some(Accepted { producer, record, .. })) = (self.last_copy, &self.accepted) else {
            return;
        };
        let unknown = |written| faults.was_unacknowledged(producer, Service::Kinesis, written);
        let cause = match last.placement {
            Placement::Misplaced => "misplaced before",
            Placement::Kept if unknown(last.at) || unknown(judge.now) => "unacknowledged",
            Placement::Kept if last.may_be_in_an_unknown_shard() && judge.excuses(Exception::UnlistedShards) => {
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
    fn check_delivery(&self, shard: ShardId, place: Place, stream: &Stream, judge: &mut Judge) {
        let Some(accepted) = &self.accepted else { return };
        let Accepted { producer, record, .. } = accepted;
        let stored = stream.get(shard);
        let lie = match stored.and_then(|shard| shard.record(shard.find(place)?)) {
            None => "no record was stored there",
            Some(stored) if stored.payload != accepted.payload => "the record there has another payload",
            Some(stored) if stored.key != accepted.key => "the record there has another partition key",
            Some(_) if self.readable > 0 => return,
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
}

impl Accepted {
    fn stored_after_all(&self, judge: &mut Judge) {
        let Self { producer, record, .. } = self;
        judge.broken(
            Rule::Outcome,
            format_args!("{record} of {producer} was returned as never stored, but it is in the stream"),
        );
    }
}

fn check_budget(producer: &Process, held: Budget, judge: &mut Judge) {
    let Some(budget) = judge.rules.budget else { return };
    if held.records > budget.records || held.bytes > budget.bytes {
        judge.broken(
            Rule::Memory,
            format_args!("{producer} holds {held}; its budget is {budget}"),
        );
    }
}
