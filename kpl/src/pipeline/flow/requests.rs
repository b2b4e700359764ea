//! Pure: how requests are filled, when they leave, and which are in flight.

use std::collections::BTreeMap;
use std::time::Instant;

use service::{CallClass, CallError, Effect, ShardId};

use crate::budget::{Budget, Cargo, Copies};
use crate::config::Config;
use crate::lanes::aggregate::SealedAggregate;
use crate::lanes::contents::Volume;
use crate::observe::observation::Observation;
use crate::observe::stats::Load;
use crate::pipeline::accounts::Accounts;
use crate::pipeline::answers::exchange::Exchange;
#[cfg(feature = "_simulation")]
use crate::pipeline::answers::judgement::Stored;
use crate::pipeline::flow::ceiling::{Ceiling, body_size, cargo_of};
use crate::pipeline::flow::collector::{Collector, MaxRequest};
use crate::pipeline::flow::copies::CopyRoom;
use crate::pipeline::flow::cuts;
use crate::pipeline::flow::pace::{Pace, Turn};
use crate::pipeline::flow::queues::Queues;
use crate::pipeline::flow::suspects::Suspects;
use crate::pipeline::messages::{Answer, Moment, Output, RequestId};

/// The request that is being filled, those that are to be sent as they are, and those in flight.
#[derive(Debug)]
pub(crate) struct Requests {
    max: MaxInFlight,
    collector: Collector,
    pub(crate) suspects: Suspects,
    ceiling: Ceiling,
    pub(crate) pace: Pace,
    copy_room: CopyRoom,
    in_flight: BTreeMap<RequestId, InFlight>,
    bytes_in_flight: usize,
    next: RequestId,
}

#[derive(Debug)]
struct MaxInFlight {
    requests: usize,
    bytes: usize,
    /// Bytes of one request.
    request_bytes: usize,
}

/// A request that was sent and not answered yet.
#[derive(Debug)]
struct InFlight {
    aggregates: Vec<SealedAggregate>,
    bytes: usize,
    user_records: Volume,
    copies: Copies,
    /// The shards that the request holds; none if its aggregates do so themselves.
    shards: Vec<ShardId>,
    sent: Moment,
}

/// A request that was answered.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) aggregates: Vec<SealedAggregate>,
    pub(crate) exchange: Exchange,
    /// Room for other requests, once the aggregates have moved on.
    pub(crate) _copies: Copies,
}

impl Requests {
    pub(crate) fn new(config: &Config, budget: Budget) -> Self {
        let max_request = MaxRequest {
            count: config.collection_max_count,
            bytes: config.collection_max_size,
            weight: budget.largest_request(),
        };
        let (wait, max_buffered) = (config.collection_wait(), config.record_max_buffered_time);
        Self {
            max: MaxInFlight {
                requests: config.max_connections,
                bytes: config.max_bytes_in_flight,
                request_bytes: config.collection_max_size,
            },
            collector: Collector::new(max_request, wait, max_buffered),
            suspects: Suspects::default(),
            ceiling: Ceiling::default(),
            pace: Pace::default(),
            copy_room: CopyRoom::new(budget),
            in_flight: BTreeMap::new(),
            bytes_in_flight: 0,
            next: 0,
        }
    }

    /// The next request that is to be sent now, or the room that it waits for.
    pub(crate) fn next(&mut self, queues: &mut Queues, accounts: &mut Accounts, at: Moment) -> Option<Output> {
        while self.may_send() {
            let turn = self.turn(queues, accounts, at.now)?;
            let cargo = match turn {
                Turn::Suspects => self.suspects.first().map_or(Cargo::default(), cargo_of),
                Turn::Others => self.collector.cargo(),
            };
            let copies = match self.room_for(cargo) {
                Ok(copies) => copies,
                Err(awaited) => return Some(awaited),
            };
            let aggregates = match turn {
                Turn::Suspects => self.suspects.take_first().unwrap_or_default(),
                Turn::Others => self.collector.take(),
            };
            // The last look at the time.
            let unexpired = aggregates
                .into_iter()
                .filter_map(|aggregate| accounts.unexpired(aggregate, at.now));
            let unexpired: Vec<SealedAggregate> = unexpired.collect();
            if !unexpired.is_empty() {
                self.pace.sent(self.next, turn);
                let output = self.send(unexpired, copies, queues, at);
                if_planted!(AcknowledgeEarly, self.acknowledge(accounts));
                return Some(output);
            }
        }
        None
    }

    /// Ends the round of [`next`](Self::next): other producers may have the room that was granted and not used.
    pub(crate) fn release_unused_room(&mut self) {
        self.copy_room.release_unused();
    }

    /// There is the room that a request waited for.
    pub(crate) fn grant_room(&mut self, copies: Copies) {
        self.copy_room.grant(copies);
    }

