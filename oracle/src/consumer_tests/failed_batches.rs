//! C5: what a handler failed on comes again, before anything behind it, and is not checkpointed until then.

use super::{checkpoint, story};
use crate::story::{at, place};
use crate::{Cause, ConsumerFact, Ending, Rule};

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
fn everything_behind_the_checkpoint_comes_again_to_a_task_that_is_begun_anew() {
    for (first, broken) in [(3, vec![]), (4, vec![Rule::NothingSkipped]), (2, vec![Rule::Duplicate])] {
        let mut story = story();
        story.work("a", 1, 1..=2);
        checkpoint(&mut story, 2, at(2));
        story.work("a", 1, 3..=4);
        story.offer("a", 1, 5..=5);
        story.consumer("a", 1, ConsumerFact::Failed);
        story.consumer("a", 1, ConsumerFact::BegunAnew { checkpoint: at(2) });
        story.work("a", 1, first..=6);
        assert_eq!(story.broken(), broken, "{first}");
    }
}

#[test]
fn a_task_is_begun_anew_after_the_end_of_the_shard_and_not_after_that_of_the_ownership() {
    for (end, broken) in [
        (ConsumerFact::ShardEnded, vec![]),
        (ConsumerFact::ShutdownRequested, vec![Rule::OneOwner]),
    ] {
        let mut story = story();
        story.work("a", 1, 1..=6);
        story.consumer("a", 1, end);
        story.consumer("a", 1, ConsumerFact::BegunAnew { checkpoint: at(2) });
        story.work("a", 1, 3..=6);
        assert_eq!(story.broken(), broken);
    }
}
