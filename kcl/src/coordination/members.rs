//! Pure: which workers of a fleet are alive, as one observer sees it.
//!
//! | a worker is | if |
//! |---|---|
//! | alive | its metrics row says a time within 60 s of the service's, *or* this row or one of its leases changed within 60 s of our monotonic clock |
//! | retired, at once | its row is gone, or says the time 0, until it is written again. That is remembered for a minute |
//! | gone | neither |
//!
//! So a worker whose clock is wrong is alive, and so is one whose row is fresh when this observer begins. The observer itself is
//! always alive. What was seen by a scan is judged at that scan, and not later.
//!
//! A worker that is alive by its row may be dead nevertheless: the row looks fresh for a minute. If one of its leases expires,
//! that is noted, and it counts for nothing until it was seen to live *after* the expiry ([`Member::is_lost`]).
//!
//! `utilization` reads the load of a worker off its row, `row_times` its times, and `fleet` makes the view from which a plan is made.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

pub(crate) use self::fleet::FleetSnapshot;
use self::row_times::{difference, skew, time_of, written};
use super::lease_watch::{ReadTime, SignOfLife};
use super::planner::Implementation;
use super::rows::WorkerMetrics;
use super::write::FleetWrite;
use crate::lease::model::WorkerId;

mod fleet;
mod row_times;
#[cfg(test)]
pub(crate) mod tests;
mod utilization;

/// How long a sign of life holds. The KCL's: two periods of reports.
pub(crate) const ALIVE_FOR: Duration = Duration::from_secs(60);

/// After which time without a report a row is deleted. The KCL's.
const STALE_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The workers of a fleet.
#[derive(Debug)]
pub(crate) struct Members {
    me: WorkerId,
    members: BTreeMap<WorkerId, Member>,
    /// When a worker was last seen to come or go.
    changed: Option<Instant>,
    has_scanned: bool,
}

/// A worker as it was seen.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// `None`: it has no row, and has leases or had a row.
    row: Option<WorkerMetrics>,
    /// What it runs, by the row that was read last. Without one it is a Java worker.
    runs: Implementation,
    /// When its row was read last.
    read: Option<ReadTime>,
    /// Its latest sign of life came before this time. `None`: it was never seen to do anything.
    changed: Option<Instant>,
    /// Its latest sign of life came after this time.
    seen: Instant,
    /// When one of its leases was last seen to expire.
    lease_expired: Option<Instant>,
    service: Service,
    is_alive: bool,
    /// What is wrong with it and was told.
    told: BTreeSet<Told>,
}

/// Whether a worker is in service, by its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Active,
    /// Its row was first seen to be gone then.
    Retired {
        seen: Instant,
    },
}

/// What is told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    ClockSkew,
    SlowRenewals,
}

/// A whole scan of the table, but for the leases.
#[derive(Debug)]
pub(crate) struct MembersSeen<'a> {
    /// All metrics rows.
    pub(crate) rows: &'a [WorkerMetrics],
    /// The owners of all leases.
    pub(crate) owners: &'a BTreeSet<WorkerId>,
    pub(crate) read: ReadTime,
    /// The time of the table's service when the reply came.
    pub(crate) wall: SystemTime,
}

/// What a scan has shown of the workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MemberNews {
    Joined(WorkerId),
    /// It gave no sign of life for [`ALIVE_FOR`].
    Left(WorkerId),
    /// Its row went: it was shut down.
    Retired(WorkerId),
    /// The time in its row differs from the service's by more than 5 s. Leases are timed without it; a Java leader may take
    /// the worker for dead. Told once until the clock is right again.
    ClockSkew {
        worker: WorkerId,
        by: Skew,
    },
    /// It renews its leases too seldom for the failover time that is set here. Told once.
    SlowRenewals {
        worker: WorkerId,
        /// The mean time between two of its renewals.
        every: Duration,
    },
}

/// By how much a clock is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skew {
    Ahead(Duration),
    Behind(Duration),
}

impl Members {
    pub(crate) fn new(me: WorkerId) -> Self {
        Self {
            me,
            members: BTreeMap::new(),
            changed: None,
            has_scanned: false,
        }
    }

    /// Notes a renewal. It may be of a worker without a metrics row.
    pub(crate) fn renewed(&mut self, sign: SignOfLife) {
        let member = self.members.entry(sign.worker);
        let member = member.or_insert_with(|| Member::unknown(sign.after));
        member.lives(sign.after, sign.before);
    }

    /// Notes that a lease of a worker expired.
    pub(crate) fn expired(&mut self, worker: WorkerId, at: Instant) {
        let member = self.members.entry(worker).or_insert_with(|| Member::unknown(at));
        member.lease_expired = member.lease_expired.max(Some(at));
    }

