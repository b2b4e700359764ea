//! The records of a shard as a stream, for a task of the application's.
//!
//! ```text
//!  worker ── process(batch) ──► StreamProcessor ── one batch ──► ShardStream ──► the task
//!         ◄── Ok, when the task asks for the next batch ────────────┘
//! ```

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

use crate::checkpoint::checkpointer::Checkpointer;
use crate::checkpoint::position::Position;
use crate::lease::lost::LeaseLost;
use crate::processor::batch::Batch;
use crate::processor::handler_error::HandlerError;
use crate::processor::{RecordProcessor, ShardContext};

/// The batches of one shard, in its order: the pull form of a processor.
///
/// ```
/// # use kcl::{HandlerError, ShardStream, StreamEnd, Worker};
/// # async fn store(_batch: &kcl::Batch) -> Result<(), HandlerError> { Ok(()) }
/// let worker = Worker::builder("billing", "orders").stream(|mut shard: ShardStream| async move {
///     while let Some(batch) = shard.next().await {
///         store(&batch).await?;
///         shard.checkpointer().checkpoint().await?; // everything that was taken is done
///     }
///     Ok(()) // shard.end() tells why there are no more
/// });
/// ```
///
/// **Pace.** The next batch is handed out when it is asked for, and not before. Meanwhile the worker reads ahead within its
/// `read_budget`.
///
/// **At least once.** Nothing is checkpointed but by the task. A checkpoint without a position means all batches that were
/// *taken* from the stream; a task that keeps records for later, with `chunks` say, names the last one that is done. After a
/// failure, whatever is not checkpointed comes again, and so it does for the next owner.
///
/// **The end.** The stream ends with the shard, with the worker's shutdown, and when the lease is lost; [`end`](Self::end)
/// tells which. The task may finish then, and checkpoint unless the lease is lost; the worker waits for it, after the loss of
/// a lease for `handler_grace`. At the end of the shard, `Ok` means that nothing of it is left to do.
///
/// **Errors.** An error of the task, a panic, and an `Ok` before the end of the stream are failures of the handler, by the
/// worker's [`ErrorPolicy`](crate::ErrorPolicy): the worker starts the task anew, behind the last checkpoint, written or deferred.
/// A failure counts until the task has checkpointed something new. That the new task takes the same batches again does not reset
/// the count, because it may keep them and fail later. If everything that it took is checkpointed, a failure counts until a later
/// task has taken another batch, or has run for a minute.
///
/// A policy that skips or dead-letters, and an error that asks for it, give up the record that fails. The worker finds that record
/// in the batch that was taken last: it delivers each of its records alone. If a batch before that one is not checkpointed, nobody
/// knows where the record is, and the shard halts.
pub struct ShardStream {
    context: ShardContext,
    checkpointer: Checkpointer,
    batches: mpsc::Receiver<Handed>,
    /// To be told that the next batch is asked for.
    last: Option<oneshot::Sender<()>>,
    end: Arc<OnceLock<StreamEnd>>,
}

/// Why a [`ShardStream`] has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEnd {
    /// Everything was read: the shard was split or merged.
    ShardEnded,
    /// The worker is shut down in an orderly way, and another one goes on behind the last checkpoint; or a
    /// [`seek`](crate::WorkerControl::seek) moves this shard, and the worker goes on.
    ShutdownRequested,
    /// The lease is lost. It is too late to checkpoint.
    LeaseLost(LeaseLost),
}

/// A batch on its way.
#[derive(Debug)]
struct Handed {
    batch: Batch,
    next_is_asked_for: oneshot::Sender<()>,
}

impl fmt::Debug for ShardStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardStream")
            .field("context", &self.context)
            .field("end", &self.end())
            .finish_non_exhaustive()
    }
}

impl ShardStream {
    /// The shard, and how the worker holds it. Records begin behind its `checkpoint`.
    pub fn context(&self) -> &ShardContext {
        &self.context
    }

    /// Where the task checkpoints. It may be cloned, and sent to other tasks.
    pub fn checkpointer(&self) -> &Checkpointer {
        &self.checkpointer
    }

    /// Asks for the next batch, and waits for it. `None` when the stream has ended.
    ///
    /// # Cancellation
    ///
    /// A dropped future loses no batch: the next call returns it. Once it was polled, the next batch is asked for, so that the
    /// worker counts the batch before as processed; a checkpoint remains the task's.
    pub async fn next(&mut self) -> Option<Batch> {
        StreamExt::next(self).await
    }

    /// Why the stream has ended; `None` while it has not.
    pub fn end(&self) -> Option<StreamEnd> {
        let lost = || self.context.lease.lost().now_or_never().map(StreamEnd::LeaseLost);
        self.end.get().cloned().or_else(lost)
    }
}

impl Stream for ShardStream {
    type Item = Batch;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Batch>> {
        let this = self.get_mut();
        if let Some(last) = this.last.take() {
            // Without the worker's call nobody waits for it.
            let _unheard = last.send(());
        }
        let handed = ready!(this.batches.poll_recv(cx));
        // No delivery begins on a lease that another worker may have.
        Poll::Ready(handed.filter(|_| this.context.lease.is_valid()).map(|handed| {
            if let Some(record) = handed.batch.records.last() {
                this.checkpointer.taken(record.position());
            }
            this.last = Some(handed.next_is_asked_for);
            handed.batch
        }))
    }
}

/// Begins the task of the application.
type Begin = Arc<dyn Fn(ShardStream) -> BoxFuture<'static, Result<(), HandlerError>> + Send + Sync>;

/// Processes the records of a shard in a task that takes them from a [`ShardStream`].
///
/// [`WorkerBuilder::stream`](crate::WorkerBuilder::stream) makes one for each shard.
pub struct StreamProcessor {
    context: ShardContext,
    begin: Begin,
    task: Option<Task>,
}

