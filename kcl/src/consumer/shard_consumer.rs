//! The task of one lease, from the wait for its parents to its end.
//!
//! What to do next is decided by the pure [`ConsumerState`]; this file carries it out, with `parents`, `delivery`,
//! `idleness`, `holds`, `giving_up`, `shard_end`, `moving` and `leaving` for the larger steps.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use service::{Clock, Tasks};
use tokio::sync::{Notify, mpsc, watch};

use crate::assignment::children::ChildLeases;
use crate::calls::Calls;
use crate::checkpoint::automatic::AutomaticCheckpoints;
use crate::checkpoint::checkpointer::Checkpointer;
use crate::checkpoint::position::{Position, RecordPosition};
use crate::config::Config;
use crate::consumer::application::Application;
use crate::consumer::backlog::Backlog;
use crate::consumer::mailbox::{Mailbox, Report, Woken};
use crate::consumer::rewind::Replay;
use crate::consumer::seek::SeekRequest;
use crate::consumer::shard_end::{ChildWait, Ending};
use crate::consumer::shards::Request;
use crate::consumer::skip::Skips;
use crate::consumer::state::{ConsumerState, Failing, Phase, Step, Trouble};
use crate::consumer::status::{Reading, ShardState, StatusBoard, Wishes};
use crate::lease::ended::EndedLeases;
use crate::lease::guard::{LeaseGuard, Signal};
use crate::lease::holdings::OwnershipId;
use crate::lease::layout::{StreamRows, TableLayout};
use crate::lease::model::{Lease, WorkerId};
use crate::lease::ownership::End;
use crate::lease::renewer::{OwnedLease, Renewer};
use crate::lease::table::LeaseTable;
use crate::observers::{Observers, ShardObserver};
use crate::processor::handler_error::HandlerError;
use crate::processor::handler_timeout::HandlerTimeout;
use crate::processor::{Adapted, BoxProcessor, ProcessorFactory, ShardContext};
use crate::retrieval::permit::ReadBudget;
use crate::retrieval::polling::Losses;
use crate::retrieval::source::ReadAhead;
use crate::shard_sync::end_evidence::Hold;
use crate::shard_sync::graph::ChildShard;
use crate::shard_sync::surveyor::Surveyor;
use crate::spans::Group;
use crate::stream::ShardRef;

/// What every consumer of a worker is given.
#[derive(Clone)]
pub(crate) struct ConsumerParts {
    pub(crate) worker: WorkerId,
    pub(crate) calls: Calls,
    pub(crate) surveyor: Arc<Surveyor>,
    pub(crate) table: Arc<dyn LeaseTable>,
    /// How the rows of the table name their shards.
    pub(crate) layout: TableLayout,
    pub(crate) renewer: Renewer,
    pub(crate) factory: ProcessorFactory,
    pub(crate) budget: ReadBudget,
    pub(crate) config: Config,
    pub(crate) observers: Observers,
    /// What the spans of its batches say of the worker.
    pub(crate) group: Group,
    pub(crate) tasks: Tasks,
    pub(crate) clock: Clock,
    /// Wakes the search for leases.
    pub(crate) new_leases: Arc<Notify>,
    /// Creates the leases of children.
    pub(crate) child_leases: ChildLeases,
    /// What becomes of the lease when the shard has ended.
    pub(crate) ended_leases: watch::Receiver<EndedLeases>,
}

/// How a consumer is reached while it runs.
pub(crate) struct ConsumerPorts {
    pub(crate) mailbox: Mailbox,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) board: StatusBoard,
    pub(crate) observer: ShardObserver,
    pub(crate) wishes: watch::Receiver<Wishes>,
    pub(crate) requests: mpsc::Receiver<Request>,
}

/// How a consumer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsumerEnd {
    /// The lease is another worker's, or anybody's.
    LeaseLost,
    /// The lease was given back.
    Released,
    /// The same, and the shard had been halted.
    ReleasedHalted,
    /// The lease was given back with another checkpoint, for the next owner to begin there.
    Moved,
}

/// Why a step could not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// The lease gives another signal than to run, or the application asks for something: the next step takes it up.
    BySignal,
    /// A call to the application was dropped: its processor is called for nothing more, and the shard is given up.
    CallDropped,
    /// The shard has ended, and its lease is not kept.
    EndedLeaseNotKept,
    /// Somebody has corrected the checkpoint in the row: the shard is given up, to begin anew there.
    CheckpointCorrected,
}

/// Keeps to the first loss of the lease: an answer to a renewal that comes a moment later must not revive it for a consumer
/// that has already given up what it had in hand.
#[derive(Debug, Default)]
pub(super) struct Heard {
    lost: Option<End>,
}

impl Heard {
    /// The signal at this moment.
    pub(super) fn latest(&mut self, guard: &LeaseGuard) -> Signal {
        let signal = guard.signal();
        self.hear(signal.clone());
        match &self.lost {
            Some(end) => Signal::Lost(end.clone()),
            None => signal,
        }
    }

