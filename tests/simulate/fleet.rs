//! The processes of a run: what its producers and workers do, and what they tell the witness.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use kcl::{WorkerControl, WorkerError};
use oracle::{self, Fact, Failure, FleetFact, Ownership, RecordId, Witness};
use testkit::sim::{Process, Sim};
use tokio::time::sleep;

use crate::scenario::{Scenario, WorkerIds};

pub(crate) const APPLICATION: &str = "billing";

/// How long a worker may take to stop in an orderly way.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

/// How long a worker that failed waits before it starts again, as under a service manager.
const RESPAWN: Duration = Duration::from_secs(5);

/// What all processes of a run share.
#[derive(Clone)]
pub(crate) struct Fleet {
    pub(crate) sim: Sim,
    pub(crate) witness: Witness,
    pub(crate) scenario: Arc<Scenario>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// No more records are put.
    enough: AtomicBool,
    /// No worker starts again.
    closing: AtomicBool,
    /// No worker starts for now.
    held_back: AtomicBool,
    /// Counts the lives of all processes, for names and seeds of their own.
    lives: AtomicU64,
    /// Counts the records of all producers.
    records: AtomicU64,
    /// Producers that have not ended.
    producing: AtomicU64,
    /// How many calls with each record have failed.
    failures: Mutex<BTreeMap<u64, u32>>,
    /// The ownerships that a task has begun.
    begun: Mutex<BTreeSet<Ownership>>,
    /// The processes whose workers have halted shards.
    halts: Mutex<BTreeSet<String>>,
    /// The processes whose workers start again when they have stopped, and after which time.
    returning: Mutex<BTreeMap<String, Duration>>,
    /// The ids of the workers that live.
    living: Mutex<BTreeSet<String>>,
    /// How to stop each worker, by its life; a process may run several, one after the other or for a while beside it.
    controls: Mutex<BTreeMap<u64, (String, WorkerControl)>>,
}

impl Fleet {
    pub(crate) fn new(sim: Sim, witness: Witness, scenario: Scenario) -> Self {
        Self {
            sim,
            witness,
            scenario: Arc::new(scenario),
            shared: Arc::default(),
        }
    }

    pub(crate) fn is_enough(&self) -> bool {
        self.shared.enough.load(Ordering::Relaxed)
    }

    /// Lets producers end, when they have delivered what they hold.
    pub(crate) fn enough(&self) {
        self.shared.enough.store(true, Ordering::Relaxed);
    }

    /// Whether a producer still has something to deliver.
    pub(crate) fn is_producing(&self) -> bool {
        self.shared.producing.load(Ordering::Relaxed) > 0
    }

    /// Counts a producer for as long as what it returns lives.
    pub(crate) fn producing(&self) -> Producing {
        self.shared.producing.fetch_add(1, Ordering::Relaxed);
        Producing(Arc::clone(&self.shared))
    }

    /// A number that no other life of any process has.
    pub(crate) fn next_life(&self) -> u64 {
        self.shared.lives.fetch_add(1, Ordering::Relaxed)
    }

    /// A record that no other is.
    pub(crate) fn next_record(&self) -> RecordId {
        RecordId(self.shared.records.fetch_add(1, Ordering::Relaxed))
    }

