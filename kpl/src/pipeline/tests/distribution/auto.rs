//! A stream that distributes records itself: each is right wherever it lands, and the rates are those of all shards.

use super::{MILLISECOND, SECOND, deliver};
use crate::config::Config;
use crate::config::ordering::RecordDistribution;
use crate::limits::RATE_INTERVAL;
use crate::pipeline::Source;
use crate::pipeline::tests::world::{World, answered, record, refused};

#[test]
fn on_an_auto_stream_each_record_is_alone_and_right_wherever_it_lands() {
    let mut world = World::new(4, Config::default());
    world.stream.flip();
    assert_eq!(deliver(&mut world, 0..100), 100);
    assert_eq!(world.told, [(RecordDistribution::Auto, Source::Description)]);
    assert!((0..100).all(|n| world.delivered(n).attempts.total() == 1));
    assert_eq!(
        world.fetches, 1,
        "a shard that was not expected says nothing of the map"
    );
    world.assert_at_rest();
}

#[test]
fn an_auto_stream_takes_records_at_the_rates_of_all_its_shards() {
    let mut world = World::new(4, Config::default());
    world.stream.flip();
    deliver(&mut world, 0..1);
    world.leap(10 * SECOND);
    world.send((1..8_001).map(|n| record(n, 10)));
    for _ in 0..100 {
        world.run_for(MILLISECOND);
        while !world.requests.is_empty() {
            world.stored();
        }
    }
    let sent = world.stream.stored_count();
    assert!(
        (6_400..=6_700).contains(&sent),
        "{sent} of 4 × 1,500 at once and 600 in 0.1 s"
    );
}

/// Which of its shards was over its limit is not said; the service would have taken another if there had been one.
#[test]
fn throttling_slows_an_auto_stream_down_as_a_whole() {
    let mut world = World::new(2, Config::default());
    world.stream.flip();
    deliver(&mut world, 0..1);
    world.send((1..101).map(|n| record(n, 10)));
    world.run_for(21 * MILLISECOND);
    let request = world.request();
    let entries = world.requests[&request].clone();
    let answers = entries.iter().enumerate().map(|(n, entry)| match n % 2 {
        0 => refused("ProvisionedThroughputExceededException"),
        _ => world.store_entry(entry),
    });
    let answers = answered(answers.collect());
    world.answer(request, answers);
    assert_eq!(world.open(), 50);
    world.run_for(RATE_INTERVAL);
    assert_eq!(world.pipeline.stages.queues.rate_of(&None, world.now), 55);
    while !world.requests.is_empty() {
        world.stored();
    }
    world.send((101..1_101).map(|n| record(n, 10)));
    world.run_for(100 * MILLISECOND);
    let sent: usize = world.requests.values().map(Vec::len).sum();
    assert!(
        (88..=110).contains(&sent),
        "{sent} of 2 × 550 a second in 0.1 s, less those that wait for company"
    );
    world.heal();
    let [(hot, _)] = &world.reports[..] else {
        panic!("one report: {:?}", world.reports)
    };
    assert_eq!((&hot.shard, hot.refused), (&None, 50));
    world.assert_at_rest();
}
