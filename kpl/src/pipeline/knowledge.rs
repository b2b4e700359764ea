//! Pure: what is known of the stream, and when to ask for more.
//!
//! `refresher` says when to fetch the shard map; `distribution` is learnt from the description or by `evidence`. `routes`
//! puts into force what follows from both. `hot_shards` and `heavy_keys` note what is throttled.

pub(super) mod distribution;
pub(super) mod evidence;
pub(super) mod heavy_keys;
pub(super) mod hot_shards;
pub(super) mod refresher;
pub(super) mod routes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use service::{CallClass, CallError, Effect, Jitter, RetryDelays};

use self::distribution::{Distribution, Interest, Source, Waiting};
use self::evidence::{Atlas, Placement};
use self::refresher::Refresher;
use crate::config::Config;
use crate::config::ordering::RecordDistribution;
use crate::limits::{FETCH_RETRY_PAUSE, RESHARDING_REFRESH_INTERVAL, RESHARDING_TIME, RETRY_DELAY};
use crate::pipeline::answers::classification::Recourse;
use crate::pipeline::answers::exchange::Exchange;
use crate::pipeline::answers::grace::{Grace, Prospect};
use crate::pipeline::answers::judgement::Stored;
use crate::pipeline::messages::{Moment, Output};
use crate::routing::Keyless;
use crate::routing::shard_map::{Listing, ShardMap};
use crate::routing::summary::{Resharding, StreamSummary};

/// The longest pause after a fetch that failed for good, as a number of failures: 400 ms. Longer would keep the next
/// caller from its error.
const SHORT_PAUSES: u32 = 4;

/// The longest pause while something waits for the map, or for the description, as a number of failures: 1.6 s. How long
/// a record waits for its next attempt, which its user may have set to minutes, is another matter.
const AWAITED_PAUSES: u32 = 6;

/// After this number of maps in vain, what they do not explain waits for no other one. Our choice: by then it has waited for seven
/// seconds, and records that are sent alone need no map.
const MAPS_IN_VAIN: u32 = 3;

/// The shards of the stream and who distributes its records, as far as they are known.
#[derive(Debug)]
pub(crate) struct Knowledge {
    /// The newest one.
    map: Option<Arc<ShardMap>>,
    pub(crate) refresher: Refresher,
    pub(crate) distribution: Distribution,
    delays: RetryDelays,
    /// How many lists in a row had ranges that could not be read.
    faulty_lists: u32,
    /// When the fetch in flight began.
    fetch_began: Option<Moment>,
    not_found_grace: Duration,
    /// Since when the service says that the stream does not exist.
    not_found_since: Option<Instant>,
    /// For how long refused fetches of the map are waited out, and refused questions for the description.
    fetch_grace: Grace,
    description_grace: Grace,
}

/// What a list of the shards shows.
#[derive(Debug)]
pub(crate) enum Listed {
    /// The shards that were known.
    Unchanged,
    /// Other shards.
    Changed(Arc<ShardMap>),
}

impl Knowledge {
    pub(crate) fn new(config: &Config, rng: &mut fastrand::Rng) -> Self {
        Self {
            map: None,
            refresher: Refresher::new(config.shard_map_refresh_interval, rng),
            distribution: Distribution::new(config, rng),
            delays: RetryDelays::new((RETRY_DELAY, FETCH_RETRY_PAUSE), Jitter::Full, rng.fork()),
            faulty_lists: 0,
            fetch_began: None,
            not_found_grace: config.stream_not_found_grace,
            not_found_since: None,
            fetch_grace: Grace::default(),
            description_grace: Grace::default(),
        }
    }

    /// The newest shard map.
    pub(crate) fn map(&self) -> Option<&Arc<ShardMap>> {
        self.map.as_ref()
    }

    /// Whether the map describes the current incarnation of the stream, as far as is known.
    pub(crate) fn is_map_trusted(&self) -> bool {
        self.refresher.is_trusted()
    }

    /// Whether a fetch of the map is due or in flight.
    pub(crate) fn is_map_coming(&self) -> bool {
        !self.refresher.is_idle()
    }

    /// Whether the map that is coming is worth waiting for. If several have been in vain, the next one will be, too.
    pub(crate) fn is_map_awaited(&self, now: Instant) -> bool {
        self.is_map_coming() && self.refresher.fetches_in_vain(now) < MAPS_IN_VAIN
    }

    /// Who distributes the records, and how that is known.
    pub(crate) fn distribution(&self) -> Option<(RecordDistribution, Source)> {
        self.distribution.in_force()
    }

    /// A record passes.
    pub(crate) fn on_traffic(&mut self, now: Instant) {
        self.ask_for_map(now);
        self.ask_for_description(now);
    }

