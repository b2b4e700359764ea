//! C5: records are passed over only if a handler failed on them, and the policy, the handler or an operator wants it.

use super::{checkpoint, shard};
use crate::story::{FAILOVER, Story, at, payload, place};
use crate::{
    Asks, ConsumerFact, Ending, Exhausted, Fact, OfferedRecord, PassedOver, Process, Remedy, Rule, Rules, WorkerFact,
};

/// A handler failed on the records 1 to 4, or on the first alone, and asked for something.
fn failed(exhausted: Exhausted, count: u64, asks: Option<Asks>) -> Story {
    let mut story = Story::of_a_consumer(Rules::new(FAILOVER).exhausted(exhausted));
    story.offer("a", 1, 1..=count);
    let failed = asks.map_or(ConsumerFact::Failed, |asks| ConsumerFact::GaveUp { asks });
    story.consumer("a", 1, failed);
    story
}

fn skip(story: &mut Story, through: u64, count: usize) {
    let skipped = WorkerFact::Skipped {
        shard: shard(0),
        through: place(through, 0),
        count,
    };
    story.tell(Fact::Worker(Process::new("a"), skipped));
}

fn dead_letter(story: &mut Story, numbers: std::ops::RangeInclusive<u64>) {
    let records = numbers.map(|number| OfferedRecord {
        place: place(number, 0),
        payload: payload(number),
    });
    let letter = WorkerFact::DeadLettered {
        shard: shard(0),
        records: records.collect(),
    };
    story.tell(Fact::Worker(Process::new("a"), letter));
}

const EACH: Exhausted = Exhausted::EachRecord(PassedOver::Skipped);
const WHOLE: Exhausted = Exhausted::WholeBatches(PassedOver::Skipped);

#[test]
fn a_policy_may_pass_over_what_failed_and_those_records_count_as_processed() {
    for (exhausted, failing) in [(EACH, 1), (WHOLE, 4)] {
        let mut story = failed(exhausted, failing, None);
        skip(&mut story, failing, usize::try_from(failing).unwrap());
        checkpoint(&mut story, 2, at(failing));
        story.work("a", 1, failing + 1..=6);
        let report = story.finish(Ending::Quiet);
        assert_eq!(report.violations, []);
        assert_eq!(report.figures.passed_over["by the policy"], failing);
    }
}

#[test]
fn nothing_is_passed_over_that_the_policy_keeps_or_that_did_not_fail() {
    let policy_of_the_sink = Exhausted::EachRecord(PassedOver::DeadLettered);
    for (exhausted, failing, skipped) in [
        (Exhausted::Halt, 1, (1, 1)),
        // A policy for single records skips no batch.
        (EACH, 4, (4, 4)),
        (policy_of_the_sink, 1, (1, 1)),
        // More than the handler failed on.
        (WHOLE, 4, (5, 5)),
        (EACH, 1, (2, 1)),
    ] {
        let mut story = failed(exhausted, failing, None);
        skip(&mut story, skipped.0, skipped.1);
        assert_eq!(story.broken(), [Rule::NothingSkipped], "{exhausted:?} {skipped:?}");
    }
}

#[test]
fn a_handler_may_have_its_record_passed_over_whatever_the_policy_is_and_a_batch_if_that_is_for_batches() {
    for (exhausted, failing) in [(Exhausted::Halt, 1), (WHOLE, 4)] {
        let mut skipped = failed(exhausted, failing, Some(Asks::Skip));
        skip(&mut skipped, failing, usize::try_from(failing).unwrap());
        skipped.assert_kept();
        let mut lettered = failed(exhausted, failing, Some(Asks::DeadLetter));
        dead_letter(&mut lettered, 1..=failing);
        lettered.assert_kept();
    }
    let mut confused = failed(Exhausted::Halt, 1, Some(Asks::DeadLetter));
    skip(&mut confused, 1, 1);
    assert_eq!(confused.broken(), [Rule::NothingSkipped], "the letter is missing");
    for exhausted in [Exhausted::Halt, EACH] {
        let mut batch = failed(exhausted, 4, Some(Asks::Skip));
        skip(&mut batch, 4, 4);
        assert_eq!(
            batch.broken(),
            [Rule::NothingSkipped],
            "three of them may not have failed"
        );
    }
}

