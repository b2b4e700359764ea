//! Pure: what one observer has seen of each lease, and how long the lease has stood still.
//!
//! A lease is alive as long as its counter moves. The observer counts from the *reply* that first showed a counter: the
//! owner has sent its renewal before, so that for the owner the lease lapses first. A lease that has stood still for its time
//! is [expired](WatchedLease::expired).
//!
//! | owner | its time |
//! |---|---|
//! | has renewed the lease, or is a worker of this library, or was one, or is retired | the failover time |
//! | was given the lease and has not been seen to renew it | twice the failover time and 5 s |
//!
//! A Java worker finds a lease that it was given within 10 s, and renews it 3 s later. Its leader's assignments are not torn away
//! before.
//!
//! **A chain of reads.** A lease stands still only while it is looked at: a gap of more than the failover time between two
//! reads begins the observation of the lease again. So nothing expires on what was seen before this observer was cut off
//! from the table, or was suspended, or before its last turn.
//!
//! **What others have seen.** A lease that had stood still for longer than an owner takes between two renewals, and then has
//! another owner, has expired for another observer. It is a [sign](Sign::Lost) against its former owner, whose metrics row looks fresh
//! for a minute.
//!
//! A lease that names this observer never expires for it: either this process renews it, or it is to be adopted.
//!
//! **Failover times of others.** No row says them. What can be known is how often a counter rises: an owner whose counters all
//! rise less often than each half of the failover time is [slow](LeaseWatch::slow_owners): it has a longer failover time, or cannot
//! renew in time. A shorter one cannot be told from checkpoints, which raise the counter as well; it does no harm here.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::lease::model::{Lease, LeaseKey, WorkerId};

#[cfg(test)]
mod tests;

/// What a Java worker may need to find a lease beyond twice the failover time. Our choice.
const DISCOVERY: Duration = Duration::from_secs(5);

/// Failover times over which the pace of a counter is measured. Our choice: nine renewals.
const PACE_OVER: u32 = 3;

/// After which part of the failover time a lease stands still for longer than an owner takes between two renewals, in percent.
///
/// Our choice: owners renew each third of the failover time.
const STILLNESS_PERCENT: u32 = 35;

/// All leases of a table, as one observer has seen them.
#[derive(Debug)]
pub(crate) struct LeaseWatch {
    me: WorkerId,
    failover: Duration,
    leases: BTreeMap<LeaseKey, WatchedLease>,
}

/// A lease as it was seen.
#[derive(Debug, Clone)]
pub(crate) struct WatchedLease {
    /// The row as it was read last.
    pub(crate) lease: Lease,
    pub(crate) first_seen: Instant,
    /// When a reply first showed this counter, or first showed it again after a gap.
    pub(crate) since: Instant,
    /// When the lease was seen to get its owner. `None`: before it was first seen.
    pub(crate) owner_since: Option<Instant>,
    /// When it was first seen to be handed to its next owner.
    pub(crate) offered: Option<Instant>,
    /// When its time was over. `None`: it has an owner who may live, or it has none.
    pub(crate) expired: Option<Instant>,
    /// The latest read of it.
    read: ReadTime,
    /// Whether its owner was seen to renew it.
    is_renewed: bool,
    /// A counter under this owner, and when it was first seen.
    pace_from: (u64, Instant),
}

/// How long a lease stands still.
#[derive(Debug, Clone, Copy)]
struct Times {
    failover: Duration,
    stillness: Duration,
}

/// When a read was sent, and when its reply came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadTime {
    pub(crate) sent: Instant,
    pub(crate) replied: Instant,
}

/// What a read of a lease says of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sign {
    Life(SignOfLife),
    /// Its lease stood still at this time, and another worker has it since.
    Lost {
        worker: WorkerId,
        at: Instant,
    },
}

/// A worker that was seen to renew a lease, or to write its metrics row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignOfLife {
    pub(crate) worker: WorkerId,
    /// It happened after this time.
    pub(crate) after: Instant,
    /// It happened before this time.
    pub(crate) before: Instant,
}

impl LeaseWatch {
    /// The watch of the observer `me`.
    pub(crate) fn new(me: WorkerId, failover: Duration) -> Self {
        let leases = BTreeMap::new();
        Self { me, failover, leases }
    }

    pub(crate) fn leases(&self) -> impl Iterator<Item = &WatchedLease> {
        self.leases.values()
    }

    pub(crate) fn get(&self, key: &LeaseKey) -> Option<&WatchedLease> {
        self.leases.get(key)
    }

