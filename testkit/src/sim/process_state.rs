//! The state of one process: its present life, its clock, what it is cut off from, and the program that each life runs.

use std::fmt;
use std::sync::Arc;

use fastrand::Rng;
use futures::future::BoxFuture;

use super::gate::{Gate, Stop};
use super::machine_clock::MachineClock;
use super::poll_order::{PollOrder, Turns};
use crate::dispatch::Service;

/// What a process runs in a life: the tasks of that life pass the gate.
pub(super) type Program = Arc<dyn Fn(Arc<Gate>) -> BoxFuture<'static, ()> + Send + Sync>;

/// What the world knows of a process.
pub(super) struct ProcessState {
    /// Of its present life.
    pub(super) gate: Arc<Gate>,
    lives: Lives,
    pub(super) clock: MachineClock,
    pub(super) cut_off_from: Vec<Service>,
    /// It freezes when it has sent a call to this service.
    pub(super) freezes_at: Option<Service>,
    pub(super) program: Option<Program>,
}

impl ProcessState {
    /// A process that begins to live.
    pub(super) fn new(clock: MachineClock, mut lives: Lives) -> Self {
        Self {
            gate: lives.next_gate(),
            lives,
            clock,
            cut_off_from: Vec::new(),
            freezes_at: None,
            program: None,
        }
    }

    /// Lets it live anew. Its machine outlives it: one that is suspended stays so.
    pub(super) fn begin_life(&mut self) {
        self.gate = self.lives.next_gate();
        if self.clock.is_suspended() {
            self.gate.stop(Stop::Suspended);
        }
    }
}

impl fmt::Debug for ProcessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessState")
            .field("passage", &self.gate.passage())
            .field("cut_off_from", &self.cut_off_from)
            .finish_non_exhaustive()
    }
}

/// Opens the gates of the lives of a process.
#[derive(Debug)]
pub(super) struct Lives {
    order: PollOrder,
    seeds: Rng,
}

impl Lives {
    pub(super) fn new(order: PollOrder, seed: u64) -> Self {
        let seeds = Rng::with_seed(seed);
        Self { order, seeds }
    }

    fn next_gate(&mut self) -> Arc<Gate> {
        Arc::new(Gate::new(Turns::new(self.order, self.seeds.u64(..))))
    }
}