#[test]
fn an_operator_may_have_the_records_of_a_halted_shard_skipped_once() {
    let mut story = failed(Exhausted::Halt, 4, None);
    story.consumer("a", 1, ConsumerFact::ShardHalted);
    story.consumer("a", 1, ConsumerFact::HaltEnds { by: Remedy::Skip });
    // The worker may not know how many there are.
    skip(&mut story, 4, 0);
    story.work("a", 1, 5..=5);
    story.offer("a", 1, 6..=6);
    story.consumer("a", 1, ConsumerFact::Failed);
    story.assert_kept();
    skip(&mut story, 6, 1);
    assert_eq!(story.broken(), [Rule::NothingSkipped]);
}

#[test]
fn a_skip_that_an_operator_wants_finds_each_record_that_fails_alone_and_none_behind_the_batch() {
    let mut story = failed(Exhausted::Halt, 4, None);
    story.consumer("a", 1, ConsumerFact::ShardHalted);
    story.consumer("a", 1, ConsumerFact::HaltEnds { by: Remedy::Skip });
    for number in 1..=4 {
        if number % 2 == 0 {
            story.offer("a", 1, number..=number);
            story.consumer("a", 1, ConsumerFact::Failed);
            skip(&mut story, number, 1);
        } else {
            story.work("a", 1, number..=number);
        }
    }
    story.offer("a", 1, 5..=5);
    story.consumer("a", 1, ConsumerFact::Failed);
    story.assert_kept();
    skip(&mut story, 5, 1);
    assert_eq!(story.broken(), [Rule::NothingSkipped]);
}

#[test]
fn a_named_record_may_be_passed_over_though_those_in_front_of_it_failed_in_between() {
    let story = |named: u64| {
        let mut story = Story::of_a_consumer(Rules::new(FAILOVER).exhausted(EACH));
        story.offer("a", 1, 1..=4);
        let place = place(named, 0);
        story.consumer("a", 1, ConsumerFact::RecordNamed { place, asks: None });
        story.consumer("a", 1, ConsumerFact::Failed);
        story.offer("a", 1, 1..=2);
        story.consumer("a", 1, ConsumerFact::Failed);
        story.work("a", 1, 1..=2);
        skip(&mut story, 3, 1);
        story
    };
    story(3).assert_kept();
    assert_eq!(story(4).broken(), [Rule::NothingSkipped]);
}

#[test]
fn a_record_that_is_passed_over_is_not_offered_to_the_same_ownership_again() {
    let mut story = failed(EACH, 1, None);
    skip(&mut story, 1, 1);
    story.work("a", 1, 1..=2);
    assert_eq!(story.broken(), [Rule::Duplicate]);
}

#[test]
fn a_halted_shard_is_left_alone_until_somebody_sees_to_it() {
    let halted = || {
        let mut story = failed(Exhausted::Halt, 4, None);
        story.consumer("a", 1, ConsumerFact::ShardHalted);
        story
    };
    let mut tried = halted();
    tried.work("a", 1, 1..=4);
    assert_eq!(tried.broken(), [Rule::OneOwner]);
    let mut again = halted();
    again.consumer("a", 1, ConsumerFact::HaltEnds { by: Remedy::Retry });
    again.work("a", 1, 1..=6);
    assert_eq!(again.finish(Ending::Quiet).violations, []);
}

#[test]
fn a_letter_must_hold_what_was_stored() {
    let mut story = failed(Exhausted::WholeBatches(PassedOver::DeadLettered), 4, None);
    let wrong = OfferedRecord {
        place: place(1, 0),
        payload: payload(2),
    };
    let letter = WorkerFact::DeadLettered {
        shard: shard(0),
        records: vec![wrong],
    };
    story.tell(Fact::Worker(Process::new("a"), letter));
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
}
