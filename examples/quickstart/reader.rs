//! A record processor: this is how records are consumed.

use kcl::{Batch, Checkpointer, HandlerError, RecordProcessor, ShardContext, ShardId};
use tokio::sync::mpsc;

use crate::ledger::Identity;

/// Records that a worker read.
#[derive(Debug)]
pub(crate) struct Sighting {
    pub(crate) worker: usize,
    pub(crate) records: Vec<Identity>,
}

/// Reads one shard. The worker makes one of these for each shard that it comes to hold, and calls it with one batch at
/// a time, so there is nothing to lock.
#[derive(Debug)]
pub(crate) struct Reader {
    worker: usize,
    shard: ShardId,
    sightings: mpsc::Sender<Sighting>,
}

impl Reader {
    pub(crate) fn new(worker: usize, shard: &ShardContext, sightings: mpsc::Sender<Sighting>) -> Self {
        Self {
            worker,
            shard: shard.shard_id().clone(),
            sightings,
        }
    }
}

impl RecordProcessor for Reader {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        // 1. The work. Yours would use `record.data()`; this one only tells that it saw the record. Aggregates were
        //    taken apart already: each record is one that a producer put.
        let records = batch.records.iter().map(|record| Identity {
            shard: self.shard.clone(),
            position: record.position().clone(),
        });
        let records = records.collect();
        // When the work fails, return the error: the same records come again a little later, and none is skipped. When
        // it has to wait, as here for a full channel, wait: the worker reads ahead no further.
        self.sightings
            .send(Sighting {
                worker: self.worker,
                records,
            })
            .await?;

        // 2. The checkpoint, when the work is done and never before. Whoever reads this shard next begins behind it. A
        //    crash between the work and its checkpoint means that these records are processed twice: at least once is
        //    the promise, so make the work idempotent.
        checkpointer.checkpoint().await?;
        Ok(())
    }

    // The other methods have defaults that fit here. Note that `shard_ended`, after a split or merge, must checkpoint
    // before the shard's children are read, which its default does.
}
