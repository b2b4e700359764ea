//! The one write that moves a checkpoint back.

use super::*;

fn with_checkpoint(checkpoint: Position, row: Lease) -> Lease {
    Lease {
        checkpoint: Some(checkpoint),
        ..row
    }
}

/// An ownership whose row is at 9, and whose consumer leaves at 3.
fn moving() -> World {
    let mut world = World::new();
    world.checkpoint(9, "far");
    world.write_and_apply();
    world.ownership.leave_at(at(3), Named("seek"), world.now);
    world
}

fn ended(end: End) -> Effect<Named> {
    Effect::Ended {
        end,
        waiters: vec![],
        leaver: Some(Named("seek")),
    }
}

#[test]
fn a_seek_moves_the_checkpoint_back_and_gives_the_lease_up_in_one_write() {
    let mut world = moving();
    let (write, effects) = world.write_and_apply();
    assert_eq!((write.checkpoint, write.then), (Some(at(3)), Then::Release));
    assert_eq!(effects, [Effect::Reached(at(3)), ended(End::Released)]);
}

#[test]
fn what_waits_to_be_checkpointed_does_not_go_with_a_seek() {
    let mut world = World::new();
    world.ownership.leave_at(at(3), Named("seek"), world.now);
    world.checkpoint(20, "late");
    world.ownership.defer(at(21));
    let pending = PendingCheckpoint {
        position: at(22),
        state: None,
    };
    world.ownership.prepare(pending, Named("prepared"), world.now);
    let (write, effects) = world.write_and_apply();
    assert_eq!((write.checkpoint, write.pending), (Some(at(3)), None));
    let Some(Effect::Ended { waiters, .. }) = effects.last() else {
        panic!("{effects:?}");
    };
    assert_eq!(*waiters, [Named("late"), Named("prepared")], "they lose the lease");
}

#[test]
fn a_checkpoint_whose_reply_was_lost_does_not_undo_a_seek_behind_it() {
    let mut world = World::new();
    world.checkpoint(9, "far");
    let written = apply(&world.write());
    world.outcome(WriteOutcome::Unknown(error()));
    world.ownership.leave_at(at(3), Named("seek"), world.now);
    world.pass(RETRY).write();
    world.outcome(WriteOutcome::Refused(Some(written)));
    let (write, effects) = world.write_and_apply();
    assert_eq!((write.seen.counter, write.checkpoint), (6, Some(at(3))));
    assert_eq!(effects.last(), Some(&ended(End::Released)));
}

#[test]
fn a_seek_whose_reply_was_lost_is_known_by_its_row() {
    let mut world = moving();
    let moved = with_checkpoint(at(3), Lease { owner: None, ..row(7) });
    world.write();
    world.outcome(WriteOutcome::Unknown(error()));
    world.pass(RETRY).write();
    let effects = world.outcome(WriteOutcome::Refused(Some(moved)));
    assert_eq!(effects.last(), Some(&ended(End::Released)));
}

#[test]
fn a_seek_whose_reply_was_lost_is_uncertain_once_another_worker_has_moved_on() {
    let mut world = moving();
    let other = Some(WorkerId::new("other"));
    let taken = Lease {
        owner: other.clone(),
        ..row(9)
    };
    world.write();
    world.outcome(WriteOutcome::Unknown(error()));
    world.pass(RETRY).write();
    let effects = world.outcome(WriteOutcome::Refused(Some(with_checkpoint(at(11), taken))));
    assert_eq!(effects.last(), Some(&ended(End::Taken { by: other })));
}

#[test]
fn a_seek_that_finds_the_end_of_the_shard_in_the_row_leaves_it_there() {
    let mut world = World::new();
    world.ownership.checkpoint(Position::ShardEnd, Named("end"), world.now);
    let finished = apply(&world.write());
    world.outcome(WriteOutcome::Unknown(error()));
    world.ownership.leave_at(at(3), Named("seek"), world.now);
    world.pass(RETRY).write();
    world.outcome(WriteOutcome::Refused(Some(finished)));
    let (write, effects) = world.write_and_apply();
    assert_eq!((write.checkpoint, write.then), (None, Then::Release));
    assert_eq!(
        effects.last(),
        Some(&ended(End::Taken { by: None })),
        "it was not moved"
    );
}

#[test]
fn a_seek_during_a_hand_off_hands_the_lease_over_at_the_new_checkpoint() {
    let mut world = moving();
    let asked = Lease {
        owner: Some(WorkerId::new("next")),
        checkpoint_owner: Some(WorkerId::new("me")),
        ..row(6)
    };
    world.write();
    world.outcome(WriteOutcome::Refused(Some(with_checkpoint(at(9), asked))));
    let write = world.write();
    assert_eq!((write.checkpoint, write.then), (Some(at(3)), Then::HandOver));
}
