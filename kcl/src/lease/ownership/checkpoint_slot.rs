//! Pure: the checkpoints that wait to be written, as one position: the furthest.
//!
//! A *deferred* checkpoint has no waiter and asks for no write: it goes with the next one, until the row holds it.

use crate::checkpoint::position::Position;

/// How often a checkpoint is tried before its waiter gets the error. Our choice.
pub(super) const TRIES: u32 = 3;

/// Waits for an answer, and may stop waiting.
pub(crate) trait Waiter {
    /// Whether nobody will receive the answer.
    fn is_gone(&self) -> bool;
}

/// The waiters and their checkpoints. At most one entry has no waiter, so memory is bounded by the number of waiters.
#[derive(Debug)]
pub(super) struct CheckpointSlot<W> {
    waiting: Vec<Waiting<W>>,
    deferred: Option<Position>,
}

#[derive(Debug)]
struct Waiting<W> {
    position: Position,
    /// `None`: the future that waited was dropped. Its checkpoint is written all the same.
    waiter: Option<W>,
    failures: u32,
}

impl<W> Default for CheckpointSlot<W> {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            deferred: None,
        }
    }
}

impl<W> CheckpointSlot<W> {
    /// The position to write: one write serves all waiters.
    pub(super) fn furthest(&self) -> Option<&Position> {
        let waiting = self.waiting.iter().map(|waiting| &waiting.position);
        waiting.chain(&self.deferred).max()
    }

    /// Whether nothing asks for a write.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Keeps `position` for the next write, if it is the furthest of those that are deferred.
    pub(super) fn defer(&mut self, position: Position) {
        self.deferred = self.deferred.take().max(Some(position));
    }

    /// Removes and returns the waiters whose checkpoint the row holds by now.
    pub(super) fn settle(&mut self, holds: impl Fn(&Position) -> bool) -> Vec<W> {
        self.deferred = self.deferred.take().filter(|deferred| !holds(deferred));
        self.take(|waiting| holds(&waiting.position))
    }

    /// Notes that a write at `written` failed. Removes and returns the waiters whose tries are used up.
    pub(super) fn fail(&mut self, written: &Position) -> Vec<W> {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.position <= *written) {
            waiting.failures += 1;
        }
        self.take(|waiting| waiting.failures >= TRIES)
    }

    /// Removes and returns all waiters.
    pub(super) fn drain(&mut self) -> Vec<W> {
        self.take(|_| true)
    }

    fn take(&mut self, is_done: impl Fn(&Waiting<W>) -> bool) -> Vec<W> {
        let done = self.waiting.extract_if(.., |waiting| is_done(waiting));
        done.filter_map(|waiting| waiting.waiter).collect()
    }
}

impl<W: Waiter> CheckpointSlot<W> {
    pub(super) fn add(&mut self, position: Position, waiter: W) {
        self.merge_abandoned();
        self.waiting.push(Waiting {
            position,
            waiter: Some(waiter),
            failures: 0,
        });
    }

    /// Of the entries whose waiter is gone, keeps only the one with the furthest position.
    fn merge_abandoned(&mut self) {
        let is_abandoned = |waiting: &mut Waiting<W>| waiting.waiter.as_ref().is_none_or(Waiter::is_gone);
        let abandoned = self.waiting.extract_if(.., is_abandoned);
        if let Some(furthest) = abandoned.max_by(|a, b| a.position.cmp(&b.position)) {
            self.waiting.push(Waiting {
                waiter: None,
                ..furthest
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Named(&'static str);

    impl Waiter for Named {
        fn is_gone(&self) -> bool {
            self.0 == "gone"
        }
    }

    fn at(number: u64) -> Position {
        Position::from_row(&number.to_string(), 0).unwrap()
    }

    fn slot(waiters: &[(u64, &'static str)]) -> CheckpointSlot<Named> {
        let mut slot = CheckpointSlot::default();
        waiters
            .iter()
            .for_each(|(number, name)| slot.add(at(*number), Named(name)));
        slot
    }

    fn names(waiters: Vec<Named>) -> Vec<&'static str> {
        waiters.into_iter().map(|waiter| waiter.0).collect()
    }

    #[test]
    fn the_furthest_position_answers_all_who_wait_for_a_nearer_one() {
        let mut slot = slot(&[(3, "a"), (9, "b"), (5, "c")]);
        assert_eq!(slot.furthest(), Some(&at(9)));
        assert_eq!(names(slot.settle(|position| *position <= at(5))), ["a", "c"]);
        assert_eq!(names(slot.settle(|position| *position <= at(9))), ["b"]);
        assert!(slot.is_empty());
    }

    #[test]
    fn a_checkpoint_fails_after_three_tries_of_its_own() {
        let mut slot = slot(&[(3, "early")]);
        for _ in 1..TRIES {
            assert!(names(slot.fail(&at(3))).is_empty());
        }
        slot.add(at(4), Named("late"));
        assert_eq!(names(slot.fail(&at(4))), ["early"]);
        assert_eq!(slot.furthest(), Some(&at(4)));
    }

    #[test]
    fn a_checkpoint_that_was_not_in_the_write_does_not_fail_with_it() {
        let mut slot = slot(&[(3, "near"), (9, "far")]);
        for _ in 1..TRIES {
            assert!(names(slot.fail(&at(3))).is_empty());
        }
        assert_eq!(names(slot.fail(&at(3))), ["near"]);
        assert_eq!(names(slot.drain()), ["far"]);
    }

    #[test]
    fn a_deferred_checkpoint_asks_for_no_write_and_goes_with_the_next() {
        let mut slot = CheckpointSlot::<Named>::default();
        slot.defer(at(9));
        slot.defer(at(5));
        assert!(slot.is_empty());
        assert_eq!(slot.furthest(), Some(&at(9)));
        slot.add(at(7), Named("waiter"));
        assert_eq!(slot.furthest(), Some(&at(9)));
        assert_eq!(names(slot.settle(|position| *position <= at(9))), ["waiter"]);
        assert_eq!(slot.furthest(), None);
    }

    #[test]
    fn a_deferred_checkpoint_outlives_failed_writes() {
        let mut slot = CheckpointSlot::<Named>::default();
        slot.defer(at(9));
        for _ in 0..=TRIES {
            assert!(names(slot.fail(&at(9))).is_empty());
        }
        assert_eq!(slot.furthest(), Some(&at(9)));
    }

    #[test]
    fn checkpoints_whose_futures_were_dropped_are_kept_as_one() {
        let mut slot = slot(&[(1, "gone"), (2, "gone"), (9, "gone"), (4, "gone")]);
        slot.add(at(3), Named("here"));
        assert_eq!(slot.waiting.len(), 2);
        assert_eq!(slot.furthest(), Some(&at(9)));
        assert_eq!(names(slot.settle(|_| true)), ["here"]);
    }
}
