//! Pure: one run of a fleet: who takes part, what they do, and what goes wrong. It can be kept in a file.
//!
//! `drawn` makes scenarios from seeds; `coordination` is the rule by which the workers share the shards.

use std::fmt;
use std::time::Duration;

use kpl::Ordering;
use serde::{Deserialize, Serialize};
use testkit::kinesis::request::RecordDistributionStrategy;
use testkit::sim::{Plan, PollOrder, Severity};

use application::Application;
use coordination::Coordination;

pub(crate) mod application;
pub(crate) mod coordination;
mod drawn;
mod smaller;

/// The stream of every run.
pub(crate) const STREAM: &str = "orders";

/// How long a run goes on after its load if its faults do not end: long enough for leases to be lost and taken.
pub(crate) const AFTER_LOAD: Duration = Duration::from_secs(60);

/// What a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Producers and workers that stay, on shards that stay.
    Steady,
    /// Shards are split and merged.
    Reshard,
    /// Workers are stopped in an orderly way and started again, as a deployment does it.
    Deploy,
    /// Processes are killed and started again.
    Crash,
    /// Many producers and one worker.
    Produce,
    /// All of it.
    Fleet,
    /// All of it, and the faults go on to the end: whether everything recovers is not judged.
    Restless,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Steady,
        Self::Reshard,
        Self::Deploy,
        Self::Crash,
        Self::Produce,
        Self::Fleet,
        Self::Restless,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Reshard => "reshard",
            Self::Deploy => "deploy",
            Self::Crash => "crash",
            Self::Produce => "produce",
            Self::Fleet => "fleet",
            Self::Restless => "restless",
        }
    }

    /// The kind of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One run of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    pub(crate) severity: Severity,
    pub(crate) shards: usize,
    pub(crate) workers: usize,
    pub(crate) producers: usize,
    /// What all producers keep to.
    pub(crate) ordering: KeyOrder,
    /// After which time a record is given back.
    pub(crate) record_ttl: Option<Duration>,
    /// How long producers put.
    pub(crate) load: Duration,
    /// The longest pause of a producer between two records.
    pub(crate) pause: Duration,
    pub(crate) handlers: Handlers,
    #[serde(default)]
    pub(crate) application: Application,
    #[serde(default)]
    pub(crate) puts: Puts,
    #[serde(default)]
    pub(crate) distribution: Distribution,
    #[serde(default)]
    pub(crate) start: Start,
    #[serde(default)]
    pub(crate) tables: Tables,
    #[serde(default)]
    pub(crate) worker_ids: WorkerIds,
    /// How long the stream keeps records. By default longer than the run lasts.
    #[serde(default)]
    pub(crate) retention: Option<Duration>,
    /// When an operator begins anew after a worker has said that the stream was created again: stops all workers, deletes
    /// the rows of the lease table, and starts the workers. By default never.
    #[serde(default)]
    pub(crate) begins_anew_after: Option<Duration>,
    /// What workers do when the stream is created again. By default they halt.
    #[serde(default)]
    pub(crate) on_recreated: OnRecreated,
    #[serde(default)]
    pub(crate) coordination: Coordination,
    /// How the tasks of a process take turns. By default in the order of their wakes.
    #[serde(default)]
    pub(crate) poll_order: PollOrder,
    /// What operators do.
    pub(crate) acts: Vec<Act>,
    /// What goes wrong.
    pub(crate) plan: Plan,
}

/// What workers do when the stream is created again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OnRecreated {
    #[default]
    Halt,
    Restart,
}

/// Which order producers keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyOrder {
    /// None.
    Any,
    /// That of the records of a key.
    PerKey,
}

impl From<KeyOrder> for Ordering {
    fn from(order: KeyOrder) -> Self {
        match order {
            KeyOrder::Any => Self::None,
            KeyOrder::PerKey => Self::PerKey,
        }
    }
}

/// How the application's handlers behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Handlers {
    /// The longest that a batch takes.
    pub(crate) work: Duration,
    /// How many of a hundred batches fail.
    pub(crate) failures: u8,
    /// Every how many batches there is a checkpoint.
    pub(crate) checkpoint_every: u32,
    /// How many of a hundred batches have a checkpoint at one of their records.
    #[serde(default)]
    pub(crate) checkpoints_inside: u8,
    /// How many of a hundred checkpoints behind a batch are deferred to the next renewal.
    #[serde(default)]
    pub(crate) deferred: u8,
    /// How many of a hundred batches take about as long as a lease lasts, or longer.
    #[serde(default)]
    pub(crate) stalls: u8,
    /// How many of a hundred batches end with a panic.
    #[serde(default)]
    pub(crate) panics: u8,
    /// A time in which every batch fails.
    #[serde(default)]
    pub(crate) outage: Option<Outage>,
}

/// A time in which the handlers cannot work. They give up soon, so that their shards are halted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outage {
    pub(crate) from: Duration,
    pub(crate) lasts: Duration,
    /// How often a batch is tried again.
    pub(crate) retries: u32,
}

/// How producers put. By default record by record, and each receipt is awaited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Puts {
    /// How many of a hundred records are given up if there is no room for them.
    pub(crate) tried: u8,
    /// How many of a hundred bursts are put as a batch.
    pub(crate) together: u8,
    /// How many of a hundred bursts are followed by a flush.
    pub(crate) flush: u8,
    /// How many of a hundred records have an explicit hash key.
    pub(crate) placed: u8,
    /// How many of a hundred records have no partition key.
    pub(crate) keyless: u8,
    /// How many of a hundred receipts are dropped.
    pub(crate) dropped: u8,
    /// How many of a thousand records have 60 kB to 1 MB.
    pub(crate) large: u16,
    /// When a producer is shut down, and another one takes its place.
    pub(crate) retires_after: Option<Duration>,
    /// What it may take to deliver what it holds then.
    pub(crate) grace: Duration,
    /// How long records wait for a stream that is not there.
    pub(crate) missing_grace: Duration,
}

