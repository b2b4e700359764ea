//! Pure: how the workers of a fleet find dead workers and unowned leases, by turns.
//!
//! ```text
//!  slot ──► scan ──► scan, 0.4 × failover later ──► read by key what stood still, when its time is over
//!            │         │                              │
//!            └─────────┴── unowned leases ────────────┴──► expired leases ──► plan ──► conditional writes
//! ```
//!
//! With n live workers of this library each begins an observation every n slots, in the slot that its rank among them gives. A
//! slot is a tenth of the failover time, 1 s by default. So the fleet as a whole scans about twice in a slot at any size, some worker
//! sees each lease within a slot of its last renewal, or two if the dead worker's own slot is the next, and each worker knows
//! the others. There is no watcher, whose role would have to be found and who could die.
//!
//! * **What is expired** is assigned by the worker that has seen it, by the plan that all workers would make. Each write names
//!   owner, checkpoint owner and counter as they were seen: a lease that was renewed meanwhile, or assigned by another observer, stays as
//!   it is.
//! * **A lease that names this worker** is not expired by it. It is held, or adopted by discovery. One that this worker hands over
//!   is in the index under its next owner: if it stands still, it expires as any other.
//! * **All others dead.** A worker of a large fleet, whose turn comes less often than once in a failover time, reads one lease of
//!   its neighbour in each slot, by the rules of `neighbour`. If that stands still, its own turn begins at once. Otherwise the last
//!   worker that lives would wait for its slot among those of the dead.
//! * **Many suspects**, more than a tenth of the leases, are read by a scan.
//! * **Cut off.** Nothing expires on reads that are more than the failover time apart
//!   ([`lease_watch`](super::lease_watch)). After calls have failed for longer than that, or after a suspension, the observer begins
//!   again with its members too: all that lived are candidates, and it waits a minute before it takes one for gone.
//!
//! One call is in flight at a time. [`Turns::next`] says what to send and when, and [`Turns::replied`] takes the reply. A call without
//! a reply must end as an error after a second or so.
//!
//! A leader may feed scans of its own with [`Turns::scan_now`]. `slots` has the times of the turns, and `replies`
//! what is concluded from the replies; `beginning` delays the first assignments of a fleet; `targets` chooses the workers that are
//! given leases.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use self::neighbour::Neighbour;
use self::slots::Turn;
use super::lease_watch::{LeaseWatch, WatchedLease};
use super::members::{FleetSnapshot, MemberNews, Members};
use super::planner::{Decision, PlannerPolicy};
use super::rows::FleetRows;
use crate::error::TableError;
use crate::lease::item::Row;
use crate::lease::model::{LeaseKey, WorkerId};
use crate::lease::table::ScanPage;
use crate::lease::write::{CounterCondition, LeaseWrite, WriteOutcome};
#[cfg(feature = "_simulation")]
use crate::planted_bugs::PlantedBug;

mod beginning;
mod neighbour;
mod replies;
#[cfg(test)]
mod simulation;
mod slots;
mod targets;
#[cfg(test)]
mod tests;

/// Slots in a failover time. Our choice.
const SLOTS: u32 = 10;

/// The part of the failover time from a scan to its second one, in percent. Our choice.
const SECOND_SCAN_PERCENT: u32 = 40;

/// After a call that failed. Our choice.
const RETRY: Duration = Duration::from_secs(1);

/// The most rows that are read by their keys, or assigned, in one call. Our choice.
const BATCH: usize = 100;

/// The most suspects that are read by their keys, however small the table is. Our choice.
const FEW: usize = 10;

/// How a worker observes its fleet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TurnsPolicy {
    /// How long a counter stands still before the lease is expired.
    pub(crate) failover: Duration,
    pub(crate) planner: PlannerPolicy,
}

/// The observations of one worker.
#[derive(Debug)]
pub(crate) struct Turns {
    me: WorkerId,
    policy: TurnsPolicy,
    watch: LeaseWatch,
    members: Members,
    next_turn: Instant,
    last_turn: Instant,
    /// When to scan a second time.
    second_scans: BTreeSet<Instant>,
    /// What to read by its key, and when.
    rereads: BTreeMap<LeaseKey, Instant>,
    neighbour: Option<Neighbour>,
    /// Writes to send.
    to_assign: Vec<Assignment>,
    /// When they were planned.
    planned: Instant,
    scan: Option<Scan>,
    in_flight: Option<Instant>,
    /// No call is sent before, because one has failed.
    pause: Option<Instant>,
    /// When the first of the calls was sent that failed in a row.
    failing_since: Option<Instant>,
    /// Since when no lease has an owner.
    beginning: Option<Instant>,
    last_scan: Option<WholeScan>,
}

