//! C4: each shard has a living owner who reads on, in the end and, if there is a bound, within that.

use std::time::Duration;

use super::story;
use crate::story::{FAILOVER, Story, at, row, shard};
use crate::{ConsumerFact, Ending, FaultId, FleetFact, LeaseRow, Position, Process, Rule, Rules, Target};

const BOUND: u64 = 60;

#[test]
fn an_open_shard_without_a_lease_of_a_living_worker_breaks_c4() {
    let read = || {
        let mut story = story();
        story.work("a", 1, 1..=6);
        story
    };
    assert!(read().finish(Ending::Quiet).is_clean());

    let mut hole = read();
    hole.create(1, &[], 0..=0);
    let mut unowned = read();
    unowned.lease("a", 0, row(None, 2, Position::TrimHorizon));
    let mut dead = read();
    dead.start("b");
    dead.kill("a");
    for story in [hole, unowned, dead] {
        let report = story.finish(Ending::Quiet);
        assert_eq!(report.violations.len(), 1, "{report}");
        assert_eq!(report.violations[0].rule, Rule::Coverage);
    }
}

#[test]
fn nobody_has_to_own_a_shard_once_all_workers_have_stopped() {
    let mut story = story();
    story.work("a", 1, 1..=6);
    story.lease("a", 0, row(None, 2, Position::TrimHorizon));
    story.fleet(FleetFact::WorkerStopped {
        worker: Process::new("a"),
    });
    story.fleet(FleetFact::TasksLeft { tasks: Vec::new() });
    let report = story.finish(Ending::Quiet);
    assert_eq!(report.violations, []);
    assert_eq!(report.figures.tasks_left, 0);
}

#[test]
fn a_child_may_wait_for_a_parent_that_its_row_names() {
    for (parents, clean) in [(vec![shard(0)], true), (vec![], false)] {
        let mut story = story();
        story.work("a", 1, 1..=6);
        story.close(0);
        story.create(1, &[0], 0..=u128::MAX);
        let waiting = LeaseRow {
            parents,
            ..row(None, 0, Position::TrimHorizon)
        };
        story.lease("a", 1, waiting);
        assert_eq!(story.finish(Ending::Quiet).is_clean(), clean);
    }
}

#[test]
fn a_grandchild_may_wait_while_its_parent_has_no_lease_because_it_waits_itself() {
    for (checkpoint, clean) in [(at(6), true), (Position::ShardEnd, false)] {
        let mut story = story();
        story.work("a", 1, 1..=6);
        story.lease("a", 0, row(Some("a"), 2, checkpoint));
        story.close(0);
        story.create(1, &[0], 0..=u128::MAX);
        story.close(1);
        story.create(2, &[1], 0..=u128::MAX);
        assert_eq!(story.finish(Ending::Quiet).is_clean(), clean);
    }
}

/// A worker's lease of shard 0 has just been released; the worker b could take it.
fn released() -> Story {
    let mut story = Story::of_a_consumer(Rules::new(FAILOVER).coverage_within(Duration::from_secs(BOUND)));
    story.work("a", 1, 1..=6);
    story.start("b");
    story.lease("a", 0, row(None, 2, at(6)));
    story
}

#[test]
fn a_shard_without_an_owner_for_longer_than_the_bound_breaks_c4_if_a_worker_could_take_it() {
    let mut story = released();
    story.waits(BOUND);
    story.assert_kept();
    story.waits(2);
    assert_eq!(story.broken(), [Rule::Coverage]);
    story.waits(BOUND);
    assert_eq!(story.broken(), [Rule::Coverage], "it is told once");
}

#[test]
fn a_shard_whose_owner_lives_and_does_not_renew_is_without_an_owner() {
    for renews in [true, false] {
        let mut story = Story::of_a_consumer(Rules::new(FAILOVER).coverage_within(Duration::from_secs(BOUND)));
        story.work("a", 1, 1..=6);
        story.start("b");
        for second in 0..BOUND + 15 {
            if renews {
                story.lease("a", 0, row(Some("a"), second + 2, at(6)));
            }
            story.waits(1);
        }
        assert_eq!(story.broken().is_empty(), renews);
    }
}

