//! C1: records are offered without gaps, and a checkpoint moves only over processed ones.

use super::{checkpoint, split, story};
use crate::story::{at, payload, place, row, shard};
use crate::{ConsumerFact, Ending, LeaseClaim, LeaseRow, OfferedRecord, Position, Rule, ServiceFact};

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
        story.delete_lease("operator", 0);
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
fn a_checkpoint_that_is_prepared_must_be_found_by_the_next_owner() {
    for (found, broken) in [(Some(at(2)), vec![]), (None, vec![Rule::AtLeastOnce])] {
        let mut story = story();
        story.work("a", 1, 1..=2);
        let prepared = |owner, counter| LeaseRow {
            pending: Some(at(2)),
            ..row(owner, counter, Position::TrimHorizon)
        };
        story.lease("a", 0, prepared(Some("a"), 2));
        story.lease("a", 0, prepared(None, 3));
        story.lease("b", 0, prepared(Some("b"), 4));
        let checkpoint = Position::TrimHorizon;
        story.consumer("b", 4, ConsumerFact::Initialized { checkpoint });
        story.consumer("b", 4, ConsumerFact::PendingFound { position: found });
        assert_eq!(story.broken(), broken);
    }
}
