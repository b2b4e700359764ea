//! When aggregates leave, in which company, and who waits for whom.

use std::time::Duration;

use super::stream::at_percent;
use super::world::{World, answered, record, refused};
use crate::config::Config;
use crate::record::Record;

const COLLECTION_WAIT: Duration = Duration::from_millis(20);
const LOW: u8 = 10;
const HIGH: u8 = 90;

fn at(n: usize, bytes: usize, percent: u8) -> Record {
    record(n, bytes).with_explicit_hash_key(at_percent(percent))
}

fn entries_per_request(world: &World) -> Vec<usize> {
    world.requests.values().map(Vec::len).collect()
}

/// Each record in an aggregate of its own.
fn send_apart(world: &mut World, records: impl IntoIterator<Item = Record>) {
    for record in records {
        world.put(record);
        world.seal();
    }
    world.work();
}

#[test]
fn an_idle_pipeline_has_no_timeout() {
    let mut world = World::new(2, Config::default());
    assert_eq!(world.pipeline.poll_timeout(), None);
    world.send([record(0, 10)]);
    world.heal();
    assert_eq!(world.pipeline.poll_timeout(), None);
    world.leap(Duration::from_secs(100_000));
    assert_eq!((world.fetches, world.pipeline.poll_timeout()), (1, None));
}

#[test]
fn the_first_map_routes_what_waited_for_it() {
    let mut world = World::new(2, Config::default());
    world.send([at(0, 10, LOW), at(1, 10, HIGH), at(2, 10, LOW)]);
    world.run_for(Duration::from_secs(10));
    assert!(world.requests.is_empty() && world.open() == 3);
    world.fetched();
    world.run_for(COLLECTION_WAIT);
    assert_eq!(entries_per_request(&world), [2]);
    world.stored();
    assert_eq!(world.delivered(0).shard_id, "shardId-000000000000");
    assert_eq!(world.delivered(2).sub_sequence_number, 1);
    world.assert_at_rest();
}

#[test]
fn a_request_waits_for_company_for_the_collection_time() {
    let mut world = World::ready(2, Config::default());
    send_apart(&mut world, [record(0, 10)]);
    world.run_for(COLLECTION_WAIT - Duration::from_nanos(1));
    send_apart(&mut world, [record(1, 10)]);
    assert!(world.requests.is_empty());
    world.run_for(Duration::from_nanos(1));
    assert_eq!(entries_per_request(&world), [2]);
}

#[test]
fn a_request_with_500_entries_leaves_at_once() {
    let mut world = World::ready(1, Config::default());
    send_apart(&mut world, (0..1_100).map(|n| record(n, 10)));
    assert_eq!(entries_per_request(&world), [500, 500]);
    world.run_for(COLLECTION_WAIT);
    assert_eq!(entries_per_request(&world), [500, 500, 100]);
    world.heal();
    world.assert_at_rest();
}

