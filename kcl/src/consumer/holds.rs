//! What ends a hold: somebody has corrected the row of a refused checkpoint, or the application accepts a possible loss.

use crate::consumer::shard_consumer::{ConsumerEnd, Interrupted, ShardConsumer};
use crate::event::ShardEvent;
use crate::lease::item::Row;
use crate::lease::lost::LeaseLost;
use crate::retrieval::loss::{OnPossibleLoss, PossibleLoss};
use crate::retrieval::polling::Losses;
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
                self.observer.tell(ShardEvent::CheckpointCorrected { checkpoint });
                Err(Interrupted::CheckpointCorrected)
            }
            None => Ok(()),
        }
    }

    /// Reports that records may be missing, and holds the shard if the application has chosen so.
    pub(super) fn on_possible_loss(&mut self, loss: PossibleLoss) {
        self.observer.tell(ShardEvent::PossibleLoss { loss: loss.clone() });
        self.ports.board.possible_loss(loss);
        match self.parts.config.on_possible_loss {
            OnPossibleLoss::Report => self.losses = self.known_losses(),
            OnPossibleLoss::Halt => self.on_hold = Some(Hold::PossibleLoss),
        }
    }

    /// Losses behind the present position were reported; those behind a later one are still to be.
    fn known_losses(&self) -> Losses {
        let behind = self.position();
        Losses::Known { behind }
    }

    /// Reads on although records may be missing, as the application asks.
    pub(super) fn accept_the_possible_loss(&mut self) {
        if self.on_hold == Some(Hold::PossibleLoss) {
            (self.on_hold, self.losses) = (None, self.known_losses());
        }
    }

    /// Gives the lease up without another checkpoint: the worker that takes it next, perhaps this one, begins at the corrected checkpoint.
    pub(super) async fn leave_for_a_correction(&mut self) -> ConsumerEnd {
        self.stop_reading();
        self.lease_is_lost(LeaseLost::GivenUp).await
    }
}
