//! Entries that are refused at random, and producers that share a shard: how much of what the service takes is used.
//!
//! The limiters are the real ones; the service is a model of its shards, which take 1,000 records and 1 MiB in a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use service::ShardId;

use crate::budget::{Budget, Room};
use crate::lanes::aggregate::SealedAggregate;
use crate::lanes::lane::{Lane, LaneLimits};
use crate::pipeline::flow::adaptive_rate::Reply;
use crate::pipeline::flow::limiter::{Answered, Destination, Limiter};
use crate::record::{Record, cost};
use crate::routing::Target;
use crate::routing::shard_map::Epoch;

const STEP: Duration = Duration::from_millis(10);
/// Round trips take differently long, in steps: producers whose requests always arrive together would share a shard by their phases.
const ROUND_TRIP: std::ops::RangeInclusive<u32> = 1..=6;
const RETRY_DELAY: Duration = Duration::from_millis(100);
const WARM_UP: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);

/// A shard of the service: what it may still take.
struct Shard {
    records: f64,
    bytes: f64,
}

impl Shard {
    const RECORDS_PER_SECOND: f64 = 1_000.0;
    const BYTES_PER_SECOND: f64 = 1024.0 * 1024.0;

    fn new() -> Self {
        Self {
            records: Self::RECORDS_PER_SECOND,
            bytes: Self::BYTES_PER_SECOND,
        }
    }

    fn refill(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        self.records = (self.records + seconds * Self::RECORDS_PER_SECOND).min(Self::RECORDS_PER_SECOND);
        self.bytes = (self.bytes + seconds * Self::BYTES_PER_SECOND).min(Self::BYTES_PER_SECOND);
    }

    fn takes(&mut self, bytes: usize) -> bool {
        let bytes = bytes as f64;
        let takes = self.records >= 1.0 && self.bytes >= bytes;
        if takes {
            self.records -= 1.0;
            self.bytes -= bytes;
        }
        takes
    }
}

/// A producer that always has something to send.
struct Producer {
    limiter: Limiter,
    /// What it has queued of one kind.
    destination: Destination,
    lane: Lane,
    budget: Budget,
    bytes: usize,
    queued: usize,
    /// What is under way, and what waits for its next attempt, by the time at which that ends.
    under_way: BTreeMap<(Instant, usize), (Instant, SealedAggregate)>,
    retried: BTreeMap<(Instant, usize), SealedAggregate>,
    number: usize,
    rng: fastrand::Rng,
    delivered: usize,
    refused: usize,
}

impl Producer {
    fn new(shards: usize, bytes: usize, rate_percent: u32, destination: Destination) -> Self {
        let mut limiter = Limiter::new(rate_percent, usize::MAX);
        limiter.set_open_shards(shards);
        let budget = Budget::new(u32::MAX, 1_000_000);
        let target = destination.clone().map(|shard| Target {
            shard,
            epoch: Epoch::default(),
        });
        let limits = LaneLimits {
            max_size: 2 * bytes,
            max_count: 1,
            max_buffered: STEP,
            ttl: None,
        };
        Self {
            limiter,
            destination,
            lane: Lane::new(Arc::from("orders"), target, limits, budget.clone(), Arc::default()),
            budget,
            bytes,
            queued: 0,
            under_way: BTreeMap::new(),
            retried: BTreeMap::new(),
            number: 0,
            rng: fastrand::Rng::with_seed(5),
            delivered: 0,
            refused: 0,
        }
    }

    fn make(&mut self, now: Instant) -> SealedAggregate {
        self.number += 1;
        let record = Record::new(format!("key-{}", self.number), vec![b'.'; self.bytes]);
        let user_record = record.as_user_record();
        let permit = self
            .budget
            .try_acquire(Room::of(cost(record.partition_key(), record.data())))
            .unwrap();
        let mut sealed = Vec::new();
        drop(
            self.lane
                .append(&user_record, permit, now, |aggregate| sealed.push(aggregate)),
        );
        sealed.extend(self.lane.seal());
        sealed.pop().unwrap().frame().unwrap()
    }

    /// Sends what the limiter lets go.
    fn send(&mut self, at_least: usize, now: Instant) {
        while let Some(entry) = self.retried.first_entry().filter(|entry| entry.key().0 <= now) {
            self.queued += 1;
            self.limiter.push_by_age(entry.remove(), now);
        }
        while self.queued < at_least {
            let aggregate = self.make(now);
            self.queued += 1;
            self.limiter.push_by_age(aggregate, now);
        }
        while let Some((destination, aggregate)) = self.limiter.pop(now, |_| true) {
            self.limiter.settle(&destination, Some(&aggregate), now);
            self.queued -= 1;
            self.number += 1;
            let arrives_at = now + STEP * self.rng.u32(ROUND_TRIP);
            self.under_way.insert((arrives_at, self.number), (now, aggregate));
        }
    }

    /// The next entry that is at the service by now.
    fn arrived(&mut self, now: Instant) -> Option<(usize, Instant, SealedAggregate)> {
        let entry = self.under_way.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((_, number), (sent, aggregate)) = entry.remove_entry();
        Some((number, sent, aggregate))
    }

