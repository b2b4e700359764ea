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
//! In the order of an aggregate's way: `flow` says when it leaves, and with which others; `answers`, what became of it;
//! `knowledge` is what it is routed by. `observers` count all of it;
//! `planted` is for the simulation.

mod answers;
mod flow;
mod knowledge;
mod observers;
#[cfg(feature = "_simulation")]
mod planted;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use aggregation::KinesisRecord;
use service::ShardId;
use service::{Jitter, RetryDelays};

use crate::budget::{Budget, Cargo, Copies};
use crate::config::Config;
use crate::config::ordering::RecordDistribution;
use crate::error::PutErrorKind;
use crate::lanes::aggregate::SealedAggregate;
use crate::lanes::contents::Volume;
use crate::limits::{FETCH_RETRY_PAUSE, RETRY_DELAY};
use crate::observe::observation::Observation;
use crate::pipeline::answers::expiry::ExpiryWatch;
use crate::pipeline::answers::losses::Losses;
use crate::pipeline::answers::outstanding::Outstanding;
use crate::pipeline::flow::collector::{Collector, MaxRequest};
use crate::pipeline::flow::copies::CopyRoom;
use crate::pipeline::flow::limiter::Limiter;
use crate::pipeline::knowledge::distribution::Distribution;
use crate::pipeline::knowledge::hot_shards::HotShards;
use crate::pipeline::knowledge::refresher::Refresher;
use crate::pipeline::observers::Observers;
use crate::receipt::outcome::Outcome;
use crate::record::doubts::Doubt;
use crate::routing::Routing;
use crate::routing::shard_map::{Listing, ShardMap};
use crate::routing::summary::StreamSummary;

pub use knowledge::distribution::Source;
pub use knowledge::heavy_keys::HeavyKey;
pub use knowledge::hot_shards::HotShard;

/// Names one request.
pub(crate) type RequestId = u64;

/// What the driver tells the pipeline.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all inputs are the large one, and none of them is kept"
)]
pub(crate) enum Input {
    /// A lane sealed an aggregate.
    Sealed(SealedAggregate),
    /// A request ended.
    Answer {
        /// Which.
        request: RequestId,
        /// How.
        answer: Answer,
        /// When, by the wall clock.
        ended: SystemTime,
    },
    /// The fetch of the shard map ended.
    Shards(Result<Listing, CallFailure>),
    /// The stream was described, or not.
    Description(Result<StreamSummary, CallFailure>),
    /// There is the room for copies that was awaited.
    Room(Copies),
}

/// How a request ended.
#[derive(Debug)]
pub(crate) enum Answer {
    /// With one result for each entry, in order.
    Entries {
        entries: Vec<EntryAnswer>,
        request_id: Option<Arc<str>>,
    },
    /// Without.
    Failed(CallFailure),
}

/// What became of one entry of a request.
#[derive(Debug, Clone)]
pub(crate) enum EntryAnswer {
    /// The service stored it.
    Stored { shard: ShardId, sequence_number: Arc<str> },
    /// The service refused it.
    Refused { code: String, message: String },
}

/// Why a call failed as a whole.
#[derive(Debug, Clone)]
pub(crate) struct CallFailure {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) request_id: Option<Arc<str>>,
    /// Whether the service may have acted on it all the same.
    pub(crate) may_have_been_applied: bool,
}

/// What the pipeline wants done.
#[derive(Debug)]
pub(crate) enum Output {
    /// Send these entries, and report the answer.
    Send {
        request: RequestId,
        entries: Vec<KinesisRecord>,
    },
    /// Fetch the stream's shards, and report them.
    FetchShards,
    /// Wait for room for the copies of this request, and hand it over.
    AwaitRoom(Cargo),
    /// Ask who distributes the stream's records, and report it.
    Describe,
    /// Records find their way by this from now on: make lanes for it.
    NewRouting(Routing),
    /// The stream takes records of so many bytes.
    RecordLimit(usize),
    /// Tell that other shards are open now, and how many.
    ShardsChanged(usize),
    /// Tell who distributes the stream's records, and how that is known.
    Distribution(RecordDistribution, Source),
    /// Tell that a shard is throttled, and at which rate it is sent records now, in percent of what it takes.
    Throttled(HotShard, u32),
    /// Tell that so many records have failed for this reason, and nobody hears of it.
    Lost(PutErrorKind, u64),
}

