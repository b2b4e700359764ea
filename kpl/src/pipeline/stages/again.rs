//! Pure: the moves of aggregates that are sent again, whole or in parts.

use std::time::{Duration, Instant};

use super::Stages;
use crate::config::ordering::Ordering;
use crate::lanes::aggregate::SealedAggregate;
use crate::lanes::refused::Refused;
use crate::limits::REFUSAL_GRACE;
use crate::observe::observation::Observation;
use crate::pipeline::answers::classification::{FailedAttempt, Recourse, concerns_all_requests, halves_by_key};
use crate::pipeline::answers::exchange::Exchange;
use crate::pipeline::answers::grace::Prospect;
use crate::pipeline::answers::judgement::Stored;
use crate::pipeline::flow::cuts;

impl Stages {
    /// Sends the parts of a refused request by themselves: of one that is too large, parts that pass. One bad entry, too, makes
    /// the service refuse a request as a whole: its halves are sent, and so on, until the bad entry is alone.
    pub(crate) fn divide(&mut self, mut aggregates: Vec<SealedAggregate>, failed: &FailedAttempt, exchange: &Exchange) {
        for aggregate in &mut aggregates {
            exchange.note(aggregate, Some(failed.failure.clone()));
        }
        if aggregates.iter().any(|aggregate| failed.misses_key_of(aggregate)) {
            self.knowledge.key_missed(exchange.sent.now, exchange.ended);
        }
        let parts = if failed.recourse() == Recourse::Shrink {
            self.requests.parts_that_pass(aggregates)
        } else {
            halves_by_key(aggregates)
        };
        self.suspect_each(parts, exchange.ended);
    }

    /// Something on the way refused a request. Within the grace, what it has refused before is sent in parts, each by itself,
    /// until what is refused for its content is alone. Returns the rest.
    pub(crate) fn isolate(
        &mut self,
        mut aggregates: Vec<SealedAggregate>,
        failed: &FailedAttempt,
        exchange: &Exchange,
    ) -> Vec<SealedAggregate> {
        if let [alone] = aggregates.as_mut_slice() {
            alone.refused = alone.refused.map(Refused::alone);
        }
        if self.is_for_content(failed, &aggregates) {
            return aggregates;
        }
        match self.grace.refused(exchange.ended) {
            Prospect::Passing => self.part_repeated(aggregates, failed, exchange),
            Prospect::Final => {
                self.requests.pace.free();
                aggregates
            }
        }
    }

    /// Whether a request with these is refused for its content, so that others fare otherwise.
    pub(crate) fn is_for_content(&self, failed: &FailedAttempt, aggregates: &[SealedAggregate]) -> bool {
        failed.recourse() == Recourse::IsolateWithinGrace && self.grace.is_for_content(aggregates)
    }

    /// Whether a request with these has failed as others will fail: none has passed since each of these was refused.
    pub(crate) fn concerns_all_requests(&self, failed: &FailedAttempt, aggregates: &[SealedAggregate]) -> bool {
        let is_for_these =
            failed.recourse() == Recourse::IsolateWithinGrace && self.grace.has_passed_without(aggregates);
        concerns_all_requests(failed.class) && !is_for_these && !self.is_for_content(failed, aggregates)
    }

    /// Sends parts of what is not refused for the first time. Returns what is, and a record that is alone already.
    fn part_repeated(
        &mut self,
        aggregates: Vec<SealedAggregate>,
        failed: &FailedAttempt,
        exchange: &Exchange,
    ) -> Vec<SealedAggregate> {
        let now = exchange.ended;
        let is_repeated = |refused: Refused| refused.is_recent(now);
        let (mut repeated, others): (Vec<_>, Vec<_>) = aggregates.into_iter().partition(|aggregate| {
            let is_one_record = aggregate.leaves_alone() && aggregate.record.user_records == 1;
            aggregate.refused.is_some_and(is_repeated) && !is_one_record
        });
        for aggregate in &mut repeated {
            exchange.note(aggregate, Some(failed.failure.clone()));
            aggregate.refused = aggregate.refused.map(|refused| Refused::again(Some(refused), now));
        }
        match repeated.pop_if(|aggregate| aggregate.leaves_alone()) {
            Some(alone) => self.halve(alone, now),
            None => self.suspect_each(halves_by_key(repeated), now),
        }
        others
    }

    /// Sends each of these parts by itself, in their order. What suits the stream no more, since it was sent, or has to be cut, goes
    /// the usual way.
    fn suspect_each(&mut self, parts: Vec<Vec<SealedAggregate>>, now: Instant) {
        let Self { routes, requests, .. } = self;
        let mut others = Vec::new();
        for part in parts {
            let (suited, unsuited) = part_by(part, |aggregate| {
                routes.suits(aggregate) && !requests.must_be_halved(aggregate)
            });
            requests.suspects.put_last(suited);
            others.extend(unsuited);
        }
        self.queue_again(others, now);
    }

