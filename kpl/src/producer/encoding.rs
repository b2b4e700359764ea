//! Codecs and schema registries: what is done to a record's data before it is validated and put.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::error::{EncodeError, PutError, PutErrorKind};
use crate::producer::Producer;
use crate::receipt::Receipt;
use crate::record::Record;

/// Turns the data of a record into what is stored: compressed, encrypted, or wrapped with the id of its schema.
///
/// A consumer has to undo it. Compressing alone pays for large records; small ones are better compressed many at a time,
/// before they become a record.
///
/// ```
/// use bytes::Bytes;
/// use futures::future::BoxFuture;
/// use kpl::{EncodeError, PayloadEncoder, Record};
///
/// /// Writes the id of the schema, which a registry gave us, before the data.
/// struct WithSchema(u32);
///
/// impl PayloadEncoder for WithSchema {
///     fn encode<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<Bytes, EncodeError>> {
///         Box::pin(async move { Ok([&self.0.to_be_bytes(), &record.data()[..]].concat().into()) })
///     }
/// }
/// ```
pub trait PayloadEncoder: Send + Sync {
    /// The data to store for `record`. Its partition key stays as it is.
    ///
    /// # Errors
    ///
    /// What was in the way: the record is then given back as it was, with
    /// [`EncodingFailed`](PutErrorKind::EncodingFailed).
    ///
    /// # Cancellation
    ///
    /// The future is dropped with the `put` that asked for it, at any await.
    fn encode<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<Bytes, EncodeError>>;
}

/// A producer whose records pass through a [`PayloadEncoder`] first. Made by [`Producer::encoding`]; cheap to clone.
///
/// It is a type of its own so that the plain way pays nothing, and so that nothing is encoded twice: **a record that a
/// receipt gives back is encoded already**, and goes to [`producer`](Self::producer) to be put again.
///
/// There is no `try_put`, for encoding may have to wait. [`encode`](Self::encode) the record, then
/// [`try_put`](Producer::try_put) it to [`producer`](Self::producer).
#[derive(Clone)]
pub struct EncodingProducer {
    producer: Producer,
    encoder: Arc<dyn PayloadEncoder>,
}

impl Producer {
    /// This producer with `encoder` before it, which compresses, encrypts or wraps the data of each record.
    pub fn encoding(&self, encoder: impl PayloadEncoder + 'static) -> EncodingProducer {
        EncodingProducer::new(self.clone(), Arc::new(encoder))
    }
}

impl EncodingProducer {
    pub(crate) fn new(producer: Producer, encoder: Arc<dyn PayloadEncoder>) -> Self {
        Self { producer, encoder }
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
    /// [`PutErrorKind::EncodingFailed`] with the record as it was; those of [`Producer::put`] with the encoded record.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before it is ready drops the record, which was not accepted.
    pub async fn put(&self, record: Record) -> Result<Receipt, PutError> {
        self.producer.put(self.encode(record).await?).await
    }

    /// Encodes the records one after another, then accepts them as [`Producer::put_all`] does.
    ///
    /// # Errors
    ///
    /// Those of [`put`](Self::put), each in its record's place.
    ///
    /// # Cancellation
    ///
    /// Nothing is accepted before all are encoded. After that as in [`Producer::put_all`].
    pub async fn put_all(
        &self,
        records: impl IntoIterator<Item = Record, IntoIter: Send>,
    ) -> Vec<Result<Receipt, PutError>> {
        let mut encoded = Vec::new();
        for record in records {
            encoded.push(self.encode(record).await);
        }
        self.producer.put_places(encoded.into_iter()).await
    }

    /// The record with its data encoded.
    ///
    /// # Errors
    ///
    /// [`PutErrorKind::EncodingFailed`] with the record as it was.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the record.
    pub async fn encode(&self, record: Record) -> Result<Record, PutError> {
        match self.encoder.encode(&record).await {
            Ok(data) => Ok(record.with_data(data)),
            Err(reason) => {
                let refused = self.producer.refuse(PutErrorKind::EncodingFailed, record);
                Err(refused.caused_by(reason))
            }
        }
    }
}

impl fmt::Debug for EncodingProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodingProducer")
            .field("producer", &self.producer)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(not(feature = "_loom"))]
mod tests {
    use std::error::Error as _;

    use futures::{FutureExt as _, SinkExt as _, StreamExt as _, stream};
    use testkit::sim::Sim;

    use super::*;
    use crate::budget::Budget;

    /// Keeps every tenth byte, refuses what is empty, and never ends with a record whose data is `wait`.
    struct Tenth;