    /// Notes a signal other than to read.
    pub(super) fn hear(&mut self, signal: Signal) -> Interrupted {
        if let Signal::Lost(end) = signal {
            self.lost.get_or_insert(end);
        }
        Interrupted::BySignal
    }
}

/// One lease that is being read.
pub(crate) struct ShardConsumer {
    pub(super) parts: ConsumerParts,
    pub(super) shard: ShardRef,
    pub(super) observer: ShardObserver,
    pub(super) lease: Lease,
    /// Where reading began.
    pub(super) start: Position,
    pub(super) guard: LeaseGuard,
    pub(super) ownership: OwnershipId,
    pub(super) ports: ConsumerPorts,
    pub(super) state: ConsumerState,
    /// What the application has asked for so far.
    pub(super) heeded: Wishes,
    /// A request to move the shard, until the next step.
    pub(super) seek: Option<SeekRequest>,
    /// Requests to pass over records, until they are done.
    pub(super) skips: Skips,
    pub(super) application: Application,
    /// Once it is made, until its life is over.
    pub(super) processor: Option<BoxProcessor>,
    pub(super) checkpointer: Checkpointer,
    pub(super) automatic: AutomaticCheckpoints,
    /// While records are read.
    pub(super) source: Option<ReadAhead>,
    pub(super) backlog: Backlog,
    /// Why the source neither reads nor ends the shard.
    pub(super) on_hold: Option<Hold>,
    /// Whether records that are missing are still to be reported.
    pub(super) losses: Losses,
    /// When an idle position was noted last.
    pub(super) idle_noted: Option<Instant>,
    /// When reading began, by the service's clock if that is known.
    pub(super) began_at: Option<SystemTime>,
    /// Everything up to here is processed or passed over.
    pub(super) done: Position,
    /// Everything up to here is counted as processed. `None`: nothing is.
    pub(super) counted: Option<RecordPosition>,
    /// The records of the last failed call.
    pub(super) failing: Option<Failing>,
    /// The same, as far as they are known.
    pub(super) failing_records: Vec<RecordPosition>,
    /// Since when calls without records have succeeded, after the last failure.
    pub(super) runs_since: Option<Instant>,
    /// The error that named the record that is given up once those in front of it are processed.
    pub(super) given_up: Option<HandlerError>,
    /// What the lease's signal has been so far.
    pub(super) heard: Heard,
    /// While records are delivered again that an adapter took in earlier calls.
    pub(super) replay: Option<Replay>,
    /// How far the end of the shard has come.
    pub(super) ending: Ending,
    pub(super) child_wait: ChildWait,
    /// The shards that took over, once everything was read.
    pub(super) children: Vec<ChildShard>,
    pub(super) rng: fastrand::Rng,
}

impl ShardConsumer {
    pub(crate) fn new(parts: ConsumerParts, owned: OwnedLease, ports: ConsumerPorts, mut rng: fastrand::Rng) -> Self {
        let ownership = owned.id();
        let OwnedLease { lease, guard, progress } = owned;
        let shard = parts.layout.shard_of(&lease);
        let config = &parts.config;
        // A row without a checkpoint was written by another library, or edited by hand.
        let start = lease.checkpoint.clone().unwrap_or_else(|| config.start_at.into());
        let phase = if lease.is_finished() {
            Phase::Ended
        } else {
            Phase::WaitingForParents
        };
        Self {
            checkpointer: Checkpointer::new(ownership.clone(), parts.renewer.clone(), progress, start.clone()),
            automatic: AutomaticCheckpoints::new(config.checkpoint_interval),
            application: Application {
                observer: ports.observer.clone(),
                guard: guard.clone(),
                clock: parts.clock.clone(),
                board: ports.board.clone(),
                grace: config.handler_grace,
                timeout: HandlerTimeout::new(config.handler_timeout),
            },
            state: ConsumerState::new(phase, config.error_policy.clone(), rng.fork()),
            heeded: Wishes::default(),
            seek: None,
            skips: Skips::default(),
            processor: None,
            source: None,
            backlog: Backlog::new(ports.observer.clone()),
            on_hold: None,
            losses: Losses::Sought,
            idle_noted: None,
            began_at: None,
            done: start.clone(),
            counted: None,
            failing: None,
            failing_records: Vec::new(),
            runs_since: None,
            given_up: None,
            heard: Heard::default(),
            replay: None,
            ending: Ending::default(),
            child_wait: ChildWait::default(),
            children: Vec::new(),
            parts,
            shard,
            observer: ports.observer.clone(),
            lease,
            start,
            guard,
            ownership,
            ports,
            rng,
        }
    }

