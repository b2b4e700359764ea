//! Pure: what the consumer of one shard does next, and what it tells of itself.
//!
//! ```text
//!  WaitingForParents ─► Initializing ─► Reading ─► Ending ─► Ended
//!                            │             │          │
//!                            └──────┬──────┴──────────┘   a call to the application failed
//!                                   ▼
//!                    Retrying ─► … ─► Halted (a try each five minutes) ─► back, by a call that succeeds
//! ```
//!
//! What is delivered of a batch that keeps failing is its `isolation`.
//!
//! A pause holds back reading alone. A drain or the loss of the lease ends each of these states: [`Step::Leave`].

mod isolation;

use std::time::{Duration, Instant};

use service::{Jitter, RetryDelays};

use crate::checkpoint::position::RecordPosition;
use crate::consumer::status::Reading;
use crate::lease::guard::Signal;
use crate::processor::error_policy::{ErrorPolicy, Exhausted, Unit, Verdict};
pub(crate) use isolation::GivesUp;
use isolation::{Isolation, Naming, WantedBy};

/// The wait after the first failure of a handler, and the longest. Our choice: with the default of eight attempts a shard
/// halts after 62 to 123 s.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How often the handler of a halted shard is tried. Our choice.
pub(crate) const HALTED_RETRY: Duration = Duration::from_secs(5 * 60);

/// The state of one consumer.
#[derive(Debug)]
pub(crate) struct ConsumerState {
    phase: Phase,
    trouble: Trouble,
    /// Failures since the last success or progress.
    failures: u32,
    /// Those of them that are no attempts: up to the last fatal one.
    excused: u32,
    /// Failures since then of what the handler stands on: the lease table, the dead-letter sink.
    foreign_failures: u32,
    isolation: Isolation,
    naming: Naming,
    reading: Reading,
    policy: ErrorPolicy,
    delays: RetryDelays,
}

/// How far a consumer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    WaitingForParents,
    Initializing,
    Reading,
    Ending,
    Ended,
}

/// What keeps a consumer from its next call to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// The last call failed, and the next one is made at this time.
    Retrying {
        at: Instant,
    },
    /// The calls failed as often as the policy allows, or the handler asked for a halt.
    Halted {
        next_try: Instant,
        by: HaltedBy,
    },
}

/// Why a consumer is halted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HaltedBy {
    /// All attempts failed, so one more failure is enough to act.
    Attempts,
    /// The handler's error was fatal, so the attempts are still to come.
    Handler,
}

/// The records of a failed call that are not checkpointed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failing {
    /// 0: their number is not known.
    pub(crate) count: usize,
    /// `None`: it is not known.
    pub(crate) first: Option<RecordPosition>,
    pub(crate) last: RecordPosition,
    /// The one of them that has failed, if the handler's error names it.
    pub(crate) named: Option<RecordPosition>,
}

/// What a consumer does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Wait until the parents were read to their ends.
    WaitForParents,
    /// Call `initialize`.
    Initialize,
    /// Deliver the next records, or read more.
    Read(BatchSize),
    /// Lease the children, and call `shard_ended`.
    End,
    /// Do nothing until then, or until something happens.
    Wait { until: Option<Instant> },
    /// Stop, for the reason that the lease's signal gives.
    Leave,
}

/// How many records to deliver in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchSize {
    Configured,
    OneRecord,
}

/// What is done about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// The call is made again, after the wait that the state demands.
    Again,
    /// The shard has halted: this failure was the last that the policy allows.
    Halted,
    /// The shard stays halted: a later try has failed too.
    StillHalted,
    /// The records of the batch are delivered one by one, or those in front of the one that the handler has named.
    Isolate,
    /// The records are passed over.
    Skip,
    /// The records go to the dead-letter sink.
    DeadLetter,
}

impl ConsumerState {
    /// A consumer that has done nothing yet.
    pub(crate) fn new(phase: Phase, policy: ErrorPolicy, rng: fastrand::Rng) -> Self {
        Self {
            phase,
            trouble: Trouble::None,
            failures: 0,
            excused: 0,
            foreign_failures: 0,
            isolation: Isolation::Off,
            naming: Naming::default(),
            reading: Reading::Running,
            policy,
            delays: RetryDelays::new(WAITS, Jitter::Half, rng),
        }
    }

