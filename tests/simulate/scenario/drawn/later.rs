//! Pure: more of what some runs have and others do not, from draws of its own.

use fastrand::Rng;

use crate::scenario::{Scenario, WorkerIds};

impl Scenario {
    /// Draws what is off by default, and came up after the rest.
    pub(super) fn draw_later_variety(&mut self, rng: &mut Rng) {
        if rng.u8(..4) == 0 {
            self.worker_ids = WorkerIds::Kept;
        }
    }
}
