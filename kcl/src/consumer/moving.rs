//! A seek: the application moves the reading of a shard to another place, through the lease.
//!
//! ```text
//!  find the place in the stream ─► let the processor finish ─► one write: the new checkpoint, and no owner
//!                                                                 │
//!                                                                 ▼
//!                              the next owner, most often this worker, begins there with a new fencing token
//! ```
//!
//! The write ends the ownership, so no checkpoint of the earlier run can follow it, and the earlier run's fencing token is
//! smaller than that of the next one. The row gets plain checkpoints, which a Java KCL reads as well.

use tokio::sync::oneshot;

use crate::calls::ReadFrom;
use crate::checkpoint::position::{Position, RecordPosition};
use crate::consumer::seek::{SeekError, SeekRequest, SeekTo};
use crate::consumer::shard_consumer::{ConsumerEnd, ShardConsumer};
use crate::consumer::shard_end::Ending;
use crate::consumer::state::Phase;
use crate::event::ShardEvent;
use crate::retrieval::predecessor::{Place, Search, SearchConfig};
use crate::shard_sync::end_evidence::Hold;

/// A seek whose place is found.
#[derive(Debug)]
pub(super) struct Found {
    /// The checkpoint for the row.
    checkpoint: Position,
    answer: oneshot::Sender<Result<(), SeekError>>,
}

impl ShardConsumer {
    /// Looks where a seek leads that is asked for, if one is. A refused one is answered at once.
    pub(super) async fn find_seek(&mut self) -> Option<Found> {
        let SeekRequest { to, mut answer } = self.seek.take()?;
        self.check().ok()?;
        let guard = self.guard.clone();
        let checkpoint = tokio::select! {
            biased;
            signal = guard.interrupted() => {
                self.heard.hear(signal);
                return None;
            }
            () = answer.closed() => return None,
            found = self.checkpoint_for(to) => found,
        };
        match checkpoint {
            Ok(checkpoint) => Some(Found { checkpoint, answer }),
            Err(error) => {
                // A caller that no longer waits has dropped its end.
                drop(answer.send(Err(error)));
                None
            }
        }
    }

    /// The checkpoint that makes a reader begin there.
    async fn checkpoint_for(&mut self, to: SeekTo) -> Result<Position, SeekError> {
        if self.state.phase() == Phase::Ended || self.ending == Ending::Told {
            return Err(SeekError::Ended);
        }
        if matches!(self.on_hold, Some(Hold::StreamCreatedAgain | Hold::BeginsAnew)) {
            return Err(SeekError::FormerStream);
        }
        // The service allows few reads of a shard: those of the search are made in the place of the source's.
        self.stop_reading();
        let mut search = self.search();
        match to {
            SeekTo::TrimHorizon => Ok(Position::TrimHorizon),
            SeekTo::Latest => Ok(Position::Latest),
            SeekTo::AtTimestamp(time) => {
                search.check(ReadFrom::Time(time)).await?;
                Ok(search.checkpoint_before(&Place::Time(time)).await?)
            }
            SeekTo::After(record) => {
                search.check(ReadFrom::At(record.sequence_number.clone())).await?;
                Ok(Position::At(record))
            }
            SeekTo::At(record) => {
                search.check(ReadFrom::At(record.sequence_number.clone())).await?;
                match record.sub_sequence_number.checked_sub(1) {
                    Some(sub_sequence_number) => Ok(Position::At(RecordPosition {
                        sub_sequence_number,
                        ..record
                    })),
                    None => Ok(search.checkpoint_before(&Place::Record(record.sequence_number)).await?),
                }
            }
        }
    }

    fn search(&mut self) -> Search {
        let now = self.parts.table.service_time();
        let config = SearchConfig {
            shard: self.shard.clone(),
            max_records: self.parts.config.max_records,
            read_share: self.parts.config.read_share,
            now: now.unwrap_or_else(|| self.parts.calls.wall_clock()),
            clock: self.parts.clock.clone(),
            rng: self.rng.fork(),
        };
        Search::new(self.parts.calls.clone(), self.parts.budget.account(), config)
    }

    /// Lets the processor finish, and gives the lease up at the checkpoint that was found.
    pub(super) async fn leave_for_a_seek(&mut self, found: Found) -> ConsumerEnd {
        let Found { checkpoint, answer } = found;
        self.stop_reading();
        if let Err(end) = self.finish_processor().await {
            return self.lease_is_lost(end.into()).await;
        }
        let from = self.checkpointer.last();
        match self.parts.renewer.leave_at(&self.ownership, checkpoint.clone()).await {
            Ok(()) => {
                self.observer.tell(ShardEvent::Moved { from, to: checkpoint });
                drop(answer.send(Ok(())));
                ConsumerEnd::Moved
            }
            Err(_) => ConsumerEnd::LeaseLost,
        }
    }
}