    /// A request was too large: what has not left yet is cut if it would be, too.
    pub(crate) fn cut_unsent(&mut self, now: Instant) {
        let too_large = self.requests.take_too_large();
        self.queue_again(too_large, now);
    }

    /// Queues what had its turn already, in order before whatever was queued meanwhile.
    fn queue_again(&mut self, aggregates: Vec<SealedAggregate>, now: Instant) {
        match self.ordering {
            Ordering::PerKey => aggregates
                .into_iter()
                .rev()
                .for_each(|aggregate| self.retry_in_order(aggregate, now, now)),
            Ordering::None => aggregates.into_iter().for_each(|aggregate| self.route(aggregate, now)),
        }
    }

    /// Sends the halves of what was refused, each by itself.
    pub(crate) fn halve(&mut self, aggregate: SealedAggregate, now: Instant) {
        let Self { requests, accounts, .. } = self;
        let halves = cuts::halves(aggregate, accounts).into_iter();
        let halves: Vec<_> = halves.flat_map(|half| requests.passing(half, accounts)).collect();
        match self.ordering {
            Ordering::PerKey => {
                for half in halves.into_iter().rev() {
                    self.retry_in_order(half, now, now);
                }
            }
            Ordering::None => self.suspect_each(halves.into_iter().map(|half| vec![half]).collect(), now),
        }
    }

    /// Has an aggregate wait for its next attempt, with jitter, the longer the more attempts have failed.
    pub(crate) fn retry(&mut self, aggregate: SealedAggregate, now: Instant) {
        self.retry_within(Duration::MAX, aggregate, now);
    }

    /// The same, for `longest` at most.
    pub(crate) fn retry_within(&mut self, longest: Duration, aggregate: SealedAggregate, now: Instant) {
        let delay = self.retries.delay_after(aggregate.attempts.total());
        self.retry_after(delay.min(longest), aggregate, now);
    }

    /// The same for a record that something on the way refuses while others pass: the longer that lasts, the more rarely it is
    /// tried.
    pub(crate) fn retry_rarely(&mut self, aggregate: SealedAggregate, now: Instant) {
        let lasted = aggregate.refused.map_or(Duration::ZERO, Refused::lasted);
        let rest = REFUSAL_GRACE.saturating_sub(lasted);
        let longest = Recourse::IsolateWithinGrace.longest_wait();
        let delay = self.retries.delay_after(aggregate.attempts.total()).min(longest);
        self.retry_after(delay.max(rest.min(lasted / 4)), aggregate, now);
    }

    fn retry_after(&mut self, delay: Duration, aggregate: SealedAggregate, now: Instant) {
        let Some(aggregate) = self.accounts.unexpired(aggregate, now) else {
            return;
        };
        if_planted!(DropRetried, return self.accounts.forget(aggregate));
        match self.ordering {
            Ordering::PerKey => self.retry_in_order(aggregate, now + delay, now),
            // Newer records leave while it waits: it is sent again before it expires.
            Ordering::None => {
                let delay = delay.min(half_of_what_is_left(&aggregate, now));
                self.retries.push(now + delay, aggregate);
            }
        }
    }

    /// An aggregate that a consumer would drop as a whole is retried as a whole.
    pub(crate) fn retry_misplaced(&mut self, stored: Stored, now: Instant) {
        if_planted!(AcceptMisplaced, return self.accounts.deliver(stored));
        self.accounts.tally.observe(Observation::Misplaced(&stored.aggregate));
        self.retry(stored.misplaced(), now);
    }

    /// Queues an aggregate before all that is queued for its shard, or for the shards that its keys belong to now.
    fn retry_in_order(&mut self, mut aggregate: SealedAggregate, at: Instant, now: Instant) {
        self.accounts.release(&mut aggregate);
        if_planted!(FreeShard, return self.retries.push(at, aggregate));
        for part in self.suited(aggregate, now).into_iter().rev() {
            match part.target.as_ref().map(|target| target.shard.clone()) {
                Some(shard) => self.queues.push_front(&shard, part, at, now),
                // There is no order where there are no shards to keep it in.
                None => self.route(part, now),
            }
        }
    }
}

/// Those that `suits` says so of, and the others.
pub(super) fn part_by(
    aggregates: Vec<SealedAggregate>,
    suits: impl Fn(&mut SealedAggregate) -> bool,
) -> (Vec<SealedAggregate>, Vec<SealedAggregate>) {
    let (mut suited, mut unsuited) = (Vec::new(), Vec::new());
    for mut aggregate in aggregates {
        match suits(&mut aggregate) {
            true => suited.push(aggregate),
            false => unsuited.push(aggregate),
        }
    }
    (suited, unsuited)
}

/// Half of the time until the first of the records expires.
fn half_of_what_is_left(aggregate: &SealedAggregate, now: Instant) -> Duration {
    match aggregate.expires_at() {
        Some(at) => at.saturating_duration_since(now) / 2,
        None => Duration::MAX,
    }
}
