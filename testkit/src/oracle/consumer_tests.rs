//! The rules about consumers, each kept and broken.

use super::story::{FAILOVER, PUT, RENEW, Story, at, ownership, payload, place, row, shard};
use super::*;

fn story() -> Story {
    Story::of_a_consumer(Rules::new(FAILOVER))
}

fn stealing() -> Story {
    Story::of_a_consumer(Rules::new(FAILOVER).except(Exception::StolenLeases, "the fleet is of KCL 2.x"))
}

/// The worker a writes its checkpoint.
fn checkpoint(story: &mut Story, counter: u64, position: Position) {
    story.lease("a", 0, row(Some("a"), counter, position));
}

/// The whole shard 0 is read, and its children 1 and 2 are there with their leases.
fn split(story: &mut Story) {
    story.close(0);
    story.create(1, &[0], 0..=99);
    story.create(2, &[0], 100..=u128::MAX);
    for child in [1, 2] {
        let waiting = LeaseRow {
            parents: vec![shard(0)],
            ..row(Some("a"), 1, Position::TrimHorizon)
        };
        story.lease("a", child, waiting);
    }
}

fn offer_of_child(story: &mut Story, sequence_number: u64, checkpoint: Position) {
    let child = ownership("a", 1, 1);
    story.tell(Fact::Consumer(child.clone(), ConsumerFact::Initialized { checkpoint }));
    let records = vec![OfferedRecord {
        place: place(sequence_number, 0),
        payload: payload(sequence_number),
    }];
    let lease = LeaseClaim::Held;
    story.tell(Fact::Consumer(child, ConsumerFact::Offered { records, lease }));
}

#[test]
fn a_shard_that_is_read_and_checkpointed_in_order_keeps_all_rules() {
    let mut story = story();
    story.work("a", 1, 1..=2);
    checkpoint(&mut story, 2, at(2));
    story.consumer("a", 1, ConsumerFact::CheckpointAcknowledged { position: at(2) });
    story.offer("a", 1, 3..=6);
    // In the middle of its handler, the application is done with some.
    story.consumer(
        "a",
        1,
        ConsumerFact::Processed {
            through: Some(place(5, 0)),
        },
    );
    checkpoint(&mut story, 3, at(5));
    story.processed("a", 1);
    split(&mut story);
    story.consumer("a", 1, ConsumerFact::ShardEnded);
    checkpoint(&mut story, 4, Position::ShardEnd);
    story.store(1, 11);
    offer_of_child(&mut story, 11, Position::TrimHorizon);
    story.tell(Fact::Consumer(
        ownership("a", 1, 1),
        ConsumerFact::Processed { through: None },
    ));
    let report = story.finish(Ending::Quiet);
    assert_eq!(report.violations, []);
    assert_eq!((report.figures.offered, report.figures.ownerships), (7, 2));
}

#[test]
fn a_checkpoint_past_a_record_that_was_not_processed_breaks_c1() {
    let mut story = story();
    story.offer("a", 1, 1..=3);
    story.consumer(
        "a",
        1,
        ConsumerFact::Processed {
            through: Some(place(2, 0)),
        },
    );
    checkpoint(&mut story, 2, at(2));
    story.assert_kept();
    checkpoint(&mut story, 3, at(3));
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
}

#[test]
fn a_checkpoint_that_moves_back_breaks_c1() {
    let mut story = story();
    story.work("a", 1, 1..=3);
    checkpoint(&mut story, 2, at(3));
    checkpoint(&mut story, 3, at(2));
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
}

#[test]
fn a_row_that_is_created_again_further_on_breaks_c1_and_further_back_does_not() {
    for (checkpoint, broken) in [
        (Position::TrimHorizon, vec![]),
        (Position::Latest, vec![Rule::AtLeastOnce]),
    ] {
        let mut story = story();
        story.work("a", 1, 1..=3);
        story.lease("a", 0, row(Some("a"), 2, at(3)));
        story.fleet(FleetFact::LeaseWritten(LeaseWrite {
            writer: Process::new("operator"),
            shard: shard(0),
            after: None,
        }));
        story.lease("a", 0, row(None, 0, checkpoint));
        assert_eq!(story.broken(), broken, "{checkpoint}");
    }
}

