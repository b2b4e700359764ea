//! The handle by which an application steers a worker and looks at it.

use std::sync::Arc;
use std::time::Duration;

use service::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::consumer::seek::{SeekError, SeekTo};
use crate::consumer::shards::Shards;
use crate::consumer::skip::{SkipError, Skipped};
use crate::consumer::status::{Reading, ShardStatus};
use crate::coordination::decisions::{Decision, Decisions};
use crate::stream::{ShardRef, StartingPosition};
use crate::worker::health::{Health, HealthBoard, WorkerPhase};

/// Steers a worker, and shows what it does, from anywhere. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WorkerControl {
    pub(super) draining: CancellationToken,
    grace: Arc<watch::Sender<Duration>>,
    pub(super) shards: Shards,
    pub(crate) health: HealthBoard,
    pub(super) decisions: Decisions,
    clock: Clock,
}

impl WorkerControl {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            shards: Shards::default(),
            health: HealthBoard::default(),
            decisions: Decisions::default(),
            draining: CancellationToken::new(),
            grace: Arc::new(watch::Sender::new(Duration::from_secs(30))),
        }
    }

    /// Asks the worker to stop: processors finish the batch they are at, may checkpoint, and the leases are given back,
    /// so that other workers take them at once. Shards that are not done within `grace` are abandoned, and their leases
    /// expire. [`Worker::run`](crate::Worker::run) returns the report. A second call changes the grace.
    #[doc(alias = "startGracefulShutdown")]
    pub fn shutdown(&self, grace: Duration) {
        self.grace.send_replace(grace);
        self.draining.cancel();
    }

    /// How the worker is, for a liveness or readiness probe.
    pub fn health(&self) -> Health {
        self.health.health(&self.shards.statuses(), self.clock.now())
    }

    /// Waits until the worker is ready: its lease table is usable, and it looks for shards to read. Returns whether it is;
    /// `false` if its run has ended instead.
    ///
    /// # Cancellation
    ///
    /// Dropping the future only stops the waiting.
    pub async fn ready(&self) -> bool {
        self.health.ready().await
    }

    /// What the worker does with each shard whose lease it holds, in the order of their ids.
    pub fn shards(&self) -> Vec<ShardStatus> {
        self.shards.statuses()
    }

    /// The latest thousand decisions of this worker about leases of its fleet, oldest first. Each worker assigns leases that it
    /// finds without a living owner; the leader also levels. None by the rule of KCL 2.x.
    #[doc(hidden)]
    pub fn decisions(&self) -> Vec<Decision> {
        self.decisions.latest()
    }

    /// The largest [`lag`](ShardStatus::lag) of the shards that this worker has. `None` before the first page.
    ///
    /// While a shard is paused, halted or on hold, or its handler runs, the time that passes counts in full: then it is the
    /// most that the shard can be behind.
    #[doc(alias = "MillisBehindLatest")]
    pub fn max_lag(&self) -> Option<Duration> {
        self.shards.max_lag()
    }

    /// Stops reading all shards, and those whose leases this worker takes later. It keeps the leases.
    ///
    /// A call to a handler that runs goes on to its end. Records that were read and not delivered are read again later.
    ///
    /// A pause is no trouble: [`health`](Self::health) stays as it is. It shows in [`shards`](Self::shards), except for a shard that
    /// is halted, in [`max_lag`](Self::max_lag), which grows, and in the event [`ShardEvent::Paused`](crate::event::ShardEvent::Paused) of each
    /// shard. The metric `HaltedShards` does not count it.
    pub fn pause(&self) {
        self.shards.set_reading(Reading::Paused);
    }

    /// Reads on after a [`pause`](Self::pause). Each shard tells of it by
    /// [`ShardEvent::Resumed`](crate::event::ShardEvent::Resumed).
    pub fn resume(&self) {
        self.shards.set_reading(Reading::Running);
    }

    /// Calls the handler of a halted or retrying shard again at once, with a new count of attempts. Returns whether this
    /// worker holds the shard's lease.
    pub fn retry(&self, shard: &ShardRef) -> bool {
        self.shards.ask(shard, |wishes| wishes.retries += 1)
    }

    /// Skips the records on which the handler of a halted or retrying shard fails. **This loses them.** Returns their positions.
    ///
    /// It finds these records as [`ErrorPolicy::skip`](crate::ErrorPolicy::skip) does, whatever the policy of the worker is:
    ///
    /// * If the handler has named the record ([`HandlerError::at`](crate::HandlerError::at)), the records in front of it are
    ///   delivered again, and the named one is skipped. If a record in front of it fails, each record up to the named one is
    ///   delivered alone.
    /// * Otherwise each record of the failed call is delivered alone, once. Each one that fails is skipped, also if the error is fatal.
    /// * A record that an error sends to the dead-letter sink goes there, and is not in the answer. If the policy is about to
    ///   dead-letter records on its own, the skip takes them over: they are skipped, and the sink does not get them.
    /// * If the policy is one for [`whole_batches`](crate::ErrorPolicy::whole_batches), the whole batch is skipped.
    /// * With [`stream`](crate::WorkerBuilder::stream), the records that the task has taken and not checkpointed in front of a skipped
    ///   record are skipped with it, and are in the answer. None of them goes to the dead-letter sink.
    ///
    /// A failure that no record has caused skips none. A task of [`stream`](crate::WorkerBuilder::stream) may take each record alone
    /// without an error, and fail later, for example when a timer makes it write what it keeps. Then nothing is skipped: move
    /// such a shard with [`seek`](Self::seek).
    ///
    /// A shard on hold for a possible loss ([`OnPossibleLoss::Halt`](crate::OnPossibleLoss::Halt)) is read on.
    ///
    /// **The answer** comes when each of the records is skipped, processed or trimmed. It comes earlier, with the records that were
    /// skipped until then, if the shard halts again or goes on hold; [`shards`](Self::shards) shows that. It does not wait for a
    /// checkpoint: if the lease is lost before the skip is checkpointed, the next owner delivers the records again.
    ///
    /// The skip calls the handler, so a handler must not await a skip of its own shard. A skip that has to call the handler waits while
    /// reading is paused.
    ///
    /// # Errors
    ///
    /// [`SkipError`]. Nothing is skipped, except with [`SkipError::LeaseLost`], which leaves that open.
    ///
    /// # Cancellation
    ///
    /// A dropped future does not withdraw the request: the worker skips as described once it was asked, and the events tell
    /// which records.
    pub async fn skip(&self, shard: &ShardRef) -> Result<Skipped, SkipError> {
        self.shards.skip(shard).await
    }

    /// Moves the reading of a shard, forth or back, and returns once its lease row says so. Then the shard begins anew: a new
    /// processor is initialised at the new place, with a larger fencing token, most often by this worker and within a second.
    ///
    /// * The present call to the processor ends first. Then `shutdown_requested` is called, in which the processor can still process
    ///   and checkpoint the records that it holds. After that its checkpointers fail with `LeaseLost`.
    /// * A handler that hangs delays the seek. A handler must not await a seek of its own shard, because the seek waits for the
    ///   handler: spawn a task for it.
    /// * The row gets a checkpoint that a Java KCL reads too: a word, or the record in front of the place. To find that record, the
    ///   worker reads the shard some times, and for longer if the shard was idle for days.
    /// * Back: records are delivered again. Forth: the records in between are not delivered. Checkpoints that were deferred or
    ///   prepared, and the position of an idle shard, are discarded.
    /// * `Latest` is stored as a word, not as a position. Each owner that takes the lease before the first checkpoint delivers only
    ///   the records that arrive from then on. `AtTimestamp(now)` misses no record.
    ///
    /// # Errors
    ///
    /// [`SeekError`]. The shard is read on from where it was, except after [`SeekError::LeaseLost`], which leaves that open.
    ///
    /// # Cancellation
    ///
    /// A dropped future leaves open whether the shard is moved.
    pub async fn seek(&self, shard: &ShardRef, to: impl Into<SeekTo>) -> Result<(), SeekError> {
        self.shards.seek(shard, to.into()).await
    }

    /// Moves the reading of all shards whose leases this worker holds at the moment, at once. It moves no shard of another worker.
    /// A handler must not await it, because it waits for all handlers.
    ///
    /// # Errors
    ///
    /// For each shard what [`seek`](Self::seek) says of it; for one that was read to its end [`SeekError::Ended`].
    ///
    /// # Cancellation
    ///
    /// A dropped future leaves open which shards are moved.
    pub async fn seek_all(&self, to: StartingPosition) -> Vec<(ShardRef, Result<(), SeekError>)> {
        let seeks = self.shards.held().into_iter().map(async |shard| {
            let moved = self.seek(&shard, to).await;
            (shard, moved)
        });
        futures::future::join_all(seeks).await
    }

    /// Waits until the grace is over; for ever while nobody asked the worker to stop.
    pub(super) async fn over(&self) {
        self.draining.cancelled().await;
        let begun = self.clock.now();
        let mut grace = self.grace.subscribe();
        loop {
            let end = begun.checked_add(*grace.borrow_and_update());
            tokio::select! {
                biased;
                Ok(()) = grace.changed() => {}
                () = self.clock.sleep_until(end) => return,
            }
        }
    }

    /// Notes that the run begins; and that it has ended, when the returned value is dropped.
    pub(super) fn run_begins(&self) -> RunEnds {
        self.health.enter(WorkerPhase::Starting);
        RunEnds { control: self.clone() }
    }
}

/// A run that has begun.
#[derive(Debug)]
pub(super) struct RunEnds {
    control: WorkerControl,
}

impl Drop for RunEnds {
    fn drop(&mut self) {
        self.control.health.enter(WorkerPhase::Ended);
        self.control.shards.clear();
    }
}
