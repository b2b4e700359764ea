//! Pure: the meaning of the row that refused an owner's write.
//!
//! *seen* is the counter that the write named. While the row names the owner, only the owner changes the counter. All writes
//! since the row was last known expected the same counter, so at most one of them was applied: the counter is *seen* or
//! *seen* + 1. The refused write may be the applied one: the network may deliver a request twice, and the answer to the second
//! copy is a refusal. So may a write that was answered with an error, if that was the answer to a copy of it.
//!
//! Each take raises the base of the fencing tokens in the row, also a take under the owner's own id. So a base other than
//! the one that was seen is evidence of another process with this id. A counter alone is not.
//!
//! | row found | conclusion |
//! |---|---|
//! | of another stream than the one seen | the stream was created again |
//! | a counter below *seen* | gone: made anew |
//! | ours, with another token base | another process uses our id |
//! | ours, counter *seen* | go on: a hand-off began, or was withdrawn |
//! | ours, counter *seen* + 1 | go on: one of our writes was applied |
//! | ours, counter beyond that | another process uses our id |
//! | nobody's | released, if one of our writes does that; else taken from us |
//! | the next owner's | handed over, if one of our writes does that; else taken |
//! | another's, counter *seen* + 1 | taken |
//! | another's, counter beyond that | released or handed over, if one of our writes does that; else taken |
//!
//! A row is *ours* if its checkpoint owner is this worker, or if it has none and its owner is. In the last
//! line, our release was one step and the take of the other worker was the next. The other worker may also have taken the lease
//! without a release, and renewed it: the rows are the same. Nothing depends on the difference. The consumer has finished, and
//! its checkpoints are answered by the checkpoint in the row.

use crate::lease::model::{Lease, WorkerId};
use crate::lease::ownership::End;
use crate::lease::write::Then;

/// The next step after a refusal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Conclusion {
    /// Write again, on top of this row.
    GoOn(Box<Lease>),
    /// This worker has given the lease up, and this is its row.
    Left(Box<Lease>, End),
    /// This worker has lost the lease.
    Lost(End),
}

/// Concludes from the row found, of which `seen` was the last known state. `then` is how the refused write changes the
/// ownership. Unanswered writes before it change it in the same way or not at all.
pub(super) fn conclude(worker: &WorkerId, seen: &Lease, then: Then, row: Lease) -> Conclusion {
    if is_of_another_stream(seen, &row) {
        return Conclusion::Lost(End::StreamCreatedAgain);
    }
    if row.counter < seen.counter {
        return Conclusion::Lost(End::Gone);
    }
    let steps = row.counter - seen.counter;
    if row.actual_owner() == Some(worker) {
        return match steps <= 1 && !is_taken_again(seen, &row) {
            true => Conclusion::GoOn(Box::new(row)),
            false => Conclusion::Lost(End::WorkerIdInUse),
        };
    }
    #[cfg(feature = "_simulation")]
    if crate::planted_bugs::PlantedBug::RenewTakenLease.is_planted() {
        return Conclusion::GoOn(Box::new(row));
    }
    let left = match then {
        Then::Keep => None,
        Then::Release => (row.owner.is_none() || steps > 1).then_some(End::Released),
        Then::HandOver => {
            let to = seen.owner.clone();
            (row.owner == to || steps > 1).then_some(End::HandedOver { to })
        }
    };
    match left {
        Some(end) => Conclusion::Left(Box::new(row), end),
        None => Conclusion::Lost(End::Taken { by: row.owner }),
    }
}

/// Whether both rows say their streams, and these are two.
fn is_of_another_stream(seen: &Lease, row: &Lease) -> bool {
    let created = seen.own.stream.created.zip(row.own.stream.created);
    created.is_some_and(|(seen, found)| seen != found)
}

