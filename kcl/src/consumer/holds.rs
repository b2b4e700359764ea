//! What ends a hold: somebody has corrected the row of a refused checkpoint, or the application accepts a possible loss.

use crate::checkpoint::position::SequenceNumber;
use crate::consumer::shard_consumer::{ConsumerEnd, Interrupted, ShardConsumer};
use crate::event::ShardEvent;
use crate::lease::item::Row;
use crate::lease::lost::LeaseLost;
use crate::retrieval::loss::{Idle, OnPossibleLoss, PossibleLoss};
use crate::retrieval::polling::{KnownLoss, Losses};
use crate::retrieval::source::Page;
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
        let oldest = loss.oldest.clone();
        self.ports.board.possible_loss(loss);
        match self.parts.config.on_possible_loss {
            OnPossibleLoss::Report => self.losses = self.known_loss(oldest),
            OnPossibleLoss::Halt => {
                self.on_hold = Some(Hold::PossibleLoss);
                self.end_skip();
            }
        }
    }

    /// What was missing behind the present position was reported, and ends with the record `oldest`. What is trimmed from now on
    /// is still to be reported, and so is what is missing behind a later position.
    fn known_loss(&self, oldest: Option<SequenceNumber>) -> Losses {
        let at = Idle {
            at: self.parts.table.service_time().unwrap_or(self.parts.calls.wall_clock()),
            since: Some(self.parts.clock.now()),
        };
        Losses::Known {
            behind: self.position(),
            loss: KnownLoss { oldest, at },
        }
    }

    /// After a loss of everything: the first record that comes is the oldest one.
    pub(super) fn note_the_oldest(&mut self, page: &Page) {
        match &mut self.losses {
            Losses::Known { loss, .. } if loss.oldest.is_none() => {
                loss.oldest = page.records.first().map(|first| first.sequence_number.clone());
            }
            Losses::Known { .. } | Losses::Sought => {}
        }
    }

    /// Reads on although records may be missing, as the application asks. Returns which ones, if the shard was on hold for that.
    pub(super) fn accept_the_possible_loss(&mut self) -> Option<PossibleLoss> {
        if self.on_hold != Some(Hold::PossibleLoss) {
            return None;
        }
        let loss = self.ports.board.status().possible_loss;
        let oldest = loss.as_ref().and_then(|loss| loss.oldest.clone());
        (self.on_hold, self.losses) = (None, self.known_loss(oldest));
        loss
    }

    /// Gives the lease up without another checkpoint: the worker that takes it next, perhaps this one, begins at the corrected checkpoint.
    pub(super) async fn leave_for_a_correction(&mut self) -> ConsumerEnd {
        self.stop_reading();
        self.lease_is_lost(LeaseLost::GivenUp).await
    }
}
