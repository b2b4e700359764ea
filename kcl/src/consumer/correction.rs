//! A checkpoint that the service refuses, until somebody has corrected its row.

use crate::consumer::shard_consumer::{ConsumerEnd, Interrupted, ShardConsumer};
use crate::event::ShardEvent;
use crate::lease::item::Row;
use crate::lease::lost::LeaseLost;
use crate::shard_sync::end_evidence::Hold;

impl ShardConsumer {
    /// Looks whether somebody has changed the checkpoint in the row since this worker read it, while the service refuses it.
    /// A row that cannot be read is looked at again later.
    pub(super) async fn look_for_a_correction(&mut self, hold: Hold) -> Result<(), Interrupted> {
        if hold != Hold::PositionRefused {
            return Ok(());
        }
        let found = match self.parts.table.get(&self.lease.key).await {
            Ok(Some(Row::Lease(row))) => row.checkpoint,
            Ok(Some(Row::Hole(_) | Row::Foreign(..)) | None) | Err(_) => None,
        };
        match found.filter(|found| *found != self.checkpointer.last()) {
            Some(checkpoint) => {
                ShardEvent::CheckpointCorrected {
                    checkpoint: checkpoint.to_string(),
                }
                .emit(&self.shard);
                Err(Interrupted::CheckpointCorrected)
            }
            None => Ok(()),
        }
    }

    /// Gives the lease up without another checkpoint: whoever takes it, this worker perhaps, begins at the corrected one.
    pub(super) async fn leave_for_a_correction(mut self) -> ConsumerEnd {
        self.stop_reading();
        self.lease_is_lost(LeaseLost::GivenUp).await
    }
}
