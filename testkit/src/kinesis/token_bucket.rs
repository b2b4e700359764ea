//! Pure: a rate with a burst, by which the service admits or throttles.

use super::timestamp::Timestamp;

/// A bucket that refills at a steady rate up to one second's worth.
///
/// All arithmetic is in thousandths of a token, so that a rate a second is an exact amount a millisecond.
#[derive(Debug, Clone)]
pub(super) struct TokenBucket {
    tokens_per_second: u64,
    /// Thousandths of a token; negative while a debt is being paid off.
    level: i64,
    refilled: Timestamp,
}

impl TokenBucket {
    /// A full bucket.
    pub(super) fn full(tokens_per_second: u64, now: Timestamp) -> Self {
        let mut bucket = Self {
            tokens_per_second,
            level: 0,
            refilled: now,
        };
        bucket.level = bucket.capacity();
        bucket
    }

    /// Takes `tokens` if they are there, and tells whether they were.
    pub(super) fn try_take(&mut self, tokens: u64, now: Timestamp) -> bool {
        let admitted = self.admits(tokens, now);
        if admitted {
            self.level -= thousandths(tokens);
        }
        admitted
    }

    /// Tells whether [`try_take`](Self::try_take) would succeed.
    ///
    /// What is larger than the bucket passes when the bucket is full, and leaves a debt: a shard takes a 10 MiB record
    /// and then nothing for nine seconds.
    pub(super) fn admits(&mut self, tokens: u64, now: Timestamp) -> bool {
        self.refill(now);
        self.level >= thousandths(tokens).min(self.capacity())
    }

    /// Tells whether there is anything left: no debt, and more than nothing.
    pub(super) fn has_credit(&mut self, now: Timestamp) -> bool {
        self.refill(now);
        self.level > 0
    }

    /// Charges what was not known before it was admitted.
    ///
    /// If it is more than the bucket holds, it is paid off in full and the credit is forfeited: a reply of five
    /// seconds' worth means five seconds without another, whatever the bucket held.
    pub(super) fn charge(&mut self, tokens: u64, now: Timestamp) {
        self.refill(now);
        let cost = thousandths(tokens);
        self.level = if cost > self.level { -cost } else { self.level - cost };
    }

    fn refill(&mut self, now: Timestamp) {
        let refill = now.millis_since(self.refilled).saturating_mul(self.tokens_per_second);
        self.level = self.level.saturating_add_unsigned(refill).min(self.capacity());
        self.refilled = self.refilled.max(now);
    }

    fn capacity(&self) -> i64 {
        thousandths(self.tokens_per_second)
    }
}

fn thousandths(tokens: u64) -> i64 {
    i64::try_from(tokens.saturating_mul(1000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn after(millis: u64) -> Timestamp {
        Timestamp::from_millis(START.as_millis() + millis)
    }

    #[test]
    fn a_burst_of_one_second_passes_and_no_token_more() {
        let mut bucket = TokenBucket::full(5, START);
        assert_eq!((0..10).filter(|_| bucket.try_take(1, START)).count(), 5);
    }

    #[test]
    fn a_token_is_back_exactly_when_its_time_has_passed() {
        let mut bucket = TokenBucket::full(5, START);
        assert!(bucket.try_take(5, START));
        assert!(!bucket.try_take(1, after(199)));
        assert!(bucket.try_take(1, after(200)));
    }

    #[test]
    fn what_is_larger_than_the_bucket_needs_a_full_one_and_leaves_a_debt() {
        let mut bucket = TokenBucket::full(10, START);
        assert!(bucket.try_take(100, START));
        assert!(!bucket.try_take(1, after(9_099)));
        assert!(bucket.try_take(1, after(9_100)));
        assert!(!bucket.try_take(100, after(10_000)), "the bucket is not full");
    }

    #[test]
    fn a_charge_beyond_the_credit_is_paid_off_in_full() {
        let mut bucket = TokenBucket::full(2, START);
        bucket.charge(10, START);
        assert!(!bucket.has_credit(after(5_000)));
        assert!(bucket.has_credit(after(5_001)));
    }

    #[test]
    fn a_clock_that_stands_or_turns_back_refills_nothing() {
        let mut bucket = TokenBucket::full(5, after(1_000));
        assert!(bucket.try_take(5, after(1_000)));
        assert!(!bucket.try_take(1, START));
        assert!(!bucket.try_take(1, after(1_000)));
    }

    proptest! {
        #[test]
        fn never_more_passes_than_the_capacity_and_what_was_refilled(
            rate in 1_u64..5_000,
            steps in prop::collection::vec((0_u64..3_000, 0_u64..5_000), 1..100),
        ) {
            let mut bucket = TokenBucket::full(rate, START);
            let mut elapsed = 0;
            let mut taken = 0;
            for (wait, tokens) in steps {
                elapsed += wait;
                let tokens = tokens % (rate + 1);
                if bucket.try_take(tokens, after(elapsed)) {
                    taken += tokens;
                }
                prop_assert!(taken * 1000 <= rate * 1000 + rate * elapsed);
            }
        }

        #[test]
        fn whoever_waits_for_what_he_takes_is_never_throttled(rate in 1_u64..5_000, tokens in prop::collection::vec(0_u64..5_000, 1..50)) {
            let mut bucket = TokenBucket::full(rate, START);
            let mut elapsed = 0;
            for tokens in tokens {
                let tokens = tokens % (rate + 1);
                elapsed += (tokens * 1000).div_ceil(rate);
                prop_assert!(bucket.try_take(tokens, after(elapsed)));
            }
        }
    }
}
