//! Pure: the view of a fleet from which a plan is made.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::utilization::load_of;
use super::{Member, Members};
use crate::coordination::lease_watch::{LeaseWatch, WatchedLease};
use crate::coordination::planner::{
    Decision, Fitness, FleetView, HandOff, Implementation, LeaseView, Reader, WorkerView,
};
use crate::lease::model::{Lease, LeaseKey, WorkerId};

/// The attribute of a lease with its throughput. The KCL's.
const THROUGHPUT: &str = "throughputKBps";

/// How long a worker has to hand a lease over, beyond the failover time.
///
/// Source: amazon-kinesis-client 3.5, the default of `gracefulLeaseHandoffTimeoutMillis`.
const HAND_OFF: Duration = Duration::from_secs(30);

/// A worker whose latest sign of life is older is given nothing. Our choice: live ones write their metrics rows each 30 s, and
/// their times are cut to seconds.
const QUIET_FOR: Duration = Duration::from_secs(35);

/// A fleet at one time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FleetSnapshot {
    me: WorkerId,
    pub(crate) workers: Vec<WorkerView>,
    pub(crate) leases: Vec<LeaseView>,
    membership_changed: Option<Instant>,
    now: Instant,
}

impl FleetSnapshot {
    /// The fleet as `members` and `watch` have it.
    pub(crate) fn of(members: &Members, watch: &LeaseWatch, failover: Duration, now: Instant) -> Self {
        let workers = members.members.iter();
        let live = workers.filter(|(_, member)| member.is_alive);
        let keys: BTreeMap<_, _> = watch
            .leases()
            .map(|watched| (shard_of(&watched.lease), &watched.lease.key))
            .collect();
        let deadline = HAND_OFF + failover;
        let holdings = Holding::of_all(watch);
        let most_new = |id: &WorkerId, member: &Member| match holdings.get(id) {
            _ if *id == members.me || member.was_seen_within(failover, now) => usize::MAX,
            Some(Holding::Held) => usize::MAX,
            Some(Holding::Given | Holding::Still) => 0,
            None => usize::from(member.was_seen_within(QUIET_FOR, now)),
        };
        let view = |(id, member): (&WorkerId, &Member)| member.view(id, &members.me, most_new(id, member));
        Self {
            me: members.me.clone(),
            workers: live.map(view).collect(),
            leases: watch
                .leases()
                .map(|watched| lease_view(watched, &keys, deadline, now))
                .collect(),
            membership_changed: members.changed,
            now,
        }
    }

    /// Only those workers of it that were seen to live at this time or later, and this one.
    pub(crate) fn with_workers_seen_since(&self, since: Instant) -> Self {
        let mut fleet = self.clone();
        fleet
            .workers
            .retain(|worker| worker.id == self.me || worker.seen >= since);
        fleet
    }

    /// As it is when these leases have been given to their new owners.
    pub(crate) fn with_given(&self, decisions: &[Decision], now: Instant) -> Self {
        let owners: BTreeMap<_, _> = decisions.iter().map(|it| (&it.lease, &it.to)).collect();
        let mut fleet = self.clone();
        for lease in &mut fleet.leases {
            if let Some(to) = owners.get(&lease.key) {
                let (owner, since) = ((*to).clone(), Some(now));
                lease.reader = Reader::Owner { owner, since };
            }
        }
        fleet
    }

    pub(crate) fn view(&self) -> FleetView<'_> {
        FleetView {
            me: &self.me,
            workers: &self.workers,
            leases: &self.leases,
            membership_changed: self.membership_changed,
            now: self.now,
        }
    }
}

/// What the leases of a worker say of it, the weightiest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Holding {
    /// It was seen to be given a lease, and not to renew one yet.
    Given,
    /// It renews what it has, or had it before this observer began.
    Held,
    /// One of them stands still.
    Still,
}

impl Holding {
    /// The owners of open leases.
    fn of_all(watch: &LeaseWatch) -> BTreeMap<&WorkerId, Self> {
        let mut holdings: BTreeMap<&WorkerId, Self> = BTreeMap::new();
        let stillness = watch.stillness();
        for watched in watch.leases().filter(|watched| !watched.lease.is_finished()) {
            let Some(owner) = watched.lease.actual_owner() else {
                continue;
            };
            let is_held = watched.is_renewed() || watched.owner_since.is_none();
            let is_still = watched.expired.is_some() || watched.stands_still(stillness);
            let holding = match (is_still, is_held) {
                (true, _) => Self::Still,
                (false, true) => Self::Held,
                (false, false) => Self::Given,
            };
            let weightiest = holdings.entry(owner).or_insert(holding);
            *weightiest = holding.max(*weightiest);
        }
        holdings
    }
}

impl Member {
    fn was_seen_within(&self, time: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.seen) <= time
    }

    /// Workers of this library say it in their rows, unless they may have any number.
    fn max_leases(&self) -> Option<usize> {
        let row = self.row.as_ref().filter(|row| row.started_at.is_some())?;
        let most = row.max_leases.and_then(|most| usize::try_from(most).ok());
        Some(most.unwrap_or(usize::MAX))
    }

    fn view(&self, id: &WorkerId, me: &WorkerId, most_new: usize) -> WorkerView {
        let (implementation, metrics) = match (id == me, &self.row) {
            // Its first report is on its way.
            (true, None) => (Implementation::Rust, Fitness::Default),
            (true, Some(_)) => (Implementation::Rust, load_of(self.row.as_ref())),
            (false, _) => (self.runs, load_of(self.row.as_ref())),
        };
        WorkerView {
            id: id.clone(),
            implementation,
            metrics,
            max_leases: self.max_leases(),
            most_new,
            seen: self.seen,
            lease_expired: self.lease_expired,
        }
    }
}

fn lease_view(
    watched: &WatchedLease,
    keys: &BTreeMap<(&str, &str), &LeaseKey>,
    deadline: Duration,
    now: Instant,
) -> LeaseView {
    let lease = &watched.lease;
    let stream = shard_of(lease).0;
    let parents = lease
        .parents
        .iter()
        .filter_map(|parent| keys.get(&(stream, parent.as_str())));
    let throughput = lease.others.get(THROUGHPUT).and_then(|value| value.as_n().ok());
    LeaseView {
        key: lease.key.clone(),
        reader: reader(watched, deadline, now),
        throughput: throughput.and_then(|digits| digits.parse().ok()),
        ended: lease.is_finished(),
        parents: parents.map(|key| (*key).clone()).collect(),
        first_seen: watched.first_seen,
    }
}

fn reader(watched: &WatchedLease, deadline: Duration, now: Instant) -> Reader {
    let lease = &watched.lease;
    let Some(owner) = lease.actual_owner().cloned() else {
        return Reader::Nobody;
    };
    let next = lease
        .owner
        .as_ref()
        .filter(|_| lease.checkpoint_owner.is_some())
        .cloned();
    match (watched.expired, next) {
        (Some(at), next) => Reader::Expired { owner, next, at },
        (None, None) => Reader::Owner {
            owner,
            since: watched.owner_since,
        },
        (None, Some(next)) => {
            let is_overdue = |offered| now.saturating_duration_since(offered) >= deadline;
            let hand_off = match watched.offered.is_some_and(is_overdue) {
                true => HandOff::Overdue,
                false => HandOff::Pending,
            };
            Reader::HandingOver { owner, next, hand_off }
        }
    }
}

/// A shard by the name of its stream, if the table has several, and its id.
fn shard_of(lease: &Lease) -> (&str, &str) {
    (lease.stream.as_deref().unwrap_or_default(), lease.shard.as_str())
}
