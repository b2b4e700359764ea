//! A closure in the place of a processor.

use std::sync::Arc;
use std::time::Duration;

use crate::builder::WorkerBuilder;
use crate::processor::simple::{ForEachBatch, ForEachRecord, HandlerForm};
use crate::processor::{Batch, HandlerError};
use crate::record::Record;

impl WorkerBuilder {
    /// Calls `handler` with each batch of records, and checkpoints by itself behind each batch for which it returned `Ok`.
    ///
    /// The batches of one shard come one after the other, in the order of the shard; those of different shards come at the same
    /// time, to the one closure: share state by `Arc`. Checkpoints are written within
    /// [`checkpoint_interval`](Self::checkpoint_interval), at the end of a shard, and when the lease is given up, at a shutdown
    /// for example. After a crash the records behind the last checkpoint come again.
    ///
    /// An error, or a panic, is followed by another call with the same records, or by what the
    /// [`error_policy`](Self::error_policy) or the [`HandlerError`] says. For callbacks at the beginning and the end of a shard,
    /// and to checkpoint when the application says so, there is [`processor`](Self::processor).
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use std::sync::atomic::{AtomicUsize, Ordering};
    /// let bytes = Arc::new(AtomicUsize::new(0));
    /// let total = Arc::clone(&bytes);
    /// let builder = kcl::Worker::builder("billing", "orders").for_each_batch(move |batch| {
    ///     let total = Arc::clone(&total);
    ///     async move {
    ///         for record in &batch.records {
    ///             total.fetch_add(record.data().len(), Ordering::Relaxed);
    ///         }
    ///         Ok(())
    ///     }
    /// });
    /// # drop(builder);
    /// ```
    ///
    /// # Cancellation
    ///
    /// The future is dropped if the lease is lost and it does not return within [`handler_grace`](Self::handler_grace), and after
    /// [`handler_timeout`](Self::handler_timeout).
    pub fn for_each_batch<H, Handling>(self, handler: H) -> Self
    where
        H: Fn(Batch) -> Handling + Send + Sync + 'static,
        Handling: Future<Output = Result<(), HandlerError>> + Send,
    {
        let handler = Arc::new(handler);
        let mut builder = self.processor(move |_| ForEachBatch(Arc::clone(&handler)));
        builder.config.form = HandlerForm::EachBatch;
        builder
    }

    /// Calls `handler` with each record, and checkpoints by itself behind those for which it returned `Ok`.
    ///
    /// The records of one shard come one after the other, in the order of the shard. What fails is one record: it alone is tried
    /// again, skipped or sent to the dead-letter sink, and the records in front of it are not delivered again while this worker
    /// has the shard. When the lease is lost or the worker stops, the record at hand is the last one. All else is as with
    /// [`for_each_batch`](Self::for_each_batch).
    ///
    /// ```
    /// # async fn store(_: &str, _: &[u8]) -> Result<(), std::io::Error> { Ok(()) }
    /// let builder = kcl::Worker::builder("billing", "orders").for_each_record(|record| async move {
    ///     store(record.partition_key(), record.data()).await?; // an error brings this record again
    ///     Ok(())
    /// });
    /// # drop(builder);
    /// ```
    ///
    /// # Cancellation
    ///
    /// As with [`for_each_batch`](Self::for_each_batch); the times are those of all records that were delivered together.
    pub fn for_each_record<H, Handling>(self, handler: H) -> Self
    where
        H: Fn(Record) -> Handling + Send + Sync + 'static,
        Handling: Future<Output = Result<(), HandlerError>> + Send,
    {
        let handler = Arc::new(handler);
        let mut builder = self.processor(move |_| ForEachRecord(Arc::clone(&handler)));
        builder.config.form = HandlerForm::EachRecord;
        builder
    }

    /// How long records that [`for_each_batch`](Self::for_each_batch) or [`for_each_record`](Self::for_each_record) have
    /// processed may lack a checkpoint: about so much is processed again after a crash.
    ///
    /// Checkpoints ride on the renewals of the lease, each third of [`failover_time`](Self::failover_time), and cost no write of
    /// their own unless the interval is shorter than that. Zero writes one behind each batch. A processor checkpoints by itself;
    /// [`PerKey`](crate::PerKey) does as these forms do. Default: 5 s; at most a day.
    pub fn checkpoint_interval(mut self, interval: Duration) -> Self {
        self.config.checkpoint_interval = interval;
        self
    }
}