    fn on_reply(&mut self, reply: Reply, (number, sent, aggregate): (usize, Instant, SealedAggregate), now: Instant) {
        let bytes = aggregate.bytes();
        self.limiter
            .answered(&self.destination, Answered { reply, bytes, sent }, now);
        match reply {
            Reply::Taken => self.delivered += 1,
            Reply::Throttled => {
                self.refused += 1;
                self.retried.insert((now + RETRY_DELAY, number), aggregate);
            }
        }
    }
}

struct Outcome {
    /// How much of what the shards take was used, in percent.
    used: f64,
    /// How much of what was sent was refused, in percent.
    refused: f64,
    /// What each producer delivered.
    delivered: Vec<usize>,
}

/// Has the producers send for so long to shards that refuse `at_random` of the entries besides those for which they have no
/// room. The last of several begins when the others share the shards.
fn run(mut producers: Vec<Producer>, shards: usize, at_random: f64, measured: Duration) -> Outcome {
    for (producer, seed) in producers.iter_mut().zip(1..) {
        producer.rng = fastrand::Rng::with_seed(seed);
    }
    let late = (producers.len() > 1).then(|| producers.len() - 1);
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    let start = Instant::now();
    let (mut now, mut rng) = (start, fastrand::Rng::with_seed(11));
    let mut service: Vec<_> = (0..shards).map(|_| Shard::new()).collect();
    let fits_each_second = {
        let bytes = producers[0].bytes + 16;
        (1024 * 1024 / bytes).min(1_000) * shards
    };
    while now < start + 2 * WARM_UP + measured {
        if now == start + 2 * WARM_UP {
            for producer in &mut producers {
                (producer.delivered, producer.refused) = (0, 0);
            }
        }
        service.iter_mut().for_each(|shard| shard.refill(STEP));
        let mut arrived = Vec::new();
        for (place, producer) in producers.iter_mut().enumerate() {
            arrived.extend(std::iter::from_fn(|| producer.arrived(now)).map(|entry| (place, entry)));
        }
        // What arrives within a step arrives in any order.
        rng.shuffle(&mut arrived);
        for (place, entry) in arrived {
            let shard = rng.usize(..shards);
            let reply = match rng.f64() >= at_random && service[shard].takes(entry.2.bytes()) {
                true => Reply::Taken,
                false => Reply::Throttled,
            };
            producers[place].on_reply(reply, entry, now);
        }
        for (place, producer) in producers.iter_mut().enumerate() {
            if late == Some(place) && now < start + WARM_UP {
                continue;
            }
            producer.send((fits_each_second / 5).max(20), now);
        }
        now += STEP;
    }
    let delivered: Vec<_> = producers.iter().map(|producer| producer.delivered).collect();
    let (taken, refused) = (
        delivered.iter().sum::<usize>() as f64,
        producers.iter().map(|producer| producer.refused).sum::<usize>() as f64,
    );
    Outcome {
        used: 100.0 * taken / (fits_each_second as f64 * measured.as_secs_f64()),
        refused: 100.0 * refused / (taken + refused),
        delivered,
    }
}

fn shard() -> Destination {
    Some(ShardId::new("shardId-000000000000"))
}

#[test]
fn entries_that_are_refused_at_random_cost_less_than_a_tenth_of_what_fits() {
    for (kind, shards, bytes, destination) in [
        ("aggregates of 51 KiB", 1, 51_200, shard()),
        ("records of 1 KB", 1, 1_000, shard()),
        ("AUTO, 20 shards", 20, 50_000, None),
        ("AUTO, 100 shards", 100, 100_000, None),
    ] {
        for (at_random, rate_percent) in [(0.001, 150), (0.01, 150), (0.05, 150), (0.05, 100)] {
            let producer = Producer::new(shards, bytes, rate_percent, destination.clone());
            let Outcome { used, refused, .. } = run(vec![producer], shards, at_random, MINUTE);
            println!(
                "{kind}, {} % refused at random, rate_limit {rate_percent} %: {used:.1} % of what fits is delivered, \
                 {refused:.1} % of what is sent is refused",
                at_random * 100.0
            );
            assert!(used >= 90.0, "{kind}, {at_random}, {rate_percent}: {used:.1} %");
        }
    }
}

#[test]
fn three_producers_come_to_share_a_shard_and_use_it() {
    for bytes in [1_000, 10_000, 51_200] {
        let producers = (0..3).map(|_| Producer::new(1, bytes, 150, shard())).collect();
        let outcome = run(producers, 1, 0.0, 5 * MINUTE);
        let Outcome {
            used,
            refused,
            delivered,
        } = outcome;
        println!("records of {bytes} bytes: {delivered:?}, {used:.1} % used, {refused:.1} % refused");
        let (least, most) = (delivered.iter().min().unwrap(), delivered.iter().max().unwrap());
        assert!(least * 3 >= most * 2, "{bytes}: {delivered:?}");
        assert!(used >= 85.0, "{bytes}: {used:.1} %");
    }
}