    /// Reads the shard until its end, and holds the lease until it is lost or given back.
    pub(crate) async fn run(mut self) -> ConsumerEnd {
        loop {
            self.heed();
            if let Some(found) = self.find_seek().await {
                return self.leave_for_a_seek(found).await;
            }
            let signal = self.heard.latest(&self.guard);
            let step = self.state.step(&signal, self.parts.clock.now());
            self.publish(&step);
            let done = match step {
                Step::WaitForParents => self.wait_for_parents().await,
                Step::Initialize => self.initialize().await,
                Step::Read(size) => self.read(size).await,
                Step::End => self.end_shard().await,
                Step::Wait { until } => {
                    self.wait(until).await;
                    Ok(())
                }
                Step::Leave => return self.leave().await,
            };
            match done {
                Ok(()) | Err(Interrupted::BySignal) => {}
                Err(Interrupted::EndedLeaseNotKept) => return self.release().await,
                Err(Interrupted::CallDropped) => return self.leave_after_a_dropped_call().await,
                Err(Interrupted::CheckpointCorrected) => return self.leave_for_a_correction().await,
            }
        }
    }

    /// Takes up what the application has asked for since the last step.
    fn heed(&mut self) {
        let wishes = *self.ports.wishes.borrow_and_update();
        let before = std::mem::replace(&mut self.heeded, wishes);
        self.state.set_reading(wishes.reading);
        if wishes.reading == Reading::Paused {
            // What was read ahead is given back to the budget; reading goes on behind what was delivered.
            self.stop_reading();
        }
        // Before a retry, which forgets the failures.
        if self.seek.is_none()
            && let Ok(request) = self.ports.requests.try_recv()
        {
            self.take_up(request);
        }
        if wishes.retries != before.retries && self.state.trouble() != Trouble::None {
            self.state.retry();
        }
        self.answer_skips();
    }

    /// Takes up a request: a seek with the next step.
    pub(super) fn take_up(&mut self, request: Request) {
        match request {
            Request::Seek(seek) => self.seek = Some(seek),
            Request::Skip(skip) => self.begin_skip(skip),
        }
    }

    /// Publishes what the next step is.
    fn publish(&self, step: &Step) {
        let failures = self.state.attempts();
        let state = match (step, self.state.trouble(), self.state.phase()) {
            (Step::Leave, _, _) => ShardState::Leaving,
            (_, Trouble::Halted { .. }, _) => ShardState::Halted { failures },
            (_, Trouble::Retrying { .. }, _) => ShardState::Retrying { failures },
            (_, Trouble::None, Phase::WaitingForParents) => ShardState::WaitingForParents,
            (_, Trouble::None, Phase::Initializing) => ShardState::Initializing,
            (_, Trouble::None, Phase::Reading) if self.state.is_paused() => ShardState::Paused,
            (_, Trouble::None, Phase::Reading) => match self.on_hold {
                Some(hold) => ShardState::OnHold {
                    reason: hold.to_string(),
                },
                None => ShardState::Reading,
            },
            (_, Trouble::None, Phase::Ending) => ShardState::Ending,
            (_, Trouble::None, Phase::Ended) => ShardState::Ended,
        };
        self.ports.board.enter(state);
    }

    /// Waits until then, until the lease gives another signal, or until the application asks for something.
    pub(super) async fn wait(&mut self, until: Option<Instant>) {
        tokio::select! {
            biased;
            signal = self.guard.interrupted() => drop(self.heard.hear(signal)),
            Ok(()) = self.ports.wishes.changed() => {}
            Some(request) = self.ports.requests.recv() => self.take_up(request),
            () = self.parts.clock.sleep_until(until) => {}
        }
    }

    /// Whether to begin anything more: not once another worker could have taken the lease (C3).
    pub(super) fn check(&mut self) -> Result<(), Interrupted> {
        if self.heard.latest(&self.guard).is_run() {
            Ok(())
        } else {
            Err(Interrupted::BySignal)
        }
    }

    /// Waits until it is time to look again for what this shard waits for.
    pub(super) async fn wait_for_change(&mut self) -> Result<(), Interrupted> {
        let again = self.parts.clock.now() + self.parts.config.parent_shard_poll_interval;
        let woken = tokio::select! {
            biased;
            woken = self.ports.mailbox.wait(again, &self.guard) => woken,
            Some(request) = self.ports.requests.recv() => {
                self.take_up(request);
                Woken::BySignal
            }
        };
        match woken {
            Woken::LookAgain => Ok(()),
            Woken::BySignal => Err(Interrupted::BySignal),
        }
    }

    /// The rows of the shard's stream.
    pub(super) fn rows(&self) -> StreamRows<'_> {
        self.parts.layout.rows_of(&self.shard.stream)
    }

    pub(super) fn context(&self) -> ShardContext {
        ShardContext {
            shard: self.shard.clone(),
            parents: self.lease.parents.clone(),
            hash_range: self.lease.range,
            checkpoint: self.start.clone(),
            pending: self.lease.pending.clone(),
            worker: self.parts.worker.clone(),
            lease: self.guard.clone(),
            tasks: self.parts.tasks.clone(),
            adapted: Adapted::new(&self.parts.config, self.application.timeout.clone()),
        }
    }
}
