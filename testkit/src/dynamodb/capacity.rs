//! Pure: how much a table takes before it throttles.

use std::time::{Duration, SystemTime};

use super::throttling::Throttling;

/// What a table takes before it throttles.
///
/// A call passes while a whole unit is left, and is charged what DynamoDB reports as consumed, its indexes included; a
/// debt is waited for. In a batch, each entry needs a unit; entries that find none are reported as unprocessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Read capacity units a second: one is a consistent read of up to 4 KiB, or two others.
    pub read_units: u32,
    /// Write capacity units a second: one is a write of up to 1 KiB.
    pub write_units: u32,
    /// For how long unused units are kept, at least a second.
    pub burst: Duration,
    /// How the table throttles.
    pub throttling: Throttling,
}

/// For how long DynamoDB keeps unused units. Source:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html>.
const BURST: Duration = Duration::from_secs(300);

impl Capacity {
    /// A table in provisioned mode, which keeps its unused units for 300 s.
    pub const fn provisioned(read_units: u32, write_units: u32) -> Self {
        Self {
            read_units,
            write_units,
            burst: BURST,
            throttling: Throttling::Provisioned,
        }
    }

    /// An on-demand table that has not grown beyond this, and keeps nothing.
    pub const fn on_demand(read_units: u32, write_units: u32) -> Self {
        Self {
            read_units,
            write_units,
            burst: Duration::from_secs(1),
            throttling: Throttling::OnDemand,
        }
    }
}

/// The units of a table that are left.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) throttling: Throttling,
    pub(super) reads: Bucket,
    pub(super) writes: Bucket,
}

impl Meter {
    /// A table that has not been used for long.
    pub(super) fn full(capacity: Capacity) -> Self {
        Self {
            throttling: capacity.throttling,
            reads: Bucket::full(capacity.read_units, capacity.burst),
            writes: Bucket::full(capacity.write_units, capacity.burst),
        }
    }
}

/// Units that come at a steady rate and are kept for a while. All arithmetic is in millionths of a unit, so that a unit a
/// second is an exact amount a microsecond.
#[derive(Debug)]
pub(super) struct Bucket {
    units_per_second: u32,
    most: i64,
    /// Negative while a debt is waited for.
    level: i64,
    /// `None` until the first look, for until then it is full.
    refilled: Option<SystemTime>,
}

const UNIT: i64 = 1_000_000;

impl Bucket {
    fn full(units_per_second: u32, burst: Duration) -> Self {
        let most = refill(units_per_second, burst.max(Duration::from_secs(1)));
        Self {
            units_per_second,
            most,
            level: most,
            refilled: None,
        }
    }

    /// Tells whether there is a unit beside those that are spoken for.
    pub(super) fn has_unit_beside(&mut self, spoken_for: u32, now: SystemTime) -> bool {
        let before = self.refilled.unwrap_or(now);
        let passed = now.duration_since(before).unwrap_or_default();
        let refilled = self.level.saturating_add(refill(self.units_per_second, passed));
        self.level = refilled.min(self.most);
        self.refilled = Some(before.max(now));
        self.level >= (i64::from(spoken_for) + 1).saturating_mul(UNIT)
    }

    /// Takes units, also more than there are.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float becomes the nearest integer there is"
    )]
    pub(super) fn charge(&mut self, units: f64) {
        self.level = self.level.saturating_sub((units * 1e6).round() as i64);
    }
}

fn refill(units_per_second: u32, passed: Duration) -> i64 {
    let millionths = passed.as_micros().saturating_mul(u128::from(units_per_second));
    i64::try_from(millionths).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    /// A bucket of ten units that gets two a second.
    fn bucket() -> Bucket {
        Bucket::full(2, Duration::from_secs(5))
    }

    fn take(bucket: &mut Bucket, now: SystemTime) -> bool {
        let admitted = bucket.has_unit_beside(0, now);
        if admitted {
            bucket.charge(1.0);
        }
        admitted
    }

    #[test]
    fn the_burst_passes_and_no_unit_more() {
        let mut bucket = bucket();
        assert_eq!((0..20).filter(|_| take(&mut bucket, at(0))).count(), 10);
    }

    #[test]
    fn a_unit_is_back_exactly_when_its_time_has_passed() {
        let mut bucket = bucket();
        while take(&mut bucket, at(0)) {}
        assert!(!take(&mut bucket, at(499)));
        assert!(take(&mut bucket, at(500)));
    }

    #[test]
    fn what_is_not_used_is_kept_no_longer_than_the_burst() {
        let mut bucket = bucket();
        assert!(take(&mut bucket, at(0)));
        assert_eq!((0..20).filter(|_| take(&mut bucket, at(60_000))).count(), 10);
    }

    #[test]
    fn a_debt_is_waited_for() {
        let mut bucket = bucket();
        assert!(bucket.has_unit_beside(0, at(0)));
        bucket.charge(12.5);
        assert!(!bucket.has_unit_beside(0, at(1_749)));
        assert!(bucket.has_unit_beside(0, at(1_750)));
    }

    #[test]
    fn units_that_are_spoken_for_do_not_admit_another() {
        let mut bucket = bucket();
        assert!(bucket.has_unit_beside(9, at(0)));
        assert!(!bucket.has_unit_beside(10, at(0)));
    }

    #[test]
    fn a_capacity_of_nothing_takes_nothing() {
        let mut bucket = Bucket::full(0, BURST);
        assert!(!take(&mut bucket, at(0)));
        assert!(!take(&mut bucket, at(1_000_000)));
    }

    proptest! {
        #[test]
        fn no_more_passes_than_the_burst_and_the_rate(waits in prop::collection::vec(0_u64..2_000, 1..200)) {
            let mut bucket = bucket();
            let mut now = 0;
            let mut taken = 0;
            for wait in waits {
                now += wait;
                taken += u64::from(take(&mut bucket, at(now)));
                prop_assert!(taken * 1000 <= 10_000 + 2 * now);
            }
        }
    }
}
