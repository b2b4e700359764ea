//! Pure: the stages at which aggregates wait, and their moves from one to another. Those of what is sent `again` are apart.

mod again;

use std::time::Instant;

use service::CallError;

use self::again::part_by;
use crate::budget::Budget;
use crate::config::Config;
use crate::config::ordering::Ordering;
use crate::error::PutErrorKind;
use crate::lanes::aggregate::SealedAggregate;
use crate::observe::observation::Observation;
use crate::observe::tally::Tally;
use crate::pipeline::accounts::Accounts;
use crate::pipeline::answers::classification::{FailedAttempt, Recourse};
use crate::pipeline::answers::exchange::Exchange;
use crate::pipeline::answers::grace::{Grace, Prospect};
use crate::pipeline::answers::judgement::{Judge, Stored, Verdict};
use crate::pipeline::answers::retries::Retries;
use crate::pipeline::flow::adaptive_rate::Reply;
use crate::pipeline::flow::limiter::{Answered, Destination};
use crate::pipeline::flow::queues::Queues;
use crate::pipeline::flow::requests::Requests;
use crate::pipeline::flow::rerouted::Rerouted;
use crate::pipeline::knowledge::Knowledge;
use crate::pipeline::knowledge::routes::{Rerouting, Routes};
use crate::pipeline::messages::{EntryAnswer, Moment, Output};

/// The parts that an aggregate passes through. Each owns its state; an aggregate is in one of them.
#[derive(Debug)]
pub(crate) struct Stages {
    ordering: Ordering,
    pub(crate) knowledge: Knowledge,
    /// Aggregates that wait until it is known where they go.
    pub(crate) routes: Routes,
    /// Aggregates whose shards have changed.
    pub(crate) rerouted: Rerouted,
    /// Aggregates that wait for their shard.
    pub(crate) queues: Queues,
    /// Aggregates that wait for company, and those in flight.
    pub(crate) requests: Requests,
    /// Stored aggregates that wait for a fresh shard map.
    pub(crate) judge: Judge,
    /// Aggregates that wait for their next attempt.
    pub(crate) retries: Retries,
    /// For how long refused requests are waited out.
    pub(crate) grace: Grace,
    pub(crate) accounts: Accounts,
}

impl Stages {
    pub(crate) fn new(config: &Config, budget: Budget, mut rng: fastrand::Rng) -> Self {
        Self {
            ordering: config.ordering,
            knowledge: Knowledge::new(config, &mut rng),
            routes: Routes::new(config),
            rerouted: Rerouted::default(),
            queues: Queues::new(config),
            requests: Requests::new(config, budget),
            judge: Judge::new(config),
            retries: Retries::new(config.retry_delays, rng),
            grace: Grace::default(),
            accounts: Accounts::new(Tally::new(config.metrics)),
        }
    }

    /// Sends an aggregate on by the routing in force: to its shard's queue, or taken apart if it does not suit it.
    pub(crate) fn route(&mut self, aggregate: SealedAggregate, now: Instant) {
        match self.ordering {
            // Behind older records of its keys.
            Ordering::PerKey if !self.rerouted.has_no_key_of(&aggregate, self.routes.map()) => {
                self.rerouted.put_last(aggregate)
            }
            Ordering::PerKey | Ordering::None => self.send_on(aggregate, now),
        }
    }

    fn send_on(&mut self, aggregate: SealedAggregate, now: Instant) {
        let Some(aggregate) = self.accounts.unexpired(aggregate, now) else {
            return;
        };
        if self.routes.must_wait(&aggregate) {
            self.knowledge.ask_for_map(now);
            self.await_map(now);
            return self.routes.keep(aggregate);
        }
        for aggregate in self.suited(aggregate, now) {
            self.queues.push(aggregate, now);
        }
    }

    /// The aggregate as it suits the routing. It is returned to its callers if the stream cannot take it. A record that is
    /// returned for its missing key makes the producer ask again whether the stream takes it.
    fn suited(&mut self, aggregate: SealedAggregate, now: Instant) -> Vec<SealedAggregate> {
        if let Some(objection) = self.routes.objection(&aggregate) {
            if objection == PutErrorKind::NoPartitionKey {
                self.knowledge.keyless_refused(now);
            }
            self.accounts.fail(aggregate, objection);
            return Vec::new();
        }
        let parts = self.routes.fitted(aggregate, &mut self.accounts);
        if !parts.iter().any(|part| self.requests.must_be_halved(part)) {
            return parts;
        }
        let Self { requests, accounts, .. } = self;
        let passing = |part| requests.passing(part, accounts);
        parts.into_iter().flat_map(passing).collect()
    }

