//! Pure: what is known of the records of an aggregate without taking it apart: their number, their bytes, their age.

use std::time::Instant;

use aggregation::UserRecordRef;

/// A number of user records, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Volume {
    /// User records.
    pub records: u64,
    /// Bytes of their data and partition keys.
    pub bytes: u64,
}

impl Volume {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_add(other.records),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// This without `other`.
    pub(crate) fn minus(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_sub(other.records),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

impl std::iter::Sum for Volume {
    fn sum<I: Iterator<Item = Self>>(volumes: I) -> Self {
        volumes.fold(Self::default(), Self::plus)
    }
}

/// Values of which the sum and both extremes are known, and the others only on average.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spread {
    count: u64,
    sum: u64,
    least: u64,
    most: u64,
}

impl Spread {
    fn add(&mut self, value: u64) {
        self.least = if self.count == 0 { value } else { self.least.min(value) };
        self.most = self.most.max(value);
        self.sum = self.sum.saturating_add(value);
        self.count += 1;
    }

    fn mean(self) -> u64 {
        self.sum / self.count.max(1)
    }

    /// The values with the number of each: the extremes are exact, the rest is as often the mean of the rest.
    pub(crate) fn values(self) -> impl Iterator<Item = (f64, u64)> {
        let rest = self.count.saturating_sub(2);
        let of_rest = self.sum.saturating_sub(self.least).saturating_sub(self.most);
        let values = [
            (self.least as f64, self.count.min(1)),
            (of_rest as f64 / rest.max(1) as f64, rest),
            (self.most as f64, self.count.saturating_sub(1).min(1)),
        ];
        values.into_iter().filter(|(_, count)| *count > 0)
    }
}

/// The records of one aggregate, in numbers. Each `put` adds to one, so it is kept to a few additions.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Contents {
    key_bytes: u64,
    /// Bytes of data of each record.
    data: Spread,
    /// When the oldest record was put; `None` as long as there is none.
    put_at: Option<Instant>,
    /// How many nanoseconds after that each record was put.
    later: Spread,
}

impl Contents {
    /// Adds a record that was put at `now`.
    pub(crate) fn add(&mut self, record: &UserRecordRef<'_>, now: Instant) {
        let put_at = *self.put_at.get_or_insert(now);
        let later = now.saturating_duration_since(put_at);
        // Not `as_nanos`: a multiplication of 64 bits is enough for centuries.
        let nanoseconds = later.as_secs().saturating_mul(1_000_000_000);
        self.add_later(record, nanoseconds.saturating_add(u64::from(later.subsec_nanos())));
    }

    /// Adds a record of `whole`, which was taken apart. When it was put is known on average only.
    pub(crate) fn add_member(&mut self, record: &UserRecordRef<'_>, whole: &Self) {
        self.put_at = whole.put_at;
        self.add_later(record, whole.later.mean());
    }

    fn add_later(&mut self, record: &UserRecordRef<'_>, later: u64) {
        self.key_bytes += record.partition_key.len() as u64;
        self.data.add(record.data.len() as u64);
        self.later.add(later);
    }

    pub(crate) fn volume(&self) -> Volume {
        Volume {
            records: self.data.count,
            bytes: self.data.sum + self.key_bytes,
        }
    }

    /// Bytes of data of each record.
    pub(crate) fn data(&self) -> Spread {
        self.data
    }

    /// When the oldest record was put. A part of an aggregate is as old as the whole.
    pub(crate) fn put_at(&self) -> Option<Instant> {
        self.put_at
    }

    /// For how many milliseconds the records had been held at `at`, with the number of each.
    pub(crate) fn held_until(&self, at: Instant) -> impl Iterator<Item = (f64, u64)> + use<> {
        let longest = self.put_at.map(|put_at| at.saturating_duration_since(put_at));
        let longest = longest.unwrap_or_default().as_secs_f64() * 1e3;
        let values = self.later.values();
        values.map(move |(later, count)| ((longest - later / 1e6).max(0.0), count))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn spread(values: &[u64]) -> Spread {
        let data = [0; 16];
        let mut contents = Contents::default();
        for value in values {
            let data = &data[..usize::try_from(*value).unwrap()];
            contents.add_later(&UserRecordRef::new("key", None, data), 0);
        }
        contents.data()
    }

    fn assert_same_statistics(values: &[u64]) {
        let shown: Vec<_> = spread(values).values().collect();
        let sum: f64 = shown.iter().map(|(value, count)| value * *count as f64).sum();
        assert!((sum - values.iter().sum::<u64>() as f64).abs() < 1e-6, "{shown:?}");
        assert_eq!(shown.iter().map(|(_, count)| count).sum::<u64>(), values.len() as u64);
        let least = shown.iter().map(|(value, _)| *value).reduce(f64::min);
        assert_eq!(least, values.iter().min().map(|value| *value as f64));
        let most = shown.iter().map(|(value, _)| *value).reduce(f64::max);
        assert_eq!(most, values.iter().max().map(|value| *value as f64));
    }

    #[test]
    fn number_sum_and_extremes_of_a_spread_are_exact() {
        for values in [&[][..], &[7], &[7, 3], &[0, 0, 9], &[5, 1, 4, 1, 5, 9, 2, 6]] {
            assert_same_statistics(values);
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn each_record_was_held_since_it_was_put() {
        let (start, mut contents) = (Instant::now(), Contents::default());
        let record = UserRecordRef::new("key", None, b"data");
        for milliseconds in [0, 10, 40] {
            contents.add(&record, start + Duration::from_millis(milliseconds));
        }
        let mut held: Vec<_> = contents.held_until(start + Duration::from_millis(100)).collect();
        held.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert_eq!(held, [(60.0, 1), (90.0, 1), (100.0, 1)]);
        assert_eq!(contents.volume(), Volume { records: 3, bytes: 21 });
        assert_eq!(contents.put_at(), Some(start));

        let mut part = Contents::default();
        part.add_member(&record, &contents);
        assert_eq!(part.put_at(), Some(start), "a part is as old as the whole");
        let held: f64 = part
            .held_until(start + Duration::from_millis(100))
            .map(|(value, _)| value)
            .sum();
        assert!((held - 250.0 / 3.0).abs() < 0.001, "{held}");
    }
}
