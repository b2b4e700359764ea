//! Pure: the moves of aggregates that are sent again, whole or in parts.

use std::time::{Duration, Instant};

use super::Stages;
use crate::config::ordering::Ordering;
use crate::lanes::aggregate::SealedAggregate;
use crate::observe::observation::Observation;
use crate::pipeline::answers::classification::{FailedAttempt, Recourse, halves_by_key};
use crate::pipeline::answers::exchange::Exchange;
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
        for part in parts {
            self.suspect(part, exchange.ended);
        }
    }

    /// Sends these by themselves. What suits the stream no more, since it was sent, or has to be cut, goes the usual way.
    pub(crate) fn suspect(&mut self, aggregates: Vec<SealedAggregate>, now: Instant) {
        let (mut suspects, mut others) = (Vec::new(), Vec::new());
        for mut aggregate in aggregates {
            match self.routes.suits(&mut aggregate) && !self.requests.must_be_halved(&aggregate) {
                true => suspects.push(aggregate),
                false => others.push(aggregate),
            }
        }
        self.requests.suspect(suspects);
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
            Ordering::None => halves.into_iter().for_each(|half| self.suspect(vec![half], now)),
        }
    }

    pub(crate) fn retry(&mut self, aggregate: SealedAggregate, now: Instant) {
        let Some(aggregate) = self.accounts.unexpired(aggregate, now) else {
            return;
        };
        if_planted!(DropRetried, return self.accounts.forget(aggregate));
        let delay = self.retries.delay_after(aggregate.attempts.total());
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
        self.accounts
            .observers
            .observe(Observation::Misplaced(&stored.aggregate));
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

/// Half of the time until the first of the records expires.
fn half_of_what_is_left(aggregate: &SealedAggregate, now: Instant) -> Duration {
    match aggregate.expires_at() {
        Some(at) => at.saturating_duration_since(now) / 2,
        None => Duration::MAX,
    }
}