    /// Aggregates are routed otherwise than before: a queue stays as it is if all of its aggregates stay with their shard.
    pub(crate) fn route_again(&mut self, rerouting: &Rerouting, now: Instant) {
        let mut waiting = self.routes.take_unrouted();
        let mut unsent = self.requests.take_unsent();
        unsent.iter_mut().for_each(|aggregate| aggregate.shards_held.clear());
        let stays = |aggregate: &mut SealedAggregate| rerouting.spares(aggregate);
        let (staying, leaving) = part_by(unsent, stays);
        waiting.extend(leaving);
        waiting.extend(self.queues.change_shards(&rerouting.map, stays));
        let undecided = self.requests.in_flight().chain(self.judge.unjudged());
        self.queues
            .hold_for_undecided(undecided, &rerouting.map, &mut self.accounts, now);
        for aggregate in staying.into_iter().rev() {
            self.queues.put_back(aggregate, now);
        }
        self.rerouted.put_first(waiting, now);
        self.reroute(now);
    }

    /// Routes the next of the aggregates whose shards have changed, if it is time to.
    pub(crate) fn reroute(&mut self, now: Instant) {
        for aggregate in self.rerouted.take_step(now) {
            self.send_on(aggregate, now);
        }
    }

    /// Lets go of the shards that aggregates and requests no longer hold.
    pub(crate) fn release_held(&mut self, now: Instant) {
        let released = self.accounts.take_released();
        self.queues.release(&released, now);
    }

    /// The next request that is to be sent now, or the room that it waits for.
    pub(crate) fn next_request(&mut self, at: Moment) -> Option<Output> {
        match self.retries.resume_at() {
            Some(_) => None,
            None => self.requests.next(&mut self.queues, &mut self.accounts, at),
        }
    }

    /// The service answered for an aggregate. An entry that is throttled by itself tells of its shard; a request that is, of the
    /// stream or the account.
    pub(crate) fn on_reply(
        &mut self,
        destination: &Destination,
        aggregate: &SealedAggregate,
        entry: &EntryAnswer,
        exchange: &Exchange,
    ) {
        let reply = match entry {
            EntryAnswer::Stored { .. } => Reply::Taken,
            EntryAnswer::Refused(refusal) if refusal.class.is_throttling() => Reply::Throttled,
            EntryAnswer::Refused(_) => return,
        };
        let answered = Answered {
            reply,
            bytes: aggregate.bytes(),
            sent: exchange.sent.now,
        };
        self.queues.answered(destination, answered, exchange.ended);
    }

    /// The service stored an aggregate.
    pub(crate) fn on_stored(&mut self, stored: Stored, exchange: &Exchange) {
        let (sent, now) = (exchange.sent.now, exchange.ended);
        self.knowledge.learn_from(&stored, sent, now);
        let verdict = self.judge.verdict(&stored, &self.knowledge);
        match verdict {
            Verdict::Right => {}
            Verdict::RightButUnexpected | Verdict::Wrong => self.knowledge.on_contradiction(sent, now),
            // The service may have stored it after it made a list that was asked for later.
            Verdict::Unknown => self.knowledge.on_contradiction(stored.answered, now),
        }
        match verdict {
            Verdict::Right | Verdict::RightButUnexpected => self.accounts.deliver(stored),
            Verdict::Unknown if self.knowledge.is_map_awaited(now) => {
                self.await_map(now);
                self.judge.keep(stored);
            }
            // If no fetch is coming, the newest map already knows better than this answer.
            Verdict::Wrong | Verdict::Unknown => self.retry_misplaced(stored, now),
        }
    }

    /// Judges by a fresh map what the last one could not. Another list is asked for if this one may be older than the shard that an
    /// answer names, or if one was in vain before.
    pub(crate) fn judge_by_fresh_map(&mut self, now: Instant) {
        if let Some(answered) = self.judge.last_unknown(&self.knowledge) {
            self.knowledge.on_unexplained(answered, now);
        }
        self.judge_again(now);
    }

    /// Judges what waits for a map. What no map is coming for is sent again.
    pub(crate) fn judge_again(&mut self, now: Instant) {
        for stored in self.judge.take_unjudged() {
            match self.judge.verdict(&stored, &self.knowledge) {
                Verdict::Right | Verdict::RightButUnexpected => self.accounts.deliver(stored),
                Verdict::Unknown if self.knowledge.is_map_awaited(now) => self.judge.keep(stored),
                Verdict::Wrong | Verdict::Unknown => self.retry_misplaced(stored, now),
            }
        }
    }

