//! What is done about a failed call to the application.

use std::sync::Arc;
use std::time::Duration;

use crate::checkpoint::position::{Position, RecordPosition};
use crate::consumer::application::Called;
use crate::consumer::shard_consumer::{Interrupted, ShardConsumer};
use crate::consumer::state::{Failing, Reaction, Trouble};
use crate::event::HandlerEvent;
use crate::processor::dead_letter::DeadLetter;
use crate::processor::handler_error::{About, HandlerError};
use crate::processor::simple::HandlerForm;
use crate::record::Record;

/// How long calls without records have to succeed after a failure of no record until it counts no more. A task that is begun
/// anew may need some time to fail again. Our choice.
const RUNS_ON: Duration = Duration::from_secs(60);

impl ShardConsumer {
    /// Notes a call that succeeded, and up to where its records are processed.
    pub(super) fn succeeded(&mut self, through: Option<&RecordPosition>) {
        self.state.on_success(through);
        (self.failing, self.runs_since) = (None, None);
        self.ports.board.error(None);
    }

    /// After a call without records that succeeded: whether no failure of the handler counts any more that no record has caused.
    pub(super) fn has_run_on(&mut self) -> bool {
        let now = self.parts.clock.now();
        let since = *self.runs_since.get_or_insert(now);
        let is_over = match self.state.trouble() {
            Trouble::None => true,
            Trouble::Retrying { .. } | Trouble::Halted { .. } => now >= since + RUNS_ON,
        };
        is_over && self.failing.is_none()
    }

    /// Tells of a failure that is no attempt.
    pub(super) fn tell_uncounted(&mut self, error: &HandlerError) {
        let text = self.application.text(error);
        self.tell_failed(text.clone(), None);
        // No record is to blame for it.
        self.ports.board.failing_at(None);
        self.ports.board.error(Some(text));
    }

    fn tell_failed(&mut self, error: String, position: Option<RecordPosition>) {
        self.runs_since = None;
        self.observer.tell(HandlerEvent::Failed {
            error,
            failures: self.state.attempts(),
            position,
            repeated: 0,
        });
    }

    /// Does about a failed call what the policy says. `records` are those that it was given and has not checkpointed.
    pub(super) async fn on_failure(&mut self, error: HandlerError, records: Vec<Record>) -> Result<(), Interrupted> {
        let now = self.parts.clock.now();
        // The lease is lost, or the table is away: nothing is wrong with the handler.
        let verdict = error.verdict().filter(|_| !error.is_of_the_table());
        let Some(verdict) = verdict.filter(|_| self.guard.is_valid()) else {
            self.tell_uncounted(&error);
            self.state.on_table_failure(now);
            return Ok(());
        };
        let named = error.is_about().filter(|named| is_among(named, &records));
        let told = error.position().filter(|told| is_among(told, &records));
        let position = told.or(records.first().map(Record::position));
        let position = position.or_else(|| self.unproven_position(&error)).cloned();
        let known = records.last().map(|last| Failing {
            count: records.len(),
            first: records.first().map(|first| first.position().clone()),
            last: last.position().clone(),
            named: named.cloned(),
        });
        let taken = known.clone().or_else(|| self.replay.as_ref()?.failing());
        let decided_by = match error.about() {
            About::Call | About::WholeCall | About::Record(_) if self.state.is_skipping() => &taken,
            // A failure of no record skips none.
            About::Call | About::WholeCall | About::Record(_) | About::Unknown => &known,
        };
        let reaction = self.state.on_failure(verdict, decided_by.as_ref(), now);
        let text = self.application.text(&error);
        self.tell_failed(text.clone(), position.clone());
        self.ports.board.error(Some(text));
        self.ports.board.failing_at(position.clone());
        self.failing = taken;
        self.failing_records = records.iter().map(|record| record.position().clone()).collect();
        match reaction {
            Reaction::Again => Ok(()),
            Reaction::Isolate => {
                self.given_up = Some(error);
                Ok(())
            }
            Reaction::Halted | Reaction::StillHalted => {
                self.halted(reaction, position);
                Ok(())
            }
            Reaction::Skip => {
                self.skip_the_failing_records();
                Ok(())
            }
            Reaction::DeadLetter => self.dead_letter(error, records).await,
        }
    }

    /// Passes over the records on which the handler failed last.
    pub(super) fn skip_the_failing_records(&mut self) {
        if let Some(Failing { last, .. }) = self.failing.take() {
            let mut records = std::mem::take(&mut self.failing_records);
            if records.is_empty() {
                let done = self.checkpointer.reached().max(self.checkpointer.passed_over_up_to());
                records = self.skips.delivered_behind(&done, &last);
            }
            self.observer.tell(HandlerEvent::Skipped {
                last: last.clone(),
                count: records.len(),
            });
            self.skips.note(&last, records);
            self.passed_over(last);
        }
    }

    /// A checkpoint may pass the records up to `last` now.
    fn passed_over(&mut self, last: RecordPosition) {
        self.checkpointer.passed_over(&last);
        if self.parts.config.form != HandlerForm::Processor {
            self.checkpointer.defer();
        }
        self.has_caught_up(Some(&last));
        self.succeeded(Some(&last));
        self.done = Position::At(last);
    }

    pub(super) async fn dead_letter(&mut self, error: HandlerError, records: Vec<Record>) -> Result<(), Interrupted> {
        let Some(sink) = self.parts.config.error_policy.sink().cloned() else {
            return Ok(());
        };
        let Some(last) = records.last().map(|record| record.position().clone()) else {
            return Ok(());
        };
        let count = records.len();
        let letter = DeadLetter {
            shard: self.shard.clone(),
            records,
            attempts: self.state.attempts(),
            error: Arc::new(error),
        };
        match self.application.call(sink.send(letter)).await {
            Called::Returned(Ok(())) => {
                self.observer.tell(HandlerEvent::DeadLettered {
                    last: last.clone(),
                    count,
                });
                self.passed_over(last);
                Ok(())
            }
            #[cfg(feature = "_simulation")]
            Called::Returned(Err(_)) if crate::planted_bugs::PlantedBug::IgnoreTheSink.is_planted() => {
                self.passed_over(last);
                Ok(())
            }
            Called::Returned(Err(error)) => {
                let text = self.application.text(&error);
                self.ports.board.error(Some(text.clone()));
                self.observer.tell(HandlerEvent::SinkFailed {
                    error: text,
                    repeated: 0,
                });
                let reaction = self.state.on_sink_failure(self.parts.clock.now());
                self.halted(reaction, Some(last));
                Ok(())
            }
            Called::Dropped => Err(Interrupted::CallDropped),
        }
    }

    /// Tells of a halt. Nothing is read while the shard is halted.
    fn halted(&mut self, reaction: Reaction, position: Option<RecordPosition>) {
        match reaction {
            Reaction::Halted | Reaction::StillHalted => {}
            Reaction::Again | Reaction::Isolate | Reaction::Skip | Reaction::DeadLetter => return,
        }
        let error = self.ports.board.status().last_error.unwrap_or_default();
        self.observer.tell(HandlerEvent::Halted {
            position,
            failures: self.state.attempts(),
            error,
        });
        self.stop_reading();
    }
}

fn is_among(named: &RecordPosition, records: &[Record]) -> bool {
    records.iter().any(|record| record.position() == named)
}
