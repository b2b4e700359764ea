//! Records that are offered again: explained by the way the lease went, or duplicates.

use super::{checkpoint, stealing, story};
use crate::story::{FAILOVER, PUT, RENEW, Story, at, row};
use crate::{Cause, ConsumerFact, Ending, FleetFact, Missed, Position, Process, Rule, Rules};

#[test]
fn a_record_offered_again_in_the_same_ownership_without_a_failure_is_an_unexplained_duplicate() {
    let mut story = story();
    story.work("a", 1, 1..=4);
    story.work("a", 1, 4..=6);
    assert_eq!(story.broken(), [Rule::Duplicate]);
}

#[test]
fn a_record_offered_again_before_the_checkpoint_is_an_unexplained_duplicate() {
    let mut story = story();
    story.work("a", 1, 1..=4);
    checkpoint(&mut story, 2, at(4));
    story.later(11);
    story.take("b", 3, at(4));
    story.work("b", 3, 4..=6);
    assert_eq!(story.broken(), [Rule::Duplicate]);
}

#[test]
fn an_ownership_that_begins_further_back_than_its_row_makes_unexplained_duplicates() {
    let mut story = story();
    story.work("a", 1, 1..=4);
    checkpoint(&mut story, 2, at(4));
    story.later(11);
    story.lease("b", 0, row(Some("b"), 3, at(4)));
    story.consumer("b", 3, ConsumerFact::Initialized { checkpoint: at(2) });
    assert_eq!(story.broken(), [Rule::Duplicate]);
}

#[test]
fn a_record_offered_to_another_worker_is_explained_by_the_way_the_lease_went() {
    for (cause, change) in [
        (
            Cause::Crash,
            Box::new(|story: &mut Story| story.kill("a")) as Box<dyn Fn(&mut Story)>,
        ),
        (Cause::Expiry, Box::new(|story: &mut Story| story.later(11))),
        (
            Cause::Release,
            Box::new(|story: &mut Story| story.lease("a", 0, row(None, 2, at(2)))),
        ),
        (Cause::Theft, Box::new(|_: &mut Story| {})),
    ] {
        let mut story = story();
        story.work("a", 1, 1..=4);
        checkpoint(&mut story, 2, at(2));
        change(&mut story);
        story.start("b");
        story.take("b", 3, at(2));
        story.work("b", 3, 3..=6);
        story.assert_kept();
        let report = story.finish(Ending::Quiet);
        assert_eq!(report.figures.offered_again, [(cause, 2)].into());
        assert_eq!(report.figures.lease_moves, 1);
    }
}

#[test]
fn a_theft_explains_what_the_robbed_ownership_was_offered_and_nothing_that_its_worker_is_offered_later() {
    let robbed = || {
        let mut story = stealing();
        story.start("b");
        story.later(1);
        story.take("b", 2, Position::TrimHorizon);
        story.later(1);
        // It does not know it yet.
        story.work("a", 1, 1..=2);
        story
    };
    let mut thief = robbed();
    thief.work("b", 2, 1..=2);
    thief.assert_kept();

    let mut returned = robbed();
    returned.later(1);
    returned.take("a", 3, Position::TrimHorizon);
    returned.work("a", 3, 1..=2);
    returned.assert_kept();

    returned.later(1);
    returned.consumer(
        "b",
        4,
        ConsumerFact::Initialized {
            checkpoint: Position::TrimHorizon,
        },
    );
    returned.work("b", 4, 1..=2);
    assert_eq!(
        returned.broken().last(),
        Some(&Rule::Duplicate),
        "nobody took it from a/3"
    );
}

#[test]
fn a_theft_explains_an_old_owner_that_goes_on_only_if_it_was_from_that_ownership() {
    for stolen in [true, false] {
        let mut story = stealing();
        story.start("b");
        story.take("b", 2, Position::TrimHorizon);
        story.later(1);
        story.take("a", 3, Position::TrimHorizon);
        story.later(1);
        if stolen {
            story.lease("b", 0, row(Some("b"), 4, Position::TrimHorizon));
        }
        story.consumer(
            "b",
            4,
            ConsumerFact::Initialized {
                checkpoint: Position::TrimHorizon,
            },
        );
        story.work("b", 4, 1..=2);
        story.work("a", 3, 1..=2);
        assert_eq!(!story.broken().contains(&Rule::Duplicate), stolen);
    }
}

#[test]
fn a_record_offered_to_another_worker_for_no_reason_is_an_unexplained_duplicate() {
    let mut story = story();
    story.work("a", 1, 1..=4);
    story.consumer(
        "b",
        2,
        ConsumerFact::Initialized {
            checkpoint: Position::TrimHorizon,
        },
    );
    story.work("b", 2, 1..=4);
    assert_eq!(story.broken(), [Rule::OneOwner, Rule::Duplicate]);
}

#[test]
fn a_worker_that_takes_its_own_lease_again_repeats_records_only_if_it_had_expired() {
    let taken_again = |between: fn(&mut Story)| {
        let mut story = story();
        story.later(20);
        story.lease("a", 0, row(Some("a"), 2, Position::TrimHorizon));
        story.later(1);
        story.work("a", 1, 1..=4);
        between(&mut story);
        story.lease("a", 0, row(Some("a"), 3, Position::TrimHorizon));
        story.consumer("a", 1, ConsumerFact::LeaseLost);
        story.consumer(
            "a",
            3,
            ConsumerFact::Initialized {
                checkpoint: Position::TrimHorizon,
            },
        );
        story.work("a", 3, 1..=4);
        story
    };
    assert_eq!(
        taken_again(|_| {}).broken(),
        [Rule::Duplicate],
        "it was renewed all the time"
    );
    for expired in [
        (|story| story.later(9)) as fn(&mut Story),
        |story| story.unacknowledged("a", RENEW, 21),
        |story| story.missed("a", RENEW, 21, Missed::Late),
    ] {
        let story = taken_again(expired);
        story.assert_kept();
        let report = story.finish(Ending::CutShort);
        assert_eq!(report.figures.offered_again, [(Cause::Expiry, 4)].into());
    }
    let others = taken_again(|story| {
        story.unacknowledged("b", RENEW, 21);
        story.unacknowledged("a", PUT, 21);
        story.unacknowledged("a", RENEW, 9);
        for read in ["Scan", "GetItem"] {
            story.unacknowledged("a", (testkit::Service::DynamoDb, read), 21);
        }
    });
    assert_eq!(
        others.broken(),
        [Rule::Duplicate],
        "calls of others, to others, long ago, or that write nothing"
    );
}

#[test]
fn a_worker_that_was_stopped_and_kept_its_lease_may_offer_again_what_it_had_not_checkpointed() {
    for (stopped, broken) in [(true, vec![]), (false, vec![Rule::Duplicate])] {
        let mut story = Story::of_a_consumer(Rules::new(FAILOVER));
        story.work("a", 1, 1..=6);
        story.later(1);
        if stopped {
            let worker = Process::new("a");
            story.fleet(FleetFact::WorkerStopped { worker });
        }
        story.start("a");
        story.take("a", 2, Position::TrimHorizon);
        story.offer("a", 2, 1..=6);
        assert_eq!(story.broken(), broken);
    }
}
