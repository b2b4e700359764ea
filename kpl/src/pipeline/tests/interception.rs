//! Requests that a proxy refuses without a code of the service: for the content of a record, or all of them.

use std::time::{Duration, Instant};

use service::{CallClass, CallError};

use super::stream::{at_percent, members};
use super::world::{World, answered, failure, record};
use crate::config::Config;
use crate::config::ordering::Ordering;
use crate::error::PutErrorKind;
use crate::limits::REFUSAL_GRACE;
use crate::pipeline::{Answer, RequestId};

const SECOND: Duration = Duration::from_secs(1);
const BOTH: [Ordering; 2] = [Ordering::None, Ordering::PerKey];

fn in_small_aggregates(ordering: Ordering) -> Config {
    Config {
        aggregation_max_size: 20_000,
        ordering,
        ..Config::default()
    }
}

fn intercepted() -> Answer {
    Answer::Failed(CallError {
        class: CallClass::Intercepted,
        ..failure("HTTP 403")
    })
}

/// Whether the proxy refuses the content of one of the records in a request.
fn is_offensive(world: &World, request: RequestId, offensive: &[usize]) -> bool {
    let mut inside = world.requests[&request].iter().flat_map(members);
    inside.any(|(_, data)| offensive.iter().any(|n| data.starts_with(format!("{n:06}").as_bytes())))
}

/// Answers requests, each a moment after it left, until nothing is outstanding; returns how many the proxy refused.
fn answer_all(world: &mut World, refuses: impl Fn(&World, RequestId) -> bool) -> usize {
    let mut refusals = 0;
    for _ in 0..100_000 {
        if world.open() == 0 {
            break;
        }
        let Some(request) = world.requests.keys().next().copied() else {
            world.run_to_next_wake_up();
            continue;
        };
        world.run_for(Duration::from_millis(5));
        if refuses(world, request) {
            refusals += 1;
            world.answer(request, intercepted());
        } else {
            world.stored();
        }
    }
    refusals
}

fn assert_returned_alone(world: &World, records: usize, offensive: &[usize]) {
    let returned: Vec<usize> = (0..records).filter(|n| world.outcome(*n).unwrap().is_err()).collect();
    assert_eq!(returned, offensive);
    for n in offensive {
        let code = "HTTP 403".to_owned();
        assert_eq!(world.error(*n).kind(), &PutErrorKind::Intercepted { code });
    }
    world.assert_read_in_order();
    world.assert_at_rest();
}

#[test]
fn a_record_that_a_proxy_refuses_for_its_content_is_returned_alone_and_all_others_are_delivered_soon() {
    for ordering in BOTH {
        let mut world = World::ready(3, in_small_aggregates(ordering));
        world.send((0..600).map(|n| record(n, 1_000)));
        let begin = world.now;
        let refuses = |world: &World, request| is_offensive(world, request, &[137]);
        let mut refusals = 0;
        while world.open() > 1 && world.now < begin + REFUSAL_GRACE {
            let Some(request) = world.requests.keys().next().copied() else {
                world.run_to_next_wake_up();
                continue;
            };
            match refuses(&world, request) {
                true => world.answer(request, intercepted()),
                false => world.stored(),
            }
            refusals += 1;
        }
        let took = world.now - begin;
        // In order, what is behind it on its shard waits with it.
        assert!(ordering == Ordering::PerKey || took < 5 * SECOND, "{took:?}");
        refusals += answer_all(&mut world, refuses);
        let took = world.now - begin;
        assert!(
            took >= REFUSAL_GRACE && took < REFUSAL_GRACE + 5 * SECOND,
            "{took:?} {ordering:?}"
        );
        assert!(refusals < 60, "{refusals} {ordering:?}");
        assert_returned_alone(&world, 600, &[137]);
    }
}