    /// Begins again after this observer was cut off from the table: what it has not seen is no evidence against a worker.
    pub(crate) fn begin_again(&mut self, now: Instant) {
        for member in self.members.values_mut().filter(|member| member.is_alive) {
            member.changed = Some(now);
            member.lease_expired = None;
        }
    }

    /// Notes the owners that renew too seldom, with the times between two renewals.
    pub(crate) fn slow(&mut self, slow: &BTreeMap<WorkerId, Duration>) -> Vec<MemberNews> {
        let mut news = Vec::new();
        for (worker, member) in &mut self.members {
            if let Some(every) = slow.get(worker).copied()
                && member.told.insert(Told::SlowRenewals)
            {
                let worker = worker.clone();
                news.push(MemberNews::SlowRenewals { worker, every });
            }
        }
        news
    }

    /// Notes a scan, and judges who is alive. The renewals that it showed have to be noted before.
    pub(crate) fn scanned(&mut self, seen: &MembersSeen<'_>) -> Vec<MemberNews> {
        let mut news = Vec::new();
        let rows: BTreeMap<_, _> = seen.rows.iter().map(|row| (&row.worker, row)).collect();
        for (worker, row) in &rows {
            let member = self.members.entry((*worker).clone());
            let member = member.or_insert_with(|| Member::unknown(written(row, seen)));
            let by = member.reported(row, seen);
            news.extend(by.map(|by| MemberNews::ClockSkew {
                worker: (*worker).clone(),
                by,
            }));
        }
        for (worker, member) in &mut self.members {
            if !rows.contains_key(worker) && member.row.take().is_some() {
                member.retire(seen);
            }
        }
        self.members
            .entry(self.me.clone())
            .or_insert_with(|| Member::unknown(seen.read.replied));
        news.extend(self.judge(seen));
        let is_wanted = |worker: &WorkerId, member: &Member| {
            let is_known = member.row.is_some() || seen.owners.contains(worker);
            member.is_alive || is_known || member.has_lately_retired(seen)
        };
        self.members.retain(|worker, member| is_wanted(worker, member));
        news
    }

    /// Judges who is alive.
    fn judge(&mut self, seen: &MembersSeen<'_>) -> Vec<MemberNews> {
        let is_first = !std::mem::replace(&mut self.has_scanned, true);
        let mut news = Vec::new();
        for (worker, member) in &mut self.members {
            let is_alive = *worker == self.me || member.is_alive_at(seen);
            let was_alive = std::mem::replace(&mut member.is_alive, is_alive);
            let worker = worker.clone();
            match (was_alive, is_alive) {
                (false, true) if is_first => self.changed = self.changed.max(member.began_lately(seen)),
                (false, true) => news.push(MemberNews::Joined(worker)),
                (true, false) if member.is_retired() => news.push(MemberNews::Retired(worker)),
                (true, false) => news.push(MemberNews::Left(worker)),
                (true, true) | (false, false) => {}
            }
        }
        if !news.is_empty() {
            self.changed = Some(seen.read.replied);
        }
        news
    }

    /// When a worker was last seen to come or go. `None`: not for a minute at least.
    pub(crate) fn changed(&self) -> Option<Instant> {
        self.changed
    }

    /// The live workers of this library that are not lost, and this one, in the order of their ids. They take turns.
    pub(crate) fn taking_turns(&self) -> impl Iterator<Item = &WorkerId> {
        let takes_turns = |worker: &WorkerId, member: &Member| {
            let is_fit = member.is_alive && member.runs == Implementation::Rust && !member.is_lost();
            *worker == self.me || is_fit
        };
        let members = self
            .members
            .iter()
            .filter(move |(worker, member)| takes_turns(worker, member));
        members.map(|(worker, _)| worker)
    }

    /// Whether a worker is one of this library, by the last metrics row that it had.
    pub(crate) fn is_ours(&self, worker: &WorkerId) -> bool {
        let is_ours = |member: &Member| member.runs == Implementation::Rust;
        *worker == self.me || self.members.get(worker).is_some_and(is_ours)
    }

    /// Whether a worker renews a lease that it was given within the failover time, or never: it is one of this library, or it is
    /// retired.
    pub(crate) fn begins_soon(&self, worker: &WorkerId) -> bool {
        self.is_ours(worker) || self.members.get(worker).is_some_and(Member::is_retired)
    }

