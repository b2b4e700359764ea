//! Pure: more of what some runs have and others do not, from draws of its own.

use std::time::Duration;

use fastrand::Rng;
use testkit::sim::TroubleKind;

use super::millis;
use super::variety::{moment, one_in};
use crate::scenario::{Act, Kind, Scenario, Start, What, WorkerIds};

impl Scenario {
    /// Draws what is off by default, and came up after the rest.
    pub(super) fn draw_later_variety(&mut self, rng: &mut Rng) {
        if one_in(4, rng) {
            self.worker_ids = WorkerIds::Kept;
        }
        if matches!(self.kind, Kind::Crash | Kind::Fleet | Kind::Restless) && one_in(5, rng) {
            self.draw_retention(rng);
        }
        if matches!(self.kind, Kind::Steady | Kind::Reshard) && one_in(5, rng) {
            self.draw_recreation(rng);
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

    /// The stream is deleted and created again under the workers, whose leases are then another stream's. No worker is
    /// started afterwards: see `NOT_SIMULATED`.
    fn draw_recreation(&mut self, rng: &mut Rng) {
        let what = What::Recreate {
            shards: rng.usize(1..=8),
            pause: Duration::from_millis(rng.u64(1_000..20_000)),
        };
        let at = moment(self.load, rng);
        self.acts.push(Act { at, what });
        self.acts.retain(|act| !matches!(act.what, What::Restart { .. }));
        self.plan.troubles.retain(|trouble| trouble.kind != TroubleKind::Crash);
        self.handlers.outage = None;
        // Records may be given back while the stream is gone, which nobody would see without the receipts.
        self.puts.dropped = 0;
    }
}
