//! Records that are given up: those that the application skips, and those that the handler has named.

use crate::consumer::backlog::Delivery;
use crate::consumer::shard_consumer::{Interrupted, ShardConsumer};
use crate::consumer::skip::{SkipError, SkipRequest, Skips};
use crate::consumer::state::{Failing, GivesUp, Phase, Reaction, Trouble};
use crate::processor::handler_error::HandlerError;

impl ShardConsumer {
    /// Begins to pass over the records on which the handler fails, or reads on behind a possible loss.
    pub(super) fn begin_skip(&mut self, request: SkipRequest) {
        let loss = self.accept_the_possible_loss();
        let failing = self.failing.clone().filter(|_| self.state.trouble() != Trouble::None);
        if loss.is_none() && failing.is_none() && self.skips.answers.is_empty() {
            // A caller that no longer waits has dropped its end.
            drop(request.answer.send(Err(SkipError::NothingFails)));
            return;
        }
        self.skips.answers.push(request.answer);
        self.skips.skipped.possible_loss = loss.or(self.skips.skipped.possible_loss.take());
        match failing.map(|failing| self.state.skip(&failing)) {
            Some(Reaction::Skip) => self.skip_the_failing_records(),
            Some(
                Reaction::Isolate | Reaction::Again | Reaction::Halted | Reaction::StillHalted | Reaction::DeadLetter,
            )
            | None => {}
        }
    }

    /// Tells what was skipped, once nothing is left to find.
    pub(super) fn answer_skips(&mut self) {
        if self.skips.answers.is_empty() || (self.state.is_skipping() && self.state.phase() == Phase::Reading) {
            return;
        }
        let Skips { skipped, answers } = std::mem::take(&mut self.skips);
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
        let records = self.backlog.next(1, &position);
        let records = records.map(|Delivery { records, .. }| records).unwrap_or_default();
        self.backlog.failed();
        let is_there = records.first().is_some_and(|record| *record.position() == named);
        if !is_there {
            // It was trimmed, and the reader has told so.
            self.state.on_success(Some(&named));
            return Ok(true);
        }
        self.failing = Some(Failing {
            count: 1,
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