#[test]
fn records_that_a_proxy_refuses_among_others_that_flow_are_returned_alone_and_hold_up_nothing() {
    for ordering in BOTH {
        let mut world = World::ready(3, in_small_aggregates(ordering));
        let offensive: Vec<usize> = (0..10).map(|n| n * 100 + 7).collect();
        let (mut sent, mut refusals, mut in_company) = (0, 0, 0);
        for _ in 0..70 {
            world.send((sent..sent + 20).map(|n| record(n, 1_000)));
            sent += 20;
            let end = world.now + SECOND;
            while world.now < end {
                world.run_for(Duration::from_millis(5));
                let Some(request) = world.requests.keys().next().copied() else {
                    continue;
                };
                match is_offensive(&world, request, &offensive) {
                    true => {
                        refusals += 1;
                        let records = world.requests[&request].iter().flat_map(members).count();
                        in_company += usize::from(records > 1);
                        world.answer(request, intercepted());
                    }
                    false => world.stored(),
                }
            }
            if ordering == Ordering::None {
                let is_open = |n: &usize| world.outcome(*n).is_none() && !offensive.contains(n);
                let open: Vec<usize> = (0..sent.saturating_sub(60)).filter(is_open).collect();
                assert!(open.is_empty(), "{open:?} wait after three seconds");
            }
        }
        refusals += answer_all(&mut world, |world, request| is_offensive(world, request, &offensive));
        assert!(refusals < 30 * 10, "{refusals} {ordering:?}");
        assert!(in_company <= 8 * 10, "{in_company} with others {ordering:?}");
        assert_returned_alone(&world, sent, &offensive);
    }
}

#[test]
fn a_proxy_that_refuses_all_is_asked_by_few_requests_and_all_records_come_back_after_the_grace() {
    for ordering in BOTH {
        let mut world = World::ready(20, in_small_aggregates(ordering));
        world.send((0..2_000).map(|n| record(n, 1_000)));
        let begin = world.now;
        let refusals = answer_all(&mut world, |_, _| true);
        let took = world.now - begin;
        assert!(
            took >= REFUSAL_GRACE && took < REFUSAL_GRACE + 15 * SECOND,
            "{took:?} {ordering:?}"
        );
        assert!(refusals < 250, "{refusals} {ordering:?}");
        assert!((0..2_000).all(|n| matches!(world.error(n).kind(), PutErrorKind::Intercepted { .. })));
        world.assert_at_rest();
    }
}

#[test]
fn a_proxy_that_refuses_all_for_a_while_costs_no_record_and_few_aggregates() {
    for ordering in BOTH {
        let mut world = World::ready(20, in_small_aggregates(ordering));
        world.send((0..2_000).map(|n| record(n, 1_000)));
        let healthy = world.now + 20 * SECOND;
        answer_all(&mut world, |world, _| world.now < healthy);
        assert!((0..2_000).all(|n| world.outcome(n).unwrap().is_ok()));
        let stored = world.stream.stored_count();
        assert!(stored < 120 + 60, "{stored} {ordering:?}");
        let took = world.now - healthy;
        assert!(took < 15 * SECOND, "{took:?} {ordering:?}");
        world.assert_read_in_order();
        world.assert_at_rest();
    }
}

/// Answers each request 5 ms after it left, for a tenth of a second.
fn answer_for_a_tenth_of_a_second(world: &mut World, offensive: &[usize]) {
    for _ in 0..20 {
        let requests: Vec<RequestId> = world.requests.keys().copied().collect();
        world.run_for(Duration::from_millis(5));
        for request in requests {
            match is_offensive(world, request, offensive) {
                true => world.answer(request, intercepted()),
                false => {
                    let stored = world.store(request);
                    world.answer(request, answered(stored));
                }
            }
        }
    }
}

#[test]
fn others_flow_while_it_is_found_which_records_of_an_aggregate_a_proxy_refuses() {
    for offensive in [&[0][..], &[399], &[0, 200], &[0, 100, 200, 300]] {
        let mut world = World::ready(2, Config::default());
        world.send((0..400).map(|n| record(n, 60).with_explicit_hash_key(at_percent(10))));
        let mut others = Vec::new();
        for n in 400..550 {
            world.put(record(n, 60).with_explicit_hash_key(at_percent(90)));
            others.push((n, world.now));
            answer_for_a_tenth_of_a_second(&mut world, offensive);
            let is_late = |(n, at): &&(usize, Instant)| world.outcome(*n).is_none() && world.now - *at > SECOND;
            let late: Vec<usize> = others.iter().filter(is_late).map(|(n, _)| *n).collect();
            assert!(late.is_empty(), "{late:?} wait for more than a second, {offensive:?}");
        }
        let open: Vec<usize> = (0..400).filter(|n| world.outcome(*n).is_none()).collect();
        assert_eq!(open, offensive, "they alone are refused");
    }
}

