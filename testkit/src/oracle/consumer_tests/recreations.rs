//! A stream that is deleted and created again under workers: what they owe to either.

use crate::oracle::story::{FAILOVER, Story, at, row};
use crate::oracle::{Ending, FleetFact, Position, Rule, Rules, ServiceFact, Start};

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
