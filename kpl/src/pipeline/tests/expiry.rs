//! Records that are given back because their time is over: these, no others, and not one of them is sent after it.

use std::time::Duration;

use super::stream::at_percent;
use super::world::{World, answered, failure, record, refused};
use crate::config::Config;
use crate::config::ordering::Ordering;
use crate::error::PutErrorKind;
use crate::pipeline::Answer;
use service::{CallError, Effect};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const TTL: Duration = Duration::from_secs(1);
const THROTTLED: &str = "ProvisionedThroughputExceededException";

fn config() -> Config {
    Config {
        record_ttl: Some(TTL),
        ..Config::default()
    }
}

fn is_expired(world: &World, n: usize) -> bool {
    matches!(world.outcome(n), Some(Err(error)) if error.kind() == &PutErrorKind::Expired)
}

#[test]
fn a_record_that_waits_for_the_shard_map_expires_in_time() {
    let mut world = World::new(1, config());
    world.send([record(0, 10)]);
    world.run_for(TTL);
    assert_eq!(world.open(), 1);
    world.run_for(25 * MILLISECOND);
    assert!(is_expired(&world, 0));
    assert!(!world.error(0).may_have_been_stored());
    world.assert_at_rest();
}

#[test]
fn of_an_aggregate_exactly_the_expired_members_are_given_back_and_the_rest_is_sent() {
    let patient = Config {
        record_max_buffered_time: 900 * MILLISECOND,
        ..config()
    };
    let mut world = World::ready(1, patient);
    let put = world.elapsed();
    world.put(record(0, 10));
    world.put(record(1, 10).with_explicit_hash_key(at_percent(3)));
    world.leap(600 * MILLISECOND);
    world.put(record(2, 10));
    world.put(record(3, 10).with_explicit_hash_key(at_percent(4)));
    world.seal();
    while world.requests.is_empty() {
        world.run_to_next_wake_up();
    }
    assert_eq!(world.requests[&world.request()].len(), 1);
    world.leap(put + TTL + MILLISECOND - world.elapsed());
    world.answer(world.request(), Answer::Failed(failure("InternalFailure")));
    assert!(is_expired(&world, 0) && is_expired(&world, 1));
    assert_eq!(world.error(1).attempts().total(), 1);
    assert!(world.outcome(2).is_none() && world.outcome(3).is_none());
    while world.requests.is_empty() {
        world.run_to_next_wake_up();
    }
    let request = world.request();
    let entries = world.store(request);
    world.answer(request, answered(entries));
    assert_eq!(world.delivered(3).sub_sequence_number, 1);
    world.assert_at_rest();
}

/// Those at the head of its queue are about to expire then. What expires must not use up the rate.
#[test]
fn a_shard_that_is_given_more_than_it_takes_goes_on_at_its_rate() {
    let config = Config {
        aggregation_max_count: 1,
        rate_limit_percent: 10,
        ..config()
    };
    let mut world = World::ready(1, config);
    let (mut stored, mut numbers) = (Vec::new(), 0..);
    for _ in 0..6 {
        let before = world.stream.stored_count();
        for _ in 0..50 {
            world.send(numbers.by_ref().take(4).map(|n| record(n, 10)));
            world.run_for(20 * MILLISECOND);
            while !world.requests.is_empty() {
                world.stored();
            }
        }
        stored.push(world.stream.stored_count() - before);
    }
    assert!(
        stored.iter().skip(1).all(|count| *count >= 95),
        "in each second: {stored:?}"
    );
}

/// The KPL looks at the time in two places only; here nothing leaves late, however it waited.
#[test]
fn nothing_is_sent_after_its_time() {
    for waits in ["for its turn", "for company", "for its next attempt"] {
        let mut world = World::ready(
            1,
            Config {
                aggregation_max_count: 1,
                max_connections: 1,
                ..config()
            },
        );
        match waits {
            "for its turn" => {
                world.send((0..501).map(|n| record(n, 10)));
                assert_eq!(world.requests.len(), 1);
            }
            "for company" => world.send([record(0, 10)]),
            _ => {
                world.send([record(0, 10)]);
                world.run_for(20 * MILLISECOND);
                world.answer(world.request(), answered(vec![refused(THROTTLED)]));
            }
        }
        world.leap(TTL + 10 * MILLISECOND);
        while !world.requests.is_empty() {
            let request = world.request();
            assert!(
                waits == "for its turn" && world.requests[&request].len() == 500,
                "{waits}"
            );
            let entries = world.store(request);
            world.answer(request, answered(entries));
        }
        world.run_for(SECOND);
        assert!(
            is_expired(&world, if waits == "for its turn" { 500 } else { 0 }),
            "{waits}"
        );
        world.assert_at_rest();
    }
}

