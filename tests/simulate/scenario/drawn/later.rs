//! Pure: more of what some runs have and others do not, from draws of its own.

use std::ops::Range;
use std::time::Duration;

use super::millis;
use super::variety::{moment, one_in};
use crate::scenario::{Act, Kind, OnRecreated, Scenario, Start, What, WorkerIds};
use fastrand::Rng;

/// How long an operator takes to hear that the stream was created again, and to act.
pub(crate) const REACTION: Range<Duration> = Duration::ZERO..Duration::from_secs(30);

impl Scenario {
    /// Draws what is off by default, and came up after the rest.
    pub(super) fn draw_later_variety(&mut self, rng: &mut Rng) {
        if one_in(4, rng) {
            self.worker_ids = WorkerIds::Kept;
        }
        if matches!(self.kind, Kind::Crash | Kind::Fleet | Kind::Restless) && one_in(5, rng) {
            self.draw_retention(rng);
        }
        if self.kind != Kind::Produce && one_in(5, rng) {
            self.draw_recreations_under_workers(rng);
        }
        if one_in(3, rng) {
            self.handlers.deferred = rng.u8(20..=100);
        }
        self.acts.sort_by_key(|act| act.at);
    }

    /// A stream that keeps records for a short time, and workers that are all down for about as long.
    fn draw_retention(&mut self, rng: &mut Rng) {
        let retention = Duration::from_millis(rng.u64(5_000..30_000));
        self.retention = Some(retention);
        // See `NOT_SIMULATED`.
        if self.start == Start::Latest {
            self.start = Start::TrimHorizon;
        }
        let pause = Duration::from_millis(rng.u64(millis(retention / 2)..millis(retention * 2)));
        let (at, what) = (moment(self.load, rng), What::Blackout { pause });
        self.acts.push(Act { at, what });
    }

    /// The stream is deleted and created again under the workers, whose leases are then another stream's.
    fn draw_recreations_under_workers(&mut self, rng: &mut Rng) {
        let times = if one_in(4, rng) { 2 } else { 1 };
        for _ in 0..times {
            let what = What::Recreate {
                shards: rng.usize(1..=8),
                pause: Duration::from_millis(rng.u64(1_000..20_000)),
            };
            let at = moment(self.load, rng);
            self.acts.push(Act { at, what });
        }
        self.begins_anew_after = Some(Duration::from_millis(
            rng.u64(millis(REACTION.start)..millis(REACTION.end)),
        ));
        if one_in(2, rng) {
            // No operator is needed then.
            (self.on_recreated, self.begins_anew_after) = (OnRecreated::Restart, None);
        }
        // Records may be given back while the stream is gone, which nobody would see without the receipts.
        self.puts.dropped = 0;
    }
}
