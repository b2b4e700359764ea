//! Pure: what became of the records that producers accepted (P1, P2, P3).

use std::collections::BTreeMap;
use std::time::Duration;

use super::contents::Contents;
use super::deletions::Deletions;
use super::fact::{AcceptedRecord, ProducerFact, Stored};
use super::faults::Faults;
use super::judge::Judge;
use super::key_order::KeyOrders;
use super::lists::Lists;
use super::name::{Digest, Process, RecordId};
use super::payload::{Accepted, Copied, Outcome, Payload, Writer};
use super::rules::{Budget, Rule};
use super::stream::Stream;
use testkit::kinesis::ShardId;

/// The producers of a run, and every payload that they or anybody else stored.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    ends: BTreeMap<Process, End>,
    records: BTreeMap<RecordId, Digest>,
    payloads: BTreeMap<Digest, Payload>,
    orders: KeyOrders,
    deletions: Deletions,
    lists: Lists,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    ShutDown,
    Killed,
}

impl Producers {
    pub(crate) fn tell(&mut self, producer: Process, fact: ProducerFact, stream: &Stream, judge: &mut Judge) {
        match fact {
            ProducerFact::Accepted(record) => self.accepted(producer, record, judge),
            ProducerFact::Delivered { record, shard, place } => {
                judge.figures.delivered += 1;
                if self.end(&producer, record, Outcome::Delivered, judge).is_some()
                    && let Some(payload) = self.payload_of(record)
                {
                    payload.check_delivery((shard, place), stream, &self.deletions, judge);
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

    /// The stream was deleted.
    pub(crate) fn deleted(&mut self, judge: &Judge) {
        let accepted = self.payloads.values().filter_map(|payload| payload.accepted.as_ref());
        let producers = accepted.map(|accepted| accepted.producer.clone());
        self.deletions.deleted(producers, judge.now);
    }

    /// A process learnt that there is no such stream, from an answer that came at `answered`.
    pub(crate) fn missed(&mut self, caller: &Process, answered: Duration, faults: &Faults, judge: &Judge) {
        self.deletions.missed(caller, faults, judge.now);
        self.lists.missed(caller, answered, judge.now);
    }

    /// A process, which asked at `asked`, learnt the shards that the stream had at `as_of`.
    pub(crate) fn listed(
        &mut self,
        caller: Process,
        (asked, as_of): (Duration, Duration),
        faults: &Faults,
        judge: &Judge,
    ) {
        self.deletions.listed(&caller, as_of, faults, judge.now);
        self.lists.add(caller, asked, as_of, judge.now);
    }

    /// The service stored a Kinesis record.
    pub(crate) fn stored(
        &mut self,
        shard: ShardId,
        contents: &Contents,
        (stream, faults): (&Stream, &Faults),
        judge: &mut Judge,
    ) {
        judge.figures.stored += contents.records.len() as u64;
        for content in &contents.records {
            let payload = self.payloads.entry(content.payload).or_default();
            payload.check_another_copy(shard, (stream, faults, &self.lists), judge);
            let was_readable = payload.readable > 0;
            let writer = payload.writer(faults, judge.now);
            payload.add_copy(Copied {
                at: judge.now,
                shard,
                placement: contents.placement,
                together: contents.records.len(),
                deletions: stream.deletions(),
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

    /// A record of a producer that was not killed, without an outcome.
    pub(crate) fn open(&self) -> Option<RecordId> {
        let mut accepted = self.payloads.values().filter_map(|payload| payload.accepted.as_ref());
        let is_open = |accepted: &&Accepted| {
            accepted.outcome == Outcome::Open && self.ends.get(&accepted.producer) != Some(&End::Killed)
        };
        accepted.find(is_open).map(|accepted| accepted.record)
    }

    /// At the end of a run, every record of a producer that was shut down has an outcome.
    pub(crate) fn finish(&self, judge: &mut Judge) {
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

    fn payload_of(&self, record: RecordId) -> Option<&Payload> {
        self.payloads.get(self.records.get(&record)?)
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

fn check_budget(producer: &Process, held: Budget, judge: &mut Judge) {
    let Some(budget) = judge.rules.budget else { return };
    if held.records > budget.records || held.bytes > budget.bytes {
        judge.broken(
            Rule::Memory,
            format_args!("{producer} holds {held}; its budget is {budget}"),
        );
    }
}
