//! What the receipts of one aggregate share: one allocation, no channel and nothing per record.
//!
//! A cohort is made with the open aggregate of a lane. Its records may end in other aggregates, when a changed shard map
//! splits them up; each of these carries its *origins*, the runs of cohort members that it holds, and its outcome fans
//! back through them.
//!
//! `members` notes which records have their outcome and who waits for the others.

mod members;

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll};

use self::members::Members;
use crate::foreign::wake;
use crate::receipt::outcome::Outcome;
use crate::sync::recover;

/// The shared state of the receipts of one aggregate.
#[derive(Debug, Default)]
pub(crate) struct Cohort {
    members: Mutex<Members<u32, Resolved>>,
}

/// What a run of members has in common.
#[derive(Debug)]
struct Resolved {
    len: u32,
    outcome: Arc<Outcome>,
    /// The place of the run's first member in the aggregate that the outcome is about.
    position: u32,
}

impl Cohort {
    /// The outcome of member `index` and its place in the aggregate it ended in.
    pub(crate) fn poll(&self, index: u32, cx: &mut Context<'_>) -> Poll<(Arc<Outcome>, u32)> {
        let mut members = self.lock();
        if let Some((first, run)) = members.run_before(index)
            && index - first < run.len
        {
            return Poll::Ready((Arc::clone(&run.outcome), run.position + (index - first)));
        }
        let before = members.wait(index, cx.waker());
        drop(members);
        // Outside of the lock: it may be the last that holds its task, and with it other receipts of this cohort.
        wake(|| drop(before));
        Poll::Pending
    }

    /// Nobody waits for member `index` any more: its waker, and with it the task, is let go.
    pub(crate) fn forget(&self, index: u32) {
        let waker = self.lock().forget(index);
        // Outside of the lock, as above.
        wake(|| drop(waker));
    }

    fn resolve(&self, first: u32, run: Resolved) {
        let end = first + run.len;
        let woken = {
            let mut members = self.lock();
            debug_assert!(
                members
                    .run_before(end.saturating_sub(1))
                    .is_none_or(|(begin, other)| begin + other.len <= first),
                "a record has one outcome (P1)"
            );
            members.resolve(first..end, run)
        };
        woken.into_iter().for_each(|waker| wake(|| waker.wake()));
    }

    fn lock(&self) -> MutexGuard<'_, Members<u32, Resolved>> {
        recover(self.members.lock())
    }
}

/// A run of a cohort's members that lie side by side in one aggregate. It does not keep the cohort: its receipts do.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    cohort: Weak<Cohort>,
    first: u32,
    len: u32,
}

impl Origin {
    /// Members `first..first + len` of `cohort`.
    pub(crate) fn new(cohort: &Arc<Cohort>, first: u32, len: u32) -> Self {
        let cohort = Arc::downgrade(cohort);
        Self { cohort, first, len }
    }

    /// How many members it has, at least, of which nobody holds the receipt. It is exact unless the cohort has members in
    /// other aggregates.
    pub(crate) fn unheard(&self) -> u64 {
        (self.len as usize).saturating_sub(self.cohort.strong_count()) as u64
    }

    /// How many members it has.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Each member as a run of its own, in order.
    pub(crate) fn members(&self) -> impl Iterator<Item = Self> + '_ {
        (self.first..self.first + self.len).map(|first| Self {
            cohort: Weak::clone(&self.cohort),
            first,
            len: 1,
        })
    }

    /// Takes `next` in if it continues this run; gives it back otherwise.
    pub(crate) fn extend(&mut self, next: Self) -> Option<Self> {
        if Weak::ptr_eq(&self.cohort, &next.cohort) && self.first + self.len == next.first {
            self.len += next.len;
            None
        } else {
            Some(next)
        }
    }

    /// Tells the members what became of the aggregate, in which the first of them has place `position`.
    pub(crate) fn resolve(&self, outcome: &Arc<Outcome>, position: u32) {
        let Self { cohort, first, len } = self;
        let run = Resolved {
            len: *len,
            outcome: Arc::clone(outcome),
            position,
        };
        if let Some(cohort) = cohort.upgrade() {
            cohort.resolve(*first, run);
        }
    }
}
