//! Pure: which leases a worker takes by the rule of KCL 2.x, where each worker decides for itself.
//!
//! ```text
//!  named as its owner, but not held ─────────────────────────► Recovered
//!  very old, if those go first ──────────────────────────────► VeryOld, as many as the worker may hold
//!  else, while it holds less than an equal share:
//!     some are unowned, or their counter stood still ────────► Unowned, Expired: up to the share
//!     else the most loaded worker has its share or more ─────► Steal: few at a time
//!  nobody's, and waits for a parent ─────────────────────────► last, if there is room
//! ```
//!
//! A lease that waits for a parent is no load: it is in nobody's share, and is not stolen. How it counts against the most
//! that a worker may have is said in [`families`](crate::assignment::families).
//!
//! A lease is alive as long as its counter moves between two scans of the table; clocks of others play no part.
//!
//! Source: amazon-kinesis-client 2.x, `DynamoDBLeaseTaker`. `Recovered` is ours: there, a worker that is restarted under
//! its name waits until its own leases have expired.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use crate::assignment::families::{Families, Load};
use crate::lease::model::{Lease, LeaseKey, WorkerId};

/// How many failover times a lease has to stand still to be very old.
///
/// Source: amazon-kinesis-client, `LeaseManagementConfig.veryOldLeaseDurationNanosMultiplier`.
const VERY_OLD_FAILOVERS: u32 = 3;

/// How a worker takes leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TakerPolicy {
    /// How long a counter stands still before the lease is anybody's.
    pub(crate) failover: Duration,
    /// The most leases that this worker may have.
    pub(crate) max_leases: usize,
    /// The most leases that it takes from a living worker in one plan.
    pub(crate) max_leases_to_steal: usize,
    pub(crate) very_old_leases: VeryOldLeases,
}

/// The rule for leases that no worker has had for three failover times, or ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VeryOldLeases {
    /// While there are any, a worker takes just them, beyond its share.
    TakenFirst,
    /// They are taken like others.
    #[cfg_attr(not(test), expect(dead_code, reason = "what the KCL does is not configurable yet"))]
    LikeOthers,
}

/// A worker's memory of the table and its rule.
#[derive(Debug)]
pub(crate) struct Taker {
    worker: WorkerId,
    policy: TakerPolicy,
    observations: BTreeMap<LeaseKey, Observation>,
    families: Families,
}

/// When a lease's counter was last seen to move.
#[derive(Debug, Clone, Copy)]
struct Observation {
    counter: u64,
    /// None for a lease that was unowned when it was first seen, and has not moved since.
    moved_at: Option<Instant>,
}

/// The leases to take, and the figures behind the decision.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TakePlan {
    /// Recovered leases first, then the others in the order of their keys.
    pub(crate) takes: Vec<Take>,
    /// The workers with a living lease, and this one.
    pub(crate) workers: usize,
    /// This worker's share.
    pub(crate) target: usize,
    /// The leases of an equal share beyond this worker's maximum.
    pub(crate) spillover: usize,
    /// The leases that this worker has already, those to recover among them.
    pub(crate) mine: usize,
    /// The leases that have no owner.
    pub(crate) unowned: usize,
    /// The leases whose owner does not renew them.
    pub(crate) expired: usize,
}

/// A lease to take, as it was observed: its counter is the condition of the write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Take {
    pub(crate) lease: Lease,
    pub(crate) because: Reason,
}

/// Why a lease is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Its row names this worker, which does not hold it: the worker was restarted.
    Recovered,
    /// It has no owner.
    Unowned,
    /// Its owner has not renewed it for the failover time.
    Expired,
    /// No worker has renewed it for three failover times, or as far back as this worker can tell.
    VeryOld(Standing),
    /// Its owner has more leases than this worker.
    Steal { from: WorkerId },
}

/// How a very old lease was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Without an owner: new, or given back before this worker saw it first, perhaps a moment ago.
    Unowned,
    /// With an owner.
    NotRenewed,
}

impl Standing {
    fn of(lease: &Lease) -> Self {
        match lease.actual_owner() {
            None => Self::Unowned,
            Some(_) => Self::NotRenewed,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recovered => f.write_str(
                "its row names this worker: taken back after a restart, or from another process with this id",
            ),
            Self::Unowned => f.write_str("it has no owner"),
            Self::Expired => f.write_str("its owner does not renew it"),
            Self::VeryOld(Standing::Unowned) => Self::Unowned.fmt(f),
            Self::VeryOld(Standing::NotRenewed) => f.write_str("its owner has not renewed it for three failover times"),
            Self::Steal { from } => write!(f, "{from} has more leases"),
        }
    }
}

impl Taker {
    pub(crate) fn new(worker: WorkerId, policy: TakerPolicy) -> Self {
        Self {
            worker,
            policy,
            observations: BTreeMap::new(),
            families: Families::default(),
        }
    }

