//! What the history of a record tells of each attempt: when it began, how long it took, and how it ended.

use std::time::{Duration, SystemTime};

use super::world::{World, answered, failure, record};
use crate::config::Config;
use crate::pipeline::Answer;
use crate::receipt::attempt::Attempts;

const MILLISECOND: Duration = Duration::from_millis(1);

/// One record, and the request that carries it under way.
fn under_way() -> World {
    let mut world = World::ready(1, Config::default());
    world.send([record(0, 10)]);
    wait_for_request(&mut world);
    world
}

fn wait_for_request(world: &mut World) {
    while world.requests.is_empty() {
        world.run_to_next_wake_up();
    }
}

/// Has the request under way fail after `took`; returns when it was sent.
fn fail_after(world: &mut World, took: Duration) -> SystemTime {
    let sent = world.wall();
    world.run_for(took);
    world.answer(world.request(), Answer::Failed(failure("InternalFailure")));
    sent
}

fn durations(attempts: &Attempts) -> Vec<Duration> {
    attempts.newest().iter().map(|attempt| attempt.duration).collect()
}

fn starts(attempts: &Attempts) -> Vec<SystemTime> {
    attempts.newest().iter().map(|attempt| attempt.started).collect()
}

#[test]
fn each_attempt_tells_when_it_began_and_how_long_it_took() {
    let mut world = under_way();
    let first = fail_after(&mut world, 5 * MILLISECOND);
    wait_for_request(&mut world);
    let second = fail_after(&mut world, 7 * MILLISECOND);
    wait_for_request(&mut world);
    let third = world.wall();
    world.run_for(3 * MILLISECOND);
    world.stored();
    let attempts = &world.delivered(0).attempts;
    assert_eq!(durations(attempts), [5, 7, 3].map(|n| n * MILLISECOND));
    assert_eq!(
        starts(attempts),
        [first, second, third],
        "the gaps are what it waited between"
    );
    let gap = second.duration_since(first + 5 * MILLISECOND).unwrap();
    assert!(!gap.is_zero(), "it does not try again at once");
}

#[test]
fn what_fails_and_then_succeeds_has_a_shard_a_sequence_number_and_both_attempts() {
    let mut world = under_way();
    fail_after(&mut world, MILLISECOND);
    wait_for_request(&mut world);
    let request = world.request();
    let answers = world.store(request);
    world.answer(request, answered(answers));
    let delivered = world.delivered(0);
    assert_eq!(delivered.shard_id, "shardId-000000000000");
    assert_eq!(delivered.sequence_number.as_str(), "0");
    let failures = delivered.attempts.newest().iter().map(|attempt| {
        let failure = attempt.failure.as_ref();
        failure.map(|failure| failure.code.as_str())
    });
    assert!(failures.eq([Some("InternalFailure"), None]));
}

#[test]
fn a_record_that_is_given_back_has_its_failed_attempts_and_no_other() {
    let mut world = under_way();
    let first = fail_after(&mut world, 5 * MILLISECOND);
    wait_for_request(&mut world);
    let second = fail_after(&mut world, 7 * MILLISECOND);
    world.give_up();
    let attempts = world.error(0).attempts();
    assert_eq!(durations(attempts), [5 * MILLISECOND, 7 * MILLISECOND]);
    assert_eq!(starts(attempts), [first, second]);
    assert!(attempts.newest().iter().all(|attempt| attempt.failure.is_some()));
}
