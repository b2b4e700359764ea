//! Pure: the rate at which a shard is sent records, learnt from what the service throttles.
//!
//! Additive increase, multiplicative decrease: each half second in which more than a tolerated share was refused takes the
//! excess off the rate, and each half second gives a thirtieth of `rate_limit` back. Several producers on one shard see the
//! same share refused, and thereby come to share the shard without knowing each other.
//!
//! ```text
//!  answers ─► window of half a second: cost sent, cost refused ─► refused share − tolerated share ─► decrease
//!  time ──────────────────────────────────────────────────────────────────────────────────────────► increase
//! ```
//!
//! A few entries that are refused at random, or by one busy shard of many, are below the tolerated share: they are retried
//! and slow nothing down.

use std::time::Instant;

use crate::limits::{LEAST_RATE_SAMPLE, MIN_RATE_PERCENT, RATE_INTERVAL, RATE_RECOVERY_STEPS, TOLERATED_REFUSALS};

/// The whole of what a shard takes, in thousandths. A producer that is throttled has less of it than this.
const WHOLE_SHARD: u64 = 1_000;

/// Thousandths in a percent.
const PERCENT: u64 = 10;

/// A rate, in thousandths of what a shard takes.
#[derive(Debug)]
pub(crate) struct AdaptiveRate {
    ceiling: u64,
    thousandths: u64,
    lowered_at: Option<Instant>,
    /// When it goes up next; `None` at the ceiling.
    raise_at: Option<Instant>,
    window: Option<Window>,
}

/// What the service answered since a time.
#[derive(Debug)]
struct Window {
    ends_at: Instant,
    entries: u64,
    sent: u64,
    refused: u64,
}

/// What the service said to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    Taken,
    Throttled,
}

impl AdaptiveRate {
    /// Begins at its ceiling, in percent.
    pub(crate) fn new(ceiling: u32) -> Self {
        let ceiling = u64::from(ceiling) * PERCENT;
        Self {
            ceiling,
            thousandths: ceiling,
            lowered_at: None,
            raise_at: None,
            window: None,
        }
    }

    /// In percent of what a shard takes.
    pub(crate) fn percent(&self) -> u32 {
        u32::try_from(self.thousandths / PERCENT).unwrap_or(u32::MAX)
    }

    /// When it changes next, if nothing else happens.
    pub(crate) fn changes_at(&self) -> Option<Instant> {
        let judged_at = self.window.as_ref().filter(|window| window.refused > 0);
        [self.raise_at, judged_at.map(|window| window.ends_at)]
            .into_iter()
            .flatten()
            .min()
    }

    /// An entry that costs so much of the shard, sent at `sent`, was answered. An answer to what was sent before the last
    /// decrease says nothing of the rate since.
    pub(crate) fn answered(&mut self, reply: Reply, cost: u64, sent: Instant, now: Instant) {
        if self.lowered_at.is_some_and(|at| sent < at) {
            return;
        }
        let window = self.window.get_or_insert_with(|| Window {
            ends_at: now + RATE_INTERVAL,
            entries: 0,
            sent: 0,
            refused: 0,
        });
        window.entries += 1;
        window.sent = window.sent.saturating_add(cost);
        match reply {
            Reply::Taken => {}
            Reply::Throttled => window.refused = window.refused.saturating_add(cost),
        }
    }

    /// Judges a window that is over, and goes up by the steps that are due. `None` if the rate is as before.
    pub(crate) fn adjust(&mut self, now: Instant) -> Option<Change> {
        let window = self.window.take_if(|window| window.ends_at <= now);
        let lowered = window.and_then(|window| self.lower(window.excess(), now));
        let raised = self.recover(now);
        lowered.or(raised)
    }

    fn lower(&mut self, excess: u64, now: Instant) -> Option<Change> {
        if excess == 0 {
            return None;
        }
        let floor = (u64::from(MIN_RATE_PERCENT) * PERCENT).min(self.ceiling);
        let lowered = self.thousandths.min(WHOLE_SHARD) * (1_000 - excess) / 1_000;
        self.thousandths = lowered.max(floor);
        self.lowered_at = Some(now);
        // A recovery that has begun goes on.
        self.raise_at = self.raise_at.or_else(|| self.is_lowered().then(|| now + RATE_INTERVAL));
        Some(Change::Lowered)
    }

    fn recover(&mut self, now: Instant) -> Option<Change> {
        let before = self.thousandths;
        while let Some(at) = self.raise_at.filter(|at| *at <= now) {
            let step = self.ceiling.div_ceil(u64::from(RATE_RECOVERY_STEPS));
            self.thousandths = self.thousandths.saturating_add(step).min(self.ceiling);
            self.raise_at = self.is_lowered().then(|| at + RATE_INTERVAL);
        }
        (self.thousandths > before).then_some(Change::Raised)
    }

