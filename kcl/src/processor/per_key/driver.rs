//! The task that runs the records of one shard.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use service::Tasks;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinError, JoinSet};
use tracing::Instrument as _;

use super::watermark::{Admission, Bounds, Watermark};
use crate::checkpoint::position::{Position, RecordPosition};
use crate::lease::guard::LeaseGuard;
use crate::processor::batch::{Batch, BatchRoom};
use crate::processor::handler_error::HandlerError;
use crate::record::Record;

/// Processes one record.
pub(super) type Handler = Arc<dyn Fn(Record) -> BoxFuture<'static, Result<(), HandlerError>> + Send + Sync>;

/// What the driver is asked for.
#[derive(Debug)]
pub(super) enum Ask {
    /// To take these records. It is done when all are taken, and those that had failed before are done.
    Process(Batch),
    /// Whether a record has failed.
    Look,
    /// To run all records to their ends.
    FinishAll,
    /// To begin nothing more, and to wait for what runs.
    FinishRunning,
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The error of the oldest record that has failed and was not told of, if there is one that may be told.
    pub(super) result: Result<(), HandlerError>,
    /// Everything up to here is done.
    pub(super) mark: Option<RecordPosition>,
}

/// The way to the task, which is stopped when this is dropped.
#[derive(Debug)]
pub(super) struct Driver {
    calls: mpsc::Sender<Call>,
    task: JoinSet<()>,
}

#[derive(Debug)]
struct Call {
    ask: Ask,
    /// Failed records up to here that were told of are passed over.
    processed: Position,
    reply: oneshot::Sender<Outcome>,
}

impl Driver {
    pub(super) fn start(handling: Handling, bounds: Bounds) -> Self {
        // One call is made at a time.
        let (calls, received) = mpsc::channel(1);
        let tasks = handling.tasks.clone();
        let runner = Runner {
            handling,
            calls: received,
            current: None,
            records: Watermark::new(bounds),
            running: JoinSet::new(),
            tasks_of: BTreeMap::new(),
            untold: BTreeMap::new(),
            told: BTreeSet::new(),
        };
        let mut task = JoinSet::new();
        task.spawn(tasks.vital("per-key", runner.run().in_current_span()));
        Self { calls, task }
    }

    /// Makes a call. `None` if the task has ended.
    pub(super) async fn ask(&self, ask: Ask, processed: Position) -> Option<Outcome> {
        let (reply, outcome) = oneshot::channel();
        let call = Call { ask, processed, reply };
        self.calls.send(call).await.ok()?;
        outcome.await.ok()
    }

    /// Stops what runs, and waits until it has stopped.
    pub(super) async fn stop(self) {
        let Self { calls, mut task } = self;
        drop(calls);
        while task.join_next().await.is_some() {}
    }
}

/// How records are run.
pub(super) struct Handling {
    pub(super) handler: Handler,
    /// How long a record may take.
    pub(super) timeout: Option<Duration>,
    pub(super) lease: LeaseGuard,
    pub(super) tasks: Tasks,
}

impl Handling {
    /// Runs a record, never on a lease that another worker may have.
    fn run(&self, record: Record) -> impl Future<Output = Result<(), HandlerError>> + Send + 'static {
        let (handler, lease, timeout) = (Arc::clone(&self.handler), self.lease.clone(), self.timeout);
        async move {
            // The process may have stood still since the task was spawned.
            if !lease.is_valid() {
                return Err(HandlerError::lease_lost());
            }
            let handling = async { handler(record).await };
            let handling = AssertUnwindSafe(handling).catch_unwind();
            let returned = match timeout {
                Some(timeout) => lease.clock().timeout(timeout, handling).await,
                None => Some(handling.await),
            };
            match returned {
                Some(returned) => returned.unwrap_or_else(|_| Err(HandlerError::new("the handler panicked"))),
                None => Err(HandlerError::new("the handler did not return within handler_timeout")),
            }
        }
    }
}

/// The state of the task.
struct Runner {
    handling: Handling,
    calls: mpsc::Receiver<Call>,
    current: Option<Current>,
    records: Watermark<String, (Record, BatchRoom)>,
    running: JoinSet<Result<(), HandlerError>>,
    /// The record of each task that runs.
    tasks_of: BTreeMap<Id, Record>,
    /// Records that have failed, and of which no call has told.
    untold: BTreeMap<RecordPosition, (Record, HandlerError)>,
    /// Records that have failed, and are to be delivered again or passed over.
    told: BTreeSet<RecordPosition>,
}

/// The call that is being worked on.
struct Current {
    waiting: VecDeque<Record>,
    room: Option<BatchRoom>,
    /// Records that had failed before, and run again.
    again: BTreeSet<RecordPosition>,
    until: Until,
    reply: oneshot::Sender<Outcome>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Taken,
    AllDone,
    RunningDone,
}

impl Runner {
    /// Runs until the lease is lost, or nobody calls any more.
    async fn run(mut self) {
        loop {
            self.take();
            self.begin();
            self.answer();
            tokio::select! {
                biased;
                _ = self.handling.lease.lost() => break,
                Some(ended) = self.running.join_next_with_id() => self.on_ended(ended),
                call = self.calls.recv(), if self.current.is_none() => match call {
                    Some(call) => self.on_call(call),
                    None => break,
                },
            }
        }
        // The call at hand, if there is one, ends when this is dropped: after everything has stopped.
        self.running.shutdown().await;
    }

