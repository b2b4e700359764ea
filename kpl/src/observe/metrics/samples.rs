//! Pure: samples since they were last reported, in bounded room.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::series::Series;
use crate::limits::MAX_ERROR_CODES;

/// How many values are kept apart. The others are merged with their neighbours.
const BINS: usize = 16;

/// The code that stands for all others once there are too many.
const OTHER: &str = "Other";

/// The samples of a stream or of a shard.
#[derive(Debug, Default)]
pub(crate) struct SampleSet {
    pub(super) series: BTreeMap<Series, Samples>,
    /// How often each error code came; of those that are known, also if it did not come.
    pub(super) errors: BTreeMap<Arc<str>, u64>,
}

impl SampleSet {
    /// Adds `count` samples of one value.
    pub(crate) fn add(&mut self, series: Series, value: f64, count: u64) {
        self.series.entry(series).or_default().add(value, count);
    }

    /// Whether there have never been any.
    pub(super) fn is_empty(&self) -> bool {
        self.series.is_empty() && self.errors.is_empty()
    }

    /// Counts an error.
    pub(crate) fn add_error(&mut self, code: &str) {
        let is_known = self.errors.contains_key(code);
        let code = if is_known || self.errors.len() < MAX_ERROR_CODES {
            code
        } else {
            OTHER
        };
        match self.errors.get_mut(code) {
            Some(count) => *count += 1,
            None => drop(self.errors.insert(code.into(), 1)),
        }
    }
}

/// Samples by value.
///
/// Up to sixteen different values are exact. Of more, the two closest are merged into their mean, again and again, but
/// never the smallest or the largest: the number, the sum, the minimum and the maximum stay right, and quantiles nearly.
/// The method is that of Ben-Haim and Tom-Tov, "A streaming parallel decision tree algorithm" (2010).
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// Ordered by value. Its room is kept when it is drained.
    bins: Vec<Bin>,
}

#[derive(Debug, Clone, Copy)]
struct Bin {
    value: f64,
    count: u64,
}

impl Samples {
    /// Adds `count` samples of one value.
    pub(super) fn add(&mut self, value: f64, count: u64) {
        if count == 0 {
            return;
        }
        match self.bins.binary_search_by(|bin| bin.value.total_cmp(&value)) {
            Ok(at) => {
                if let Some(bin) = self.bins.get_mut(at) {
                    bin.count += count;
                }
            }
            Err(at) => {
                self.bins.insert(at, Bin { value, count });
                if self.bins.len() > BINS {
                    self.merge_closest();
                }
            }
        }
    }

    /// Takes all samples out: the values and the number of each.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.bins.drain(..).map(|bin| (bin.value, bin.count))
    }

    fn merge_closest(&mut self) {
        let gap = |pair: &[Bin]| match pair {
            [one, other] => other.value - one.value,
            _ => f64::INFINITY,
        };
        let inner = self.bins.len().saturating_sub(1);
        let pairs = self.bins.windows(2).enumerate().take(inner.saturating_sub(1)).skip(1);
        let closest = pairs.min_by(|(_, one), (_, other)| gap(one).total_cmp(&gap(other)));
        let Some((at, _)) = closest else { return };
        let merged = self.bins.remove(at);
        if let Some(bin) = self.bins.get_mut(at) {
            bin.absorb(merged);
        }
    }
}

impl Bin {
    fn absorb(&mut self, other: Self) {
        let count = self.count + other.count;
        let sum = self.value * self.count as f64 + other.value * other.count as f64;
        *self = Self {
            value: sum / count as f64,
            count,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_statistics_of_any_samples_are_kept_in_bounded_room(
            values in prop::collection::vec((0u32..100_000, 1u64..50), 1..200),
        ) {
            let mut samples = Samples::default();
            for (value, count) in &values {
                samples.add(f64::from(*value), *count);
                prop_assert!(samples.bins.len() <= BINS);
            }
            let kept: Vec<_> = samples.drain().collect();
            prop_assert_eq!(kept.iter().map(|bin| bin.1).sum::<u64>(), values.iter().map(|value| value.1).sum::<u64>());
            let sum: f64 = values.iter().map(|(value, count)| f64::from(*value) * *count as f64).sum();
            let kept_sum: f64 = kept.iter().map(|(value, count)| value * *count as f64).sum();
            prop_assert!((sum - kept_sum).abs() <= sum * 1e-9);
            prop_assert_eq!(kept.first().unwrap().0, values.iter().map(|value| f64::from(value.0)).fold(f64::MAX, f64::min));
            prop_assert_eq!(kept.last().unwrap().0, values.iter().map(|value| f64::from(value.0)).fold(0.0, f64::max));
        }
    }

    #[test]
    fn few_values_are_exact() {
        let mut samples = Samples::default();
        for _ in 0..1_000 {
            samples.add(1.0, 2);
            samples.add(0.0, 1);
        }
        assert_eq!(samples.drain().collect::<Vec<_>>(), [(0.0, 1_000), (1.0, 2_000)]);
        assert_eq!(samples.drain().count(), 0);
    }
}