/// The state of everything between the lanes and the outcomes.
#[derive(Debug)]
pub(crate) struct Pipeline {
    config: Config,
    /// The newest one.
    map: Option<Arc<ShardMap>>,
    refresher: Refresher,
    distribution: Distribution,
    told_distribution: Option<(RecordDistribution, Source)>,
    /// What is in force of both.
    routing: Routing,
    limiter: Limiter,
    hot_shards: HotShards,
    collector: Collector,
    copy_room: CopyRoom,
    delays: RetryDelays,
    fetch_delays: RetryDelays,
    /// Aggregates that wait until it is known where they go.
    unrouted: Vec<SealedAggregate>,
    /// Aggregates that wait for their next attempt.
    retries: BTreeMap<(Instant, u64), SealedAggregate>,
    retry_number: u64,
    in_flight: BTreeMap<RequestId, InFlight>,
    next_request: RequestId,
    /// Parts of requests that the service refused as a whole: each is sent by itself, to find what it refuses.
    suspects: VecDeque<Vec<SealedAggregate>>,
    /// Stored aggregates that only a fresh shard map can judge.
    unjudged: Vec<Stored>,
    expiry_watch: ExpiryWatch,
    /// The fetch of the shard map under way: when it began.
    fetch_began: Option<(Instant, SystemTime)>,
    /// After the service has throttled whole requests: how many in a row, and until when none is sent.
    throttled_requests: u32,
    resume_at: Option<Instant>,
    /// Since when the service says that the stream does not exist.
    not_found_since: Option<Instant>,
    outstanding: Outstanding,
    /// Bytes of the requests under way.
    bytes_in_flight: usize,
    /// Shards to which something has ceased to be under way.
    released: Vec<ShardId>,
    delivered: u64,
    losses: Losses,
    /// What failed since somebody wants a report of it.
    failed: Option<Vec<Arc<Outcome>>>,
    outputs: VecDeque<Output>,
    pub(crate) observers: Observers,
}

#[derive(Debug)]
struct InFlight {
    aggregates: Vec<SealedAggregate>,
    bytes: usize,
    user_records: Volume,
    _copies: Copies,
    /// The shards that the request holds; none if its aggregates do so themselves.
    shards: Vec<ShardId>,
    sent: Instant,
    sent_wall: SystemTime,
}

/// An aggregate that the service stored, and where.
#[derive(Debug)]
struct Stored {
    aggregate: SealedAggregate,
    shard: ShardId,
    sequence_number: Arc<str>,
}

impl Pipeline {
    pub(crate) fn new(config: Config, budget: Budget, mut rng: fastrand::Rng) -> Self {
        let max_request = MaxRequest {
            count: config.collection_max_count,
            bytes: config.collection_max_size,
            weight: budget.largest_request(),
        };
        let (wait, max_buffered) = (config.collection_wait(), config.record_max_buffered_time);
        Self {
            observers: Observers::new(config.metrics),
            map: None,
            refresher: Refresher::new(config.shard_map_refresh_interval, &mut rng),
            distribution: Distribution::new(&config, &mut rng),
            told_distribution: None,
            routing: Routing::Undecided,
            limiter: Limiter::new(config.rate_limit_percent, config.requests_per_shard()),
            hot_shards: HotShards::default(),
            collector: Collector::new(max_request, wait, max_buffered),
            copy_room: CopyRoom::new(budget),
            fetch_delays: RetryDelays::new((RETRY_DELAY, FETCH_RETRY_PAUSE), Jitter::Full, rng.fork()),
            delays: RetryDelays::new(config.retry_delays, Jitter::Full, rng),
            config,
            unrouted: Vec::new(),
            retries: BTreeMap::new(),
            retry_number: 0,
            in_flight: BTreeMap::new(),
            next_request: 0,
            suspects: VecDeque::new(),
            unjudged: Vec::new(),
            expiry_watch: ExpiryWatch::default(),
            fetch_began: None,
            throttled_requests: 0,
            resume_at: None,
            not_found_since: None,
            outstanding: Outstanding::default(),
            bytes_in_flight: 0,
            released: Vec::new(),
            delivered: 0,
            losses: Losses::default(),
            failed: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one fact in.
    pub(crate) fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Sealed(aggregate) => self.on_sealed(aggregate, now),
            Input::Answer { request, answer, ended } => self.on_answer(request, answer, (now, ended)),
            Input::Shards(Ok(shards)) => self.on_shards(shards, now),
            Input::Shards(Err(failure)) => self.on_fetch_failed(&failure, now),
            Input::Description(described) => self.on_description(described, now),
            Input::Room(copies) => self.copy_room.grant(copies),
        }
        self.settle_routing(now);
    }