    /// Asks for the shard map if there is none or it is old.
    pub(crate) fn ask_for_map(&mut self, now: Instant) {
        self.refresher.on_traffic(now);
    }

    /// Asks for the description if there is none or it is old.
    pub(crate) fn ask_for_description(&mut self, now: Instant) {
        self.distribution.on_traffic(now);
    }

    /// What becomes of records without keys where keys are followed.
    pub(crate) fn keyless(&self) -> Keyless {
        self.distribution.keyless()
    }

    /// A record was refused for its missing key, which the stream may take by now.
    pub(crate) fn keyless_refused(&mut self, now: Instant) {
        self.distribution.keyless_refused(now);
    }

    /// The calls that are due, each with how often it has failed in a row; the caller then must make them, and report their
    /// ends.
    pub(crate) fn start(&mut self, at: Moment) -> impl Iterator<Item = (Output, u32)> + use<> {
        let fetches = self.refresher.start(at.now);
        if fetches {
            self.fetch_began = Some(at);
        }
        let describes = self.distribution.start(at.now);
        let calls = [
            fetches.then(|| (Output::FetchShards, self.refresher.failures())),
            describes.then(|| (Output::Describe, self.distribution.failures())),
        ];
        calls.into_iter().flatten()
    }

    /// When a call is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let next = [self.refresher.next_at(), self.distribution.next_at()];
        next.into_iter().flatten().min()
    }

    /// An answer to a request that was sent at `sent` contradicts the map.
    pub(crate) fn on_contradiction(&mut self, sent: Instant, now: Instant) {
        self.refresher.on_contradiction(sent, now);
    }

    /// The map does not explain an answer that came at `answered`.
    pub(crate) fn on_unexplained(&mut self, answered: Instant, now: Instant) {
        match (1..MAPS_IN_VAIN).contains(&self.refresher.fetches_in_vain(now)) {
            true => self.refresher.ask_again(now),
            false => self.refresher.on_contradiction(answered, now),
        }
        self.hurry(now);
    }

    /// A request was answered: the stream is there.
    pub(crate) fn on_stream_found(&mut self) {
        self.not_found_since = None;
    }

    /// The service does not know the stream; whether the grace for it is over.
    pub(crate) fn on_stream_missing(&mut self, now: Instant) -> Prospect {
        self.refresher.on_missing();
        let since = *self.not_found_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= self.not_found_grace {
            Prospect::Final
        } else {
            Prospect::Passing
        }
    }

    /// The service refused a record for its missing key: the stream follows keys.
    pub(crate) fn key_missed(&mut self, sent: Instant, now: Instant) {
        self.distribution.key_missed(sent, now);
    }

    /// Notes where the service put an aggregate, if that may tell whether the stream follows hash keys.
    pub(crate) fn learn_from(&mut self, stored: &Stored, sent: Instant, now: Instant) {
        let Stored { aggregate, shard, .. } = stored;
        let Some(map) = &self.map else { return };
        let as_expected = aggregate.target.as_ref().is_some_and(|target| target.shard == *shard);
        let is_of_interest = match self.distribution.interest() {
            Interest::None => false,
            Interest::Surprises => !as_expected,
            Interest::All => true,
        };
        if !is_of_interest || aggregate.is_without_key() || shard.is_nameless() {
            return;
        }
        let placement = Placement {
            key: aggregate.record.explicit_hash_key,
            shard: shard.clone(),
            sent,
        };
        let up_to = self.refresher.updated_at();
        self.distribution.placed(placement, Atlas { map, up_to }, now);
    }

    /// The shards were listed.
    ///
    /// # Errors
    ///
    /// A failed fetch, if none of them is open.
    pub(crate) fn on_shards(&mut self, shards: Listing, now: Instant) -> Result<Listed, CallError> {
        let next = match &self.map {
            None => ShardMap::first(shards),
            Some(map) if self.refresher.is_trusted() => map.refreshed(shards),
            Some(map) => map.replaced(shards),
        };
        let next = Arc::new(next.ok_or_else(no_open_shards)?);
        self.fetch_began = None;
        self.fetch_grace.answered(now);
        self.refresher.succeeded(now);
        self.not_found_since = None;
        let before = self.map.replace(Arc::clone(&next));
        let listed = match before {
            Some(before) if before.epoch() == next.epoch() => {
                self.refresher.confirmed(now);
                Listed::Unchanged
            }
            before => {
                self.refresher.changed();
                if before.is_some() {
                    // One step of a change in many, perhaps.
                    self.hasten(now);
                }
                Listed::Changed(Arc::clone(&next))
            }
        };
        self.ask_sooner_after(&next, now);
        let up_to = self.refresher.updated_at();
        self.distribution.map_refreshed(Atlas { map: &next, up_to }, now);
        Ok(listed)
    }

    /// The shards could not be listed. Says when to try again, if records wait for them or it is worthwhile.
    pub(crate) fn on_fetch_failed(&mut self, recourse: Recourse, waiting: Waiting, now: Instant) -> Prospect {
        let failures = self.refresher.failed();
        let prospect = match recourse {
            Recourse::GiveUp | Recourse::Isolate | Recourse::Shrink => Prospect::Final,
            Recourse::AwaitStream => self.on_stream_missing(now),
            Recourse::RetryWithinGrace | Recourse::IsolateWithinGrace => self.fetch_grace.refused(now),
            Recourse::Retry => Prospect::Passing,
        };
        match (prospect, waiting) {
            // What waited for it is returned, and the next record may bring better luck.
            (Prospect::Final, Waiting::Some) => {
                let pause = self.delays.after(failures.min(SHORT_PAUSES));
                self.refresher.pause_until(now + pause);
            }
            // The map in force is good enough for now. The next record asks again.
            (Prospect::Passing | Prospect::Final, Waiting::None) => {
                self.refresher.pause_until(now + self.delays.after(failures))
            }
            (Prospect::Passing, Waiting::Some) => {
                let pause = self.delays.after(failures.min(AWAITED_PAUSES));
                self.refresher.retry_at(now + pause);
            }
        }
        prospect
    }

    /// The stream was described; returns the largest record that it takes, if that is known now.
    pub(crate) fn on_described(&mut self, summary: StreamSummary, now: Instant) -> Option<usize> {
        self.on_stream_found();
        self.description_grace.answered(now);
        self.distribution.described(summary.distribution, now);
        if summary.resharding == Resharding::UnderWay {
            self.hasten(now);
            self.distribution.ask_sooner(now);
        }
        summary.max_record_bytes
    }

    /// The stream was not described. Says when to ask again, if that is worthwhile.
    pub(crate) fn describe_again(&mut self, recourse: Recourse, waiting: Waiting, now: Instant) {
        match recourse {
            Recourse::GiveUp | Recourse::Isolate | Recourse::Shrink => return self.distribution.refused(now),
            // Whatever refuses it says nothing of the stream: what was described before stays in force.
            Recourse::AwaitStream | Recourse::RetryWithinGrace | Recourse::IsolateWithinGrace | Recourse::Retry => {}
        }
        let failures = self.distribution.failed();
        let failures = match waiting {
            Waiting::None => failures,
            Waiting::Some => failures.min(AWAITED_PAUSES),
        };
        let at = now + self.delays.after(failures);
        self.distribution.ask_again(at, waiting);
    }

    /// Something is about to wait for the map, or for the description. If it is the first, pauses that were made while
    /// nothing did are cut short; not that after a description, which others of the account have to share.
    pub(crate) fn hurry(&mut self, now: Instant) {
        let failures = self.distribution.failures();
        if failures > 0 {
            let pause = self.delays.after(failures.min(AWAITED_PAUSES));
            self.distribution.hurry(now + pause);
        }
        if self.refresher.next_at().is_some_and(|at| at > now) {
            let pause = self.delays.after(self.refresher.failures().min(AWAITED_PAUSES));
            self.refresher.hurry(now + pause);
        }
    }

    /// The fetch in flight, if there is one, as an attempt that ends now.
    pub(crate) fn end_fetch(&mut self, now: Instant) -> Option<Exchange> {
        self.fetch_began.take().map(|began| Exchange::abandoned(began, now))
    }

    /// The question for the description was refused for a reason that may pass; whether the grace for that is over.
    pub(crate) fn on_description_refused(&mut self, now: Instant) -> Prospect {
        self.description_grace.refused(now)
    }

    /// A list with a fault may be one of a moment: it is asked for again soon, and later and later while the fault stays.
    fn ask_sooner_after(&mut self, map: &ShardMap, now: Instant) {
        if !map.has_assumed() {
            self.faulty_lists = 0;
            return;
        }
        let interval = RESHARDING_REFRESH_INTERVAL * (1 << self.faulty_lists.min(8));
        self.faulty_lists = self.faulty_lists.saturating_add(1);
        self.refresher.hasten(interval, now + 2 * interval);
    }

    fn hasten(&mut self, now: Instant) {
        self.refresher
            .hasten(RESHARDING_REFRESH_INTERVAL, now + RESHARDING_TIME);
    }
}

fn no_open_shards() -> CallError {
    CallError {
        code: "NoOpenShards".into(),
        message: "ListShards named no open shard".into(),
        request_id: None,
        class: CallClass::Unanswered,
        effect: Effect::None,
    }
}