#[test]
fn a_checkpoint_at_a_place_where_nothing_was_stored_breaks_c1() {
    let mut story = story();
    story.work("a", 1, 1..=6);
    checkpoint(&mut story, 2, at(6));
    story.assert_kept();
    checkpoint(&mut story, 3, Position::At(place(6, 1)));
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
}

#[test]
fn shard_end_in_the_row_of_an_open_shard_breaks_c1() {
    let mut story = story();
    story.work("a", 1, 1..=6);
    checkpoint(&mut story, 2, Position::ShardEnd);
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
}

#[test]
fn an_end_that_is_told_before_all_records_were_processed_breaks_c1() {
    let mut story = story();
    story.work("a", 1, 1..=5);
    story.consumer("a", 1, ConsumerFact::ShardEnded);
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
}

#[test]
fn an_acknowledged_checkpoint_that_is_not_in_the_row_breaks_c1() {
    let mut story = story();
    story.work("a", 1, 1..=2);
    story.consumer("a", 1, ConsumerFact::CheckpointAcknowledged { position: at(2) });
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
}

#[test]
fn a_batch_that_leaves_records_out_breaks_c1() {
    for (first, second) in [(2, 3), (1, 4)] {
        let mut story = story();
        story.work("a", 1, first..=2);
        story.work("a", 1, second..=6);
        assert_eq!(story.broken(), [Rule::AtLeastOnce]);
    }
    let mut story = story();
    story.offer("a", 1, [1, 3]);
    assert_eq!(story.broken(), [Rule::AtLeastOnce], "inside the batch");
}

#[test]
fn a_new_owner_begins_at_its_checkpoint_however_far_the_last_one_came() {
    for (first, broken) in [(3, vec![]), (4, vec![Rule::AtLeastOnce]), (5, vec![Rule::AtLeastOnce])] {
        let mut story = story();
        story.work("a", 1, 1..=4);
        checkpoint(&mut story, 2, at(2));
        story.later(11);
        story.start("b");
        story.take("b", 3, at(2));
        story.work("b", 3, first..=6);
        assert_eq!(story.broken(), broken, "{first}");
    }
}

#[test]
fn records_that_were_trimmed_may_be_left_out_and_are_counted() {
    let mut story = story();
    story.work("a", 1, 1..=2);
    story.service(ServiceFact::RecordsTrimmed {
        shard: shard(0),
        below: place(5, 0).sequence_number,
    });
    story.work("a", 1, 5..=6);
    checkpoint(&mut story, 2, at(6));
    let report = story.finish(Ending::Quiet);
    assert_eq!(report.violations, []);
    assert_eq!(report.figures.trimmed_unread, 2);
}

#[test]
fn a_record_that_was_never_stored_or_is_another_than_stored_breaks_c1() {
    let mut story = story();
    story.work("a", 1, 1..=7);
    assert_eq!(story.broken()[0], Rule::AtLeastOnce);

    let mut story = self::story();
    let (records, lease) = (
        vec![OfferedRecord {
            place: place(1, 0),
            payload: payload(2),
        }],
        LeaseClaim::Held,
    );
    story.consumer("a", 1, ConsumerFact::Offered { records, lease });
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
}

#[test]
fn an_ownership_that_begins_further_on_than_its_row_breaks_c1() {
    let mut story = story();
    story.work("a", 1, 1..=2);
    story.lease("a", 0, row(Some("a"), 2, at(1)));
    story.consumer("a", 2, ConsumerFact::Initialized { checkpoint: at(2) });
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
}

#[test]
fn a_record_that_is_not_processed_at_a_quiet_end_breaks_c1_unless_its_shard_was_halted() {
    let unread = || {
        let mut story = story();
        story.work("a", 1, 1..=5);
        story
    };
    assert!(unread().finish(Ending::CutShort).is_clean());
    let report = unread().finish(Ending::Quiet);
    assert_eq!(report.violations[0].rule, Rule::AtLeastOnce);
    assert_eq!(report.figures.unread, 1);

    let mut halted = unread();
    halted.consumer("a", 1, ConsumerFact::ShardHalted);
    split(&mut halted);
    halted.store(1, 11);
    assert!(halted.finish(Ending::Quiet).is_clean());
}

