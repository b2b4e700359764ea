//! A gate at which handlers block their thread, and what they find of their lease afterwards.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::PATIENCE;
use crate::{Batch, Checkpointer, HandlerError, RecordProcessor, ShardContext, ShardId};

/// Blocks the threads of its callers until it is opened, also by a test that has failed.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    blocked: usize,
    ownerships: Vec<(ShardId, u64)>,
    passed: Vec<Passed>,
    checkpointed: Vec<ShardId>,
}

/// What a handler found when it was no longer blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) shard: ShardId,
    pub(super) token: u64,
    pub(super) lease_is_valid: bool,
}

impl Gate {
    /// Waits until `threads` are blocked.
    #[track_caller]
    pub(super) fn wait_for_blocked(&self, threads: usize) {
        drop(self.wait(|state| state.blocked >= threads));
    }

    /// Waits until `handlers` have passed, and returns what they found.
    #[track_caller]
    pub(super) fn wait_for_passed(&self, handlers: usize) -> Vec<Passed> {
        self.wait(|state| state.passed.len() >= handlers).passed.clone()
    }

    /// Waits until `handlers` have checkpointed.
    #[track_caller]
    pub(super) fn wait_for_checkpoints(&self, handlers: usize) {
        drop(self.wait(|state| state.checkpointed.len() >= handlers));
    }

    /// Waits until `processors` processors were made.
    #[track_caller]
    pub(super) fn wait_for_processors(&self, processors: usize) {
        drop(self.wait(|state| state.ownerships.len() >= processors));
    }

    /// The ownerships that processors were made for: the shard and the fencing token.
    pub(super) fn ownerships(&self) -> Vec<(ShardId, u64)> {
        self.state().ownerships.clone()
    }

    pub(super) fn open(&self) {
        self.note(|state| state.open = true);
    }

    /// As a handler that waits for a lock.
    fn block(&self) {
        self.note(|state| state.blocked += 1);
        drop(self.wait(|state| state.open));
    }

    fn note(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[track_caller]
    fn wait(&self, is_over: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let goes_on = |state: &mut State| !is_over(state);
        let (state, timeout) = self
            .changed
            .wait_timeout_while(self.state(), PATIENCE, goes_on)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "{state:?}");
        state
    }
}

/// Blocks at the gate with its first records.
#[derive(Debug)]
pub(super) struct Blocking {
    gate: Arc<Gate>,
    shard: ShardId,
}

impl Blocking {
    pub(super) fn new(gate: Arc<Gate>, shard: &ShardContext) -> Self {
        let (shard, token) = (shard.shard_id().clone(), shard.lease.epoch().value());
        gate.note(|state| state.ownerships.push((shard.clone(), token)));
        Self { gate, shard }
    }
}

impl RecordProcessor for Blocking {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.gate.block();
        let passed = Passed {
            shard: self.shard.clone(),
            token: batch.lease.epoch().value(),
            lease_is_valid: batch.lease.is_valid(),
        };
        self.gate.note(|state| state.passed.push(passed));
        checkpointer.checkpoint().await?;
        self.gate.note(|state| state.checkpointed.push(self.shard.clone()));
        Ok(())
    }
}

/// Does nothing.
#[derive(Debug)]
pub(super) struct Idle;

impl RecordProcessor for Idle {
    async fn process(&mut self, _batch: Batch, _checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        Ok(())
    }
}
