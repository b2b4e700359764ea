//! Pure: what the pipeline makes of an aggregate that the service stored: a consumer must find all of it.

use std::time::Instant;

use crate::config::OnMisplacement;
use crate::config::ordering::Ordering;
use crate::error::codes::WRONG_SHARD;
use crate::lanes::aggregate::SealedAggregate;
use crate::observe::observation::Observation;
use crate::pipeline::answers::Exchange;
use crate::pipeline::answers::retrier::{Verdict, is_right_anywhere, judge};
use crate::pipeline::{Pipeline, Stored};
use crate::receipt::attempt::AttemptFailure;

impl Stored {
    /// The aggregate as one that a consumer may drop: its last attempt counts as failed.
    pub(in crate::pipeline) fn misplaced(self) -> SealedAggregate {
        let Self {
            mut aggregate, shard, ..
        } = self;
        aggregate.misplacements = aggregate.misplacements.saturating_add(1);
        let message = format!("stored in {shard}, which is not known to hold all of its records' hash keys");
        aggregate.attempts.fail_last(AttemptFailure {
            code: WRONG_SHARD.into(),
            message,
            may_have_been_stored: true,
        });
        aggregate
    }
}

impl Pipeline {
    pub(in crate::pipeline) fn on_stored(&mut self, stored: Stored, exchange: &Exchange) {
        self.learn_from(&stored, exchange.sent, exchange.ended);
        let verdict = self.verdict(&stored);
        if verdict != Verdict::Right {
            self.refresher.on_contradiction(exchange.sent, exchange.ended);
        }
        match verdict {
            Verdict::Right | Verdict::RightButUnexpected => self.deliver(stored),
            Verdict::Wrong => self.on_misplaced(stored, exchange.ended),
            // No fetch to wait for: the newest map already knows better than this answer.
            Verdict::Unknown if self.refresher.is_idle() => self.on_misplaced(stored, exchange.ended),
            Verdict::Unknown => {
                self.await_map(exchange.ended);
                self.unjudged.push(stored);
            }
        }
    }

    /// Judges by a fresh map what the last one could not.
    pub(in crate::pipeline) fn judge_the_unjudged(&mut self, now: Instant) {
        for stored in std::mem::take(&mut self.unjudged) {
            match self.verdict(&stored) {
                Verdict::Right | Verdict::RightButUnexpected => self.deliver(stored),
                Verdict::Unknown if !self.refresher.is_idle() => self.unjudged.push(stored),
                Verdict::Wrong | Verdict::Unknown => self.on_misplaced(stored, now),
            }
        }
    }

    /// What to make of an aggregate where it is. Some consumers find it anywhere.
    fn verdict(&self, stored: &Stored) -> Verdict {
        let verdict = self.verdict_of_ranges(stored);
        let is_found_anywhere =
            self.config.on_misplacement == OnMisplacement::Accept && self.config.ordering == Ordering::None;
        if is_found_anywhere && matches!(verdict, Verdict::Wrong | Verdict::Unknown) {
            Verdict::RightButUnexpected
        } else {
            verdict
        }
    }

    /// Judges by the newest map. That of a stream which was missing since says nothing of the one that may have taken its
    /// place, though its shards bear the same ids.
    fn verdict_of_ranges(&self, stored: &Stored) -> Verdict {
        let Stored { aggregate, shard, .. } = stored;
        match &self.map {
            Some(map) if self.refresher.is_trusted() || is_right_anywhere(aggregate, shard) => {
                judge(aggregate, shard, map)
            }
            Some(_) => Verdict::Unknown,
            None => Verdict::Right,
        }
    }

    /// An aggregate that a consumer would drop as a whole is sent again as a whole.
    fn on_misplaced(&mut self, stored: Stored, now: Instant) {
        if_planted!(AcceptMisplaced, return self.deliver(stored));
        self.observers.observe(Observation::Misplaced(&stored.aggregate));
        self.retry(stored.misplaced(), now);
    }
}
