//! Pure: what the pipeline makes of the answers to its requests.
//!
//! In the order of an aggregate's way: `retrier` classifies a failure, `judgement` looks at where an aggregate was stored;
//! `expiry` gives back records whose time is over, `ending` ends an aggregate, `losses` tells of those that nobody hears of,
//! and `outstanding` tells those who flush.

pub(super) mod ending;
pub(super) mod expiry;
pub(super) mod judgement;
pub(super) mod losses;
pub(super) mod outstanding;
pub(super) mod retrier;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use service::ShardId;

use super::{Answer, CallFailure, EntryAnswer, InFlight, Pipeline, RequestId, Stored};
use crate::config::OnThrottling;
use crate::config::ordering::Ordering;
use crate::error::PutErrorKind;
use crate::error::codes::{Class, RECORD_COUNT_MISMATCH, SHARD_LIMIT, classify};
use crate::lanes::aggregate::SealedAggregate;
use crate::limits::DEFAULT_MAX_RECORD_BYTES;
use crate::observe::observation::Observation;
use crate::pipeline::answers::retrier::final_reason;
use crate::receipt::attempt::{AttemptFailure, Made};

/// What the service's words for a missing partition key have in them: the name of the field.
const PARTITION_KEY_FIELD: &str = "partitionKey";

/// One finished request: when it was sent and when it ended, and what the service calls it.
#[derive(Debug, Clone)]
pub(in crate::pipeline) struct Exchange {
    pub(in crate::pipeline) sent: Instant,
    pub(in crate::pipeline) sent_wall: SystemTime,
    pub(in crate::pipeline) ended: Instant,
    pub(in crate::pipeline) request_id: Option<Arc<str>>,
}

impl InFlight {
    /// The aggregates of a request whose answer nobody waits for any more.
    pub(in crate::pipeline) fn abandoned(self, now: Instant) -> impl Iterator<Item = SealedAggregate> {
        let Self {
            aggregates,
            sent,
            sent_wall,
            ..
        } = self;
        let exchange = Exchange {
            sent,
            sent_wall,
            ended: now,
            request_id: None,
        };
        let failure = CallFailure {
            code: "Abandoned".into(),
            message: "the producer stopped waiting for the answer".into(),
            request_id: None,
            may_have_been_applied: true,
        };
        aggregates.into_iter().map(move |mut aggregate| {
            exchange.note(&mut aggregate, Some(failure.clone().into()));
            aggregate
        })
    }
}

impl From<CallFailure> for AttemptFailure {
    fn from(failure: CallFailure) -> Self {
        let CallFailure {
            code,
            message,
            may_have_been_applied,
            ..
        } = failure;
        Self {
            code,
            message,
            may_have_been_stored: may_have_been_applied,
        }
    }
}

impl Answer {
    /// The error code of a request that failed as a whole, or whose answer cannot be told apart.
    fn failure(&self, sent: usize) -> Option<&str> {
        match self {
            Self::Failed(failure) => Some(&failure.code),
            Self::Entries { entries, .. } if entries.len() != sent => Some(RECORD_COUNT_MISMATCH),
            Self::Entries { .. } => None,
        }
    }

    /// What the service calls the request.
    fn request_id(&self) -> Option<Arc<str>> {
        match self {
            Self::Failed(CallFailure { request_id, .. }) | Self::Entries { request_id, .. } => request_id.clone(),
        }
    }
}

impl EntryAnswer {
    /// Where the entry was stored, if the service says so.
    fn shard(&self) -> Option<&ShardId> {
        match self {
            Self::Stored { shard, .. } => Some(shard).filter(|shard| !shard.is_nameless()),
            Self::Refused { .. } => None,
        }
    }

    /// The error code of an entry that was refused.
    fn refusal(&self) -> Option<&str> {
        match self {
            Self::Stored { .. } => None,
            Self::Refused { code, .. } => Some(code),
        }
    }
}

impl Exchange {
    pub(in crate::pipeline) fn note(&self, aggregate: &mut SealedAggregate, failure: Option<AttemptFailure>) {
        let made = Made {
            started: self.sent_wall,
            duration: self.ended.saturating_duration_since(self.sent),
            request_id: self.request_id.clone(),
        };
        aggregate.attempts.push(made, failure);
    }
}

