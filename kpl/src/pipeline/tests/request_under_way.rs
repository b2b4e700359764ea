//! A world in which one request is under way, for tests of how that may end.

use std::time::Duration;

use super::world::{World, failure, record};
use crate::config::Config;
use crate::pipeline::Answer;

/// One shard, its map loaded, and so many records on their way to it in one request.
pub(super) fn with_request_under_way(records: usize, config: Config) -> World {
    let mut world = World::ready(1, config);
    world.leap(Duration::from_millis(1));
    for n in 0..records {
        world.send([record(n, 10)]);
    }
    world.run_for(Duration::from_millis(20));
    assert_eq!(world.requests.len(), 1);
    world
}

/// The oldest request under way fails with this code.
pub(super) fn fail_request(world: &mut World, code: &str) {
    let request = world.request();
    world.answer(request, Answer::Failed(failure(code)));
}
