//! The handle that applications hold.
//!
//! `builder` makes it, and starts the driver with which it has `shared` state. `batch` puts many records at once, `sink` a
//! stream of them, `encoding` encodes their data first, and `blocking` is for programs without a runtime.

mod batch;
pub mod blocking;
pub(crate) mod builder;
pub(crate) mod encoding;
pub(crate) mod shared;
mod sink;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::coop::consume_budget;
use tokio_util::sync::CancellationToken;

pub use self::sink::RecordSink;
use crate::budget::{Permit, Room};
use crate::driver::{Command, ShutdownReport};
use crate::error::{FlushError, PutError, PutErrorKind};
use crate::foreign::among_others;
use crate::observe::stats::Stats;
use crate::producer::shared::Shared;
use crate::receipt::Receipt;
use crate::record::doubts::Doubt;
use crate::record::{Record, cost};

/// Puts records into one stream. Cheap to clone; all clones are one producer.
///
/// Dropping the last clone is a [`shutdown`](Self::shutdown) with 30 seconds that nobody waits for: what was accepted is
/// still delivered, and what is not by then, or when the runtime ends before, fails with its reason.
#[derive(Clone)]
#[doc(alias = "KinesisProducer")]
pub struct Producer {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    _alive: Arc<ClosesOnDrop>,
}

/// Shows the stream, never what is buffered.
impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stream = &self.shared.template.stream;
        f.debug_struct("Producer")
            .field("stream", stream)
            .finish_non_exhaustive()
    }
}

/// Closes the producer when its last handle is gone.
#[derive(Debug)]
struct ClosesOnDrop(CancellationToken);

impl Drop for ClosesOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Producer {
    pub(crate) fn new(shared: Arc<Shared>, commands: mpsc::Sender<Command>) -> Self {
        let alive = Arc::new(ClosesOnDrop(shared.closing.clone()));
        Self {
            shared,
            commands,
            _alive: alive,
        }
    }

    /// Accepts a record, after waiting for room in the budget. The [`Receipt`] tells what becomes of it.
    ///
    /// Do not await the receipt before the next `put`: the record waits for others to share its aggregate, for as long
    /// as [`record_max_buffered_time`](crate::ProducerBuilder::record_max_buffered_time) if none come.
    ///
    /// # Errors
    ///
    /// At once, with the record in it: [`PutErrorKind::InvalidPartitionKey`], [`PutErrorKind::NoPartitionKey`],
    /// [`PutErrorKind::RecordTooLarge`], or, also while it waits, [`PutErrorKind::ShutDown`] or
    /// [`PutErrorKind::TaskEnded`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future before it is ready drops the record, which was not accepted. There is no await behind the
    /// point where it is, so an accepted record is never lost.
    #[doc(alias = "addUserRecord")]
    pub async fn put(&self, record: Record) -> Result<Receipt, PutError> {
        // A task that puts in a loop lets others run now and then, among them the producer's own.
        consume_budget().await;
        let cost = self.admit(&record)?;
        match self.acquire(Room::of(cost)).await {
            Ok(permit) => self.shared.append(record, permit),
            Err(closed) => Err(self.shared.refuse(closed, record)),
        }
    }

    /// Accepts a record if there is room for it right now.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put), and [`PutErrorKind::Full`] with the record in it when the budget is spent.
    pub fn try_put(&self, record: Record) -> Result<Receipt, PutError> {
        let cost = self.admit(&record)?;
        match self.shared.template.budget.try_acquire(Room::of(cost)) {
            Some(permit) => self.shared.append(record, permit),
            None => {
                let reason = self.shared.why_closed().unwrap_or(PutErrorKind::Full);
                Err(self.shared.refuse(reason, record))
            }
        }
    }

    /// Sends the aggregates that are open now without waiting for others to fill them. It waits for nothing; a producer
    /// that has ended ignores it.
    ///
    /// This is what the KPL calls `flush`. To know that the records have arrived, [`flush`](Self::flush).
    pub fn flush_hint(&self) {
        self.shared.lanes().seal_all();
    }

