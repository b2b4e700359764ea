//! Records that are given up: those that the application skips, and those that the handler has named.

use crate::checkpoint::position::Position;
use crate::consumer::shard_consumer::{Interrupted, ShardConsumer};
use crate::consumer::skip::{SkipError, SkipRequest, Skips};
use crate::consumer::state::{Failing, GivesUp, Phase, Reaction};
use crate::lease::guard::Signal;
use crate::processor::handler_error::HandlerError;
use crate::record::Record;

impl ShardConsumer {
    /// Begins to pass over the records on which the handler fails, or reads on behind a possible loss.
    pub(super) fn begin_skip(&mut self, request: SkipRequest) {
        if self.check().is_err() {
            // The request is dropped, which tells that the lease is lost.
            return;
        }
        let loss = self.accept_the_possible_loss();
        let reaction = self.skip_what_fails();
        if loss.is_none() && reaction.is_none() && self.skips.answers.is_empty() {
            // A caller that no longer waits has dropped its end.
            drop(request.answer.send(Err(SkipError::NothingFails)));
            return;
        }
        self.skips.answers.push(request.answer);
        self.skips.skipped.possible_loss = loss.or(self.skips.skipped.possible_loss.take());
        match reaction {
            Some(Reaction::Skip) => self.skip_the_failing_records(),
            Some(
                Reaction::Isolate | Reaction::Again | Reaction::Halted | Reaction::StillHalted | Reaction::DeadLetter,
            )
            | None => {}
        }
    }

    /// Decides how the records are skipped on which the handler has failed and that it has not processed since. `None`: there
    /// are none.
    fn skip_what_fails(&mut self) -> Option<Reaction> {
        if self.state.is_skipping() {
            self.state.retry();
            return Some(Reaction::Isolate);
        }
        let position = self.position();
        let failing = self.failing.as_ref();
        match failing.filter(|failing| Position::At(failing.last.clone()) > position) {
            Some(failing) => Some(self.state.skip(failing)),
            None => self.state.take_over().then_some(Reaction::Isolate),
        }
    }

    /// Notes what is delivered while the application waits for a skip: a record that fails may take others with it.
    pub(super) fn note_skipping(&mut self, records: &[Record]) {
        if self.state.is_skipping() {
            let positions = records.iter().map(|record| record.position().clone());
            self.skips.note_delivered(positions);
        }
    }

    /// Ends a skip whose records cannot be delivered now: the shard is on hold.
    pub(super) fn end_skip(&mut self) {
        if self.state.is_skipping() {
            self.state.end_isolation();
        }
    }

    /// Ends a skip at the tip of the shard: its records were trimmed.
    pub(super) fn end_skip_at_the_tip(&mut self) {
        if self.state.is_skipping() {
            self.end_isolation();
        }
    }

    /// Forgets records that were trimmed: there is nothing left of them to give up.
    pub(super) fn end_isolation(&mut self) {
        self.state.end_isolation();
        self.failing = None;
    }

    /// Ends the isolation of records that were trimmed: one behind them comes next. Whether that was so.
    pub(super) fn has_passed_the_isolated(&mut self) -> bool {
        let position = self.position();
        let next = self.backlog.front(&position);
        let is_behind = next.is_some_and(|next| self.state.is_behind_the_isolated(next));
        if is_behind {
            self.end_isolation();
        }
        is_behind
    }

    /// Tells what was skipped, once nothing is left to find.
    pub(super) fn answer_skips(&mut self) {
        // On a lost lease the requests are dropped with the consumer.
        if matches!(self.heard.latest(&self.guard), Signal::Lost(_)) {
            return;
        }
        if self.skips.answers.is_empty() || (self.state.is_skipping() && self.state.phase() == Phase::Reading) {
            return;
        }
        let Skips { skipped, answers, .. } = std::mem::take(&mut self.skips);
        for answer in answers {
            drop(answer.send(Ok(skipped.clone())));
        }
    }

    /// Gives up the record that the handler has named, if it comes next. Whether that was so.
    pub(super) async fn give_up_the_named_one(&mut self) -> Result<bool, Interrupted> {
        let Some((named, gives_up)) = self.state.gives_up() else {
            return Ok(false);
        };
        let (named, position) = (named.clone(), self.position());
        if self.backlog.front(&position).is_none_or(|next| *next < named) {
            return Ok(false);
        }
        let records = self.backlog.look(1, &position);
        let is_there = records.first().is_some_and(|record| *record.position() == named);
        if !is_there {
            // It was trimmed, and the reader has told so.
            self.state.on_success(Some(&named));
            return Ok(true);
        }
        self.failing = Some(Failing {
            count: 1,
            first: Some(named.clone()),
            last: named.clone(),
            named: Some(named.clone()),
        });
        self.failing_records = vec![named];
        match gives_up {
            GivesUp::Skips => self.skip_the_failing_records(),
            GivesUp::DeadLetters => {
                let error = self
                    .given_up
                    .take()
                    .unwrap_or_else(|| HandlerError::new("the handler failed"));
                self.dead_letter(error, records).await?;
            }
        }
        Ok(true)
    }
}