    impl PayloadEncoder for Tenth {
        fn encode<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<Bytes, EncodeError>> {
            async move {
                if record.data() == "wait" {
                    std::future::pending::<()>().await;
                }
                match record.data().len() {
                    0 => Err("nothing to encode".into()),
                    _ => Ok(record.data().iter().step_by(10).copied().collect()),
                }
            }
            .boxed()
        }
    }

    fn producer() -> (Sim, EncodingProducer) {
        let sim = Sim::new(7);
        sim.create_stream("orders", 1).unwrap();
        let builder = Producer::builder("orders").aws(&sim.sdk_config()).seed(7);
        let producer = builder.budget(Budget::new(1_000, 10)).build().unwrap();
        (sim, producer.encoding(Tenth))
    }

    fn stored(sim: &Sim) -> Vec<Bytes> {
        sim.kinesis(|kinesis| {
            kinesis
                .stored("orders")
                .map(|(_, record)| record.data.clone())
                .collect()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn the_encoded_data_is_what_is_measured_and_stored() {
        let (sim, producer) = producer();
        let large = Record::new("k", vec![7; 2 << 20]);
        assert!(producer.put(large).await.unwrap().await.is_ok());
        assert_eq!(stored(&sim), [Bytes::from(vec![7; (2 << 20) / 10 + 1])]);
        let still_too_large = producer.put(Record::new("k", vec![7; 20 << 20])).await.unwrap_err();
        assert!(matches!(still_too_large.kind(), PutErrorKind::RecordTooLarge { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_encoding_gives_the_record_back_as_it_was_with_the_reason() {
        let (sim, producer) = producer();
        let empty = Record::new("k", "");
        let refused = producer.put(empty.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), &PutErrorKind::EncodingFailed);
        assert_eq!(refused.source().unwrap().to_string(), "nothing to encode");
        assert_eq!(refused.into_record(), empty);
        assert!(stored(&sim).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_of_a_batch_that_cannot_be_encoded_keeps_its_place() {
        let (_sim, producer) = producer();
        let batch = ["one", "", "three"].map(|data| Record::new("k", data));
        let answers = producer.put_all(batch).await;
        assert_eq!(
            answers.iter().map(Result::is_ok).collect::<Vec<_>>(),
            [true, false, true]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_forwarded_through_the_encoder_in_its_order_and_what_cannot_be_encoded_comes_back() {
        let (sim, producer) = producer();
        let mut answers = Vec::new();
        let records = ["0123456789a", "", "c"].map(|data| Ok(Record::new("k", data)));
        let forwarded = stream::iter(records).forward(producer.sink(|answer| answers.push(answer)));
        forwarded.await.unwrap();
        assert_eq!(stored(&sim), ["0a", "c"]);
        let refused = answers.remove(1).unwrap_err();
        assert_eq!(refused.kind(), &PutErrorKind::EncodingFailed);
        assert!(answers.into_iter().all(|answer| answer.is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_encodes_holds_one_record_and_gives_the_next_back() {
        let (_sim, producer) = producer();
        let mut answers = Vec::new();
        let mut sink = producer.sink(|answer| answers.push(answer));
        for data in ["wait", "next"] {
            sink.start_send_unpin(Record::new("k", data)).unwrap();
        }
        assert!(sink.flush().now_or_never().is_none(), "it encodes");
        drop(sink);
        let kinds: Vec<_> = answers
            .into_iter()
            .map(|answer| answer.unwrap_err().kind().clone())
            .collect();
        assert_eq!(kinds, [PutErrorKind::Full]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_put_that_is_dropped_while_it_encodes_has_accepted_nothing() {
        let (sim, producer) = producer();
        assert!(producer.put(Record::new("k", "wait")).now_or_never().is_none());
        let batch = ["one", "wait"].map(|data| Record::new("k", data));
        assert!(producer.put_all(batch).now_or_never().is_none());
        producer.producer().flush().await.unwrap();
        assert!(stored(&sim).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_receipt_gives_back_is_encoded_and_goes_to_the_producer_behind() {
        let (sim, producer) = producer();
        sim.faults(|_| testkit::sim::Fault::RequestLost);
        let receipt = producer.put(Record::new("k", "0123456789a")).await.unwrap();
        producer.producer().shutdown(std::time::Duration::from_secs(1)).await;
        assert_eq!(receipt.await.unwrap_err().record(), &Record::new("k", "0a"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_encoded_record_can_be_put_without_waiting() {
        let (sim, producer) = producer();
        let encoded = producer.encode(Record::new("k", "0123456789a")).await.unwrap();
        let receipt = producer.producer().try_put(encoded).unwrap();
        assert!(receipt.await.is_ok());
        assert_eq!(stored(&sim), ["0a"]);
    }
}