/// The task, while it runs.
#[derive(Debug)]
struct Task {
    /// `None` once the stream has ended.
    batches: Option<mpsc::Sender<Handed>>,
    end: Arc<OnceLock<StreamEnd>>,
    running: JoinSet<Result<(), HandlerError>>,
}

impl fmt::Debug for StreamProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamProcessor")
            .field("context", &self.context)
            .field("task", &self.task)
            .finish_non_exhaustive()
    }
}

impl StreamProcessor {
    /// A processor for `shard` whose task is `run`. The task is spawned with the first batch, or when the first read has
    /// brought none, and again after a failure.
    pub fn new<R, Running>(shard: &ShardContext, run: R) -> Self
    where
        R: Fn(ShardStream) -> Running + Send + Sync + 'static,
        Running: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        Self {
            context: shard.clone(),
            begin: Arc::new(move |stream| Box::pin(run(stream))),
            task: None,
        }
    }

    /// The task, begun if none runs.
    fn task(&mut self, checkpointer: &Checkpointer) -> &mut Task {
        let (context, begin) = (&self.context, &self.begin);
        self.task.get_or_insert_with(|| {
            checkpointer.hand_out_when_taken();
            // A batch is handed over when the one before was taken, so there is room.
            let (batches, received) = mpsc::channel(1);
            let end = Arc::new(OnceLock::new());
            let stream = ShardStream {
                context: ShardContext {
                    checkpoint: checkpointer.reached().max(checkpointer.passed_over_up_to()),
                    ..context.clone()
                },
                checkpointer: checkpointer.clone(),
                batches: received,
                last: None,
                end: Arc::clone(&end),
            };
            let (begin, lease) = (Arc::clone(begin), context.lease.clone());
            let task = async move {
                // The process may have stood still since the task was spawned.
                match lease.is_valid() {
                    true => begin(stream).await,
                    false => Err(HandlerError::lease_lost()),
                }
            };
            let mut running = JoinSet::new();
            running.spawn(context.tasks.vital("shard-stream", task.in_current_span()));
            Task {
                batches: Some(batches),
                end,
                running,
            }
        })
    }

    /// Ends the stream, and waits for the task.
    async fn finish(&mut self, why: StreamEnd, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        let lease = self.context.lease.clone();
        let task = self.task(checkpointer);
        task.end(why);
        tokio::select! {
            biased;
            _ = lease.lost() => Err(HandlerError::lease_lost()),
            ended = task.running.join_next() => match ended {
                Some(Ok(Ok(()))) | None => {
                    self.task = None;
                    Ok(())
                }
                Some(ended) => Err(self.failed(ended, checkpointer)),
            },
        }
    }

    /// The error of a task that has ended before its time. The next one begins behind the last checkpoint: what this one took
    /// is lost with it.
    fn failed(
        &mut self,
        ended: Result<Result<(), HandlerError>, JoinError>,
        checkpointer: &Checkpointer,
    ) -> HandlerError {
        self.task = None;
        // What is passed over is not checkpointed yet, and does not come again.
        let behind = checkpointer.passed_over_up_to();
        #[cfg(feature = "_simulation")]
        let behind = match crate::planted_bugs::PlantedBug::ForgetWhatWasTaken.is_planted() {
            true => checkpointer.processed_up_to(),
            false => behind,
        };
        checkpointer.begin_again_behind(behind);
        match ended {
            Ok(Err(error)) => error.of_its_call(),
            Ok(Ok(())) => HandlerError::new("the task of the shard's stream returned before the stream had ended"),
            Err(_) => HandlerError::new("the task of the shard's stream panicked"),
        }
    }
}

impl Task {
    fn end(&mut self, why: StreamEnd) {
        // An end is told once: the lease may be lost after a shutdown was requested.
        drop(self.end.set(why));
        self.batches = None;
    }
}

impl RecordProcessor for StreamProcessor {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        let (lease, last) = (
            batch.lease.clone(),
            batch.records.last().map(|record| record.position().clone()),
        );
        let task = self.task(checkpointer);
        let (next_is_asked_for, asked) = oneshot::channel();
        if let Some(batches) = &task.batches {
            // A task that has dropped its stream is waited for below.
            drop(
                batches
                    .send(Handed {
                        batch,
                        next_is_asked_for,
                    })
                    .await,
            );
        }
        tokio::select! {
            biased;
            _ = lease.lost() => Err(HandlerError::lease_lost()),
            Some(ended) = task.running.join_next() => {
                let is_taken = last.is_some_and(|last| checkpointer.delivered_up_to() >= Position::At(last));
                let error = self.failed(ended, checkpointer);
                // The task has not seen the records of this call, so they are not to blame, nor to be skipped.
                Err(if is_taken { error } else { error.of_no_record() })
            }
            Ok(()) = asked => Ok(()),
        }
    }

    async fn idle(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        match self.task(checkpointer).running.try_join_next() {
            // The call has no records, so none is to blame. The failure counts, because the task has ended.
            Some(ended) => Err(self.failed(ended, checkpointer).of_no_record()),
            None => Ok(()),
        }
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.finish(StreamEnd::ShardEnded, checkpointer).await
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        match self.task {
            Some(_) => self.finish(StreamEnd::ShutdownRequested, checkpointer).await,
            None => Ok(()),
        }
    }

    async fn lease_lost(&mut self, reason: LeaseLost) {
        if let Some(mut task) = self.task.take() {
            task.end(StreamEnd::LeaseLost(reason));
            // Its error says nothing more: the lease is lost.
            drop(task.running.join_next().await);
        }
    }
}

#[cfg(test)]
mod tests;