    /// Decides what to take of `leases`, the whole table as scanned at `now`, without those of shards that were read to
    /// their ends.
    ///
    /// `held` are the leases that this process has. They are never taken, whatever their rows say.
    pub(crate) fn plan(
        &mut self,
        leases: &[Lease],
        held: &BTreeSet<LeaseKey>,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) -> TakePlan {
        self.observe(leases, now);
        self.families = Families::of(leases);
        let mut load = Load::new(&self.families, held, self.policy.max_leases);
        let table = self.sort(leases, held, now);
        let living_workers = table.living.keys().filter(|owner| ***owner != self.worker).count();
        let workers = living_workers + 1;
        let share = (leases.len() - table.waiting).div_ceil(workers);
        let target = share.min(self.policy.max_leases);
        let mine = table.recoverable.len() + table.living.get(&self.worker).map_or(0, Vec::len);
        let unowned = table
            .available
            .iter()
            .filter(|lease| lease.actual_owner().is_none())
            .count();
        let recovered = table.recoverable.iter().map(|lease| take(lease, Reason::Recovered));
        let mut takes: Vec<Take> = recovered.filter(|take| load.admit(&take.lease.key)).collect();
        let mut picker = Picker { load, rng };
        takes.extend(self.choose(&table, Share { target, mine }, now, &mut picker));
        let to_wait = table.to_wait.iter().filter(|(lease, _)| picker.load.admit(&lease.key));
        takes.extend(to_wait.map(|(lease, because)| take(lease, because.clone())));
        TakePlan {
            takes,
            workers,
            target,
            spillover: share - target,
            mine,
            unowned,
            expired: table.available.len() - unowned,
        }
    }

    fn observe(&mut self, leases: &[Lease], now: Instant) {
        let observe = |lease: &Lease| {
            let counter = lease.counter;
            let observation = match self.observations.get(&lease.key) {
                Some(before) if before.counter == counter => *before,
                None if lease.owner.is_none() => Observation {
                    counter,
                    moved_at: None,
                },
                Some(_) | None => Observation {
                    counter,
                    moved_at: Some(now),
                },
            };
            (lease.key.clone(), observation)
        };
        self.observations = leases.iter().map(observe).collect();
    }