#[test]
fn an_outage_in_which_a_proxy_and_the_service_fail_in_turn_costs_no_record_and_few_aggregates() {
    for ordering in BOTH {
        let mut world = World::ready(20, in_small_aggregates(ordering));
        world.send((0..2_000).map(|n| record(n, 1_000)));
        let healthy = world.now + 30 * SECOND;
        let mut answers = 0;
        while world.now < healthy {
            let Some(request) = world.requests.keys().next().copied() else {
                world.run_to_next_wake_up();
                continue;
            };
            world.run_for(Duration::from_millis(5));
            answers += 1;
            match answers % 2 {
                0 => world.answer(request, Answer::Failed(failure("ServiceUnavailable"))),
                _ => world.answer(request, intercepted()),
            }
        }
        answer_all(&mut world, |_, _| false);
        assert!((0..2_000).all(|n| world.outcome(n).unwrap().is_ok()));
        let stored = world.stream.stored_count();
        assert!(stored < 120 + 60, "{stored} after {answers} answers {ordering:?}");
        world.assert_read_in_order();
        world.assert_at_rest();
    }
}

#[test]
fn however_long_the_delays_are_what_is_refused_comes_back_after_the_grace() {
    for ordering in BOTH {
        for code in ["MissingAuthenticationToken", "UnrecognizedClientException"] {
            let config = Config {
                retry_delays: (300 * SECOND, 600 * SECOND),
                ordering,
                ..Config::default()
            };
            let mut world = World::ready(2, config);
            world.send((0..4).map(|n| record(n, 60)));
            let begin = world.now;
            while world.open() > 0 && world.now < begin + 3_600 * SECOND {
                match world.requests.keys().next().copied() {
                    Some(request) => world.answer(request, Answer::Failed(failure(code))),
                    None => world.run_to_next_wake_up(),
                }
            }
            let took = world.now - begin;
            assert_eq!(world.open(), 0, "after {took:?}");
            assert!(
                took >= REFUSAL_GRACE && took < 3 * REFUSAL_GRACE,
                "{took:?} {code} {ordering:?}"
            );
            world.assert_at_rest();
        }
    }
}

#[test]
fn however_long_the_delays_are_a_record_that_is_refused_while_others_pass_comes_back_after_the_grace() {
    for ordering in BOTH {
        let config = Config {
            retry_delays: (300 * SECOND, 600 * SECOND),
            ordering,
            ..Config::default()
        };
        let mut world = World::ready(2, config);
        let begin = world.now;
        world.send([record(0, 60).with_explicit_hash_key(at_percent(10))]);
        for n in 1..180 {
            world.send([record(n, 60).with_explicit_hash_key(at_percent(90))]);
            for _ in 0..10 {
                answer_for_a_tenth_of_a_second(&mut world, &[0]);
            }
            if world.outcome(0).is_some() {
                break;
            }
        }
        let took = world.now - begin;
        assert!(
            world.outcome(0).is_some_and(|outcome| outcome.is_err()),
            "after {took:?} {ordering:?}"
        );
        assert!(
            took >= REFUSAL_GRACE && took < 2 * REFUSAL_GRACE,
            "{took:?} {ordering:?}"
        );
    }
}

#[test]
fn what_shares_an_aggregate_with_refused_records_is_delivered_soon_though_nothing_else_flows() {
    for offensive in [&[0][..], &[0, 200], &[0, 100, 200, 300]] {
        let mut world = World::ready(1, Config::default());
        world.send((0..400).map(|n| record(n, 60)));
        (0..100).for_each(|_| answer_for_a_tenth_of_a_second(&mut world, offensive));
        let open: Vec<usize> = (0..400).filter(|n| world.outcome(*n).is_none()).collect();
        assert_eq!(open, offensive);
    }
}
