//! The memory of records that were read stays inside the read budget, and no shard starves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl::{Batch, Checkpointer, HandlerError, RecordProcessor, ShardContext, Worker};
use kpl::Record;

use super::MINUTE;
use crate::fleet::{APPLICATION, STREAM, put_all, start, stream};

const KIB: usize = 1024;

/// Batches that the handlers keep, by shard.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, Vec<Batch>>>>);

impl Kept {
    fn bytes(&self) -> usize {
        let kept = self.0.lock().unwrap();
        let records = kept.values().flatten().flat_map(|batch| &batch.records);
        records
            .map(|record| record.data().len() + record.partition_key().len())
            .sum()
    }

    fn shards(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Drops all batches, and returns how many records they had.
    fn release(&self) -> usize {
        let kept = std::mem::take(&mut *self.0.lock().unwrap());
        kept.values().flatten().map(|batch| batch.records.len()).sum()
    }
}

struct Keeper {
    kept: Kept,
    shard: String,
}

impl RecordProcessor for Keeper {
    async fn process(&mut self, batch: Batch, _: &Checkpointer) -> Result<(), HandlerError> {
        let mut kept = self.kept.0.lock().unwrap();
        kept.entry(self.shard.clone()).or_default().push(batch);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn slow_handlers_keep_the_pages_in_memory_within_the_read_budget() {
    const SHARDS: usize = 4;
    const BUDGET: usize = 512 * KIB;
    let (sim, producer) = stream(SHARDS);
    let records = (0..300).map(|n| Record::new(format!("key-{n}"), vec![7; 10 * KIB]));
    put_all(&producer, records).await;
    let kept = Kept::default();
    let keeping = kept.clone();
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .read_budget(BUDGET as u64)
        .processor(move |shard: &ShardContext| Keeper {
            kept: keeping.clone(),
            shard: shard.shard_id().to_string(),
        });
    let (_control, _running) = start(builder);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(kept.shards(), SHARDS, "each shard may read something");
    // A reply may be larger than its grant by less than one aggregate.
    let bound = BUDGET + SHARDS * (64 + 51) * KIB;
    assert!((BUDGET / 2..=bound).contains(&kept.bytes()), "{}", kept.bytes());
    let mut all = 0;
    for _ in 0..60 {
        all += kept.release();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(kept.bytes() <= bound, "{}", kept.bytes());
    }
    assert_eq!(all + kept.release(), 300);
}