impl Pipeline {
    pub(in crate::pipeline) fn on_answer(&mut self, request: RequestId, answer: Answer, ended: (Instant, SystemTime)) {
        // A request that the pipeline gave up has no aggregates any more.
        let Some(InFlight {
            mut aggregates,
            bytes,
            _copies,
            mut shards,
            sent,
            sent_wall,
            ..
        }) = self.in_flight.remove(&request)
        else {
            return;
        };
        self.bytes_in_flight -= bytes;
        self.released.append(&mut shards);
        let exchange = Exchange {
            sent,
            sent_wall,
            ended: ended.0,
            request_id: answer.request_id(),
        };
        self.observers.observe(Observation::RequestEnded {
            sent,
            ended: exchange.ended,
            aggregates: &aggregates,
            failure: answer.failure(aggregates.len()),
        });
        for aggregate in &mut aggregates {
            aggregate.waiting_since = Some(exchange.ended);
            // What was under way was not looked through; what is sent again waits anew.
            self.expiry_watch.enter(aggregate);
        }
        match answer {
            Answer::Failed(failure) if aggregates.len() > 1 && classify(&failure.code) == Class::Rejected => {
                self.on_refused(aggregates, failure.into(), &exchange);
            }
            Answer::Failed(failure) => {
                self.pause_if_throttled(&failure, exchange.ended);
                for aggregate in aggregates {
                    self.on_failure(aggregate, failure.clone().into(), &exchange);
                }
            }
            Answer::Entries { entries, .. } if entries.len() != aggregates.len() => {
                self.on_miscount(aggregates, entries.len(), &exchange);
            }
            Answer::Entries { entries, .. } => {
                self.not_found_since = None;
                self.throttled_requests = 0;
                for (aggregate, entry) in aggregates.into_iter().zip(entries) {
                    self.on_entry(aggregate, entry, &exchange);
                }
            }
        }
    }

    /// A request that is throttled as a whole tells of the stream or the account: nothing is sent for a while.
    fn pause_if_throttled(&mut self, failure: &CallFailure, now: Instant) {
        if classify(&failure.code) == Class::Throttled {
            self.throttled_requests = self.throttled_requests.saturating_add(1);
            self.resume_at = Some(now + self.delays.after(self.throttled_requests));
        }
    }

    /// One bad entry makes the service refuse a request as a whole: its halves are sent by themselves, and so on, until
    /// the bad entry is alone.
    fn on_refused(&mut self, mut aggregates: Vec<SealedAggregate>, failure: AttemptFailure, exchange: &Exchange) {
        for aggregate in &mut aggregates {
            exchange.note(aggregate, Some(failure.clone()));
        }
        if aggregates.iter().any(|aggregate| misses_key(aggregate, &failure)) {
            self.distribution.key_missed(exchange.sent, exchange.ended);
        }
        let (without_key, with_key): (Vec<_>, Vec<_>) =
            aggregates.into_iter().partition(SealedAggregate::is_without_key);
        for mut suspects in [with_key, without_key] {
            let half = suspects.split_off(suspects.len() / 2);
            self.suspect(suspects, exchange.ended);
            self.suspect(half, exchange.ended);
        }
    }

    /// Sends these by themselves. What suits the stream no more, since it was sent, goes the usual way.
    pub(in crate::pipeline) fn suspect(&mut self, aggregates: Vec<SealedAggregate>, now: Instant) {
        let (suspects, others): (Vec<_>, Vec<_>) = aggregates.into_iter().partition(|aggregate| self.suits(aggregate));
        self.suspects.extend((!suspects.is_empty()).then_some(suspects));
        match self.config.ordering {
            // Before whatever was queued meanwhile.
            Ordering::PerKey => others
                .into_iter()
                .rev()
                .for_each(|aggregate| self.retry_in_order(aggregate, (now, now))),
            Ordering::None => others.into_iter().for_each(|aggregate| self.route(aggregate, now)),
        }
    }

    /// Which entry was stored cannot be told any more.
    fn on_miscount(&mut self, aggregates: Vec<SealedAggregate>, answered: usize, exchange: &Exchange) {
        let sent = aggregates.len();
        let kind = PutErrorKind::RecordCountMismatch { sent, answered };
        let failure = AttemptFailure {
            code: RECORD_COUNT_MISMATCH.into(),
            message: kind.to_string(),
            may_have_been_stored: true,
        };
        for mut aggregate in aggregates {
            exchange.note(&mut aggregate, Some(failure.clone()));
            self.fail(aggregate, kind.clone());
        }
    }