/// Whether the lease was taken since it was seen, under any id. A row without a token base is no evidence.
fn is_taken_again(seen: &Lease, row: &Lease) -> bool {
    row.own.token_base.is_some() && row.own.token_base != seen.own.token_base
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::position::Position;

    const SEEN: u64 = 7;

    fn row(owner: Option<&str>, checkpoint_owner: Option<&str>, counter: u64) -> Lease {
        Lease {
            owner: owner.map(WorkerId::new),
            checkpoint_owner: checkpoint_owner.map(WorkerId::new),
            counter,
            ..Lease::of_orders("shardId-000000000000", Position::TrimHorizon)
        }
    }

    fn concluded(seen: &Lease, then: Then, found: Lease) -> Conclusion {
        conclude(&WorkerId::new("me"), seen, then, found)
    }

    fn ours() -> Lease {
        row(Some("me"), None, SEEN)
    }

    fn with_base(base: u64, row: Lease) -> Lease {
        let mut row = row;
        row.own.token_base = Some(base);
        row
    }

    fn taken(by: &str) -> Conclusion {
        Conclusion::Lost(End::Taken {
            by: Some(WorkerId::new(by)),
        })
    }

    fn goes_on(row: Lease) -> Conclusion {
        Conclusion::GoOn(Box::new(row))
    }

    fn released(row: Lease) -> Conclusion {
        Conclusion::Left(Box::new(row), End::Released)
    }

    fn handed_over(row: Lease) -> Conclusion {
        let to = Some(WorkerId::new("next"));
        Conclusion::Left(Box::new(row), End::HandedOver { to })
    }

    #[test]
    fn a_row_that_was_made_anew_ends_the_ownership() {
        for then in [Then::Keep, Then::Release] {
            let anew = row(Some("me"), None, 0);
            assert_eq!(concluded(&ours(), then, anew), Conclusion::Lost(End::Gone));
        }
    }

    #[test]
    fn a_row_of_another_stream_tells_that_the_stream_was_created_again_whoever_has_it() {
        let of = |created, row| {
            let mut row: Lease = row;
            row.own.stream.created = Some(created);
            row
        };
        for found in [
            row(None, None, SEEN + 1),
            row(Some("me"), None, SEEN + 2),
            row(Some("other"), None, 1),
        ] {
            let lost = Conclusion::Lost(End::StreamCreatedAgain);
            assert_eq!(concluded(&of(1, ours()), Then::Keep, of(2, found)), lost);
        }
        let marked = of(1, ours());
        assert_eq!(concluded(&ours(), Then::Keep, marked.clone()), goes_on(marked));
    }

    #[test]
    fn a_hand_off_that_began_is_gone_on_with_also_behind_a_write_of_ours() {
        for counter in [SEEN, SEEN + 1] {
            let asked = row(Some("next"), Some("me"), counter);
            assert_eq!(concluded(&ours(), Then::Keep, asked.clone()), goes_on(asked));
        }
    }

    #[test]
    fn a_counter_that_moved_by_one_is_a_write_of_ours_if_nobody_took_the_lease() {
        let seen = with_base(3, ours());
        let moved = with_base(3, row(Some("me"), None, SEEN + 1));
        assert_eq!(concluded(&seen, Then::Keep, moved.clone()), goes_on(moved));
        let without_base = row(Some("me"), None, SEEN + 1);
        assert_eq!(
            concluded(&seen, Then::Keep, without_base.clone()),
            goes_on(without_base)
        );
    }

    #[test]
    fn a_take_under_our_id_tells_of_another_process() {
        let in_use = Conclusion::Lost(End::WorkerIdInUse);
        let taken_again = with_base(4, row(Some("me"), None, SEEN + 1));
        for seen in [with_base(3, ours()), ours()] {
            for then in [Then::Keep, Then::Release] {
                assert_eq!(concluded(&seen, then, taken_again.clone()), in_use);
            }
        }
    }

    #[test]
    fn a_counter_that_moved_by_two_tells_of_another_process_with_our_id() {
        let by_two = row(Some("me"), None, SEEN + 2);
        for then in [Then::Keep, Then::Release] {
            let concluded = concluded(&ours(), then, by_two.clone());
            assert_eq!(concluded, Conclusion::Lost(End::WorkerIdInUse));
        }
    }

    #[test]
    fn another_owner_has_taken_the_lease() {
        for then in [Then::Keep, Then::Release] {
            let other = row(Some("other"), None, SEEN + 1);
            assert_eq!(concluded(&ours(), then, other), taken("other"));
            let between_others = row(Some("third"), Some("other"), SEEN + 1);
            assert_eq!(concluded(&ours(), then, between_others), taken("third"));
        }
        let later = row(Some("other"), None, SEEN + 9);
        assert_eq!(concluded(&ours(), Then::Keep, later), taken("other"));
    }

    #[test]
    fn a_release_is_recognised_by_a_row_without_owner() {
        let free = row(None, None, SEEN + 1);
        assert_eq!(concluded(&ours(), Then::Release, free.clone()), released(free.clone()));
        let removed = Conclusion::Lost(End::Taken { by: None });
        assert_eq!(concluded(&ours(), Then::Keep, free), removed);
    }

    #[test]
    fn a_release_is_recognised_behind_the_take_of_another_worker() {
        for steps in [2, 9] {
            let other = row(Some("other"), None, SEEN + steps);
            assert_eq!(concluded(&ours(), Then::Release, other.clone()), released(other));
        }
    }

    #[test]
    fn a_hand_over_is_recognised_by_its_next_owner() {
        let asked = row(Some("next"), Some("me"), SEEN);
        let found = row(Some("next"), None, SEEN + 1);
        assert_eq!(
            concluded(&asked, Then::HandOver, found.clone()),
            handed_over(found.clone())
        );
        assert_eq!(concluded(&asked, Then::Keep, found), taken("next"));
        let other = row(Some("other"), None, SEEN + 1);
        assert_eq!(concluded(&asked, Then::HandOver, other), taken("other"));
    }

    #[test]
    fn a_hand_over_is_recognised_behind_the_take_of_another_worker() {
        let asked = row(Some("next"), Some("me"), SEEN);
        let other = row(Some("other"), None, SEEN + 2);
        assert_eq!(concluded(&asked, Then::HandOver, other.clone()), handed_over(other));
    }
}
