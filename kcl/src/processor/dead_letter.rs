//! Where records go that a handler cannot process.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::processor::handler_error::HandlerError;
use crate::record::Record;
use crate::stream::ShardRef;

/// Records that a handler could not process.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The shard of the records, with its stream.
    pub shard: ShardRef,
    /// The records, in the order of the shard. There is one, unless the policy is for
    /// [`whole_batches`](crate::ErrorPolicy::whole_batches).
    pub records: Vec<Record>,
    /// How often the handler has failed on them, in their batch and alone.
    pub attempts: u32,
    /// The handler's last error.
    pub error: Arc<HandlerError>,
}

/// Keeps records that a handler could not process: in a queue, a table or a bucket.
///
/// Any closure that takes a [`DeadLetter`] and returns a future is one.
pub trait DeadLetterSink: Send + Sync + 'static {
    /// Stores a letter. The worker goes on behind its records when the future has returned `Ok`. A letter may come again,
    /// after a crash or if its lease moves before the next checkpoint.
    ///
    /// # Errors
    ///
    /// After an error nothing is passed over: the handler is called again, after a wait, and then the sink. After as many
    /// errors of the sink as the policy allows attempts, the shard halts.
    ///
    /// # Cancellation
    ///
    /// The worker drops the future as it drops that of a handler: `handler_grace` after the loss of the lease, after
    /// `handler_timeout`, and with [`Worker::run`](crate::Worker::run). Whether the letter is stored is open then, and it may come again.
    fn send(&self, letter: DeadLetter) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

impl<F, Sent> DeadLetterSink for F
where
    F: Fn(DeadLetter) -> Sent + Send + Sync + 'static,
    Sent: Future<Output = Result<(), HandlerError>> + Send,
{
    fn send(&self, letter: DeadLetter) -> impl Future<Output = Result<(), HandlerError>> + Send {
        self(letter)
    }
}

/// A sink whose type is forgotten.
pub(crate) trait AnySink: Send + Sync {
    fn send(&self, letter: DeadLetter) -> BoxFuture<'_, Result<(), HandlerError>>;
}

impl<S: DeadLetterSink> AnySink for S {
    fn send(&self, letter: DeadLetter) -> BoxFuture<'_, Result<(), HandlerError>> {
        // Inside the future, where a panic is caught.
        Box::pin(async move { DeadLetterSink::send(self, letter).await })
    }
}

impl fmt::Debug for dyn AnySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeadLetterSink")
    }
}
