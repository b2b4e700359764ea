//! What the service refuses: once, for a while, or for good.

use std::time::Duration;

use super::stream::at_percent;
use super::world::{REQUEST_ID, World, answered, failure, record, refused};
use crate::config::{Config, OnThrottling};
use crate::error::PutErrorKind;
use crate::pipeline::{Answer, CallFailure, Input};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn with_request_under_way(records: usize, config: Config) -> World {
    let mut world = World::ready(1, config);
    world.leap(Duration::from_millis(1));
    for n in 0..records {
        world.send([record(n, 10)]);
    }
    world.run_for(Duration::from_millis(20));
    assert_eq!(world.requests.len(), 1);
    world
}

fn fail_request(world: &mut World, code: &str) {
    let request = world.request();
    world.answer(request, Answer::Failed(failure(code)));
}

#[test]
fn a_failed_entry_is_sent_again_and_its_neighbours_are_not() {
    let mut world = with_request_under_way(3, Config::default());
    let request = world.request();
    let mut entries = world.store(request);
    entries[1] = refused("InternalFailure");
    world.answer(request, answered(entries));
    assert_eq!(world.open(), 1);
    world.heal();
    let attempts = [0, 1, 2].map(|n| world.delivered(n).attempts.total());
    assert_eq!(attempts, [1, 2, 1]);
}

#[test]
fn each_attempt_has_the_id_of_its_request_whether_it_failed_or_not() {
    let mut world = with_request_under_way(2, Config::default());
    let request = world.request();
    let entries = [world.store(request).swap_remove(0), refused("InternalFailure")];
    world.answer(request, answered(entries.into()));
    world.heal();
    for n in [0, 1] {
        let attempts = &world.delivered(n).attempts;
        let ids = attempts.newest().iter().map(|attempt| attempt.request_id.as_deref());
        assert!(ids.eq(vec![Some(REQUEST_ID); n + 1]), "{attempts:?}");
    }
}

#[test]
fn the_wait_before_the_next_attempt_is_what_was_configured() {
    let config = Config {
        retry_delays: (60 * SECOND, 60 * SECOND),
        ..Config::default()
    };
    let mut world = with_request_under_way(20, config);
    fail_request(&mut world, "InternalFailure");
    let failed = world.now;
    world.heal();
    let waited = world.now - failed;
    assert!(waited > 3 * SECOND && waited <= 61 * SECOND, "{waited:?}");
    world.assert_at_rest();
}

#[test]
fn transient_failures_are_retried_for_as_long_as_they_last() {
    for code in [
        "InternalFailure",
        "Connection",
        "ExpiredTokenException",
        "ExpiredToken",
        "SomethingNew",
        "",
    ] {
        let mut world = with_request_under_way(1, Config::default());
        for _ in 0..100 {
            fail_request(&mut world, code);
            world.run_for(3 * SECOND);
        }
        world.heal();
        assert_eq!(world.delivered(0).attempts.total(), 101, "{code}");
        world.assert_at_rest();
    }
}

#[test]
fn denied_access_fails_at_once_with_its_code() {
    let mut world = with_request_under_way(2, Config::default());
    fail_request(&mut world, "KMSAccessDeniedException");
    let kind = PutErrorKind::AccessDenied {
        code: "KMSAccessDeniedException".into(),
    };
    assert_eq!((world.error(0).kind(), world.error(1).kind()), (&kind, &kind));
    assert!(world.elapsed() < SECOND);
    world.assert_at_rest();
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

#[test]
fn a_wrong_number_of_results_fails_all_entries_as_maybe_stored_with_the_attempt() {
    let mut world = with_request_under_way(2, Config::default());
    let request = world.request();
    let mut entries = world.store(request);
    entries.pop();
    world.answer(request, answered(entries));
    for n in [0, 1] {
        let kind = PutErrorKind::RecordCountMismatch { sent: 2, answered: 1 };
        assert_eq!(world.error(n).kind(), &kind);
        assert!(world.error(n).may_have_been_stored());
        assert_eq!(world.error(n).attempts().total(), 1);
    }
    world.assert_at_rest();
}

#[test]
fn an_entry_that_makes_the_service_refuse_its_request_fails_alone() {
    let mut world = with_request_under_way(5, Config::default());
    let poison = world.requests[&world.request()][3].data.clone();
    for _ in 0..9 {
        let Some(request) = world.requests.keys().next().copied() else {
            break;
        };
        if world.requests[&request].iter().any(|entry| entry.data == poison) {
            world.answer(request, Answer::Failed(failure("ValidationException")));
        } else {
            let entries = world.store(request);
            world.answer(request, answered(entries));
        }
    }
    let failed: Vec<usize> = (0..5).filter(|n| matches!(world.outcome(*n), Some(Err(_)))).collect();
    assert_eq!(failed.len(), 1);
    let PutErrorKind::Rejected { code, message } = world.error(failed[0]).kind() else {
        panic!("{:?}", world.error(failed[0]));
    };
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("ValidationException", "as the script says")
    );
    world.assert_at_rest();
}

