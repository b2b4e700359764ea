//! Without the permission to describe the stream, where records land tells who decides, and until then the default.

use super::{LOW, MILLISECOND, SECOND, at, deliver, undescribable, without_key};
use crate::config::Config;
use crate::config::ordering::RecordDistribution;
use crate::pipeline::Source;
use crate::pipeline::tests::stream::at_percent;
use crate::pipeline::tests::world::{Descriptions, World};

#[test]
fn without_the_permission_aggregation_begins_once_placements_show_that_keys_are_followed() {
    let mut world = undescribable(2, Config::default());
    assert_eq!(deliver(&mut world, 0..63), 63);
    assert_eq!(world.told, [(RecordDistribution::Unknown, Source::Nothing)]);
    deliver(&mut world, 63..64);
    assert_eq!(
        world.told.last(),
        Some(&(RecordDistribution::UserPartitionKey, Source::Placements))
    );
    assert_eq!(deliver(&mut world, 64..164), 2);
    world.assert_at_rest();
}

#[test]
fn without_the_permission_an_auto_stream_is_found_out_by_its_first_placements() {
    let mut world = undescribable(4, Config::default());
    world.stream.flip();
    world.leap(MILLISECOND);
    assert_eq!(
        deliver(&mut world, 0..300),
        300,
        "never an aggregate, and nothing twice"
    );
    assert_eq!(world.told.last(), Some(&(RecordDistribution::Auto, Source::Placements)));
    world.send([without_key(300)]);
    world.heal();
    assert!(world.outcome(300).unwrap().is_ok());
    assert!(world.fetches <= 3, "no storm of fetches: {}", world.fetches);
    world.assert_at_rest();
}

#[test]
fn without_the_permission_flips_both_ways_are_found_out_and_nothing_is_lost() {
    let mut world = undescribable(2, Config::default());
    // An odd number: the turns that follow begin at the other shard.
    deliver(&mut world, 0..65);
    world.stream.flip();
    world.leap(SECOND);
    deliver(&mut world, 65..165);
    assert_eq!(world.told.last(), Some(&(RecordDistribution::Auto, Source::Placements)));
    world.stream.flip();
    world.leap(SECOND);
    deliver(&mut world, 165..365);
    assert_eq!(
        world.told.last(),
        Some(&(RecordDistribution::UserPartitionKey, Source::Placements))
    );
    assert!((0..365).all(|n| world.outcome(n).unwrap().is_ok()));
    world.assert_at_rest();
}

#[test]
fn without_the_permission_a_split_is_not_taken_for_a_stream_that_ignores_keys() {
    let mut world = undescribable(2, Config::default());
    deliver(&mut world, 0..64);
    world.leap(SECOND);
    world.stream.split(at_percent(25));
    deliver(&mut world, 64..84);
    assert_eq!(
        world.told.last(),
        Some(&(RecordDistribution::UserPartitionKey, Source::Placements))
    );
    assert!(world.fetches > 0, "the map was refreshed");
}

#[test]
fn a_permission_that_is_taken_away_leaves_what_the_description_said_until_placements_contradict_it() {
    let mut world = World::ready(2, Config::default());
    world.descriptions = Descriptions::ByTheTest;
    world.leap(400 * SECOND);
    world.send([at(0, LOW)]);
    world.describe_failed("AccessDeniedException");
    world.heal();
    assert_eq!(deliver(&mut world, 1..11), 2, "aggregates");
    world.stream.flip();
    world.leap(SECOND);
    world.descriptions = Descriptions::ByTheTest;
    deliver(&mut world, 11..31);
    assert_eq!(world.told.last().unwrap().0, RecordDistribution::Auto);
    world.assert_at_rest();
}

#[test]
fn a_configured_default_counts_while_nothing_else_is_known() {
    let assuming = |distribution| {
        let config = Config {
            record_distribution_default: distribution,
            ..Config::default()
        };
        undescribable(2, config)
    };
    let mut by_key = assuming(RecordDistribution::UserPartitionKey);
    assert_eq!(deliver(&mut by_key, 0..10), 2);
    let mut auto = assuming(RecordDistribution::Auto);
    auto.stream.flip();
    assert_eq!(deliver(&mut auto, 0..10), 10);
    auto.send([without_key(10)]);
    auto.heal();
    assert!(auto.outcome(10).unwrap().is_ok());
    assert_eq!(auto.told, [(RecordDistribution::Auto, Source::Default)]);
}
