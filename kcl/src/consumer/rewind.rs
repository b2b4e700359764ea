//! Failures that adapters tell late: of records that they took in earlier calls, which are then read again.

use crate::checkpoint::position::{Position, RecordPosition};
use crate::consumer::shard_consumer::ShardConsumer;
use crate::consumer::state::Failing;
use crate::processor::handler_error::{About, HandlerError};
use crate::record::Record;

/// Records that are delivered again, up to where a call has failed. Until there is a proof, a call that succeeds proves nothing.
#[derive(Debug)]
pub(super) struct Replay {
    up_to: Position,
    /// The last of them that the adapter had taken.
    taken: Position,
    /// The checkpoint at the failure. A later one is progress.
    checkpoint: Position,
    /// The first record behind that checkpoint, once it was delivered again.
    first: Option<RecordPosition>,
    proof: Proof,
}

/// What shows that a failure is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// A call that succeeds as far as the one that has failed, or progress: the record that failed is processed again.
    Success,
    /// Progress alone: a task that takes records may still fail on them later.
    Progress,
}

impl Replay {
    /// The records that the failure may be about, whose number is not known.
    pub(super) fn failing(&self) -> Option<Failing> {
        match &self.taken {
            Position::At(last) => Some(Failing {
                count: 0,
                first: None,
                last: last.clone(),
                named: None,
            }),
            Position::AtTimestamp | Position::TrimHorizon | Position::Latest | Position::ShardEnd => None,
        }
    }
}

impl ShardConsumer {
    /// After a failed call that came as far as `up_to`: goes back to where the adapter wants to begin again, and returns the
    /// records that have failed, as far as it knows them. `None` for a call that failed on its own records.
    pub(super) fn rewind(&mut self, error: &HandlerError, up_to: Position) -> Option<Vec<Record>> {
        let record = match error.about() {
            About::Record(record) => Some(Record::clone(record)),
            About::Call | About::WholeCall | About::Unknown => None,
        };
        let processed = self.checkpointer.processed_up_to();
        let goes_back = processed < self.done;
        if goes_back {
            let done = std::mem::replace(&mut self.done, processed);
            self.checkpointer.failed();
            self.stop_reading();
            let failed_at = record.as_ref().map(|record| Position::At(record.position().clone()));
            let up_to = failed_at.unwrap_or(up_to);
            let (taken, proof) = match error.about() {
                About::Record(_) => (up_to.clone(), Proof::Success),
                About::Call | About::WholeCall => (up_to.clone(), Proof::Progress),
                // No task has taken the records of this call.
                About::Unknown => (done, Proof::Progress),
            };
            if !self.state.is_skipping() {
                self.skips.forget_delivered();
            }
            let checkpoint = self.checkpointer.reached();
            let before = self.replay.take().filter(|before| before.checkpoint == checkpoint);
            self.replay = Some(Replay {
                up_to,
                taken,
                checkpoint,
                first: before.and_then(|before| before.first),
                proof,
            });
        }
        if matches!(error.about(), About::Call | About::WholeCall) && !goes_back {
            return None;
        }
        self.backlog.failed();
        let before = self.failing.as_ref().map(|failing| &failing.last);
        let is_another = |record: &Record| before.is_some_and(|last| last != record.position());
        if record.as_ref().is_some_and(is_another) {
            // The record that failed before is done, and each has all of its attempts.
            self.state.on_progress();
        }
        Some(record.into_iter().collect())
    }

    /// Notes what is delivered again.
    pub(super) fn note_replayed(&mut self, records: &[Record]) {
        let Some(replay) = &mut self.replay else { return };
        if let Some(first) = records.first() {
            replay.first.get_or_insert_with(|| first.position().clone());
        }
        let positions = records.iter().map(|record| record.position().clone());
        let were_taken = positions.take_while(|record| Position::At(record.clone()) <= replay.taken);
        self.skips.note_delivered(were_taken);
    }

    /// Where a failure lies whose records are not known: the one that the error names, if the failed task had taken it, or the
    /// first record that is not checkpointed.
    pub(super) fn unproven_position<'a>(&'a self, error: &'a HandlerError) -> Option<&'a RecordPosition> {
        let replay = self.replay.as_ref()?;
        let reached = self.checkpointer.reached();
        let was_taken = |named: &&RecordPosition| {
            let named = Position::At((*named).clone());
            reached < named && named <= replay.taken
        };
        error.position().filter(was_taken).or(replay.first.as_ref())
    }

    /// Whether a call that succeeded counts, as far as `last` if it had records: not while it only repeats what was done before
    /// the failure.
    pub(super) fn has_caught_up(&mut self, last: Option<&RecordPosition>) -> bool {
        let last = last.map(|last| Position::At(last.clone()));
        let is_behind = self.replay.as_ref().is_some_and(|replay| {
            let repeats = match replay.proof {
                Proof::Success => last.is_none_or(|last| last < replay.up_to),
                Proof::Progress => true,
            };
            repeats && self.checkpointer.reached() <= replay.checkpoint
        });
        if !is_behind {
            self.replay = None;
        }
        !is_behind
    }
}
