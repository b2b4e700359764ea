//! Pure: makes a case that fails smaller, as long as it fails in the same way.

use std::time::Duration;

/// A search for a smaller case. What it tries depends on the case and on the answers alone.
pub(crate) struct Search<'a, T> {
    best: T,
    /// What failed to fail, so that nothing is asked twice.
    spared: Vec<T>,
    runs: usize,
    most: usize,
    fails: &'a mut dyn FnMut(&T) -> bool,
}

/// What a search came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shrunk<T> {
    pub(crate) case: T,
    /// How many cases were tried.
    pub(crate) runs: usize,
}

/// A case that can be made smaller.
pub(crate) trait Shrink: Clone + PartialEq {
    /// Tries each way to make the best case smaller once.
    fn smaller(search: &mut Search<'_, Self>);
}

/// Looks for a smaller case than this one, which fails. At most `most` cases are tried; `fails` tells whether one fails in
/// the same way.
pub(crate) fn shrink<T: Shrink>(case: T, most: usize, fails: &mut dyn FnMut(&T) -> bool) -> Shrunk<T> {
    let mut search = Search {
        best: case,
        spared: Vec::new(),
        runs: 0,
        most,
        fails,
    };
    loop {
        let before = search.best.clone();
        T::smaller(&mut search);
        if search.best == before || search.runs >= search.most {
            return Shrunk {
                case: search.best,
                runs: search.runs,
            };
        }
    }
}

impl<T: Clone + PartialEq> Search<'_, T> {
    /// Tries the best case with a change; keeps it if it still fails.
    pub(crate) fn try_with(&mut self, change: impl FnOnce(&mut T)) -> Kept {
        let mut case = self.best.clone();
        change(&mut case);
        if case == self.best || self.runs >= self.most || self.spared.contains(&case) {
            return Kept::No;
        }
        self.runs += 1;
        if (self.fails)(&case) {
            self.best = case;
            Kept::Yes
        } else {
            self.spared.push(case);
            Kept::No
        }
    }

    /// Leaves items of a list out: all, then each half, each quarter, and so on down to each single one.
    pub(crate) fn leave_out<I>(&mut self, list: fn(&mut T) -> &mut Vec<I>) {
        let mut size = self.len(list);
        while size > 0 {
            let mut start = 0;
            while start < self.len(list) {
                let kept = self.try_with(|case| {
                    let items = list(case);
                    let end = items.len().min(start + size);
                    items.drain(start..end);
                });
                if kept == Kept::No {
                    start += size;
                }
            }
            size /= 2;
        }
    }

    /// Lowers a number, to `least` if possible, else to about the smallest that still fails.
    pub(crate) fn lower(&mut self, least: u64, get: fn(&T) -> u64, set: fn(&mut T, u64)) {
        let mut spared = least;
        let mut next = least;
        for _ in 0..LOWERINGS {
            if next >= get(&self.best) {
                return;
            }
            match self.try_with(|case| set(case, next)) {
                Kept::Yes if next == least => return,
                Kept::Yes => {}
                Kept::No => spared = next,
            }
            next = spared.midpoint(get(&self.best));
            if next == spared {
                return;
            }
        }
    }

    /// Lowers a stretch of time by whole milliseconds.
    pub(crate) fn shorten(&mut self, least: Duration, get: fn(&T) -> Duration, set: fn(&mut T, Duration)) {
        for part in [0, 1, 2, 4] {
            let time = if part == 0 { least } else { get(&self.best) * part / 8 };
            if time >= least && time < get(&self.best) && self.try_with(|case| set(case, time)) == Kept::Yes {
                return;
            }
        }
    }

    fn len<I>(&mut self, list: fn(&mut T) -> &mut Vec<I>) -> usize {
        list(&mut self.best).len()
    }
}

/// Whether a change was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Yes,
    No,
}

/// How often a number is lowered in one go.
const LOWERINGS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Case {
        items: Vec<u32>,
        count: u64,
        time: Duration,
    }

    impl Shrink for Case {
        fn smaller(search: &mut Search<'_, Self>) {
            search.leave_out(|case| &mut case.items);
            search.lower(1, |case| case.count, |case, count| case.count = count);
            search.shorten(Duration::from_secs(1), |case| case.time, |case, time| case.time = time);
        }
    }

    fn case() -> Case {
        Case {
            items: (0..20).collect(),
            count: 9,
            time: Duration::from_secs(80),
        }
    }

    fn shrunk(most: usize, fails: impl Fn(&Case) -> bool) -> Shrunk<Case> {
        shrink(case(), most, &mut |case| fails(case))
    }

    #[test]
    fn what_a_failure_does_not_need_is_left_out() {
        let found = shrunk(200, |case| {
            case.items.contains(&3) && case.items.contains(&17) && case.count >= 4
        });
        assert_eq!((found.case.items, found.case.count), (vec![3, 17], 4));
        assert_eq!(found.case.time, Duration::from_secs(1));
    }

    #[test]
    fn a_failure_that_needs_nothing_shrinks_to_the_least_in_a_few_runs() {
        let found = shrunk(200, |_| true);
        assert_eq!((found.case.items, found.case.count), (vec![], 1));
        assert_eq!(found.runs, 3);
    }

    #[test]
    fn a_case_that_fails_only_as_it_is_stays_as_it_is() {
        assert_eq!(shrunk(500, |other| *other == case()).case, case());
    }

    #[test]
    fn no_more_cases_are_tried_than_allowed_and_none_twice() {
        let mut tried: Vec<Case> = Vec::new();
        let found = shrink(case(), 12, &mut |case| {
            assert!(!tried.contains(case), "{case:?}");
            tried.push(case.clone());
            case.items.contains(&3)
        });
        assert_eq!((found.runs, tried.len()), (12, 12));
        assert!(found.case.items.contains(&3));
    }

    #[test]
    fn the_same_case_shrinks_in_the_same_way() {
        let fails = |case: &Case| case.items.iter().sum::<u32>() > 40;
        assert_eq!(shrunk(60, fails), shrunk(60, fails));
    }
}