    fn on_call(&mut self, call: Call) {
        let Call { ask, processed, reply } = call;
        if let Position::At(processed) = processed {
            while let Some(first) = self.told.first().filter(|first| **first <= processed).cloned() {
                self.told.remove(&first);
                self.records.passed_over(&first);
            }
        }
        match &ask {
            Ask::Process(batch) => {
                if let Some(first) = batch.records.first() {
                    self.records.delivery_is_at(Some(first.position()));
                }
            }
            Ask::FinishAll => self.records.delivery_is_at(None),
            Ask::Look | Ask::FinishRunning => {}
        }
        self.told.retain(|position| self.records.has_failed(position));
        let (until, batch) = match ask {
            Ask::Process(batch) => (Until::Taken, Some(batch)),
            Ask::Look => (Until::Taken, None),
            Ask::FinishAll => (Until::AllDone, None),
            #[cfg(feature = "_simulation")]
            Ask::FinishRunning if crate::planted_bugs::PlantedBug::LeaveRecordsRunning.is_planted() => {
                (Until::Taken, None)
            }
            Ask::FinishRunning => (Until::RunningDone, None),
        };
        let room = batch.as_ref().map(Batch::room);
        self.current = Some(Current {
            waiting: batch.map(|batch| batch.records).unwrap_or_default().into(),
            room,
            again: BTreeSet::new(),
            until,
            reply,
        });
    }

    /// Takes the records of the call, as far as the window has room.
    fn take(&mut self) {
        let Some(Current {
            waiting,
            room: Some(room),
            again,
            ..
        }) = &mut self.current
        else {
            return;
        };
        while let Some(record) = waiting.pop_front() {
            let (position, key) = (record.position().clone(), record.partition_key().to_owned());
            match self.records.admit(&position, key, (record.clone(), room.clone())) {
                Admission::New | Admission::Known => {}
                Admission::Again => {
                    self.untold.remove(&position);
                    self.told.remove(&position);
                    again.insert(position);
                }
                Admission::Full => return waiting.push_front(record),
            }
        }
    }

    /// Begins the records that may run, never on a lease that another worker may have.
    fn begin(&mut self) {
        let holds_back = self
            .current
            .as_ref()
            .is_some_and(|call| call.until == Until::RunningDone);
        while !holds_back && self.handling.lease.is_valid() {
            let Some((record, room)) = self.records.start() else {
                return;
            };
            let running = self.handling.run(record.clone());
            let task = async move {
                let result = running.await;
                drop(room);
                result
            };
            let task = self.handling.tasks.vital("per-key-record", task.in_current_span());
            let task = self.running.spawn(task);
            self.tasks_of.insert(task.id(), record);
        }
    }

    /// Notes what became of a record. One whose task ended without an answer has failed, as one whose handler panicked.
    fn on_ended(&mut self, ended: Result<(Id, Result<(), HandlerError>), JoinError>) {
        let (id, result) = match ended {
            Ok((id, result)) => (id, result),
            Err(error) => (error.id(), Err(HandlerError::new("the task of the record panicked"))),
        };
        let Some(record) = self.tasks_of.remove(&id) else {
            return;
        };
        let position = record.position().clone();
        if let Some(call) = &mut self.current {
            call.again.remove(&position);
        }
        match result {
            Ok(()) => self.records.done(&position),
            Err(error) => {
                self.records.failed(&position);
                self.untold.insert(position, (record, error));
            }
        }
    }

    /// Whether there is a failure to tell. The worker may pass over the record, and then delivers what lies behind it: so
    /// nothing in front of it may be waiting to be delivered again.
    fn may_tell(&self) -> bool {
        let Some((failed, _)) = self.untold.first_key_value() else {
            return false;
        };
        let missing = [self.told.first(), self.records.first_dropped()];
        missing.into_iter().flatten().all(|missing| missing > failed)
    }

    /// Answers the call, if it is time to.
    fn answer(&mut self) {
        let may_tell = self.may_tell();
        let answers = |call: &mut Current| match call.until {
            Until::Taken => call.again.is_empty() && (call.waiting.is_empty() || may_tell),
            Until::AllDone => self.records.is_at_rest(),
            Until::RunningDone => self.records.running() == 0,
        };
        let Some(call) = self.current.take_if(answers) else {
            return;
        };
        let failure = if may_tell { self.untold.pop_first() } else { None };
        let result = match failure {
            Some((position, (record, error))) => {
                self.told.insert(position);
                self.records.come_again(&self.told);
                Err(error.of_record(record))
            }
            None if call.until == Until::AllDone && self.records.is_incomplete() => {
                Err(HandlerError::new("a record was not delivered again after a failure"))
            }
            None => Ok(()),
        };
        let mark = self.records.mark().cloned();
        // A caller that is gone has dropped the whole processor.
        drop(call.reply.send(Outcome { result, mark }));
    }
}
