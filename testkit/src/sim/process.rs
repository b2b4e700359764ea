//! One process of a simulated fleet: what it runs, what it sees of the network and of the time, and how it dies.

use std::fmt;
use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use service::Clock;

use super::events::{Event, ProcessChange};
use super::gate::{Gate, Passage, Stop};
use super::machine_clock::MachineClock;
use super::process_state::{ProcessState, Program};
use super::world::World;
use crate::dispatch::Service;

/// A simulated process.
///
/// What it runs must go through it, so that it can be frozen and killed: the tasks that tests spawn by
/// [`run`](Self::run) or [`spawn`](Self::spawn), those of the libraries by [`task_wrapper`](Self::task_wrapper). Its
/// calls go through [`sdk_config`](Self::sdk_config).
///
/// A handle is of one life: what it spawns and wraps, and what it says of tasks and of being alive, is about that life.
/// What happens to the process, as [`kill`](Self::kill), [`freeze`](Self::freeze) or [`cut_off`](Self::cut_off), happens
/// to whatever life it has by then. [`Sim::process`](super::Sim::process) is a handle of the present one.
///
/// Calls are on the network's side once they are sent: they arrive although their process is frozen or dead by then.
#[derive(Clone)]
pub struct Process {
    pub(super) name: Arc<str>,
    /// Of the life that this handle is from.
    gate: Arc<Gate>,
    pub(super) world: Arc<World>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name)
            .field("passage", &self.gate.passage())
            .finish_non_exhaustive()
    }
}

impl Process {
    /// The process of that name, which is alive if it is new.
    pub(super) fn named(world: &Arc<World>, name: &str) -> Self {
        let gate = Arc::clone(&world.state().process(name, world.clock).gate);
        Self {
            name: name.into(),
            gate,
            world: Arc::clone(world),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its clocks, for what runs in it: each process has its own.
    pub fn clock(&self) -> Clock {
        Clock::of(Arc::new(self.machine_clock()))
    }

    pub(super) fn machine_clock(&self) -> MachineClock {
        self.world.state().process(&self.name, self.world.clock).clock.clone()
    }

    /// Runs `program` now, and again after each [`restart`](Self::restart) with the process as it is then.
    ///
    /// If it panics, the next [`Sim::advance`](super::Sim::advance) or [`Sim::until`](super::Sim::until) does too, so that
    /// the test fails.
    pub fn run<P>(&self, program: impl Fn(Self) -> P + Send + Sync + 'static)
    where
        P: Future<Output = ()> + Send + 'static,
    {
        // The world keeps the program, so the program must not keep the world.
        let (name, world) = (Arc::clone(&self.name), Arc::downgrade(&self.world));
        let program: Program = Arc::new(move |gate| match world.upgrade() {
            Some(world) => {
                let name = Arc::clone(&name);
                program(Self { name, gate, world }).boxed()
            }
            None => ready(()).boxed(),
        });
        let mut state = self.world.state();
        state.process(&self.name, self.world.clock).program = Some(Arc::clone(&program));
        drop(state);
        self.start(&program);
    }

    /// Runs one task in this life of the process; its result is `None` if the process dies first.
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send + 'static {
        let running = self.world.tasks.spawn(self.gate.admit("spawned", task.boxed()));
        // Nobody aborts the task: it fails by a panic alone, which is then its result.
        running.map(|joined| joined.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic())))
    }

    /// What the tasks of a library are to be wrapped by, so that they belong to this life of the process.
    pub fn task_wrapper(
        &self,
    ) -> impl Fn(&'static str, BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync + 'static {
        let gate = Arc::clone(&self.gate);
        move |name, task| gate.admit(name, task).map(|_ended| ()).boxed()
    }

    /// The names of its tasks that have not ended; none once they should all have.
    pub fn tasks(&self) -> Vec<&'static str> {
        self.gate.tasks()
    }

    /// Whether this life of it lasts, be it frozen.
    pub fn is_alive(&self) -> bool {
        self.gate.passage() != Passage::Dead
    }

    /// Stops all of its tasks where they are, as a thread that is not scheduled for long. Time goes on: when it
    /// [thaws](Self::thaw), all of its timers have run out that should have.
    pub fn freeze(&self) {
        self.change(ProcessChange::Frozen, |state| state.gate.stop(Stop::Frozen));
    }

