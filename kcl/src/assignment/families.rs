//! Pure: which leases wait for others, and how many leases count against the most that a worker may have.
//!
//! A child waits until its parents were read to their ends, and then it takes their place. So a lease counts unless a child
//! of it counts already: a worker with as many leases as it may have can still take the parents for which its leases wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::lease::model::{Lease, LeaseKey};
use crate::stream::ShardId;

/// A shard, as a row names it.
type ShardInRow = (Option<Arc<str>>, ShardId);

/// The leases that wait, with the leases of their parents.
#[derive(Debug, Default)]
pub(crate) struct Families {
    keys: BTreeMap<ShardInRow, LeaseKey>,
    parents: BTreeMap<LeaseKey, BTreeSet<LeaseKey>>,
}

impl Families {
    /// The families among `leases`, which are those of shards that were not read to their ends.
    pub(crate) fn of(leases: &[Lease]) -> Self {
        let key = |lease: &Lease| ((lease.stream.clone(), lease.shard.clone()), lease.key.clone());
        let mut families = Self {
            keys: leases.iter().map(key).collect(),
            parents: BTreeMap::new(),
        };
        leases.iter().for_each(|lease| families.add(lease));
        families
    }

    /// Adds a lease, with those of its parents that are known.
    pub(crate) fn add(&mut self, lease: &Lease) {
        let key = |parent: &ShardId| self.keys.get(&(lease.stream.clone(), parent.clone())).cloned();
        let parents: BTreeSet<_> = lease.parents.iter().filter_map(key).collect();
        if !parents.is_empty() {
            self.parents.insert(lease.key.clone(), parents);
        }
        let shard = (lease.stream.clone(), lease.shard.clone());
        self.keys.insert(shard, lease.key.clone());
    }

    /// Whether a lease waits for a parent.
    pub(crate) fn waits(&self, key: &LeaseKey) -> bool {
        self.parents.contains_key(key)
    }
}

/// The leases of one worker, and how many of them count.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    families: &'a Families,
    leases: BTreeSet<LeaseKey>,
    /// The parents for which some of the leases wait.
    awaited: BTreeSet<&'a LeaseKey>,
    count: usize,
    max: usize,
}

impl<'a> Load<'a> {
    /// The load of a worker that has `leases`, and may have `max`.
    pub(crate) fn new(families: &'a Families, leases: &BTreeSet<LeaseKey>, max: usize) -> Self {
        let awaited = leases.iter().filter_map(|key| families.parents.get(key)).flatten();
        let awaited: BTreeSet<_> = awaited.collect();
        Self {
            families,
            count: leases.iter().filter(|key| !awaited.contains(key)).count(),
            leases: leases.clone(),
            awaited,
            max,
        }
    }

    /// Adds a lease if the worker may have it: if there is room, or if it does not count.
    pub(crate) fn admit(&mut self, key: &LeaseKey) -> bool {
        let parents = self.families.parents.get(key).into_iter().flatten();
        let newly_awaited: Vec<_> = parents.filter(|parent| !self.awaited.contains(parent)).collect();
        let freed = newly_awaited
            .iter()
            .filter(|parent| self.leases.contains(**parent))
            .count();
        let added = usize::from(!self.awaited.contains(key));
        let count = self.count + added - freed.min(self.count + added);
        if count > self.count && count > self.max {
            return false;
        }
        self.count = count;
        self.awaited.extend(newly_awaited);
        self.leases.insert(key.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::position::Position;

    /// The leases of a split, of which `1` and `2` wait for `0`, and an unrelated one.
    fn leases() -> Vec<Lease> {
        let lease = |(shard, parent): (&str, Option<&str>)| Lease {
            parents: parent.map(ShardId::new).into_iter().collect(),
            ..Lease::of_orders(shard, Position::TrimHorizon)
        };
        let split = [("0", None), ("1", Some("0")), ("2", Some("0")), ("3", None)];
        split.map(lease).into()
    }

    fn key(shard: &str) -> LeaseKey {
        Lease::of_orders(shard, Position::TrimHorizon).key
    }

    fn keys(shards: &[&str]) -> BTreeSet<LeaseKey> {
        shards.iter().map(|shard| key(shard)).collect()
    }

    #[test]
    fn a_lease_waits_for_parents_that_have_leases() {
        let families = Families::of(&leases());
        assert_eq!(
            ["0", "1", "2", "3"].map(|shard| families.waits(&key(shard))),
            [false, true, true, false]
        );
    }

    #[test]
    fn a_parent_of_another_stream_with_the_same_id_is_none() {
        let mut leases = leases();
        leases[0].stream = Some("1:other:1".into());
        assert!(!Families::of(&leases).waits(&key("1")));
    }

    #[test]
    fn the_first_child_of_a_held_parent_takes_its_place_and_the_second_one_counts() {
        let families = Families::of(&leases());
        let mut load = Load::new(&families, &keys(&["0"]), 1);
        assert_eq!([load.admit(&key("1")), load.admit(&key("2"))], [true, false]);
        let mut load = Load::new(&families, &keys(&["0"]), 2);
        assert_eq!(
            ["1", "2", "3"].map(|shard| load.admit(&key(shard))),
            [true, true, false]
        );
    }

    #[test]
    fn the_parent_of_a_held_child_is_admitted_however_many_leases_there_are() {
        let families = Families::of(&leases());
        let mut load = Load::new(&families, &keys(&["1", "2", "3"]), 2);
        assert_eq!([load.admit(&key("0")), load.admit(&key("4"))], [true, false]);
    }

    #[test]
    fn a_child_that_is_added_later_waits_for_its_parent_too() {
        let mut families = Families::of(&leases()[..1]);
        families.add(&leases()[1]);
        assert!(families.waits(&key("1")));
    }
}
