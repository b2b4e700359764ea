//! What a shard consumer tells of itself, and what it is asked for.

use std::fmt;
use std::time::{Duration, Instant};

use service::Clock;
use tokio::sync::watch;

use crate::checkpoint::position::{Position, RecordPosition};
use crate::error::StreamError;
use crate::lease::guard::LeaseEpoch;
use crate::retrieval::loss::PossibleLoss;
use crate::stream::ShardRef;
use crate::trouble::Trouble;

/// How a shard stands with the worker that holds its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardStatus {
    /// The shard.
    pub shard: ShardRef,
    /// Which ownership of the lease this is.
    pub epoch: LeaseEpoch,
    /// What the worker does with the shard.
    pub state: ShardState,
    /// How long it has been in this state.
    pub in_state: Duration,
    /// How far the delivered records are behind the newest record of the shard, as far as the service says.
    ///
    /// The service says with each page how far that page is behind. While no records are delivered, or the handler or the reads
    /// keep failing, the time since then is added. `None` before the first page, if the service does not say it, and once the
    /// shard has ended.
    pub lag: Option<Duration>,
    /// The last checkpoint of this worker, or where it began.
    pub checkpoint: Position,
    /// How long the present call to the processor has been running. `None` if none runs.
    pub in_handler: Option<Duration>,
    /// The last error of the handler since its last success.
    pub last_error: Option<String>,
    /// The record on which the handler failed last, or the first one that can be it.
    ///
    /// * With [`for_each_record`](crate::WorkerBuilder::for_each_record) and [`PerKey`](crate::PerKey): the record that fails.
    /// * With a batch: the record that the error names ([`HandlerError::at`](crate::HandlerError::at)), if it is one of the batch and
    ///   not checkpointed. Without a name, the first record of the batch that is not checkpointed.
    /// * With [`stream`](crate::WorkerBuilder::stream): the first record that is not checkpointed, or the one that the error names.
    ///   `None` if the task has failed once on records of an earlier batch, and names none.
    ///
    /// `None` after a success, after a failed call without records, and after an error that no record has caused, such as one of
    /// the lease table.
    pub failing_at: Option<RecordPosition>,
    /// How long no read has succeeded. `None` if the last read succeeded.
    pub reads_failing: Option<Duration>,
    /// Why the last read failed. `None` if it succeeded.
    pub read_error: Option<StreamError>,
    /// Records that the service may have trimmed before this worker could read them.
    pub possible_loss: Option<PossibleLoss>,
}

/// What a worker does with a shard whose lease it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShardState {
    /// It waits until other workers have read the parents to their ends.
    WaitingForParents,
    /// The processor is being initialised.
    Initializing,
    /// Records are read and delivered.
    Reading,
    /// The handler failed, and is called again after a wait.
    Retrying {
        /// The failures in a row. 0 if none counts: an error of the lease table is no failure of the handler.
        failures: u32,
    },
    /// The handler kept failing: no records are delivered, and it is tried once each five minutes.
    Halted {
        /// The failures in a row.
        failures: u32,
    },
    /// The shard can be neither read nor ended for now.
    OnHold {
        /// Why, and what to do.
        reason: String,
    },
    /// Reading is paused by the application.
    Paused,
    /// All records are processed; the end is being checkpointed.
    Ending,
    /// The end is checkpointed. The lease is kept until its row can be deleted.
    Ended,
    /// The lease is being given up.
    Leaving,
}

/// What the worker does, in a few words.
impl fmt::Display for ShardState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WaitingForParents => f.write_str("waits for its parents"),
            Self::Initializing => f.write_str("the processor is being initialised"),
            Self::Reading => f.write_str("is read"),
            Self::Retrying { failures: 0 } => f.write_str("the handler is called again"),
            Self::Retrying { failures } => write!(f, "the handler is called again (failures in a row: {failures})"),
            Self::Halted { failures } => write!(f, "halted (failures in a row: {failures})"),
            Self::OnHold { reason } => write!(f, "on hold: {reason}"),
            Self::Paused => f.write_str("paused"),
            Self::Ending => f.write_str("its end is being checkpointed"),
            Self::Ended => f.write_str("ended"),
            Self::Leaving => f.write_str("its lease is being given up"),
        }
    }
}

/// Whether an application wants records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Reading {
    #[default]
    Running,
    Paused,
}

/// What an application asks a consumer for. Counters, so that no request is lost and none waits in a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    pub(crate) reading: Reading,
    pub(crate) retries: u64,
}

/// Where one consumer publishes its status. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct StatusBoard {
    noted: watch::Sender<Noted>,
    /// The furthest checkpoint that is known to be in the row. A deferred one gets there without the consumer.
    written: watch::Receiver<Option<Position>>,
    reads: Trouble<StreamError>,
    clock: Clock,
}

/// A status, and the times that it tells as durations.
#[derive(Debug)]
struct Noted {
    status: ShardStatus,
    state_since: Instant,
    /// When the lag was read, or when the shard was taken.
    lag_at: Instant,
    /// How far the records were behind on which the handler keeps failing, and when. A page that is read again says how far its
    /// own end is behind, which is nothing where the stream is quiet.
    failing: Option<(Duration, Instant)>,
    call_since: Option<Instant>,
}

