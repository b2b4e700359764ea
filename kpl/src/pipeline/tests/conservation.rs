//! P1 and P2 under whatever the service, the network and the clock can do.

use std::time::Duration;

use proptest::prelude::*;

use super::stream::at_percent;
use super::world::{Descriptions, MAX_RECORDS, World, answered, failure, record, refused};
use crate::budget::Budget;
use crate::config::Config;
use crate::config::ordering::RecordDistribution;
use crate::pipeline::{Answer, EntryAnswer};
use crate::record::Record;
use service::{CallError, Effect};

#[derive(Debug, Clone)]
pub(super) enum Step {
    Put {
        bytes: usize,
        hash_key_percent: Option<u8>,
    },
    Seal,
    Flush,
    Run {
        millis: u64,
    },
    Leap {
        millis: u64,
    },
    Answer {
        which: usize,
        how: How,
    },
    Fetched,
    FetchedLate,
    FetchFailed {
        code: usize,
    },
    Split {
        percent: u8,
    },
    Merge {
        percent: u8,
    },
    Delete,
    Recreate {
        shards: u32,
    },
    /// A request is stored, and answered later.
    Store {
        which: usize,
    },
    PutWithoutKey {
        bytes: usize,
    },
    Flip,
    Described,
    DescribeFailed {
        code: usize,
    },
}

#[derive(Debug, Clone)]
pub(super) enum How {
    Stored,
    /// Each entry by its own: stored, throttled, internal error, unknown code, or no code at all.
    Mixed(u64),
    Failed(usize),
    /// The entries are stored, and the answer is lost.
    Lost,
    /// The entries are stored, and the answer counts one too many or one too few.
    Miscounted(i8),
}

const REQUEST_FAILURES: [&str; 13] = [
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "InternalFailure",
    "Connection",
    "ExpiredTokenException",
    "",
    "ResourceNotFoundException",
    "AccessDeniedException",
    "ValidationException",
    "RequestEntityTooLarge",
    "UnrecognizedClientException",
    "MissingAuthenticationToken",
    "KMSDisabledException",
];

const FETCH_FAILURES: [&str; 5] = [
    "LimitExceededException",
    "Timeout",
    "ResourceNotFoundException",
    "AccessDeniedException",
    "UnrecognizedClientException",
];

const DESCRIBE_FAILURES: [&str; 5] = [
    "LimitExceededException",
    "Timeout",
    "ResourceNotFoundException",
    "AccessDeniedException",
    "MissingAuthenticationToken",
];

const ENTRY_FAILURES: [&str; 4] = [
    "ProvisionedThroughputExceededException",
    "InternalFailure",
    "SomethingNew",
    "",
];

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (
            prop_oneof![6 => 0usize..60, 1 => 300usize..700, 1 => 2_500usize..4_000],
            prop::option::weighted(0.7, 0u8..=100),
        )
            .prop_map(|(bytes, hash_key_percent)| Step::Put { bytes, hash_key_percent }),
        3 => Just(Step::Seal),
        1 => Just(Step::Flush),
        3 => (0u64..300).prop_map(|millis| Step::Run { millis }),
        1 => (0u64..200_000).prop_map(|millis| Step::Leap { millis }),
        8 => (0usize..4, how()).prop_map(|(which, how)| Step::Answer { which, how }),
        4 => Just(Step::Fetched),
        2 => Just(Step::FetchedLate),
        1 => (0..FETCH_FAILURES.len()).prop_map(|code| Step::FetchFailed { code }),
        2 => (0u8..=100).prop_map(|percent| Step::Split { percent }),
        1 => (0u8..=100).prop_map(|percent| Step::Merge { percent }),
        1 => Just(Step::Delete),
        2 => (1u32..4).prop_map(|shards| Step::Recreate { shards }),
        2 => (0usize..4).prop_map(|which| Step::Store { which }),
        2 => (0usize..60).prop_map(|bytes| Step::PutWithoutKey { bytes }),
        1 => Just(Step::Flip),
        3 => Just(Step::Described),
        1 => (0..DESCRIBE_FAILURES.len()).prop_map(|code| Step::DescribeFailed { code }),
    ]
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        4 => Just(How::Stored),
        4 => any::<u64>().prop_map(How::Mixed),
        2 => (0..REQUEST_FAILURES.len()).prop_map(How::Failed),
        1 => Just(How::Lost),
        1 => prop_oneof![Just(-1i8), Just(1)].prop_map(How::Miscounted),
    ]
}

fn ttl() -> impl Strategy<Value = Option<Duration>> {
    prop_oneof![2 => Just(None), 1 => Just(Some(Duration::from_millis(300))), 1 => Just(Some(Duration::from_secs(30)))]
}

pub(super) fn config(grace: Duration, ttl: Option<Duration>) -> Config {
    Config {
        record_ttl: ttl,
        aggregation_max_size: 300,
        aggregation_max_count: 12,
        collection_max_size: 1_500,
        collection_max_count: 5,
        max_connections: 3,
        shard_map_refresh_interval: Duration::from_secs(60),
        stream_not_found_grace: grace,
        ..Config::default()
    }
}