#[test]
fn an_answer_that_comes_after_the_end_is_ignored() {
    let mut world = with_request_under_way(1, Config::default());
    let request = world.request();
    let entries = world.store(request);
    assert_eq!(world.give_up().len(), 1);
    world.answer(request, answered(entries));
    assert!(world.error(0).may_have_been_stored());
    world.assert_at_rest();
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

/// Of so many random delays some are the same to the nanosecond.
#[test]
fn retries_that_fall_due_at_the_same_instant_are_all_made() {
    let config = Config {
        rate_limit_percent: u32::MAX,
        max_connections: 100,
        max_requests_per_shard: 100,
        aggregation_max_count: 1,
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    world.send((0..15_000).map(|n| record(n, 6)));
    assert_eq!(world.requests.len(), 30);
    while !world.requests.is_empty() {
        let request = world.request();
        world.requests.remove(&request);
        let (answer, ended) = (
            Answer::Failed(failure("InternalFailure")),
            std::time::SystemTime::UNIX_EPOCH,
        );
        let input = Input::Answer { request, answer, ended };
        world.pipeline.handle(input, world.now);
    }
    assert_eq!(world.pipeline.retries.len(), 15_000);
}

#[test]
fn a_throttled_record_is_given_back_only_where_the_caller_wants_that_and_its_shard_is_over_the_limit() {
    for (code, given_back) in [
        ("ProvisionedThroughputExceededException", true),
        ("KMSThrottlingException", false),
        ("InternalFailure", false),
    ] {
        for on_throttling in [OnThrottling::Fail, OnThrottling::Retry] {
            let mut world = with_request_under_way(
                2,
                Config {
                    on_throttling,
                    ..Config::default()
                },
            );
            let request = world.request();
            let first = world.requests[&request][0].clone();
            let entries = vec![world.store_entry(&first), refused(code)];
            world.answer(request, answered(entries));
            let failed = matches!(world.outcome(1), Some(Err(_)));
            assert_eq!(failed, given_back && on_throttling == OnThrottling::Fail, "{code}");
            if failed {
                assert_eq!(world.error(1).kind(), &PutErrorKind::Throttled { code: code.into() });
            }
            world.heal();
            world.assert_at_rest();
        }
    }
}

#[test]
fn a_request_that_is_throttled_as_a_whole_pauses_all_sending() {
    let mut world = with_request_under_way(1, Config::default());
    for _ in 0..10 {
        fail_request(&mut world, "LimitExceededException");
        world.send([record(1, 10)]);
        while world.requests.is_empty() {
            assert!(world.pipeline.poll_timeout().is_some());
            world.run_to_next_wake_up();
        }
    }
    assert!(world.elapsed() > 3 * SECOND, "{:?}", world.elapsed());
    world.heal();
    world.assert_at_rest();
}

/// No stream takes less than 1 MiB, so only a larger aggregate can be too large for one.
#[test]
fn an_aggregate_that_is_too_large_for_its_stream_is_sent_in_halves() {
    const MIB: usize = 1024 * 1024;
    let config = Config {
        aggregation_max_size: 4 * MIB,
        max_user_record_size: Some(10 * MIB),
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    world.send((0..30).map(|n| record(n, 100_000)));
    world.run_for(Duration::from_millis(20));
    for _ in 0..20 {
        let Some(request) = world.requests.keys().next().copied() else {
            break;
        };
        if world.requests[&request].iter().any(|entry| entry.data.len() > MIB) {
            world.answer(request, Answer::Failed(failure("ValidationException")));
        } else {
            world.stored();
        }
    }
    assert_eq!(world.stream.stored_count(), 4);
    assert!((0..30).all(|n| world.outcome(n).unwrap().is_ok()));
    world.assert_at_rest();
}

/// However the fetch ended, no record left with it.
#[test]
fn a_fetch_whose_answer_was_lost_has_stored_nothing_and_the_error_tells_of_it() {
    let mut world = World::new(1, Config::default());
    world.send([record(0, 10)]);
    world.fetch.take().unwrap();
    let lost = CallFailure {
        may_have_been_applied: true,
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
