//! A stream whose shards change while records flow: nothing is lost to a reader that drops what the KCL drops, and only
//! what was on its way by the old map is stored twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::stream::at_percent;
use super::world::{World, answered, failure, record, refused};
use crate::config::Config;
use crate::pipeline::{Answer, EntryAnswer, RequestId};

const ROUND: Duration = Duration::from_millis(10);
/// A request, and a fetch of the shard map, takes so many rounds.
const LATENCY: u64 = 3;
const ROUNDS: u64 = 200;
/// When the shards change.
const CHANGE: u64 = 80;
/// For how many rounds a stream is gone before it is there again.
const GONE: u64 = 50;
const RECORDS_PER_ROUND: usize = 10;
const SHARDS: u32 = 4;

#[derive(Debug, Clone, Copy)]
enum Change {
    Double,
    Halve,
    Recreate { shards: u32 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Healthy,
    /// It refuses every third entry, as if the shards were over their limit.
    Throttling,
}

/// A world with requests on their way, and what was sent in them.
struct Traffic {
    world: World,
    service: Service,
    round: u64,
    /// The user records in each request, and when it was sent.
    requests: BTreeMap<RequestId, (usize, u64)>,
    fetch_began: Option<u64>,
    is_gone: bool,
    entries: usize,
}

impl Traffic {
    fn new(service: Service) -> Self {
        let config = Config {
            aggregation_max_count: 8,
            stream_not_found_grace: Duration::from_secs(60),
            ..Config::default()
        };
        Self {
            world: World::ready(SHARDS, config),
            service,
            round: 0,
            requests: BTreeMap::new(),
            fetch_began: None,
            is_gone: false,
            entries: 0,
        }
    }

    /// Puts some records, and lets everything arrive that is due.
    fn step(&mut self) {
        let first = usize::try_from(self.round).unwrap() * RECORDS_PER_ROUND;
        for n in first..first + RECORDS_PER_ROUND {
            self.world.put(record(n, 50));
        }
        self.world.run_for(ROUND);
        self.round += 1;
        self.note_requests();
        let has_arrived = |request: &RequestId| self.requests[request].1 + LATENCY <= self.round;
        let arrived: Vec<_> = self.world.requests.keys().copied().filter(has_arrived).collect();
        for request in arrived {
            let answer = self.answer_to(request);
            self.world.answer(request, answer);
        }
        self.fetch();
        self.note_requests();
    }

    fn note_requests(&mut self) {
        for (request, entries) in &self.world.requests {
            let records = entries.iter().map(|entry| entry.user_records).sum();
            self.requests.entry(*request).or_insert((records, self.round));
        }
    }

    fn answer_to(&mut self, request: RequestId) -> Answer {
        if self.is_gone {
            return Answer::Failed(failure("ResourceNotFoundException"));
        }
        let entries = self.world.requests[&request].clone();
        let answers = entries.iter().map(|entry| {
            self.entries += 1;
            match self.service == Service::Throttling && self.entries.is_multiple_of(3) {
                true => refused("ProvisionedThroughputExceededException"),
                false => self.world.store_entry(entry),
            }
        });
        let answers: Vec<EntryAnswer> = answers.collect();
        answered(answers)
    }

    fn fetch(&mut self) {
        if self.world.fetch.is_none() {
            self.fetch_began = None;
        } else if *self.fetch_began.get_or_insert(self.round) + LATENCY <= self.round {
            self.fetch_began = None;
            match self.is_gone {
                true => self.world.fetch_failed("ResourceNotFoundException"),
                false => self.world.fetched(),
            }
        }
    }

    fn change(&mut self, change: Change) {
        let stream = &mut self.world.stream;
        match change {
            Change::Double => [12, 37, 62, 87]
                .iter()
                .for_each(|percent| stream.split(at_percent(*percent))),
            Change::Halve => [1, 51].iter().for_each(|percent| stream.merge(at_percent(*percent))),
            Change::Recreate { shards } => stream.recreate(shards),
        }
    }

    /// Whether the map in force names the shards that are there.
    fn knows_the_shards(&self) -> bool {
        let listing = self.world.stream.listing();
        let open: BTreeSet<_> = listing
            .shards
            .iter()
            .flatten()
            .map(|shard| (&shard.id, shard.range.start()))
            .collect();
        let map = self.world.pipeline.stages.knowledge.map().unwrap();
        open == map
            .shards()
            .iter()
            .map(|shard| (&shard.id, shard.range.start()))
            .collect()
    }
}

/// What became of a run.
#[derive(Debug)]
struct End {
    put: usize,
    readable: usize,
    stored: usize,
    /// User records that were under way at the change, or sent before the map was up to date.
    exposed: usize,
}

fn run(change: Change, service: Service) -> End {
    let mut traffic = Traffic::new(service);
    while traffic.round < CHANGE {
        traffic.step();
    }
    if let Change::Recreate { .. } = change {
        traffic.is_gone = true;
        while traffic.round < CHANGE + GONE {
            traffic.step();
        }
        traffic.is_gone = false;
    }
    traffic.change(change);
    let next = traffic.world.pipeline.load().requests;
    let first = *traffic.world.requests.keys().next().unwrap_or(&next);
    while !traffic.knows_the_shards() {
        traffic.step();
    }
    let exposed = traffic.requests.range(first..).map(|(_, (records, _))| records).sum();
    while traffic.round < ROUNDS {
        traffic.step();
    }
    traffic.world.heal();
    traffic.world.assert_at_rest();
    let put = usize::try_from(ROUNDS).unwrap() * RECORDS_PER_ROUND;
    assert!(
        (0..put).all(|n| traffic.world.outcome(n).unwrap().is_ok()),
        "{change:?} {service:?}"
    );
    let readable: BTreeSet<_> = traffic.world.stream.readable().into_iter().collect();
    End {
        put,
        readable: readable.len(),
        stored: traffic.world.stream.user_records_stored(),
        exposed,
    }
}

/// What was stored more than once was on its way when the shards changed.
fn assert_nothing_is_lost(change: Change) {
    for service in [Service::Healthy, Service::Throttling] {
        let end = run(change, service);
        assert_eq!(end.readable, end.put, "{change:?} {service:?}");
        let doubled = end.stored - end.put;
        assert!(doubled <= end.exposed, "{change:?} {service:?}: {end:?}");
    }
}

#[test]
fn when_shards_double_under_load_nothing_is_lost_and_only_what_was_on_its_way_is_stored_twice() {
    assert_nothing_is_lost(Change::Double);
}

#[test]
fn when_shards_halve_under_load_nothing_is_lost_and_only_what_was_on_its_way_is_stored_twice() {
    assert_nothing_is_lost(Change::Halve);
}

#[test]
fn when_a_stream_is_created_anew_with_as_many_shards_nothing_is_lost_and_nothing_stored_twice() {
    let change = Change::Recreate { shards: SHARDS };
    assert_nothing_is_lost(change);
    let end = run(change, Service::Healthy);
    assert_eq!(end.stored, end.put, "its shards are where they were");
}

#[test]
fn when_a_stream_is_created_anew_with_fewer_shards_nothing_is_lost() {
    assert_nothing_is_lost(Change::Recreate { shards: SHARDS / 2 });
}