    /// How many leases there are.
    pub(crate) fn len(&self) -> usize {
        self.leases.len()
    }

    /// How long a lease stands still that its owner does not renew.
    pub(crate) fn stillness(&self) -> Duration {
        self.failover * STILLNESS_PERCENT / 100
    }

    /// Whether a lease of the worker stands still: it may be dead.
    pub(crate) fn is_doubtful(&self, worker: &WorkerId) -> bool {
        let stillness = self.stillness();
        let is_open = |watched: &WatchedLease| watched.expired.is_none() && !watched.lease.is_finished();
        let mut leases = self
            .leases
            .values()
            .filter(|watched| watched.owner_but(&self.me) == Some(worker));
        leases.any(|watched| is_open(watched) && watched.stands_still(stillness))
    }

    /// Notes a row that was read, and says what it shows of its owner, or of the owner before.
    pub(crate) fn saw(&mut self, lease: Lease, read: ReadTime) -> Option<Sign> {
        let (failover, stillness) = (self.failover, self.stillness());
        let Some(watched) = self.leases.get_mut(&lease.key) else {
            self.leases.insert(lease.key.clone(), WatchedLease::new(lease, read));
            return None;
        };
        let lost = watched
            .lost_by(&lease, read, Times { failover, stillness })
            .filter(|(worker, _)| *worker != self.me);
        let alive = watched.saw(lease, read, failover);
        let lost = lost.map(|(worker, at)| Sign::Lost { worker, at });
        alive.map(Sign::Life).or(lost)
    }

    /// Notes that a lease has no row any more.
    pub(crate) fn gone(&mut self, key: &LeaseKey) {
        self.leases.remove(key);
    }

    /// Forgets the leases that no read has shown since `begun`, when a whole scan began.
    pub(crate) fn forget_unread(&mut self, begun: Instant) {
        self.leases.retain(|_, watched| watched.read.replied >= begun);
    }

    /// Finds the leases whose time is over by their latest read, and returns their owners with those times.
    ///
    /// `begins_soon` says of a worker whether it renews a lease that it was given within the failover time, if it lives.
    pub(crate) fn expire(&mut self, begins_soon: impl Fn(&WorkerId) -> bool) -> Vec<(WorkerId, Instant)> {
        let mut expired = Vec::new();
        #[cfg(feature = "_simulation")]
        if crate::planted_bugs::PlantedBug::NeverExpire.is_planted() {
            return expired;
        }
        for watched in self.leases.values_mut().filter(|watched| watched.expired.is_none()) {
            let Some(owner) = watched.owner_but(&self.me) else {
                continue;
            };
            let over = watched.since + watched.time(self.failover, &begins_soon);
            if watched.read.sent >= over {
                expired.push((owner.clone(), over));
                watched.expired = Some(over);
            }
        }
        expired
    }

    /// The leases to read by their keys, with the times to do it: those that stood still for longer than live ones do.
    pub(crate) fn suspects(
        &self,
        begins_soon: impl Fn(&WorkerId) -> bool,
    ) -> impl Iterator<Item = (&LeaseKey, Instant)> {
        let stillness = self.stillness();
        let is_suspect = move |watched: &WatchedLease| {
            let is_of_another = watched.owner_but(&self.me).is_some();
            is_of_another && watched.expired.is_none() && watched.stands_still(stillness)
        };
        let suspects = self.leases.iter().filter(move |(_, watched)| is_suspect(watched));
        suspects.map(move |(key, watched)| {
            let over = watched.since + watched.time(self.failover, &begins_soon);
            // Early enough that the chain of reads does not break.
            let at_the_latest = watched.read.replied + self.failover * 4 / 5;
            (key, over.min(at_the_latest))
        })
    }

    /// The owners none of whose counters rises as often as twice in a failover time, with the mean times between two rises.
    pub(crate) fn slow_owners(&self) -> BTreeMap<WorkerId, Duration> {
        let mut paces: BTreeMap<&WorkerId, Duration> = BTreeMap::new();
        for watched in self.leases.values().filter(|watched| watched.is_renewed) {
            if let (Some(owner), Some(pace)) = (watched.lease.actual_owner(), watched.pace(self.failover)) {
                let fastest = paces.entry(owner).or_insert(pace);
                *fastest = pace.min(*fastest);
            }
        }
        let slow = paces.into_iter().filter(|(_, pace)| *pace > self.failover / 2);
        slow.map(|(owner, pace)| (owner.clone(), pace)).collect()
    }
}

