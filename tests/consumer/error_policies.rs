//! What becomes of a record on which the handler always fails, under each policy (C5).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use kcl::{
    Batch, Checkpointer, DeadLetter, ErrorPolicy, HandlerError, RecordProcessor, ShardContext, ShardState, Worker,
};
use kpl::{Producer, Record};
use testkit::sim::Sim;

use super::MINUTE;
use super::lease_table::lease_rows;
use crate::fleet::{APPLICATION, STREAM, start, stream};

const RECORDS: usize = 1_000;
const POISON: &str = "500";

/// What was processed, each record once in the order of the first time.
type Processed = Arc<Mutex<Vec<String>>>;

/// Fails on one record.
struct Picky {
    processed: Processed,
    error: fn(&'static str) -> HandlerError,
}

impl RecordProcessor for Picky {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        for record in &batch.records {
            let text = String::from_utf8_lossy(record.data()).into_owned();
            if text == POISON {
                return Err((self.error)("cannot read this record"));
            }
            let mut processed = self.processed.lock().unwrap();
            if !processed.contains(&text) {
                processed.push(text);
            }
        }
        Ok(checkpointer.checkpoint().await?)
    }
}

struct Run {
    control: kcl::WorkerControl,
    processed: Processed,
    sim: Sim,
    _producer: Producer,
}

impl Run {
    /// A shard with a thousand records, and a worker that fails on one of them, ten minutes later.
    async fn under(policy: ErrorPolicy, error: fn(&'static str) -> HandlerError) -> Self {
        let (sim, producer) = stream(1);
        for n in 0..RECORDS {
            // One after the other, so that they are stored in their order.
            let receipt = producer.put(Record::new("key", n.to_string())).await.unwrap();
            if n % 100 == 99 {
                receipt.await.unwrap();
            }
        }
        producer.flush().await.unwrap();
        let processed = Processed::default();
        let processing = Arc::clone(&processed);
        let builder = Worker::builder(APPLICATION, STREAM)
            .aws(&sim.client("w1"))
            .seed(1)
            .error_policy(policy)
            .processor(move |_: &ShardContext| Picky {
                processed: Arc::clone(&processing),
                error,
            });
        let (control, _running) = start(builder);
        tokio::time::sleep(10 * MINUTE).await;
        Self {
            control,
            processed,
            sim,
            _producer: producer,
        }
    }

    fn processed(&self) -> BTreeSet<String> {
        self.processed.lock().unwrap().iter().cloned().collect()
    }

    fn state(&self) -> ShardState {
        self.control.shards()[0].state.clone()
    }

    async fn checkpoint_is_at_the_last_record(&self) -> bool {
        let status = &self.control.shards()[0];
        let row = lease_rows(&self.sim).await[0]["checkpoint"].clone();
        row == AttributeValue::S(status.checkpoint.checkpoint_text().into()) && self.processed().contains("999")
    }
}

fn all_but_the_poison() -> BTreeSet<String> {
    (0..RECORDS).map(|n| n.to_string()).filter(|n| n != POISON).collect()
}

#[tokio::test(start_paused = true)]
async fn by_default_the_shard_halts_in_front_of_the_record() {
    let run = Run::under(ErrorPolicy::default(), HandlerError::new).await;
    assert!(matches!(run.state(), ShardState::Halted { .. }));
    assert!(run.processed().iter().all(|n| n.parse::<usize>().unwrap() < 500));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_skips_passes_over_the_one_record_and_checkpoints_behind_it() {
    let run = Run::under(ErrorPolicy::skip(), HandlerError::new).await;
    assert_eq!(run.processed(), all_but_the_poison());
    assert_eq!(run.state(), ShardState::Reading);
    assert!(run.checkpoint_is_at_the_last_record().await);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_has_the_record_its_place_the_attempts_and_the_error() {
    let letters = Arc::new(Mutex::new(Vec::<DeadLetter>::new()));
    let kept = Arc::clone(&letters);
    let sink = move |letter| {
        let kept = Arc::clone(&kept);
        async move {
            kept.lock().unwrap().push(letter);
            Ok(())
        }
    };
    let run = Run::under(ErrorPolicy::dead_letter(sink), HandlerError::new).await;
    assert_eq!(run.processed(), all_but_the_poison());
    assert!(run.checkpoint_is_at_the_last_record().await);
    let letters = letters.lock().unwrap();
    let [letter] = letters.as_slice() else {
        panic!("{} letters", letters.len())
    };
    assert_eq!(letter.records.len(), 1);
    assert_eq!(letter.records[0].data().as_ref(), POISON.as_bytes());
    assert_eq!(letter.shard, run.control.shards()[0].shard);
    assert!(letter.attempts >= 8, "{}", letter.attempts);
    assert_eq!(letter.error.to_string(), "cannot read this record");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_fails_passes_over_nothing_and_halts_the_shard() {
    let sink = |_: DeadLetter| async { Err(HandlerError::new("the queue is away")) };
    let run = Run::under(ErrorPolicy::dead_letter(sink), HandlerError::new).await;
    assert!(matches!(run.state(), ShardState::Halted { .. }));
    let status = run.control.shards().remove(0);
    assert_eq!(status.last_error.as_deref(), Some("the queue is away"));
    assert!(!run.processed().contains("999"));
}

#[tokio::test(start_paused = true)]
async fn a_fatal_error_halts_the_shard_without_more_attempts() {
    let run = Run::under(ErrorPolicy::skip(), HandlerError::fatal).await;
    // At once, and behind five minutes.
    assert_eq!(run.state(), ShardState::Halted { failures: 2 });
    assert!(!run.processed().contains("501"));
}
