//! Pure: uniform scaling, the rounds of splits and merges that bring a stream to shards of equal size.
//!
//! First every shard is split at the borders of the new layout that lie in it, then the pieces between two borders are
//! merged. Each round splits or merges each shard at most once, so that 2 shards become 4 in one round, and 4 become 3
//! in two: two shards are split, and three pairs are merged. Pieces that are merged again live for one round.

use aggregation::{HashKey, HashKeyRange};

use super::shard::Shard;
use super::shard_id::ShardId;
use super::stream::Stream;
use super::timestamp::Timestamp;

/// One step of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Split(ShardId, HashKey),
    Merge(ShardId, ShardId),
}

impl Stream {
    /// Makes the next round of splits or merges happen.
    pub(super) fn scale(&mut self, target: u32, now: Timestamp) {
        for step in self.round(target) {
            match step {
                Step::Split(shard, at) => self.split(shard, at, now),
                Step::Merge(shard, adjacent) => self.merge(shard, adjacent, now),
            }
        }
    }

    /// Tells whether the open shards are `target` shards of equal size.
    pub(super) fn is_uniform(&self, target: u32) -> bool {
        self.round(target).is_empty()
    }

    fn round(&self, target: u32) -> Vec<Step> {
        let layout: Vec<_> = HashKeyRange::FULL.split_evenly(target).collect();
        let splits: Vec<_> = self.open_shards().filter_map(|shard| split(shard, &layout)).collect();
        if splits.is_empty() {
            self.merges(&layout)
        } else {
            splits
        }
    }

    /// Pairs the open shards within each range of the layout, every shard fitting in one.
    fn merges(&self, layout: &[HashKeyRange]) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut shards = self.open_shards().peekable();
        for range in layout {
            while let Some(shard) = shards.next_if(|shard| range.contains(shard.range.start())) {
                if let Some(adjacent) = shards.next_if(|shard| range.contains(shard.range.start())) {
                    steps.push(Step::Merge(shard.id, adjacent.id));
                }
            }
        }
        steps
    }
}

/// Splits a shard at the middle one of the borders that lie in it.
fn split(shard: &Shard, layout: &[HashKeyRange]) -> Option<Step> {
    let first = layout.partition_point(|range| range.start() <= shard.range.start());
    let end = layout.partition_point(|range| range.start() <= shard.range.end());
    let borders = layout.get(first..end)?;
    borders
        .get(borders.len() / 2)
        .map(|range| Step::Split(shard.id, range.start()))
}
