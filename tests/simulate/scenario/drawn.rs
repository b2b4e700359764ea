//! Pure: runs drawn from seeds.
//!
//! `variety` and `later` have what only a fraction of the seeds has, `forms` the handlers.

mod forms;
mod later;
mod variety;

use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;
use testkit::sim::{Plan, PollOrder, Severity};

use super::application::Application;
use super::coordination::Coordination;
use super::{
    AFTER_LOAD, Act, Distribution, Handlers, KeyOrder, Kind, OnRecreated, Puts, Scenario, Start, Tables, What,
    WorkerIds,
};

/// When the first act and the first trouble may happen: not before the fleet has begun to work.
const CALM: Duration = Duration::from_secs(5);

/// Sets what came later apart, so that earlier seeds still draw what they drew.
const LATER: u64 = 0x5EED_0F0F_A11D_2A17;

/// The same for the forms of handlers.
const FORMS: u64 = 0x0DD5_F0A3_35E7_91C4;

/// The same for the rule by which the workers share the shards.
const COORDINATION: u64 = 0x3C1_F1EE_7D1C_0B35;

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
                checkpoints_inside: 0,
                deferred: 0,
                stalls: 0,
                panics: 0,
                outage: None,
            },
            application: Application::default(),
            puts: Puts::default(),
            distribution: Distribution::default(),
            start: Start::default(),
            tables: Tables::default(),
            worker_ids: WorkerIds::default(),
            retention: None,
            begins_anew_after: None,
            on_recreated: OnRecreated::default(),
            coordination: match Rng::with_seed(seed ^ COORDINATION).bool() {
                true => Coordination::Auto,
                false => Coordination::Kcl2,
            },
            poll_order: PollOrder::drawn(seed),
            acts: Vec::new(),
            plan: Plan::default(),
        };
        scenario.draw_acts(&mut rng);
        let processes = scenario.process_names();
        let troubled = if kind == Kind::Restless {
            load + AFTER_LOAD
        } else {
            load
        };
        scenario.plan = Plan::drawn(rng.u64(..), severity, &processes, CALM..troubled);
        scenario.draw_variety(&mut Rng::with_seed(!seed));
        scenario.draw_later_variety(&mut Rng::with_seed(seed ^ LATER));
        scenario.draw_application(&mut Rng::with_seed(seed ^ FORMS));
        scenario
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

impl Kind {
    /// Each seed has one: six of them take turns, and half of the fleets are restless.
    fn of_seed(seed: u64) -> Self {
        let turn = usize::try_from(seed % TURNS).unwrap_or(0);
        match Self::ALL.get(turn) {
            Some(Self::Fleet) if (seed / TURNS / 2).is_multiple_of(2) => Self::Restless,
            Some(kind) => *kind,
            None => Self::Fleet,
        }
    }

    fn reshards(self) -> bool {
        matches!(self, Self::Reshard | Self::Produce | Self::Fleet | Self::Restless)
    }

    fn deploys(self) -> bool {
        matches!(self, Self::Deploy | Self::Fleet | Self::Restless)
    }

    fn crashes(self) -> bool {
        matches!(self, Self::Crash | Self::Fleet | Self::Restless)
    }
}

/// How many scenarios take turns.
const TURNS: u64 = 6;

/// Half of all runs keep the order of keys. Seeds of one scenario are six apart, so that each scenario has both.
fn ordering(seed: u64) -> KeyOrder {
    if (seed / TURNS).is_multiple_of(2) {
        KeyOrder::Any
    } else {
        KeyOrder::PerKey
    }
}

/// A quarter of all runs have records that expire: some do not survive a longer trouble.
fn record_ttl(seed: u64) -> Option<Duration> {
    (seed / 12).is_multiple_of(4).then_some(Duration::from_secs(8))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