    fn on_entry(&mut self, mut aggregate: SealedAggregate, entry: EntryAnswer, exchange: &Exchange) {
        self.observers.observe(Observation::EntryAnswered {
            aggregate: &aggregate,
            shard: entry.shard().or(aggregate.target.as_ref().map(|target| &target.shard)),
            refusal: entry.refusal(),
        });
        match entry {
            EntryAnswer::Stored { shard, sequence_number } => {
                exchange.note(&mut aggregate, None);
                self.on_stored(
                    Stored {
                        aggregate,
                        shard,
                        sequence_number,
                    },
                    exchange,
                );
            }
            EntryAnswer::Refused { code, message } => {
                let failure = AttemptFailure {
                    code,
                    message,
                    may_have_been_stored: false,
                };
                self.on_entry_refused(aggregate, failure, exchange);
            }
        }
    }

    /// An entry that is throttled by itself tells of its shard; a request that is, of the stream or the account.
    fn on_entry_refused(&mut self, aggregate: SealedAggregate, failure: AttemptFailure, exchange: &Exchange) {
        if classify(&failure.code) == Class::Throttled {
            let destination = aggregate.target.as_ref().map(|target| target.shard.clone());
            self.limiter.throttled(&destination, exchange.sent, exchange.ended);
            self.hot_shards.refused(destination, &aggregate, exchange.ended);
        }
        self.on_failure(aggregate, failure, exchange);
    }

    fn on_failure(&mut self, mut aggregate: SealedAggregate, failure: AttemptFailure, exchange: &Exchange) {
        let class = classify(&failure.code);
        let reason = if misses_key(&aggregate, &failure) {
            self.distribution.key_missed(exchange.sent, exchange.ended);
            PutErrorKind::NoPartitionKey
        } else {
            final_reason(class, &failure)
        };
        exchange.note(&mut aggregate, Some(failure));
        let now = exchange.ended;
        match class {
            Class::Throttled if self.gives_throttled_back(&reason) => self.fail(aggregate, reason),
            Class::Throttled | Class::Credentials | Class::Transient => self.retry(aggregate, now),
            Class::Rejected if may_be_too_large(&aggregate) => {
                let generation = aggregate.generation;
                self.released.append(&mut aggregate.lanes_held);
                let halves = aggregate.halved();
                self.outstanding.split(generation, halves.len());
                self.try_apart(halves, now);
            }
            Class::Denied | Class::Rejected => self.fail(aggregate, reason),
            Class::NotFound => {
                let is_final = self.is_missing_for_good(now);
                self.refresher.on_contradiction(exchange.sent, now);
                if is_final {
                    self.fail(aggregate, reason);
                } else {
                    self.retry(aggregate, now);
                }
            }
        }
    }

    /// As with the KPL, only the limit of a shard counts as throttling here.
    fn gives_throttled_back(&self, reason: &PutErrorKind) -> bool {
        let of_shard = matches!(reason, PutErrorKind::Throttled { code } if code == SHARD_LIMIT);
        of_shard && self.config.on_throttling == OnThrottling::Fail
    }

    /// Notes that the service does not know the stream; whether the grace for it is over.
    pub(in crate::pipeline) fn is_missing_for_good(&mut self, now: Instant) -> bool {
        self.refresher.on_missing();
        let since = *self.not_found_since.get_or_insert(now);
        now.saturating_duration_since(since) >= self.config.stream_not_found_grace
    }

    pub(in crate::pipeline) fn retry(&mut self, aggregate: SealedAggregate, now: Instant) {
        let Some(aggregate) = self.unexpired(aggregate, now) else {
            return;
        };
        if_planted!(DropRetried, return self.forget(aggregate));
        let at = now + self.delays.after(aggregate.attempts.total());
        match self.config.ordering {
            Ordering::PerKey => self.retry_in_order(aggregate, (at, now)),
            Ordering::None => self.retry_at(at, aggregate),
        }
    }

    pub(in crate::pipeline) fn retry_at(&mut self, at: Instant, aggregate: SealedAggregate) {
        self.retry_number += 1;
        self.retries.insert((at, self.retry_number), aggregate);
    }
}

/// Whether the service refused a record, or a request with it, because it has no partition key.
fn misses_key(aggregate: &SealedAggregate, failure: &AttemptFailure) -> bool {
    aggregate.is_without_key()
        && classify(&failure.code) == Class::Rejected
        && failure.message.contains(PARTITION_KEY_FIELD)
}

/// Whether it is an aggregate that a stream refuses unless its record limit was raised.
fn may_be_too_large(aggregate: &SealedAggregate) -> bool {
    aggregate.record.user_records > 1 && aggregate.bytes() > DEFAULT_MAX_RECORD_BYTES
}
