//! The producer for programs without a runtime: each call waits on its own thread.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use kpl::Record;
//! use kpl::blocking::Producer;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let producer = Producer::builder("orders").build_blocking()?; // region and credentials of the environment
//!     let mut receipts = Vec::new();
//!     for customer in 0..1_000 {
//!         receipts.push(producer.put(Record::new(format!("customer-{customer}"), "one espresso"))?);
//!     }
//!     for mut receipt in receipts {
//!         println!("{}", receipt.wait()?.sequence_number);
//!     }
//!     producer.shutdown(Duration::from_secs(30));
//!     Ok(())
//! }
//! ```
//!
//! The producer runs on one thread of its own, `kinesis-producer`, which ends with it and its last handle. A call waits on the calling
//! thread: none of these calls panics inside a runtime, but they hold up the thread that they are made on. Async code uses
//! [`crate::Producer`].
//!
//! Inside: `thread` runs the producer, `wait` blocks on a future, `encoder` is the blocking form of an encoder.

mod encoder;
mod thread;
mod wait;

use std::sync::Arc;
use std::time::Duration;

pub use self::encoder::EncodingProducer;
use self::thread::ProducerThread;
use self::wait::{wait, wait_at_most};
use crate::driver::ShutdownReport;
use crate::error::{BuildError, PutError};
use crate::observe::stats::Stats;
use crate::producer::builder::ProducerBuilder;
use crate::producer::encoding::PayloadEncoder;
use crate::receipt::Delivered;
use crate::record::Record;

/// Puts records into one stream. Cheap to clone; all clones are one producer.
///
/// Dropping the last clone is a [`shutdown`](Self::shutdown) with 30 seconds, and waits for it: a program that returns
/// from `main` would otherwise take the records that it holds with it. On a thread of a tokio runtime, which must not be
/// held up, it does not wait.
#[derive(Debug, Clone)]
pub struct Producer {
    // Dropped first: the thread ends after the producer.
    producer: crate::Producer,
    thread: Arc<ProducerThread>,
}

impl Producer {
    /// Begins a producer for `stream`, a name or an ARN. [`ProducerBuilder::build_blocking`] makes it.
    pub fn builder(stream: impl Into<String>) -> ProducerBuilder {
        crate::Producer::builder(stream)
    }

    /// Accepts a record, after waiting for room in the budget. The [`Receipt`] tells what becomes of it.
    ///
    /// Do not wait for the receipt before the next `put`: the record waits for others to share its aggregate.
    ///
    /// # Errors
    ///
    /// Those of [`kpl::Producer::put`](crate::Producer::put), with the record in them.
    pub fn put(&self, record: Record) -> Result<Receipt, PutError> {
        wait(self.producer.put(record)).map(Receipt::new)
    }

    /// Accepts a record if there is room for it right now.
    ///
    /// # Errors
    ///
    /// Those of [`kpl::Producer::try_put`](crate::Producer::try_put), with the record in them.
    pub fn try_put(&self, record: Record) -> Result<Receipt, PutError> {
        self.producer.try_put(record).map(Receipt::new)
    }

    /// Accepts many records, after waiting once for the room that all of them need. The answers come in their order.
    ///
    /// # Errors
    ///
    /// Those of [`kpl::Producer::put_all`](crate::Producer::put_all), each in its record's place.
    pub fn put_all(&self, records: impl IntoIterator<Item = Record>) -> Vec<Result<Receipt, PutError>> {
        let records: Vec<Record> = records.into_iter().collect();
        let answers = wait(self.producer.put_all(records)).into_iter();
        answers.map(|answer| answer.map(Receipt::new)).collect()
    }

    /// This producer with `encoder` before it, which compresses, encrypts or wraps the data of each record.
    pub fn encoding(&self, encoder: impl PayloadEncoder + 'static) -> EncodingProducer {
        EncodingProducer::new(self.clone(), encoder)
    }

    /// Waits until every record that was accepted before the call has its outcome, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`FlushError::TimedOut`]; the records are still being delivered. [`FlushError::Ended`] if the producer has.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        match wait_at_most(timeout, self.producer.flush()) {
            Some(flushed) => flushed.map_err(|_| FlushError::Ended),
            None => Err(FlushError::TimedOut),
        }
    }

    /// Sends the aggregates that are open now without waiting for others to fill them. It waits for nothing.
    pub fn flush_hint(&self) {
        self.producer.flush_hint();
    }

    /// What the producer holds and has done.
    pub fn stats(&self) -> Stats {
        self.producer.stats()
    }

    /// Takes no more records, delivers what was accepted for at most `grace`, gives the rest back and ends.
    pub fn shutdown(&self, grace: Duration) -> ShutdownReport {
        wait(self.producer.shutdown(grace))
    }
}

/// A promise for one accepted record. Dropping it cancels nothing.
#[derive(Debug)]
#[must_use = "a receipt tells whether the record was delivered; drop it explicitly if that does not matter"]
pub struct Receipt {
    receipt: crate::Receipt,
}

impl Receipt {
    fn new(receipt: crate::Receipt) -> Self {
        Self { receipt }
    }

    /// Waits for the outcome. Every further call returns it again.
    ///
    /// # Errors
    ///
    /// Why the record was not delivered, with the record.
    pub fn wait(&mut self) -> Result<Delivered, PutError> {
        wait(&mut self.receipt)
    }

    /// Waits for the outcome at most for `timeout`; `None` if it is not known by then. The record is still being
    /// delivered.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Option<Result<Delivered, PutError>> {
        wait_at_most(timeout, &mut self.receipt)
    }
}

/// Why [`Producer::flush`] returned before every record had its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The producer has ended; each of its receipts holds its own outcome.
    #[error("the producer has ended; each of its receipts holds its own outcome")]
    Ended,
    /// The time was up. The records are still being delivered.
    #[error("some records have no outcome yet")]
    TimedOut,
}

impl ProducerBuilder {
    /// Validates the options and starts the producer on a thread of its own, for programs without a runtime. Without
    /// `aws` or `client` it loads the SDK's configuration from the environment, as `aws_config::load_defaults` does.
    ///
    /// # Errors
    ///
    /// [`BuildError`] as from [`build`](Self::build), and inside a tokio runtime, where that is to be used.
    pub fn build_blocking(self) -> Result<Producer, BuildError> {
        let (producer, thread) = thread::start(self)?;
        Ok(Producer {
            producer,
            thread: Arc::new(thread),
        })
    }
}

#[cfg(test)]
#[cfg(not(feature = "_loom"))]
mod tests;
