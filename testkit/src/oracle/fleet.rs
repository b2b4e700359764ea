//! Pure: which workers live.

use std::collections::BTreeMap;
use std::time::Duration;

use super::name::Process;

/// The workers of a run.
#[derive(Debug, Default)]
pub(super) struct Fleet(BTreeMap<Process, Worker>);

#[derive(Debug, Default)]
struct Worker {
    state: State,
    killed_at: Option<Duration>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    Alive,
    #[default]
    Gone,
}

impl Fleet {
    pub(super) fn started(&mut self, worker: Process) {
        self.0.entry(worker).or_default().state = State::Alive;
    }

    pub(super) fn stopped(&mut self, worker: Process) {
        self.0.entry(worker).or_default().state = State::Gone;
    }

    pub(super) fn killed(&mut self, worker: Process, now: Duration) {
        let worker = self.0.entry(worker).or_default();
        worker.state = State::Gone;
        worker.killed_at = Some(now);
    }

    pub(super) fn lives(&self, worker: &Process) -> bool {
        self.0.get(worker).is_some_and(|worker| worker.state == State::Alive)
    }

    pub(super) fn anyone_lives(&self) -> bool {
        self.0.values().any(|worker| worker.state == State::Alive)
    }

    /// Whether the worker died at this time or later, restarted or not.
    pub(super) fn died_since(&self, worker: &Process, time: Duration) -> bool {
        let killed_at = self.0.get(worker).and_then(|worker| worker.killed_at);
        killed_at.is_some_and(|killed_at| killed_at >= time)
    }
}
