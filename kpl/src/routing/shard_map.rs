//! Pure: which open shard a hash key belongs to.

use std::collections::{BTreeMap, BTreeSet};

use aggregation::{HashKey, HashKeyRange};
use service::{RangeFault, ShardId};

use crate::routing::Target;
use crate::routing::coverage::gaps;

/// One shard and the hash keys it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    pub(crate) range: HashKeyRange,
}

/// The open shards that the service listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Listing {
    pub(crate) open: Vec<Shard>,
    /// Open shards whose ranges cannot be read.
    pub(crate) unreadable: Vec<ShardId>,
    /// What is wrong with the ranges of shards, open ones only.
    pub(crate) faults: Vec<RangeFault>,
}

impl From<Vec<Shard>> for Listing {
    fn from(open: Vec<Shard>) -> Self {
        Self {
            open,
            ..Self::default()
        }
    }
}

impl Listing {
    /// The open shards, and the ids of those whose ranges are assumed: a shard with an unreadable range is given a range
    /// of hash keys that no other shard has.
    ///
    /// Neighbours with unreadable ranges leave one such range, and it goes to the first of them. So an assumed range
    /// tells no more than where records of unknown shards gather.
    fn with_assumed_ranges(self) -> (Vec<Shard>, BTreeSet<ShardId>) {
        let Self {
            mut open, unreadable, ..
        } = self;
        let assumed: Vec<Shard> = unreadable
            .into_iter()
            .zip(gaps(&open))
            .map(|(id, range)| Shard { id, range })
            .collect();
        let ids = assumed.iter().map(|shard| shard.id.clone()).collect();
        open.extend(assumed);
        (open, ids)
    }
}

/// The version of a shard map: larger each time that a range changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Epoch(u64);

/// The open shards of a stream, ordered by hash range; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardMap {
    epoch: Epoch,
    /// Since when each hash key is in the range of one shard, no more and no less.
    whole_since: Option<Epoch>,
    open: Vec<Shard>,
    /// The same shards by their ids: a stream may have tens of thousands.
    ranges: BTreeMap<ShardId, Known>,
    /// Open shards whose ranges could not be read and are assumed.
    assumed: BTreeSet<ShardId>,
    /// Ranges of shards that were open in an earlier epoch, so that late answers can be judged.
    closed: BTreeMap<ShardId, Closed>,
}

/// The range of an open shard, and the epoch since which it is known and the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    range: HashKeyRange,
    since: Epoch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Closed {
    range: HashKeyRange,
    since: Epoch,
}

/// For how many epochs a closed shard's range is remembered: longer than any request that names it is under way.
const CLOSED_KEPT_EPOCHS: u64 = 16;

impl ShardMap {
    /// The first map of a stream. `None` if there is no open shard.
    pub(crate) fn first(listed: impl Into<Listing>) -> Option<Self> {
        Self::build(Epoch(1), listed.into(), BTreeMap::new())
    }

    /// The map after a refresh: a later epoch if anything changed, otherwise the same.
    pub(crate) fn refreshed(&self, listed: impl Into<Listing>) -> Option<Self> {
        let mut next = Self::build(Epoch(self.epoch.0 + 1), listed.into(), self.closed.clone())?;
        if next.has_shards_of(self) {
            return Some(self.clone());
        }
        next.date_back(self);
        if self.is_of_another_stream(&next) {
            next.closed.clear();
            return Some(next);
        }
        let since = next.epoch;
        next.closed
            .retain(|_, closed| closed.since.0 + CLOSED_KEPT_EPOCHS > since.0);
        next.closed.extend(self.open.iter().map(|shard| {
            (
                shard.id.clone(),
                Closed {
                    range: shard.range,
                    since,
                },
            )
        }));
        for shard in &next.open {
            next.closed.remove(&shard.id);
        }
        Some(next)
    }