    /// What to do at this time, with a lease that gives this signal.
    pub(crate) fn step(&self, signal: &Signal, now: Instant) -> Step {
        match signal {
            Signal::Run => {}
            Signal::Drain(_) | Signal::Lost(_) => return Step::Leave,
        }
        match self.trouble {
            Trouble::Retrying { at: until } | Trouble::Halted { next_try: until, .. } if now < until => {
                return Step::Wait { until: Some(until) };
            }
            Trouble::None | Trouble::Retrying { .. } | Trouble::Halted { .. } => {}
        }
        match (self.phase, self.reading) {
            (Phase::WaitingForParents, _) => Step::WaitForParents,
            (Phase::Initializing, _) => Step::Initialize,
            (Phase::Reading, Reading::Paused) | (Phase::Ended, _) => Step::Wait { until: None },
            (Phase::Reading, Reading::Running) => Step::Read(self.isolation.batch_size()),
            (Phase::Ending, _) => Step::End,
        }
    }

    /// How far the consumer has come.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// What keeps it from its next call.
    pub(crate) fn trouble(&self) -> Trouble {
        self.trouble
    }

    /// The failures in a row: how often the handler has failed on the records of the last call, alone and in their batch.
    pub(crate) fn attempts(&self) -> u32 {
        self.isolation.failures().saturating_add(self.failures)
    }

    /// The record that the handler has named and that is given up once those in front of it are processed.
    pub(crate) fn gives_up(&self) -> Option<(&RecordPosition, GivesUp)> {
        self.isolation.named_one()
    }

    /// Whether records are sought, or worked towards, that the application wants to be passed over.
    pub(crate) fn is_skipping(&self) -> bool {
        self.isolation.is_asked_for()
    }

    /// Whether `record` lies behind those that are isolated.
    pub(crate) fn is_behind_the_isolated(&self, record: &RecordPosition) -> bool {
        self.isolation.ends_in_front_of(record)
    }

    /// Delivers whole batches again, and gives up nothing more.
    pub(crate) fn end_isolation(&mut self) {
        self.isolation = Isolation::Off;
    }

    /// Skips for the application what the policy would give up. Whether it was looking for that.
    pub(crate) fn take_over(&mut self) -> bool {
        self.isolation.take_over()
    }