    fn is_lowered(&self) -> bool {
        self.thousandths < self.ceiling
    }
}

/// How the rate has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Lowered,
    Raised,
}

impl Window {
    /// How much more than the tolerated share was refused, as a share of the rest, in thousandths.
    fn excess(&self) -> u64 {
        // As if one more had been sent and taken: one refusal of one is not all that the shard refuses.
        let sent = self.sent.saturating_add(self.sent / self.entries.max(1));
        let refused = self.refused.saturating_mul(1_000) / sent.max(LEAST_RATE_SAMPLE);
        let tolerated = self.tolerated();
        refused.saturating_sub(tolerated) * 1_000 / (1_000 - tolerated)
    }

    /// The share that may be refused by chance, in thousandths: that of many entries, and one standard deviation of it for so few.
    fn tolerated(&self) -> u64 {
        let tolerated = u64::from(TOLERATED_REFUSALS);
        let deviation = (tolerated * 1_000 / self.entries.max(1)).isqrt();
        (tolerated + deviation).min(500)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Has `refused` of `sent` entries refused, and half a second go by; returns the time behind it.
    fn window(rate: &mut AdaptiveRate, sent: u32, refused: u32, begin: Instant) -> Instant {
        for n in 0..sent {
            let reply = if n < refused { Reply::Throttled } else { Reply::Taken };
            rate.answered(reply, 1_000, begin, begin);
        }
        rate.adjust(begin + RATE_INTERVAL);
        begin + RATE_INTERVAL
    }

    #[test]
    fn a_shard_that_refuses_everything_has_the_lowest_rate_and_time_gives_it_back_within_15_seconds() {
        let (mut rate, start) = (AdaptiveRate::new(150), Instant::now());
        let now = window(&mut rate, 100, 100, start);
        assert_eq!(rate.percent(), MIN_RATE_PERCENT, "of the 100 % that a shard takes");
        assert_eq!(rate.adjust(now + RATE_INTERVAL), Some(Change::Raised));
        assert_eq!(rate.percent(), 10);
        rate.adjust(now + 15 * SECOND);
        assert_eq!((rate.percent(), rate.changes_at()), (150, None));
    }

    #[test]
    fn what_is_refused_beyond_the_tolerated_share_is_taken_off() {
        for (refused, percent) in [(1, 150), (57, 150), (60, 99), (150, 90), (340, 70), (1_000, 5)] {
            let mut rate = AdaptiveRate::new(150);
            window(&mut rate, 1_000, refused, Instant::now());
            assert_eq!(rate.percent(), percent, "{refused} of 1,000");
        }
    }

    #[test]
    fn one_of_a_few_small_records_is_not_much_of_a_shard() {
        let mut rate = AdaptiveRate::new(150);
        window(&mut rate, 2, 1, Instant::now());
        assert_eq!(rate.percent(), 150);
    }

    #[test]
    fn one_large_record_that_is_refused_alone_does_not_stop_its_shard() {
        let (mut rate, start) = (AdaptiveRate::new(150), Instant::now());
        rate.answered(Reply::Throttled, 1_000_000, start, start);
        rate.adjust(start + RATE_INTERVAL);
        assert_eq!(rate.percent(), 68);
    }

    #[test]
    fn a_decrease_does_not_delay_a_recovery_that_has_begun() {
        let (mut rate, start) = (AdaptiveRate::new(150), Instant::now());
        let now = window(&mut rate, 10, 10, start);
        let due = rate.raise_at.unwrap();
        rate.answered(Reply::Throttled, 100_000, now, now);
        rate.adjust(due);
        assert_eq!(rate.raise_at, Some(due + RATE_INTERVAL));
    }

    #[test]
    fn answers_to_requests_from_before_the_decrease_do_not_count() {
        let (mut rate, start) = (AdaptiveRate::new(100), Instant::now());
        let now = window(&mut rate, 50, 50, start);
        rate.answered(Reply::Throttled, 1_000, start, now);
        assert!(rate.window.is_none());
        rate.answered(Reply::Throttled, 1_000, now, now);
        assert!(rate.window.is_some());
    }

    #[test]
    fn the_rate_never_falls_below_its_floor_nor_rises_above_the_ceiling() {
        for (ceiling, floor) in [(1, 1), (4, 4), (5, 5), (150, 5), (u32::MAX, 5)] {
            let (mut rate, mut now) = (AdaptiveRate::new(ceiling), Instant::now());
            for _ in 0..100 {
                rate.raise_at = None;
                now = window(&mut rate, 100, 100, now);
            }
            assert!(rate.percent() >= floor && rate.percent() <= floor + ceiling.div_ceil(RATE_RECOVERY_STEPS));
            rate.adjust(now + 15 * SECOND);
            assert_eq!(rate.percent(), ceiling);
            assert_eq!(rate.adjust(now + 100 * SECOND), None);
        }
    }
}
