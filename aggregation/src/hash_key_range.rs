//! Pure: the part of the hash-key space that a shard owns.

use std::fmt;

use crate::HashKey;

/// A range of hash keys, both ends included, as in the service's `HashKeyRange`. It holds at least one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKeyRange {
    start: HashKey,
    end: HashKey,
}

impl HashKeyRange {
    /// The whole space: the range of the only shard of a stream.
    pub const FULL: Self = Self {
        start: HashKey::MIN,
        end: HashKey::MAX,
    };

    /// Spans the keys from `start` to `end`, both included.
    ///
    /// # Errors
    ///
    /// If `start` is larger than `end`.
    pub fn new(start: HashKey, end: HashKey) -> Result<Self, InvalidRange> {
        if start > end {
            return Err(InvalidRange { start, end });
        }
        Ok(Self { start, end })
    }

    /// Returns the first key of the range.
    pub const fn start(self) -> HashKey {
        self.start
    }

    /// Returns the last key of the range.
    pub const fn end(self) -> HashKey {
        self.end
    }

    /// Tells whether `key` lies in the range.
    pub fn contains(self, key: HashKey) -> bool {
        (self.start..=self.end).contains(&key)
    }

    /// Tells whether some key lies in both ranges.
    pub fn overlaps(self, other: Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    /// Splits the range into `parts` adjacent ranges, in order, the way Kinesis lays out the shards of a new stream:
    /// each is `keys / parts` wide, rounded down, and the last takes the rest.
    ///
    /// A range of fewer than `parts` keys is split into its single keys.
    ///
    /// # Examples
    ///
    /// ```
    /// use aggregation::HashKeyRange;
    ///
    /// let starts: Vec<_> = HashKeyRange::FULL.split_evenly(3).map(|shard| shard.start().to_string()).collect();
    /// assert_eq!(
    ///     starts,
    ///     ["0", "113427455640312821154458202477256070485", "226854911280625642308916404954512140970"]
    /// );
    /// ```
    pub fn split_evenly(self, parts: u32) -> impl ExactSizeIterator<Item = Self> + use<> {
        // All lengths are less one, because the full space has one key more than a u128 can count.
        let length = self.end.value() - self.start.value();
        let parts = u32::try_from(length).map_or(parts, |length| parts.min(length.saturating_add(1)));
        let part_length = (length - u128::from(parts.saturating_sub(1))) / u128::from(parts.max(1));
        (0..parts).map(move |part| {
            let start = self.start.value() + u128::from(part) * part_length + u128::from(part);
            let end = if part + 1 == parts {
                self.end.value()
            } else {
                start + part_length
            };
            Self {
                start: HashKey::new(start),
                end: HashKey::new(end),
            }
        })
    }
}

/// Writes `start..=end` in decimal.
impl fmt::Display for HashKeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.start, self.end)
    }
}

/// A range that ends before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hash-key range {start}..={end} ends before it starts")]
pub struct InvalidRange {
    /// The intended first key.
    pub start: HashKey,
    /// The intended last key.
    pub end: HashKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u128, end: u128) -> HashKeyRange {
        HashKeyRange::new(HashKey::new(start), HashKey::new(end)).unwrap()
    }

    fn split(range: HashKeyRange, parts: u32) -> Vec<(u128, u128)> {
        range
            .split_evenly(parts)
            .map(|part| (part.start().value(), part.end().value()))
            .collect()
    }

    #[test]
    fn a_range_of_one_key_is_legal_and_a_reversed_one_is_not() {
        assert!(range(7, 7).contains(HashKey::new(7)));
        let (start, end) = (HashKey::new(8), HashKey::new(7));
        assert_eq!(HashKeyRange::new(start, end), Err(InvalidRange { start, end }));
    }

    #[test]
    fn both_ends_belong_to_the_range() {
        let contained = [9, 10, 20, 21].map(|key| range(10, 20).contains(HashKey::new(key)));
        assert_eq!(contained, [false, true, true, false]);
    }

    #[test]
    fn ranges_overlap_when_they_share_a_key() {
        for (other, overlaps) in [
            (range(0, 9), false),
            (range(0, 10), true),
            (range(12, 13), true),
            (HashKeyRange::FULL, true),
            (range(20, 30), true),
            (range(21, 30), false),
        ] {
            assert_eq!(range(10, 20).overlaps(other), overlaps, "{other}");
            assert_eq!(other.overlaps(range(10, 20)), overlaps, "{other}");
        }
    }

    #[test]
    fn the_full_space_is_split_as_kinesis_splits_it() {
        assert_eq!(split(HashKeyRange::FULL, 1), [(0, u128::MAX)]);
        let quarter = 1 << 126;
        assert_eq!(
            split(HashKeyRange::FULL, 4),
            [
                (0, quarter - 1),
                (quarter, 2 * quarter - 1),
                (2 * quarter, 3 * quarter - 1),
                (3 * quarter, u128::MAX)
            ]
        );
    }

    #[test]
    fn the_last_part_takes_the_rest() {
        assert_eq!(split(range(10, 20), 3), [(10, 12), (13, 15), (16, 20)]);
    }

    #[test]
    fn a_range_is_not_split_below_one_key() {
        assert_eq!(split(range(10, 11), 5), [(10, 10), (11, 11)]);
        assert_eq!(split(range(10, 11), 2), [(10, 10), (11, 11)]);
        assert_eq!(split(HashKeyRange::FULL, 0), []);
    }
}
