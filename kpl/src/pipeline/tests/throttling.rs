//! Shards over their limit: how they slow down, recover, and leave the others alone.

use std::time::Duration;

use service::ShardId;

use super::stream::at_percent;
use super::world::{World, answered, record, refused};
use crate::config::Config;
use crate::limits::RATE_INTERVAL;
use crate::pipeline::flow::adaptive_rate::Reply;
use crate::pipeline::flow::limiter::Answered;
use crate::pipeline::{Answer, EntryAnswer};
use crate::record::Record;

const SECOND: Duration = Duration::from_secs(1);
const LOW: u8 = 10;
const HIGH: u8 = 90;
const THROTTLED: &str = "ProvisionedThroughputExceededException";

fn at(n: usize, bytes: usize, percent: u8) -> Record {
    record(n, bytes).with_explicit_hash_key(at_percent(percent))
}

fn records_alone() -> Config {
    Config {
        aggregation_max_count: 1,
        ..Config::default()
    }
}

fn rate_of_first_shard(world: &mut World) -> u32 {
    let first = Some(ShardId::new("shardId-000000000000"));
    world.pipeline.stages.queues.rate_of(&first, world.now)
}

/// Answers every request under way; the service throttles the low half of the hash keys.
fn answer_throttling_low_keys(world: &mut World) {
    while !world.requests.is_empty() {
        let request = world.request();
        let entries = world.requests[&request].clone();
        let answers: Vec<EntryAnswer> = entries
            .iter()
            .map(|entry| match entry.explicit_hash_key < at_percent(50) {
                true => refused(THROTTLED),
                false => world.store_entry(entry),
            })
            .collect();
        world.answer(request, answered(answers));
    }
}

/// An answer may be slow, and nothing be sent meanwhile.
#[test]
fn answers_that_come_after_a_gap_are_judged_without_those_from_before_it() {
    let mut world = World::ready(1, Config::default());
    world.send([record(0, 10)]);
    let (first, sent) = (Some(ShardId::new("shardId-000000000000")), world.now);
    let answered = |reply| Answered {
        reply,
        bytes: 20_000,
        sent,
    };
    for _ in 0..100 {
        let queues = &mut world.pipeline.stages.queues;
        queues.answered(&first, answered(Reply::Taken), world.now);
    }
    world.now += 10 * SECOND;
    for _ in 0..10 {
        let queues = &mut world.pipeline.stages.queues;
        queues.answered(&first, answered(Reply::Throttled), world.now);
    }
    world.now += RATE_INTERVAL;
    let percent = rate_of_first_shard(&mut world);
    assert!(percent < 20, "{percent} %, though all of ten were refused");
    world.heal();
    world.assert_at_rest();
}

#[test]
fn a_throttled_shard_is_sent_less_within_a_second_and_all_again_when_the_throttling_ends() {
    let mut world = World::ready(2, records_alone());
    world.send((0..1_600).map(|n| at(n, 10, LOW)));
    let end = world.now + SECOND;
    while world.now < end {
        answer_throttling_low_keys(&mut world);
        world.run_for(Duration::from_millis(100));
    }
    assert!(
        rate_of_first_shard(&mut world) <= 10,
        "{} %",
        rate_of_first_shard(&mut world)
    );
    world.heal();
    world.run_for(20 * SECOND);
    world.send((1_600..3_100).map(|n| at(n, 10, LOW)));
    world.run_for(Duration::from_millis(20));
    assert_eq!(world.requests.values().map(Vec::len).sum::<usize>(), 1_500);
    assert_eq!(rate_of_first_shard(&mut world), 150);
}

#[test]
fn what_a_throttled_shard_costs_the_service_is_bounded() {
    let mut world = World::ready(1, records_alone());
    world.send((0..1_600).map(|n| at(n, 10, LOW)));
    let mut attempts = 0;
    for second in 0..60 {
        for _ in 0..10 {
            attempts += world.requests.values().map(Vec::len).sum::<usize>() * usize::from(second >= 5);
            answer_throttling_low_keys(&mut world);
            world.run_for(SECOND / 10);
        }
    }
    // 5 % to 15 % of a shard's 1,000 records a second, for 55 seconds.
    assert!((2_000..=8_500).contains(&attempts), "{attempts}");
    world.heal();
    world.assert_at_rest();
}

#[test]
fn a_shard_that_is_throttled_and_slowed_down_does_not_delay_another() {
    let mut world = World::ready(2, records_alone());
    world.send((0..1_600).map(|n| at(n, 10, LOW)));
    for n in 0..100 {
        answer_throttling_low_keys(&mut world);
        let begin = world.now;
        world.send([at(1_600 + n, 10, HIGH)]);
        while world.outcome(1_600 + n).is_none() {
            world.run_to_next_wake_up();
            answer_throttling_low_keys(&mut world);
        }
        assert!(world.now - begin <= Duration::from_millis(20));
        assert_eq!(world.delivered(1_600 + n).attempts.total(), 1);
    }
}

/// As if all had been refused that the first shard was sent in half a second, with nothing left to send.
fn throttled_to_the_lowest_rate(config: Config) -> World {
    let mut world = World::ready(1, config);
    world.send([at(0, 10, LOW)]);
    world.heal();
    let shard = Some(ShardId::new("shardId-000000000000"));
    let refused = Answered {
        reply: Reply::Throttled,
        bytes: 100_000,
        sent: world.now,
    };
    for _ in 0..100 {
        world.pipeline.stages.queues.answered(&shard, refused, world.now);
    }
    world.run_for(RATE_INTERVAL);
    assert_eq!(rate_of_first_shard(&mut world), 5);
    world
}

