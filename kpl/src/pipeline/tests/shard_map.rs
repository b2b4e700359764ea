//! When the shard map is fetched, and what becomes of the records that wait for it if that fails.

use std::time::Duration;

use super::stream::at_percent;
use super::world::{World, failure, record};
use crate::config::Config;
use crate::error::PutErrorKind;
use crate::pipeline::Input;
use crate::routing::summary::{Resharding, StreamSummary};
use service::{CallError, Effect};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_map_is_not_refreshed_more_often_than_its_interval_while_all_is_well() {
    let config = Config {
        shard_map_refresh_interval: Duration::from_secs(100),
        ..Config::default()
    };
    let mut world = World::ready(2, config);
    for n in 0..100 {
        world.send([record(n, 10)]);
        world.run_for(Duration::from_secs(10));
        world.heal();
    }
    assert!((7..=12).contains(&world.fetches), "{} in 1,000 s", world.fetches);
}

/// A change of many shards goes step by step.
#[test]
fn the_map_is_refreshed_more_often_for_a_minute_after_the_shards_have_changed() {
    let mut world = World::ready(2, Config::default());
    world.leap(Duration::from_millis(1));
    world.stream.split(at_percent(25));
    world.fetch_again();
    assert_eq!(fetches_in_a_minute(&mut world), 11, "every 5 s");
    assert_eq!(fetches_in_a_minute(&mut world), 0, "it is over");
}

#[test]
fn map_and_description_are_refreshed_more_often_while_the_stream_is_updating() {
    let mut world = World::ready(2, Config::default());
    let updating = StreamSummary {
        resharding: Resharding::UnderWay,
        ..StreamSummary::default()
    };
    world.describe_as(Ok(updating));
    let questions = world.questions;
    assert_eq!(fetches_in_a_minute(&mut world), 11);
    assert_eq!(world.questions, questions + 1, "it is active by then");
}

/// How often the shards are listed while a record comes each second.
fn fetches_in_a_minute(world: &mut World) -> usize {
    let before = world.fetches;
    for n in 0..60 {
        world.run_for(Duration::from_secs(1));
        world.send([record(n, 10)]);
        world.heal();
    }
    world.fetches - before
}

#[test]
fn a_shard_map_that_may_not_be_read_fails_what_waits_for_it_at_once() {
    let mut world = World::new(1, Config::default());
    world.send([record(0, 10), record(1, 10)]);
    world.fetch_failed("AccessDeniedException");
    assert!(matches!(world.error(0).kind(), PutErrorKind::AccessDenied { .. }));
    assert_eq!(world.elapsed(), Duration::ZERO);
    world.assert_at_rest();
}

#[test]
fn the_next_record_asks_for_the_map_again_after_a_fetch_that_failed_for_good() {
    let mut world = World::new(1, Config::default());
    world.send([record(0, 10)]);
    world.fetch_failed("AccessDeniedException");
    world.send([record(1, 10)]);
    world.run_for(SECOND);
    world.heal();
    assert!(world.outcome(1).unwrap().is_ok());
}

/// The map in force still serves; asking again at each record would use up the stream's quota of `ListShards`.
#[test]
fn an_old_map_that_may_not_be_read_anew_is_not_asked_for_at_each_record() {
    let mut world = World::ready(1, Config::default());
    world.leap(Duration::from_secs(600));
    for n in 0..1_000 {
        world.send([record(n, 10)]);
        if world.fetch.is_some() {
            world.fetch_failed("AccessDeniedException");
        }
        world.run_for(Duration::from_millis(10));
    }
    assert!(world.fetches <= 100, "{} fetches in 10 s", world.fetches);
    world.heal();
    world.assert_at_rest();
}

#[test]
fn an_old_map_that_a_proxy_withholds_is_asked_for_less_and_less() {
    let mut world = World::ready(1, Config::default());
    world.leap(Duration::from_secs(600));
    let mut fetches = [0; 5];
    for minute in &mut fetches {
        let before = world.fetches;
        for n in 0..600 {
            world.send([record(n, 10)]);
            if world.fetch.is_some() {
                world.fetch_failed("MissingAuthenticationToken");
            }
            world.run_for(Duration::from_millis(100));
            while !world.requests.is_empty() {
                world.stored();
            }
        }
        *minute = world.fetches - before;
    }
    assert!(fetches.iter().skip(1).all(|fetches| *fetches <= 10), "{fetches:?}");
    world.heal();
    world.assert_at_rest();
}

/// Nothing waits for it, and the next record asks again.
#[test]
fn a_refresh_that_fails_is_not_tried_again_while_no_record_comes() {
    let mut world = World::ready(1, Config::default());
    world.leap(Duration::from_secs(600));
    world.send([record(0, 10)]);
    world.fetch_failed("InternalFailure");
    world.run_for(20 * MILLISECOND);
    world.stored();
    let fetches = world.fetches;
    world.run_for(60 * SECOND);
    assert_eq!((world.fetches, world.pipeline.poll_timeout()), (fetches, None));
    world.send([record(1, 10)]);
    assert_eq!(world.fetches, fetches + 1);
    world.heal();
    world.assert_at_rest();
}

