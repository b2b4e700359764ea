//! Pure: which of many like failures are told aloud, and which are only counted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// For how long further failures of the same kind are only counted. Our choice: a line for each failed request of an
/// outage would be some hundred in that time.
const SILENCE: Duration = Duration::from_secs(10);

/// How many kinds are told apart. Our choice: a service has a dozen codes.
const KINDS: usize = 64;

/// What was told lately.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    told: BTreeMap<(&'static str, String), Told>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    untold: u64,
}

impl Repeats {
    /// A call failed with a code. If that is to be told: how many like it were not, since the last one was.
    pub(super) fn note(&mut self, call: &'static str, code: &str, now: Instant) -> Option<u64> {
        let is_recent = |told: &Told| now.saturating_duration_since(told.at) < SILENCE;
        let kind = (call, code.to_owned());
        if let Some(told) = self.told.get_mut(&kind).filter(|told| is_recent(told)) {
            told.untold += 1;
            return None;
        }
        let before = self.told.remove(&kind);
        if self.told.len() >= KINDS {
            self.told.retain(|_, told| is_recent(told));
        }
        if self.told.len() < KINDS {
            self.told.insert(kind, Told { at: now, untold: 0 });
        }
        Some(before.map_or(0, |told| told.untold))
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_of_its_kind_is_told_and_then_one_in_ten_seconds_with_the_number_of_the_others() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        assert_eq!(repeats.note("put", "Timeout", now), Some(0));
        assert_eq!(repeats.note("put", "InternalFailure", now), Some(0), "of another code");
        assert_eq!(repeats.note("list", "Timeout", now), Some(0), "of another call");
        for second in 1..10 {
            assert_eq!(repeats.note("put", "Timeout", now + second * SECOND), None);
        }
        assert_eq!(repeats.note("put", "Timeout", now + 10 * SECOND), Some(9));
        assert_eq!(repeats.note("put", "Timeout", now + 11 * SECOND), None);
        assert_eq!(repeats.note("put", "InternalFailure", now + 30 * SECOND), Some(0));
    }

    #[test]
    fn codes_without_number_are_told_and_not_kept() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        for n in 0..1_000 {
            assert_eq!(repeats.note("put", &n.to_string(), now), Some(0));
        }
        assert_eq!(repeats.told.len(), KINDS);
        assert_eq!(repeats.note("put", "0", now), None);
        assert_eq!(repeats.note("put", "1000", now + 10 * SECOND), Some(0));
        assert_eq!(repeats.told.len(), 1);
    }
}