impl StatusBoard {
    pub(crate) fn new(
        shard: ShardRef,
        epoch: LeaseEpoch,
        checkpoint: Position,
        written: watch::Receiver<Option<Position>>,
        clock: Clock,
    ) -> Self {
        let status = ShardStatus {
            shard,
            epoch,
            state: ShardState::WaitingForParents,
            in_state: Duration::ZERO,
            lag: None,
            checkpoint,
            in_handler: None,
            last_error: None,
            failing_at: None,
            reads_failing: None,
            read_error: None,
            possible_loss: None,
        };
        let (noted, _) = watch::channel(Noted {
            status,
            state_since: clock.now(),
            lag_at: clock.now(),
            failing: None,
            call_since: None,
        });
        let reads = Trouble::default();
        Self {
            noted,
            written,
            reads,
            clock,
        }
    }

    /// Where the source notes how its reads end.
    pub(crate) fn reads(&self) -> Trouble<StreamError> {
        self.reads.clone()
    }

    /// The status now.
    pub(crate) fn status(&self) -> ShardStatus {
        let now = self.clock.now();
        let (reads_failing, read_error) = self.reads.lasting(now).unzip();
        let lag = self.behind();
        let noted = self.noted.borrow();
        let written = self.written.borrow().clone();
        let checkpoint = written.filter(|written| *written > noted.status.checkpoint);
        ShardStatus {
            checkpoint: checkpoint.unwrap_or_else(|| noted.status.checkpoint.clone()),
            lag,
            reads_failing,
            read_error,
            in_state: now.saturating_duration_since(noted.state_since),
            in_handler: noted.call_since.map(|since| now.saturating_duration_since(since)),
            ..noted.status.clone()
        }
    }

    /// Publishes what the worker does now.
    pub(crate) fn enter(&self, state: ShardState) {
        let now = self.clock.now();
        self.noted.send_if_modified(|noted| {
            let is_new = noted.status.state != state;
            if is_new {
                (noted.status.state, noted.state_since) = (state, now);
            }
            is_new
        });
    }

    pub(crate) fn lag(&self, lag: Option<Duration>) {
        let now = self.clock.now();
        self.noted
            .send_modify(|noted| (noted.status.lag, noted.lag_at) = (lag, now));
    }

    /// How far the deliveries may be behind the newest record by now. `None` before the first page, and at the end.
    ///
    /// While no records are delivered, the handler keeps failing or the reads fail, the shard falls back further by the time that
    /// passes.
    pub(crate) fn behind(&self) -> Option<Duration> {
        let now = self.clock.now();
        let reads_failing = self.reads.lasting(now).map(|(lasting, _)| lasting);
        self.noted.borrow().behind(reads_failing, now)
    }

    pub(crate) fn checkpoint(&self, checkpoint: Position) {
        self.noted.send_if_modified(|Noted { status, .. }| {
            let is_new = status.checkpoint != checkpoint;
            status.checkpoint = checkpoint;
            is_new
        });
    }

    pub(crate) fn possible_loss(&self, loss: PossibleLoss) {
        self.noted.send_modify(|noted| noted.status.possible_loss = Some(loss));
    }

    /// Notes the record on which the handler failed last.
    pub(crate) fn failing_at(&self, record: Option<RecordPosition>) {
        self.noted.send_if_modified(|Noted { status, .. }| {
            let is_new = status.failing_at != record;
            status.failing_at = record;
            is_new
        });
    }

    /// Notes the last error of the handler, or its success.
    pub(crate) fn error(&self, error: Option<String>) {
        if error.is_none() {
            self.failing_at(None);
        }
        let now = self.clock.now();
        let reads_failing = self.reads.lasting(now).map(|(lasting, _)| lasting);
        self.noted.send_if_modified(|noted| {
            let behind = noted.behind(reads_failing, now).map(|behind| (behind, now));
            noted.failing = error.as_ref().and_then(|_| noted.failing.or(behind));
            let is_new = noted.status.last_error != error;
            noted.status.last_error = error;
            is_new
        });
    }

    /// Publishes that a call to the application runs, until the returned value is dropped.
    pub(crate) fn call_begins(&self) -> RunningCall {
        let now = self.clock.now();
        self.noted.send_modify(|noted| noted.call_since = Some(now));
        RunningCall { board: self.clone() }
    }
}

impl Noted {
    fn behind(&self, reads_failing: Option<Duration>, now: Instant) -> Option<Duration> {
        let lag = self.status.lag?;
        let stands_still = match self.status.state {
            ShardState::Ended => return None,
            ShardState::Reading => self.call_since.is_some() || reads_failing.is_some(),
            ShardState::WaitingForParents
            | ShardState::Initializing
            | ShardState::Retrying { .. }
            | ShardState::Halted { .. }
            | ShardState::OnHold { .. }
            | ShardState::Paused
            | ShardState::Ending
            | ShardState::Leaving => true,
        };
        let since = |at| now.saturating_duration_since(at);
        let of_the_page = if stands_still { lag + since(self.lag_at) } else { lag };
        let failing = self.failing.map(|(behind, at)| behind + since(at));
        Some(failing.map_or(of_the_page, |failing| failing.max(of_the_page)))
    }
}

/// A call to the application that runs.
#[derive(Debug)]
pub(crate) struct RunningCall {
    board: StatusBoard,
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.board.noted.send_modify(|noted| noted.call_since = None);
    }
}
