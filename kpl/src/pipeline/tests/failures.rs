//! Requests and records that the service refuses: once, for a while, or for good.

use std::time::Duration;

use super::request_under_way::{fail_request, with_request_under_way};
use super::world::{REQUEST_ID, World, answered, failure, record, refused};
use crate::config::{Config, OnThrottling};
use crate::error::PutErrorKind;
use crate::limits::REFUSAL_GRACE;
use crate::pipeline::{Answer, Input};

const SECOND: Duration = Duration::from_secs(1);

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
        "KMSDisabledException",
        "KMSAccessDeniedException",
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
    fail_request(&mut world, "AccessDeniedException");
    let kind = PutErrorKind::AccessDenied {
        code: "AccessDeniedException".into(),
    };
    assert_eq!((world.error(0).kind(), world.error(1).kind()), (&kind, &kind));
    assert!(world.elapsed() < SECOND);
    world.assert_at_rest();
}

#[test]
fn a_record_that_keeps_being_refused_is_returned_within_the_grace_though_others_are_stored() {
    let mut world = with_request_under_way(1, Config::default());
    let refused_record = world.requests[&world.request()][0].clone();
    let begin = world.now;
    for n in 1..100 {
        let Some(request) = world.requests.keys().next().copied() else {
            break;
        };
        let entries = world.requests[&request].clone();
        let entries = entries.iter().map(|entry| match entry.data == refused_record.data {
            true => refused("MissingAuthenticationToken"),
            false => world.store_entry(entry),
        });
        let entries = entries.collect();
        world.answer(request, answered(entries));
        if world.outcome(0).is_some() {
            break;
        }
        world.send([record(n, 10)]);
        world.run_for(3 * SECOND);
    }
    let code = "MissingAuthenticationToken".to_owned();
    assert_eq!(world.error(0).kind(), &PutErrorKind::Intercepted { code });
    let took = world.now - begin;
    assert!(took >= REFUSAL_GRACE && took < REFUSAL_GRACE + 8 * SECOND, "{took:?}");
    world.heal();
    world.assert_at_rest();
}

#[test]
fn refusals_far_apart_do_not_return_a_record_that_the_service_throttled_in_between() {
    let mut world = with_request_under_way(1, Config::default());
    let begin = world.now;
    for code in std::iter::once("MissingAuthenticationToken").chain(std::iter::repeat("InternalFailure")) {
        world.answer(world.request(), answered(vec![refused(code)]));
        while world.requests.is_empty() {
            world.run_to_next_wake_up();
        }
        if world.now > begin + REFUSAL_GRACE {
            break;
        }
    }
    world.answer(world.request(), answered(vec![refused("MissingAuthenticationToken")]));
    assert_eq!(world.open(), 1);
    world.heal();
    world.assert_at_rest();
}

#[test]
fn an_aggregate_that_is_far_too_large_for_a_proxy_is_refused_a_few_times_only() {
    let config = Config {
        aggregation_max_size: 1_000_000,
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    world.send((0..3_200).map(|n| record(n, 1_000)));
    let mut refusals = 0;
    while world.open() > 0 {
        let Some(request) = world.requests.keys().next().copied() else {
            world.run_to_next_wake_up();
            continue;
        };
        let bytes: usize = world.requests[&request].iter().map(|entry| entry.data.len()).sum();
        if bytes > 48 * 1024 {
            refusals += 1;
            world.answer(request, Answer::Failed(failure("RequestEntityTooLarge")));
        } else {
            world.stored();
        }
    }
    assert!((0..3_200).all(|n| world.outcome(n).unwrap().is_ok()));
    assert!(refusals <= 30, "{refusals}");
    world.assert_at_rest();
}

/// Each aggregate is of a single record, so that nothing but requests can be cut.
#[test]
fn requests_that_wait_behind_one_that_is_too_large_are_cut_before_they_leave() {
    let config = Config {
        aggregation_max_count: 1,
        max_connections: 2,
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    world.send((0..1_600).map(|n| record(n, 1_000)));
    let mut refusals = 0;
    for _ in 0..10_000 {
        let Some(request) = world.requests.keys().next().copied() else {
            if world.open() == 0 {
                break;
            }
            world.run_to_next_wake_up();
            continue;
        };
        if world.requests[&request].len() > 60 {
            refusals += 1;
            world.answer(request, Answer::Failed(failure("RequestEntityTooLarge")));
        } else {
            world.stored();
        }
    }
    assert!((0..1_600).all(|n| world.outcome(n).unwrap().is_ok()));
    assert!(
        refusals <= 4 * 2,
        "{refusals}: of 500, 250, 125 and 62 entries, two in flight each"
    );
    world.assert_at_rest();
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
        let answer = Answer::Failed(failure("InternalFailure"));
        let input = Input::Answer { request, answer };
        world.pipeline.handle(input, world.now);
    }
    assert_eq!(world.pipeline.stages.retries.len(), 15_000);
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

/// Several at a time are in flight when the account, the KMS key or a proxy refuses them all.
#[test]
fn requests_in_flight_that_fail_together_are_one_failure_for_the_pause() {
    for code in [
        "LimitExceededException",
        "KMSDisabledException",
        "MissingAuthenticationToken",
    ] {
        let config = Config {
            aggregation_max_size: 20_000,
            collection_max_count: 1,
            ..Config::default()
        };
        let mut world = World::ready(30, config);
        world.send((0..1_000).map(|n| record(n, 1_000)));
        world.run_for(Duration::from_millis(60));
        assert_eq!(world.requests.len(), 24);
        let in_flight: Vec<_> = world.requests.keys().copied().collect();
        for request in in_flight {
            world.now += Duration::from_millis(1);
            world.answer(request, Answer::Failed(failure(code)));
        }
        let failed = world.now;
        while world.requests.is_empty() {
            world.run_to_next_wake_up();
        }
        let paused = world.now - failed;
        assert!(paused <= Duration::from_millis(50), "{paused:?} {code}");
        world.heal();
        world.assert_at_rest();
    }
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

#[test]
fn the_wait_doubles_from_50_ms_to_2_s_and_is_jittered_in_full() {
    let mut world = World::ready(1, Config::default());
    for failures in [1, 2, 6, 1_000] {
        let limit = Duration::from_millis(50)
            .saturating_mul(1 << (failures - 1).min(6))
            .min(Duration::from_secs(2));
        let waits: Vec<Duration> = (0..200)
            .map(|_| world.pipeline.stages.retries.delay_after(failures))
            .collect();
        assert!(waits.iter().all(|wait| *wait <= limit));
        assert!(waits.iter().any(|wait| *wait < limit / 4) && waits.iter().any(|wait| *wait > limit * 3 / 4));
    }
}
