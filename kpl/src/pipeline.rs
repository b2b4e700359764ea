//! Pure: the way of a sealed aggregate, from the lane to its outcome.
//!
//! ```text
//! sealed ─► limiter ─► collector ─► Output::Send ─► … ─► Input::Answer ─► retrier ─► outcome
//!    ▲        ▲                                                             │
//!    │        └──────────── due again after a jittered delay ◄──────────────┤
//!    └───────── taken apart and built anew by the new shard map ◄───────────┘
//! ```
//!
//! The driver feeds [`handle`](Pipeline::handle) and [`handle_timeout`](Pipeline::handle_timeout), drains
//! [`poll_output`](Pipeline::poll_output) after each call of these, and calls again no later than
//! [`poll_timeout`](Pipeline::poll_timeout). Each aggregate ends exactly once (P1): delivered, failed, or, if it is
//! dropped on the way, failed by its own `Drop`.
//!
//! `stages` are the parts at which aggregates wait. In the order of an aggregate's way: `flow` says when it leaves, and with which others; `answers`, what became of it;
//! `knowledge` is what it is routed by. `accounts` have its entry and its end, which are counted; `messages` are what
//! driver and pipeline tell each other.

mod accounts;
mod answers;
mod flow;
mod knowledge;
mod messages;
mod stages;

use std::collections::VecDeque;
use std::time::{Instant, SystemTime};

use service::CallError;

use self::answers::classification::{FailedAttempt, Recourse, may_be_too_large, shows_the_service};
use self::answers::exchange::Exchange;
use self::answers::grace::Prospect;
use self::answers::judgement::Stored;
use self::flow::requests::Ended;
use self::knowledge::Listed;
use self::knowledge::distribution::Waiting;
use self::knowledge::hot_shards::HotShards;
use self::messages::Moment;
use self::stages::Stages;
use crate::budget::Budget;
use crate::config::{Config, OnThrottling};
use crate::error::codes::SHARD_LIMIT;
use crate::error::{PutError, PutErrorKind};
use crate::lanes::aggregate::SealedAggregate;
use crate::observe::observation::Observation;
use crate::observe::stats::Load;
use crate::observe::tally::Tally;
use crate::record::doubts::Doubt;
use crate::routing::shard_map::Listing;
use crate::routing::summary::StreamSummary;

pub use self::knowledge::distribution::Source;
pub use self::knowledge::heavy_keys::HeavyKey;
pub use self::knowledge::hot_shards::HotShard;
pub(crate) use self::messages::{Answer, EntryAnswer, Input, Output, RequestId};

/// The state of everything between the lanes and the outcomes. Each part owns its own.
#[derive(Debug)]
pub(crate) struct Pipeline {
    on_throttling: OnThrottling,
    stages: Stages,
    hot_shards: HotShards,
    outputs: VecDeque<Output>,
}

impl Pipeline {
    pub(crate) fn new(config: &Config, budget: Budget, rng: fastrand::Rng) -> Self {
        Self {
            on_throttling: config.on_throttling,
            stages: Stages::new(config, budget, rng),
            hot_shards: HotShards::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one fact in.
    pub(crate) fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Sealed(aggregate) => self.on_sealed(aggregate, now),
            Input::Answer { request, answer } => self.on_answer(request, answer, now),
            Input::Shards(Ok(shards)) => self.on_shards(shards, now),
            Input::Shards(Err(failure)) => self.on_fetch_failed(&failure, now),
            Input::Description(described) => self.on_description(described, now),
            Input::Room(copies) => self.stages.requests.grant_room(copies),
        }
        self.settle_routing(now);
    }