#[test]
fn a_request_that_is_full_leaves_at_once() {
    let config = Config {
        aggregation_max_size: 50_000,
        collection_max_size: 120_000,
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    send_apart(&mut world, (0..3).map(|n| record(n, 50_000)));
    assert_eq!(entries_per_request(&world), [2]);
}

#[test]
fn a_record_larger_than_any_request_travels_alone() {
    let config = Config {
        collection_max_size: 60_000,
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    send_apart(&mut world, [record(0, 10), record(1, 200_000), record(2, 10)]);
    world.run_for(COLLECTION_WAIT);
    assert_eq!(entries_per_request(&world), [1, 1, 1]);
    world.heal();
    world.assert_at_rest();
}

#[test]
fn the_share_of_one_shard_sends_a_request_at_once() {
    let mut world = World::ready(2, Config::default());
    send_apart(&mut world, (0..5).map(|n| at(n, 50_000, LOW)));
    assert!(world.requests.is_empty(), "250 kB are less than 256 KiB");
    send_apart(&mut world, [at(5, 50_000, LOW)]);
    assert_eq!(entries_per_request(&world), [6]);
}

#[test]
fn no_request_carries_much_more_of_one_shard_than_its_share() {
    let mut world = World::ready(1, Config::default());
    send_apart(&mut world, (0..20).map(|n| record(n, 50_000)));
    for entries in world.requests.values() {
        let bytes: usize = entries.iter().map(|entry| entry.data.len()).sum();
        assert!(bytes < 256 * 1_024 + 50_000, "{bytes}");
    }
    assert_eq!(entries_per_request(&world), [6, 6, 6]);
}

#[test]
fn a_flush_hurries_what_the_collector_holds() {
    let mut world = World::ready(2, Config::default());
    send_apart(&mut world, [record(0, 10)]);
    assert!(world.requests.is_empty());
    world.pipeline.mark(world.now);
    world.work();
    assert_eq!(entries_per_request(&world), [1]);
}

#[test]
fn a_flush_hurries_what_it_has_just_sealed() {
    let mut world = World::ready(2, Config::default());
    world.put(record(0, 10));
    world.seal();
    let mark = world.pipeline.mark(world.now);
    world.work();
    assert_eq!(entries_per_request(&world), [1]);
    assert!(!world.pipeline.is_settled(mark));
    world.stored();
    assert!(world.pipeline.is_settled(mark));
}

#[test]
fn a_flush_does_not_hurry_what_is_sealed_after_it() {
    let mut world = World::ready(2, Config::default());
    world.pipeline.mark(world.now);
    send_apart(&mut world, [record(0, 10)]);
    assert!(world.requests.is_empty());
}

#[test]
fn no_more_requests_are_under_way_than_allowed() {
    let config = Config {
        max_connections: 2,
        collection_max_count: 10,
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    send_apart(&mut world, (0..100).map(|n| record(n, 10)));
    assert_eq!(entries_per_request(&world), [10, 10]);
    world.stored();
    assert_eq!(entries_per_request(&world), [10, 10]);
    world.heal();
    world.assert_at_rest();
}

#[test]
fn the_requests_under_way_have_no_more_bytes_than_allowed() {
    let config = Config {
        collection_max_size: 200_000,
        max_bytes_in_flight: 500_000,
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    send_apart(&mut world, (0..30).map(|n| record(n, 50_000)));
    for _ in 0..5 {
        let bytes: usize = world.requests.values().flatten().map(|entry| entry.data.len()).sum();
        assert!((300_000..=500_000).contains(&bytes), "{bytes}");
        world.stored();
    }
    world.heal();
    world.assert_at_rest();
}

#[test]
fn a_shard_has_no_more_requests_under_way_than_its_share_and_another_is_not_delayed() {
    let config = Config {
        max_requests_per_shard: 2,
        collection_max_count: 10,
        ..Config::default()
    };
    let mut world = World::ready(2, config);
    send_apart(&mut world, (0..100).map(|n| at(n, 10, LOW)));
    assert_eq!(entries_per_request(&world), [10, 10]);
    send_apart(&mut world, (100..110).map(|n| at(n, 10, HIGH)));
    assert_eq!(entries_per_request(&world), [10, 10, 10]);
    world.stored();
    assert_eq!(entries_per_request(&world), [10, 10, 10]);
    world.heal();
    world.assert_at_rest();
}

#[test]
fn a_shard_over_its_rate_does_not_delay_another() {
    let config = Config {
        rate_limit_percent: 1,
        aggregation_max_count: 1,
        ..Config::default()
    };
    let mut world = World::ready(2, config);
    world.send((0..1_000).map(|n| at(n, 10, LOW)));
    world.send([at(1_000, 10, HIGH)]);
    world.run_for(COLLECTION_WAIT);
    while !world.requests.is_empty() {
        world.stored();
    }
    assert!(world.outcome(1_000).is_some());
    assert!(world.open() > 900);
}

#[test]
fn a_shard_is_sent_no_more_bytes_than_its_rate() {
    let config = Config {
        rate_limit_percent: 10,
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    send_apart(&mut world, (0..40).map(|n| record(n, 50_000)));
    world.run_for(Duration::from_secs(4));
    let sent: usize = entries_per_request(&world).into_iter().sum();
    assert!(
        (9..=11).contains(&sent),
        "{sent} of 50 kB in 4 s, at 105 kB/s and as much at once"
    );
    world.heal();
    world.assert_at_rest();
}

#[test]
fn a_throttled_shard_does_not_delay_another() {
    let mut world = World::ready(2, Config::default());
    for round in 0..50 {
        send_apart(&mut world, [at(2 * round, 10, LOW), at(2 * round + 1, 10, HIGH)]);
        world.run_for(COLLECTION_WAIT);
        let request = world.request();
        let sent = world.requests[&request].clone();
        let answers = sent.iter().map(|entry| {
            if entry.explicit_hash_key == at_percent(LOW) {
                refused("ProvisionedThroughputExceededException")
            } else {
                world.store_entry(entry)
            }
        });
        let answers = answers.collect();
        world.answer(request, answered(answers));
        let delivered = world.delivered(2 * round + 1);
        assert_eq!(delivered.attempts.total(), 1);
        assert!(world.outcome(2 * round).is_none());
    }
    world.heal();
    world.assert_at_rest();
}

#[test]
fn shards_that_may_leave_at_the_same_time_take_turns() {
    let config = Config {
        max_connections: 1,
        collection_max_count: 10,
        aggregation_max_count: 1,
        ..Config::default()
    };
    let mut world = World::ready(2, config);
    world.send((0..10).map(|n| record(n, 10)));
    world.send((10..510).map(|n| at(n, 10, LOW)));
    world.send((510..1_010).map(|n| at(n, 10, HIGH)));
    for _ in 0..5 {
        world.stored();
        let sent = &world.requests[&world.request()];
        let low = sent.iter().filter(|entry| entry.explicit_hash_key == at_percent(LOW));
        assert_eq!((low.count(), sent.len()), (5, 10));
    }
}

#[test]
fn a_pipeline_that_may_not_send_does_not_spin() {
    let config = Config {
        max_connections: 1,
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    send_apart(&mut world, (0..600).map(|n| record(n, 10)));
    world.run_for(Duration::from_secs(60));
    assert_eq!(entries_per_request(&world), [500]);
    assert_eq!(world.pipeline.poll_timeout(), None);
}

#[test]
fn the_longest_durations_are_as_good_as_any() {
    let config = Config {
        record_max_buffered_time: Duration::from_secs(1 << 60),
        record_ttl: Some(Duration::MAX),
        shard_map_refresh_interval: Duration::MAX,
        stream_not_found_grace: Duration::MAX,
        rate_limit_percent: u32::MAX,
        aggregation_max_count: usize::MAX,
        ..Config::default()
    };
    assert_eq!(crate::config::Rules::new(&config, None).broken(), []);
    let mut world = World::new(2, config);
    world.send((0..100).map(|n| record(n, 1_000)));
    world.heal();
    world.assert_at_rest();
}
