//! Pure: one run of a fleet, drawn from a seed.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;
use kpl::Ordering;
use testkit::sim::{Plan, Severity};

/// What a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Steady,
        Self::Reshard,
        Self::Deploy,
        Self::Crash,
        Self::Produce,
        Self::Fleet,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Reshard => "reshard",
            Self::Deploy => "deploy",
            Self::Crash => "crash",
            Self::Produce => "produce",
            Self::Fleet => "fleet",
        }
    }

    /// The kind of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Each seed has one: all of them take turns.
    pub(crate) fn of_seed(seed: u64) -> Self {
        let turn = usize::try_from(seed % Self::ALL.len() as u64).unwrap_or(0);
        Self::ALL.get(turn).copied().unwrap_or(Self::Fleet)
    }

    fn reshards(self) -> bool {
        matches!(self, Self::Reshard | Self::Produce | Self::Fleet)
    }

    fn deploys(self) -> bool {
        matches!(self, Self::Deploy | Self::Fleet)
    }

    fn crashes(self) -> bool {
        matches!(self, Self::Crash | Self::Fleet)
    }
}

/// One run of a fleet.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    pub(crate) severity: Severity,
    pub(crate) shards: usize,
    pub(crate) workers: usize,
    pub(crate) producers: usize,
    /// What all producers keep to.
    pub(crate) ordering: Ordering,
    /// After which time a record is given back.
    pub(crate) record_ttl: Option<Duration>,
    /// How long producers put.
    pub(crate) load: Duration,
    /// The longest pause of a producer between two records.
    pub(crate) pause: Duration,
    pub(crate) handlers: Handlers,
    /// What operators do.
    pub(crate) acts: Vec<Act>,
    /// What goes wrong.
    pub(crate) plan: Plan,
}

/// How the application's handlers behave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handlers {
    /// The longest that a batch takes.
    pub(crate) work: Duration,
    /// How many of a hundred batches fail.
    pub(crate) failures: u8,
    /// Every how many batches there is a checkpoint.
    pub(crate) checkpoint_every: u32,
}

/// Something that an operator does at a time since the start.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(crate) at: Duration,
    pub(crate) what: What,
}

/// What an operator does. Numbers choose among what is there at the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Split(usize),
    /// Of a shard and its right neighbour.
    Merge(usize),
    /// Stops a worker in an orderly way, and starts it again somewhat later.
    Deploy {
        worker: usize,
        pause: Duration,
    },
    /// Kills a worker or a producer, and starts it again somewhat later.
    Kill {
        process: usize,
        pause: Duration,
    },
}

/// When the first act and the first trouble may happen: not before the fleet has begun to work.
const CALM: Duration = Duration::from_secs(5);

/// How long producers put, in seconds.
const LOAD: Range<u64> = 30..120;

impl Scenario {
    /// The run of a seed.
    pub(crate) fn drawn(seed: u64, kind: Option<Kind>, severity: Severity) -> Self {
        let mut rng = Rng::with_seed(seed);
        let kind = kind.unwrap_or_else(|| Kind::of_seed(seed));
        let load = Duration::from_secs(rng.u64(LOAD));
        let workers = if kind == Kind::Produce { 1 } else { rng.usize(1..=5) };
        let mut scenario = Self {
            seed,
            kind,
            severity,
            shards: rng.usize(1..=8),
            workers,
            producers: rng.usize(1..=3),
            ordering: ordering(seed),
            record_ttl: record_ttl(seed),
            load,
            pause: Duration::from_millis(rng.u64(300..2_000)),
            handlers: Handlers {
                work: Duration::from_millis(rng.u64(0..1_500)),
                failures: if rng.bool() { 0 } else { rng.u8(1..10) },
                checkpoint_every: rng.u32(1..5),
            },
            acts: Vec::new(),
            plan: Plan::default(),
        };
        scenario.draw_acts(&mut rng);
        let processes = scenario.process_names();
        scenario.plan = Plan::drawn(rng.u64(..), severity, &processes, CALM..load);
        scenario
    }

    /// The names of all of its processes.
    pub(crate) fn process_names(&self) -> Vec<String> {
        let workers = (0..self.workers).map(worker_name);
        workers.chain((0..self.producers).map(producer_name)).collect()
    }

    fn draw_acts(&mut self, rng: &mut Rng) {
        let (begin, end) = (millis(CALM), millis(self.load));
        let minutes = self.load.as_secs() / 60 + 1;
        let mut act = |what: What, rng: &mut Rng| {
            let at = Duration::from_millis(rng.u64(begin..end));
            self.acts.push(Act { at, what });
        };
        let pause = |rng: &mut Rng| Duration::from_millis(rng.u64(0..30_000));
        if self.kind.reshards() {
            for _ in 0..rng.u64(1..=2 * minutes) {
                let shard = rng.usize(..);
                let what = if rng.bool() {
                    What::Split(shard)
                } else {
                    What::Merge(shard)
                };
                act(what, rng);
            }
        }
        if self.kind.deploys() {
            for _ in 0..rng.u64(1..=2 * minutes) {
                let (worker, pause) = (rng.usize(..), pause(rng));
                act(What::Deploy { worker, pause }, rng);
            }
        }
        if self.kind.crashes() {
            for _ in 0..rng.u64(1..=minutes) {
                let (process, pause) = (rng.usize(..), pause(rng));
                act(What::Kill { process, pause }, rng);
            }
        }
        self.acts.sort_by_key(|act| act.at);
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
            "handlers: {:?}; pause between records: {:?}",
            self.handlers, self.pause
        )?;
        for act in &self.acts {
            writeln!(f, "{:.1}s operator: {:?}", act.at.as_secs_f64(), act.what)?;
        }
        write!(f, "{}", self.plan)
    }
}

/// Half of all runs keep the order of keys. Seeds of one scenario are six apart, so that each scenario has both.
fn ordering(seed: u64) -> Ordering {
    if (seed / 6).is_multiple_of(2) {
        Ordering::None
    } else {
        Ordering::PerKey
    }
}

/// A quarter of all runs have records that expire: some do not survive a longer trouble.
fn record_ttl(seed: u64) -> Option<Duration> {
    (seed / 12).is_multiple_of(4).then_some(Duration::from_secs(8))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn worker_name(number: usize) -> String {
    format!("worker-{number}")
}

pub(crate) fn producer_name(number: usize) -> String {
    format!("producer-{number}")
}