impl WatchedLease {
    fn new(lease: Lease, read: ReadTime) -> Self {
        Self {
            first_seen: read.replied,
            since: read.replied,
            owner_since: None,
            offered: is_offered(&lease).then_some(read.replied),
            expired: None,
            read,
            is_renewed: false,
            pace_from: (lease.counter, read.replied),
            lease,
        }
    }

    /// Whether its owner was seen to renew it.
    pub(crate) fn is_renewed(&self) -> bool {
        self.is_renewed
    }

    /// The owner that has lost the lease, if `lease` has another one, and until when it had not renewed it: it stood still, or the
    /// owner was given it and never wrote it.
    ///
    /// Not after a gap, in which it may have lived, and handed the lease over.
    fn lost_by(&self, lease: &Lease, read: ReadTime, times: Times) -> Option<(WorkerId, Instant)> {
        let (before, after) = (self.lease.actual_owner()?, lease.actual_owner()?);
        let written = lease.counter.checked_sub(self.lease.counter)?;
        let is_untouched = written == 1 && self.owner_since.is_some() && !self.is_renewed && self.offered.is_none();
        let is_idle = self.stands_still(times.stillness) || is_untouched;
        let is_lost = before != after && written > 0 && is_idle && !self.has_gap(read, times.failover);
        is_lost.then(|| (before.clone(), self.read.sent))
    }

    fn has_gap(&self, read: ReadTime, failover: Duration) -> bool {
        read.sent.saturating_duration_since(self.read.replied) > failover
    }

    fn saw(&mut self, lease: Lease, read: ReadTime, failover: Duration) -> Option<SignOfLife> {
        // The reply of an earlier read that came late.
        if read.sent < self.read.sent && lease.counter <= self.lease.counter {
            return None;
        }
        let has_gap = self.has_gap(read, failover);
        let before = std::mem::replace(&mut self.read, read);
        let is_moved = lease.counter != self.lease.counter;
        let has_new_owner = lease.actual_owner() != self.lease.actual_owner();
        if is_moved || has_new_owner || has_gap {
            self.since = read.replied;
            self.expired = None;
        }
        if lease.owner != self.lease.owner || lease.checkpoint_owner != self.lease.checkpoint_owner {
            self.offered = is_offered(&lease).then_some(read.replied);
        }
        if has_new_owner {
            self.owner_since = Some(read.replied);
            self.is_renewed = false;
        }
        let is_renewal = is_moved && !has_new_owner && lease.counter > self.lease.counter;
        let is_pace_old = read.replied.saturating_duration_since(self.pace_from.1) > failover * PACE_OVER * 2;
        if has_new_owner || lease.counter < self.pace_from.0 || (is_pace_old && is_moved) {
            self.pace_from = (lease.counter, read.replied);
        }
        self.is_renewed |= is_renewal;
        self.lease = lease;
        let worker = self.lease.actual_owner().filter(|_| is_renewal)?;
        Some(SignOfLife {
            worker: worker.clone(),
            after: before.sent,
            before: read.replied,
        })
    }

    /// Whether two reads so far apart have shown the same counter.
    pub(crate) fn stands_still(&self, stillness: Duration) -> bool {
        self.read.sent >= self.since + stillness
    }

    /// Its owner, unless `me` holds it, or finds it by the index of owners: that does not show a lease which `me` hands over.
    fn owner_but(&self, me: &WorkerId) -> Option<&WorkerId> {
        let is_handed_over = self.lease.checkpoint_owner.is_some();
        self.lease.actual_owner().filter(|owner| *owner != me || is_handed_over)
    }

    /// How long the lease may stand still.
    fn time(&self, failover: Duration, begins_soon: impl Fn(&WorkerId) -> bool) -> Duration {
        let is_trusted = self.is_renewed || self.lease.actual_owner().is_some_and(begins_soon);
        if is_trusted { failover } else { failover * 2 + DISCOVERY }
    }

    /// The mean time between two rises of the counter, once it was seen for long enough.
    fn pace(&self, failover: Duration) -> Option<Duration> {
        let (counter, from) = self.pace_from;
        let time = self.since.saturating_duration_since(from);
        let rises = u32::try_from(self.lease.counter.checked_sub(counter)?).ok()?;
        (time >= failover * PACE_OVER).then_some(time)?.checked_div(rises)
    }
}

fn is_offered(lease: &Lease) -> bool {
    lease.checkpoint_owner.is_some()
}