#[test]
fn a_consumer_at_latest_needs_what_arrives_behind_its_lease() {
    let begin = |rules: Rules| {
        let mut story = Story::by(rules.start(Start::Latest));
        story.create(0, &[], 0..=u128::MAX);
        story.store(0, 1);
        story.start("a");
        story.lease("a", 0, row(None, 0, Position::Latest));
        story.store(0, 2);
        story.take("a", 1, Position::Latest);
        story.store(0, 3);
        story
    };
    let mut pinned = begin(Rules::new(FAILOVER));
    pinned.work("a", 1, 2..=3);
    pinned.lease("a", 0, row(Some("a"), 2, at(3)));
    assert!(pinned.finish(Ending::Quiet).is_clean());

    let mut not_pinned = begin(Rules::new(FAILOVER));
    not_pinned.work("a", 1, 3..=3);
    assert_eq!(not_pinned.broken(), [Rule::AtLeastOnce]);

    let mut excused = begin(Rules::new(FAILOVER).except(Exception::UnpinnedLatest, "not pinned yet"));
    excused.work("a", 1, 3..=3);
    excused.lease("a", 0, row(Some("a"), 2, at(3)));
    let report = excused.finish(Ending::Quiet);
    assert_eq!(report.violations, []);
    assert_eq!(report.excused[0].times, 1);
}

#[test]
fn an_owner_at_latest_is_offered_what_came_before_it_with_the_exception_alone_and_only_at_first() {
    let begin = |rules: Rules, batches: &[std::ops::RangeInclusive<u64>]| {
        let mut story = Story::by(rules.start(Start::Latest));
        story.create(0, &[], 0..=u128::MAX);
        story.start("a");
        story.store(0, 1);
        story.lease("a", 0, row(None, 0, Position::Latest));
        story.take("a", 1, Position::Latest);
        story.store(0, 2);
        batches.iter().for_each(|batch| story.work("a", 1, batch.clone()));
        story.broken()
    };
    let excused = || Rules::new(FAILOVER).except(Exception::UnpinnedLatest, "not pinned yet");
    assert_eq!(begin(excused(), &[1..=2]), []);
    assert_eq!(begin(Rules::new(FAILOVER), &[1..=2]), [Rule::Duplicate]);
    assert_eq!(begin(excused(), &[2..=2, 1..=2]), [Rule::Duplicate]);
}

#[test]
fn what_an_owner_at_latest_left_behind_is_excused_with_the_exception_alone() {
    for ended in [false, true] {
        let next_owner = |rules: Rules| {
            let mut story = Story::by(rules.start(Start::Latest));
            story.create(0, &[], 0..=u128::MAX);
            story.start("a");
            story.take("a", 1, Position::Latest);
            story.store(0, 1);
            story.kill("a");
            story.later(11);
            story.start("b");
            if ended {
                story.close(0);
            }
            story.take("b", 2, Position::Latest);
            if ended {
                story.consumer("b", 2, ConsumerFact::ShardEnded);
                story.lease("b", 0, row(Some("b"), 3, Position::ShardEnd));
            }
            story.finish(Ending::Quiet)
        };
        let excused = Rules::new(FAILOVER).except(Exception::UnpinnedLatest, "not pinned yet");
        assert_eq!(next_owner(excused).violations, []);
        assert!(!next_owner(Rules::new(FAILOVER)).is_clean());
    }
}

