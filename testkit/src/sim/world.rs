//! The state behind a simulation.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio_util::task::TaskTracker;

use super::events::EventLog;
use super::faults::{CallInfo, Decide, Fault};
use super::gate::Passage;
use super::latency::Latency;
use super::machine_clock::MachineClock;
use super::observation::{Lesson, Unacknowledged};
use super::plan::{ActiveTroubles, Turn};
use super::poll_order::PollOrder;
use super::process_state::{Lives, ProcessState};
use crate::clock::VirtualClock;
use crate::dispatch::{Service, Services};

/// Everything that the processes of one simulation have in common.
#[derive(Debug)]
pub(super) struct World {
    pub(super) services: Services,
    pub(super) clock: VirtualClock,
    pub(super) kinesis_latency: Latency,
    pub(super) dynamodb_latency: Latency,
    pub(super) cloudwatch_latency: Latency,
    /// Calls on their way, the tasks of processes, and plans that are carried out.
    pub(super) tasks: TaskTracker,
    pub(super) state: Mutex<State>,
}

/// What calls and tests change.
#[derive(Debug)]
pub(super) struct State {
    pub(super) rng: Rng,
    /// What the test decides call by call.
    pub(super) faults: Decide,
    /// What goes wrong by plan at the moment.
    pub(super) troubles: ActiveTroubles,
    /// Beginnings and ends of troubles that have come so far.
    pub(super) turns: Vec<Turn>,
    /// Calls that were applied so far without their callers' knowing.
    pub(super) unacknowledged: Vec<Unacknowledged>,
    /// What was learnt so far of the stream, when, and by whom.
    pub(super) learnt: Vec<(Duration, Arc<str>, Lesson)>,
    pub(super) log: EventLog,
    pub(super) sent: u64,
    /// The process whose call is being applied, or was last.
    pub(super) caller: Arc<str>,
    /// When that call was sent.
    pub(super) called_at: Duration,
    seed: u64,
    poll_order: PollOrder,
    processes: BTreeMap<String, ProcessState>,
    /// The panic of a program, for the test to end with.
    panic: Option<Box<dyn Any + Send>>,
    /// Troubles of all plans so far.
    numbered: usize,
}

impl World {
    /// Locks the state, for a moment and never across an await.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn latency(&self, service: Service) -> Latency {
        match service {
            Service::Kinesis => self.kinesis_latency,
            Service::DynamoDb => self.dynamodb_latency,
            Service::CloudWatch => self.cloudwatch_latency,
        }
    }
}

impl State {
    pub(super) fn new(seed: u64, poll_order: PollOrder, log: usize) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            faults: Decide::default(),
            troubles: ActiveTroubles::default(),
            turns: Vec::new(),
            unacknowledged: Vec::new(),
            learnt: Vec::new(),
            log: EventLog::new(log),
            sent: 0,
            caller: "".into(),
            called_at: Duration::ZERO,
            seed,
            poll_order,
            processes: BTreeMap::new(),
            panic: None,
            numbered: 0,
        }
    }

    /// Keeps the panic of a program; of several, the first.
    pub(super) fn keep_panic(&mut self, panic: Box<dyn Any + Send>) {
        self.panic.get_or_insert(panic);
    }

    pub(super) fn take_panic(&mut self) -> Option<Box<dyn Any + Send>> {
        self.panic.take()
    }

    /// A process, which begins to live when it is first asked for.
    pub(super) fn process(&mut self, name: &str, clock: VirtualClock) -> &mut ProcessState {
        let (seed, order) = (self.seed, self.poll_order);
        self.processes.entry(name.to_owned()).or_insert_with(|| {
            // Not the seed of the latencies, and another one for each process, whichever others there are.
            let own = name.bytes().fold(seed, |seed, byte| {
                (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            ProcessState::new(MachineClock::new(clock), Lives::new(order, own))
        })
    }

    pub(super) fn process_names(&self) -> Vec<String> {
        self.processes.keys().cloned().collect()
    }

    /// Numbers for the troubles of one more plan; returns the first.
    pub(super) fn number_troubles(&mut self, count: usize) -> usize {
        let first = self.numbered;
        self.numbered += count;
        first
    }

    pub(super) fn forget_programs(&mut self) {
        for process in self.processes.values_mut() {
            process.program = None;
        }
    }

    pub(super) fn is_cut_off(&self, process: &str, service: Service) -> bool {
        self.processes
            .get(process)
            .is_some_and(|process| process.cut_off_from.contains(&service))
    }

    /// Whether the process stands still.
    pub(super) fn is_stopped(&self, process: &str) -> bool {
        let passage = self.processes.get(process).map(|process| process.gate.passage());
        passage == Some(Passage::Stopped)
    }

    /// The fault of a call by the plans that are carried out.
    pub(super) fn planned(&mut self, call: &CallInfo<'_>, now: Duration) -> Fault {
        self.troubles.meet(call, now, &mut self.rng)
    }
}