    /// The random choices of a life.
    pub(crate) fn rng(&self, life: u64) -> Rng {
        Rng::with_seed(self.scenario.seed ^ life.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// Runs a worker in the process, again and again until it is stopped.
    pub(crate) fn start_worker(&self, name: &str) {
        let fleet = self.clone();
        self.sim
            .process(name)
            .run(move |process| fleet.clone().consume(process));
    }

    /// Asks the worker of a process to stop in an orderly way.
    pub(crate) fn stop_worker(&self, process: &str) {
        let here: Vec<_> = self.controls().extract_if(.., |_, (name, _)| name == process).collect();
        here.into_iter().for_each(|worker| self.shut_down(worker));
    }

    /// Whether all workers are to stop, for good.
    pub(crate) fn is_closing(&self) -> bool {
        self.shared.closing.load(Ordering::Relaxed)
    }

    /// Asks every worker to stop in an orderly way, and waits until all have ended. They start again only when they are
    /// [let](Self::let_workers_start).
    pub(crate) async fn stop_all_workers(&self) {
        self.shared.held_back.store(true, Ordering::Relaxed);
        let controls = std::mem::take(&mut *self.controls());
        for (life, (process, control)) in controls {
            if self.living().contains(&self.worker_id(&process, life)) {
                self.returning().entry(process.clone()).or_default();
                self.shut_down((life, (process, control)));
            }
        }
        while !self.living().is_empty() && !self.is_closing() {
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends what [`stop_all_workers`](Self::stop_all_workers) began.
    pub(crate) fn let_workers_start(&self) {
        self.shared.held_back.store(false, Ordering::Relaxed);
    }

    fn shut_down(&self, (life, (process, control)): (u64, (String, WorkerControl))) {
        let worker = oracle::Process::new(&self.worker_id(&process, life));
        self.witness.tell(Fact::Fleet(FleetFact::WorkerStopping { worker }));
        control.shutdown(GRACE);
    }

    /// Asks the worker of a process to stop in an orderly way; it starts again that long after it has.
    pub(crate) fn restart_worker(&self, process: &str, pause: Duration) {
        self.returning().insert(process.to_owned(), pause);
        self.stop_worker(process);
    }

    /// A shard of this worker, one life of a process, is halted.
    pub(crate) fn halted(&self, worker: &str) {
        let process = worker.split('.').next().unwrap_or(worker);
        self.halts().insert(process.to_owned());
    }

    /// Does what an operator does about halted shards: once their handlers can work again, restarts the workers.
    pub(crate) fn restart_halted(&self) {
        if !self.is_out() {
            let halted = std::mem::take(&mut *self.halts());
            halted.iter().for_each(|process| self.restart_worker(process, RESPAWN));
        }
    }

    /// Whether handlers cannot work for now.
    pub(crate) fn is_out(&self) -> bool {
        let (now, outage) = (self.sim.elapsed(), self.scenario.handlers.outage);
        outage.is_some_and(|outage| (outage.from..outage.from + outage.lasts).contains(&now))
    }

    /// How often calls with this record have failed, this one included.
    pub(crate) fn failed_before(&self, record: u64) -> u32 {
        let mut failures = self.shared.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(record).or_default();
        *count += 1;
        *count
    }

    /// Whether a task of this ownership was begun before.
    pub(crate) fn begins_anew(&self, ownership: &Ownership) -> bool {
        let mut begun = self.shared.begun.lock().unwrap_or_else(PoisonError::into_inner);
        !begun.insert(ownership.clone())
    }

    /// Asks every worker to stop in an orderly way, for good.
    pub(crate) fn close(&self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        let controls = std::mem::take(&mut *self.controls());
        controls.into_iter().for_each(|worker| self.shut_down(worker));
    }

    async fn consume(self, process: Process) {
        while !self.is_closing() {
            let life = self.next_life();
            let Some(here) = self.take_id(self.worker_id(process.name(), life)).await else {
                return;
            };
            let (worker, lookout) = self.worker(&process, life);
            self.controls()
                .insert(life, (process.name().to_owned(), worker.control()));
            let id = here.id.clone();
            let alive = Alive::begin(&self.witness, here, process.name());
            let ended = tokio::select! {
                biased;
                ended = worker.run() => ended,
                never = lookout.watch(), if self.scenario.application.is_looked_after() => match never {},
            };
            match ended {
                Ok(_report) => {
                    alive.stop();
                    let Some(pause) = self.returning().remove(process.name()) else {
                        return;
                    };
                    sleep(pause).await;
                }
                Err(error) => {
                    self.sim.note(format!("{id} ended: {error}"));
                    alive.fail(error.error());
                    sleep(RESPAWN).await;
                }
            }
        }
    }

    /// Takes the id of a worker, when workers may start and no other has it; `None` if none is to start any more.
    async fn take_id(&self, id: String) -> Option<Here> {
        loop {
            if self.is_closing() {
                return None;
            }
            if !self.shared.held_back.load(Ordering::Relaxed) && self.living().insert(id.clone()) {
                let shared = Arc::clone(&self.shared);
                return Some(Here { id, shared });
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// The id of a worker in one life of its process.
    pub(crate) fn worker_id(&self, process: &str, life: u64) -> String {
        match self.scenario.worker_ids {
            WorkerIds::New => format!("{process}.{life}"),
            WorkerIds::Kept => process.to_owned(),
        }
    }

    fn halts(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.shared.halts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn returning(&self) -> MutexGuard<'_, BTreeMap<String, Duration>> {
        self.shared.returning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn living(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.shared.living.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn controls(&self) -> MutexGuard<'_, BTreeMap<u64, (String, WorkerControl)>> {
        self.shared.controls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a producer while it lives.
pub(crate) struct Producing(Arc<Shared>);

impl Drop for Producing {
    fn drop(&mut self) {
        self.0.producing.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Keeps the id of a worker from others while it lives.
struct Here {
    id: String,
    shared: Arc<Shared>,
}

impl Drop for Here {
    fn drop(&mut self) {
        let mut living = self.shared.living.lock().unwrap_or_else(PoisonError::into_inner);
        living.remove(&self.id);
    }
}

/// Tells the witness of the life of a worker; if nothing ends it, it was killed.
struct Alive {
    _here: Here,
    witness: Witness,
    worker: oracle::Process,
    ended: bool,
}

impl Alive {
    fn begin(witness: &Witness, here: Here, host: &str) -> Self {
        let (worker, host) = (oracle::Process::new(&here.id), oracle::Process::new(host));
        let process = worker.clone();
        witness.tell(Fact::Fleet(FleetFact::LivesIn { process, host }));
        witness.tell(Fact::Fleet(FleetFact::WorkerStarted { worker: worker.clone() }));
        Self {
            _here: here,
            witness: witness.clone(),
            worker,
            ended: false,
        }
    }

    /// It stopped, as it was asked to.
    fn stop(self) {
        let worker = self.worker.clone();
        self.end(FleetFact::WorkerStopped { worker });
    }

    /// It ended by itself.
    fn fail(self, error: &WorkerError) {
        let failure = if matches!(error, WorkerError::TaskPanicked) {
            Failure::Panicked
        } else {
            Failure::GaveUp(error.to_string())
        };
        let worker = self.worker.clone();
        self.end(FleetFact::WorkerFailed { worker, failure });
    }

    fn end(mut self, how: FleetFact) {
        self.ended = true;
        self.witness.tell(Fact::Fleet(how));
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if !self.ended {
            let worker = self.worker.clone();
            self.witness.tell(Fact::Fleet(FleetFact::WorkerKilled { worker }));
        }
    }
}
