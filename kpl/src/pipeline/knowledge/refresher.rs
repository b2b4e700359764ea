//! Pure: when to fetch the shard map, or the stream's description.
//!
//! The first record asks for it; from then on it is refreshed when it has become old and records flow, which is sooner
//! while the stream is changing, and at once when an answer contradicts it. One fetch runs at a time. An idle producer
//! fetches nothing.

use std::time::{Duration, Instant};

use crate::limits::{CENTURY, LONGEST_UNCHANGED_PAUSE, UNCHANGED_PAUSE};

/// How long a fetch in vain counts for the next one. Our choice: longer than the longest pause.
const DOUBT_MEMORY: Duration = Duration::from_secs(60);

/// When the next fetch is due.
#[derive(Debug)]
pub(crate) struct Refresher {
    interval: Duration,
    /// A shorter one, and until when it counts.
    haste: Option<(Duration, Instant)>,
    /// When the fetch of the map in force began: the map knows nothing later.
    updated_at: Option<Instant>,
    began_at: Option<Instant>,
    fetch: Fetch,
    trust: Trust,
    failures: u32,
    /// When a failure for good may be put to the test again.
    not_before: Option<Instant>,
    doubts: Doubts,
}

/// Fetches for answers that contradicted the map, and brought the same map.
#[derive(Debug, Default)]
struct Doubts {
    /// Whether the fetch that is due or in flight is one for such an answer.
    is_asked: bool,
    /// How many such fetches in a row were in vain, when the last one was, and until when none follows.
    in_vain: u32,
    last: Option<Instant>,
    rest_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fetch {
    Idle,
    Due(Instant),
    UnderWay,
}

/// Whether the map in force is of the stream that there is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Nothing speaks against it.
    Kept,
    /// The stream was missing: if it is there again, it is another one.
    Lost,
    /// A fetch that began later is under way.
    Returning,
}

impl Refresher {
    /// A fetched map counts as old after `interval`, give or take a fifth, so that producers do not fetch in step.
    pub(crate) fn new(interval: Duration, rng: &mut fastrand::Rng) -> Self {
        // Longer than a century is for ever, and short enough to multiply.
        let interval = interval.min(CENTURY).mul_f64(0.8 + 0.4 * rng.f64());
        Self {
            interval,
            haste: None,
            not_before: None,
            doubts: Doubts::default(),
            updated_at: None,
            began_at: None,
            fetch: Fetch::Idle,
            trust: Trust::Kept,
            failures: 0,
        }
    }

    /// A record passes: asks for a map if there is none or it is old.
    pub(crate) fn on_traffic(&mut self, now: Instant) {
        let interval = self.interval_at(now);
        let old = self
            .updated_at
            .is_none_or(|at| now.saturating_duration_since(at) >= interval);
        if old && self.fetch == Fetch::Idle {
            self.fetch = self.due(now);
        }
    }

    /// An answer to a request that was sent at `sent_at` contradicts the map. It counts only if the map is older, or not
    /// trusted.
    pub(crate) fn on_contradiction(&mut self, sent_at: Instant, now: Instant) {
        let older = self.updated_at.is_none_or(|at| sent_at > at);
        if older || self.trust == Trust::Lost {
            self.ask_again(now);
        }
    }

    /// An answer contradicts the map, which is thought to be out of date, however young it is.
    pub(crate) fn ask_again(&mut self, now: Instant) {
        if self.fetch == Fetch::Idle {
            self.fetch = self.due(now);
            self.doubts.is_asked = true;
        }
    }

    /// The service does not know the stream. Whatever there is under its name next, the map in force says nothing of it.
    pub(crate) fn on_missing(&mut self) {
        self.trust = Trust::Lost;
    }

    /// Whether the map in force is of the stream that there is now, as far as is known.
    pub(crate) fn is_trusted(&self) -> bool {
        self.trust == Trust::Kept
    }