#[test]
fn a_record_that_expires_under_way_is_delivered_if_the_service_stored_it() {
    let mut world = World::ready(1, config());
    world.send([record(0, 10)]);
    world.run_for(20 * MILLISECOND);
    world.leap(5 * TTL);
    world.stored();
    assert!(world.outcome(0).unwrap().is_ok());
}

#[test]
fn a_record_that_expires_after_a_lost_answer_may_have_been_stored() {
    let mut world = World::ready(1, config());
    world.send([record(0, 10)]);
    world.run_for(20 * MILLISECOND);
    world.leap(5 * TTL);
    let lost = CallError {
        effect: Effect::Possible,
        ..failure("Timeout")
    };
    world.answer(world.request(), Answer::Failed(lost));
    assert!(is_expired(&world, 0));
    assert!(world.error(0).may_have_been_stored());
    assert_eq!(world.error(0).attempts().total(), 1);
    world.assert_at_rest();
}

#[test]
fn of_records_that_wait_in_the_limiter_exactly_the_expired_ones_go_back() {
    let config = Config {
        rate_limit_percent: 1,
        aggregation_max_count: 1,
        record_ttl: Some(10 * SECOND),
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    world.send((0..1_000).map(|n| record(n, 10)));
    for tenth in 0..200 {
        while !world.requests.is_empty() {
            world.stored();
        }
        if tenth == 50 {
            world.send((1_000..1_010).map(|n| record(n, 10)));
        }
        world.run_for(SECOND / 10);
    }
    let delivered = (0..1_000).filter(|n| world.outcome(*n).unwrap().is_ok()).count();
    assert!((105..=115).contains(&delivered), "{delivered} in 10 s at 10 a second");
    assert!((0..1_000).skip(delivered).all(|n| is_expired(&world, n)));
    assert!((1_000..1_010).all(|n| world.outcome(n).unwrap().is_ok()));
    world.assert_at_rest();
}

#[test]
fn what_is_sent_again_expires_in_time_though_others_expired_while_it_was_under_way() {
    let config = Config {
        rate_limit_percent: 1,
        aggregation_max_count: 1,
        ..config()
    };
    let large = |n, percent| record(n, 50_000).with_explicit_hash_key(at_percent(percent));
    let mut world = World::ready(2, config);
    world.send([large(0, 10), large(1, 10)]);
    world.run_for(TTL / 2);
    world.send([large(2, 90)]);
    world.run_for(TTL / 2 + 50 * MILLISECOND);
    assert!(is_expired(&world, 1), "it waited for its turn behind the first");
    let request = *world.requests.last_key_value().unwrap().0;
    world.answer(request, answered(vec![refused(THROTTLED)]));
    assert!(world.outcome(2).is_none());
    world.run_for(TTL / 2);
    assert!(is_expired(&world, 2), "its shard takes it later than that");
    world.stored();
    world.assert_at_rest();
}

#[test]
fn a_record_that_is_throttled_is_tried_until_it_expires() {
    let mut world = World::ready(
        1,
        Config {
            record_ttl: Some(10 * SECOND),
            ..config()
        },
    );
    let put = world.elapsed();
    world.send([record(0, 10)]);
    let mut attempts = Vec::new();
    while world.open() > 0 {
        world.run_to_next_wake_up();
        if !world.requests.is_empty() {
            attempts.push(world.elapsed() - put);
            world.answer(world.request(), answered(vec![refused(THROTTLED)]));
        }
    }
    assert!(is_expired(&world, 0));
    let last = attempts.last().unwrap();
    assert!(
        *last > 10 * SECOND - 50 * MILLISECOND,
        "the last of its attempts: {attempts:?}"
    );
    assert!(attempts.len() < 50, "{attempts:?}");
    world.assert_at_rest();
}

#[test]
fn what_is_behind_a_record_that_expired_does_not_wait_for_its_next_attempt() {
    let ordered = Config {
        ordering: Ordering::PerKey,
        retry_delays: (60 * SECOND, 60 * SECOND),
        ..config()
    };
    let mut world = World::ready(1, ordered);
    world.send([record(0, 10)]);
    world.run_for(50 * MILLISECOND);
    world.answer(world.request(), answered(vec![refused("InternalFailure")]));
    world.run_for(900 * MILLISECOND);
    world.send([record(1, 10)]);
    world.run_for(200 * MILLISECOND);
    assert!(is_expired(&world, 0));
    assert_eq!(world.requests.len(), 1, "the next one left");
    world.stored();
    assert_eq!(world.delivered(1).attempts.total(), 1);
    world.assert_at_rest();
}