    /// [Freezes](Self::freeze) it as soon as it has sent its next call to `service`, so that something is under way. A
    /// [`thaw`](Self::thaw) takes this back too.
    pub fn freeze_at_call(&self, service: Service) {
        let mut state = self.world.state();
        state.process(&self.name, self.world.clock).freezes_at = Some(service);
    }

    /// It has sent a call.
    pub(super) fn sent(&self, service: Service) {
        let mut state = self.world.state();
        let here = state.process(&self.name, self.world.clock);
        let freezes = here.freezes_at.take_if(|at| *at == service).is_some();
        drop(state);
        if freezes {
            self.freeze();
        }
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.change(ProcessChange::Thawed, |state| {
            state.freezes_at = None;
            state.gate.go_on(Stop::Frozen);
        });
    }

    /// Suspends its machine: its tasks stop where they are, and its monotonic clock with them, while the world goes on. When
    /// it is [resumed](Self::resume), its timers go on from where they stood; only the time that counts suspensions and the
    /// wall clock of [`clock`](Self::clock) show the gap.
    ///
    /// That holds for timers of [`clock`](Self::clock) and of the SDK's clients. Those of tokio itself are the world's, and
    /// have run out meanwhile.
    pub fn suspend(&self) {
        self.change(ProcessChange::Suspended, |state| {
            state.clock.suspend();
            state.gate.stop(Stop::Suspended);
        });
    }

    /// Lets a suspended process go on.
    pub fn resume(&self) {
        self.change(ProcessChange::Resumed, |state| {
            state.clock.resume();
            state.gate.go_on(Stop::Suspended);
        });
    }

    /// Ends all of its tasks at once, without another step. Calls that it has sent arrive all the same.
    pub fn kill(&self) {
        self.change(ProcessChange::Killed, |state| state.gate.stop(Stop::Dead));
    }

    /// Kills it, if it is alive, and starts its [program](Self::run) anew. Returns the process in its new life.
    pub fn restart(&self) -> Self {
        if Self::named(&self.world, &self.name).is_alive() {
            self.kill();
        }
        let mut program = None;
        self.change(ProcessChange::Restarted, |state| {
            state.begin_life();
            program = state.program.clone();
        });
        let process = Self::named(&self.world, &self.name);
        if let Some(program) = program {
            process.start(&program);
        }
        process
    }

    /// Cuts it off from a service: requests to it and replies from it vanish, so that only its own time-outs end a call.
    pub fn cut_off(&self, service: Service) {
        self.change(ProcessChange::CutOff(service), |state| state.cut_off_from.push(service));
    }

    /// Takes [`cut_off`](Self::cut_off) back. What vanished stays so.
    pub fn reconnect(&self, service: Service) {
        self.change(ProcessChange::Reconnected(service), |state| {
            state.cut_off_from.retain(|&cut| cut != service);
        });
    }

    /// Sets its wall clock ahead of the true one, from now on.
    pub fn set_clock_ahead(&self, by: Duration) {
        self.change(ProcessChange::ClockAhead(by), |state| state.clock.skew().set_ahead(by));
    }

    /// Sets its wall clock behind the true one, from now on; by zero, it is right again.
    pub fn set_clock_behind(&self, by: Duration) {
        self.change(ProcessChange::ClockBehind(by), |state| {
            state.clock.skew().set_behind(by)
        });
    }

    fn start(&self, program: &Program) {
        let running = program(Arc::clone(&self.gate));
        let (process, running) = (self.clone(), AssertUnwindSafe(running).catch_unwind());
        let watched = async move {
            if let Err(panic) = running.await {
                process.change(ProcessChange::Panicked, |_| {});
                process.world.state().keep_panic(panic);
            }
        };
        self.world.tasks.spawn(self.gate.admit("program", watched.boxed()));
    }

    fn change(&self, change: ProcessChange, apply: impl FnOnce(&mut ProcessState)) {
        let at = self.world.clock.elapsed();
        let mut state = self.world.state();
        state.log.push(Event::Process {
            at,
            process: self.name.to_string(),
            change,
        });
        apply(state.process(&self.name, self.world.clock));
    }
}
