//! Pure: whether a stream follows hash keys, learnt from where it puts records.
//!
//! Each record that has a partition key is sent with its hash key. Once enough of them, on more than one shard, lie where
//! their hash keys say, the stream follows these. One that does not, by a shard map that is newer than its request, shows
//! the contrary.

use std::time::Instant;

use aggregation::HashKey;
use service::ShardId;

use crate::config::ordering::RecordDistribution;
use crate::limits::AGREEING_PLACEMENTS;
use crate::routing::shard_map::ShardMap;

/// Where the service put a Kinesis record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placement {
    /// The hash key under which it was sent.
    pub(crate) key: HashKey,
    /// The shard that the answer names.
    pub(crate) shard: ShardId,
    /// When its request was sent.
    pub(crate) sent: Instant,
}

/// A shard map as evidence needs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Atlas<'a> {
    pub(crate) map: &'a ShardMap,
    /// The map knows everything up to then.
    pub(crate) up_to: Option<Instant>,
}

/// A request put a record where a stream that follows hash keys would not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contradiction {
    /// When the request was sent.
    pub(crate) sent: Instant,
}

/// What is known from placements.
#[derive(Debug)]
pub(crate) struct Evidence {
    finding: RecordDistribution,
    /// Placements in a row that agree, the shard of the first, and whether there was another one.
    agreeing: u32,
    first_shard: Option<ShardId>,
    several_shards: bool,
    /// A placement that contradicts a map older than its request: a newer one may explain it.
    doubt: Option<Placement>,
}

impl Evidence {
    /// Nothing but this finding.
    pub(crate) fn of(finding: RecordDistribution) -> Self {
        Self {
            finding,
            agreeing: 0,
            first_shard: None,
            several_shards: false,
            doubt: None,
        }
    }

    /// What the placements so far show.
    pub(crate) fn finding(&self) -> RecordDistribution {
        self.finding
    }

    /// Takes a placement in.
    pub(crate) fn placed(&mut self, placement: Placement, atlas: Atlas<'_>) -> Option<Contradiction> {
        match atlas.agrees_with(&placement) {
            Some(true) => self.agreed(placement.shard, atlas.map),
            Some(false) => {
                self.start_over();
                if atlas.is_newer_than(&placement) {
                    return Some(self.contradicted_by(&placement));
                }
                self.doubt = Some(placement);
            }
            None => self.doubt = Some(placement),
        }
        None
    }

    /// Looks at a doubt again, by a fresh map. A shard that even this map does not know is younger than it.
    pub(crate) fn refreshed(&mut self, atlas: Atlas<'_>) -> Option<Contradiction> {
        let doubt = self.doubt.take_if(|doubt| atlas.is_newer_than(doubt))?;
        let contradicts = atlas.agrees_with(&doubt) == Some(false);
        contradicts.then(|| self.contradicted_by(&doubt))
    }

    fn agreed(&mut self, shard: ShardId, map: &ShardMap) {
        self.agreeing = self.agreeing.saturating_add(1);
        self.several_shards |= *self.first_shard.get_or_insert_with(|| shard.clone()) != shard;
        let is_only_shard = map.shards().len() == 1;
        if is_only_shard || self.several_shards && self.agreeing >= AGREEING_PLACEMENTS {
            self.finding = RecordDistribution::UserPartitionKey;
        }
    }

    fn contradicted_by(&mut self, placement: &Placement) -> Contradiction {
        self.start_over();
        self.finding = RecordDistribution::Auto;
        Contradiction { sent: placement.sent }
    }

    fn start_over(&mut self) {
        (self.agreeing, self.first_shard, self.several_shards) = (0, None, false);
    }
}

