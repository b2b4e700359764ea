//! Pure: the partition keys with the most bytes, counted in bounded memory.
//!
//! The Space-Saving algorithm: a new key takes the place of the lightest one and inherits its count, so that a heavy key
//! cannot be missed, and each count says by how much it may be too high. Metwally, Agrawal and El Abbadi, "Efficient
//! Computation of Frequent and Top-k Elements in Data Streams", 2005.

/// How many keys are counted.
const KEYS: usize = 8;

/// A partition key with much of what was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeavyKey {
    /// The key.
    pub partition_key: String,
    /// The bytes of its records, or more, in the Kinesis records that were looked into.
    pub bytes: u64,
    /// By how much `bytes` may be too high.
    pub excess: u64,
}

/// The heaviest keys so far.
#[derive(Debug, Default)]
pub(crate) struct HeavyKeys {
    counted: Vec<HeavyKey>,
}

impl HeavyKeys {
    /// Counts a record.
    pub(crate) fn add(&mut self, partition_key: &str, bytes: u64) {
        if let Some(key) = self.counted.iter_mut().find(|key| key.partition_key == partition_key) {
            key.bytes += bytes;
        } else if self.counted.len() < KEYS {
            self.counted.push(HeavyKey {
                partition_key: partition_key.into(),
                bytes,
                excess: 0,
            });
        } else if let Some(lightest) = self.counted.iter_mut().min_by_key(|key| key.bytes) {
            *lightest = HeavyKey {
                partition_key: partition_key.into(),
                bytes: lightest.bytes + bytes,
                excess: lightest.bytes,
            };
        }
    }

    /// The counted keys, heaviest first.
    pub(crate) fn into_heaviest(self) -> Vec<HeavyKey> {
        let mut keys = self.counted;
        keys.sort_by(|a, b| (b.bytes, &a.partition_key).cmp(&(a.bytes, &b.partition_key)));
        keys
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hot_key_is_found_among_thousands() {
        let mut keys = HeavyKeys::default();
        for n in 0..10_000u64 {
            keys.add(&format!("key-{n}"), 100);
            if n % 4 == 0 {
                keys.add("hot", 100);
            }
        }
        let heaviest = keys.into_heaviest();
        assert_eq!((heaviest.len(), heaviest[0].partition_key.as_str()), (KEYS, "hot"));
    }

    proptest! {
        #[test]
        fn a_count_is_never_too_low_and_too_high_by_its_excess_at_most(
            records in prop::collection::vec((0u8..30, 1u64..1_000), 0..400),
        ) {
            let (mut keys, mut truth) = (HeavyKeys::default(), std::collections::BTreeMap::<String, u64>::new());
            for (key, bytes) in &records {
                keys.add(&key.to_string(), *bytes);
                *truth.entry(key.to_string()).or_default() += bytes;
            }
            let total: u64 = truth.values().sum();
            let counted = keys.into_heaviest();
            for key in &counted {
                let bytes = truth[&key.partition_key];
                prop_assert!(key.bytes >= bytes && key.bytes - key.excess <= bytes);
            }
            for (key, bytes) in truth {
                let heavy = bytes > total / KEYS as u64;
                prop_assert!(!heavy || counted.iter().any(|counted| counted.partition_key == key), "{key}: {bytes}");
            }
        }
    }
}
