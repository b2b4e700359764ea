//! Pure: the view of a fleet from which a plan is made.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::utilization::load_of;
use super::{Member, Members};
use crate::coordination::lease_watch::{LeaseWatch, WatchedLease};
use crate::coordination::planner::{Fitness, FleetView, HandOff, Implementation, LeaseView, Reader, WorkerView};
use crate::lease::model::{Lease, LeaseKey, WorkerId};

/// The attribute of a lease with its throughput. The KCL's.
const THROUGHPUT: &str = "throughputKBps";

/// How long a worker has to hand a lease over, beyond the failover time.
///
/// Source: amazon-kinesis-client 3.5, the default of `gracefulLeaseHandoffTimeoutMillis`.
const HAND_OFF: Duration = Duration::from_secs(30);

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
        Self {
            me: members.me.clone(),
            workers: live.map(|(id, member)| member.view(id, &members.me)).collect(),
            leases: watch
                .leases()
                .map(|watched| view(watched, &keys, deadline, now))
                .collect(),
            membership_changed: members.changed,
            now,
        }
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

impl Member {
    /// Workers of this library say it in their rows, unless they may have any number.
    fn max_leases(&self) -> Option<usize> {
        let row = self.row.as_ref().filter(|row| row.started_at.is_some())?;
        let most = row.max_leases.and_then(|most| usize::try_from(most).ok());
        Some(most.unwrap_or(usize::MAX))
    }

    fn view(&self, id: &WorkerId, me: &WorkerId) -> WorkerView {
        let (implementation, metrics) = match (id == me, &self.row) {
            // Its first report is on its way.
            (true, None) => (Implementation::Rust, Fitness::Default),
            (true, Some(_)) => (Implementation::Rust, load_of(self.row.as_ref())),
            (false, _) => (self.implementation(), load_of(self.row.as_ref())),
        };
        WorkerView {
            id: id.clone(),
            implementation,
            metrics,
            max_leases: self.max_leases(),
            seen: self.seen,
            lease_expired: self.lease_expired,
        }
    }
}

fn view(
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