    /// The map after a refresh of a stream that may have taken this one's place: it has nothing to do with closed shards
    /// of this one.
    pub(crate) fn replaced(&self, listed: impl Into<Listing>) -> Option<Self> {
        let mut next = Self::build(Epoch(self.epoch.0 + 1), listed.into(), BTreeMap::new())?;
        if next.has_shards_of(self) {
            next.epoch = self.epoch;
        }
        next.date_back(self);
        Some(next)
    }

    /// Notes which shards were there before, with the same range, and that the map was whole before.
    fn date_back(&mut self, before: &Self) {
        if self.whole_since.is_some() {
            self.whole_since = before.whole_since.or(self.whole_since);
        }
        for (id, known) in &mut self.ranges {
            let is_assumed = self.assumed.contains(id) || before.assumed.contains(id);
            match before.ranges.get(id).filter(|_| !is_assumed) {
                Some(earlier) if earlier.range == known.range => known.since = earlier.since,
                Some(_) | None => known.since = self.epoch,
            }
        }
    }

    /// Whether the stream was deleted and created again under the same name. As long as it lives, no shard changes its
    /// range or opens again, and a new one has a greater id than any before.
    fn is_of_another_stream(&self, next: &Self) -> bool {
        let known = self.open.iter().map(|shard| &shard.id).chain(self.closed.keys());
        let greatest = known.filter_map(ShardId::number).max();
        next.open.iter().any(|shard| match self.open_range_of(&shard.id) {
            Some(_) if self.is_assumed(&shard.id) || next.is_assumed(&shard.id) => false,
            Some(range) => range != shard.range,
            None => self.closed.contains_key(&shard.id) || shard.id.number().is_some_and(|new| Some(new) < greatest),
        })
    }

    /// Whether the same shards are open in `other`, and as much is known of their ranges.
    fn has_shards_of(&self, other: &Self) -> bool {
        self.open == other.open && self.assumed == other.assumed
    }

