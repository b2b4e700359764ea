//! The producer as a sink of records.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::{BoxFuture, FutureExt as _};
use futures::sink::Sink;
use tokio::task::coop::poll_proceed;

use super::Producer;
use crate::error::{FlushError, PutError, PutErrorKind};
use crate::producer::encoding::EncodingProducer;
use crate::receipt::Receipt;
use crate::record::Record;

impl Producer {
    /// This producer as a [`Sink`] of records, for `forward` and other combinators of streams.
    ///
    /// `on_answer` is told the answer to each record, in their order: its [`Receipt`], or why it was not accepted. A
    /// record that breaks a rule thereby fails alone and does not end the sink. Drop the receipt if its outcome does not
    /// matter, or hand it on.
    ///
    /// Use `forward`, `SinkExt::send_all` or `SinkExt::feed`. `SinkExt::send` flushes after each record, so that each leaves
    /// alone and is waited for.
    ///
    /// ```
    /// # use futures::StreamExt as _;
    /// # async fn example(producer: kpl::Producer, records: Vec<kpl::Record>) -> Result<(), kpl::FlushError> {
    /// let mut receipts = Vec::new();
    /// let sink = producer.sink(|answer| receipts.extend(answer));
    /// futures::stream::iter(records).map(Ok).forward(sink).await?; // closes the sink, which is a flush
    /// # Ok(())
    /// # }
    /// ```
    pub fn sink<F: FnMut(Result<Receipt, PutError>)>(&self, on_answer: F) -> RecordSink<F> {
        RecordSink::new(self.clone(), Entrance::Direct, on_answer)
    }
}

impl EncodingProducer {
    /// This producer as a [`Sink`] of records, which it encodes one after another. Otherwise as [`Producer::sink`].
    pub fn sink<F: FnMut(Result<Receipt, PutError>)>(&self, on_answer: F) -> RecordSink<F> {
        RecordSink::new(self.producer().clone(), Entrance::Encoding(self.clone()), on_answer)
    }
}

/// A [`Sink`] of records, made by [`Producer::sink`] or [`EncodingProducer::sink`].
///
/// * **Ready** means that the record before was accepted. Room in the budget is taken when a record is sent, for its size
///   is not known before; a record for which there is none is held, one at most, and the sink is not ready meanwhile.
///   What is sent all the same comes back to `on_answer` with [`PutErrorKind::Full`]. A record that is to be encoded is
///   held meanwhile, too.
/// * **Flush** waits, as [`Producer::flush`] does, until every record that was sent has its outcome. `SinkExt::send` does
///   that for each record, and no two share an aggregate then; `feed` does not.
/// * **Close** is a flush. The producer stays open for its other handles.
///
/// Its error is that the producer has ended, and no record will be taken. A record that waited then comes back to
/// `on_answer`.
///
/// # Cancellation
///
/// Dropping the sink drops the one record that waits for room, if there is one; close it first. What was accepted is
/// delivered.
#[must_use = "a sink does nothing until records are sent to it"]
pub struct RecordSink<F> {
    producer: Producer,
    on_answer: F,
    entrance: Entrance,
    /// The put of the record that is held.
    waiting: Option<BoxFuture<'static, Result<Receipt, PutError>>>,
    flush: Option<BoxFuture<'static, Result<(), FlushError>>>,
}

/// How records get from a sink into its producer.
enum Entrance {
    /// At once, if there is room.
    Direct,
    /// Through an encoder, which may have to wait in any case.
    Encoding(EncodingProducer),
}

/// Nothing in it is pinned.
impl<F> Unpin for RecordSink<F> {}

impl<F: FnMut(Result<Receipt, PutError>)> Sink<Record> for RecordSink<F> {
    type Error = FlushError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), FlushError>> {
        self.get_mut().poll_accepted(cx)
    }

    fn start_send(self: Pin<&mut Self>, record: Record) -> Result<(), FlushError> {
        let sink = self.get_mut();
        // A flush that was begun does not cover this record.
        sink.flush = None;
        match &sink.entrance {
            Entrance::Direct => match sink.producer.try_put(record) {
                // Only one record is held. Another one was sent without asking whether the sink is ready.
                Err(refused) if *refused.kind() == PutErrorKind::Full && sink.waiting.is_none() => {
                    let producer = sink.producer.clone();
                    let record = refused.into_record();
                    sink.waiting = Some(async move { producer.put(record).await }.boxed());
                    Ok(())
                }
                answer => sink.answer(answer),
            },
            Entrance::Encoding(producer) if sink.waiting.is_none() => {
                let producer = producer.clone();
                sink.waiting = Some(async move { producer.put(record).await }.boxed());
                Ok(())
            }
            Entrance::Encoding(_) => {
                let refused = sink.producer.refuse(PutErrorKind::Full, record);
                sink.answer(Err(refused))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), FlushError>> {
        let sink = self.get_mut();
        ready!(sink.poll_accepted(cx))?;
        let flush = sink.flush.get_or_insert_with(|| {
            let producer = sink.producer.clone();
            async move { producer.flush().await }.boxed()
        });
        let flushed = ready!(flush.poll_unpin(cx));
        sink.flush = None;
        Poll::Ready(flushed)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), FlushError>> {
        self.poll_flush(cx)
    }
}

impl<F: FnMut(Result<Receipt, PutError>)> RecordSink<F> {
    fn new(producer: Producer, entrance: Entrance, on_answer: F) -> Self {
        Self {
            producer,
            entrance,
            on_answer,
            waiting: None,
            flush: None,
        }
    }

    /// Waits until the record that was sent last is accepted.
    fn poll_accepted(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), FlushError>> {
        let Some(put) = &mut self.waiting else {
            // A stream that never waits would otherwise keep the task to itself.
            ready!(poll_proceed(cx)).made_progress();
            return Poll::Ready(Ok(()));
        };
        let answer = ready!(put.poll_unpin(cx));
        self.waiting = None;
        Poll::Ready(self.answer(answer))
    }

    fn answer(&mut self, answer: Result<Receipt, PutError>) -> Result<(), FlushError> {
        let ended = answer
            .as_ref()
            .is_err_and(|refused| matches!(refused.kind(), PutErrorKind::ShutDown | PutErrorKind::TaskEnded));
        (self.on_answer)(answer);
        if ended { Err(FlushError) } else { Ok(()) }
    }
}

impl<F> fmt::Debug for RecordSink<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordSink")
            .field("producer", &self.producer)
            .field("holds_a_record", &self.waiting.is_some())
            .finish_non_exhaustive()
    }
}
