//! The encoder before a blocking producer.

use super::wait::wait;
use super::{Producer, Receipt};
use crate::error::PutError;
use crate::producer::encoding::PayloadEncoder;
use crate::record::Record;

/// A blocking producer whose records pass through a [`PayloadEncoder`] first, as in
/// [`kpl::EncodingProducer`](crate::EncodingProducer). Made by [`Producer::encoding`]; cheap to clone.
///
/// The encoder runs on the calling thread. Timers and sockets of tokio are at its disposal; they are driven by the
/// producer's thread.
///
/// A record that a receipt gives back is encoded already, and goes to [`producer`](Self::producer) to be put again.
#[derive(Debug, Clone)]
pub struct EncodingProducer {
    // Dropped first, like everything that keeps the producer open.
    encoding: crate::EncodingProducer,
    producer: Producer,
}

impl EncodingProducer {
    pub(super) fn new(producer: Producer, encoder: impl PayloadEncoder + 'static) -> Self {
        let encoding = producer.producer.encoding(encoder);
        Self { encoding, producer }
    }

    /// The producer behind the encoder: to flush, to shut down, and for records that are encoded already.
    pub fn producer(&self) -> &Producer {
        &self.producer
    }

    /// Encodes a record, then accepts it as [`Producer::put`] does. The limit of a record's size is that of the encoded
    /// data.
    ///
    /// # Errors
    ///
    /// [`EncodingFailed`](crate::PutErrorKind::EncodingFailed) with the record as it was; those of [`Producer::put`] with
    /// the encoded record.
    pub fn put(&self, record: Record) -> Result<Receipt, PutError> {
        self.wait(self.encoding.put(record)).map(Receipt::new)
    }

    /// Encodes the records one after another, then accepts them as [`Producer::put_all`] does.
    ///
    /// # Errors
    ///
    /// Those of [`put`](Self::put), each in its record's place.
    pub fn put_all(&self, records: impl IntoIterator<Item = Record>) -> Vec<Result<Receipt, PutError>> {
        let records: Vec<Record> = records.into_iter().collect();
        let answers = self.wait(self.encoding.put_all(records)).into_iter();
        answers.map(|answer| answer.map(Receipt::new)).collect()
    }

    /// The record with its data encoded, for [`Producer::try_put`].
    ///
    /// # Errors
    ///
    /// [`EncodingFailed`](crate::PutErrorKind::EncodingFailed) with the record as it was.
    pub fn encode(&self, record: Record) -> Result<Record, PutError> {
        self.wait(self.encoding.encode(record))
    }

    fn wait<F: Future>(&self, future: F) -> F::Output {
        let _runtime = self.producer.thread.enter();
        wait(future)
    }
}
