//! What an application asks for when it skips the records on which its handler fails, and what it is told.

use tokio::sync::oneshot;

use crate::checkpoint::position::{Position, RecordPosition};
use crate::retrieval::loss::PossibleLoss;

/// What a [`WorkerControl::skip`](crate::WorkerControl::skip) has given up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// The records that were passed over, in the order of the shard. With a [`ShardStream`](crate::ShardStream) they are the
    /// record that failed and those in front of it that the task had taken and not checkpointed, done or not.
    ///
    /// Empty if no call has failed on a record alone: the handler has processed them after all, or has taken them to fail later,
    /// as a task of a [`ShardStream`](crate::ShardStream) can; or they were trimmed, or sent to the dead-letter sink. It is also
    /// empty if the shard has halted again, or is on hold, before one was found: see its
    /// [`ShardStatus::state`](crate::ShardStatus::state).
    pub records: Vec<RecordPosition>,
    /// The last record that was passed over with others, of which nobody knows how many there were. They are not among `records`.
    /// This takes a [`ShardStream`](crate::ShardStream) and an [`ErrorPolicy`](crate::ErrorPolicy) for whole batches.
    pub up_to: Option<RecordPosition>,
    /// The shard was on hold for this possible loss, and is read on behind it.
    pub possible_loss: Option<PossibleLoss>,
}

/// Why nothing was skipped, or why it is not known what was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SkipError {
    /// This worker does not hold the lease of the shard: ask the worker that does.
    #[error("this worker does not hold the shard's lease")]
    NotHeld,
    /// The handler of the shard has not failed on records since its last success, the policy does not look for those that fail,
    /// and the shard is not on hold for a possible loss.
    #[error("there is nothing to skip: the handler of the shard does not fail on records")]
    NothingFails,
    /// The lease was lost, or the worker ended, before the skip was done. What was skipped until then was told by events.
    #[error("the lease was lost before the skip was done; the events tell what was skipped until then")]
    LeaseLost,
}

/// A request to skip, and who waits for it.
#[derive(Debug)]
pub(crate) struct SkipRequest {
    pub(crate) answer: oneshot::Sender<Result<Skipped, SkipError>>,
}

/// The skips that are asked for and not done.
#[derive(Debug, Default)]
pub(super) struct Skips {
    pub(super) skipped: Skipped,
    /// The records that were delivered since, and those that a failed task had taken and that come again.
    pub(super) delivered: Vec<RecordPosition>,
    pub(super) answers: Vec<oneshot::Sender<Result<Skipped, SkipError>>>,
}

impl Skips {
    /// Notes records that are delivered.
    pub(super) fn note_delivered(&mut self, records: impl Iterator<Item = RecordPosition>) {
        self.delivered.extend(records);
    }

    /// Forgets them: they come again.
    pub(super) fn forget_delivered(&mut self) {
        self.delivered.clear();
    }

    /// The records behind `done`, up to `last`, that were delivered since the application asked.
    pub(super) fn delivered_behind(&mut self, done: &Position, last: &RecordPosition) -> Vec<RecordPosition> {
        let is_open = |record: &RecordPosition| record <= last && Position::At(record.clone()) > *done;
        let mut open: Vec<_> = std::mem::take(&mut self.delivered)
            .into_iter()
            .filter(is_open)
            .collect();
        // A replay delivers a record again.
        open.sort();
        open.dedup();
        open
    }

    /// Notes what was passed over.
    pub(super) fn note(&mut self, last: &RecordPosition, records: Vec<RecordPosition>) {
        if self.answers.is_empty() {
            return;
        }
        if records.is_empty() {
            self.skipped.up_to = Some(last.clone());
        }
        self.skipped.records.extend(records);
    }
}
