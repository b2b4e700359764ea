//! Pure: the members of a cohort: which have their outcome, and who waits for the others.
//!
//! An aggregate that is taken apart may give each of its members an outcome of its own. So everything here takes a number
//! of steps that grows with the logarithm of the members, and not with their number.

use std::collections::BTreeMap;
use std::ops::Range;
use std::task::Waker;

/// Runs of members with one outcome each, and the wakers of members that have none. Members are numbers `N`.
#[derive(Debug)]
pub(super) struct Members<N, V> {
    /// The run that was resolved first, by its first member. Nearly always it is the only one; it needs no allocation.
    resolved_first: Option<(N, V)>,
    resolved_later: BTreeMap<N, V>,
    wakers: BTreeMap<N, Waker>,
}

impl<N, V> Default for Members<N, V> {
    fn default() -> Self {
        Self {
            resolved_first: None,
            resolved_later: BTreeMap::new(),
            wakers: BTreeMap::new(),
        }
    }
}

impl<N: Ord + Copy, V> Members<N, V> {
    /// The last run that begins no later than at `member`, if there is one: where it ends, the outcome tells.
    pub(super) fn run_before(&self, member: N) -> Option<(N, &V)> {
        let first = self.resolved_first.as_ref().map(|(begin, outcome)| (*begin, outcome));
        let first = first.filter(|(begin, _)| *begin <= member);
        let later = self.resolved_later.range(..=member).next_back();
        let later = later.map(|(begin, outcome)| (*begin, outcome));
        [first, later].into_iter().flatten().max_by_key(|(begin, _)| *begin)
    }

    /// Notes whom to wake when `member` has its outcome; returns whom it was before, if that was another.
    #[must_use]
    pub(super) fn wait(&mut self, member: N, waker: &Waker) -> Option<Waker> {
        match self.wakers.get_mut(&member) {
            Some(known) if known.will_wake(waker) => None,
            Some(known) => Some(std::mem::replace(known, waker.clone())),
            None => self.wakers.insert(member, waker.clone()),
        }
    }

    /// Takes out whom to wake when `member` has its outcome.
    #[must_use]
    pub(super) fn forget(&mut self, member: N) -> Option<Waker> {
        let waker = self.wakers.remove(&member);
        if self.wakers.is_empty() {
            // A map keeps its last node.
            self.wakers = BTreeMap::new();
        }
        waker
    }

    /// Gives a run its outcome; returns whom to wake.
    #[must_use]
    pub(super) fn resolve(&mut self, run: Range<N>, outcome: V) -> Vec<Waker> {
        match self.resolved_first {
            None => self.resolved_first = Some((run.start, outcome)),
            Some(_) => drop(self.resolved_later.insert(run.start, outcome)),
        }
        self.wakers
            .extract_if(run, |_, _| true)
            .map(|(_, waker)| waker)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::cmp::Ordering;

    use super::*;

    thread_local! {
        static COMPARISONS: Cell<usize> = const { Cell::new(0) };
    }

    /// A number that counts its comparisons.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Counted(usize);

    impl Ord for Counted {
        fn cmp(&self, other: &Self) -> Ordering {
            COMPARISONS.set(COMPARISONS.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    impl PartialOrd for Counted {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    #[test]
    fn a_member_finds_its_run_in_whichever_order_they_were_resolved() {
        let mut members = Members::default();
        for run in [10..12, 4..5, 20..30, 5..10] {
            assert!(members.resolve(run.clone(), run.end).is_empty());
        }
        let found = |member| members.run_before(member).map(|(begin, end)| begin..*end);
        assert_eq!([3, 4, 9].map(found), [None, Some(4..5), Some(5..10)]);
        assert_eq!([11, 15, 29].map(found), [Some(10..12), Some(10..12), Some(20..30)]);
    }

    #[test]
    fn a_run_wakes_its_members_and_no_others() {
        let mut members = Members::default();
        for member in 0..10 {
            drop(members.wait(member, Waker::noop()));
            drop(members.wait(member, Waker::noop()));
        }
        assert_eq!(members.resolve(2..5, ()).len(), 3);
        assert_eq!(members.resolve(0..2, ()).len(), 2);
        assert_eq!(members.resolve(5..10, ()).len(), 5);
    }

    #[test]
    fn an_outcome_for_each_member_takes_a_number_of_steps_that_hardly_grows_with_the_members() {
        const MEMBERS: usize = 10_000;
        let orders: [fn(usize) -> usize; 3] = [|n| n, |n| MEMBERS - 1 - n, |n| n * 7 % MEMBERS];
        for order in orders {
            COMPARISONS.set(0);
            let mut members = Members::default();
            for n in 0..MEMBERS {
                drop(members.wait(Counted(n), Waker::noop()));
            }
            for n in (0..MEMBERS).map(order) {
                assert_eq!(members.resolve(Counted(n)..Counted(n + 1), n).len(), 1);
                assert_eq!(members.run_before(Counted(n)).map(|(_, outcome)| *outcome), Some(n));
            }
            let each = COMPARISONS.get() / MEMBERS;
            assert!(each < 300, "{each} comparisons for each member");
        }
    }
}
