//! Misplaced aggregates where consumers check no ranges, and read every record wherever it lies.

use std::time::Duration;

use super::stream::at_percent;
use super::world::{World, record};
use crate::config::ordering::Ordering;
use crate::config::{Config, OnMisplacement};

#[test]
fn where_consumers_read_all_that_lies_anywhere_a_misplaced_aggregate_is_delivered_and_the_map_refreshed() {
    for (ordering, stored) in [(Ordering::None, 1), (Ordering::PerKey, 3)] {
        let config = Config {
            on_misplacement: OnMisplacement::Accept,
            ordering,
            ..Config::default()
        };
        let mut world = World::ready(1, config);
        world.leap(Duration::from_millis(1));
        let records = [(0, 10), (1, 90)].map(|(n, percent)| record(n, 10).with_explicit_hash_key(at_percent(percent)));
        world.send(records);
        world.run_for(Duration::from_millis(20));
        world.stream.split(at_percent(50));
        world.stored();
        let is_delivered_at_once = world.open() == 0;
        assert!(world.fetch.is_some());
        world.heal();
        assert_eq!(world.stream.stored_count(), stored, "{ordering:?}");
        assert_eq!(is_delivered_at_once, ordering == Ordering::None);
        assert_eq!(world.open(), 0);
    }
}
