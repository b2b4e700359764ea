//! Who decides where records go: found out, changed while records are under way, and never guessed against a promise.

mod auto;
mod changes;
mod description;
mod keyless;
mod ordered;
mod placements;

use std::time::Duration;

use super::stream::at_percent;
use super::world::{Descriptions, World, record};
use crate::config::Config;
use crate::record::Record;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const LOW: u8 = 10;
const HIGH: u8 = 90;

fn at(n: usize, percent: u8) -> Record {
    record(n, 10).with_explicit_hash_key(at_percent(percent))
}

fn without_key(n: usize) -> Record {
    Record::without_key(record(n, 10).into_data())
}

/// A world whose descriptions the test answers.
fn undescribed(shards: u32, config: Config) -> World {
    let mut world = World::new(shards, config);
    world.descriptions = Descriptions::ByTheTest;
    world
}

/// A world on a stream that the caller may not describe, with its map loaded.
fn undescribable(shards: u32, config: Config) -> World {
    let mut world = undescribed(shards, config);
    world.pipeline.stages.knowledge.refresher.on_traffic(world.now);
    world.pipeline.stages.knowledge.distribution.on_traffic(world.now);
    world.work();
    world.fetched();
    world.describe_failed("AccessDeniedException");
    world
}

/// Puts records of both halves of the keys and lets them arrive; returns the Kinesis records that it took.
fn deliver(world: &mut World, numbers: std::ops::Range<usize>) -> usize {
    let before = world.stream.stored_count();
    world.send(numbers.map(|n| at(n, if n % 2 == 0 { LOW } else { HIGH })));
    world.heal();
    world.stream.stored_count() - before
}
