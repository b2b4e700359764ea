//! A pipeline between lanes and a stream. Whatever happens in it is checked against the promises P1 and P2.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aggregation::{HashKey, KinesisRecord};
use futures::FutureExt as _;

use super::stream::{Known, Listing, Stream, members};
use crate::aggregate::SealedAggregate;
use crate::budget::{Budget, Cargo, Room};
use crate::config::Config;
use crate::contents::Volume;
use crate::error::{PutError, PutErrorKind};
use crate::lane::{Lane, LaneLimits};
use crate::ordering::{Ordering, RecordDistribution};
use crate::pipeline::{Answer, CallFailure, EntryAnswer, HotShard, Input, Output, Pipeline, RequestId, Source};
use crate::receipt::{Delivered, Receipt};
use crate::record::{Record, cost};
use crate::routing::Routing;
use crate::shard_map::Shard;
use crate::stats::Board;
use crate::summary::StreamSummary;

/// What the service calls each request here.
pub(super) const REQUEST_ID: &str = "cc2a4ae9";
/// What the service answers if there is no such stream.
const NOT_FOUND: &str = "ResourceNotFoundException";

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

/// An answer with one result for each entry.
pub(super) fn answered(entries: Vec<EntryAnswer>) -> Answer {
    Answer::Entries {
        entries,
        request_id: Some(REQUEST_ID.into()),
    }
}

pub(super) fn failure(code: &str) -> CallFailure {
    CallFailure {
        code: code.into(),
        message: "as the script says".into(),
        request_id: None,
        may_have_been_applied: false,
    }
}

pub(super) fn refused(code: &str) -> EntryAnswer {
    EntryAnswer::Refused {
        code: code.into(),
        message: "as the script says".into(),
    }
}

impl World {
    pub(super) fn new(shards: u32, config: Config) -> Self {
        Self::on_budget(shards, config, Budget::new(MAX_BYTES, MAX_RECORDS))
    }

    pub(super) fn on_budget(shards: u32, config: Config, budget: Budget) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
        let start = Instant::now();
        let mut world = Self {
            pipeline: Pipeline::new(config.clone(), budget.clone(), fastrand::Rng::with_seed(7)),
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
        world.pipeline.refresher.on_traffic(world.now);
        world.pipeline.distribution.on_traffic(world.now);
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
        let seat = self.lanes[lane].append(&user_record, permit, self.now, |aggregate| sealed.push(aggregate));
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
        let sealed = self.lanes.iter_mut().filter_map(Lane::seal).collect();
        self.hand_over(sealed);
    }

