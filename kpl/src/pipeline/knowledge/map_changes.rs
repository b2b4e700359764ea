//! Pure: what the pipeline does when a new shard map arrives, or does not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::codes::{Class, classify};
use crate::limits::{RESHARDING_REFRESH_INTERVAL, RESHARDING_TIME};
use crate::observe::observation::Observation;
use crate::pipeline::answers::Exchange;
use crate::pipeline::answers::retrier::final_reason;
use crate::pipeline::knowledge::evidence::Atlas;
use crate::pipeline::{CallFailure, Output, Pipeline};
use crate::receipt::attempt::AttemptFailure;
use crate::routing::Routing;
use crate::routing::shard_map::{Listing, ShardMap};

/// The longest pause after a fetch that failed for good, as a number of failures: 400 ms. Longer would keep the next
/// caller from its error.
const SHORT_PAUSES: u32 = 4;

/// The longest pause while something waits for the map, or for the description, as a number of failures: 1.6 s. How long
/// a record waits for its next attempt, which its user may have set to minutes, is another matter.
pub(in crate::pipeline) const AWAITED_PAUSES: u32 = 6;

/// For how long a map that a fetch has just confirmed is not fetched again. Our choice.
const UNCHANGED_PAUSE: Duration = Duration::from_secs(1);

impl Pipeline {
    pub(in crate::pipeline) fn on_shards(&mut self, shards: Listing, now: Instant) {
        let next = match &self.map {
            None => ShardMap::first(shards),
            Some(map) if self.refresher.is_trusted() => map.refreshed(shards),
            Some(map) => map.replaced(shards),
        };
        let Some(next) = next else {
            let failure = CallFailure {
                code: "NoOpenShards".into(),
                message: "ListShards named no open shard".into(),
                request_id: None,
                may_have_been_applied: false,
            };
            return self.on_fetch_failed(&failure, now);
        };
        self.fetch_began = None;
        self.refresher.succeeded(now);
        self.not_found_since = None;
        if self.map.as_ref().is_some_and(|map| map.epoch() == next.epoch()) {
            // Whatever contradicted the map, fetching it again at once will not explain it.
            self.refresher.pause_until(now + UNCHANGED_PAUSE);
        } else {
            if self.map.is_some() {
                // One step of a change in many, perhaps.
                self.refresher
                    .hasten(RESHARDING_REFRESH_INTERVAL, now + RESHARDING_TIME);
            }
            self.outputs.push_back(Output::ShardsChanged(next.shards().len()));
            self.observers.observe(Observation::ShardsChanged(&next));
        }
        let map = self.map.insert(Arc::new(next));
        let up_to = self.refresher.updated_at();
        self.distribution.map_refreshed(Atlas { map, up_to }, now);
        self.settle_routing(now);
        self.judge_the_unjudged(now);
    }

    /// A fetch that failed is an attempt for each record that waits for it.
    fn note_fetch(&mut self, failure: &CallFailure, now: Instant) {
        let Some((sent, sent_wall)) = self.fetch_began.take() else {
            return;
        };
        let exchange = Exchange {
            sent,
            sent_wall,
            ended: now,
            request_id: failure.request_id.clone(),
        };
        let failure = AttemptFailure {
            // Whatever became of the fetch, it has stored nothing.
            may_have_been_stored: false,
            ..failure.clone().into()
        };
        // Where there is a routing, they wait for the description alone.
        let waiting = match self.routing {
            Routing::Undecided => self.unrouted.as_mut_slice(),
            Routing::ByKey { .. } | Routing::ServiceChosen { .. } => &mut [],
        };
        for aggregate in waiting {
            exchange.note(aggregate, Some(failure.clone()));
        }
    }

    /// Something is about to wait for the map, or for the description. If it is the first, pauses that were made while
    /// nothing did are cut short; not that after a description, which others of the account have to share.
    pub(in crate::pipeline) fn await_map(&mut self, now: Instant) {
        if !self.unrouted.is_empty() || !self.unjudged.is_empty() {
            return;
        }
        let failures = self.distribution.failures();
        if failures > 0 {
            let pause = self.fetch_delays.after(failures.min(AWAITED_PAUSES));
            self.distribution.hurry(now + pause);
        }
        if self.refresher.next_at().is_some_and(|at| at > now) {
            let pause = self.fetch_delays.after(self.refresher.failures().min(AWAITED_PAUSES));
            self.refresher.hurry(now + pause);
        }
    }

    /// Nobody waits for the fetch under way any more.
    pub(in crate::pipeline) fn abandon_fetch(&mut self, now: Instant) {
        if self.fetch_began.is_some() {
            let failure = CallFailure {
                code: "Abandoned".into(),
                message: "the producer stopped waiting for the stream's shards".into(),
                request_id: None,
                may_have_been_applied: false,
            };
            self.note_fetch(&failure, now);
        }
    }

    pub(in crate::pipeline) fn on_fetch_failed(&mut self, failure: &CallFailure, now: Instant) {
        self.note_fetch(failure, now);
        let code = &failure.code;
        self.observers.observe(Observation::LookUpFailed { code });
        let failures = self.refresher.failed();
        let class = classify(&failure.code);
        let is_final = match class {
            Class::Denied | Class::Rejected => true,
            Class::NotFound => self.is_missing_for_good(now),
            Class::Throttled | Class::Credentials | Class::Transient => false,
        };
        if is_final {
            let reason = final_reason(class, &failure.clone().into());
            let needs_map = matches!(self.routing, Routing::Undecided) || class == Class::NotFound;
            for aggregate in std::mem::take(&mut self.unrouted) {
                if needs_map {
                    self.fail(aggregate, reason.clone());
                } else {
                    self.unrouted.push(aggregate);
                }
            }
            let pause = self.fetch_delays.after(failures.min(SHORT_PAUSES));
            self.refresher.pause_until(now + pause);
            self.judge_the_unjudged(now);
        } else if self.unrouted.is_empty() && self.unjudged.is_empty() && self.retries.is_empty() {
            // The map in force is good enough for now. The next record asks again.
            let at = now + self.fetch_delays.after(failures);
            self.refresher.pause_until(at);
        } else {
            let pause = self.fetch_delays.after(failures.min(AWAITED_PAUSES));
            self.refresher.retry_at(now + pause);
        }
    }
}