#[test]
fn what_begins_to_wait_for_the_map_cuts_a_pause_short() {
    let mut world = World::ready(1, Config::default());
    for n in 0..12 {
        world.leap(Duration::from_secs(600));
        world.send([record(n, 10)]);
        world.fetch_failed("InternalFailure");
        world.run_for(20 * MILLISECOND);
        world.stored();
    }
    world.stream.split(at_percent(50));
    world.send([10, 90].map(|percent| record(percent.into(), 10).with_explicit_hash_key(at_percent(percent))));
    world.run_for(20 * MILLISECOND);
    assert!(world.fetch.is_none(), "the pause after so many failures is long");
    world.stored();
    assert_eq!(world.open(), 2, "stored on a shard that nobody knows");
    world.run_for(3 * SECOND);
    assert!(world.fetch.is_some());
    world.heal();
    world.assert_at_rest();
}

/// A long delay between the attempts of records is no reason to keep the next caller from its error.
#[test]
fn a_stream_that_may_not_be_read_is_asked_for_again_soon_whatever_the_delay_of_records() {
    let config = Config {
        retry_delays: (600 * SECOND, 600 * SECOND),
        ..Config::default()
    };
    let mut world = World::new(1, config);
    for n in 0..5 {
        world.send([record(n, 10)]);
        world.run_for(SECOND);
        world.fetch_failed("AccessDeniedException");
        assert!(matches!(world.error(n).kind(), PutErrorKind::AccessDenied { .. }));
    }
}

#[test]
fn a_fetch_of_the_shard_map_is_tried_again_soon_however_long_a_record_may_wait_for_its_next_attempt() {
    let config = Config {
        retry_delays: (600 * SECOND, 600 * SECOND),
        ..Config::default()
    };
    let mut world = World::new(1, config);
    world.send([record(0, 10)]);
    for failures in 1..=20 {
        world.fetch_failed("InternalFailure");
        let pause = world.next_wake_up().unwrap() - world.now;
        assert!(pause <= 2 * SECOND, "{pause:?} after {failures}");
        world.run_for(pause);
        assert!(world.fetch.is_some());
    }
}

#[test]
fn a_fetch_that_names_no_open_shard_is_tried_again() {
    let mut world = World::new(1, Config::default());
    world.send([record(0, 10)]);
    world.fetch.as_mut().unwrap().shards = Some(Vec::new());
    world.fetched();
    assert_eq!(world.open(), 1);
    world.heal();
    assert!(world.outcome(0).unwrap().is_ok());
}

#[test]
fn a_failing_refresh_switches_neither_aggregation_nor_the_limiter_off() {
    let config = Config {
        rate_limit_percent: 10,
        ..Config::default()
    };
    let mut world = World::ready(2, config);
    world.leap(Duration::from_secs(600));
    world.send([record(0, 10)]);
    world.fetch_failed("InternalFailure");
    for round in 0..300 {
        let low = (0..10).map(|n| record(10 + round * 10 + n, 10).with_explicit_hash_key(at_percent(10)));
        world.send(low);
        if world.fetch.is_some() {
            world.fetch_failed("InternalFailure");
        }
    }
    world.run_for(Duration::from_millis(500));
    let sent: Vec<_> = world.requests.values().flatten().collect();
    assert!(sent.len() <= 153, "{} at a rate of 100 per second", sent.len());
    assert!(sent.iter().filter(|entry| entry.user_records == 10).count() > 90);
}

/// However the fetch ended, no record left with it.
#[test]
fn a_fetch_whose_answer_was_lost_has_stored_nothing_and_the_error_tells_of_it() {
    let mut world = World::new(1, Config::default());
    world.send([record(0, 10)]);
    world.fetch.take().unwrap();
    let lost = CallError {
        effect: Effect::Possible,
        ..failure("Connection")
    };
    world.pipeline.handle(Input::Shards(Err(lost)), world.now);
    world.work();
    world.give_up();
    let error = world.error(0);
    assert!(!error.may_have_been_stored());
    let text = error.to_string();
    assert!(
        text.ends_with("(attempt 1 failed with Connection: as the script says)"),
        "{text}"
    );
}

#[test]
fn a_fetch_of_the_shard_map_that_fails_is_an_attempt_of_the_records_that_wait_for_it() {
    let mut world = World::new(1, Config::default());
    world.send([record(0, 10)]);
    for _ in 0..2 {
        world.fetch_failed("InternalFailure");
        world.run_for(SECOND);
    }
    assert!(world.fetch.is_some(), "a third fetch is under way");
    world.give_up();
    let attempts = world.error(0).attempts();
    let codes: Vec<_> = attempts
        .newest()
        .iter()
        .map(|attempt| &*attempt.failure.as_ref().unwrap().code)
        .collect();
    assert_eq!(codes, ["InternalFailure", "InternalFailure", "Abandoned"]);
    assert!(!world.error(0).may_have_been_stored());
}