#[test]
fn a_lease_at_latest_begins_with_its_row_if_its_shard_was_there_first() {
    for (created_late, broken) in [(false, vec![]), (true, vec![Rule::AtLeastOnce])] {
        let mut story = Story::by(Rules::new(FAILOVER).start(Start::Latest));
        story.create(0, &[], 0..=99);
        if !created_late {
            story.create(1, &[], 100..=u128::MAX);
        }
        story.lease("a", 0, row(None, 0, Position::Latest));
        story.later(1);
        if created_late {
            story.create(1, &[], 100..=u128::MAX);
        }
        story.store(1, 1);
        story.lease("a", 1, row(None, 0, Position::Latest));
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn a_consumer_at_latest_does_not_need_a_shard_that_had_ended_before() {
    let mut story = Story::by(Rules::new(FAILOVER).start(Start::Latest));
    story.create(0, &[], 0..=u128::MAX);
    story.store(0, 1);
    story.close(0);
    story.create(1, &[0], 0..=u128::MAX);
    story.start("a");
    story.lease("a", 1, row(Some("a"), 1, Position::Latest));
    story.store(1, 11);
    offer_of_child(&mut story, 11, Position::Latest);
    story.tell(Fact::Consumer(
        ownership("a", 1, 1),
        ConsumerFact::Processed { through: None },
    ));
    assert_eq!(story.finish(Ending::Quiet).violations, []);
}

#[test]
fn a_consumer_at_a_timestamp_needs_what_arrives_from_then_on() {
    let mut story = Story::by(Rules::new(FAILOVER).start(Start::AtTimestamp(Duration::from_secs(5))));
    story.create(0, &[], 0..=u128::MAX);
    story.store(0, 1);
    story.later(5);
    story.store(0, 2);
    story.start("a");
    story.take("a", 1, Position::AtTimestamp);
    story.work("a", 1, 2..=2);
    checkpoint(&mut story, 2, at(2));
    assert!(story.finish(Ending::Quiet).is_clean());
}

#[test]
fn a_consumer_at_a_timestamp_to_come_does_not_need_what_arrives_until_then() {
    let mut story = Story::by(Rules::new(FAILOVER).start(Start::AtTimestamp(Duration::from_secs(5))));
    story.create(0, &[], 0..=u128::MAX);
    story.start("a");
    story.take("a", 1, Position::AtTimestamp);
    story.store(0, 1);
    story.later(5);
    story.store(0, 2);
    story.store(0, 3);
    story.work("a", 1, 2..=2);
    story.assert_kept();
    let mut skipping = Story::by(Rules::new(FAILOVER).start(Start::AtTimestamp(Duration::from_secs(5))));
    skipping.create(0, &[], 0..=u128::MAX);
    skipping.start("a");
    skipping.take("a", 1, Position::AtTimestamp);
    skipping.store(0, 1);
    skipping.later(5);
    skipping.store(0, 2);
    skipping.store(0, 3);
    skipping.work("a", 1, 3..=3);
    assert_eq!(skipping.broken(), [Rule::AtLeastOnce]);
}

#[test]
fn a_lease_that_is_created_further_on_than_the_consumer_begins_breaks_c1() {
    let mut story = Story::new();
    story.create(0, &[], 0..=u128::MAX);
    story.store(0, 1);
    story.lease("a", 0, row(None, 0, Position::Latest));
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
}

#[test]
fn a_childs_record_offered_before_the_parents_row_is_at_its_end_breaks_c2() {
    let mut story = story();
    story.work("a", 1, 1..=6);
    split(&mut story);
    story.store(1, 11);
    offer_of_child(&mut story, 11, Position::TrimHorizon);
    assert_eq!(story.broken(), [Rule::ParentFirst]);
}

#[test]
fn a_childs_record_offered_before_a_parent_without_a_row_was_processed_breaks_c2() {
    let mut story = Story::new();
    story.create(0, &[], 0..=u128::MAX);
    story.store(0, 1);
    split(&mut story);
    story.store(1, 11);
    offer_of_child(&mut story, 11, Position::TrimHorizon);
    assert_eq!(story.broken(), [Rule::ParentFirst]);
}

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
fn a_task_that_is_left_after_the_shutdown_is_named() {
    let mut story = story();
    let tasks = vec!["worker-1: renewer".to_owned()];
    story.fleet(FleetFact::TasksLeft { tasks });
    let report = story.finish(Ending::CutShort);
    assert_eq!(report.violations[0].rule, Rule::Shutdown);
    assert!(report.violations[0].text.contains("worker-1: renewer"), "{report}");
    assert_eq!(report.figures.tasks_left, 1);
}

const BOUND: u64 = 60;

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
    let everybody = Target::Service(crate::Service::DynamoDb);
    for (target, broken) in [
        (everybody, vec![]),
        (Target::Process(Process::new("b")), vec![Rule::Coverage]),
        (Target::Service(crate::Service::CloudWatch), vec![Rule::Coverage]),
    ] {
        let mut story = released();
        fault(&mut story, target.clone());
        story.waits(BOUND + 2);
        assert_eq!(story.broken(), broken, "{target:?}");
    }
    let mut mended = released();
    fault(&mut mended, Target::Service(crate::Service::Kinesis));
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
            story.fleet(FleetFact::LeaseWritten(LeaseWrite {
                writer: Process::new("a"),
                shard: shard(0),
                after: None,
            }));
        }
        story.waits(3);
        let broken = if gone { vec![] } else { vec![Rule::Coverage] };
        assert_eq!(story.broken(), broken, "as it happens");
        assert_eq!(story.finish(Ending::Quiet).is_clean(), gone, "and at the end");
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
fn what_a_handler_failed_on_must_come_again_before_what_lies_behind() {
    let failed = || {
        let mut story = story();
        story.offer("a", 1, 1..=4);
        story.consumer(
            "a",
            1,
            ConsumerFact::Processed {
                through: Some(place(2, 0)),
            },
        );
        story.consumer("a", 1, ConsumerFact::Failed);
        story
    };
    // With or without those that it was done with.
    for first in [1, 2, 3] {
        let mut story = failed();
        story.work("a", 1, first..=6);
        story.assert_kept();
        let report = story.finish(Ending::Quiet);
        assert_eq!(report.figures.offered_again[&Cause::HandlerFailure], 5 - first);
    }
    for first in [4, 5] {
        let mut story = failed();
        story.work("a", 1, first..=6);
        assert_eq!(story.broken(), [Rule::NothingSkipped]);
    }
}

#[test]
fn a_failed_batch_may_come_again_in_parts_each_once() {
    let failed = || {
        let mut story = story();
        story.offer("a", 1, 1..=4);
        story.consumer("a", 1, ConsumerFact::Failed);
        story.work("a", 1, 1..=2);
        story
    };
    let mut rest = failed();
    rest.work("a", 1, 3..=6);
    rest.assert_kept();
    rest.work("a", 1, 4..=6);
    assert_eq!(rest.broken(), [Rule::Duplicate], "nothing failed since");
    let mut skipping = failed();
    skipping.work("a", 1, 4..=6);
    assert_eq!(skipping.broken(), [Rule::NothingSkipped]);
    let mut failing_again = failed();
    failing_again.offer("a", 1, 3..=3);
    failing_again.consumer("a", 1, ConsumerFact::Failed);
    failing_again.work("a", 1, 3..=3);
    failing_again.work("a", 1, 5..=6);
    assert_eq!(failing_again.broken(), [Rule::NothingSkipped], "4 is still due");
    let mut done = failed();
    done.work("a", 1, 3..=4);
    done.work("a", 1, 6..=6);
    assert_eq!(done.broken(), [Rule::AtLeastOnce], "no handler failed on 5");
    let mut repeating = failed();
    repeating.work("a", 1, 2..=6);
    assert_eq!(repeating.broken(), [Rule::Duplicate]);
}

#[test]
fn a_failed_batch_that_is_checkpointed_breaks_c1() {
    let mut story = story();
    story.offer("a", 1, 1..=4);
    story.consumer("a", 1, ConsumerFact::Failed);
    checkpoint(&mut story, 2, at(4));
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
}

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
    for expired in [(|story| story.later(9)) as fn(&mut Story), |story| {
        story.unacknowledged("a", RENEW, 21)
    }] {
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
            story.unacknowledged("a", (crate::Service::DynamoDb, read), 21);
        }
    });
    assert_eq!(
        others.broken(),
        [Rule::Duplicate],
        "calls of others, to others, long ago, or that write nothing"
    );
}