    /// Waits until every record that was accepted before the call has its outcome. Open aggregates are sent at once.
    ///
    /// # Errors
    ///
    /// [`FlushError`] if the producer has ended.
    ///
    /// # Cancellation
    ///
    /// Dropping the future only stops the waiting.
    #[doc(alias = "flushSync")]
    pub async fn flush(&self) -> Result<(), FlushError> {
        let (done, flushed) = oneshot::channel();
        among_others(self.commands.send(Command::Flush(done)))
            .await
            .map_err(|_| FlushError)?;
        flushed.await.map_err(|_| FlushError)
    }

    /// What the producer holds and has done. It takes no lock that `put` takes, and its cost depends on the number of
    /// shards alone, not on that of the records.
    ///
    /// The counts of the producer's task are those of its last step: an outcome is counted before the task sleeps again,
    /// though another thread may have woken with it just before.
    #[doc(alias = "getOutstandingRecordsCount")]
    #[doc(alias = "getOldestRecordTimeInMillis")]
    #[doc(alias = "getMetrics")]
    pub fn stats(&self) -> Stats {
        self.shared.stats(self.shared.template.clock.monotonic())
    }

    /// Takes no more records, delivers what was accepted for at most `grace`, gives the rest back and ends.
    ///
    /// A second call waits for the same end and may shorten the time to it; the report of records goes to the first.
    ///
    /// # Cancellation
    ///
    /// Dropping the future only stops the waiting; the shutdown goes on.
    #[doc(alias = "destroy")]
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        let now = self.shared.template.clock.monotonic();
        let deadline = now
            .checked_add(grace)
            .unwrap_or(now + Duration::from_secs(u64::from(u32::MAX)));
        let (report, reported) = oneshot::channel();
        let command = Command::Shutdown { deadline, report };
        if among_others(self.commands.send(command)).await.is_err() {
            return ShutdownReport::default();
        }
        reported.await.unwrap_or_default()
    }

    /// Waits until the producer's task has ended. It does not keep the producer open.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let commands = self.commands.clone();
        async move { commands.closed().await }
    }

    /// Waits for room; an error tells why the producer takes no more records.
    async fn acquire(&self, room: Room) -> Result<Permit<'_>, PutErrorKind> {
        let budget = &self.shared.template.budget;
        if let Some(permit) = budget.try_acquire(room) {
            return Ok(permit);
        }
        let _waits = self.shared.wait_for_room();
        among_others(async {
            tokio::select! {
                biased;
                reason = self.shared.closed() => Err(reason),
                permit = budget.acquire(room) => Ok(permit),
            }
        })
        .await
    }

    /// The record with the reason why it was not accepted.
    pub(crate) fn refuse(&self, kind: PutErrorKind, record: Record) -> PutError {
        self.shared.refuse(kind, record)
    }

    /// Checks a record; returns what it costs of the budget.
    fn admit(&self, record: &Record) -> Result<usize, PutError> {
        let refusal = if !record.has_key() && !self.shared.lanes().admit_records_without_key() {
            Some(PutErrorKind::NoPartitionKey)
        } else {
            record.validate(self.shared.record_limit.bytes()).err()
        };
        match &refusal {
            Some(PutErrorKind::NoPartitionKey) => self.shared.doubt(Doubt::Key),
            Some(PutErrorKind::RecordTooLarge { bytes, .. }) if self.shared.record_limit.may_rise_to(*bytes) => {
                self.shared.doubt(Doubt::Size);
            }
            _ => {}
        }
        match refusal {
            None => Ok(cost(record.partition_key(), record.data())),
            Some(kind) => Err(self.shared.refuse(kind, record.clone())),
        }
    }
}

#[cfg(test)]
#[cfg(not(feature = "_loom"))]
mod tests;
