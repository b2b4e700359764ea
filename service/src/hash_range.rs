//! Pure: the hash keys of listed shards, with the faults of a list told by shard.

use aggregation::{HashKey, HashKeyRange, InvalidHashKey, InvalidRange};

use crate::ShardId;

/// One more than the last hash key, 2^128. Some emulators give it as the end of the last shard.
const BEHIND_THE_LAST: &str = "340282366920938463463374607431768211456";

/// A fault in the hash-key range of one listed shard. The other shards of the list are not affected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("shard {shard}: {kind}")]
pub struct RangeFault {
    /// The shard with the fault.
    pub shard: ShardId,
    /// What is wrong.
    pub kind: RangeFaultKind,
}

/// What can be wrong with a hash-key range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeFaultKind {
    /// The range ends at 2^128, one behind the last hash key, and is taken to end at the last one.
    #[error("its hash-key range ends at 2^128, behind the last hash key; read as the last one")]
    Clamped,
    /// The list has no range for the shard.
    #[error("it has no hash-key range")]
    Missing,
    /// The range begins or ends with a text that is no hash key.
    #[error("its hash-key range cannot be read: {0}")]
    HashKey(InvalidHashKey),
    /// The range ends before it starts.
    #[error("its hash-key range cannot be read: {0}")]
    Reversed(InvalidRange),
    /// The range has hash keys that another open shard has too.
    #[error("its hash-key range overlaps that of shard {0}")]
    Overlap(ShardId),
    /// Hash keys next to the range belong to no open shard.
    #[error("the hash keys {from} to {to} next to its range belong to no open shard")]
    Gap {
        /// The first of these hash keys.
        from: HashKey,
        /// The last of them.
        to: HashKey,
    },
}

/// Reads the range of one listed shard from its starting and its ending hash key.
///
/// A fault is added to `faults`. Without a range, the shard's hash keys are not known; a clamped range is known.
pub fn read_range(shard: &ShardId, range: Option<(&str, &str)>, faults: &mut Vec<RangeFault>) -> Option<HashKeyRange> {
    let mut note = |kind| {
        faults.push(RangeFault {
            shard: shard.clone(),
            kind,
        });
    };
    let Some((start, end)) = range else {
        note(RangeFaultKind::Missing);
        return None;
    };
    let end = if end == BEHIND_THE_LAST {
        note(RangeFaultKind::Clamped);
        Ok(HashKey::MAX)
    } else {
        end.parse()
    };
    let range = start.parse().and_then(|start| Ok((start, end?)));
    let range = range.map_err(RangeFaultKind::HashKey);
    match range.and_then(|(start, end)| HashKeyRange::new(start, end).map_err(RangeFaultKind::Reversed)) {
        Ok(range) => Some(range),
        Err(kind) => {
            note(kind);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &[(&str, Option<(&str, &str)>)]) -> (Vec<Option<HashKeyRange>>, Vec<String>) {
        let mut faults = Vec::new();
        let ranges = list
            .iter()
            .map(|(id, range)| read_range(&ShardId::new(id), *range, &mut faults));
        let ranges = ranges.collect();
        (ranges, faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_shard_with_a_bad_range_is_named_and_the_others_are_read() {
        let (ranges, faults) = read(&[
            ("a", Some(("0", "9"))),
            ("b", Some(("ten", "19"))),
            ("c", Some(("29", "20"))),
            ("d", None),
            ("e", Some(("30", "340282366920938463463374607431768211455"))),
        ]);
        let known: Vec<_> = ranges.iter().map(Option::is_some).collect();
        assert_eq!(known, [true, false, false, false, true]);
        let named: Vec<_> = faults.iter().map(|fault| &fault[..8]).collect();
        assert_eq!(named, ["shard b:", "shard c:", "shard d:"]);
    }

    #[test]
    fn a_range_that_ends_at_two_to_the_128_is_clamped_and_told() {
        let (ranges, faults) = read(&[("last", Some(("7", BEHIND_THE_LAST)))]);
        assert_eq!(ranges, [HashKeyRange::new(HashKey::new(7), HashKey::MAX).ok()]);
        assert_eq!(
            faults,
            ["shard last: its hash-key range ends at 2^128, behind the last hash key; read as the last one"]
        );
    }

    #[test]
    fn a_hash_key_beyond_two_to_the_128_is_not_clamped() {
        let (ranges, faults) = read(&[("far", Some(("0", "340282366920938463463374607431768211457")))]);
        assert_eq!(ranges, [None]);
        assert_eq!(faults.len(), 1);
    }
}
