//! A stream that is not there: its records wait for it as long as the grace lasts, and no longer.

use std::time::Duration;

use super::request_under_way::{fail_request, with_request_under_way};
use super::world::{World, record};
use crate::config::Config;
use crate::error::PutErrorKind;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_unknown_stream_is_waited_for_within_the_grace() {
    let config = Config {
        stream_not_found_grace: 10 * SECOND,
        ..Config::default()
    };
    let mut world = World::new(1, config);
    world.send([record(0, 10)]);
    while world.elapsed() < 9 * SECOND {
        world.fetch_failed("ResourceNotFoundException");
        world.run_to_next_wake_up();
    }
    assert_eq!(world.open(), 1);
    world.fetched();
    world.heal();
    assert!(world.outcome(0).unwrap().is_ok());
}

#[test]
fn an_unknown_stream_fails_its_records_when_the_grace_is_over() {
    let config = Config {
        stream_not_found_grace: 10 * SECOND,
        ..Config::default()
    };
    let mut world = World::new(1, config);
    world.send([record(0, 10)]);
    while world.open() > 0 {
        world.fetch_failed("ResourceNotFoundException");
        if world.open() > 0 {
            world.run_to_next_wake_up();
        }
    }
    assert_eq!(world.error(0).kind(), &PutErrorKind::StreamNotFound);
    assert!(world.elapsed() >= 10 * SECOND && world.elapsed() < 13 * SECOND);
    world.assert_at_rest();
}

#[test]
fn a_stream_that_was_deleted_under_way_fails_its_records_when_the_grace_is_over() {
    let config = Config {
        stream_not_found_grace: 10 * SECOND,
        ..Config::default()
    };
    let mut world = with_request_under_way(1, config);
    let begin = world.now;
    while world.open() > 0 {
        fail_request(&mut world, "ResourceNotFoundException");
        world.run_for(3 * SECOND);
    }
    assert_eq!(world.error(0).kind(), &PutErrorKind::StreamNotFound);
    assert!(world.now - begin >= 10 * SECOND && world.now - begin < 17 * SECOND);
    world.assert_at_rest();
}

/// Records and map see the same stream: the end of the grace for one is the end for the other.
#[test]
fn a_fetch_that_ends_the_grace_does_not_begin_another() {
    let config = Config {
        stream_not_found_grace: 10 * SECOND,
        ..Config::default()
    };
    let mut world = with_request_under_way(1, config);
    fail_request(&mut world, "ResourceNotFoundException");
    world.run_for(10 * SECOND);
    world.fetch_failed("ResourceNotFoundException");
    fail_request(&mut world, "ResourceNotFoundException");
    assert_eq!(world.error(0).kind(), &PutErrorKind::StreamNotFound);
}

#[test]
fn a_stream_that_was_deleted_gets_the_whole_grace_again_after_it_was_back() {
    let config = Config {
        stream_not_found_grace: 10 * SECOND,
        ..Config::default()
    };
    let mut world = with_request_under_way(1, config);
    fail_request(&mut world, "ResourceNotFoundException");
    world.run_for(9 * SECOND);
    world.stored();
    world.send([record(1, 10)]);
    world.run_for(3 * SECOND);
    fail_request(&mut world, "ResourceNotFoundException");
    assert_eq!(world.open(), 1);
}