    /// What the driver does when it wakes.
    pub(super) fn work(&mut self) {
        let due: Vec<SealedAggregate> = self
            .lanes
            .iter_mut()
            .filter(|lane| lane.deadline().is_some_and(|at| at <= self.now))
            .filter_map(Lane::seal)
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
                Output::RecordLimit(_) => {}
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

    pub(super) fn answer(&mut self, request: RequestId, answer: Answer) {
        self.requests.remove(&request);
        self.stored.remove(&request);
        if let Answer::Failed(failure) = &answer {
            self.note(failure);
        }
        let ended = self.wall();
        self.pipeline.handle(Input::Answer { request, answer, ended }, self.now);
        self.observe();
        self.work();
    }

    /// The oldest request under way.
    pub(super) fn request(&self) -> RequestId {
        *self.requests.first_key_value().unwrap().0
    }

    /// Stores the entries of a request, without an answer yet, unless they are stored.
    pub(super) fn store(&mut self, request: RequestId) -> Vec<EntryAnswer> {
        if let Some(stored) = self.stored.get(&request) {
            return stored.clone();
        }
        let entries = self.requests[&request].clone();
        let stored: Vec<_> = entries.iter().map(|entry| self.store_entry(entry)).collect();
        self.stored.insert(request, stored.clone());
        stored
    }

    /// Whether the entries of a request are stored.
    pub(super) fn is_stored(&self, request: RequestId) -> bool {
        self.stored.contains_key(&request)
    }

    /// What the producer is told by a failure.
    fn note(&mut self, failure: &CallFailure) {
        if self.stream.is_gone && failure.code == NOT_FOUND {
            self.known.miss(self.stream.generation);
        }
    }

    pub(super) fn store_entry(&mut self, entry: &KinesisRecord) -> EntryAnswer {
        let (shard, sequence_number) = self.stream.store(entry);
        EntryAnswer::Stored { shard, sequence_number }
    }

    /// What the service says to a request as a whole, if it does not store it.
    pub(super) fn refusal(&self, request: RequestId) -> Option<Answer> {
        if self.is_stored(request) {
            return None;
        }
        if self.stream.is_gone {
            return Some(Answer::Failed(failure(NOT_FOUND)));
        }
        let has_key = |entry: &KinesisRecord| !entry.partition_key.is_empty();
        let follows_keys = self.stream.distribution == RecordDistribution::UserPartitionKey;
        (follows_keys && !self.requests[&request].iter().all(has_key)).then(|| {
            Answer::Failed(CallFailure {
                message: "Value null at 'records.1.member.partitionKey' failed to satisfy constraint".into(),
                ..failure("ValidationException")
            })
        })
    }

    /// Stores the oldest request and answers it.
    pub(super) fn stored(&mut self) {
        let request = self.request();
        let refusal = self.refusal(request);
        let answer = refusal.unwrap_or_else(|| answered(self.store(request)));
        self.answer(request, answer);
    }

    /// Answers the question for the stream's description, as was right when it was asked.
    pub(super) fn described(&mut self) {
        let Question(distribution) = self.description.take().unwrap();
        self.describe_as(Ok(StreamSummary {
            distribution,
            ..StreamSummary::default()
        }));
    }

    pub(super) fn describe_failed(&mut self, code: &str) {
        self.description.take().unwrap();
        self.describe_as(Err(failure(code)));
    }

    pub(super) fn describe_as(&mut self, described: Result<StreamSummary, CallFailure>) {
        if let Err(failure) = &described {
            self.note(failure);
        }
        self.pipeline.handle(Input::Description(described), self.now);
        self.observe();
        self.work();
    }

    /// Answers the fetch under way.
    pub(super) fn fetched(&mut self) {
        let listing = self.fetch.take().unwrap();
        match listing.shards {
            Some(shards) => {
                self.known.list(listing.generation, &shards);
                self.list(Ok(shards));
            }
            None => self.list(Err(failure(NOT_FOUND))),
        }
    }

    pub(super) fn fetch_failed(&mut self, code: &str) {
        self.fetch.take().unwrap();
        self.list(Err(failure(code)));
    }

    fn list(&mut self, shards: Result<Vec<Shard>, CallFailure>) {
        if let Err(failure) = &shards {
            self.note(failure);
        }
        self.pipeline.handle(Input::Shards(shards), self.now);
        self.observe();
        self.work();
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

    /// Nothing is outstanding, each receipt has its outcome, and the budget is whole, no less and no more.
    pub(super) fn assert_at_rest(&self) {
        assert_eq!(self.open(), 0, "records without an outcome (P1)");
        assert!(self.pipeline.is_empty());
        let mut all = vec![
            self.budget
                .try_acquire(Room::of(MAX_BYTES as usize))
                .expect("all bytes are back"),
        ];
        all.extend((1..MAX_RECORDS).map(|_| self.budget.try_acquire(Room::of(0)).expect("all records are back")));
        assert!(
            self.budget.try_acquire(Room::of(0)).is_none(),
            "no record came back twice"
        );
        drop(all.pop());
        assert!(
            self.budget.try_acquire(Room::of(1)).is_none(),
            "no byte came back twice"
        );
    }

    fn replace_lanes(&mut self, routing: Routing) {
        let limits = LaneLimits {
            max_size: self.config.aggregation_max_size,
            max_count: routing.max_count(self.config.aggregation_max_count),
            max_buffered: self.config.aggregation_wait(),
            ttl: self.config.record_ttl,
        };
        let new = |target| Lane::new(Arc::from("orders"), target, limits.clone(), self.budget.clone());
        let lanes = routing.targets().into_iter().map(new).collect();
        self.seal();
        (self.lanes, self.routing) = (lanes, routing);
    }

    fn hand_over(&mut self, sealed: Vec<SealedAggregate>) {
        for aggregate in sealed {
            self.pipeline.handle(Input::Sealed(aggregate), self.now);
        }
    }

    fn assert_within_limits(&self, entries: &[KinesisRecord]) {
        let Config {
            aggregation_max_size,
            aggregation_max_count,
            collection_max_size,
            collection_max_count,
            ..
        } = self.config;
        assert!(!entries.is_empty() && entries.len() <= collection_max_count);
        let bytes: usize = entries
            .iter()
            .map(|entry| entry.data.len() + entry.partition_key.len())
            .sum();
        assert!(bytes <= collection_max_size || entries.len() == 1, "{bytes}");
        for entry in entries {
            assert!(entry.data.len() <= aggregation_max_size || entry.user_records == 1);
            let max_count = self.routing.max_count(aggregation_max_count);
            assert!(
                entry.user_records <= max_count,
                "{} together: {:?}",
                entry.user_records,
                self.routing
            );
            let has_key = !entry.partition_key.is_empty();
            assert!(has_key || self.routing.admits_records_without_key());
        }
    }

    /// P4, for the sender: no record leaves while an earlier one of its key, in another Kinesis record, is undecided.
    fn assert_none_overtakes(&self, entries: &[KinesisRecord]) {
        if self.config.ordering == Ordering::None {
            return;
        }
        for entry in entries {
            let inside: Vec<_> = members(entry).into_iter().map(|(_, data)| data).collect();
            for later in self.puts.iter().filter(|put| inside.contains(put.record.data())) {
                let key = later.record.as_user_record().hash_key;
                let earlier = self.puts.iter().take_while(|put| put.record != later.record);
                for earlier in earlier.filter(|put| put.record.as_user_record().hash_key == key) {
                    let decided = earlier.outcome.is_some() || inside.contains(earlier.record.data());
                    assert!(decided, "{:?} overtakes {:?}", later.record, earlier.record);
                }
            }
        }
    }

    /// P4, for the reader: the first occurrences of each key's records are in the order in which they were put, unless
    /// one of them was given back.
    pub(super) fn assert_read_in_order(&self) {
        let mut unread: BTreeMap<HashKey, VecDeque<&Record>> = BTreeMap::new();
        let mut ended = BTreeSet::new();
        for put in &self.puts {
            let key = put.record.as_user_record().hash_key;
            unread.entry(key).or_default().push_back(&put.record);
            if matches!(put.outcome, Some(Err(_))) {
                ended.insert(key);
            }
        }
        let mut seen = BTreeSet::new();
        for data in self.stream.readable() {
            let put = self.puts.iter().find(|put| *put.record.data() == data).unwrap();
            let key = put.record.as_user_record().hash_key;
            if !ended.contains(&key) && seen.insert(data) {
                assert_eq!(
                    unread.get_mut(&key).unwrap().pop_front(),
                    Some(&put.record),
                    "out of order"
                );
            }
        }
    }

    /// The statistics tell at every moment what the callers see.
    fn assert_counted(&mut self) {
        let load = self.pipeline.load();
        let ledger = &mut self.pipeline.observers.ledger;
        self.board.publish(ledger, load, self.now);
        let all = self.puts.iter().map(Put::volume).sum::<Volume>();
        let ended = |put: &&Put, well: bool| put.outcome.as_ref().is_some_and(|outcome| outcome.is_ok() == well);
        let open = || self.puts.iter().filter(|put| put.outcome.is_none());
        let stats = self.board.stats(|| all, self.now);
        let delivered = self.puts.iter().filter(|put| ended(put, true));
        assert_eq!(stats.delivered, delivered.map(Put::volume).sum());
        let failed = self.puts.iter().filter(|put| ended(put, false));
        assert_eq!(stats.failed, failed.map(Put::volume).sum());
        assert_eq!(stats.outstanding, open().map(Put::volume).sum());
        let buffered = self.lanes.iter().map(|lane| lane.contents().volume());
        assert_eq!(stats.buffered, buffered.sum());
        let in_lanes = self.lanes.iter().filter_map(|lane| lane.contents().put_at()).min();
        let told = stats.oldest_outstanding.max(in_lanes.map(|at| self.now - at));
        let oldest = open().map(|put| self.now - put.at).max();
        assert!(told >= oldest, "{told:?}, though a record is {oldest:?} old");
        assert_eq!(told.is_none(), oldest.is_none());
    }

    /// Polls the receipts and checks each new outcome.
    fn observe(&mut self) {
        for put in self.puts.iter_mut().filter(|put| put.outcome.is_none()) {
            put.outcome = (&mut put.receipt).now_or_never();
            match &put.outcome {
                None => {}
                Some(Ok(delivered)) => {
                    self.stream.assert_readable(delivered, &put.record, &self.known);
                }
                Some(Err(error)) => {
                    assert_eq!(error.record(), &put.record, "a record is given back as it was put");
                    assert!(
                        error.may_have_been_stored() || !self.stream.holds(&put.record),
                        "a stored record whose error says that it was not: {error:?}"
                    );
                }
            }
        }
        self.assert_counted();
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
