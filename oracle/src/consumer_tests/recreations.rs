//! A stream that is deleted and created again under workers: what they owe to either.

use super::offer_of_child;
use crate::story::{FAILOVER, Story, at, row};
use crate::{ConsumerFact, Ending, FleetFact, LeaseClaim, LeaseRow, Position, Rule, Rules, ServiceFact, Start};
use testkit::kinesis::Timestamp;

/// The creation time of the nth stream.
fn created(nth: u64) -> Timestamp {
    Timestamp::from_millis(nth)
}

/// A row that names the nth stream.
fn row_of(nth: u64, owner: Option<&str>, counter: u64, checkpoint: Position) -> LeaseRow {
    LeaseRow {
        stream_created: Some(created(nth)),
        ..row(owner, counter, checkpoint)
    }
}

/// The same as [`created_again`], but the row was created by worker a for the stream that it names, at the oldest record,
/// and nothing was read by it.
fn unread(nth: u64) -> Story {
    let mut story = Story::by(Rules::new(FAILOVER).coverage_within(FAILOVER));
    story.service(ServiceFact::StreamCreated { created: created(1) });
    story.create(0, &[], 0..=u128::MAX);
    story.create(1, &[], 0..=u128::MAX);
    story.start("a");
    story.service(ServiceFact::StreamDeleted);
    story.later(1);
    story.service(ServiceFact::StreamCreated { created: created(2) });
    story.create(0, &[], 0..=u128::MAX);
    story.store(0, 7);
    story.lease("a", 0, row_of(nth, None, 0, Position::TrimHorizon));
    story.lease("a", 0, row_of(nth, Some("a"), 1, Position::TrimHorizon));
    let checkpoint = Position::TrimHorizon;
    story.consumer("a", 1, ConsumerFact::Initialized { checkpoint });
    story
}

/// Worker a has processed the records 1 to 6 of shard 0; then the stream is deleted and created again, and stores 7.
fn created_again() -> Story {
    let mut story = Story::of_a_consumer(Rules::new(FAILOVER));
    story.work("a", 1, 1..=6);
    story.service(ServiceFact::StreamDeleted);
    story.later(1);
    story.create(0, &[], 0..=u128::MAX);
    story.store(0, 7);
    story.assert_kept();
    story
}

#[test]
fn what_a_new_stream_holds_is_read_from_a_lease_of_its_own_or_a_worker_says_what_happened() {
    for told in [false, true] {
        let mut story = created_again();
        if told {
            story.fleet(FleetFact::RecreationTold);
        }
        let report = story.finish(Ending::Quiet);
        assert_eq!(report.is_clean(), told, "{report}");
    }
    let mut story = created_again();
    story.delete_lease("a", 0);
    story.lease("a", 0, row(None, 3, Position::TrimHorizon));
    story.take("a", 4, Position::TrimHorizon);
    story.work("a", 4, [7]);
    assert_eq!(story.finish(Ending::Quiet).violations, []);
}

#[test]
fn a_lease_of_a_deleted_stream_takes_checkpoints_in_it_and_no_end_of_an_open_shard() {
    let mut story = created_again();
    story.lease("a", 0, row(Some("a"), 2, at(6)));
    story.assert_kept();
    story.lease("a", 0, row(Some("a"), 3, Position::ShardEnd));
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
}

