//! Pure: what a run is judged by.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What holds in a run: the settings of its producers and workers, and which promises they do not keep yet.
#[derive(Debug, Clone)]
pub struct Rules {
    pub(crate) failover: Duration,
    pub(crate) start: Start,
    pub(crate) budget: Option<Budget>,
    pub(crate) coverage_within: Option<Duration>,
    pub(crate) recovery_within: Option<Duration>,
    pub(crate) exhausted: Exhausted,
    pub(crate) exceptions: BTreeMap<Exception, String>,
}

impl Rules {
    /// All promises, for workers whose leases others may take `failover` after their last renewal.
    pub fn new(failover: Duration) -> Self {
        Self {
            failover,
            start: Start::TrimHorizon,
            budget: None,
            coverage_within: None,
            recovery_within: None,
            exhausted: Exhausted::Halt,
            exceptions: BTreeMap::new(),
        }
    }

    /// Where the consumers begin. Default: [`Start::TrimHorizon`].
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// What each producer may hold. Default: anything; P3 is not judged then.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// How long a shard may be without an owner that renews its lease, while a worker lives that no fault hits. An owner
    /// that no fault hits may take twice as long until it has processed another record. Default: as long as it likes; C4
    /// is judged at the end only.
    pub fn coverage_within(mut self, time: Duration) -> Self {
        self.coverage_within = Some(time);
        self
    }

    /// How long it may take until everything is read, owned and ended, once [nothing goes
    /// wrong](super::FleetFact::Calm) any more. Default: as long as it likes.
    pub fn recovery_within(mut self, time: Duration) -> Self {
        self.recovery_within = Some(time);
        self
    }

    /// What the workers do with records on which handlers keep failing. Default: [`Exhausted::Halt`].
    pub fn exhausted(mut self, exhausted: Exhausted) -> Self {
        self.exhausted = exhausted;
        self
    }

    /// Excuses what cannot be promised yet. The report counts how often it was needed, and gives the reason.
    pub fn except(mut self, exception: Exception, reason: &str) -> Self {
        self.exceptions.insert(exception, reason.to_owned());
        self
    }
}

/// Where consumers begin to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record of each shard.
    TrimHorizon,
    /// With what arrives: in a shard that is there when the first lease is written, behind what it holds as its lease
    /// is written; in each later one at its beginning.
    Latest,
    /// With what arrives from this virtual time on. As in the service, milliseconds count.
    AtTimestamp(Duration),
}

/// What becomes of records when a handler has failed on them as often as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// The shard halts.
    Halt,
    /// A record on which the handler fails alone is passed over.
    EachRecord(PassedOver),
    /// The records of the failed call that are not checkpointed are passed over.
    WholeBatches(PassedOver),
}

/// How records are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassedOver {
    /// The worker says so.
    Skipped,
    /// A sink takes them.
    DeadLettered,
}

/// What a producer holds, or may hold at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// User records.
    pub records: u64,
    /// Bytes.
    pub bytes: u64,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records and {} bytes", self.records, self.bytes)
    }
}

/// The name of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// P1: each accepted record ends once, and what its receipt says is true.
    Outcome,
    /// P2: a reader that drops an aggregate with a record outside of the shard's range gets each delivered record.
    Readable,
    /// P3: no producer holds more than its budget.
    Memory,
    /// P4: the first copies of one key's records are stored in the order in which they were accepted.
    KeyOrder,
    /// C1: no record is skipped, and no checkpoint passes a record that was not processed.
    AtLeastOnce,
    /// C2: no record of a child is offered before its parents were read to their ends.
    ParentFirst,
    /// C3: nothing is offered once another worker could have the lease; tokens grow.
    OneOwner,
    /// C4: each open shard is leased by a living worker, or waits for a parent, and is read on; in time, if a bound is set.
    Coverage,
    /// C5: what a handler failed on is offered again before anything behind it.
    NothingSkipped,
    /// Once nothing goes wrong any more, everything recovers in a bounded time.
    Recovery,
    /// Each record that is stored or offered again has a cause.
    Duplicate,
    /// No task outlives the shutdown of what it belongs to.
    Shutdown,
    /// A worker ends by itself only if a fault hit it, or a service that it needs; by a panic never.
    Survival,
    /// The facts fit together; if not, the oracle was fed wrongly.
    History,
}

impl Rule {
    /// The promise's short name, `P1` to `C5`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outcome => "P1",
            Self::Readable => "P2",
            Self::Memory => "P3",
            Self::KeyOrder => "P4",
            Self::AtLeastOnce => "C1",
            Self::ParentFirst => "C2",
            Self::OneOwner => "C3",
            Self::Coverage => "C4",
            Self::NothingSkipped => "C5",
            Self::Recovery => "recovery",
            Self::Duplicate => "duplicate",
            Self::Shutdown => "shutdown",
            Self::Survival => "survival",
            Self::History => "history",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that cannot be promised yet, or not in every fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Exception {
    /// The rule is not judged at all.
    Rule(Rule),
    /// A lease is taken from a living worker without a hand-over, as KCL 2.x does. Until its next renewal fails, and at
    /// most for the failover time, the old owner goes on delivering, beside the new one.
    StolenLeases,
    /// A lease at `LATEST` is not pinned to a place: what arrives between the creation of its row and the first read is
    /// not delivered. An owner that has processed nothing, and whose iterator is of no use any more, may begin earlier than it
    /// had. What another owner was offered of that needs its own cause all the same.
    UnpinnedLatest,
    /// A producer that had no list of the shards that names the shard to which it wrote an aggregate cannot tell whether a
    /// reader finds it there. If the next list does not come at once, it sends the aggregate again. A list does not count if the
    /// producer asked for it before it read that its stream is missing.
    UnlistedShards,
    /// A shard was opened after one list that a producer got and closed before the next, so that none names it. The
    /// producer cannot tell whether a reader finds an aggregate there, and sends it again. Lists name open shards only.
    ShortLivedShards,
    /// A producer that called nothing while its stream was deleted and created again takes the shards of the new one for
    /// those of the old, whose ids they bear.
    UnnoticedDeletion,
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => write!(f, "{rule} is not judged"),
            Self::StolenLeases => f.write_str("leases are stolen"),
            Self::UnpinnedLatest => f.write_str("LATEST is not pinned"),
            Self::UnlistedShards => f.write_str("shards are not listed"),
            Self::ShortLivedShards => f.write_str("shards open and close between two lists"),
            Self::UnnoticedDeletion => f.write_str("deletions are not noticed"),
        }
    }
}