/// A scan between its pages.
#[derive(Debug)]
struct Scan {
    begun: Instant,
    from: Option<LeaseKey>,
    rows: FleetRows,
    purpose: Purpose,
}

/// The last whole scan of the table.
#[derive(Debug)]
pub(crate) struct WholeScan {
    pub(crate) begun: Instant,
    /// When its last reply came.
    pub(crate) at: Instant,
    /// The rows that are no leases.
    pub(crate) rows: FleetRows,
}

/// Why a scan was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// An observation begins, and a second scan follows.
    Turn,
    Other,
}

/// A call to make.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TurnCall {
    /// Read a page of the table, behind this key.
    ScanPage { from: Option<LeaseKey> },
    /// Read these rows, all at once.
    Get(Vec<LeaseKey>),
    /// Make these writes, all at once.
    Assign(Vec<Assignment>),
}

/// A lease that is given to a worker.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assignment {
    pub(crate) write: LeaseWrite,
    pub(crate) decision: Decision,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum TurnReply {
    Page(Result<ScanPage, TableError>),
    Rows(Vec<(LeaseKey, Result<Option<Row>, TableError>)>),
    Assigned(Vec<(LeaseKey, WriteOutcome)>),
}

/// What a reply has shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TurnNews {
    Member(MemberNews),
    /// A lease of a worker was not renewed for its time, which was over then.
    Expired {
        owner: WorkerId,
        at: Instant,
    },
    /// This worker has assigned the lease to itself: it is to be adopted, by its first renewal.
    Mine(LeaseKey),
}

impl Turns {
    /// The worker `me` begins to observe at once.
    pub(crate) fn new(me: WorkerId, policy: TurnsPolicy, now: Instant) -> Self {
        Self {
            watch: LeaseWatch::new(me.clone(), policy.failover),
            members: Members::new(me.clone()),
            me,
            policy,
            next_turn: now,
            last_turn: now,
            second_scans: BTreeSet::new(),
            rereads: BTreeMap::new(),
            neighbour: None,
            to_assign: Vec::new(),
            planned: now,
            scan: None,
            in_flight: None,
            pause: None,
            failing_since: None,
            beginning: None,
            last_scan: None,
        }
    }