#[test]
fn a_waiting_record_profits_from_the_recovery_of_its_shard() {
    let mut world = throttled_to_the_lowest_rate(Config::default());
    let begin = world.now;
    world.send([at(1, 1_000_000, LOW)]);
    world.heal();
    let waited = world.now - begin;
    assert!(
        waited > SECOND && waited < 5 * SECOND,
        "19 s at the lowest rate, not {waited:?}"
    );
}

#[test]
fn a_throttled_shard_gets_no_burst_of_what_it_did_not_use() {
    let mut world = throttled_to_the_lowest_rate(records_alone());
    world.send((1..100).map(|n| at(n, 10, LOW)));
    world.run_for(Duration::from_millis(200));
    let sent: usize = world.requests.values().map(Vec::len).sum();
    assert!((9..=10).contains(&sent), "{sent} in 0.2 s at 50 a second");
}

#[test]
fn a_request_that_is_throttled_as_a_whole_slows_no_shard_down() {
    let mut world = World::ready(1, Config::default());
    world.send([at(0, 10, LOW)]);
    world.run_for(Duration::from_millis(20));
    let request = world.request();
    world.answer(request, Answer::Failed(super::world::failure("LimitExceededException")));
    assert_eq!(rate_of_first_shard(&mut world), 150);
    assert_eq!(world.pipeline.hot_shards.next_at(), None);
}

#[test]
fn ten_seconds_of_throttling_are_one_report_with_the_hot_key() {
    let mut world = World::ready(2, Config::default());
    for n in 0..100 {
        let hot = Record::new("hot", format!("{n:06}{}", ".".repeat(100)));
        world.put(hot.with_explicit_hash_key(at_percent(LOW)));
        world.put(at(1_000 + n, 10, LOW));
        world.put(at(2_000 + n, 10, HIGH));
    }
    world.seal();
    let begin = world.now;
    while world.reports.is_empty() {
        answer_throttling_low_keys(&mut world);
        world.run_to_next_wake_up();
    }
    assert!(world.now - begin >= 10 * SECOND && world.now - begin < 11 * SECOND);
    let (hot, rate_percent) = &world.reports[0];
    assert_eq!(hot.shard, Some(ShardId::new("shardId-000000000000")));
    assert_eq!(hot.heaviest[0].partition_key, "hot");
    assert_eq!(hot.heaviest.len(), 8);
    assert!(hot.refused > 1 && *rate_percent < 150);
    world.heal();
    assert_eq!(world.reports.len(), 1, "one shard, one report");
    world.assert_at_rest();
}

#[test]
fn the_report_of_a_shard_that_was_idle_since_tells_its_rate_of_now() {
    let mut world = World::ready(2, Config::default());
    world.send([at(0, 50_000, LOW)]);
    world.run_for(SECOND / 2);
    let shard = Some(ShardId::new("shardId-000000000000"));
    let taken = Answered {
        reply: Reply::Taken,
        bytes: 100_000,
        sent: world.now,
    };
    world.pipeline.stages.queues.answered(&shard, taken, world.now);
    answer_throttling_low_keys(&mut world);
    world.run_for(RATE_INTERVAL);
    assert_eq!(rate_of_first_shard(&mut world), 98);
    world.heal();
    world.run_for(11 * SECOND);
    let rates: Vec<u32> = world.reports.iter().map(|(_, rate_percent)| *rate_percent).collect();
    assert_eq!(rates, [150]);
}

#[test]
fn large_records_leave_in_a_burst_of_10_mib_and_then_at_the_rate() {
    const MIB: usize = 1024 * 1024;
    let config = Config {
        max_user_record_size: Some(10 * MIB),
        collection_max_size: 10 * MIB,
        max_bytes_in_flight: 32 * MIB,
        rate_limit_percent: 100,
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    world.send((0..8).map(|n| at(n, 2 * MIB, LOW)));
    world.run_for(Duration::from_millis(20));
    assert_eq!(world.requests.len(), 5, "10 MiB at once, but for the keys");
    world.run_for(2 * SECOND);
    assert_eq!(world.requests.len(), 6);
    world.send([at(8, 10, LOW)]);
    world.heal();
    world.assert_at_rest();
    assert!(
        world.elapsed() >= 14 * SECOND,
        "a small record waits until the burst is paid off"
    );
}

#[test]
fn what_is_retried_goes_before_what_is_newer() {
    let config = Config {
        aggregation_max_count: 1,
        rate_limit_percent: 50,
        ..Config::default()
    };
    let mut world = World::ready(1, config);
    world.send((0..100).map(|n| at(n, 50_000, LOW)));
    world.run_for(Duration::from_millis(30));
    let request = world.request();
    let sent = world.requests[&request].clone();
    let answers = sent.iter().enumerate().map(|(n, entry)| match n {
        0 => refused("ProvisionedThroughputExceededException"),
        _ => world.store_entry(entry),
    });
    let answers = answers.collect();
    world.answer(request, answered(answers));
    while world.outcome(0).is_none() {
        match world.requests.is_empty() {
            true => world.run_to_next_wake_up(),
            false => world.stored(),
        }
    }
    let open = (1..100).filter(|n| world.outcome(*n).is_none()).count();
    assert!(open >= 60, "{open} of 100 are sent after it");
    world.heal();
    world.assert_at_rest();
}
