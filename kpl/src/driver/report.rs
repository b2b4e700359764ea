//! What the driver tells of its work: to the log, the statistics and the metrics.

use std::time::{Duration, Instant};

use super::Driver;
use crate::event::Event;
use crate::pipeline::{Answer, CallFailure, EntryAnswer};

impl Driver {
    /// Tells the statistics and the metrics what is new.
    pub(super) fn publish(&mut self, now: Instant) {
        self.publish_stats(now);
        let observers = &mut self.pipeline.observers;
        if observers.tally.wants_pending(now) {
            observers.tally.look_at_pending(self.shared.outstanding().records, now);
        }
        self.meter.record(&mut observers.tally);
    }

    pub(super) fn publish_stats(&mut self, now: Instant) {
        let load = self.pipeline.load();
        let ledger = &mut self.pipeline.observers.ledger;
        self.shared.board.publish(ledger, load, now);
    }
}

/// Writes to the log how a request ended.
pub(super) fn report_answer(answer: &Answer, entries: usize, took: Duration, stream: &str) {
    match answer {
        Answer::Failed(CallFailure { code, message, .. }) => {
            Event::RequestFailed { code, message, entries }.emit(stream);
        }
        Answer::Entries { entries: answers, .. } => {
            let refused = answers
                .iter()
                .filter(|answer| matches!(answer, EntryAnswer::Refused { .. }))
                .count();
            Event::RequestAnswered { entries, refused, took }.emit(stream);
        }
    }
}
