//! How long a record waits before it leaves, to the nanosecond: virtual time has no jitter of its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::stream::{at_percent, members};
use super::world::{World, record};
use crate::config::Config;
use crate::record::Record;

const MILLISECOND: Duration = Duration::from_millis(1);
const BUFFERED: Duration = Duration::from_millis(100);
const COLLECTION_WAIT: Duration = Duration::from_millis(20);
const LOW: u8 = 10;
const HIGH: u8 = 90;

fn at(n: usize, bytes: usize, percent: u8) -> Record {
    record(n, bytes).with_explicit_hash_key(at_percent(percent))
}

/// When each record left for the first time.
#[derive(Default)]
struct Departures(BTreeMap<usize, Instant>);

impl Departures {
    /// Lets time pass until `end`; the service stores each request as soon as it leaves.
    fn watch(&mut self, world: &mut World, end: Instant) {
        self.note(world);
        while world.next_wake_up().is_some_and(|at| at <= end) {
            world.run_to_next_wake_up();
            self.note(world);
        }
        world.leap(end - world.now);
        self.note(world);
    }

    fn note(&mut self, world: &mut World) {
        while !world.requests.is_empty() {
            let request = world.request();
            for (_, data) in world.requests[&request].iter().flat_map(members) {
                let number = std::str::from_utf8(&data[..6]).unwrap().parse().unwrap();
                self.0.entry(number).or_insert(world.now);
            }
            world.stored();
        }
    }
}

#[test]
fn a_seal_by_size_moves_the_deadline_of_no_other_record() {
    let config = Config {
        aggregation_max_size: 1_000,
        ..Config::default()
    };
    let mut world = World::ready(2, config);
    let (begin, mut departures) = (world.now, Departures::default());
    world.put(at(0, 10, LOW));
    world.put(at(1, 10, HIGH));
    departures.watch(&mut world, begin + BUFFERED / 2);
    world.put(at(2, 990, LOW));
    world.work();
    departures.watch(&mut world, begin + 10 * BUFFERED);
    let after = |n| departures.0[&n] - begin;
    let sealed_by_size = BUFFERED / 2 + COLLECTION_WAIT;
    assert_eq!(after(0), sealed_by_size, "there is no room for another beside it");
    assert_eq!(after(1), BUFFERED, "it is of another shard");
    assert_eq!(after(2), BUFFERED / 2 + BUFFERED, "its time begins with itself");
}

#[test]
fn a_timer_that_was_late_shortens_the_wait_for_company() {
    for (late, left_after) in [(0, 100), (1, 100), (19, 100), (20, 120), (300, 400)] {
        let mut world = World::ready(2, Config::default());
        let (begin, mut departures) = (world.now, Departures::default());
        world.put(at(0, 10, LOW));
        world.leap(BUFFERED - COLLECTION_WAIT + late * MILLISECOND);
        departures.watch(&mut world, begin + 10 * BUFFERED);
        assert_eq!(departures.0[&0] - begin, left_after * MILLISECOND, "{late}");
    }
}

proptest! {
    #[test]
    fn every_record_leaves_within_its_buffered_time(
        puts in prop::collection::vec((0u32..60, 6usize..500, 0u8..100), 1..80),
    ) {
        let config = Config {
            aggregation_max_size: 1_000,
            aggregation_max_count: 10,
            ..Config::default()
        };
        let mut world = World::ready(3, config);
        let (mut put_at, mut departures) = (Vec::new(), Departures::default());
        for (n, (pause, bytes, percent)) in puts.into_iter().enumerate() {
            let next = world.now + pause * MILLISECOND;
            departures.watch(&mut world, next);
            world.put(at(n, bytes, percent));
            world.work();
            put_at.push(world.now);
        }
        let end = world.now + 10 * BUFFERED;
        departures.watch(&mut world, end);
        for (n, put_at) in put_at.into_iter().enumerate() {
            let waited = departures.0[&n] - put_at;
            prop_assert!(waited <= BUFFERED, "record {} waited {:?}", n, waited);
        }
    }
}