    /// Whether a worker can be given leases: it is alive, and not lost.
    pub(crate) fn is_candidate(&self, worker: &WorkerId) -> bool {
        self.members
            .get(worker)
            .is_some_and(|member| member.is_alive && !member.is_lost())
    }

    /// How many workers are alive.
    pub(crate) fn count_alive(&self) -> usize {
        self.members.values().filter(|member| member.is_alive).count()
    }

    /// Whether a live worker runs the Java KCL.
    pub(crate) fn has_java(&self) -> bool {
        let mut others = self
            .members
            .iter()
            .filter(|(worker, member)| member.is_alive && **worker != self.me);
        others.any(|(_, member)| member.runs == Implementation::Java)
    }

    /// The deletes of the rows that nobody has written for a day. They are the leader's to make.
    pub(crate) fn stale_rows(&self, wall: SystemTime) -> Vec<FleetWrite> {
        let members = self.members.values().filter(|member| !member.is_alive);
        let rows = members.filter_map(|member| member.row.as_ref());
        let is_stale = |row: &&WorkerMetrics| wall.duration_since(time_of(row)).is_ok_and(|age| age > STALE_AFTER);
        let delete = |row: &WorkerMetrics| FleetWrite::DeleteMetrics {
            worker: row.worker.clone(),
            updated: row.updated,
        };
        rows.filter(is_stale).map(delete).collect()
    }
}

impl Member {
    fn unknown(seen: Instant) -> Self {
        Self {
            row: None,
            runs: Implementation::Java,
            read: None,
            changed: None,
            seen,
            lease_expired: None,
            service: Service::Active,
            is_alive: false,
            told: BTreeSet::new(),
        }
    }

    /// Whether a lease of it expired, and it was not seen to live since.
    pub(crate) fn is_lost(&self) -> bool {
        self.lease_expired.is_some_and(|expired| self.seen <= expired)
    }

    fn is_retired(&self) -> bool {
        match self.service {
            Service::Active => false,
            Service::Retired { .. } => true,
        }
    }

    /// Leases may be given to it by workers that have not seen it go.
    fn has_lately_retired(&self, seen: &MembersSeen<'_>) -> bool {
        match self.service {
            Service::Active => false,
            Service::Retired { seen: at } => seen.read.replied.saturating_duration_since(at) <= ALIVE_FOR,
        }
    }

    fn retire(&mut self, seen: &MembersSeen<'_>) {
        let at = match self.service {
            Service::Active => seen.read.replied,
            Service::Retired { seen } => seen,
        };
        self.service = Service::Retired { seen: at };
    }

    fn lives(&mut self, after: Instant, before: Instant) {
        self.seen = self.seen.max(after);
        self.changed = self.changed.max(Some(before));
    }

    /// Notes its row; returns by how much its clock is wrong, if that is news.
    fn reported(&mut self, row: &WorkerMetrics, seen: &MembersSeen<'_>) -> Option<Skew> {
        let before = self.read.replace(seen.read);
        let is_new = self.row.is_none();
        let is_changed = self.row.as_ref().is_some_and(|before| before.updated != row.updated);
        if row.updated == 0 {
            self.retire(seen);
        } else {
            self.service = Service::Active;
        }
        self.runs = match row.started_at {
            Some(_) => Implementation::Rust,
            None => Implementation::Java,
        };
        self.row = Some(row.clone());
        if self.is_retired() || !(is_new || is_changed) {
            return None;
        }
        let skew = skew(row, before, seen);
        if skew.is_none() {
            self.seen = self.seen.max(written(row, seen));
        }
        if let Some(before) = before.filter(|_| is_changed) {
            self.lives(before.sent, seen.read.replied);
        }
        if skew.is_none() {
            self.told.remove(&Told::ClockSkew);
        }
        skew.filter(|_| self.told.insert(Told::ClockSkew))
    }

    fn is_alive_at(&self, seen: &MembersSeen<'_>) -> bool {
        let is_fresh = |row: &WorkerMetrics| difference(seen.wall, time_of(row)) <= ALIVE_FOR;
        let lately = |changed| seen.read.replied.saturating_duration_since(changed) <= ALIVE_FOR;
        self.service == Service::Active && (self.row.as_ref().is_some_and(is_fresh) || self.changed.is_some_and(lately))
    }

    /// When its process began, if that was less than a minute ago by its row.
    fn began_lately(&self, seen: &MembersSeen<'_>) -> Option<Instant> {
        let began = Duration::from_millis(self.row.as_ref()?.started_at?);
        let age = seen.wall.duration_since(SystemTime::UNIX_EPOCH + began).ok()?;
        (age < ALIVE_FOR).then(|| seen.read.replied.checked_sub(age)).flatten()
    }
}
