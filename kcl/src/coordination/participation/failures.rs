//! Pure: when a leader that cannot do its work lets another worker lead.
//!
//! A leader without a whole scan levels nothing, and one whose writes all fail neither. Its heartbeats may go through all the
//! same: permissions, throttling and damage differ from call to call.

use std::time::{Duration, Instant};

/// After how many rounds without an answered write a leader resigns. The KCL's.
const ROUNDS: u32 = 3;

/// For how long scans fail until a leader resigns. Our choice: the time of three rounds by count.
const SCANS_FAIL_FOR: Duration = Duration::from_secs(9);

/// Whether any write of a round was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    Yes,
    No,
}

/// Whether a leader goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    GoOn,
    Resign,
}

/// The failures of one leader that follow each other.
#[derive(Debug, Default)]
pub(super) struct Failures {
    rounds: u32,
    /// When the first of the scans failed.
    scans: Option<Instant>,
}

impl Failures {
    /// Notes a round of writes.
    pub(super) fn wrote(&mut self, answered: Answered) -> Verdict {
        self.rounds = match answered {
            Answered::Yes => 0,
            Answered::No => self.rounds + 1,
        };
        match self.rounds >= ROUNDS {
            true => self.resign(),
            false => Verdict::GoOn,
        }
    }

    /// Notes a scan that failed.
    pub(super) fn scan_failed(&mut self, now: Instant) -> Verdict {
        let since = *self.scans.get_or_insert(now);
        match now.saturating_duration_since(since) >= SCANS_FAIL_FOR {
            true => self.resign(),
            false => Verdict::GoOn,
        }
    }

    /// Notes a whole scan.
    pub(super) fn scanned(&mut self) {
        self.scans = None;
    }

    /// The next term begins anew.
    fn resign(&mut self) -> Verdict {
        *self = Self::default();
        Verdict::Resign
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

    use super::*;

    #[test]
    fn a_leader_resigns_after_three_rounds_without_an_answer_in_a_row() {
        let mut failures = Failures::default();
        for answered in [Answered::No, Answered::No, Answered::Yes, Answered::No, Answered::No] {
            assert_eq!(failures.wrote(answered), Verdict::GoOn);
        }
        // A scan tells nothing of writes.
        failures.scanned();
        assert_eq!(failures.wrote(Answered::No), Verdict::Resign);
        assert_eq!(failures.wrote(Answered::No), Verdict::GoOn);
    }

    #[test]
    fn a_leader_resigns_when_no_scan_succeeds_for_nine_seconds() {
        let (mut failures, begun) = (Failures::default(), Instant::now());
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(failures.scan_failed(begun), Verdict::GoOn);
        assert_eq!(failures.scan_failed(after(8)), Verdict::GoOn);
        failures.scanned();
        assert_eq!(failures.scan_failed(after(9)), Verdict::GoOn);
        assert_eq!(failures.scan_failed(after(17)), Verdict::GoOn);
        assert_eq!(failures.scan_failed(after(18)), Verdict::Resign);
    }
}