pub(super) fn take(world: &mut World, step: Step, number: usize) {
    match step {
        Step::Put {
            bytes,
            hash_key_percent,
        } => {
            let record = record(number, bytes);
            world.put(match hash_key_percent {
                Some(percent) => record.with_explicit_hash_key(at_percent(percent)),
                None => record,
            });
        }
        Step::Seal => world.seal(),
        Step::Flush => {
            world.seal();
            world.pipeline.mark(world.now);
        }
        Step::Run { millis } => world.run_for(Duration::from_millis(millis)),
        Step::Leap { millis } => world.leap(Duration::from_millis(millis)),
        Step::Answer { which, how } => answer(world, which, how),
        Step::Fetched if world.fetch.is_some() => world.fetched(),
        Step::FetchedLate if world.fetch.is_some() => {
            world.fetch = Some(world.stream.listing());
            world.fetched();
        }
        Step::FetchFailed { code } if world.fetch.is_some() => world.fetch_failed(FETCH_FAILURES[code]),
        Step::Fetched | Step::FetchedLate | Step::FetchFailed { .. } => {}
        Step::Split { percent } => world.stream.split(at_percent(percent)),
        Step::Merge { percent } => world.stream.merge(at_percent(percent)),
        Step::Delete => world.stream.delete(),
        Step::Recreate { shards } => world.stream.recreate(shards),
        Step::Store { which } => {
            let request = world.requests.keys().nth(which).copied();
            if let Some(request) = request.filter(|request| world.refusal(*request).is_none()) {
                world.store(request);
            }
        }
        Step::PutWithoutKey { bytes } => {
            let record = Record::without_key(record(number, bytes).into_data());
            if world.admits(&record) {
                world.put(record);
            }
        }
        Step::Flip => world.stream.flip(),
        Step::Described if world.description.is_some() => world.described(),
        Step::DescribeFailed { code } if world.description.is_some() => world.describe_failed(DESCRIBE_FAILURES[code]),
        Step::Described | Step::DescribeFailed { .. } => {}
    }
}

fn answer(world: &mut World, which: usize, how: How) {
    let Some(request) = world.requests.keys().nth(which).copied() else {
        return;
    };
    let refusal = world.refusal(request).filter(|_| !matches!(how, How::Failed(_)));
    if let Some(refusal) = refusal {
        return world.answer(request, refusal);
    }
    let answer = match how {
        How::Mixed(_) | How::Failed(_) if world.is_stored(request) => answered(world.store(request)),
        How::Stored => answered(world.store(request)),
        How::Mixed(seed) => answered(mixed(world, request, seed)),
        How::Failed(code) => Answer::Failed(failure(REQUEST_FAILURES[code])),
        How::Lost => {
            world.store(request);
            Answer::Failed(CallError {
                effect: Effect::Possible,
                ..failure("Timeout")
            })
        }
        How::Miscounted(by) => {
            let mut entries = world.store(request);
            if by < 0 {
                entries.pop();
            } else {
                entries.push(refused("InternalFailure"));
            }
            answered(entries)
        }
    };
    world.answer(request, answer);
}

fn mixed(world: &mut World, request: u64, seed: u64) -> Vec<EntryAnswer> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let entries = world.requests[&request].clone();
    let answers = entries.iter().map(|entry| match rng.usize(..8) {
        code @ 0..=3 => refused(ENTRY_FAILURES[code]),
        _ => world.store_entry(entry),
    });
    answers.collect()
}

fn assumed() -> impl Strategy<Value = RecordDistribution> {
    let (by_key, auto) = (RecordDistribution::UserPartitionKey, RecordDistribution::Auto);
    prop_oneof![4 => Just(RecordDistribution::Unknown), 1 => Just(by_key), 1 => Just(auto)]
}

/// One with room for everything, and one in which requests wait for room for their copies.
fn budget() -> impl Strategy<Value = u32> {
    prop_oneof![2 => Just(100_000_000), 1 => Just(60_000)]
}

fn live_through(steps: Vec<Step>, config: Config, budget: u32) -> World {
    let mut world = World::on_budget(2, config, Budget::new(budget, MAX_RECORDS));
    world.descriptions = Descriptions::ByTheTest;
    for (number, step) in steps.into_iter().enumerate() {
        take(&mut world, step, number);
        world.work();
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_record_ends_exactly_once_and_readable_when_the_service_recovers(
        steps in prop::collection::vec(step(), 1..120),
        grace in prop_oneof![Just(0u64), Just(10)],
        ttl in ttl(),
        assumed in assumed(),
        budget in budget(),
    ) {
        let config = Config {
            record_distribution_default: assumed,
            ..config(Duration::from_secs(grace), ttl)
        };
        let mut world = live_through(steps, config, budget);
        world.heal();
        world.assert_at_rest();
        prop_assert!(world.pipeline.poll_timeout().is_none(), "an idle pipeline sleeps");
    }

    #[test]
    fn every_record_ends_exactly_once_when_the_pipeline_gives_up(
        steps in prop::collection::vec(step(), 1..80),
        ttl in ttl(),
        assumed in assumed(),
        budget in budget(),
    ) {
        let config = Config {
            record_distribution_default: assumed,
            ..config(Duration::ZERO, ttl)
        };
        let mut world = live_through(steps, config, budget);
        world.seal();
        let open = world.open();
        prop_assert_eq!(world.pipeline.is_empty(), open == 0);
        prop_assert_eq!(world.give_up().len(), open);
        world.assert_at_rest();
    }
}