    /// When there is a call to make. `None`: once the reply of the last one is there.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        if self.in_flight.is_some() {
            return None;
        }
        let at = match self.scan.is_some() || !self.to_assign.is_empty() {
            true => self.last_turn,
            false => self.next_scan().min(self.next_reread().unwrap_or(self.next_turn)),
        };
        Some(self.pause.map_or(at, |pause| at.max(pause)))
    }

    /// The call to send now, if one is due. [`replied`](Self::replied) has to follow, also if the call was dropped.
    pub(crate) fn next(&mut self, now: Instant) -> Option<TurnCall> {
        if self.in_flight.is_none() && now.saturating_duration_since(self.planned) > self.policy.failover {
            // What the writes were planned by is too old.
            self.to_assign.clear();
        }
        let due = self.next_at().filter(|due| *due <= now)?;
        let is_between_calls = self.scan.is_some() || !self.to_assign.is_empty();
        if !is_between_calls && now.saturating_duration_since(due) > self.policy.failover {
            self.cut_off(now);
        }
        self.pause = None;
        self.in_flight = Some(now);
        if !self.to_assign.is_empty() {
            let rest = self.to_assign.split_off(self.to_assign.len().min(BATCH));
            return Some(TurnCall::Assign(std::mem::replace(&mut self.to_assign, rest)));
        }
        if self.scan.is_none() && self.next_scan() <= now {
            self.begin_scan(now);
        }
        let mut due = self.due_rereads(now);
        if self.scan.is_none() && due.len() > FEW.max(self.watch.len() / 10) {
            self.begin_scan(now);
        }
        if due.iter().any(|key| self.rereads.contains_key(key)) {
            let witnesses = self.witnesses().into_iter().filter(|key| !due.contains(key));
            due.extend(witnesses.collect::<Vec<_>>());
        }
        due.truncate(BATCH);
        Some(match &self.scan {
            Some(Scan { from, .. }) => TurnCall::ScanPage { from: from.clone() },
            None => TurnCall::Get(due),
        })
    }

    /// Scans at the next call, whether it is this worker's turn or not.
    pub(crate) fn scan_now(&mut self, now: Instant) {
        self.second_scans.insert(now);
    }

    /// The fleet as it was seen last.
    pub(crate) fn fleet(&self, now: Instant) -> FleetSnapshot {
        FleetSnapshot::of(&self.members, &self.watch, self.policy.failover, now)
    }

    /// The last whole scan, if there was one.
    pub(crate) fn last_scan(&self) -> Option<&WholeScan> {
        self.last_scan.as_ref()
    }

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    pub(crate) fn watch(&self) -> &LeaseWatch {
        &self.watch
    }

    /// Begins again after this worker was cut off from the table.
    fn cut_off(&mut self, now: Instant) {
        self.members.begin_again(now);
        self.rereads.clear();
        self.to_assign.clear();
    }

    fn begin_scan(&mut self, now: Instant) {
        let purpose = if self.next_turn <= now {
            Purpose::Turn
        } else {
            Purpose::Other
        };
        if purpose == Purpose::Turn {
            self.last_turn = now;
            self.next_turn = now + self.turn().period();
        }
        // A scan serves all that are due.
        self.second_scans = self.second_scans.split_off(&now);
        self.second_scans.remove(&now);
        self.scan = Some(Scan {
            begun: now,
            from: None,
            rows: FleetRows::default(),
            purpose,
        });
    }

    fn next_scan(&self) -> Instant {
        self.second_scans
            .first()
            .map_or(self.next_turn, |second| self.next_turn.min(*second))
    }

    fn next_reread(&self) -> Option<Instant> {
        let neighbour = self.neighbour.as_ref().map(Neighbour::next_at);
        self.rereads.values().copied().chain(neighbour).min()
    }

    /// The rows to read by their keys now.
    fn due_rereads(&self, now: Instant) -> Vec<LeaseKey> {
        let due = self.rereads.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key);
        let neighbour = self
            .neighbour
            .iter()
            .filter(|it| it.next_at() <= now)
            .map(Neighbour::key);
        let due: BTreeSet<_> = neighbour.chain(due).cloned().collect();
        due.into_iter().collect()
    }

    /// Plans the second scan of an observation whose first one has ended now. Each lease may be a suspect by then.
    fn plan_second_scan(&mut self, scan: &Scan, now: Instant) {
        match scan.purpose {
            Purpose::Turn => {
                let second = scan.begun + self.policy.failover * SECOND_SCAN_PERCENT / 100;
                self.second_scans.insert(second.max(now + self.watch.stillness()));
            }
            Purpose::Other => {}
        }
    }

    /// This worker's place among those that take turns.
    fn turn(&self) -> Turn {
        let workers: Vec<_> = self.members.taking_turns().collect();
        let rank = workers
            .iter()
            .position(|worker| **worker == self.me)
            .unwrap_or_default();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Turn {
            rank: count(rank),
            of: count(workers.len()).max(1),
            slot: self.policy.failover / SLOTS,
        }
    }

    /// Draws the conclusions of what was read, and plans.
    fn conclude(&mut self, now: Instant, wall: SystemTime) -> Vec<TurnNews> {
        let members = &mut self.members;
        let expired = self.watch.expire(|worker| members.begins_soon(worker));
        let mut news = Vec::new();
        for (owner, at) in expired {
            // It looks, so it lives.
            if owner != self.me {
                members.expired(owner.clone(), at);
            }
            news.push(TurnNews::Expired { owner, at });
        }
        let suspects = self.watch.suspects(|worker| self.members.begins_soon(worker));
        let ends_matter = self.members.has_java();
        let is_open = |key: &LeaseKey| ends_matter || !self.watch.get(key).is_some_and(|it| it.lease.is_finished());
        self.rereads = suspects
            .filter(|(key, _)| is_open(key))
            .map(|(key, at)| (key.clone(), at))
            .collect();
        self.next_turn = self.turn().next(now, wall, self.last_turn);
        self.look_at_neighbour(now);
        self.assign(now);
        news
    }

    /// Plans who gets the leases that nobody reads.
    fn assign(&mut self, now: Instant) {
        let is_unread = |it: &WatchedLease| it.expired.is_some() || it.lease.actual_owner().is_none();
        #[cfg(feature = "_simulation")]
        let is_unread = |it: &WatchedLease| {
            let is_left = PlantedBug::LeaveUnowned.is_planted() && it.expired.is_none();
            is_unread(it) && !is_left
        };
        if !self.watch.leases().any(is_unread) || self.waits_for_others(now) {
            return;
        }
        let fleet = self.fleet(now);
        let decisions = targets::decide(&fleet, &self.policy, now);
        self.planned = now;
        let assignment = |decision: Decision| {
            let seen = self.watch.get(&decision.lease).filter(|watched| is_unread(watched))?;
            let write = LeaseWrite::Assign {
                seen: seen.lease.clone(),
                to: decision.to.clone(),
                counter: CounterCondition::AsSeen,
            };
            Some(Assignment { write, decision })
        };
        self.to_assign = decisions.into_iter().filter_map(assignment).collect();
    }
}
