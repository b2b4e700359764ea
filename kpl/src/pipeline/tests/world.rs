//! A pipeline between lanes and a stream. Whatever happens in it is checked against the promises P1 and P2.

mod answers;
mod promises;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aggregation::KinesisRecord;

pub(super) use self::answers::{REQUEST_ID, answered, failure, refused};
use super::stream::{Known, Listing, Stream};
use crate::budget::{Budget, Cargo, Room};
use crate::config::Config;
use crate::config::ordering::RecordDistribution;
use crate::error::{PutError, PutErrorKind};
use crate::lanes::aggregate::SealedAggregate;
use crate::lanes::contents::Volume;
use crate::lanes::lane::{Lane, LaneLimits};
use crate::lanes::sealing::Unframed;
use crate::observe::stats::Board;
use crate::pipeline::{EntryAnswer, HotShard, Input, Output, Pipeline, RequestId, Source};
use crate::receipt::{Delivered, Receipt};
use crate::record::{Record, cost};
use crate::routing::Routing;

const MAX_BYTES: u32 = 100_000_000;
pub(super) const MAX_RECORDS: u32 = 20_000;

pub(super) struct World {
    pub(super) pipeline: Pipeline,
    pub(super) stream: Stream,
    /// Requests under way.
    pub(super) requests: BTreeMap<RequestId, Vec<KinesisRecord>>,
    /// The fetch under way, with the shards that there were when it began.
    pub(super) fetch: Option<Listing>,
    pub(super) fetches: usize,
    /// The question for the stream's description under way, unless these are answered at once.
    pub(super) description: Option<Question>,
    pub(super) descriptions: Descriptions,
    pub(super) questions: usize,
    /// What was told of the stream's distribution.
    pub(super) told: Vec<(RecordDistribution, Source)>,
    /// What was told of throttled shards, and their rates then.
    pub(super) reports: Vec<(HotShard, u32)>,
    pub(super) start: Instant,
    pub(super) now: Instant,
    config: Config,
    /// What a request carries that waits for room for its copies.
    pub(super) awaited_room: Option<Cargo>,
    pub(super) budget: Budget,
    board: Board,
    lanes: Vec<Lane>,
    routing: Routing,
    known: Known,
    /// What was stored of requests that have no answer yet.
    stored: BTreeMap<RequestId, Vec<EntryAnswer>>,
    puts: Vec<Put>,
}

/// How the service answers the question for the stream's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Descriptions {
    /// As soon as it is asked.
    AtOnce,
    /// When the test does.
    ByTheTest,
}

/// The question, and the answer that was right when it was asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question(RecordDistribution);

struct Put {
    record: Record,
    at: Instant,
    receipt: Receipt,
    outcome: Option<Result<Delivered, PutError>>,
}

/// A record with so many bytes of data that no other record has, `id` in front.
pub(super) fn record(id: usize, bytes: usize) -> Record {
    let mut data = format!("{id:06}").into_bytes();
    data.resize(bytes.max(data.len()), b'.');
    Record::new(format!("key-{id}"), data)
}

impl World {
    pub(super) fn new(shards: u32, config: Config) -> Self {
        Self::on_budget(shards, config, Budget::new(MAX_BYTES, MAX_RECORDS))
    }

