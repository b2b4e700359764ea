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
//! A pause holds back reading alone. A drain or the loss of the lease ends each of these states: [`Step::Leave`].

use std::time::{Duration, Instant};

use service::{Jitter, RetryDelays};

use crate::consumer::status::Reading;
use crate::lease::guard::Signal;
use crate::processor::error_policy::{ErrorPolicy, Exhausted, Unit, Verdict};

/// The wait after the first failure of a handler, and the longest. Our choice: with the default of eight attempts a shard
/// halts after about two minutes.
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
    /// Failures since then of what the handler stands on: the lease table, the dead-letter sink.
    foreign_failures: u32,
    isolation: Isolation,
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
    /// The calls failed as often as the policy allows.
    Halted {
        next_try: Instant,
    },
}

/// Whether the records of a failed batch are delivered one by one, to find those that fail by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Isolation {
    Off,
    On {
        left: usize,
        /// How often the whole batch has failed.
        failures: u32,
    },
}

/// What a consumer does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Wait until the parents were read to their ends.
    WaitForParents,
    /// Call `initialize`.
    Initialize,
    /// Deliver the next records, at most so many if that is limited.
    Read { at_most: Option<usize> },
    /// Lease the children, and call `shard_ended`.
    End,
    /// Do nothing until then, or until something happens.
    Wait { until: Option<Instant> },
    /// Stop, for the reason that the lease's signal gives.
    Leave,
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
    /// The records of the batch are delivered one by one.
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
            foreign_failures: 0,
            isolation: Isolation::Off,
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
            Trouble::Retrying { at: until } | Trouble::Halted { next_try: until } if now < until => {
                return Step::Wait { until: Some(until) };
            }
            Trouble::None | Trouble::Retrying { .. } | Trouble::Halted { .. } => {}
        }
        match (self.phase, self.reading) {
            (Phase::WaitingForParents, _) => Step::WaitForParents,
            (Phase::Initializing, _) => Step::Initialize,
            (Phase::Reading, Reading::Paused) | (Phase::Ended, _) => Step::Wait { until: None },
            (Phase::Reading, Reading::Running) => Step::Read {
                at_most: match self.isolation {
                    Isolation::Off => None,
                    Isolation::On { .. } => Some(1),
                },
            },
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

    /// Failures since the last success or progress.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// How often the handler has failed on the records of the last call, alone and in their batch.
    pub(crate) fn attempts(&self) -> u32 {
        match self.isolation {
            Isolation::Off => self.failures,
            Isolation::On { failures, .. } => failures.saturating_add(self.failures),
        }
    }

    /// Whether reading is paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.reading == Reading::Paused
    }

    /// Moves on to the next phase.
    pub(crate) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Notes a call that succeeded, for `records` records.
    pub(crate) fn on_success(&mut self, records: usize) {
        self.retry();
        self.isolation = match self.isolation {
            Isolation::On { left, failures } if left > records => Isolation::On {
                left: left - records,
                failures,
            },
            Isolation::On { .. } | Isolation::Off => Isolation::Off,
        };
    }

    /// Notes that records were checkpointed although the call failed: that failure counts as the first one.
    pub(crate) fn on_progress(&mut self) {
        self.failures = 0;
    }

    /// Notes `records` records that are passed over: skipped, or taken by the dead-letter sink.
    pub(crate) fn on_passed_over(&mut self, records: usize) {
        self.on_success(records);
    }

    /// Notes a call that failed because the lease table did. The call is made again after a wait, however often.
    pub(crate) fn on_table_failure(&mut self, now: Instant) {
        self.foreign_failures = self.foreign_failures.saturating_add(1);
        self.trouble = Trouble::Retrying {
            at: now + self.delays.after(self.foreign_failures),
        };
    }

    /// Notes that the dead-letter sink failed. The handler is tried again after a wait, then the sink; the shard halts after
    /// as many failures of the sink as the policy allows attempts.
    pub(crate) fn on_sink_failure(&mut self, now: Instant) -> Reaction {
        if matches!(self.trouble, Trouble::Halted { .. }) || self.foreign_failures + 1 >= self.policy.allowed() {
            return self.halt(now);
        }
        self.on_table_failure(now);
        Reaction::Again
    }

    /// Decides about a failed call that was given `records` records.
    pub(crate) fn on_failure(&mut self, verdict: Verdict, records: usize, now: Instant) -> Reaction {
        self.failures = self.failures.saturating_add(1);
        match verdict {
            Verdict::Skip if self.phase == Phase::Reading => return Reaction::Skip,
            Verdict::DeadLetter if self.phase == Phase::Reading && self.policy.sink().is_some() => {
                return Reaction::DeadLetter;
            }
            Verdict::Fatal => return self.halt(now),
            Verdict::Retry | Verdict::Skip | Verdict::DeadLetter => {}
        }
        let was_halted = matches!(self.trouble, Trouble::Halted { .. });
        // A record that was delivered alone has failed before, in its batch.
        let is_isolated = self.isolation != Isolation::Off && records == 1;
        if !was_halted && !is_isolated && self.failures < self.policy.allowed() {
            let at = now + self.delays.after(self.failures);
            self.trouble = Trouble::Retrying { at };
            return Reaction::Again;
        }
        if self.phase != Phase::Reading {
            return self.halt(now);
        }
        match self.policy.exhausted() {
            Exhausted::Halt => self.halt(now),
            Exhausted::Skip | Exhausted::DeadLetter(_) if records > 1 && self.policy.unit() == Unit::Record => {
                self.isolation = Isolation::On {
                    left: records,
                    failures: self.failures,
                };
                self.trouble = Trouble::None;
                Reaction::Isolate
            }
            Exhausted::Skip => Reaction::Skip,
            Exhausted::DeadLetter(_) => Reaction::DeadLetter,
        }
    }

    /// Tries the handler of a halted or retrying shard at once.
    pub(crate) fn retry(&mut self) {
        self.trouble = Trouble::None;
        (self.failures, self.foreign_failures) = (0, 0);
    }

    /// Pauses reading, or ends a pause.
    pub(crate) fn set_reading(&mut self, reading: Reading) {
        self.reading = reading;
    }

    fn halt(&mut self, now: Instant) -> Reaction {
        let reaction = match self.trouble {
            Trouble::Halted { .. } => Reaction::StillHalted,
            Trouble::None | Trouble::Retrying { .. } => Reaction::Halted,
        };
        self.trouble = Trouble::Halted {
            next_try: now + HALTED_RETRY,
        };
        reaction
    }
}

#[cfg(test)]
mod tests;
