//! Looks at the shards of a worker by its control: what simple handlers are not told, and shards that are halted.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use kcl::{Record, ShardState, ShardStatus, SkipError, Skipped, WorkerControl};
use oracle::{self, ConsumerFact, Fact, Ownership, Remedy, WorkerFact};
use testkit::kinesis::ShardId;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::fleet::Fleet;
use crate::recorder::{place, position, shard_id};
use crate::scenario::application::{Form, LOOK};

/// Watches one life of a worker, and sees to its halted shards.
pub(crate) struct Lookout {
    fleet: Fleet,
    worker: oracle::Process,
    control: OnceLock<WorkerControl>,
    shards: Mutex<BTreeMap<(ShardId, u64), Seen>>,
    /// Skips that were asked for, and what they have given up.
    skips: Mutex<JoinSet<Result<Skipped, SkipError>>>,
}

/// What was told of an ownership.
#[derive(Debug, Default)]
struct Seen {
    life: Life,
    is_halted: bool,
    /// How often an operator saw to it.
    remedies: u32,
}

/// How far an ownership has come, for a closure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Life {
    /// The closure was given nothing.
    #[default]
    Ahead,
    Begun,
    Ended,
}

impl Lookout {
    pub(crate) fn new(fleet: Fleet, worker: &str) -> Self {
        Self {
            fleet,
            worker: oracle::Process::new(worker),
            control: OnceLock::new(),
            shards: Mutex::default(),
            skips: Mutex::default(),
        }
    }

    /// The worker is there.
    pub(crate) fn begin(&self, control: WorkerControl) {
        drop(self.control.set(control));
    }

    /// Looks at the shards now and then.
    pub(crate) async fn watch(&self) -> Infallible {
        loop {
            sleep(LOOK).await;
            self.look();
        }
    }

    /// The ownership in which a closure is called with the record. The first call is its beginning.
    pub(crate) fn ownership_of(&self, record: &Record) -> Ownership {
        let place = place(record.sequence_number().as_str(), record.sub_sequence_number());
        let shard = place.sequence_number.shard().expect("a number of the service");
        let statuses = self.statuses();
        let status = statuses.iter().find(|status| shard_of(status) == shard);
        let status = status.expect("a shard that the worker reads");
        let ownership = self.ownership((shard, status.epoch.value()));
        let mut shards = self.shards();
        let seen = shards.entry((shard, ownership.token)).or_default();
        if std::mem::replace(&mut seen.life, Life::Begun) == Life::Ahead {
            let checkpoint = position(&status.checkpoint);
            self.tell(&ownership, ConsumerFact::Initialized { checkpoint });
        }
        ownership
    }

    fn look(&self) {
        let statuses = self.statuses();
        let mut shards = self.shards();
        let is_there = |key: &(ShardId, u64)| statuses.iter().any(|status| key_of(status) == *key);
        for (key, seen) in shards.extract_if(.., |key, _| !is_there(key)) {
            self.left(key, &seen);
        }
        for status in &statuses {
            let key = key_of(status);
            match &status.state {
                ShardState::WaitingForParents | ShardState::Initializing | ShardState::Leaving => {}
                ShardState::Ended => self.ended(key, shards.get_mut(&key)),
                ShardState::Halted { .. } => self.halted(status, shards.entry(key).or_default()),
                ShardState::Reading
                | ShardState::Retrying { .. }
                | ShardState::OnHold { .. }
                | ShardState::Paused
                | ShardState::Ending
                | _ => self.reads(key, shards.entry(key).or_default()),
            }
        }
    }

    /// A shard is read, of which a closure may have been given nothing yet.
    fn reads(&self, (shard, _): (ShardId, u64), seen: &mut Seen) {
        seen.is_halted = false;
        if self.is_simple() {
            self.say(WorkerFact::Reads { shard });
        }
    }

    fn ended(&self, key: (ShardId, u64), seen: Option<&mut Seen>) {
        let Some(seen) = seen else { return };
        if seen.life == Life::Begun {
            seen.life = Life::Ended;
            self.tell(&self.ownership(key), ConsumerFact::ShardEnded);
        }
    }

    fn left(&self, key: (ShardId, u64), seen: &Seen) {
        if self.is_simple() {
            self.say(WorkerFact::Left { shard: key.0 });
        }
        if seen.life != Life::Ahead {
            self.tell(&self.ownership(key), ConsumerFact::Left);
        }
    }

    /// Does what an operator does about a halted shard: has it tried again, and if that does not help, its records skipped.
    fn halted(&self, status: &ShardStatus, seen: &mut Seen) {
        let ownership = self.ownership(key_of(status));
        if !std::mem::replace(&mut seen.is_halted, true) {
            self.tell(&ownership, ConsumerFact::ShardHalted);
        }
        if status.in_state < self.fleet.scenario.application.reaction || self.fleet.is_out() {
            return;
        }
        let by = if seen.remedies.is_multiple_of(2) {
            Remedy::Retry
        } else {
            Remedy::Skip
        };
        seen.remedies += 1;
        seen.is_halted = false;
        self.tell(&ownership, ConsumerFact::HaltEnds { by });
        let control = self.control.get().expect("a worker that has shards");
        match by {
            Remedy::Retry => drop(control.retry(&status.shard)),
            Remedy::Skip => {
                let (control, shard) = (control.clone(), status.shard.clone());
                // What is skipped is told by events.
                let mut skips = self.skips.lock().unwrap_or_else(PoisonError::into_inner);
                while skips.try_join_next().is_some() {}
                skips.spawn(async move { control.skip(&shard).await });
            }
        }
    }

    /// Whether the form of the handler is a closure, which is not told of beginnings and ends.
    fn is_simple(&self) -> bool {
        matches!(self.fleet.scenario.application.form, Form::EachBatch | Form::EachRecord)
    }

    fn ownership(&self, (shard, token): (ShardId, u64)) -> Ownership {
        let worker = self.worker.clone();
        Ownership { shard, token, worker }
    }

    fn statuses(&self) -> Vec<ShardStatus> {
        self.control.get().map(WorkerControl::shards).unwrap_or_default()
    }

    fn tell(&self, ownership: &Ownership, fact: ConsumerFact) {
        self.fleet.witness.tell(Fact::Consumer(ownership.clone(), fact));
    }

    fn say(&self, fact: WorkerFact) {
        self.fleet.witness.tell(Fact::Worker(self.worker.clone(), fact));
    }

    fn shards(&self) -> MutexGuard<'_, BTreeMap<(ShardId, u64), Seen>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        let shards = std::mem::take(&mut *self.shards());
        if self.is_simple() {
            for ((shard, _), _) in shards {
                self.say(WorkerFact::Left { shard });
            }
        }
    }
}

fn shard_of(status: &ShardStatus) -> ShardId {
    shard_id(status.shard.shard.as_str())
}

fn key_of(status: &ShardStatus) -> (ShardId, u64) {
    (shard_of(status), status.epoch.value())
}
