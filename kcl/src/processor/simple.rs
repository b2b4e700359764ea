//! The simple forms of a handler: a closure for each batch or each record, for which the worker checkpoints by itself.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures::poll;

use crate::checkpoint::checkpointer::Checkpointer;
use crate::checkpoint::position::RecordPosition;
use crate::processor::RecordProcessor;
use crate::processor::batch::Batch;
use crate::processor::handler_error::HandlerError;
use crate::record::Record;

/// In which form the application has given its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandlerForm {
    /// A [`RecordProcessor`], which checkpoints by itself.
    Processor,
    /// A closure for each batch.
    EachBatch,
    /// A closure for each record. What fails is one record, never a batch.
    EachRecord,
}

/// Calls a closure with each batch.
#[derive(Debug)]
pub(crate) struct ForEachBatch<H>(pub(crate) Arc<H>);

impl<H, Handling> RecordProcessor for ForEachBatch<H>
where
    H: Fn(Batch) -> Handling + Send + Sync + 'static,
    Handling: Future<Output = Result<(), HandlerError>> + Send,
{
    async fn process(&mut self, batch: Batch, _: &Checkpointer) -> Result<(), HandlerError> {
        (self.0)(batch).await
    }
}

/// Calls a closure with each record.
#[derive(Debug)]
pub(crate) struct ForEachRecord<H>(pub(crate) Arc<H>);

impl<H, Handling> RecordProcessor for ForEachRecord<H>
where
    H: Fn(Record) -> Handling + Send + Sync + 'static,
    Handling: Future<Output = Result<(), HandlerError>> + Send,
{
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        let Batch {
            records, lease, _room, ..
        } = batch;
        let mut processed = Processed {
            checkpointer,
            last: None,
        };
        for record in records {
            // A batch may take long. Records behind a loss of the lease are another worker's, and a drain need not wait for
            // the rest of the batch.
            if !lease.signal().is_run() {
                return Err(HandlerError::lease_lost());
            }
            let position = record.position().clone();
            let mut handling = pin!((self.0)(record));
            match poll!(handling.as_mut()) {
                Poll::Ready(handled) => {
                    handled?;
                    processed.last = Some(position);
                }
                Poll::Pending => {
                    handling.await?;
                    processed.last = Some(position);
                    // A renewal may come before the batch is done.
                    processed.defer();
                }
            }
        }
        Ok(())
    }
}

/// The records of a batch that were processed. They are not processed again, however the call ends: by an error, by a panic, or
/// because it is dropped.
struct Processed<'a> {
    checkpointer: &'a Checkpointer,
    last: Option<RecordPosition>,
}

impl Processed<'_> {
    fn defer(&mut self) {
        if let Some(last) = self.last.take() {
            // It was delivered and lies behind no checkpoint, because nobody else makes one.
            drop(self.checkpointer.defer_at(last));
        }
    }
}

impl Drop for Processed<'_> {
    fn drop(&mut self) {
        self.defer();
    }
}