    /// Whether reading is paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.reading == Reading::Paused
    }

    /// Moves on to the next phase.
    pub(crate) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Notes a call that succeeded, and up to where its records are processed, if it had some.
    pub(crate) fn on_success(&mut self, through: Option<&RecordPosition>) {
        self.retry();
        if through.is_some_and(|through| self.isolation.is_over(through)) {
            self.isolation = Isolation::Off;
        }
    }

    /// Notes that records were checkpointed although the call failed: that failure counts as the first one, whether it is the
    /// handler's or the table's.
    pub(crate) fn on_progress(&mut self) {
        (self.failures, self.excused, self.foreign_failures) = (0, 0, 0);
    }

    /// Notes a call that failed for a reason that is not the handler's: the lease table. The call is made again after a wait,
    /// however often.
    pub(crate) fn on_table_failure(&mut self, now: Instant) {
        self.foreign_failures = self.foreign_failures.saturating_add(1);
        self.trouble = Trouble::Retrying {
            at: now + self.delays.after(self.foreign_failures),
        };
    }

    /// Notes that the dead-letter sink failed. The handler is tried again after a wait, then the sink; the shard halts after
    /// as many failures of the sink as the policy allows attempts.
    pub(crate) fn on_sink_failure(&mut self, now: Instant) -> Reaction {
        self.isolation.deliver_the_named_one();
        if matches!(self.trouble, Trouble::Halted { .. }) || self.foreign_failures + 1 >= self.policy.allowed() {
            return self.halt(HaltedBy::Attempts, now);
        }
        self.on_table_failure(now);
        Reaction::Again
    }

    /// Decides about a failed call. `failing` are the records that it was given and that are not checkpointed.
    pub(crate) fn on_failure(&mut self, verdict: Verdict, failing: Option<&Failing>, now: Instant) -> Reaction {
        let first = failing.and_then(|failing| failing.first.as_ref());
        if first.is_some_and(|first| self.is_behind_the_isolated(first)) {
            self.end_isolation();
        }
        if self.naming.note(failing) {
            // The records in front of the one that is named now are done.
            self.on_progress();
        }
        self.failures = self.failures.saturating_add(1);
        let Some(failing) = failing else {
            // Without records there is nothing to pass over.
            return match verdict {
                Verdict::Fatal => self.halt(HaltedBy::Handler, now),
                Verdict::Retry | Verdict::Skip | Verdict::DeadLetter if self.has_attempts_left() => self.again(now),
                Verdict::Retry | Verdict::Skip | Verdict::DeadLetter => self.halt(HaltedBy::Attempts, now),
            };
        };
        if self.isolation.goes_on_one_by_one(self.failures) {
            self.retry();
            return Reaction::Isolate;
        }
        let has_sink = self.policy.sink().is_some();
        match verdict {
            Verdict::DeadLetter if has_sink && failing.count > 0 => return self.give_up(failing, GivesUp::DeadLetters),
            Verdict::Skip => return self.give_up(failing, GivesUp::Skips),
            Verdict::Retry | Verdict::Fatal | Verdict::DeadLetter if self.isolation.is_asked_for_one_by_one() => {
                return Reaction::Skip;
            }
            Verdict::Fatal => return self.halt(HaltedBy::Handler, now),
            Verdict::Retry | Verdict::DeadLetter => {}
        }
        if !self.isolation.has_had_its_attempts() && self.has_attempts_left() {
            return self.again(now);
        }
        let gives_up = match self.policy.exhausted() {
            Exhausted::Halt => return self.halt(HaltedBy::Attempts, now),
            Exhausted::Skip => GivesUp::Skips,
            Exhausted::DeadLetter(_) => GivesUp::DeadLetters,
        };
        let of_records = self.policy.unit() == Unit::Record;
        #[cfg(feature = "_simulation")]
        let of_records = of_records && !crate::planted_bugs::PlantedBug::SkipBatchOfRecord.is_planted();
        match of_records {
            // Another record may have been named before, or none: which ones fail is found out.
            true if failing.count > 1 && self.naming.failures() < self.counted().min(self.policy.allowed()) => {
                self.isolate(Isolation::one_by_one(failing, self.failures, WantedBy::Policy))
            }
            true => self.give_up(failing, gives_up),
            false => gives_up.into(),
        }
    }

    /// Decides about the records of the last failed call, which the application wants to be passed over.
    pub(crate) fn skip(&mut self, failing: &Failing) -> Reaction {
        match &failing.named {
            _ if failing.count == 1 => Reaction::Skip,
            Some(_) => self.isolate(Isolation::named(
                failing,
                self.failures,
                GivesUp::Skips,
                WantedBy::Application,
            )),
            None if self.policy.gives_up_whole_batches() => Reaction::Skip,
            None => self.isolate(Isolation::one_by_one(failing, self.failures, WantedBy::Application)),
        }
    }

    /// Gives up the record that failed: at once if there are no others. If its name is not known, it is found out.
    fn give_up(&mut self, failing: &Failing, gives_up: GivesUp) -> Reaction {
        match failing.named {
            _ if failing.count <= 1 => gives_up.into(),
            Some(_) => self.isolate(Isolation::named(failing, self.failures, gives_up, WantedBy::Policy)),
            None if self.policy.gives_up_whole_batches() => gives_up.into(),
            None => self.isolate(Isolation::one_by_one(failing, self.failures, WantedBy::Handler)),
        }
    }

    fn isolate(&mut self, isolation: Isolation) -> Reaction {
        self.isolation = isolation;
        self.retry();
        Reaction::Isolate
    }

    fn has_attempts_left(&self) -> bool {
        let were_used_up = matches!(
            self.trouble,
            Trouble::Halted {
                by: HaltedBy::Attempts,
                ..
            }
        );
        !were_used_up && self.counted() < self.policy.allowed()
    }

    /// The failures that are attempts.
    fn counted(&self) -> u32 {
        self.failures.saturating_sub(self.excused)
    }

    fn again(&mut self, now: Instant) -> Reaction {
        let at = now + self.delays.after(self.counted());
        self.trouble = Trouble::Retrying { at };
        Reaction::Again
    }

    /// Tries the handler of a halted or retrying shard at once.
    pub(crate) fn retry(&mut self) {
        self.trouble = Trouble::None;
        self.on_progress();
        self.naming = Naming::default();
    }

    /// Pauses reading, or ends a pause.
    pub(crate) fn set_reading(&mut self, reading: Reading) {
        self.reading = reading;
    }

    fn halt(&mut self, by: HaltedBy, now: Instant) -> Reaction {
        let reaction = match self.trouble {
            Trouble::Halted { .. } => Reaction::StillHalted,
            Trouble::None | Trouble::Retrying { .. } => Reaction::Halted,
        };
        let next_try = now + HALTED_RETRY;
        self.isolation.halted();
        self.trouble = Trouble::Halted { next_try, by };
        if by == HaltedBy::Handler {
            self.excused = self.failures;
        }
        reaction
    }
}

#[cfg(test)]
mod tests;
