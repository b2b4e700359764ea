//! Proxies on the way to the service: what they refuse is made to pass as far as it can.

use std::time::Duration;

use super::world::{World, failure, record};
use crate::config::Config;
use crate::config::ordering::Ordering;
use crate::pipeline::Answer;

/// Answers requests through a proxy that takes so many bytes of data until nothing is outstanding; returns how many it
/// refused.
fn refused_as_too_large(world: &mut World, largest: usize) -> usize {
    let mut refusals = 0;
    for _ in 0..100_000 {
        if world.open() == 0 {
            break;
        }
        let Some(request) = world.requests.keys().next().copied() else {
            world.run_to_next_wake_up();
            continue;
        };
        let bytes: usize = world.requests[&request].iter().map(|entry| entry.data.len()).sum();
        if bytes > largest {
            refusals += 1;
            world.answer(request, Answer::Failed(failure("RequestEntityTooLarge")));
        } else {
            world.stored();
        }
    }
    refusals
}

#[test]
fn aggregates_that_are_queued_when_a_smaller_size_is_learnt_are_cut_before_they_leave() {
    for ordering in [Ordering::None, Ordering::PerKey] {
        let config = Config {
            aggregation_max_size: 200_000,
            max_connections: 1,
            ordering,
            ..Config::default()
        };
        let mut world = World::ready(1, config);
        world.send((0..8_000).map(|n| record(n, 1_000)));
        let refusals = refused_as_too_large(&mut world, 48 * 1024);
        assert!((0..8_000).all(|n| world.outcome(n).unwrap().is_ok()));
        assert!(refusals <= 5, "{refusals}: of 400, 200, 100 and 50 kB {ordering:?}");
        world.assert_read_in_order();
        world.assert_at_rest();
    }
}

#[test]
fn aggregates_in_requests_that_have_not_left_are_cut_when_a_smaller_size_is_learnt() {
    for ordering in [Ordering::None, Ordering::PerKey] {
        let config = Config {
            aggregation_max_size: 200_000,
            max_connections: 1,
            ordering,
            ..Config::default()
        };
        let mut world = World::ready(20, config);
        world.send((0..8_000).map(|n| record(n, 1_000)));
        let refusals = refused_as_too_large(&mut world, 48 * 1024);
        assert!((0..8_000).all(|n| world.outcome(n).unwrap().is_ok()));
        assert!(
            refusals <= 10,
            "{refusals}: from 5 MB down to 50 kB, one in flight, {ordering:?}"
        );
        world.assert_read_in_order();
        world.assert_at_rest();
    }
}

#[test]
fn a_record_that_is_alone_larger_than_the_size_that_passes_is_sent_alone() {
    let mut world = World::ready(1, Config::default());
    world.send((0..100).map(|n| record(n, 1_000)));
    refused_as_too_large(&mut world, 40 * 1024);
    world.send([record(100, 60_000)]);
    world.run_for(Duration::from_millis(60));
    assert_eq!(world.requests[&world.request()].len(), 1);
    world.heal();
    assert!((0..101).all(|n| world.outcome(n).unwrap().is_ok()));
    world.assert_at_rest();
}