/// Who chooses the shards of the stream's records. By default producers do, by keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Distribution {
    /// Who does at first. If it is told, the stream is on demand, and begins with as many shards as such a stream has;
    /// otherwise it is provisioned, and keys count as long as the run lasts.
    pub(crate) begins: Option<Chooser>,
    /// The age at which producers ask for it anew.
    pub(crate) described_every: Option<Duration>,
}

/// Who chooses the shard of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Chooser {
    /// The producer, by a key.
    Producer,
    /// The service (AUTO).
    Service,
}

impl From<Chooser> for RecordDistributionStrategy {
    fn from(chooser: Chooser) -> Self {
        match chooser {
            Chooser::Producer => Self::UserPartitionKey,
            Chooser::Service => Self::Auto,
        }
    }
}

/// Where consumers begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Start {
    #[default]
    TrimHorizon,
    Latest,
    /// With what arrives this long after the start of the run.
    AtTimestamp(Duration),
}

/// Under which ids workers come back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum WorkerIds {
    /// Each life has one of its own.
    #[default]
    New,
    /// Under the id that they had, as a process does whose id is its host's name.
    Kept,
}

/// How DynamoDB behaves. By default everything happens at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tables {
    pub(crate) creation_time: Duration,
    /// The most by which reads are behind that do not ask for more.
    pub(crate) read_lag: Duration,
}

/// Something that an operator does at a time since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Act {
    pub(crate) at: Duration,
    pub(crate) what: What,
}

/// What a shard has too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Shortage {
    Writes,
    Reads,
}

/// What an operator does. Numbers choose among what is there at the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    Split(usize),
    /// Of a shard and its right neighbour.
    Merge(usize),
    /// Deletes the stream, and some time later creates it again, with so many shards if it is provisioned.
    Recreate {
        shards: usize,
        pause: Duration,
    },
    /// Of a stream on demand: has another one choose the shards of its records.
    Distribute(Chooser),
    /// Stops a worker in an orderly way, and starts it again somewhat later.
    Deploy {
        worker: usize,
        pause: Duration,
    },
    /// Stops a worker in an orderly way, and starts it again that long after it has stopped.
    Restart {
        worker: usize,
        pause: Duration,
    },
    /// The service throttles the writes or the reads of a shard for a while.
    Throttle {
        shard: usize,
        traffic: Shortage,
        lasts: Duration,
    },
    /// Kills all workers, and starts them again somewhat later.
    Blackout {
        pause: Duration,
    },
    /// Kills a worker or a producer, and starts it again somewhat later.
    Kill {
        process: usize,
        pause: Duration,
    },
}

impl Scenario {
    /// Whether the stream is deleted and created again.
    pub(crate) fn recreates(&self) -> bool {
        let mut acts = self.acts.iter();
        acts.any(|act| matches!(act.what, What::Recreate { .. }))
    }

    /// How many generations of shards there can be.
    pub(crate) fn generations(&self) -> u32 {
        let reshards = |act: &&Act| matches!(act.what, What::Split(_) | What::Merge(_));
        // On demand, a merge is done in several steps.
        let steps = if self.distribution.begins.is_some() { 2 } else { 1 };
        let count = self.acts.iter().filter(reshards).count() * steps;
        u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// When the last trouble is over, and the handlers work again.
    pub(crate) fn calm_at(&self) -> Duration {
        let outage = self.handlers.outage.map(|outage| outage.from + outage.lasts);
        self.plan.end().max(outage.unwrap_or_default())
    }

    /// The names of all of its processes.
    pub(crate) fn process_names(&self) -> Vec<String> {
        let workers = (0..self.workers).map(worker_name);
        workers.chain((0..self.producers).map(producer_name)).collect()
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            kind,
            shards,
            workers,
            producers,
            ordering,
            record_ttl,
            ..
        } = self;
        let load = self.load.as_secs();
        let name = kind.name();
        writeln!(
            f,
            "seed {seed}, scenario {name}: {workers} workers, {producers} producers (ordering {ordering:?}, TTL {record_ttl:?}), {shards} shards, {load} s of load"
        )?;
        writeln!(
            f,
            "handlers: {:?}; {:?}; pause between records: {:?}; {:?}; {:?}; start at {:?}; {:?}; worker ids {:?}; retention {:?}; begins anew after {:?}; on recreated {:?}; coordination {:?}; {:?}",
            self.handlers,
            self.application,
            self.pause,
            self.puts,
            self.distribution,
            self.start,
            self.tables,
            self.worker_ids,
            self.retention,
            self.begins_anew_after,
            self.on_recreated,
            self.coordination,
            self.poll_order
        )?;
        for act in &self.acts {
            writeln!(f, "{:.1}s operator: {:?}", act.at.as_secs_f64(), act.what)?;
        }
        write!(f, "{}", self.plan)
    }
}

const PRODUCER: &str = "producer-";

pub(crate) fn worker_name(number: usize) -> String {
    format!("worker-{number}")
}

pub(crate) fn producer_name(number: usize) -> String {
    format!("{PRODUCER}{number}")
}

/// Whether a process of this name is a producer.
pub(crate) fn is_producer(name: &str) -> bool {
    name.starts_with(PRODUCER)
}