impl Atlas<'_> {
    /// Whether the shard holds the key; `None` if the map does not know the shard.
    fn agrees_with(&self, placement: &Placement) -> Option<bool> {
        let range = self.map.range_of(&placement.shard)?;
        Some(range.contains(placement.key))
    }

    fn is_newer_than(&self, placement: &Placement) -> bool {
        self.up_to.is_some_and(|at| at >= placement.sent)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use std::time::Duration;

    use aggregation::HashKeyRange;

    use super::*;
    use crate::routing::shard_map::Shard;

    const SECOND: Duration = Duration::from_secs(1);

    fn map(shards: u32) -> ShardMap {
        let ranges = HashKeyRange::FULL.split_evenly(shards).enumerate();
        let shards = ranges.map(|(n, range)| Shard { id: id(n), range });
        ShardMap::first(shards.collect::<Vec<_>>()).unwrap()
    }

    fn id(n: usize) -> ShardId {
        ShardId::new(&format!("shardId-{n:012}"))
    }

    /// A record of shard `belongs` of `map`, put into shard `lies`.
    fn placement(map: &ShardMap, belongs: usize, lies: usize, sent: Instant) -> Placement {
        Placement {
            key: map.shards()[belongs].range.start(),
            shard: id(lies),
            sent,
        }
    }

    fn place(evidence: &mut Evidence, map: &ShardMap, (belongs, lies): (usize, usize)) -> Option<Contradiction> {
        let now = Instant::now();
        let atlas = Atlas { map, up_to: Some(now) };
        evidence.placed(placement(map, belongs, lies, now), atlas)
    }

    #[test]
    fn a_stream_follows_keys_after_64_placements_on_two_shards_that_agree() {
        let (map, mut evidence) = (map(2), Evidence::of(RecordDistribution::Unknown));
        for n in 0..64 {
            assert_eq!(evidence.finding(), RecordDistribution::Unknown, "{n}");
            assert_eq!(place(&mut evidence, &map, (n % 2, n % 2)), None);
        }
        assert_eq!(evidence.finding(), RecordDistribution::UserPartitionKey);
    }

    #[test]
    fn one_shard_of_several_shows_nothing_however_often() {
        let (map, mut evidence) = (map(2), Evidence::of(RecordDistribution::Unknown));
        for _ in 0..1_000 {
            place(&mut evidence, &map, (1, 1));
        }
        assert_eq!(evidence.finding(), RecordDistribution::Unknown);
        place(&mut evidence, &map, (0, 0));
        assert_eq!(evidence.finding(), RecordDistribution::UserPartitionKey);
    }

    #[test]
    fn a_stream_of_one_shard_follows_keys_from_its_first_placement() {
        let (map, mut evidence) = (map(1), Evidence::of(RecordDistribution::Unknown));
        place(&mut evidence, &map, (0, 0));
        assert_eq!(evidence.finding(), RecordDistribution::UserPartitionKey);
    }

    #[test]
    fn one_placement_elsewhere_by_a_map_that_is_newer_than_it_shows_that_keys_are_ignored() {
        let (map, mut evidence) = (map(2), Evidence::of(RecordDistribution::UserPartitionKey));
        assert!(place(&mut evidence, &map, (0, 1)).is_some());
        assert_eq!(evidence.finding(), RecordDistribution::Auto);
        for n in 0..63 {
            place(&mut evidence, &map, (n % 2, n % 2));
        }
        assert_eq!(evidence.finding(), RecordDistribution::Auto, "the count began anew");
        place(&mut evidence, &map, (0, 0));
        assert_eq!(evidence.finding(), RecordDistribution::UserPartitionKey);
    }

    #[test]
    fn a_placement_that_a_fresh_map_explains_shows_nothing() {
        let sent = Instant::now();
        let (old, mut evidence) = (map(1), Evidence::of(RecordDistribution::UserPartitionKey));
        let half = HashKeyRange::FULL.split_evenly(2).enumerate();
        let children = half.map(|(n, range)| Shard { id: id(n + 1), range });
        let split = old.refreshed(children.collect::<Vec<_>>()).unwrap();
        let right = placement(&split, 1, 2, sent);
        let atlas = |map, up_to| Atlas {
            map,
            up_to: Some(up_to),
        };
        assert_eq!(evidence.placed(right, atlas(&old, sent - SECOND)), None);
        assert_eq!(evidence.refreshed(atlas(&old, sent - SECOND)), None, "not fresh enough");
        assert_eq!(evidence.refreshed(atlas(&split, sent + SECOND)), None);
        assert_eq!(evidence.finding(), RecordDistribution::UserPartitionKey);

        let wrong = placement(&split, 0, 2, sent + 2 * SECOND);
        assert_eq!(evidence.placed(wrong, atlas(&split, sent + SECOND)), None);
        let contradiction = evidence.refreshed(atlas(&split, sent + 3 * SECOND));
        assert_eq!(
            contradiction,
            Some(Contradiction {
                sent: sent + 2 * SECOND
            })
        );
        assert_eq!(evidence.finding(), RecordDistribution::Auto);
    }
}
