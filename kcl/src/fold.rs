//! Pure: repeats of one event, folded into one line for each span of time.

use std::time::{Duration, Instant};

/// How long repeats of a failure are counted before they are told. Our choice.
const SPAN: Duration = Duration::from_secs(10);

/// How often something that lasts is told again. Our choice.
pub(crate) const REMINDER: Duration = Duration::from_secs(5 * 60);

/// Folds the repeats of one event.
#[derive(Debug)]
pub(crate) struct Fold {
    span: Duration,
    told_at: Option<Instant>,
    untold: u64,
}

impl Default for Fold {
    fn default() -> Self {
        Self::into_one_each(SPAN)
    }
}

impl Fold {
    /// Tells of an event that repeats once in each `span`.
    pub(crate) fn into_one_each(span: Duration) -> Self {
        Self {
            span,
            told_at: None,
            untold: 0,
        }
    }

    /// Whether to tell of an event that happens now, and then of how many that were not told since the last time.
    pub(crate) fn happened(&mut self, now: Instant) -> Option<u64> {
        let is_repeat = |told_at: Instant| now.saturating_duration_since(told_at) < self.span;
        if self.told_at.is_some_and(is_repeat) {
            self.untold += 1;
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_repeats_of_ten_seconds_are_told_as_a_count() {
        let (mut fold, start) = (Fold::default(), Instant::now());
        assert_eq!(fold.happened(start), Some(0));
        for millis in [1, 5_000, 9_999] {
            assert_eq!(fold.happened(start + Duration::from_millis(millis)), None);
        }
        assert_eq!(fold.happened(start + SPAN), Some(3));
        assert_eq!(fold.happened(start + SPAN * 3), Some(0));
    }

    #[test]
    fn the_span_may_be_longer() {
        let (mut fold, start) = (Fold::into_one_each(SPAN * 6), Instant::now());
        assert_eq!(fold.happened(start), Some(0));
        assert_eq!(fold.happened(start + SPAN), None);
        assert_eq!(fold.happened(start + SPAN * 6), Some(1));
    }
}