    /// Moves on what time has made due. `wall` is the wall-clock time of `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant, wall: SystemTime) {
        self.look_up_what_is_due(now, wall);
        self.settle_routing(now);
        while let Some(entry) = self.retries.first_entry()
            && entry.key().0 <= now
        {
            let aggregate = entry.remove();
            self.route(aggregate, now);
        }
        self.expire_waiting(now);
        self.resume_at = self.resume_at.filter(|at| *at > now);
        self.fill_requests(now, wall);
        for hot in self.hot_shards.take_due(now) {
            let rate = self.limiter.rate_of(&hot.shard, now);
            self.outputs.push_back(Output::Throttled(hot, rate));
        }
        let lost = self.losses.take_due(now).into_iter();
        self.outputs
            .extend(lost.map(|(reason, records)| Output::Lost(reason, records)));
        // What was routed just now may have asked for it.
        self.look_up_what_is_due(now, wall);
    }

    fn look_up_what_is_due(&mut self, now: Instant, wall: SystemTime) {
        if self.refresher.start(now) {
            self.fetch_began = Some((now, wall));
            let failures = self.refresher.failures();
            self.observers.observe(Observation::LookUpSent { failures });
            self.outputs.push_back(Output::FetchShards);
        }
        if self.distribution.start(now) {
            let failures = self.distribution.failures();
            self.observers.observe(Observation::LookUpSent { failures });
            self.outputs.push_back(Output::Describe);
        }
    }

    /// What to do next, in order.
    #[must_use]
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, if nothing else happens before.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let may_send = self.may_send();
        let sending = [self.collector.deadline(), self.limiter.next_at()];
        let sending = self.resume_at.or_else(|| sending.into_iter().flatten().min());
        let retry = self.retries.first_key_value().map(|((at, _), _)| *at);
        let others = [
            self.refresher.next_at(),
            self.distribution.next_at(),
            self.hot_shards.next_at(),
            self.losses.next_at(),
            self.expiry_watch.next_at(),
        ];
        [sending.filter(|_| may_send), retry]
            .into_iter()
            .chain(others)
            .flatten()
            .min()
    }

    /// A record was refused that the stream may take by now.
    pub(crate) fn on_refused_record(&mut self, doubt: Doubt, now: Instant) {
        match doubt {
            Doubt::Size => self.distribution.on_traffic(now),
            Doubt::Key => self.distribution.keyless_refused(now),
        }
    }

    /// Marks everything that was sealed so far; [`is_settled`](Self::is_settled) tells when all of it has its outcome.
    pub(crate) fn mark(&mut self, now: Instant) -> u64 {
        self.collector.hurry(now);
        self.outstanding.mark()
    }

    /// Whether all that was sealed before the mark has its outcome.
    pub(crate) fn is_settled(&self, mark: u64) -> bool {
        self.outstanding.is_settled(mark)
    }

    /// Whether nothing is outstanding.
    pub(crate) fn is_empty(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// User records delivered so far.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    fn on_sealed(&mut self, mut aggregate: SealedAggregate, now: Instant) {
        aggregate.generation = self.outstanding.enter();
        self.observers.observe(Observation::Received(&aggregate));
        self.expiry_watch.enter(&aggregate);
        self.refresher.on_traffic(now);
        self.distribution.on_traffic(now);
        self.route(aggregate, now);
    }

    /// Sends an aggregate on by the routing in force: to its shard's queue, or taken apart if it does not suit it.
    fn route(&mut self, aggregate: SealedAggregate, now: Instant) {
        let Some(aggregate) = self.unexpired(aggregate, now) else {
            return;
        };
        if self.must_wait(&aggregate) {
            self.refresher.on_traffic(now);
            self.await_map(now);
            self.unrouted.push(aggregate);
            return;
        }
        for aggregate in self.suited(aggregate, now) {
            self.limiter.push(aggregate, now);
        }
    }
}

#[cfg(test)]
mod tests;