    /// Whether to fetch now; the caller then must, and report the end of it.
    #[must_use]
    pub(crate) fn start(&mut self, now: Instant) -> bool {
        let due = matches!(self.fetch, Fetch::Due(at) if at <= now);
        if due {
            self.fetch = Fetch::UnderWay;
            self.began_at = Some(now);
            if self.trust == Trust::Lost {
                self.trust = Trust::Returning;
            }
        }
        due
    }

    /// A map arrived.
    pub(crate) fn succeeded(&mut self, now: Instant) {
        (self.fetch, self.failures) = (Fetch::Idle, 0);
        self.updated_at = Some(self.began_at.unwrap_or(now));
        self.not_before = None;
        match self.trust {
            Trust::Kept | Trust::Returning => self.trust = Trust::Kept,
            // It was missing while this fetch was under way.
            Trust::Lost => self.fetch = self.due(now),
        }
    }

    /// The map that arrived is the one that was known. Whatever contradicted it, fetching it again at once will not explain
    /// it: the pause doubles while that goes on.
    pub(crate) fn confirmed(&mut self, now: Instant) {
        let doubts = &mut self.doubts;
        let mut pause = UNCHANGED_PAUSE;
        if std::mem::take(&mut doubts.is_asked) {
            doubts.in_vain = if doubts.last.is_some_and(|at| is_remembered(at, now)) {
                doubts.in_vain + 1
            } else {
                0
            };
            doubts.last = Some(now);
            pause = (UNCHANGED_PAUSE * (1 << doubts.in_vain.min(8))).min(LONGEST_UNCHANGED_PAUSE);
            doubts.rest_until = Some(now + pause);
        }
        self.pause_until(now + pause);
    }

    /// How many fetches in a row for answers that contradicted the map were in vain lately, after a first one.
    pub(crate) fn fetches_in_vain(&self, now: Instant) -> u32 {
        let Doubts { in_vain, last, .. } = self.doubts;
        last.filter(|at| is_remembered(*at, now)).map_or(0, |_| in_vain)
    }

    /// The map that arrived is another one.
    pub(crate) fn changed(&mut self) {
        self.doubts = Doubts::default();
    }

    /// The fetch failed; counts it.
    pub(crate) fn failed(&mut self) -> u32 {
        self.fetch = Fetch::Idle;
        if self.trust == Trust::Returning {
            self.trust = Trust::Lost;
        }
        self.failures = self.failures.saturating_add(1);
        self.failures
    }

    /// Tries again at `at`.
    pub(crate) fn retry_at(&mut self, at: Instant) {
        self.fetch = Fetch::Due(at);
    }

    /// Asks for no other fetch before `at`: each record would do so.
    pub(crate) fn pause_until(&mut self, at: Instant) {
        self.not_before = Some(at);
    }

    /// Fetches at `at` what is due later, but not while the pause lasts that follows a fetch in vain.
    pub(crate) fn hurry(&mut self, at: Instant) {
        let at = self.doubts.rest_until.map_or(at, |rest_until| rest_until.max(at));
        if let Fetch::Due(due) = &mut self.fetch {
            *due = at.min(*due);
        }
    }

    /// How often it has failed since it last succeeded.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts what is older than `interval` as old until then.
    pub(crate) fn hasten(&mut self, interval: Duration, until: Instant) {
        self.haste = Some((interval, until));
    }

    /// Until when the map in force knows everything.
    pub(crate) fn updated_at(&self) -> Option<Instant> {
        self.updated_at
    }

    /// Whether no fetch is due or under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.fetch == Fetch::Idle
    }

    /// When the next fetch is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        match self.fetch {
            Fetch::Due(at) => Some(at),
            Fetch::Idle | Fetch::UnderWay => None,
        }
    }

    fn interval_at(&self, now: Instant) -> Duration {
        match self.haste {
            Some((interval, until)) if now < until => interval.min(self.interval),
            _ => self.interval,
        }
    }

    fn due(&self, now: Instant) -> Fetch {
        Fetch::Due(self.not_before.map_or(now, |at| at.max(now)))
    }
}

