//! What an application implements: one record processor for each shard.
//!
//! In the order of the data: a `batch` is delivered; a `handler_error` is judged by the `error_policy`, which may send records
//! to a `dead_letter` sink; the `handler_timeout` bounds it. The `simple` forms of a handler are closures, for which the worker checkpoints by itself.
//! Processors of several types are `boxed`; `per_key` is one for records whose keys are independent, `stream` one that a task
//! takes its batches from.

pub(crate) mod batch;
pub(crate) mod boxed;
pub(crate) mod dead_letter;
pub(crate) mod error_policy;
pub(crate) mod handler_error;
pub(crate) mod handler_timeout;
pub(crate) mod per_key;
pub(crate) mod simple;
pub(crate) mod stream;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aggregation::HashKeyRange;
use service::Tasks;

use crate::checkpoint::checkpointer::Checkpointer;
use crate::checkpoint::position::Position;
use crate::config::Config;
use crate::lease::guard::LeaseGuard;
use crate::lease::lost::LeaseLost;
use crate::lease::model::{PendingCheckpoint, WorkerId};
use crate::processor::handler_timeout::HandlerTimeout;
use crate::stream::{ShardId, ShardRef, StreamRef};
pub use batch::{Batch, BatchRoom};
pub use boxed::{BoxProcessor, DynRecordProcessor};
pub use handler_error::HandlerError;
pub use per_key::PerKey;
pub use stream::{ShardStream, StreamEnd, StreamProcessor};

/// Processes the records of one shard.
///
/// A processor is made for each ownership of a lease, and its methods are called one at a time:
///
/// ```text
/// initialize ─► process … process ─┬─► shard_ended          everything was read
///                                  ├─► shutdown_requested   the worker is asked to stop, or the shard is moved; a last
///                                  │                      chance to checkpoint
///                                  └─► lease_lost           another worker has the shard, or may have it
/// ```
///
/// **At least once.** After a crash, or when a lease moves, the next owner begins behind the last checkpoint; what was
/// processed since is processed again. Nothing is skipped: records are passed on in the order of the shard, and a
/// `process` that fails is called again with the same records (those that it has not checkpointed), by the worker's
/// [`ErrorPolicy`](crate::ErrorPolicy).
///
/// **Cancellation.** The lease of a shard can be lost at any time, and a handler that works on stops nobody: watch
/// [`LeaseGuard::cancelled`] in long calls. A call that has not returned within `handler_grace` after the loss is dropped, and
/// the processor is called for nothing more. The same happens to a call that takes longer than `handler_timeout`.
///
/// **Panics** of a processor, also of its `Drop`, are errors of its shard alone.
///
/// **Do not block.** A `process` that computes or waits without an await stops other tasks of your runtime; hand such work
/// to `tokio::task::spawn_blocking`. It costs no lease: leases are renewed on a thread of their own. But if your runtime runs
/// no task for five minutes, the worker gives its leases up and ends with `WorkerError::ApplicationStalled`.
///
/// **Parent before child.** The shards that a split or merge made are delivered only after `shard_ended` of their
/// parents was checkpointed.
#[doc(alias = "ShardRecordProcessor")]
pub trait RecordProcessor: Send + 'static {
    /// Called once before the first records, on a valid lease. The default does nothing.
    ///
    /// # Errors
    ///
    /// An error is followed by another call, on the same processor.
    fn initialize(&mut self, shard: &ShardContext) -> impl Future<Output = Result<(), HandlerError>> + Send {
        let _ = shard;
        async { Ok(()) }
    }

    /// Called with the next records of the shard, at least one.
    ///
    /// # Errors
    ///
    /// An error is followed by another call with the records behind the last checkpoint, or by what the worker's
    /// [`ErrorPolicy`](crate::ErrorPolicy) or the [`HandlerError`] itself says. [`HandlerError::at`] names the record that failed.
    fn process(
        &mut self,
        batch: Batch,
        checkpointer: &Checkpointer,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Called when a read has brought no records, so at most once a second or so: for a processor that buffers records, to
    /// write and checkpoint what it holds. The default does nothing.
    ///
    /// # Errors
    ///
    /// An error counts as one of `process`.
    fn idle(&mut self, checkpointer: &Checkpointer) -> impl Future<Output = Result<(), HandlerError>> + Send {
        let _ = checkpointer;
        async { Ok(()) }
    }

    /// Called when all records of the shard were processed. `Ok` means that nothing of the shard is left to do: the worker
    /// then checkpoints the end, and the shard's children are read. The default does nothing.
    ///
    /// # Errors
    ///
    /// An error is followed by another call.
    fn shard_ended(&mut self, checkpointer: &Checkpointer) -> impl Future<Output = Result<(), HandlerError>> + Send {
        let _ = checkpointer;
        async { Ok(()) }
    }

    /// Called when the worker is shut down in an orderly way, before it gives the lease back, and before a
    /// [`seek`](crate::WorkerControl::seek) moves the shard. The default does nothing.
    ///
    /// # Errors
    ///
    /// An error is logged; the lease is given back all the same.
    fn shutdown_requested(
        &mut self,
        checkpointer: &Checkpointer,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send {
        let _ = checkpointer;
        async { Ok(()) }
    }

    /// Called when the lease is lost. It is too late to checkpoint. The default does nothing.
    fn lease_lost(&mut self, reason: LeaseLost) -> impl Future<Output = ()> + Send {
        let _ = reason;
        async {}
    }
}

/// The shard that a processor is for, and how the worker holds it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ShardContext {
    /// The shard, with its stream.
    pub shard: ShardRef,
    /// The shards that a split or merge has made this one of; none, one or two. Their records were delivered, or are gone.
    pub parents: BTreeSet<ShardId>,
    /// The hash keys of the shard's records. `None` if its lease was created without them, by an old Java worker say.
    pub hash_range: Option<HashKeyRange>,
    /// Behind which position the records begin.
    pub checkpoint: Position,
    /// A checkpoint that an earlier owner has prepared, and neither committed nor passed.
    #[doc(alias = "pendingCheckpointSequenceNumber")]
    pub pending: Option<PendingCheckpoint>,
    /// The worker that holds the lease: this one.
    pub worker: WorkerId,
    /// Whether the lease is still held, and the fencing token of this ownership.
    pub lease: LeaseGuard,
    /// How adapters start tasks.
    pub(crate) tasks: Tasks,
    pub(crate) adapted: Adapted,
}

/// The options of the worker that adapters keep to.
#[derive(Debug, Clone)]
pub(crate) struct Adapted {
    pub(crate) handler_timeout: HandlerTimeout,
    pub(crate) checkpoint_interval: Duration,
}

impl Adapted {
    pub(crate) fn new(config: &Config, handler_timeout: HandlerTimeout) -> Self {
        Self {
            handler_timeout,
            checkpoint_interval: config.checkpoint_interval,
        }
    }
}

impl ShardContext {
    /// The shard's stream, by the name or the ARN that the worker was given.
    pub fn stream(&self) -> &StreamRef {
        &self.shard.stream
    }

    /// The shard's id in its stream.
    pub fn shard_id(&self) -> &ShardId {
        &self.shard.shard
    }
}

/// Makes the processor of a shard.
pub(crate) type ProcessorFactory = Arc<dyn Fn(&ShardContext) -> BoxProcessor + Send + Sync>;
