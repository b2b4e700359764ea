//! Pure: whether the ranges of listed shards hold each hash key once, and which shards are to blame if they do not.

use std::collections::BTreeSet;

use aggregation::{HashKey, HashKeyRange};
use service::{RangeFault, RangeFaultKind, ShardId};

use crate::routing::shard_map::{Listing, Shard};

impl Listing {
    /// The list without ranges that contradict each other: shards that share hash keys, and a shard next to hash keys that
    /// no shard has, count as shards with unreadable ranges, and their faults are noted. The other shards stay as they are.
    ///
    /// As many gaps as there are shards with unreadable ranges are expected.
    pub(crate) fn checked(mut self) -> Self {
        self.open.sort_by(|a, b| (a.range, &a.id).cmp(&(b.range, &b.id)));
        self.blame(overlaps(&self.open));
        let unexplained = gaps(&self.open).into_iter().skip(self.unreadable.len());
        let faults = unexplained.filter_map(|gap| self.beside(gap)).collect();
        self.blame(faults);
        self
    }

    /// The shard behind a gap, or in front of it if there is none behind.
    fn beside(&self, gap: HashKeyRange) -> Option<RangeFault> {
        let behind = self.open.iter().find(|shard| shard.range.start() > gap.end());
        let shard = behind.or(self.open.last())?;
        Some(RangeFault {
            shard: shard.id.clone(),
            kind: RangeFaultKind::Gap {
                from: gap.start(),
                to: gap.end(),
            },
        })
    }

    fn blame(&mut self, faults: Vec<RangeFault>) {
        let blamed: BTreeSet<ShardId> = faults.iter().map(|fault| fault.shard.clone()).collect();
        self.open.retain(|shard| !blamed.contains(&shard.id));
        self.unreadable.extend(blamed);
        self.faults.extend(faults);
    }
}

/// Both of two shards that share hash keys. The shards are in the order of their first hash keys.
fn overlaps(shards: &[Shard]) -> Vec<RangeFault> {
    let mut faults = Vec::new();
    let mut furthest: Option<&Shard> = None;
    for shard in shards {
        let overlapped = furthest.filter(|before| before.range.end() >= shard.range.start());
        if let Some(before) = overlapped {
            faults.extend([fault(before, shard), fault(shard, before)]);
        }
        if furthest.is_none_or(|before| before.range.end() < shard.range.end()) {
            furthest = Some(shard);
        }
    }
    let mut blamed = BTreeSet::new();
    faults.retain(|fault| blamed.insert(fault.shard.clone()));
    faults
}

fn fault(shard: &Shard, other: &Shard) -> RangeFault {
    RangeFault {
        shard: shard.id.clone(),
        kind: RangeFaultKind::Overlap(other.id.clone()),
    }
}

/// The ranges of hash keys that belong to none of `shards`.
pub(super) fn gaps(shards: &[Shard]) -> Vec<HashKeyRange> {
    let mut ranges: Vec<HashKeyRange> = shards.iter().map(|shard| shard.range).collect();
    ranges.sort_unstable();
    let mut gaps = Vec::new();
    let mut next = Some(HashKey::MIN);
    for range in ranges {
        let Some(expected) = next else { break };
        if range.start() > expected {
            let end = HashKey::new(range.start().value().saturating_sub(1));
            gaps.extend(HashKeyRange::new(expected, end));
        }
        let behind = range.end().value().checked_add(1).map(HashKey::new);
        next = behind.map(|behind| behind.max(expected));
    }
    gaps.extend(next.and_then(|next| HashKeyRange::new(next, HashKey::MAX).ok()));
    gaps
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

    /// The shards whose ranges are left, and the faults.
    fn checked(open: Vec<Shard>, unreadable: &[&str]) -> (Vec<String>, Vec<String>) {
        let listing = Listing {
            open,
            unreadable: unreadable.iter().map(|id| ShardId::new(id)).collect(),
            faults: Vec::new(),
        };
        let listing = listing.checked();
        let open = listing.open.iter().map(|shard| shard.id.to_string()).collect();
        let faults = listing.faults.iter().map(ToString::to_string).collect();
        (open, faults)
    }

    #[test]
    fn a_complete_list_has_no_fault() {
        let open = vec![shard("c", 20, u128::MAX), shard("a", 0, 9), shard("b", 10, 19)];
        assert_eq!(checked(open, &[]), (vec!["a".into(), "b".into(), "c".into()], vec![]));
    }

    #[test]
    fn shards_that_share_hash_keys_are_blamed_and_their_neighbours_are_not() {
        let open = vec![
            shard("a", 0, 9),
            shard("b", 10, 25),
            shard("c", 20, 29),
            shard("d", 30, u128::MAX),
        ];
        let (open, faults) = checked(open, &[]);
        assert_eq!(open, ["a", "d"]);
        assert_eq!(
            faults,
            [
                "shard b: its hash-key range overlaps that of shard c",
                "shard c: its hash-key range overlaps that of shard b"
            ]
        );
    }

    #[test]
    fn a_shard_beside_hash_keys_that_no_shard_has_is_blamed() {
        let open = vec![shard("a", 5, 9), shard("b", 10, 19), shard("c", 30, 39)];
        let (open, faults) = checked(open, &[]);
        assert_eq!(open, ["b"]);
        assert!(
            faults[0].starts_with("shard a: the hash keys 0 to 4 next to"),
            "{faults:?}"
        );
        assert!(
            faults[1].starts_with("shard c: the hash keys 20 to 29 next to"),
            "{faults:?}"
        );
        assert!(faults[2].starts_with("shard c: the hash keys 40 to"), "{faults:?}");
    }

    #[test]
    fn the_gap_of_a_shard_with_an_unreadable_range_is_nobody_elses_fault() {
        let open = vec![shard("a", 0, 9), shard("c", 20, u128::MAX)];
        assert_eq!(checked(open, &["b"]), (vec!["a".into(), "c".into()], vec![]));
    }

    #[test]
    fn the_gaps_between_shards_are_found_in_order() {
        let ranges = |shards: &[Shard]| -> Vec<(u128, u128)> {
            let gaps = gaps(shards).into_iter();
            gaps.map(|gap| (gap.start().value(), gap.end().value())).collect()
        };
        assert_eq!(ranges(&[]), [(0, u128::MAX)]);
        assert_eq!(ranges(&[shard("a", 0, u128::MAX)]), []);
        assert_eq!(
            ranges(&[shard("b", 30, 40), shard("a", 10, 20)]),
            [(0, 9), (21, 29), (41, u128::MAX)]
        );
    }
}