    pub(super) fn on_budget(shards: u32, config: Config, budget: Budget) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
        let start = Instant::now();
        let mut world = Self {
            pipeline: Pipeline::new(&config, budget.clone(), fastrand::Rng::with_seed(7)),
            stream: Stream::new(shards),
            requests: BTreeMap::new(),
            fetch: None,
            fetches: 0,
            description: None,
            descriptions: Descriptions::AtOnce,
            questions: 0,
            told: Vec::new(),
            reports: Vec::new(),
            start,
            now: start,
            config,
            awaited_room: None,
            budget,
            board: Board::default(),
            lanes: Vec::new(),
            routing: Routing::Undecided,
            known: Known::default(),
            stored: BTreeMap::new(),
            puts: Vec::new(),
        };
        world.replace_lanes(Routing::Undecided);
        world
    }

    /// With the shard map loaded and nothing under way.
    pub(super) fn ready(shards: u32, config: Config) -> Self {
        let mut world = Self::new(shards, config);
        world.pipeline.stages.knowledge.refresher.on_traffic(world.now);
        world.pipeline.stages.knowledge.distribution.on_traffic(world.now);
        world.work();
        world.fetched();
        (world.fetches, world.questions) = (0, 0);
        world
    }

    /// Whether a record may be put, as the producer asks the lanes.
    pub(super) fn admits(&self, record: &Record) -> bool {
        record.has_key() || self.routing.admits_records_without_key()
    }

    /// Puts a record; returns its number. Nothing happens if the budget is exhausted.
    pub(super) fn put(&mut self, record: Record) -> usize {
        let user_record = record.as_user_record();
        let lane = self.routing.lane_of(user_record.hash_key);
        let room = Room::of(cost(record.partition_key(), record.data()));
        let Some(permit) = self.budget.try_acquire(room) else {
            return self.puts.len() - 1;
        };
        let mut sealed = Vec::new();
        let seat = self.lanes[lane].append(&user_record, permit, self.now, |aggregate| {
            sealed.extend(aggregate.frame())
        });
        self.puts.push(Put {
            record,
            at: self.now,
            receipt: Receipt::new(seat.cohort, seat.index),
            outcome: None,
        });
        self.hand_over(sealed);
        self.puts.len() - 1
    }

    /// Puts records, seals them into as few aggregates as possible and lets the pipeline work.
    pub(super) fn send(&mut self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            self.put(record);
        }
        self.seal();
        self.work();
    }

    pub(super) fn seal(&mut self) {
        let sealed = self.lanes.iter_mut().filter_map(Lane::seal);
        let sealed = sealed.filter_map(Unframed::frame).collect();
        self.hand_over(sealed);
    }

    /// What the driver does when it wakes.
    pub(super) fn work(&mut self) {
        let due: Vec<SealedAggregate> = self
            .lanes
            .iter_mut()
            .filter(|lane| lane.deadline().is_some_and(|at| at <= self.now))
            .filter_map(Lane::seal)
            .filter_map(Unframed::frame)
            .collect();
        self.hand_over(due);
        self.pipeline.handle_timeout(self.now, self.wall());
        self.perform();
        if let Some(request) = self.awaited_room
            && let Some(copies) = self.budget.try_acquire_copies(request)
        {
            self.awaited_room = None;
            self.pipeline.handle(Input::Room(copies), self.now);
            return self.work();
        }
        if self.description.is_some() && self.descriptions == Descriptions::AtOnce {
            return self.described();
        }
        let wake_at = self.pipeline.poll_timeout();
        assert!(wake_at.is_none_or(|at| at > self.now), "a busy loop");
        self.observe();
    }

    fn perform(&mut self) {
        while let Some(output) = self.pipeline.poll_output() {
            match output {
                Output::Send { request, entries } => {
                    self.assert_within_limits(&entries);
                    self.assert_none_overtakes(&entries);
                    assert!(self.requests.insert(request, entries).is_none());
                    assert!(self.requests.len() <= self.config.max_connections);
                }
                Output::RecordLimit(_) | Output::Lost(..) => {}
                Output::Throttled(hot, rate_percent) => self.reports.push((hot, rate_percent)),
                Output::FetchShards => {
                    assert!(self.fetch.is_none(), "one fetch runs at a time");
                    self.fetch = Some(self.stream.listing());
                    self.fetches += 1;
                }
                Output::AwaitRoom(request) => {
                    assert!(self.awaited_room.is_none(), "one request waits at a time");
                    self.awaited_room = Some(request);
                }
                Output::Describe => {
                    assert!(self.description.is_none(), "one question is asked at a time");
                    self.description = Some(Question(self.stream.distribution));
                    self.questions += 1;
                }
                Output::NewRouting(routing) => {
                    self.replace_lanes(routing);
                    self.pipeline.handle_timeout(self.now, self.wall());
                }
                Output::ShardsChanged(_) => {}
                Output::Distribution(distribution, source) => self.told.push((distribution, source)),
            }
        }
    }

    /// Lets time pass and wakes the pipeline whenever it asks for that.
    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.work();
        while let Some(at) = self.next_wake_up().filter(|at| *at <= end) {
            self.now = at;
            self.work();
        }
        self.now = end;
        self.work();
    }

    /// Lets time pass in one leap, as on an overloaded machine.
    pub(super) fn leap(&mut self, time: Duration) {
        self.now += time;
        self.work();
    }

    /// Lets time pass until the next wake-up.
    pub(super) fn run_to_next_wake_up(&mut self) {
        self.now = self.next_wake_up().unwrap_or(self.now).max(self.now);
        self.work();
    }

    pub(super) fn next_wake_up(&self) -> Option<Instant> {
        let lanes = self.lanes.iter().filter_map(Lane::deadline).min();
        [lanes, self.pipeline.poll_timeout()].into_iter().flatten().min()
    }

    /// Answers everything well until nothing is outstanding.
    pub(super) fn heal(&mut self) {
        self.seal();
        self.work();
        for _ in 0..20_000 {
            if !self.requests.is_empty() {
                self.stored();
            } else if self.fetch.is_some() {
                self.fetch = Some(self.stream.listing());
                self.fetched();
            } else if self.description.is_some() {
                self.description = Some(Question(self.stream.distribution));
                self.described();
            } else if self.next_wake_up().is_some() {
                self.run_to_next_wake_up();
            } else {
                return;
            }
        }
        panic!("it goes on for ever: {:?}", self.pipeline);
    }

    pub(super) fn give_up(&mut self) -> Vec<PutError> {
        self.seal();
        let returned = self.pipeline.give_up(&PutErrorKind::ShutDown, self.now);
        self.observe();
        returned
    }

    /// The outcome of record number `n`, if there is one yet.
    pub(super) fn outcome(&self, n: usize) -> Option<Result<&Delivered, &PutError>> {
        self.puts[n].outcome.as_ref().map(Result::as_ref)
    }

    pub(super) fn delivered(&self, n: usize) -> &Delivered {
        self.outcome(n).unwrap().unwrap()
    }

    pub(super) fn error(&self, n: usize) -> &PutError {
        self.outcome(n).unwrap().unwrap_err()
    }

    /// How many records have no outcome yet.
    pub(super) fn open(&self) -> usize {
        self.puts.iter().filter(|put| put.outcome.is_none()).count()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// The wall clock began at its epoch.
    pub(super) fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.elapsed()
    }

    fn replace_lanes(&mut self, routing: Routing) {
        let limits = LaneLimits {
            max_size: self.config.aggregation_max_size,
            max_count: routing.max_count(self.config.aggregation_max_count),
            max_buffered: self.config.aggregation_wait(),
            ttl: self.config.record_ttl,
        };
        let new = |target| {
            Lane::new(
                Arc::from("orders"),
                target,
                limits.clone(),
                self.budget.clone(),
                Arc::default(),
            )
        };
        let lanes = routing.targets().into_iter().map(new).collect();
        self.seal();
        (self.lanes, self.routing) = (lanes, routing);
    }

    fn hand_over(&mut self, sealed: Vec<SealedAggregate>) {
        for aggregate in sealed {
            self.pipeline.handle(Input::Sealed(aggregate), self.now);
        }
    }
}

impl Put {
    fn volume(&self) -> Volume {
        Volume {
            records: 1,
            bytes: (self.record.partition_key().len() + self.record.data().len()) as u64,
        }
    }
}
