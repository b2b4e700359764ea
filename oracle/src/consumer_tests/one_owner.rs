//! C3: records are offered under a lease that is held, by its guard, by its row and by its token.

use super::{stealing, story};
use crate::story::row;
use crate::{Cause, ConsumerFact, Ending, LeaseClaim, LeaseRow, Position, Process, Rule};

#[test]
fn records_offered_while_the_guard_says_that_the_lease_is_lost_break_c3() {
    let mut story = story();
    let (records, lease) = (Vec::new(), LeaseClaim::Lost);
    story.consumer("a", 1, ConsumerFact::Offered { records, lease });
    assert_eq!(story.broken(), [Rule::OneOwner]);
}

#[test]
fn records_offered_once_the_lease_could_have_expired_break_c3() {
    let mut story = story();
    story.later(10);
    story.work("a", 1, 1..=2);
    story.assert_kept();
    story.later(1);
    story.work("a", 1, 3..=4);
    assert_eq!(story.broken(), [Rule::OneOwner]);
}

#[test]
fn a_renewal_and_nothing_else_makes_a_lease_last_longer() {
    for (counter, broken) in [(2, vec![]), (1, vec![Rule::OneOwner])] {
        let mut story = story();
        story.later(8);
        story.lease("leader", 0, row(Some("a"), counter, Position::TrimHorizon));
        story.later(8);
        story.work("a", 1, 1..=2);
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn records_offered_after_the_lease_was_taken_or_released_break_c3() {
    for owner in [Some("b"), None] {
        let mut story = story();
        story.lease("b", 0, row(owner, 2, Position::TrimHorizon));
        story.work("a", 1, 1..=2);
        assert_eq!(story.broken(), [Rule::OneOwner]);
    }
}

#[test]
fn the_overlap_after_a_theft_can_be_excused_and_ends_with_the_failover_time() {
    let mut story = stealing();
    story.later(4);
    story.start("b");
    story.take("b", 2, Position::TrimHorizon);
    story.work("b", 2, 1..=2);
    story.later(6);
    story.lease("b", 0, row(Some("b"), 3, Position::TrimHorizon));
    story.work("a", 1, 1..=2);
    story.assert_kept();
    story.later(1);
    story.work("a", 1, 3..=4);
    assert_eq!(
        story.broken(),
        [Rule::OneOwner, Rule::OneOwner],
        "by the table, and by the token"
    );
    let report = story.finish(Ending::CutShort);
    assert_eq!(report.figures.offered_again[&Cause::Theft], 2);
    assert_eq!(report.excused[0].times, 2);
}

#[test]
fn a_released_lease_is_not_a_stolen_one() {
    let mut story = stealing();
    story.lease("a", 0, row(None, 2, Position::TrimHorizon));
    story.work("a", 1, 1..=2);
    assert_eq!(story.broken(), [Rule::OneOwner]);
}

#[test]
fn during_a_hand_over_the_old_owner_still_reads() {
    let mut story = story();
    let pending = LeaseRow {
        checkpoint_owner: Some(Process::new("a")),
        ..row(Some("b"), 1, Position::TrimHorizon)
    };
    story.lease("leader", 0, pending);
    story.work("a", 1, 1..=2);
    story.consumer("a", 1, ConsumerFact::ShutdownRequested);
    story.take("b", 2, Position::TrimHorizon);
    story.work("b", 2, 1..=3);
    story.assert_kept();
    let report = story.finish(Ending::CutShort);
    assert_eq!(report.figures.offered_again[&Cause::HandOver], 2);
}

#[test]
fn a_fencing_token_that_does_not_grow_breaks_c3() {
    for (token, broken) in [(2, vec![]), (1, vec![Rule::OneOwner]), (0, vec![Rule::OneOwner])] {
        let mut story = story();
        story.later(11);
        story.take("b", token, Position::TrimHorizon);
        assert_eq!(story.broken(), broken, "{token}");
    }
}

#[test]
fn records_offered_after_the_application_was_told_that_it_is_over_break_c3() {
    for over in [
        ConsumerFact::LeaseLost,
        ConsumerFact::ShutdownRequested,
        ConsumerFact::ShardHalted,
    ] {
        let mut story = story();
        story.consumer("a", 1, over);
        story.work("a", 1, 1..=2);
        assert_eq!(story.broken(), [Rule::OneOwner]);
    }
}

#[test]
fn a_handler_at_work_must_learn_from_its_guard_that_the_lease_is_lost() {
    let at_work = |later: u64, lease| {
        let mut story = story();
        story.offer("a", 1, 1..=2);
        story.later(later);
        story.consumer("a", 1, ConsumerFact::AtWork { lease });
        story.broken()
    };
    assert_eq!(at_work(10, LeaseClaim::Held), []);
    assert_eq!(at_work(11, LeaseClaim::Lost), []);
    assert_eq!(at_work(11, LeaseClaim::Held), [Rule::OneOwner], "it could have expired");

    let mut taken = story();
    taken.offer("a", 1, 1..=2);
    taken.lease("b", 0, row(Some("b"), 2, Position::TrimHorizon));
    let lease = LeaseClaim::Held;
    taken.consumer("a", 1, ConsumerFact::AtWork { lease });
    assert_eq!(taken.broken(), [Rule::OneOwner], "another worker has it");
}
