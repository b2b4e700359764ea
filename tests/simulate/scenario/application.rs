//! Pure: the form of the application's handler, what it fails on, and what becomes of that.

use std::time::Duration;

use oracle::{Exhausted, PassedOver};
use serde::{Deserialize, Serialize};

/// The handler of all workers. By default the trait with explicit checkpoints, and the worker's own policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Application {
    pub(crate) form: Form,
    /// What becomes of records on which it keeps failing. If it is told, an operator sees to halted shards one by one;
    /// otherwise, and by default, all workers with halted shards are restarted.
    pub(crate) policy: Option<Policy>,
    /// The records on which it fails.
    pub(crate) poison: Vec<Poison>,
    /// How long a call may take. By default as long as it likes.
    pub(crate) timeout: Option<Duration>,
    /// The most records of a batch. By default the worker's own.
    pub(crate) max_batch: Option<usize>,
    /// How long what is processed may lack a checkpoint, where the application does not checkpoint.
    pub(crate) checkpoint_interval: Duration,
    /// Of records of different keys at once: how many may run.
    pub(crate) in_flight: usize,
    /// Of records of different keys at once: how far they may be apart.
    pub(crate) window: usize,
    /// How many of a hundred letters the dead-letter sink refuses.
    pub(crate) sink_refuses: u8,
    /// How long it takes an operator to see to a halted shard.
    pub(crate) reaction: Duration,
}

impl Default for Application {
    fn default() -> Self {
        Self {
            form: Form::Explicit,
            policy: None,
            poison: Vec::new(),
            timeout: None,
            max_batch: None,
            checkpoint_interval: Duration::from_secs(5),
            in_flight: 64,
            window: 10_000,
            sink_refuses: 0,
            reaction: Duration::ZERO,
        }
    }
}

/// In which form the application has given its handler.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Form {
    /// The trait, with awaited checkpoints.
    #[default]
    Explicit,
    /// The trait, with checkpoints that ride on other writes.
    Deferring,
    /// The trait, with checkpoints in two phases.
    TwoPhase,
    /// Boxed processors of the trait, of several types.
    Boxed,
    /// A closure for each batch.
    EachBatch,
    /// A closure for each record.
    EachRecord,
    /// Records of different keys at once.
    PerKey,
    /// A task for each shard that takes batches from a stream.
    Pull,
}

impl Form {
    pub(crate) const ALL: [Self; 8] = [
        Self::Explicit,
        Self::Deferring,
        Self::TwoPhase,
        Self::Boxed,
        Self::EachBatch,
        Self::EachRecord,
        Self::PerKey,
        Self::Pull,
    ];
}

/// What becomes of records on which a handler keeps failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    pub(crate) last_resort: LastResort,
    /// How often the handler is called before that.
    pub(crate) attempts: u32,
    pub(crate) whole_batches: bool,
}

/// What is done after the last attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LastResort {
    Halt,
    Skip,
    DeadLetter,
}

impl Policy {
    /// As the oracle is told.
    pub(crate) fn exhausted(self) -> Exhausted {
        let passed_over = match self.last_resort {
            LastResort::Halt => return Exhausted::Halt,
            LastResort::Skip => PassedOver::Skipped,
            LastResort::DeadLetter => PassedOver::DeadLettered,
        };
        match self.whole_batches {
            true => Exhausted::WholeBatches(passed_over),
            false => Exhausted::EachRecord(passed_over),
        }
    }

    /// The longest that a record waits until the policy acts: after 1 s, 2 s, 4 s and so on; alone once more.
    pub(crate) fn patience(self) -> Duration {
        Duration::from_secs((1 << self.attempts.min(6)) + 1)
    }
}

/// A record on which the handler fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Poison {
    /// Its number, in the order in which producers put records.
    pub(crate) record: u64,
    pub(crate) how: How,
    /// How many calls fail, before one succeeds; by default all.
    #[serde(default)]
    pub(crate) times: Option<u32>,
}

/// How a handler fails on a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum How {
    /// By an error.
    Fails,
    /// By an error that halts the shard at once.
    Fatal,
    /// By an error that passes over its records.
    Skips,
    /// By an error that sends its records to the dead-letter sink.
    DeadLetters,
    Panics,
    /// It does not return, until it is dropped.
    Hangs,
}

impl Application {
    /// Whether an operator sees to its halted shards one by one.
    pub(crate) fn is_looked_after(&self) -> bool {
        self.policy.is_some()
    }

    /// Whether errors may send records to a dead-letter sink.
    pub(crate) fn has_sink(&self) -> bool {
        self.policy
            .is_some_and(|policy| policy.last_resort == LastResort::DeadLetter)
    }

    /// How long the records on which it fails may hold up one shard, all of them one after the other.
    pub(crate) fn delay(&self) -> Duration {
        let Some(policy) = self.policy else {
            return Duration::ZERO;
        };
        // A halt, a try in vain, another halt, and then the records are skipped.
        let each = (policy.patience() + self.reaction + LOOK) * 2;
        let delay = |poison: &Poison| {
            let times = poison.times.unwrap_or(1);
            each + (self.timeout.unwrap_or_default() + TAKEN_ANEW) * if poison.how == How::Hangs { times } else { 0 }
        };
        self.poison.iter().map(delay).sum()
    }
}

/// How often an operator looks at the shards.
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// How long it may take until a lease that was given up is taken again: two searches for leases.
const TAKEN_ANEW: Duration = Duration::from_secs(20);
