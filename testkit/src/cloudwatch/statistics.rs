//! Pure: the sums of a series of data.

use serde::Serialize;

/// The sums of a series of data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Statistics {
    /// How many values there were. A request may count values in fractions.
    pub sample_count: f64,
    /// Their sum.
    pub sum: f64,
    /// The smallest; positive infinity if there was none.
    pub minimum: f64,
    /// The largest; negative infinity if there was none.
    pub maximum: f64,
}

impl Default for Statistics {
    fn default() -> Self {
        Self {
            sample_count: 0.0,
            sum: 0.0,
            minimum: f64::INFINITY,
            maximum: f64::NEG_INFINITY,
        }
    }
}

impl Statistics {
    /// The mean value; `None` if there was no value.
    pub fn average(&self) -> Option<f64> {
        (self.sample_count > 0.0).then(|| self.sum / self.sample_count)
    }

    /// Of one value that occurred so often.
    pub(super) fn of(value: f64, count: f64) -> Self {
        Self {
            sample_count: count,
            sum: value * count,
            minimum: value,
            maximum: value,
        }
    }

    /// Adds other values of the same series.
    pub(super) fn add(&mut self, other: &Self) {
        self.sample_count += other.sample_count;
        self.sum += other.sum;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_average() {
        assert_eq!(Statistics::default().average(), None);
    }

    #[test]
    fn sums_are_those_of_all_values() {
        let mut sums = Statistics::default();
        sums.add(&Statistics::of(4.0, 1.0));
        sums.add(&Statistics::of(1.0, 3.0));
        let expected = Statistics {
            sample_count: 4.0,
            sum: 7.0,
            minimum: 1.0,
            maximum: 4.0,
        };
        assert_eq!((sums, sums.average()), (expected, Some(1.75)));
    }
}