    /// Moves on what time has made due. `wall` is the wall-clock time of `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant, wall: SystemTime) {
        let at = Moment { now, wall };
        self.outputs.extend(self.stages.start_look_ups(at));
        self.settle_routing(now);
        self.stages.reroute(now);
        while let Some(aggregate) = self.stages.retries.pop_due(now) {
            self.stages.route(aggregate, now);
        }
        self.stages.expire_waiting(now);
        self.stages.retries.resume(now);
        self.send_requests(at);
        for hot in self.hot_shards.take_due(now) {
            let rate = self.stages.queues.rate_of(&hot.shard, now);
            self.outputs.push_back(Output::Throttled(hot, rate));
        }
        let lost = self.stages.accounts.losses.take_due(now).into_iter();
        self.outputs
            .extend(lost.map(|(reason, records)| Output::Lost(reason, records)));
        // What was routed just now may have asked for it.
        self.outputs.extend(self.stages.start_look_ups(at));
    }

    /// What to do next, in order.
    #[must_use]
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, if nothing else happens before.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let next = [self.stages.next_at(), self.hot_shards.next_at()];
        next.into_iter().flatten().min()
    }

    /// A record was refused that the stream may take by now.
    pub(crate) fn on_refused_record(&mut self, doubt: Doubt, now: Instant) {
        match doubt {
            Doubt::Size => self.stages.knowledge.ask_for_description(now),
            Doubt::Key => self.stages.knowledge.keyless_refused(now),
        }
    }

    /// Marks everything that was sealed so far; [`is_settled`](Self::is_settled) tells when all of it has its outcome.
    pub(crate) fn mark(&mut self, now: Instant) -> u64 {
        self.stages.requests.hurry(now);
        self.stages.accounts.mark()
    }

    /// Whether all that was sealed before the mark has its outcome.
    pub(crate) fn is_settled(&self, mark: u64) -> bool {
        self.stages.accounts.is_settled(mark)
    }

    /// Whether nothing is outstanding.
    pub(crate) fn is_empty(&self) -> bool {
        self.stages.accounts.is_empty()
    }

    /// User records delivered so far.
    pub(crate) fn delivered(&self) -> u64 {
        self.stages.accounts.delivered()
    }

    /// What is in flight.
    pub(crate) fn load(&self) -> Load {
        self.stages.requests.load()
    }

    /// What was counted.
    pub(crate) fn tally(&self) -> &Tally {
        &self.stages.accounts.tally
    }

    /// What was counted, for those who take what is new.
    pub(crate) fn tally_mut(&mut self) -> &mut Tally {
        &mut self.stages.accounts.tally
    }

    /// Remembers from now on what fails, for [`give_up`](Self::give_up) to return.
    pub(crate) fn report_failures(&mut self) {
        self.stages.accounts.report_failures();
    }

    /// Fails whatever is outstanding; returns its records, after those that failed while failures were to be reported.
    pub(crate) fn give_up(&mut self, kind: &PutErrorKind, now: Instant) -> Vec<PutError> {
        let is_map_needed = self.stages.knowledge.map().is_none();
        if let Some(fetch) = self.stages.knowledge.end_fetch(now).filter(|_| is_map_needed) {
            self.stages.routes.abandon_fetch(&fetch);
        }
        let all = self.stages.take_all(now);
        self.stages.accounts.report_failures();
        for aggregate in all {
            self.stages.accounts.fail(aggregate, kind.clone());
        }
        self.stages.accounts.take_failures()
    }

    /// What was lost, unheard of, and is not told yet.
    pub(crate) fn take_losses(&mut self) -> Vec<(PutErrorKind, u64)> {
        self.stages.accounts.losses.take_all()
    }

    fn on_sealed(&mut self, mut aggregate: SealedAggregate, now: Instant) {
        self.stages.accounts.enter(&mut aggregate);
        self.stages.knowledge.on_traffic(now);
        self.stages.route(aggregate, now);
    }

    fn send_requests(&mut self, at: Moment) {
        self.stages.release_held(at.now);
        while let Some(output) = self.stages.next_request(at) {
            self.outputs.push_back(output);
        }
        self.stages.requests.release_unused_room();
    }

    fn on_answer(&mut self, request: RequestId, answer: Answer, now: Instant) {
        let Some(ended) = self
            .stages
            .requests
            .end(request, &answer, &mut self.stages.accounts, now)
        else {
            return;
        };
        let Ended {
            aggregates,
            exchange,
            _copies,
        } = ended;
        match answer {
            Answer::Failed(error) => self.on_request_failed(aggregates, error.into(), &exchange),
            Answer::Entries { entries, .. } if entries.len() != aggregates.len() => {
                self.stages.accounts.miscounted(aggregates, entries.len(), &exchange);
            }
            Answer::Entries { entries, .. } => {
                self.stages.knowledge.on_stream_found();
                self.stages.retries.end_pauses();
                self.stages.grace.answered(exchange.sent.now);
                self.stages.requests.pace.free();
                for (aggregate, entry) in aggregates.into_iter().zip(entries) {
                    self.on_entry(aggregate, entry, &exchange);
                }
            }
        }
    }

    fn on_request_failed(&mut self, aggregates: Vec<SealedAggregate>, failed: FailedAttempt, exchange: &Exchange) {
        if failed.recourse() == Recourse::Shrink {
            self.stages.cut_unsent(exchange.ended);
        }
        if shows_the_service(failed.class) {
            self.stages.requests.pace.free();
        }
        if aggregates.len() > 1 && matches!(failed.recourse_for(&aggregates), Recourse::Isolate | Recourse::Shrink) {
            return self.stages.divide(aggregates, &failed, exchange);
        }
        if self.stages.concerns_all_requests(&failed, &aggregates) {
            let recourse = failed.recourse();
            self.stages
                .retries
                .pause(exchange.sent.now, exchange.ended, recourse.longest_wait());
            if recourse == Recourse::IsolateWithinGrace {
                self.stages.requests.pace.slow_down();
            }
        }
        let aggregates = match failed.recourse() == Recourse::IsolateWithinGrace {
            true => self.stages.isolate(aggregates, &failed, exchange),
            false => aggregates,
        };
        for aggregate in aggregates {
            self.on_failure(aggregate, failed.clone(), exchange);
        }
    }

    fn on_entry(&mut self, mut aggregate: SealedAggregate, entry: EntryAnswer, exchange: &Exchange) {
        self.stages.accounts.tally.observe(Observation::EntryAnswered {
            aggregate: &aggregate,
            shard: entry.shard().or(aggregate.target.as_ref().map(|target| &target.shard)),
            refusal: entry.refusal(),
        });
        let destination = aggregate.target.as_ref().map(|target| target.shard.clone());
        self.stages.on_reply(&destination, &aggregate, &entry, exchange);
        match entry {
            EntryAnswer::Stored { shard, sequence_number } => {
                exchange.note(&mut aggregate, None);
                let stored = Stored {
                    aggregate,
                    shard,
                    sequence_number,
                    answered: exchange.ended,
                };
                self.stages.on_stored(stored, exchange);
            }
            EntryAnswer::Refused(refusal) => {
                // The service has seen it: what refused it before has let it pass.
                let recourse = Recourse::from(refusal.class);
                aggregate.refused = aggregate.refused.filter(|_| recourse.has_grace());
                if refusal.class.is_throttling() {
                    self.hot_shards.refused(destination, &aggregate, exchange.ended);
                }
                self.on_failure(aggregate, refusal.into(), exchange);
            }
        }
    }

    fn on_failure(&mut self, mut aggregate: SealedAggregate, failed: FailedAttempt, exchange: &Exchange) {
        let (sent, now) = (exchange.sent.now, exchange.ended);
        let recourse = failed.recourse_for(std::slice::from_ref(&aggregate));
        let reason = failed.reason_for(&aggregate);
        let is_refused_alone =
            aggregate.leaves_alone() && self.stages.is_for_content(&failed, std::slice::from_ref(&aggregate));
        if reason == PutErrorKind::NoPartitionKey {
            self.stages.knowledge.key_missed(sent, now);
        }
        // As with the KPL, only the limit of a shard counts as throttling here.
        let is_returned = self.on_throttling == OnThrottling::Fail && failed.failure.code == SHARD_LIMIT;
        exchange.note(&mut aggregate, Some(failed.failure));
        let prospect = match recourse {
            Recourse::Retry if is_returned => Prospect::Final,
            Recourse::Retry => Prospect::Passing,
            Recourse::RetryWithinGrace | Recourse::IsolateWithinGrace => {
                self.stages.grace.refused_with(&mut aggregate, now)
            }
            Recourse::AwaitStream => {
                let prospect = self.stages.knowledge.on_stream_missing(now);
                self.stages.knowledge.on_contradiction(sent, now);
                prospect
            }
            Recourse::Isolate if may_be_too_large(&aggregate) => return self.stages.halve(aggregate, now),
            Recourse::Shrink if aggregate.record.user_records > 1 => return self.stages.halve(aggregate, now),
            Recourse::Isolate | Recourse::Shrink | Recourse::GiveUp => Prospect::Final,
        };
        match prospect {
            Prospect::Passing if is_refused_alone => self.stages.retry_rarely(aggregate, now),
            Prospect::Passing => self.stages.retry_within(recourse.longest_wait(), aggregate, now),
            Prospect::Final => self.stages.accounts.fail(aggregate, reason),
        }
    }

    fn on_shards(&mut self, shards: Listing, now: Instant) {
        match self.stages.knowledge.on_shards(shards, now) {
            Ok(listed) => {
                if let Listed::Changed(map) = listed {
                    self.outputs.push_back(Output::ShardsChanged(map.shards().len()));
                    self.stages.accounts.tally.observe(Observation::ShardsChanged(&map));
                }
                self.settle_routing(now);
                self.stages.judge_by_fresh_map(now);
            }
            Err(failure) => self.on_fetch_failed(&failure, now),
        }
    }

    fn on_description(&mut self, described: Result<StreamSummary, CallError>, now: Instant) {
        match described {
            Ok(summary) => {
                let max_record_bytes = self.stages.knowledge.on_described(summary, now);
                self.outputs.extend(max_record_bytes.map(Output::RecordLimit));
            }
            Err(failure) => self.stages.on_not_described(&failure, now),
        }
    }

    fn on_fetch_failed(&mut self, failure: &CallError, now: Instant) {
        self.stages.observe_failed_look_up(failure);
        // With a map, what waits needs the description alone.
        let is_map_needed = self.stages.knowledge.map().is_none();
        if let Some(fetch) = self.stages.knowledge.end_fetch(now).filter(|_| is_map_needed) {
            let request_id = failure.request_id.clone();
            self.stages
                .routes
                .note_fetch(&Exchange { request_id, ..fetch }, failure.clone().into());
        }
        let waiting = match self.stages.is_map_unneeded() && self.stages.retries.is_empty() {
            true => Waiting::None,
            false => Waiting::Some,
        };
        let prospect = self
            .stages
            .knowledge
            .on_fetch_failed(failure.class.into(), waiting, now);
        if prospect == Prospect::Final {
            let reason = FailedAttempt::from(failure.clone()).final_reason();
            if is_map_needed || reason == PutErrorKind::StreamNotFound {
                self.stages.fail_unrouted(&reason);
            }
            self.stages.judge_again(now);
        }
    }

    /// Puts into force what is known by now of shards and distribution, and routes everything that waits by it.
    fn settle_routing(&mut self, now: Instant) {
        if let Some(rerouting) = self.stages.routes.settle(&self.stages.knowledge, &mut self.outputs) {
            self.stages.route_again(&rerouting, now);
        }
    }
}

#[cfg(test)]
mod tests;