    /// Whether another request may leave now, of the full size or with the large record that is next.
    pub(crate) fn may_send(&self) -> bool {
        let suspects = self.suspects.first().map_or(0, |suspects| cargo_of(suspects).bytes);
        let next = suspects.max(self.collector.cargo().bytes).max(self.max.request_bytes);
        let fits = self.bytes_in_flight.saturating_add(next) <= self.max.bytes;
        let is_tried = self
            .pace
            .waits_for()
            .is_some_and(|request| self.in_flight.contains_key(&request));
        let may_leave = !self.copy_room.is_awaited() && !is_tried;
        may_leave && self.in_flight.len() < self.max.requests && (fits || self.in_flight.is_empty())
    }

    /// When the request that is being filled should leave.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.collector.deadline()
    }

    /// Has what was gathered leave at once.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.collector.hurry(now);
    }

    /// The aggregates in parts, each of a size that passes or of one aggregate, in their order.
    pub(crate) fn parts_that_pass(&self, aggregates: Vec<SealedAggregate>) -> Vec<Vec<SealedAggregate>> {
        cuts::parts_that_pass(aggregates, &self.ceiling)
    }

    /// Whether an aggregate of several records is larger than a request that passes.
    pub(crate) fn must_be_halved(&self, aggregate: &SealedAggregate) -> bool {
        cuts::must_be_halved(aggregate, &self.ceiling)
    }

    /// The aggregate in parts that are no larger than a request that passes, as far as a part has several records.
    pub(crate) fn passing(&self, aggregate: SealedAggregate, accounts: &mut Accounts) -> Vec<SealedAggregate> {
        cuts::passing(aggregate, &self.ceiling, accounts)
    }

    /// A request was answered; `None` if the pipeline has given it up.
    pub(crate) fn end(
        &mut self,
        request: RequestId,
        answer: &Answer,
        accounts: &mut Accounts,
        now: Instant,
    ) -> Option<Ended> {
        let InFlight {
            mut aggregates,
            bytes,
            copies,
            mut shards,
            sent,
            ..
        } = self.in_flight.remove(&request)?;
        self.bytes_in_flight -= bytes;
        self.note_size(request, cargo_of(&aggregates), answer, now);
        accounts.release_shards(&mut shards);
        accounts.tally.observe(Observation::RequestEnded {
            sent: sent.now,
            ended: now,
            aggregates: &aggregates,
            failure: answer.failure(aggregates.len()),
        });
        for aggregate in &mut aggregates {
            aggregate.waiting_since = Some(now);
            // Requests in flight are not looked through for expired records; what is retried is watched again.
            accounts.watch(aggregate);
        }
        let exchange = Exchange {
            sent,
            ended: now,
            request_id: answer.request_id(),
        };
        Some(Ended {
            aggregates,
            exchange,
            _copies: copies,
        })
    }

    /// What is in flight.
    pub(crate) fn load(&self) -> Load {
        Load {
            in_flight: self.in_flight.values().map(|request| request.user_records).sum(),
            requests_in_flight: self.in_flight.len(),
            requests: self.next,
        }
    }

    pub(crate) fn in_flight(&mut self) -> impl Iterator<Item = &mut SealedAggregate> {
        self.in_flight.values_mut().flat_map(|request| &mut request.aggregates)
    }

    /// Takes out everything that was not sent yet.
    pub(crate) fn take_unsent(&mut self) -> Vec<SealedAggregate> {
        let mut all = self.collector.take();
        all.extend(self.suspects.take_all().into_iter().flatten());
        all
    }

    /// Takes out everything that is in flight. Nobody waits for the answers any more.
    pub(crate) fn abandon(&mut self, now: Instant) -> Vec<SealedAggregate> {
        let failure = CallError {
            code: "Abandoned".into(),
            message: "the producer stopped waiting for the answer".into(),
            request_id: None,
            class: CallClass::Unanswered,
            effect: Effect::Possible,
        };
        let mut all = Vec::new();
        for InFlight { aggregates, sent, .. } in std::mem::take(&mut self.in_flight).into_values() {
            let exchange = Exchange::abandoned(sent, now);
            for mut aggregate in aggregates {
                exchange.note(&mut aggregate, Some(failure.clone().into()));
                all.push(aggregate);
            }
        }
        all
    }

    /// Returns the expired suspects to their callers.
    pub(crate) fn expire_suspects(&mut self, accounts: &mut Accounts, now: Instant) {
        for suspects in self.suspects.take_all() {
            self.suspects.put_last(accounts.all_unexpired(suspects, now));
        }
    }

    /// Returns what was gathered and has expired to its callers.
    pub(crate) fn expire_gathered(&mut self, accounts: &mut Accounts, now: Instant) {
        let Some(deadline) = self.collector.deadline() else {
            return;
        };
        let gathered = self.collector.take();
        for left in accounts.all_unexpired(gathered, now) {
            self.collector.push(left, now);
        }
        self.collector.hurry(deadline);
    }

    /// What leaves now: a part of what was refused, unless it is the turn of others that are due.
    fn turn(&mut self, queues: &mut Queues, accounts: &mut Accounts, now: Instant) -> Option<Turn> {
        let has_suspects = self.suspects.first().is_some();
        if has_suspects && self.pace.turn() == Turn::Suspects {
            return Some(Turn::Suspects);
        }
        self.gather(queues, accounts, now);
        match self.is_due(queues, now) {
            true => Some(Turn::Others),
            false => has_suspects.then_some(Turn::Suspects),
        }
    }

    /// Fills the request with what may leave now.
    fn gather(&mut self, queues: &mut Queues, accounts: &mut Accounts, now: Instant) {
        while self.may_send() {
            let (collector, ceiling) = (&self.collector, &self.ceiling);
            let allows = |with| ceiling.allows(body_size(with), now);
            let Some(popped) = queues.pop(accounts, ceiling, now, |next| collector.has_room_for(next, allows)) else {
                return;
            };
            if let Some(aggregate) = popped {
                let is_awaited = accounts.is_awaited(&aggregate);
                self.collector.push(aggregate, now);
                if is_awaited {
                    self.collector.hurry(now);
                }
            }
        }
    }

    /// Whether the request should leave: it has waited long enough, or the next aggregate does not fit into it.
    fn is_due(&self, queues: &Queues, now: Instant) -> bool {
        let is_blocked = queues.next_at().is_some_and(|at| at <= now);
        self.may_send() && (is_blocked || self.collector.deadline().is_some_and(|at| at <= now))
    }

    /// Learns from an answer what size passes. If that is less than before, so are the requests that have not left yet.
    fn note_size(&mut self, request: RequestId, cargo: Cargo, answer: &Answer, now: Instant) {
        let size = body_size(cargo);
        match answer {
            Answer::Entries { .. } => self.ceiling.passed(request, size, now),
            Answer::Failed(failure) if failure.class == CallClass::TooLarge => {
                self.ceiling.refused(request, size, now);
                self.shrink_unsent();
            }
            Answer::Failed(_) => self.ceiling.ended(request),
        }
    }

    /// Takes out what has not left yet and is alone larger than a request that passes, though it could be cut.
    pub(crate) fn take_too_large(&mut self) -> Vec<SealedAggregate> {
        let mut too_large = Vec::new();
        for suspects in self.suspects.take_all() {
            let (large, passing): (Vec<_>, Vec<_>) =
                suspects.into_iter().partition(|suspect| self.must_be_halved(suspect));
            too_large.extend(large);
            self.suspects.put_last(passing);
        }
        too_large
    }

    /// Divides the requests that have not left yet and are too large by now.
    fn shrink_unsent(&mut self) {
        let mut unsent = self.suspects.take_all();
        if !self.ceiling.knows_to_pass(body_size(self.collector.cargo())) {
            unsent.push_back(self.collector.take());
        }
        for aggregates in unsent {
            for part in self.parts_that_pass(aggregates) {
                self.suspects.put_last(part);
            }
        }
    }

    fn room_for(&mut self, request: Cargo) -> Result<Copies, Output> {
        self.copy_room.take(request).ok_or(Output::AwaitRoom(request))
    }

    fn send(&mut self, aggregates: Vec<SealedAggregate>, copies: Copies, queues: &mut Queues, at: Moment) -> Output {
        let entries = aggregates.iter().map(|aggregate| aggregate.record.clone()).collect();
        let request = self.next;
        self.next += 1;
        let cargo = cargo_of(&aggregates);
        self.ceiling.sent(request, body_size(cargo));
        let Cargo { bytes, .. } = cargo;
        let in_flight = InFlight {
            bytes,
            user_records: aggregates.iter().map(|aggregate| aggregate.contents.volume()).sum(),
            copies,
            shards: queues.hold_for_request(&aggregates, at.now),
            sent: at,
            aggregates,
        };
        self.bytes_in_flight += bytes;
        self.in_flight.insert(request, in_flight);
        if_planted!(ReleaseEarly, self.in_flight().for_each(SealedAggregate::release_room));
        Output::Send { request, entries }
    }

    /// Has what is in flight end as if it had been stored.
    #[cfg(feature = "_simulation")]
    fn acknowledge(&mut self, accounts: &mut Accounts) {
        for request in self.in_flight.values_mut() {
            for aggregate in std::mem::take(&mut request.aggregates) {
                let target = aggregate.target.as_ref();
                let shard = target.map_or_else(|| ShardId::new(""), |target| target.shard.clone());
                accounts.deliver(Stored {
                    aggregate,
                    shard,
                    sequence_number: "0".into(),
                    answered: request.sent.now,
                });
            }
        }
    }
}
