//! Pure: whether the application's runtime has stood still for too long.
//!
//! Only time in which the watching thread itself was awake counts. If the machine was suspended or the process stopped,
//! both stood still, and the application is not to blame for it.

use std::time::Duration;

/// Compares the beats of a runtime from one look to the next.
#[derive(Debug)]
pub(crate) struct StallWatch {
    bound: Duration,
    interval: Duration,
    beats: u64,
    still: Duration,
}

impl StallWatch {
    /// Begins with `beats` seen so far. A look is due every `interval`.
    pub(crate) fn new(bound: Duration, interval: Duration, beats: u64) -> Self {
        Self {
            bound,
            interval,
            beats,
            still: Duration::ZERO,
        }
    }

    /// Takes in the number of beats so far. Returns how long the runtime has stood still, once that reaches the bound;
    /// then the count begins again.
    ///
    /// Each look counts for one interval, however late it comes.
    pub(crate) fn look(&mut self, beats: u64) -> Option<Duration> {
        if beats != self.beats {
            self.beats = beats;
            self.still = Duration::ZERO;
            return None;
        }
        self.still = self.still.saturating_add(self.interval);
        (self.still >= self.bound).then(|| std::mem::take(&mut self.still))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const BOUND: Duration = Duration::from_secs(300);

    fn watch() -> StallWatch {
        StallWatch::new(BOUND, SECOND, 0)
    }

    #[test]
    fn a_runtime_that_beats_never_stalls() {
        let mut watch = watch();
        assert!((1..=10_000).all(|look| watch.look(look).is_none()));
    }

    #[test]
    fn a_runtime_that_beats_rarely_is_slow_and_not_stalled() {
        let mut watch = watch();
        assert!((1..=10_000).all(|look| watch.look(look / 299).is_none()));
    }

    #[test]
    fn a_runtime_without_a_beat_stalls_at_the_bound_and_not_before() {
        let mut watch = watch();
        assert!((1..300).all(|_| watch.look(0).is_none()));
        assert_eq!(watch.look(0), Some(BOUND));
    }

    #[test]
    fn a_runtime_that_stays_still_stalls_again_after_another_bound() {
        let mut watch = watch();
        let stalls: Vec<u32> = (1..=900).filter(|_| watch.look(0).is_some()).collect();
        assert_eq!(stalls, [300, 600, 900]);
    }
}
