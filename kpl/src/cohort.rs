//! What the receipts of one aggregate share: one allocation, no channel and nothing per record.
//!
//! A cohort is made with the open aggregate of a lane. Its records may end in other aggregates, when a changed shard map
//! splits them up; each of these carries its *origins*, the runs of cohort members that it holds, and its outcome fans
//! back through them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::foreign::wake;
use crate::outcome::Outcome;

/// The shared state of the receipts of one aggregate.
#[derive(Debug, Default)]
pub(crate) struct Cohort {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    resolved: Vec<Resolved>,
    wakers: BTreeMap<u32, Waker>,
}

/// A run of members with one outcome.
#[derive(Debug)]
struct Resolved {
    first: u32,
    len: u32,
    outcome: Arc<Outcome>,
    /// The place of the run's first member in the aggregate that the outcome is about.
    position: u32,
}

impl Cohort {
    /// The outcome of member `index` and its place in the aggregate it ended in.
    pub(crate) fn poll(&self, index: u32, cx: &mut Context<'_>) -> Poll<(Arc<Outcome>, u32)> {
        let mut state = self.lock();
        let run = state
            .resolved
            .iter()
            .find(|run| (run.first..run.first + run.len).contains(&index));
        if let Some(run) = run {
            return Poll::Ready((Arc::clone(&run.outcome), run.position + (index - run.first)));
        }
        match state.wakers.get_mut(&index) {
            Some(waker) => waker.clone_from(cx.waker()),
            None => drop(state.wakers.insert(index, cx.waker().clone())),
        }
        Poll::Pending
    }

    fn resolve(&self, run: Resolved) {
        let members = run.first..run.first + run.len;
        let woken = {
            let mut state = self.lock();
            debug_assert!(
                state
                    .resolved
                    .iter()
                    .all(|other| members.end <= other.first || other.first + other.len <= members.start),
                "a record has one outcome (P1)"
            );
            state.resolved.push(run);
            let mut woken = state.wakers.split_off(&members.start);
            let mut others = woken.split_off(&members.end);
            state.wakers.append(&mut others);
            woken
        };
        woken.into_values().for_each(|waker| wake(|| waker.wake()));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run of a cohort's members that lie side by side in one aggregate.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    cohort: Arc<Cohort>,
    first: u32,
    len: u32,
}

impl Origin {
    /// Members `first..first + len` of `cohort`.
    pub(crate) fn new(cohort: Arc<Cohort>, first: u32, len: u32) -> Self {
        Self { cohort, first, len }
    }

    /// How many members it has.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Each member as a run of its own, in order.
    pub(crate) fn members(&self) -> impl Iterator<Item = Self> + '_ {
        (self.first..self.first + self.len).map(|first| Self {
            cohort: Arc::clone(&self.cohort),
            first,
            len: 1,
        })
    }

    /// Takes `next` in if it continues this run; gives it back otherwise.
    pub(crate) fn extend(&mut self, next: Self) -> Option<Self> {
        if Arc::ptr_eq(&self.cohort, &next.cohort) && self.first + self.len == next.first {
            self.len += next.len;
            None
        } else {
            Some(next)
        }
    }

    /// Tells the members what became of the aggregate, in which the first of them has place `position`.
    pub(crate) fn resolve(&self, outcome: &Arc<Outcome>, position: u32) {
        let Self { cohort, first, len } = self;
        cohort.resolve(Resolved {
            first: *first,
            len: *len,
            outcome: Arc::clone(outcome),
            position,
        });
    }
}
