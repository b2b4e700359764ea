//! Pure: the shards of a stream as parents and children.
//!
//! ```text
//!   0   1  2   3        parents, closed
//!    ╲ ╱    ╲ ╱
//!     4      5          4 is merged of 0 and 1
//!     │     ╱ ╲
//!     4    6   7        children; 4, 6 and 7 are open
//! ```
//!
//! A stream forgets its oldest shards, so a parent need not be there. Every walk here is a loop: after years of
//! resharding there are thousands of generations.

use std::collections::{BTreeMap, BTreeSet};

use aggregation::{HashKey, HashKeyRange};

use crate::stream::{Shard, ShardId, ShardState};

/// A shard, as the end of its parent names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChildShard {
    pub(crate) id: ShardId,
    pub(crate) parents: BTreeSet<ShardId>,
    pub(crate) range: Option<HashKeyRange>,
}

/// The shards of one stream, by id, with their children.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    shards: BTreeMap<&'a ShardId, &'a Shard>,
    children: BTreeMap<&'a ShardId, Vec<&'a Shard>>,
}

impl<'a> Graph<'a> {
    /// The graph of `shards`. Parents that are not among them are ignored.
    pub(crate) fn new(shards: &'a [Shard]) -> Self {
        let by_id = shards.iter().map(|shard| (&shard.id, shard)).collect();
        let mut children: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for shard in shards {
            for parent in &shard.parents {
                children.entry(parent).or_default().push(shard);
            }
        }
        Self {
            shards: by_id,
            children,
        }
    }

    /// All shards, in the order of their ids.
    pub(crate) fn shards(&self) -> impl Iterator<Item = &'a Shard> {
        self.shards.values().copied()
    }

    /// The shard `id`, if the stream still has it.
    pub(crate) fn shard(&self, id: &ShardId) -> Option<&'a Shard> {
        self.shards.get(id).copied()
    }

    /// The parents that the stream still has.
    pub(crate) fn parents(&self, shard: &'a Shard) -> impl Iterator<Item = &'a Shard> {
        shard.parents.iter().filter_map(|parent| self.shard(parent))
    }

    pub(crate) fn children(&self, shard: &Shard) -> impl Iterator<Item = &'a Shard> {
        self.children_of(&shard.id)
    }

    /// The listed children of a shard, which need not be listed itself.
    pub(crate) fn children_of(&self, shard: &ShardId) -> impl Iterator<Item = &'a Shard> {
        self.children.get(shard).into_iter().flatten().copied()
    }

    /// All shards that come from one of `shards`, by any number of generations; not these themselves.
    pub(crate) fn descendants(&self, shards: impl Iterator<Item = &'a Shard>) -> BTreeSet<&'a ShardId> {
        reached(shards, |shard| self.children(shard).collect())
    }

    /// All shards that one of `shards` comes from, by any number of generations; not these themselves.
    pub(crate) fn ancestors(&self, shards: impl Iterator<Item = &'a Shard>) -> BTreeSet<&'a ShardId> {
        reached(shards, |shard| self.parents(shard).collect())
    }

    /// A shard with a parent that is still open, if there is any: the shards were listed while they changed.
    pub(crate) fn child_of_open_parent(&self) -> Option<(&'a Shard, &'a Shard)> {
        self.shards().find_map(|child| {
            let open = self.parents(child).find(|parent| parent.state == ShardState::Open);
            open.map(|parent| (child, parent))
        })
    }
}

/// What can be reached from `starts` in one or more steps.
fn reached<'a>(
    starts: impl Iterator<Item = &'a Shard>,
    step: impl Fn(&'a Shard) -> Vec<&'a Shard>,
) -> BTreeSet<&'a ShardId> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<_> = starts.flat_map(&step).collect();
    while let Some(shard) = waiting.pop() {
        if reached.insert(&shard.id) {
            waiting.extend(step(shard));
        }
    }
    reached
}

/// The first range of hash keys that belongs to none of `shards`. Nobody can tell if the range of one of them is unknown.
pub(crate) fn first_gap<'a>(shards: impl Iterator<Item = &'a Shard>) -> Option<HashKeyRange> {
    let mut ranges = shards.map(|shard| shard.range).collect::<Option<Vec<_>>>()?;
    ranges.sort_unstable();
    let mut next = Some(HashKeyRange::FULL.start());
    for range in ranges {
        let Some(expected) = next else { break };
        if range.start() > expected {
            return HashKeyRange::new(expected, before(range.start())).ok();
        }
        next = after(range.end()).map(|after| after.max(expected));
    }
    next.and_then(|next| HashKeyRange::new(next, HashKeyRange::FULL.end()).ok())
}