fn is_remembered(doubt: Instant, now: Instant) -> bool {
    now.saturating_duration_since(doubt) <= DOUBT_MEMORY
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn refresher() -> (Refresher, Instant) {
        (Refresher::new(MINUTE, &mut fastrand::Rng::with_seed(1)), Instant::now())
    }

    #[test]
    fn nothing_is_fetched_before_the_first_record_and_one_fetch_runs_at_a_time() {
        let (mut refresher, now) = refresher();
        assert!(!refresher.start(now));
        refresher.on_traffic(now);
        assert!(refresher.start(now));
        refresher.on_traffic(now);
        refresher.on_contradiction(now, now);
        assert!(!refresher.start(now));
    }

    #[test]
    fn a_map_is_fetched_again_when_it_is_old_and_records_flow() {
        let (mut refresher, now) = refresher();
        refresher.on_traffic(now);
        assert!(refresher.start(now));
        refresher.succeeded(now);
        refresher.on_traffic(now + MINUTE / 2);
        assert_eq!(refresher.next_at(), None);
        refresher.on_traffic(now + MINUTE * 2);
        assert_eq!(refresher.next_at(), Some(now + MINUTE * 2));
    }

    #[test]
    fn a_map_becomes_old_sooner_while_the_stream_changes() {
        let (mut refresher, now) = refresher();
        refresher.succeeded(now);
        refresher.hasten(MINUTE / 10, now + MINUTE / 3);
        refresher.on_traffic(now + MINUTE / 12);
        assert_eq!(refresher.next_at(), None);
        refresher.on_traffic(now + MINUTE / 2);
        assert_eq!(refresher.next_at(), None, "it has changed by then");
        refresher.on_traffic(now + MINUTE / 5);
        assert_eq!(refresher.next_at(), Some(now + MINUTE / 5));
    }

    #[test]
    fn an_answer_to_a_request_from_before_the_refresh_asks_for_nothing() {
        let (mut refresher, now) = refresher();
        refresher.succeeded(now);
        refresher.on_contradiction(now - Duration::from_millis(1), now + MINUTE / 10);
        assert_eq!(refresher.next_at(), None);
        refresher.on_contradiction(now + Duration::from_millis(1), now + MINUTE / 10);
        assert_eq!(refresher.next_at(), Some(now + MINUTE / 10));
    }

    #[test]
    fn answers_that_contradict_a_map_in_vain_ask_for_it_at_pauses_that_double_until_it_changes() {
        let (mut refresher, mut now) = refresher();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            refresher.on_contradiction(now, now);
            assert!(refresher.start(now));
            refresher.succeeded(now);
            refresher.confirmed(now);
            refresher.on_contradiction(now + Duration::from_millis(1), now);
            let at = refresher.next_at().unwrap();
            pauses.push((at - now).as_secs());
            refresher.fetch = Fetch::Idle;
            now = at;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 16, 16]);
        refresher.changed();
        refresher.on_contradiction(now, now);
        refresher.confirmed(now);
        refresher.on_contradiction(now + Duration::from_millis(1), now);
        assert!(
            refresher
                .not_before
                .is_some_and(|at| at <= now + Duration::from_secs(1))
        );
    }

    #[test]
    fn a_map_of_a_stream_that_was_missing_is_trusted_again_after_a_fetch_that_began_later() {
        let (mut refresher, now) = refresher();
        refresher.on_traffic(now);
        assert!(refresher.is_trusted() && refresher.start(now));
        refresher.on_missing();
        refresher.succeeded(now);
        assert!(!refresher.is_trusted(), "it was missing while the fetch was under way");
        assert!(refresher.start(now));
        refresher.failed();
        refresher.retry_at(now);
        assert!(!refresher.is_trusted() && refresher.start(now));
        refresher.succeeded(now);
        assert!(refresher.is_trusted());
        assert_eq!(refresher.next_at(), None);
    }
}
