//! Pure: repeats of events, folded into one for each span of time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long repeats of a failure are counted before they are told. Our choice.
const SPAN: Duration = Duration::from_secs(10);

/// How many kinds of events are remembered before those that have become rare are forgotten. Our choice.
const KINDS: usize = 1_024;
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
        if self.is_recent(now) {
            self.untold += 1;
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }

    /// Whether the event was told within the span before `now`.
    fn is_recent(&self, now: Instant) -> bool {
        let is_recent = |told_at: Instant| now.saturating_duration_since(told_at) < self.span;
        self.told_at.is_some_and(is_recent)
    }
}

/// Folds the repeats of many events, each by its kind and its subject.
#[derive(Debug, Default)]
pub(crate) struct Folds(BTreeMap<(&'static str, String), Fold>);

impl Folds {
    /// Whether to tell of an event of this kind that happens now, and then of how many that were not told since the last
    /// time.
    pub(crate) fn happened(&mut self, kind: (&'static str, String), now: Instant) -> Option<u64> {
        if self.0.len() >= KINDS && !self.0.contains_key(&kind) {
            self.0.retain(|_, fold| fold.is_recent(now));
        }
        self.0.entry(kind).or_default().happened(now)
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
    #[test]
    fn each_kind_and_each_subject_is_folded_by_itself() {
        let (mut folds, now) = (Folds::default(), Instant::now());
        let mut happened = |kind, subject: &str| folds.happened((kind, subject.to_owned()), now);
        assert_eq!(happened("read failed", "shard-0"), Some(0));
        assert_eq!(happened("read failed", "shard-0"), None);
        assert_eq!(happened("read failed", "shard-1"), Some(0));
        assert_eq!(happened("handler failed", "shard-0"), Some(0));
    }

    #[test]
    fn kinds_that_have_become_rare_are_forgotten_and_the_others_are_not() {
        let (mut folds, start) = (Folds::default(), Instant::now());
        for n in 0..KINDS {
            folds.happened(("row unreadable", n.to_string()), start);
        }
        let recent = ("row unreadable", "0".to_owned());
        folds.happened(recent.clone(), start + SPAN);
        folds.happened(("row unreadable", "new".to_owned()), start + SPAN);
        assert_eq!(folds.0.len(), 2);
        assert_eq!(folds.happened(recent, start + SPAN), None);
    }
}