    fn build(epoch: Epoch, listed: Listing, closed: BTreeMap<ShardId, Closed>) -> Option<Self> {
        let (mut open, assumed) = listed.with_assumed_ranges();
        open.sort_by(|a, b| (a.range.end(), a.range.start(), &a.id).cmp(&(b.range.end(), b.range.start(), &b.id)));
        if open.is_empty() {
            None
        } else {
            let known = |shard: &Shard| Known {
                range: shard.range,
                since: epoch,
            };
            let ranges = open.iter().map(|shard| (shard.id.clone(), known(shard))).collect();
            Some(Self {
                epoch,
                whole_since: is_whole(&open).then_some(epoch),
                open,
                ranges,
                assumed,
                closed,
            })
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The open shards in the order of their ranges.
    pub(crate) fn shards(&self) -> &[Shard] {
        &self.open
    }

    /// The place in [`shards`](Self::shards) of the shard that holds `key`: the first whose range does not end before
    /// it. In a map with a hole, the last shard serves the keys behind all ranges.
    pub(crate) fn index_of(&self, key: HashKey) -> usize {
        let guess = self.index_among_equals(key);
        let ends_before = |index: usize| self.open.get(index).is_none_or(|shard| shard.range.end() < key);
        let is_first = guess.checked_sub(1).is_none_or(ends_before);
        if is_first && self.open.get(guess).is_some_and(|shard| shard.range.contains(key)) {
            return guess;
        }
        let index = self.open.partition_point(|shard| shard.range.end() < key);
        index.min(self.open.len().saturating_sub(1))
    }

    /// Where `key` would be if all shards were of one size, as most streams have them.
    fn index_among_equals(&self, key: HashKey) -> usize {
        let upper_half = key.value() >> 64;
        usize::try_from((upper_half * self.open.len() as u128) >> 64).unwrap_or(usize::MAX)
    }

    /// Whether the range of an open shard could not be read.
    pub(crate) fn has_assumed(&self) -> bool {
        !self.assumed.is_empty()
    }

    /// Whether the shard is open and its range could not be read: nobody knows which records lie in it.
    pub(crate) fn is_assumed(&self, id: &ShardId) -> bool {
        self.assumed.contains(id)
    }

    /// The hash keys of a shard, open or closed in an earlier epoch, if they are known: an assumed range may be too large.
    pub(crate) fn range_of(&self, id: &ShardId) -> Option<HashKeyRange> {
        self.open_range_of(id)
            .filter(|_| !self.is_assumed(id))
            .or_else(|| self.closed.get(id).map(|closed| closed.range))
    }

    /// The hash keys of a shard that is open; assumed ones too.
    pub(crate) fn open_range_of(&self, id: &ShardId) -> Option<HashKeyRange> {
        self.ranges.get(id).map(|known| known.range)
    }

    /// Whether the shard has had this range since the epoch of the target: what was built for it then fits it now.
    pub(crate) fn is_as_in(&self, target: &Target) -> bool {
        self.ranges
            .get(&target.shard)
            .is_some_and(|known| known.since <= target.epoch)
    }

    /// Whether the hash keys of the target's shard were those of no other shard since `epoch`: what was built for others since
    /// then has none of them.
    pub(crate) fn has_kept_apart(&self, target: &Target, epoch: Epoch) -> bool {
        let since = target.epoch.min(epoch);
        let is_same = self.ranges.get(&target.shard).is_some_and(|known| known.since <= since);
        is_same && self.whole_since.is_some_and(|whole| whole <= since)
    }
}

/// Whether each hash key is in one of these ranges, which are in order.
fn is_whole(shards: &[Shard]) -> bool {
    let mut next = Some(HashKey::MIN);
    for Shard { range, .. } in shards {
        if next != Some(range.start()) {
            return false;
        }
        next = range.end().value().checked_add(1).map(HashKey::new);
    }
    next.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, start: u128, end: u128) -> Shard {
        Shard {
            id: ShardId::new(id),
            range: HashKeyRange::new(HashKey::new(start), HashKey::new(end)).unwrap(),
        }
    }

    fn id_of(map: &ShardMap, key: u128) -> String {
        map.shards()[map.index_of(HashKey::new(key))].id.to_string()
    }

    const QUARTER: u128 = 85_070_591_730_234_615_865_843_651_857_942_052_863;

    #[test]
    fn the_published_boundaries_are_found_exactly() {
        let map = ShardMap::first(vec![
            shard("1", 1 << 127, u128::MAX),
            shard("2", 0, QUARTER - 1),
            shard("3", QUARTER, (1 << 127) - 1),
        ])
        .unwrap();
        for (key, id) in [
            (0, "2"),
            (QUARTER - 1, "2"),
            (QUARTER, "3"),
            ((1 << 127) - 1, "3"),
            (1 << 127, "1"),
            (u128::MAX, "1"),
        ] {
            assert_eq!(id_of(&map, key), id, "{key}");
        }
    }

    #[test]
    fn the_keys_of_a_shard_were_its_own_as_long_as_its_range_was_the_same_and_all_ranges_without_gap_or_overlap() {
        let whole = || vec![shard("1", 0, 9), shard("2", 10, 19), shard("3", 20, u128::MAX)];
        let first = ShardMap::first(whole()).unwrap();
        let split = vec![
            shard("1", 0, 9),
            shard("4", 10, 15),
            shard("5", 16, 19),
            shard("3", 20, u128::MAX),
        ];
        let second = first.refreshed(split.clone()).unwrap();
        let target = |id: &str, map: &ShardMap| Target {
            shard: ShardId::new(id),
            epoch: map.epoch(),
        };
        assert!(second.has_kept_apart(&target("1", &first), first.epoch()));
        assert!(second.has_kept_apart(&target("3", &second), first.epoch()));
        assert!(
            !second.has_kept_apart(&target("4", &second), first.epoch()),
            "it is new"
        );
        assert!(second.has_kept_apart(&target("4", &second), second.epoch()));
        assert!(
            !second.has_kept_apart(&target("2", &first), first.epoch()),
            "it is closed"
        );
        for faulty in [
            vec![shard("1", 0, 8), shard("2", 10, 19), shard("3", 20, u128::MAX)],
            vec![shard("1", 0, 10), shard("2", 10, 19), shard("3", 20, u128::MAX)],
            vec![shard("1", 0, 9), shard("2", 10, 19), shard("3", 20, 30)],
        ] {
            let faulty = ShardMap::first(faulty).unwrap();
            let next = faulty.refreshed(split.clone()).unwrap();
            assert!(!next.has_kept_apart(&target("3", &next), faulty.epoch()));
        }
    }

    #[test]
    fn where_ranges_overlap_the_first_that_does_not_end_before_the_key_counts() {
        let half = 1 << 127;
        let map = ShardMap::first(vec![
            shard("parent", 0, u128::MAX),
            shard("low", 0, half - 1),
            shard("high", half, u128::MAX),
        ])
        .unwrap();
        for percent in 0..100 {
            let key = u128::MAX / 100 * percent;
            assert_eq!(
                id_of(&map, key),
                if key < half { "low" } else { "parent" },
                "{percent} %"
            );
        }
    }

    #[test]
    fn a_refresh_without_change_keeps_the_epoch() {
        let map = ShardMap::first(vec![shard("a", 0, u128::MAX)]).unwrap();
        let same = map.refreshed(vec![shard("a", 0, u128::MAX)]).unwrap();
        assert_eq!(same.epoch(), map.epoch());
    }

    #[test]
    fn what_was_built_for_a_shard_fits_it_as_long_as_its_range_is_the_same() {
        let half = 1 << 127;
        let map = ShardMap::first(vec![shard("a", 0, half - 1), shard("b", half, u128::MAX)]).unwrap();
        let target = |id: &str, map: &ShardMap| Target {
            shard: ShardId::new(id),
            epoch: map.epoch(),
        };
        let (a, b) = (target("a", &map), target("b", &map));
        let listed = vec![
            shard("a", 0, half - 1),
            shard("c", half, u128::MAX - 1),
            shard("d", u128::MAX, u128::MAX),
        ];
        let split = map.refreshed(listed).unwrap();
        assert!(split.is_as_in(&a) && split.is_as_in(&target("c", &split)));
        assert!(!split.is_as_in(&b), "it is closed");
        let recreated = split
            .replaced(vec![shard("a", 0, half), shard("b", half + 1, u128::MAX)])
            .unwrap();
        assert!(!recreated.is_as_in(&a), "it has another range");
        assert!(!recreated.is_as_in(&b), "it was closed meanwhile");
    }

    #[test]
    fn a_split_raises_the_epoch_and_remembers_the_parent_range() {
        let map = ShardMap::first(vec![shard("parent", 0, u128::MAX)]).unwrap();
        let split = map
            .refreshed(vec![shard("low", 0, 9), shard("high", 10, u128::MAX)])
            .unwrap();
        assert!(split.epoch() > map.epoch());
        assert_eq!(id_of(&split, 9), "low");
        assert_eq!(id_of(&split, 10), "high");
        assert_eq!(split.range_of(&ShardId::new("parent")), Some(HashKeyRange::FULL));
    }

    #[test]
    fn a_stream_recreated_under_the_same_ids_counts_as_changed() {
        let map = ShardMap::first(vec![shard("shardId-000000000000", 0, u128::MAX)]).unwrap();
        let recreated = map
            .refreshed(vec![
                shard("shardId-000000000000", 0, 9),
                shard("shardId-000000000001", 10, u128::MAX),
            ])
            .unwrap();
        assert!(recreated.epoch() > map.epoch());
        let range = recreated.range_of(&ShardId::new("shardId-000000000000")).unwrap();
        assert_eq!(range.end(), HashKey::new(9));
    }

    #[test]
    fn the_closed_shards_of_a_stream_are_forgotten_when_it_is_recreated() {
        let [zero, one, two, three, four] = [0, 1, 2, 3, 4].map(|n| format!("shardId-{n:012}"));
        let split = ShardMap::first(vec![shard(&one, 0, u128::MAX)])
            .and_then(|map| map.refreshed(vec![shard(&two, 0, 9), shard(&three, 10, u128::MAX)]))
            .unwrap();
        let recreations = [
            ("a closed one opens again", vec![shard(&one, 0, u128::MAX)]),
            (
                "an unknown one is not new",
                vec![shard(&zero, 0, 9), shard(&three, 10, u128::MAX)],
            ),
            (
                "a range has changed",
                vec![shard(&two, 0, 7), shard(&four, 8, u128::MAX)],
            ),
        ];
        for (sign, open) in recreations {
            let recreated = split.refreshed(open).unwrap();
            assert_eq!(recreated.closed, BTreeMap::new(), "{sign}");
            assert!(recreated.epoch() > split.epoch(), "{sign}");
        }
    }

    #[test]
    fn what_replaces_a_map_knows_nothing_of_its_closed_shards_and_has_its_epoch_if_nothing_changed() {
        let map = ShardMap::first(vec![shard("a", 0, u128::MAX)]).unwrap();
        let halves = || vec![shard("b", 0, 9), shard("c", 10, u128::MAX)];
        let split = map.refreshed(halves()).unwrap();
        assert_eq!(split.range_of(&ShardId::new("a")), Some(HashKeyRange::FULL));
        let same = split.replaced(halves()).unwrap();
        assert_eq!((same.epoch(), same.range_of(&ShardId::new("a"))), (split.epoch(), None));
        let other = split.replaced(vec![shard("d", 0, u128::MAX)]).unwrap();
        assert!(other.epoch() > split.epoch());
        assert_eq!(other.range_of(&ShardId::new("b")), None);
    }

    fn listing(open: Vec<Shard>, unreadable: &[&str]) -> Listing {
        let unreadable = unreadable.iter().map(|id| ShardId::new(id)).collect();
        Listing {
            open,
            unreadable,
            faults: Vec::new(),
        }
    }

    #[test]
    fn a_shard_with_an_unreadable_range_is_assumed_to_hold_the_keys_that_no_other_shard_holds() {
        let known = || vec![shard("low", 0, 9), shard("high", 20, u128::MAX)];
        let map = ShardMap::first(listing(known(), &["bad"])).unwrap();
        for (key, id) in [(9, "low"), (10, "bad"), (19, "bad"), (20, "high")] {
            assert_eq!(id_of(&map, key), id, "{key}");
        }
        assert!(map.is_assumed(&ShardId::new("bad")) && !map.is_assumed(&ShardId::new("low")));
        let complete = || [known(), vec![shard("bad", 10, 19)]].concat();
        let read = map.refreshed(complete()).unwrap();
        assert!(read.epoch() > map.epoch(), "as the range is known now");
        assert!(!read.is_assumed(&ShardId::new("bad")));
    }

    #[test]
    fn a_range_that_cannot_be_read_any_more_is_no_sign_of_another_stream() {
        let ids = ["shardId-000000000001", "shardId-000000000002"];
        let map = ShardMap::first(vec![shard("shardId-000000000000", 0, u128::MAX)]).unwrap();
        let map = map
            .refreshed(vec![shard(ids[0], 0, 9), shard(ids[1], 10, u128::MAX)])
            .unwrap();
        let bad = map.refreshed(listing(vec![shard(ids[0], 0, 5)], &[ids[1]])).unwrap();
        assert_eq!(
            bad.closed.len(),
            0,
            "the readable range has changed, which it never does"
        );
        let bad = map.refreshed(listing(vec![], &ids)).unwrap();
        assert!(!bad.closed.is_empty());
        assert_eq!(id_of(&bad, 7), ids[0]);
    }

    #[test]
    fn a_stream_without_open_shards_has_no_map() {
        assert_eq!(ShardMap::first(Vec::new()), None);
    }
}