    /// The calls for the shards and the description that are due.
    pub(crate) fn start_look_ups(&mut self, at: Moment) -> Vec<Output> {
        let mut calls = Vec::new();
        for (call, failures) in self.knowledge.start(at) {
            self.accounts.tally.observe(Observation::LookUpSent { failures });
            calls.push(call);
        }
        calls
    }

    /// The description could not be had. Records that wait for it alone are returned if the stream is missing for good, or if the
    /// question has been refused for too long.
    pub(crate) fn on_not_described(&mut self, failure: &CallError, now: Instant) {
        let recourse = Recourse::from(failure.class);
        // A denied description is an answer, so it is no failure.
        if !matches!(recourse, Recourse::GiveUp | Recourse::Isolate) {
            self.observe_failed_look_up(failure);
        }
        let is_decided = !self.routes.is_undecided();
        let (prospect, is_all_that_is_missing) = match recourse {
            Recourse::AwaitStream => {
                let prospect = self.knowledge.on_stream_missing(now);
                if !is_decided {
                    // A new list of the shards shows whether the stream is missing, and what waits for the first routing with it.
                    self.knowledge.on_contradiction(now, now);
                }
                (prospect, is_decided)
            }
            Recourse::RetryWithinGrace | Recourse::IsolateWithinGrace => {
                let is_map_known = self.knowledge.map().is_some();
                (self.knowledge.on_description_refused(now), is_decided || is_map_known)
            }
            Recourse::Retry | Recourse::Shrink | Recourse::Isolate | Recourse::GiveUp => (Prospect::Passing, false),
        };
        if prospect == Prospect::Final && is_all_that_is_missing {
            let reason = FailedAttempt::from(failure.clone()).final_reason();
            self.fail_unrouted(&reason);
        }
        self.knowledge.describe_again(recourse, self.routes.waiting(), now);
    }

    /// A call for the shards or the description failed.
    pub(crate) fn observe_failed_look_up(&mut self, failure: &CallError) {
        let code = &failure.code;
        self.accounts.tally.observe(Observation::LookUpFailed { code });
    }

    /// Returns what waits for the first routing, or for the description, to its callers.
    pub(crate) fn fail_unrouted(&mut self, reason: &PutErrorKind) {
        for aggregate in self.routes.take_unrouted() {
            self.accounts.fail(aggregate, reason.clone());
        }
    }

    /// Something is about to wait for the map.
    pub(crate) fn await_map(&mut self, now: Instant) {
        if self.is_map_unneeded() {
            self.knowledge.hurry(now);
        }
    }

    /// Whether nothing waits for the map.
    pub(crate) fn is_map_unneeded(&self) -> bool {
        self.routes.is_idle() && self.judge.is_idle()
    }

    /// Looks through everything that waits, if it is time to.
    pub(crate) fn expire_waiting(&mut self, now: Instant) {
        if !self.accounts.start_look(now) {
            return;
        }
        self.routes.expire(&mut self.accounts, now);
        self.rerouted.expire(&mut self.accounts, now);
        self.retries.expire(&mut self.accounts, now);
        self.requests.expire_suspects(&mut self.accounts, now);
        self.queues.expire(&mut self.accounts, now);
        for aggregate in self.judge.expire(&mut self.accounts, now) {
            self.retry(aggregate, now);
        }
        self.requests.expire_gathered(&mut self.accounts, now);
    }

    /// Takes everything out that has no outcome yet.
    pub(crate) fn take_all(&mut self, now: Instant) -> Vec<SealedAggregate> {
        let mut all = self.routes.take_unrouted();
        all.extend(self.rerouted.take_all());
        all.extend(self.retries.take_all());
        all.extend(self.queues.take_all());
        all.extend(self.requests.take_unsent());
        all.extend(self.requests.abandon(now));
        // A consumer may drop what could not be judged yet: nobody must take it for delivered (P2).
        all.extend(self.judge.take_unjudged().into_iter().map(Stored::misplaced));
        all
    }

    /// When to look at the stages next, if nothing else happens before.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let sending = [self.requests.deadline(), self.queues.next_at()];
        let sending = self.retries.resume_at().or_else(|| sending.into_iter().flatten().min());
        let others = [
            sending.filter(|_| self.requests.may_send()),
            self.rerouted.next_at(),
            self.retries.next_at(),
            self.knowledge.next_at(),
            self.accounts.look_at(),
            self.accounts.losses.next_at(),
        ];
        others.into_iter().flatten().min()
    }
}