#[test]
fn an_ownership_of_a_deleted_stream_is_offered_none_of_the_records_of_the_new_one() {
    let mut story = created_again();
    story.offer("a", 1, [7]);
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
    // Nor is a later one, by the same row, unless nothing was read by it.
    for (checkpoint, broken) in [(at(6), vec![Rule::AtLeastOnce]), (Position::TrimHorizon, vec![])] {
        let mut story = Story::of_a_consumer(Rules::new(FAILOVER));
        story.work("a", 1, 1..=6);
        story.lease("a", 0, row(None, 2, checkpoint));
        story.service(ServiceFact::StreamDeleted);
        story.later(1);
        story.create(0, &[], 0..=u128::MAX);
        story.store(0, 7);
        story.take("b", 3, checkpoint);
        story.offer("b", 3, [7]);
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn no_worker_says_that_a_stream_was_created_again_that_was_not() {
    let mut story = Story::of_a_consumer(Rules::new(FAILOVER));
    story.fleet(FleetFact::RecreationTold);
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
}

#[test]
fn a_start_at_latest_wants_of_a_new_stream_what_arrives_after_its_first_lease() {
    let mut story = Story::by(Rules::new(FAILOVER).start(Start::Latest));
    story.create(0, &[], 0..=u128::MAX);
    story.start("a");
    story.lease("a", 0, row(None, 0, Position::Latest));
    story.service(ServiceFact::StreamDeleted);
    story.later(1);
    for number in 0..=1 {
        story.create(number, &[], 0..=u128::MAX);
    }
    story.store(1, 7);
    story.lease("a", 1, row(None, 0, Position::Latest));
    story.assert_kept();
}

#[test]
fn a_lease_is_of_the_stream_that_its_row_names() {
    for (nth, broken) in [(1, vec![Rule::AtLeastOnce]), (2, vec![])] {
        let mut story = unread(nth);
        story.offer("a", 1, [7]);
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn a_lease_of_another_stream_covers_no_shard_of_the_present_one() {
    let mut story = unread(1);
    for number in 1..20 {
        story.later(1);
        story.lease("a", 0, row_of(1, Some("a"), 1 + number, Position::TrimHorizon));
    }
    assert_eq!(story.broken(), [Rule::Coverage]);
}

#[test]
fn a_lease_of_a_shard_that_its_stream_never_had_gives_nothing_and_does_not_move() {
    for (position, broken) in [(at(7), vec![Rule::AtLeastOnce]), (Position::TrimHorizon, vec![])] {
        let mut story = unread(2);
        story.create(2, &[], 0..=u128::MAX);
        story.lease("a", 2, row_of(1, Some("a"), 1, Position::TrimHorizon));
        story.lease("a", 2, row_of(1, Some("a"), 2, position));
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn a_row_that_comes_to_name_a_stream_is_of_it_if_nothing_was_read_by_it() {
    for (checkpoint, broken) in [(at(6), vec![Rule::AtLeastOnce]), (Position::TrimHorizon, vec![])] {
        let mut story = Story::by(Rules::new(FAILOVER));
        story.service(ServiceFact::StreamCreated { created: created(1) });
        story.create(0, &[], 0..=u128::MAX);
        story.lease("a", 0, row(None, 0, checkpoint));
        story.service(ServiceFact::StreamDeleted);
        story.service(ServiceFact::StreamCreated { created: created(2) });
        story.create(0, &[], 0..=u128::MAX);
        story.store(0, 7);
        story.start("a");
        story.lease("a", 0, row_of(2, Some("a"), 1, checkpoint));
        story.consumer("a", 1, ConsumerFact::Initialized { checkpoint });
        story.offer("a", 1, [7]);
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn a_worker_says_that_the_stream_was_created_again_while_a_lease_or_a_worker_is_of_another_one() {
    let mut story = created_again();
    story.fleet(FleetFact::RecreationTold);
    story.delete_lease("a", 0);
    story.lease("a", 0, row(None, 0, Position::TrimHorizon));
    // Worker a began with the former stream.
    story.fleet(FleetFact::RecreationTold);
    story.assert_kept();
    story.kill("a");
    story.later(1);
    story.start("b");
    story.fleet(FleetFact::RecreationTold);
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
}

#[test]
fn once_all_leases_are_deleted_the_new_stream_has_to_be_read() {
    let mut story = created_again();
    story.fleet(FleetFact::RecreationTold);
    story.delete_lease("operator", 0);
    let report = story.finish(Ending::Quiet);
    let broken: Vec<_> = report.violations.iter().map(|violation| violation.rule).collect();
    assert_eq!(broken, [Rule::AtLeastOnce, Rule::Coverage]);
}

#[test]
fn a_start_at_latest_without_any_lease_begins_anew() {
    let mut story = Story::by(Rules::new(FAILOVER).start(Start::Latest));
    story.create(0, &[], 0..=u128::MAX);
    story.start("a");
    story.lease("a", 0, row(None, 0, Position::Latest));
    story.store(0, 7);
    story.delete_lease("operator", 0);
    story.store(0, 8);
    story.lease("a", 0, row(None, 0, Position::Latest));
    story.assert_kept();
    story.store(0, 9);
    assert_eq!(story.finish(Ending::Quiet).figures.unread, 1);
}

#[test]
fn a_start_at_latest_without_any_lease_needs_no_shard_that_was_closed() {
    for (are_deleted, broken) in [(true, vec![]), (false, vec![Rule::ParentFirst])] {
        let mut story = Story::by(Rules::new(FAILOVER).start(Start::Latest));
        story.create(0, &[], 0..=u128::MAX);
        story.start("a");
        story.lease("a", 0, row(None, 0, Position::Latest));
        story.store(0, 7);
        story.close(0);
        story.create(1, &[0], 0..=u128::MAX);
        if are_deleted {
            story.delete_lease("operator", 0);
        }
        story.lease("a", 1, row(None, 0, Position::Latest));
        story.lease("a", 1, row(Some("a"), 1, Position::Latest));
        story.store(1, 8);
        offer_of_child(&mut story, 8, Position::Latest);
        let mut rules = story.broken();
        rules.dedup();
        assert_eq!(rules, broken);
    }
}

#[test]
fn tokens_grow_over_a_row_that_is_deleted_and_made_again() {
    for (token, broken) in [(10, vec![]), (9, vec![Rule::OneOwner])] {
        let mut story = Story::of_a_consumer(Rules::new(FAILOVER));
        story.take("a", 9, Position::TrimHorizon);
        story.delete_lease("operator", 0);
        story.lease("a", 0, row(None, 0, Position::TrimHorizon));
        story.take("b", token, Position::TrimHorizon);
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn a_lease_of_a_former_stream_is_made_one_of_the_present_stream_and_begins_anew() {
    let mut story = Story::by(Rules::new(FAILOVER));
    story.service(ServiceFact::StreamCreated { created: created(1) });
    story.create(0, &[], 0..=u128::MAX);
    story.start("a");
    story.store(0, 5);
    story.lease("a", 0, row_of(1, None, 0, Position::TrimHorizon));
    story.lease("a", 0, row_of(1, Some("a"), 1, Position::TrimHorizon));
    let checkpoint = Position::TrimHorizon;
    story.consumer("a", 1, ConsumerFact::Initialized { checkpoint });
    story.work("a", 1, [5]);
    story.lease("a", 0, row_of(1, Some("a"), 2, at(5)));
    story.service(ServiceFact::StreamDeleted);
    story.later(1);
    story.service(ServiceFact::StreamCreated { created: created(2) });
    story.create(0, &[], 0..=u128::MAX);
    story.store(0, 7);
    story.lease("b", 0, row_of(2, None, 3, Position::TrimHorizon));
    story.start("b");
    story.lease("b", 0, row_of(2, Some("b"), 4, Position::TrimHorizon));
    story.consumer("b", 4, ConsumerFact::Initialized { checkpoint });
    story.work("b", 4, [7]);
    story.lease("b", 0, row_of(2, Some("b"), 5, at(7)));
    assert_eq!(story.finish(Ending::Quiet).violations, []);
}

/// Worker a has a lease of the first stream when the second one is there, which has the shard of this number, and b starts.
fn owned_when_the_stream_is_created_again(number: u32) -> Story {
    let mut story = Story::by(Rules::new(FAILOVER));
    story.service(ServiceFact::StreamCreated { created: created(1) });
    story.create(0, &[], 0..=u128::MAX);
    story.start("a");
    story.lease("a", 0, row_of(1, Some("a"), 1, Position::TrimHorizon));
    let checkpoint = Position::TrimHorizon;
    story.consumer("a", 1, ConsumerFact::Initialized { checkpoint });
    story.service(ServiceFact::StreamDeleted);
    story.service(ServiceFact::StreamCreated { created: created(2) });
    story.create(number, &[], 0..=u128::MAX);
    story.start("b");
    story
}

#[test]
fn an_owner_of_a_former_streams_lease_that_was_made_anew_may_not_know_it_before_its_next_renewal() {
    for (seconds, broken) in [(9, vec![]), (11, vec![Rule::OneOwner])] {
        let mut story = owned_when_the_stream_is_created_again(0);
        story.lease("b", 0, row_of(2, None, 2, Position::TrimHorizon));
        story.lease("b", 0, row_of(2, Some("b"), 3, Position::TrimHorizon));
        let checkpoint = Position::TrimHorizon;
        story.consumer("b", 3, ConsumerFact::Initialized { checkpoint });
        story.later(seconds);
        let lease = LeaseClaim::Held;
        story.consumer("a", 1, ConsumerFact::AtWork { lease });
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn an_owner_of_a_former_streams_lease_whose_row_was_deleted_may_not_know_it_before_its_next_renewal() {
    for (seconds, broken) in [(9, vec![]), (11, vec![Rule::OneOwner])] {
        let mut story = owned_when_the_stream_is_created_again(1);
        story.delete_lease("b", 0);
        story.later(seconds);
        let lease = LeaseClaim::Held;
        story.consumer("a", 1, ConsumerFact::AtWork { lease });
        assert_eq!(story.broken(), broken);
    }
}