#[test]
fn a_worker_that_gives_up_needs_a_fault_in_its_life_and_one_that_panics_has_no_excuse() {
    let failed = |fault: Option<Target>, failure: Failure| {
        let mut story = story();
        if let Some(target) = fault {
            let (fault, name) = (FaultId(1), "outage".to_owned());
            story.later(1);
            story.fleet(FleetFact::FaultBegan { fault, name, target });
            story.later(1);
            story.fleet(FleetFact::FaultEnded { fault });
        }
        let worker = Process::new("a");
        story.fleet(FleetFact::WorkerFailed { worker, failure });
        story.broken()
    };
    let outage = Target::Service(crate::Service::DynamoDb);
    let gave_up = Failure::GaveUp("the lease table cannot be used".to_owned());
    assert_eq!(failed(Some(outage.clone()), gave_up.clone()), []);
    assert_eq!(failed(Some(Target::Process(Process::new("a"))), gave_up.clone()), []);
    for target in [
        None,
        Some(Target::Process(Process::new("b"))),
        Some(Target::Service(crate::Service::CloudWatch)),
    ] {
        assert_eq!(failed(target, gave_up.clone()), [Rule::Survival]);
    }
    assert_eq!(failed(Some(outage), Failure::Panicked), [Rule::Survival]);
}

