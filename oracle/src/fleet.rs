//! Pure: which workers live.

use std::collections::BTreeMap;
use std::time::Duration;

use super::name::Process;

/// The workers of a run.
#[derive(Debug, Default)]
pub(crate) struct Fleet(BTreeMap<Process, Worker>);

#[derive(Debug, Default)]
struct Worker {
    state: State,
    started_at: Duration,
    killed_at: Option<Duration>,
    stopped_at: Option<Duration>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    Alive,
    /// Asked to stop: it takes no more leases.
    Stopping,
    #[default]
    Gone,
}

impl Fleet {
    /// Whether a worker of that id has lived before.
    pub(crate) fn knows(&self, worker: &Process) -> bool {
        self.0.contains_key(worker)
    }

    pub(crate) fn started(&mut self, worker: Process, now: Duration) {
        let worker = self.0.entry(worker).or_default();
        worker.state = State::Alive;
        worker.started_at = now;
    }

    pub(crate) fn stopping(&mut self, worker: &Process) {
        let worker = self.0.get_mut(worker);
        if let Some(worker) = worker.filter(|worker| worker.state == State::Alive) {
            worker.state = State::Stopping;
        }
    }

    pub(crate) fn stopped(&mut self, worker: Process, now: Duration) {
        let worker = self.0.entry(worker).or_default();
        worker.state = State::Gone;
        worker.stopped_at = Some(now);
    }

    pub(crate) fn killed(&mut self, worker: Process, now: Duration) {
        let worker = self.0.entry(worker).or_default();
        worker.state = State::Gone;
        worker.killed_at = Some(now);
    }

    pub(crate) fn lives(&self, worker: &Process) -> bool {
        self.0.get(worker).is_some_and(|worker| worker.state != State::Gone)
    }

    pub(crate) fn anyone_lives(&self) -> bool {
        self.living().next().is_some()
    }

    /// The living workers.
    pub(crate) fn living(&self) -> impl Iterator<Item = &Process> {
        let living = self.0.iter().filter(|(_, worker)| worker.state != State::Gone);
        living.map(|(name, _)| name)
    }

    /// The living workers that nobody has asked to stop.
    pub(crate) fn takers(&self) -> impl Iterator<Item = &Process> {
        let alive = self.0.iter().filter(|(_, worker)| worker.state == State::Alive);
        alive.map(|(name, _)| name)
    }

    /// When the worker began its present life.
    pub(crate) fn started_at(&self, worker: &Process) -> Option<Duration> {
        self.0.get(worker).map(|worker| worker.started_at)
    }

    /// Whether the worker was stopped at this time or later, restarted or not.
    pub(crate) fn stopped_since(&self, worker: &Process, time: Duration) -> bool {
        let stopped_at = self.0.get(worker).and_then(|worker| worker.stopped_at);
        stopped_at.is_some_and(|stopped_at| stopped_at >= time)
    }

    /// Whether the worker died at this time or later, restarted or not.
    pub(crate) fn died_since(&self, worker: &Process, time: Duration) -> bool {
        let killed_at = self.0.get(worker).and_then(|worker| worker.killed_at);
        killed_at.is_some_and(|killed_at| killed_at >= time)
    }
}
