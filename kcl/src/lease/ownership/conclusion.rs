//! Pure: what the row that refused an owner's write means.
//!
//! *seen* is the counter that the write named. While the row names the owner, only the owner changes the counter. All
//! unanswered writes expected the same counter, so at most one of them was applied: the counter is *seen* or *seen* + 1.
//!
//! | row found | no write unanswered | a write unanswered |
//! |---|---|---|
//! | none, one that cannot be read, or a counter below *seen* | gone: deleted, or made anew | the same |
//! | ours, counter *seen* | go on: a hand-off began, or was withdrawn | the same |
//! | ours, counter *seen* + 1 | another process uses our id | go on: the unanswered write was applied |
//! | ours, counter beyond that | another process uses our id | the same |
//! | another's | taken | handed over, if the unanswered write did that and the row names the next owner; else taken |
//! | nobody's | taken from us | released, if the unanswered write did that; else taken from us |
//!
//! A row is *ours* if its checkpoint owner is this worker, or if it has none and its owner is.

use crate::lease::model::{Lease, WorkerId};
use crate::lease::ownership::End;
use crate::lease::write::Then;

/// The writes that got no answer since the row was last known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Unanswered {
    #[default]
    None,
    /// None of them gives the lease up.
    Keep,
    /// One of them gives the lease up.
    Leave,
}

impl Unanswered {
    pub(super) fn add(&mut self, then: Then) {
        *self = match (*self, then) {
            (Self::Leave, _) | (_, Then::Release | Then::HandOver) => Self::Leave,
            (Self::None | Self::Keep, Then::Keep) => Self::Keep,
        };
    }
}

/// What to do after a refusal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Conclusion {
    /// Write again, on top of this row.
    GoOn(Box<Lease>),
    /// The ownership has ended.
    Ended(End),
}

/// Concludes from the row found, of which `seen` was the last known state.
pub(super) fn conclude(worker: &WorkerId, seen: &Lease, unanswered: Unanswered, found: Option<Lease>) -> Conclusion {
    let Some(row) = found.filter(|row| row.counter >= seen.counter) else {
        return Conclusion::Ended(End::Gone);
    };
    if row.actual_owner() == Some(worker) {
        let own_writes = u64::from(unanswered != Unanswered::None);
        return match row.counter - seen.counter <= own_writes {
            true => Conclusion::GoOn(Box::new(row)),
            false => Conclusion::Ended(End::WorkerIdInUse),
        };
    }
    #[cfg(feature = "planted-bugs")]
    if crate::planted_bugs::PlantedBug::RenewTakenLease.is_planted() {
        return Conclusion::GoOn(Box::new(row));
    }
    let next = seen.checkpoint_owner.as_ref().and(seen.owner.as_ref());
    let may_have_left = unanswered == Unanswered::Leave;
    Conclusion::Ended(match row.owner {
        None if may_have_left => End::Released,
        Some(owner) if may_have_left && Some(&owner) == next => End::HandedOver { to: Some(owner) },
        by => End::Taken { by },
    })
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

    fn unanswered(writes: &[Then]) -> Unanswered {
        let mut unanswered = Unanswered::default();
        writes.iter().for_each(|then| unanswered.add(*then));
        unanswered
    }

    fn concluded(seen: &Lease, writes: &[Then], found: Option<Lease>) -> Conclusion {
        conclude(&WorkerId::new("me"), seen, unanswered(writes), found)
    }

    fn ours() -> Lease {
        row(Some("me"), None, SEEN)
    }

    fn taken(by: &str) -> Conclusion {
        Conclusion::Ended(End::Taken {
            by: Some(WorkerId::new(by)),
        })
    }

    #[test]
    fn a_row_that_is_gone_or_was_made_anew_ends_the_ownership() {
        for writes in [&[][..], &[Then::Keep], &[Then::Release]] {
            assert_eq!(concluded(&ours(), writes, None), Conclusion::Ended(End::Gone));
            let anew = row(Some("me"), None, 0);
            assert_eq!(concluded(&ours(), writes, Some(anew)), Conclusion::Ended(End::Gone));
        }
    }

    #[test]
    fn a_hand_off_that_began_is_gone_on_with() {
        let asked = row(Some("next"), Some("me"), SEEN);
        assert_eq!(
            concluded(&ours(), &[], Some(asked.clone())),
            Conclusion::GoOn(Box::new(asked))
        );
    }

    #[test]
    fn a_hand_off_that_began_behind_an_unanswered_write_is_gone_on_with() {
        let asked = row(Some("next"), Some("me"), SEEN + 1);
        assert_eq!(
            concluded(&ours(), &[Then::Keep], Some(asked.clone())),
            Conclusion::GoOn(Box::new(asked.clone()))
        );
        assert_eq!(
            concluded(&ours(), &[], Some(asked)),
            Conclusion::Ended(End::WorkerIdInUse)
        );
    }

    #[test]
    fn an_unanswered_write_that_was_applied_is_recognised() {
        let moved = row(Some("me"), None, SEEN + 1);
        assert_eq!(
            concluded(&ours(), &[Then::Keep, Then::Keep], Some(moved.clone())),
            Conclusion::GoOn(Box::new(moved))
        );
    }

    #[test]
    fn a_counter_that_moved_without_a_write_of_ours_tells_of_another_process_with_our_id() {
        let in_use = Conclusion::Ended(End::WorkerIdInUse);
        assert_eq!(concluded(&ours(), &[], Some(row(Some("me"), None, SEEN + 1))), in_use);
        let by_two = row(Some("me"), None, SEEN + 2);
        assert_eq!(concluded(&ours(), &[Then::Keep], Some(by_two)), in_use);
    }

    #[test]
    fn another_owner_has_taken_the_lease() {
        for writes in [&[][..], &[Then::Keep], &[Then::Release]] {
            assert_eq!(
                concluded(&ours(), writes, Some(row(Some("other"), None, SEEN + 1))),
                taken("other")
            );
            let between_others = row(Some("third"), Some("other"), SEEN + 1);
            assert_eq!(concluded(&ours(), writes, Some(between_others)), taken("third"));
        }
    }

    #[test]
    fn a_release_without_an_answer_is_recognised_by_a_row_without_owner() {
        let free = row(None, None, SEEN + 1);
        assert_eq!(
            concluded(&ours(), &[Then::Keep, Then::Release], Some(free.clone())),
            Conclusion::Ended(End::Released)
        );
        assert_eq!(
            concluded(&ours(), &[Then::Keep], Some(free)),
            Conclusion::Ended(End::Taken { by: None })
        );
    }

    #[test]
    fn a_hand_over_without_an_answer_is_recognised_by_its_next_owner() {
        let asked = row(Some("next"), Some("me"), SEEN);
        let handed_over = Conclusion::Ended(End::HandedOver {
            to: Some(WorkerId::new("next")),
        });
        let found = Some(row(Some("next"), None, SEEN + 1));
        assert_eq!(concluded(&asked, &[Then::HandOver], found.clone()), handed_over);
        assert_eq!(concluded(&asked, &[], found), taken("next"));
    }
}
