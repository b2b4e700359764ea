//! What the driver tells of its work: to the log, the statistics and the metrics.

use std::time::{Duration, Instant};

use service::{CallError, RangeFault};

use super::Driver;
use crate::foreign::contained;
use crate::observe::event::{CallFailed, Event};
use crate::pipeline::{Answer, EntryAnswer};

impl Driver {
    /// Tells the statistics and the metrics what is new.
    pub(super) fn publish(&mut self, now: Instant) {
        self.publish_stats(now);
        if self.pipeline.tally().wants_pending(now) {
            self.look_at_pending(self.shared.outstanding().records, now);
        }
        let tally = self.pipeline.tally_mut();
        contained(|| self.meter.record(tally)).unwrap_or_default();
    }

    /// So many records are outstanding.
    pub(super) fn look_at_pending(&mut self, outstanding: u64, now: Instant) {
        self.pipeline.tally_mut().look_at_pending(outstanding, now);
        let waiting = self.shared.waiting();
        contained(|| self.meter.show(outstanding, waiting)).unwrap_or_default();
    }

    pub(super) fn publish_stats(&mut self, now: Instant) {
        let load = self.pipeline.load();
        let tally = self.pipeline.tally_mut();
        self.shared.board.publish(tally, load, now);
    }

    /// Writes to the log how a request ended.
    pub(super) fn report_answer(&mut self, answer: &Answer, entries: usize, took: Duration, now: Instant) {
        match answer {
            Answer::Failed(failure) => self.report_failure("put-records", failure, now, |failed| {
                Event::RequestFailed { failed, entries }
            }),
            Answer::Entries { entries: answers, .. } => {
                let refused = answers
                    .iter()
                    .filter(|answer| matches!(answer, EntryAnswer::Refused(_)))
                    .count();
                self.emit(&Event::RequestAnswered { entries, refused, took });
            }
        }
    }

    /// Tells each fault in the ranges of shards once, as long as it lasts.
    pub(super) fn report_faults(&mut self, faults: &[RangeFault]) {
        for fault in faults.iter().filter(|fault| !self.told_faults.contains(fault)) {
            self.emit(&Event::ShardRangeFault(fault));
        }
        self.told_faults = faults.to_vec();
    }

    /// Logs a failed call: at `warn`, or at `debug` if the same failure was logged in the last ten seconds.
    pub(super) fn report_failure<'a>(
        &mut self,
        call: &'static str,
        CallError { code, message, .. }: &'a CallError,
        now: Instant,
        event: impl FnOnce(CallFailed<'a>) -> Event<'a>,
    ) {
        let repeated = self.repeats.note(call, code, now);
        self.emit(&event(CallFailed {
            code,
            message,
            repeated,
        }));
    }
}