#[test]
fn a_fault_of_an_earlier_life_does_not_excuse_a_worker_that_gives_up() {
    let mut story = story();
    let (fault, name) = (FaultId(1), "outage".to_owned());
    let target = Target::Process(Process::new("a"));
    story.fleet(FleetFact::FaultBegan { fault, name, target });
    story.later(1);
    story.fleet(FleetFact::FaultEnded { fault });
    story.kill("a");
    story.later(1);
    story.start("a");
    let (worker, failure) = (Process::new("a"), Failure::GaveUp("no shards".to_owned()));
    story.fleet(FleetFact::WorkerFailed { worker, failure });
    assert_eq!(story.broken(), [Rule::Survival]);
}

#[test]
fn recovery_lasts_until_the_backlog_is_processed_and_each_open_shard_is_owned() {
    let mut story = story();
    story.work("a", 1, 1..=2);
    story.fleet(FleetFact::FaultBegan {
        fault: FaultId(1),
        name: "outage".to_owned(),
        target: Target::Service(crate::Service::DynamoDb),
    });
    story.later(20);
    story.store(0, 7);
    story.fleet(FleetFact::FaultEnded { fault: FaultId(1) });
    story.later(1);
    story.store(0, 8);
    story.start("b");
    story.take("b", 2, Position::TrimHorizon);
    story.work("b", 2, 1..=6);
    story.later(2);
    story.work("b", 2, 7..=7);
    story.later(4);
    story.work("b", 2, 8..=8);
    let report = story.finish(Ending::Quiet);
    assert_eq!(report.violations, []);
    assert_eq!(report.figures.recovery, Some(Duration::from_secs(3)));
    assert_eq!(report.figures.faults, [("outage".to_owned(), 1)].into());
}

#[test]
fn a_dead_worker_is_recovered_from_when_another_has_its_shard() {
    let mut story = story();
    story.work("a", 1, 1..=6);
    story.start("b");
    story.kill("a");
    story.later(13);
    story.take("b", 2, Position::TrimHorizon);
    let report = story.finish(Ending::CutShort);
    assert_eq!(report.figures.recovery, Some(Duration::from_secs(13)));
}

#[test]
fn handlers_called_out_of_turn_contradict_the_history() {
    let mut story = story();
    story.processed("a", 1);
    assert_eq!(story.broken(), [Rule::History], "nothing was offered");
    story.offer("a", 1, 1..=2);
    story.offer("a", 1, 3..=4);
    assert_eq!(story.broken(), [Rule::History; 2], "the handler has not returned");
    story.consumer("a", 1, ConsumerFact::ShardEnded);
    assert_eq!(story.broken()[2], Rule::History, "nor has it now");
    story.consumer("b", 2, ConsumerFact::LeaseLost);
    assert_eq!(story.broken().last(), Some(&Rule::History), "it was never initialized");
}
