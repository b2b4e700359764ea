//! Processors behind one type, so that a factory may return different ones.

use std::fmt;

use futures::future::BoxFuture;

use crate::checkpoint::checkpointer::Checkpointer;
use crate::lease::lost::LeaseLost;
use crate::processor::batch::Batch;
use crate::processor::handler_error::HandlerError;
use crate::processor::{RecordProcessor, ShardContext};

/// A boxed [`RecordProcessor`], and one itself, for factories that return different processors.
///
/// ```
/// # use kcl::{Batch, BoxProcessor, Checkpointer, HandlerError, RecordProcessor, ShardContext, Worker};
/// # struct Live;
/// # impl RecordProcessor for Live {
/// #     async fn process(&mut self, _: Batch, _: &Checkpointer) -> Result<(), HandlerError> { Ok(()) }
/// # }
/// # struct Backfill;
/// # impl RecordProcessor for Backfill {
/// #     async fn process(&mut self, _: Batch, _: &Checkpointer) -> Result<(), HandlerError> { Ok(()) }
/// # }
/// let worker = Worker::builder("billing", "orders").processor(|shard: &ShardContext| -> BoxProcessor {
///     match shard.parents.is_empty() {
///         true => Box::new(Backfill),
///         false => Box::new(Live),
///     }
/// });
/// ```
pub type BoxProcessor = Box<dyn DynRecordProcessor>;

/// A [`RecordProcessor`] whose type is forgotten: the form of the trait that can stand behind `dyn`.
///
/// Each [`RecordProcessor`] is one. Implement that trait, not this one.
pub trait DynRecordProcessor: Send + 'static {
    /// As [`RecordProcessor::initialize`].
    ///
    /// # Errors
    ///
    /// Those of the processor.
    fn initialize<'a>(&'a mut self, shard: &'a ShardContext) -> BoxFuture<'a, Result<(), HandlerError>>;
    /// As [`RecordProcessor::process`].
    ///
    /// # Errors
    ///
    /// Those of the processor.
    fn process<'a>(
        &'a mut self,
        batch: Batch,
        checkpointer: &'a Checkpointer,
    ) -> BoxFuture<'a, Result<(), HandlerError>>;
    /// As [`RecordProcessor::idle`].
    ///
    /// # Errors
    ///
    /// Those of the processor.
    fn idle<'a>(&'a mut self, checkpointer: &'a Checkpointer) -> BoxFuture<'a, Result<(), HandlerError>>;
    /// As [`RecordProcessor::shard_ended`].
    ///
    /// # Errors
    ///
    /// Those of the processor.
    fn shard_ended<'a>(&'a mut self, checkpointer: &'a Checkpointer) -> BoxFuture<'a, Result<(), HandlerError>>;
    /// As [`RecordProcessor::shutdown_requested`].
    ///
    /// # Errors
    ///
    /// Those of the processor.
    fn shutdown_requested<'a>(&'a mut self, checkpointer: &'a Checkpointer) -> BoxFuture<'a, Result<(), HandlerError>>;
    /// As [`RecordProcessor::lease_lost`].
    fn lease_lost(&mut self, reason: LeaseLost) -> BoxFuture<'_, ()>;
}

impl<P: RecordProcessor> DynRecordProcessor for P {
    fn initialize<'a>(&'a mut self, shard: &'a ShardContext) -> BoxFuture<'a, Result<(), HandlerError>> {
        Box::pin(async move { RecordProcessor::initialize(self, shard).await })
    }

    fn process<'a>(
        &'a mut self,
        batch: Batch,
        checkpointer: &'a Checkpointer,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        Box::pin(async move { RecordProcessor::process(self, batch, checkpointer).await })
    }

    fn idle<'a>(&'a mut self, checkpointer: &'a Checkpointer) -> BoxFuture<'a, Result<(), HandlerError>> {
        Box::pin(async move { RecordProcessor::idle(self, checkpointer).await })
    }

    fn shard_ended<'a>(&'a mut self, checkpointer: &'a Checkpointer) -> BoxFuture<'a, Result<(), HandlerError>> {
        Box::pin(async move { RecordProcessor::shard_ended(self, checkpointer).await })
    }

    fn shutdown_requested<'a>(&'a mut self, checkpointer: &'a Checkpointer) -> BoxFuture<'a, Result<(), HandlerError>> {
        Box::pin(async move { RecordProcessor::shutdown_requested(self, checkpointer).await })
    }

    fn lease_lost(&mut self, reason: LeaseLost) -> BoxFuture<'_, ()> {
        Box::pin(async move { RecordProcessor::lease_lost(self, reason).await })
    }
}

impl fmt::Debug for dyn DynRecordProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DynRecordProcessor")
    }
}

impl RecordProcessor for BoxProcessor {
    async fn initialize(&mut self, shard: &ShardContext) -> Result<(), HandlerError> {
        (**self).initialize(shard).await
    }

    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        (**self).process(batch, checkpointer).await
    }

    async fn idle(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        (**self).idle(checkpointer).await
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        (**self).shard_ended(checkpointer).await
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        (**self).shutdown_requested(checkpointer).await
    }

    async fn lease_lost(&mut self, reason: LeaseLost) {
        (**self).lease_lost(reason).await;
    }
}
