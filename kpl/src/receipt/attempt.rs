//! Pure: the history of the attempts to deliver one aggregate.

use std::fmt;
use std::sync::{Arc, OnceLock};
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
    /// The service's id of the request, where it gave one. AWS Support asks for it.
    pub request_id: Option<String>,
    /// Why it failed; `None` if it succeeded.
    pub failure: Option<AttemptFailure>,
}

/// What is the same for all records that were in a request.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) started: SystemTime,
    pub(crate) duration: Duration,
    pub(crate) request_id: Option<Arc<str>>,
}

/// Why one attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptFailure {
    /// The service's error code. What has none: `HTTP 403`, after its status (an answer without a code, as a proxy gives
    /// it), `Timeout` (no answer within `request_timeout`), `Connection`,
    /// `UnreadableResponse`, `RequestNotBuilt` (no credentials, say), `CallLost` (the call's task ended),
    /// `Record Count Mismatch`, `Wrong Shard` (stored where a consumer may drop it), `NoOpenShards`, and `Abandoned` (by a
    /// shutdown).
    pub code: String,
    /// The service's words.
    pub message: String,
    /// Whether the record may have been stored although the attempt counts as failed.
    pub may_have_been_stored: bool,
}

/// The attempts to deliver a record: the newest 16, and how many there were. Cheap to clone: all records of an aggregate
/// share them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attempts(Arc<History>);

#[derive(Clone, Default)]
struct History {
    total: u32,
    newest: Vec<Kept>,
    may_have_been_stored: bool,
    /// The newest as they are shown, once somebody asks.
    shown: OnceLock<Box<[Attempt]>>,
}

/// An attempt as it is kept. In an outage, failures are of few kinds, and there are many records with many of them. The id
/// is shared by all that was in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    started: SystemTime,
    duration: Duration,
    request_id: Option<Arc<str>>,
    failure: Option<Arc<AttemptFailure>>,
}

impl PartialEq for History {
    fn eq(&self, other: &Self) -> bool {
        let facts = |history: &Self| (history.total, history.may_have_been_stored);
        facts(self) == facts(other) && self.newest == other.newest
    }
}

impl Eq for History {}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts")
            .field("total", &self.total())
            .field("newest", &self.newest())
            .finish()
    }
}

impl Attempts {
    /// The failure of the newest one, if it failed.
    pub(crate) fn last_failure(&self) -> Option<&AttemptFailure> {
        self.0.newest.last()?.failure.as_deref()
    }

    /// How many there were.
    pub fn total(&self) -> u32 {
        self.0.total
    }

    /// The newest ones (up to 16), oldest first.
    pub fn newest(&self) -> &[Attempt] {
        let show = |kept: &Kept| Attempt {
            started: kept.started,
            duration: kept.duration,
            request_id: kept.request_id.as_deref().map(str::to_owned),
            failure: kept.failure.as_deref().cloned(),
        };
        let History { newest, shown, .. } = &*self.0;
        shown.get_or_init(|| newest.iter().map(show).collect())
    }

    /// Whether one of those that failed, of all there were, may have stored the record all the same: its request ended
    /// without an answer, say. Of a record that was delivered, that means that the stream may have it twice.
    pub fn may_have_been_stored(&self) -> bool {
        self.0.may_have_been_stored
    }

    /// Turns the newest attempt, which looked like a success, into a failure.
    pub(crate) fn fail_last(&mut self, failure: AttemptFailure) {
        let history = Arc::make_mut(&mut self.0);
        history.may_have_been_stored |= failure.may_have_been_stored;
        let failure = history.shared(failure);
        history.shown.take();
        if let Some(last) = history.newest.last_mut() {
            last.failure = Some(failure);
        }
    }

    /// Adds the attempt of one request, and how it failed, if it did.
    pub(crate) fn push(&mut self, made: Made, failure: Option<AttemptFailure>) {
        let Made {
            started,
            duration,
            request_id,
        } = made;
        let history = Arc::make_mut(&mut self.0);
        history.total = history.total.saturating_add(1);
        history.may_have_been_stored |= failure.as_ref().is_some_and(|failure| failure.may_have_been_stored);
        let failure = failure.map(|failure| history.shared(failure));
        history.shown.take();
        if history.newest.len() == KEPT {
            history.newest.remove(0);
        }
        history.newest.push(Kept {
            started,
            duration,
            request_id,
            failure,
        });
    }
}

impl History {
    /// The failure, or one that is kept already and the same.
    fn shared(&self, failure: AttemptFailure) -> Arc<AttemptFailure> {
        let mut kept = self.newest.iter().rev().filter_map(|kept| kept.failure.as_ref());
        let same = kept.find(|kept| ***kept == failure);
        same.map_or_else(|| Arc::new(failure), Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: &str) -> AttemptFailure {
        AttemptFailure {
            code: code.into(),
            message: String::new(),
            may_have_been_stored: code == "Timeout",
        }
    }

    fn fail(attempts: &mut Attempts, code: &str) {
        let made = Made {
            started: SystemTime::UNIX_EPOCH,
            duration: Duration::ZERO,
            request_id: Some("an id".into()),
        };
        attempts.push(made, Some(failure(code)));
    }

    #[test]
    fn the_history_is_bounded_and_still_counts_every_attempt() {
        let mut attempts = Attempts::default();
        fail(&mut attempts, "Timeout");
        for n in 0..100 {
            fail(&mut attempts, &n.to_string());
        }
        assert_eq!(attempts.total(), 101);
        assert_eq!(attempts.newest().len(), KEPT);
        assert_eq!(attempts.newest().last().unwrap().failure.as_ref().unwrap().code, "99");
        assert!(
            attempts.may_have_been_stored(),
            "what an older attempt left open stays known"
        );
    }

    #[test]
    fn failures_that_are_alike_are_kept_once_and_shown_each() {
        let mut attempts = Attempts::default();
        for code in ["Timeout", "InternalFailure", "Timeout", "Connection"] {
            fail(&mut attempts, code);
            let _ = attempts.newest();
        }
        let kept: Vec<_> = attempts
            .0
            .newest
            .iter()
            .map(|kept| kept.failure.as_ref().unwrap())
            .collect();
        assert!(Arc::ptr_eq(kept[0], kept[2]) && !Arc::ptr_eq(kept[0], kept[1]));
        let codes = attempts
            .newest()
            .iter()
            .map(|attempt| &attempt.failure.as_ref().unwrap().code);
        assert!(codes.eq(["Timeout", "InternalFailure", "Timeout", "Connection"]));
        attempts.fail_last(failure("Wrong Shard"));
        let last = &attempts.newest()[3];
        assert_eq!(last.failure, Some(failure("Wrong Shard")));
        assert_eq!(last.request_id.as_deref(), Some("an id"));
    }
}