fn before(key: HashKey) -> HashKey {
    HashKey::new(key.value().saturating_sub(1))
}

fn after(key: HashKey) -> Option<HashKey> {
    key.value().checked_add(1).map(HashKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: &[&str], state: ShardState) -> Shard {
        Shard {
            id: ShardId::new(id),
            parents: parents.iter().map(|id| ShardId::new(id)).collect(),
            range: Some(HashKeyRange::FULL),
            state,
            starting_sequence_number: "0".into(),
        }
    }

    /// The picture above, without shard 3, which the stream has forgotten.
    fn family() -> Vec<Shard> {
        use ShardState::{Closed, Open};
        vec![
            shard("0", &[], Closed),
            shard("1", &[], Closed),
            shard("2", &[], Closed),
            shard("4", &["0", "1"], Open),
            shard("5", &["2", "3"], Closed),
            shard("6", &["5"], Open),
            shard("7", &["5"], Open),
        ]
    }

    fn ids(shards: BTreeSet<&ShardId>) -> Vec<&str> {
        shards.into_iter().map(ShardId::as_str).collect()
    }

    #[test]
    fn relatives_are_found_over_generations_and_around_forgotten_shards() {
        let shards = family();
        let graph = Graph::new(&shards);
        let shard = |id| graph.shard(&ShardId::new(id)).into_iter();
        assert_eq!(ids(graph.ancestors(shard("7"))), ["2", "5"]);
        assert_eq!(ids(graph.descendants(shard("2"))), ["5", "6", "7"]);
        assert_eq!(ids(graph.descendants(shard("3"))), [""; 0]);
        assert_eq!(
            graph
                .parents(&shards[4])
                .map(|shard| shard.id.as_str())
                .collect::<Vec<_>>(),
            ["2"]
        );
    }

    #[test]
    fn shards_that_name_each_other_as_parents_do_not_hang_a_walk() {
        let shards = [
            shard("0", &["1"], ShardState::Closed),
            shard("1", &["0"], ShardState::Closed),
        ];
        let graph = Graph::new(&shards);
        assert_eq!(ids(graph.ancestors(shards.iter().take(1))), ["0", "1"]);
    }

    #[test]
    fn a_child_of_an_open_parent_is_found() {
        let mut shards = family();
        assert!(Graph::new(&shards).child_of_open_parent().is_none());
        shards[4].state = ShardState::Open;
        let graph = Graph::new(&shards);
        let (child, parent) = graph.child_of_open_parent().unwrap();
        assert_eq!((child.id.as_str(), parent.id.as_str()), ("6", "5"));
    }

    /// The first gap that shards with these ranges leave.
    fn gap(ranges: &[(u128, u128)]) -> Option<(u128, u128)> {
        let with_range = |(start, end): &(u128, u128)| Shard {
            range: HashKeyRange::new(HashKey::new(*start), HashKey::new(*end)).ok(),
            ..shard("0", &[], ShardState::Open)
        };
        let shards: Vec<_> = ranges.iter().map(with_range).collect();
        first_gap(shards.iter()).map(|gap| (gap.start().value(), gap.end().value()))
    }

    #[test]
    fn the_first_gap_in_the_hash_keys_is_found() {
        const MAX: u128 = u128::MAX;
        assert_eq!(gap(&[]), Some((0, MAX)));
        assert_eq!(gap(&[(0, MAX)]), None);
        assert_eq!(gap(&[(10, MAX), (0, 9)]), None);
        assert_eq!(gap(&[(1, MAX)]), Some((0, 0)));
        assert_eq!(gap(&[(0, 9), (11, MAX)]), Some((10, 10)));
        assert_eq!(gap(&[(0, 9), (20, 30)]), Some((10, 19)));
        assert_eq!(gap(&[(0, MAX - 1)]), Some((MAX, MAX)));
        assert_eq!(gap(&[(0, MAX), (5, 9)]), None);
        assert_eq!(gap(&[(0, 20), (5, 9), (21, MAX)]), None);
    }
}
