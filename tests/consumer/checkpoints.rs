//! Checkpoints that are given up, refused or late.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl::{Batch, Checkpointer, HandlerError, RecordProcessor, ShardContext, Worker};
use testkit::Service;
use testkit::sim::{Fault, Sim};
use tokio::time::timeout;

use super::MINUTE;
use crate::fleet::{APPLICATION, STREAM, put, start, stream};

/// Gives a checkpoint of its first batch up after a second, then checkpoints at the first record of that batch.
struct Impatient {
    table_hangs: Arc<AtomicBool>,
    later: Arc<Mutex<Vec<Result<(), kcl::CheckpointError>>>>,
}

impl RecordProcessor for Impatient {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.table_hangs.store(true, Ordering::SeqCst);
        let given_up = timeout(Duration::from_secs(1), checkpointer.checkpoint()).await;
        assert!(given_up.is_err(), "the table hangs");
        self.table_hangs.store(false, Ordering::SeqCst);
        let first = batch.records.first().ok_or("no record")?;
        let later = checkpointer.checkpoint_at(first).await;
        self.later.lock().unwrap().push(later);
        Ok(())
    }
}

fn impatient(sim: &Sim, table_hangs: &Arc<AtomicBool>) -> Arc<Mutex<Vec<Result<(), kcl::CheckpointError>>>> {
    let later = Arc::default();
    let processor = (Arc::clone(table_hangs), Arc::clone(&later));
    let worker = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .worker_id("w1")
        .seed(1)
        .processor(move |_: &ShardContext| Impatient {
            table_hangs: Arc::clone(&processor.0),
            later: Arc::clone(&processor.1),
        });
    drop(start(worker));
    later
}

#[tokio::test(start_paused = true)]
async fn after_a_checkpoint_that_was_given_up_an_earlier_record_may_be_checkpointed() {
    let (sim, producer) = stream(1);
    put(&producer, 0..20).await;
    let table_hangs = Arc::new(AtomicBool::new(false));
    let hangs = Arc::clone(&table_hangs);
    sim.faults(move |call| match (call.service, hangs.load(Ordering::SeqCst)) {
        (Service::DynamoDb, true) => Fault::RequestHangs,
        _ => Fault::None,
    });
    let later = impatient(&sim, &table_hangs);
    assert!(sim.until(MINUTE, || !later.lock().unwrap().is_empty()).await);
    assert_eq!(later.lock().unwrap()[0], Ok(()));
}
