//! Records sent into a sink: it is ready when there is room, answers for each of them, and stays open after a bad one.

use std::sync::{Arc, Mutex};

use futures::{FutureExt as _, SinkExt as _, StreamExt as _, stream};

use super::{SECOND, kinds, outage, producer, records, sim, stored};
use crate::budget::Budget;
use crate::error::{FlushError, PutError, PutErrorKind};
use crate::producer::{Producer, RecordSink};
use crate::receipt::Receipt;
use crate::record::Record;

/// The answers that a sink gave.
#[derive(Clone, Default)]
struct Answers(Arc<Mutex<Vec<Result<Receipt, PutError>>>>);

impl Answers {
    fn sink(&self, producer: &Producer) -> RecordSink<impl FnMut(Result<Receipt, PutError>) + use<>> {
        let answers = self.clone();
        producer.sink(move |answer| answers.0.lock().unwrap().push(answer))
    }

    fn take(&self) -> Vec<Result<Receipt, PutError>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_forwarded_into_the_producer_and_a_bad_record_does_not_end_it() {
    let (sim, answers) = (sim(), Answers::default());
    let producer = producer(&sim).budget(Budget::new(2_000, 10)).build().unwrap();
    let mut batch = records(0..100);
    batch.insert(50, Record::new("", "no key"));
    stream::iter(batch)
        .map(Ok)
        .forward(answers.sink(&producer))
        .await
        .unwrap();
    assert_eq!(stored(&sim), 100, "closing is a barrier");
    let kinds = kinds(answers.take()).await;
    assert_eq!(kinds.len(), 101);
    assert_eq!(kinds[50], Some(PutErrorKind::InvalidPartitionKey { chars: 0 }));
    assert_eq!(kinds.iter().flatten().count(), 1);
    assert!(
        producer.put(Record::new("k", "more")).await.is_ok(),
        "the producer stays open"
    );
}

#[tokio::test(start_paused = true)]
async fn a_sink_is_not_ready_while_its_record_waits_for_room() {
    let (sim, answers) = (sim(), Answers::default());
    let producer = producer(&sim).budget(Budget::new(1_000, 1)).build().unwrap();
    outage(&sim);
    let mut sink = answers.sink(&producer);
    sink.feed(Record::new("k", "1")).await.unwrap();
    sink.feed(Record::new("k", "2")).await.unwrap();
    let third = sink.feed(Record::new("k", "3"));
    assert!(tokio::time::timeout(60 * SECOND, third).await.is_err());
    assert_eq!(answers.0.lock().unwrap().len(), 1, "the second waits and is held");
    sim.heal();
    sink.flush().await.unwrap();
    assert_eq!(stored(&sim), 2, "the third never reached the sink");
    assert_eq!(kinds(answers.take()).await, [None, None]);
}

#[tokio::test(start_paused = true)]
async fn a_record_sent_to_a_sink_that_is_not_ready_comes_back() {
    let (sim, answers) = (sim(), Answers::default());
    let producer = producer(&sim).budget(Budget::new(1_000, 1)).build().unwrap();
    let mut sink = answers.sink(&producer);
    for n in ["1", "2", "3"] {
        sink.start_send_unpin(Record::new("k", n)).unwrap();
    }
    sink.close().await.unwrap();
    let kinds = kinds(answers.take()).await;
    assert_eq!(
        kinds,
        [None, Some(PutErrorKind::Full), None],
        "the second was held and came last"
    );
    assert_eq!(stored(&sim), 2);
}

#[tokio::test(start_paused = true)]
async fn a_flush_of_a_sink_covers_the_record_that_was_sent_after_another_flush_began() {
    let (sim, answers) = (sim(), Answers::default());
    let producer = producer(&sim).build().unwrap();
    let mut sink = answers.sink(&producer);
    sink.feed(Record::new("k", "1")).await.unwrap();
    assert!(sink.flush().now_or_never().is_none(), "begun and dropped");
    tokio::time::sleep(SECOND).await;
    sink.feed(Record::new("k", "2")).await.unwrap();
    sink.flush().await.unwrap();
    assert_eq!(stored(&sim), 2);
}

#[tokio::test(start_paused = true)]
async fn a_sink_of_a_producer_that_has_ended_says_so_and_gives_the_record_back() {
    let (sim, answers) = (sim(), Answers::default());
    let producer = producer(&sim).build().unwrap();
    let mut sink = answers.sink(&producer);
    producer.shutdown(SECOND).await;
    assert_eq!(sink.feed(Record::new("k", "late")).await, Err(FlushError));
    let refused = answers.take().remove(0).unwrap_err();
    assert_eq!(refused.into_record(), Record::new("k", "late"));
}
