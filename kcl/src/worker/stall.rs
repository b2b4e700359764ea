//! Pure: whether the application's runtime has stood still for too long.
//!
//! Only time in which the watching thread itself was awake counts. If the machine was suspended or the process stopped,
//! both stood still, and the application is not to blame for it.

use std::time::{Duration, Instant};

/// Compares the beats of a runtime from one look to the next.
#[derive(Debug)]
pub(crate) struct StallWatch {
    bound: Duration,
    interval: Duration,
    beats: u64,
    looked: Instant,
    still: Duration,
}

impl StallWatch {
    /// Begins at `now`, with `beats` seen so far. Looks are due every `interval`.
    pub(crate) fn new(bound: Duration, interval: Duration, beats: u64, now: Instant) -> Self {
        Self {
            bound,
            interval,
            beats,
            looked: now,
            still: Duration::ZERO,
        }
    }

    /// Takes in the number of beats at `now`. Returns how long the runtime has stood still, once that reaches the bound;
    /// then the count begins again.
    ///
    /// A look that comes late counts for at most two intervals.
    pub(crate) fn look(&mut self, beats: u64, now: Instant) -> Option<Duration> {
        let step = now.saturating_duration_since(self.looked).min(2 * self.interval);
        self.looked = now;
        if beats != self.beats {
            self.beats = beats;
            self.still = Duration::ZERO;
            return None;
        }
        self.still += step;
        (self.still >= self.bound).then(|| std::mem::take(&mut self.still))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);
    const BOUND: Duration = Duration::from_secs(300);

    /// A watch, and its time, which begins anywhere.
    fn watch() -> (StallWatch, Instant) {
        let begun = clock::now();
        (StallWatch::new(BOUND, SECOND, 0, begun), begun)
    }

    #[test]
    fn a_runtime_that_beats_never_stalls() {
        let (mut watch, begun) = watch();
        for second in 1..=10_000 {
            assert_eq!(watch.look(u64::from(second), begun + second * SECOND), None);
        }
    }

    #[test]
    fn a_runtime_that_beats_rarely_is_slow_and_not_stalled() {
        let (mut watch, begun) = watch();
        for second in 1..=10_000 {
            assert_eq!(watch.look(u64::from(second / 299), begun + second * SECOND), None);
        }
    }

    #[test]
    fn a_runtime_without_a_beat_stalls_at_the_bound_and_not_before() {
        let (mut watch, begun) = watch();
        for second in 1..300 {
            assert_eq!(watch.look(0, begun + second * SECOND), None, "second {second}");
        }
        assert_eq!(watch.look(0, begun + 300 * SECOND), Some(BOUND));
    }

    #[test]
    fn a_runtime_that_stays_still_stalls_again_after_another_bound() {
        let (mut watch, begun) = watch();
        let stalls: Vec<u32> = (1..=900)
            .filter(|second| watch.look(0, begun + *second * SECOND).is_some())
            .collect();
        assert_eq!(stalls, [300, 600, 900]);
    }

    #[test]
    fn the_time_of_a_suspension_is_not_a_stall_of_the_application() {
        let (mut watch, begun) = watch();
        let resumed = begun + Duration::from_secs(8 * 60 * 60);
        assert_eq!(watch.look(0, resumed), None, "the first look after the machine woke up");
        assert_eq!(watch.look(0, resumed + SECOND), None);
        assert_eq!(watch.look(1, resumed + 2 * SECOND), None);
    }

    #[test]
    fn a_stall_is_found_also_if_the_machine_is_suspended_now_and_then() {
        let (mut watch, mut now) = watch();
        let mut awake = 0;
        let still = loop {
            now += if awake % 100 == 50 { 1_000 * SECOND } else { SECOND };
            awake += 1;
            if let Some(still) = watch.look(0, now) {
                break still;
            }
            assert!(awake < 1_000, "not found");
        };
        assert_eq!(still, BOUND);
        assert_eq!(awake, 297, "each suspension counts for two intervals");
    }
}
