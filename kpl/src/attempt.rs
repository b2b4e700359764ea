//! Pure: the history of the attempts to deliver one aggregate.

use std::time::{Duration, SystemTime};

/// How many of the newest attempts are kept. Older ones only count, so that an outage cannot grow the history.
const KEPT: usize = 16;

/// One request that carried the record, or a failed fetch of the shard map that it waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// When the request was sent, by the wall clock.
    pub started: SystemTime,
    /// How long the answer, or the lack of one, took.
    pub duration: Duration,
    /// Why it failed; `None` if it succeeded.
    pub failure: Option<AttemptFailure>,
}

/// Why one attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptFailure {
    /// The service's error code, or `Wrong Shard`, `Timeout`, `Connection` for what has none.
    pub code: String,
    /// The service's words.
    pub message: String,
    /// The service's id of the request, where it gave one.
    pub request_id: Option<String>,
    /// Whether the record may have been stored although the attempt counts as failed.
    pub may_have_been_stored: bool,
}

/// The attempts to deliver a record, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempts {
    total: u32,
    newest: Vec<Attempt>,
    may_have_been_stored: bool,
}

impl Attempts {
    /// How many there were.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// The newest ones (up to 16), oldest first.
    pub fn newest(&self) -> &[Attempt] {
        &self.newest
    }

    pub(crate) fn may_have_been_stored(&self) -> bool {
        self.may_have_been_stored
    }

    /// Turns the newest attempt, which looked like a success, into a failure.
    pub(crate) fn fail_last(&mut self, failure: AttemptFailure) {
        self.may_have_been_stored |= failure.may_have_been_stored;
        if let Some(last) = self.newest.last_mut() {
            last.failure = Some(failure);
        }
    }

    pub(crate) fn push(&mut self, attempt: Attempt) {
        self.total = self.total.saturating_add(1);
        self.may_have_been_stored |= attempt
            .failure
            .as_ref()
            .is_some_and(|failure| failure.may_have_been_stored);
        if self.newest.len() == KEPT {
            self.newest.remove(0);
        }
        self.newest.push(attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: &str) -> Attempt {
        let failure = AttemptFailure {
            code: code.into(),
            message: String::new(),
            request_id: None,
            may_have_been_stored: code == "Timeout",
        };
        Attempt {
            started: SystemTime::UNIX_EPOCH,
            duration: Duration::ZERO,
            failure: Some(failure),
        }
    }

    #[test]
    fn the_history_is_bounded_and_still_counts_every_attempt() {
        let mut attempts = Attempts::default();
        attempts.push(failed("Timeout"));
        for n in 0..100 {
            attempts.push(failed(&n.to_string()));
        }
        assert_eq!(attempts.total(), 101);
        assert_eq!(attempts.newest().len(), KEPT);
        assert_eq!(attempts.newest().last().unwrap().failure.as_ref().unwrap().code, "99");
        assert!(
            attempts.may_have_been_stored(),
            "what an older attempt left open stays known"
        );
    }
}
