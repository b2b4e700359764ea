//! The writes of the lease rows, as the table applied them.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use service::Clock;
use testkit::dynamodb::{Change, Item};

use super::PATIENCE;

/// Notes the writes, and wakes the waiters.
#[derive(Debug, Default)]
pub(super) struct LeaseLog {
    rows: Mutex<Rows>,
    changed: Condvar,
}

/// The writes of each row, by its key.
pub(super) type Rows = BTreeMap<String, Vec<Write>>;

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) at: Instant,
    pub(super) owner: Option<String>,
    pub(super) switches: Option<String>,
}

impl LeaseLog {
    pub(super) fn note(&self, change: &Change) {
        let Some(after) = &change.after else { return };
        let text = |item: &Item, name: &str, kind: &str| Some(item.get(name)?.get(kind)?.as_str()?.to_owned());
        let key = text(after, "leaseKey", "S").unwrap();
        let write = Write {
            at: Clock::default().now(),
            owner: text(after, "leaseOwner", "S"),
            switches: text(after, "ownerSwitchesSinceCheckpoint", "N"),
        };
        self.rows().entry(key).or_default().push(write);
        self.changed.notify_all();
    }

    /// Waits until `is_over`; looks after each write. Returns all writes so far.
    #[track_caller]
    pub(super) fn wait(&self, is_over: impl Fn(&Rows) -> bool) -> Rows {
        let goes_on = |rows: &mut Rows| !is_over(rows);
        let (rows, timeout) = self
            .changed
            .wait_timeout_while(self.rows(), PATIENCE, goes_on)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "{rows:?}");
        rows.clone()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `worker` owns that many leases.
    #[track_caller]
    pub(super) fn wait_for_owner(&self, worker: &str, leases: usize) -> Rows {
        self.wait(|rows| keys_of(rows, worker).len() == leases)
    }
}

/// The leases that `worker` owns.
pub(super) fn keys_of(rows: &Rows, worker: &str) -> Vec<String> {
    let owned = rows.iter().filter(|(_, writes)| {
        let last = writes.last();
        last.is_some_and(|last| last.owner.as_deref() == Some(worker))
    });
    owned.map(|(key, _)| key.clone()).collect()
}

/// The longest time between two writes of one row since `since`, and from the last one to `until`.
pub(super) fn longest_gap(writes: &[Write], since: Instant, until: Instant) -> Duration {
    let times = writes
        .iter()
        .map(|write| write.at)
        .filter(|at| *at <= until)
        .chain([until]);
    let times: Vec<_> = times.collect();
    let gaps = times.windows(2).filter(|pair| pair[1] >= since);
    gaps.map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}