#[test]
fn nobody_has_to_take_a_shard_while_a_fault_hits_every_worker_that_is_not_stopping() {
    let fault = |story: &mut Story, target| {
        story.fleet(FleetFact::FaultBegan {
            fault: FaultId(1),
            name: "outage".to_owned(),
            target,
        });
    };
    let everybody = Target::Service(testkit::Service::DynamoDb);
    for (target, broken) in [
        (everybody, vec![]),
        (Target::Process(Process::new("b")), vec![Rule::Coverage]),
        (Target::Service(testkit::Service::CloudWatch), vec![Rule::Coverage]),
    ] {
        let mut story = released();
        fault(&mut story, target.clone());
        story.waits(BOUND + 2);
        assert_eq!(story.broken(), broken, "{target:?}");
    }
    let mut mended = released();
    fault(&mut mended, Target::Service(testkit::Service::Kinesis));
    mended.waits(BOUND);
    mended.fleet(FleetFact::FaultEnded { fault: FaultId(1) });
    mended.waits(BOUND);
    mended.assert_kept();
    mended.waits(2);
    assert_eq!(mended.broken(), [Rule::Coverage]);

    let mut stopping = released();
    for worker in ["a", "b"] {
        let worker = Process::new(worker);
        stopping.fleet(FleetFact::WorkerStopping { worker });
    }
    stopping.waits(BOUND + 2);
    stopping.assert_kept();
}

#[test]
fn records_that_their_owner_leaves_unread_for_twice_the_bound_break_c4_unless_the_shard_is_halted() {
    for halted in [false, true] {
        let mut story = Story::of_a_consumer(Rules::new(FAILOVER).coverage_within(Duration::from_secs(BOUND)));
        story.work("a", 1, 1..=4);
        if halted {
            story.consumer("a", 1, ConsumerFact::ShardHalted);
        }
        for second in 0..2 * BOUND + 4 {
            story.lease("a", 0, row(Some("a"), second + 2, at(4)));
            story.waits(1);
            if second == 2 * BOUND - 1 {
                story.assert_kept();
            }
        }
        assert_eq!(story.broken().is_empty(), halted);
    }
}

#[test]
fn a_closed_shard_that_its_owner_never_ends_breaks_c4_though_all_its_records_are_processed() {
    for ends in [false, true] {
        let mut story = Story::of_a_consumer(Rules::new(FAILOVER).coverage_within(Duration::from_secs(BOUND)));
        story.work("a", 1, 1..=6);
        story.close(0);
        for second in 0..2 * BOUND + 4 {
            let position = if ends && second > BOUND {
                Position::ShardEnd
            } else {
                at(6)
            };
            story.lease("a", 0, row(Some("a"), second + 2, position));
            story.waits(1);
            if second == 2 * BOUND - 1 {
                story.assert_kept();
            }
        }
        let broken = if ends { vec![] } else { vec![Rule::Coverage] };
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn a_closed_shard_that_nobody_takes_breaks_c4_until_its_row_is_gone() {
    for gone in [false, true] {
        let mut story = released();
        story.close(0);
        story.waits(BOUND - 1);
        if gone {
            story.delete_lease("a", 0);
        }
        story.waits(3);
        let broken = if gone { vec![] } else { vec![Rule::Coverage] };
        assert_eq!(story.broken(), broken, "as it happens");
        assert_eq!(story.finish(Ending::Quiet).is_clean(), gone, "and at the end");
    }
}

#[test]
fn a_lease_that_is_renewed_without_a_reader_breaks_c4_though_no_record_waits() {
    for takes_up_again in [false, true] {
        let mut story = Story::of_a_consumer(Rules::new(FAILOVER).coverage_within(Duration::from_secs(BOUND)));
        story.work("a", 1, 1..=6);
        story.consumer("a", 1, ConsumerFact::LeaseLost);
        for second in 0..BOUND + 4 {
            story.lease("a", 0, row(Some("a"), second + 2, at(6)));
            if takes_up_again && second == BOUND - 1 {
                story.consumer("a", BOUND + 1, ConsumerFact::Initialized { checkpoint: at(6) });
            }
            story.waits(1);
            if second == BOUND - 1 {
                story.assert_kept();
            }
        }
        let broken = if takes_up_again { vec![] } else { vec![Rule::Coverage] };
        assert_eq!(story.broken(), broken);
    }
}