    fn sort<'a>(&self, leases: &'a [Lease], held: &BTreeSet<LeaseKey>, now: Instant) -> Table<'a> {
        let mut table = Table::default();
        let in_order: BTreeMap<_, _> = leases.iter().map(|lease| (&lease.key, lease)).collect();
        for lease in in_order.into_values() {
            let is_held = held.contains(&lease.key);
            if self.families.waits(&lease.key) {
                table.waiting += 1;
                if let Some(because) = self.reason_to_wait(lease, now).filter(|_| !is_held) {
                    table.to_wait.push((lease, because));
                }
                // Its owner is a living worker, if it renews the lease.
                let owner = lease.actual_owner().filter(|_| is_held || self.is_alive(lease, now));
                owner.map(|owner| table.living.entry(owner).or_default());
                continue;
            }
            match lease.actual_owner() {
                Some(owner) if is_held => table.living.entry(owner).or_default().push(lease),
                None if is_held => {}
                None => table.available.push(lease),
                Some(owner) if *owner == self.worker && lease.checkpoint_owner.is_none() => {
                    table.recoverable.push(lease);
                }
                Some(_) if !self.is_alive(lease, now) => table.available.push(lease),
                Some(owner) => {
                    table.living.entry(owner).or_default().push(lease);
                    if lease.checkpoint_owner.is_none() {
                        table.stealable.entry(owner).or_default().push(lease);
                    }
                }
            }
        }
        table
    }

    /// Why this worker would take a lease that waits for a parent, if it would.
    fn reason_to_wait(&self, lease: &Lease, now: Instant) -> Option<Reason> {
        match lease.actual_owner() {
            None => Some(Reason::Unowned),
            Some(owner) if *owner == self.worker && lease.checkpoint_owner.is_none() => Some(Reason::Recovered),
            Some(_) => (!self.is_alive(lease, now)).then_some(Reason::Expired),
        }
    }

    fn is_alive(&self, lease: &Lease, now: Instant) -> bool {
        !self.stood_still(lease, self.policy.failover, now)
    }

    /// Whether this worker may have the lease of a child besides those that it holds.
    pub(crate) fn may_have_child(&mut self, child: &Lease, held: &BTreeSet<LeaseKey>) -> bool {
        self.families.add(child);
        Load::new(&self.families, held, self.policy.max_leases).admit(&child.key)
    }

    /// Whether the counter has not moved for longer than `duration`.
    fn stood_still(&self, lease: &Lease, duration: Duration, now: Instant) -> bool {
        let moved_at = self
            .observations
            .get(&lease.key)
            .and_then(|observation| observation.moved_at);
        moved_at.is_none_or(|moved_at| now.saturating_duration_since(moved_at) > duration)
    }

    fn choose(&self, table: &Table<'_>, share: Share, now: Instant, picker: &mut Picker<'_, '_>) -> Vec<Take> {
        let very_old = self.very_old(table, now);
        if !very_old.is_empty() {
            let room = self.policy.max_leases;
            let picked = picker.pick(&very_old, room).into_iter();
            return picked
                .map(|lease| take(lease, Reason::VeryOld(Standing::of(lease))))
                .collect();
        }
        if table.available.is_empty() {
            return self.steal(table, share, picker);
        }
        let because = |lease: &Lease| match lease.actual_owner() {
            None => Reason::Unowned,
            Some(_) => Reason::Expired,
        };
        let picked = picker.pick(&table.available, share.needed()).into_iter();
        picked.map(|lease| take(lease, because(lease))).collect()
    }

    fn very_old<'a>(&self, table: &Table<'a>, now: Instant) -> Vec<&'a Lease> {
        let age = self.policy.failover.saturating_mul(VERY_OLD_FAILOVERS);
        match self.policy.very_old_leases {
            VeryOldLeases::LikeOthers => Vec::new(),
            VeryOldLeases::TakenFirst => table
                .available
                .iter()
                .copied()
                .filter(|lease| self.stood_still(lease, age, now))
                .collect(),
        }
    }

    /// Takes the leases of the most loaded worker beyond its share; or one lease, if this worker is two or more short.
    ///
    /// So no worker steals a lease only to have the odd one itself.
    fn steal(&self, table: &Table<'_>, share: Share, picker: &mut Picker<'_, '_>) -> Vec<Take> {
        let others = table.living.iter().filter(|(owner, _)| ***owner != self.worker);
        // Of equally loaded workers the last one that `max_by_key` meets: the first by name.
        let Some((victim, theirs)) = others.rev().max_by_key(|(_, theirs)| theirs.len()) else {
            return Vec::new();
        };
        let Some(beyond_share) = theirs.len().checked_sub(share.target) else {
            return Vec::new();
        };
        let needed = share.needed();
        let number = match needed {
            0 | 1 => needed.min(beyond_share),
            _ => needed.min(beyond_share.max(1)),
        };
        let number = number.min(self.policy.max_leases_to_steal);
        let stealable = table.stealable.get(victim).map_or(&[][..], Vec::as_slice);
        let reason = || Reason::Steal {
            from: (*victim).clone(),
        };
        let picked = picker.pick(stealable, number).into_iter();
        picked.map(|lease| take(lease, reason())).collect()
    }
}

/// The leases, sorted by whose they are, each list in the order of the keys.
#[derive(Debug, Default)]
struct Table<'a> {
    /// This worker's by their rows, but not held.
    recoverable: Vec<&'a Lease>,
    /// Nobody's: unowned or expired.
    available: Vec<&'a Lease>,
    /// The leases that wait for a parent.
    waiting: usize,
    /// Those of them that are nobody's, or this worker's and not held.
    to_wait: Vec<(&'a Lease, Reason)>,
    /// Those of the workers that renew them.
    living: BTreeMap<&'a WorkerId, Vec<&'a Lease>>,
    /// The living ones that can change hands: not held here, and not on their way to another worker.
    stealable: BTreeMap<&'a WorkerId, Vec<&'a Lease>>,
}

/// The leases that this worker should have, and has.
#[derive(Debug, Clone, Copy)]
struct Share {
    target: usize,
    mine: usize,
}

impl Share {
    fn needed(self) -> usize {
        self.target.saturating_sub(self.mine)
    }
}

fn take(lease: &Lease, because: Reason) -> Take {
    Take {
        lease: lease.clone(),
        because,
    }
}

/// Picks leases at random, so that workers that decide at once seldom choose the same.
struct Picker<'l, 'r> {
    load: Load<'l>,
    rng: &'r mut fastrand::Rng,
}

impl Picker<'_, '_> {
    /// At most `number` of `leases`, as far as the worker may have them, in the order of their keys.
    fn pick<'a>(&mut self, leases: &[&'a Lease], number: usize) -> Vec<&'a Lease> {
        let mut shuffled = leases.to_vec();
        self.rng.shuffle(&mut shuffled);
        let admitted = shuffled.into_iter().filter(|lease| self.load.admit(&lease.key));
        let mut picked: Vec<_> = admitted.take(number).collect();
        picked.sort_by(|a, b| a.key.cmp(&b.key));
        picked
    }
}

#[cfg(test)]
mod tests;
