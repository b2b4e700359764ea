//! P1: each accepted record ends once, as the stream shows, before its producer is flushed or shut down.

use std::time::Duration;

use super::{aggregate, story};
use crate::story::{Story, place};
use crate::{Ending, FleetFact, Missed, Process, ProducerFact, RecordId, Rule, Stored};

fn outcome_of(story: Story) -> Vec<Rule> {
    let report = story.finish(Ending::CutShort);
    report.violations.iter().map(|violation| violation.rule).collect()
}

#[test]
fn records_that_end_once_before_the_shutdown_keep_p1() {
    let mut story = story();
    for number in 1..=3 {
        story.accept(number);
    }
    story.store(0, 1);
    story.deliver(1, place(1, 0));
    story.give_back(2, Stored::Never);
    story.give_back(3, Stored::Maybe);
    story.store(0, 3);
    story.producer(ProducerFact::ShutDown);
    let report = story.finish(Ending::CutShort);
    assert_eq!(report.violations, []);
    let figures = report.figures;
    assert_eq!(
        (figures.accepted, figures.delivered, figures.returned["refused"]),
        (3, 1, 2)
    );
}

#[test]
fn a_record_that_ends_twice_breaks_p1() {
    let mut story = story();
    story.accept(1);
    story.store(0, 1);
    story.deliver(1, place(1, 0));
    story.assert_kept();
    story.give_back(1, Stored::Maybe);
    assert_eq!(story.broken(), [Rule::Outcome]);
}

#[test]
fn a_record_without_an_outcome_breaks_p1_if_its_producer_was_shut_down_and_not_if_it_was_killed() {
    for (end, broken) in [
        (ProducerFact::ShutDown, vec![Rule::Outcome]),
        (ProducerFact::Killed, vec![]),
    ] {
        let mut story = story();
        story.accept(1);
        story.producer(end);
        assert_eq!(outcome_of(story), broken);
    }
}

#[test]
fn an_outcome_of_a_record_that_was_never_accepted_breaks_p1() {
    let mut story = story();
    story.store(0, 1);
    story.deliver(1, place(1, 0));
    assert_eq!(story.broken(), [Rule::Outcome]);
}

#[test]
fn a_receipt_that_names_another_place_payload_or_key_breaks_p1() {
    let mut story = story();
    story.store_data(0, 5, aggregate(&[(1, None), (2, None)]));
    for number in 1..=3 {
        story.accept(number);
    }
    story.deliver(1, place(5, 0));
    story.assert_kept();
    story.deliver(2, place(5, 2));
    assert_eq!(story.broken(), [Rule::Outcome], "no such place");
    story.deliver(3, place(5, 1));
    assert_eq!(story.broken(), [Rule::Outcome; 2], "another payload");

    let mut story = self::story();
    story.accept_with_key(1, "another key");
    story.store(0, 1);
    story.deliver(1, place(1, 0));
    assert_eq!(story.broken(), [Rule::Outcome], "another key");
}

#[test]
fn a_record_returned_as_never_stored_breaks_p1_if_it_is_in_the_stream_before_or_later() {
    for stored_before in [true, false] {
        let mut story = story();
        story.accept(1);
        if stored_before {
            story.store(0, 1);
        }
        story.give_back(1, Stored::Never);
        if !stored_before {
            story.assert_kept();
            story.store(0, 1);
        }
        assert_eq!(story.broken(), [Rule::Outcome]);
    }
}

#[test]
fn a_copy_of_a_doubled_request_does_not_make_a_liar_of_a_producer_that_was_refused() {
    for (because, broken) in [(Missed::Doubled, vec![]), (Missed::NoReply, vec![Rule::Outcome])] {
        for returned_before in [true, false] {
            let mut story = story();
            story.accept(1);
            let give_back = |story: &mut Story| story.give_back(1, Stored::Never);
            if returned_before {
                give_back(&mut story);
            }
            story.fleet(FleetFact::Unacknowledged {
                caller: Process::new("p"),
                service: testkit::Service::Kinesis,
                operation: "PutRecords".to_owned(),
                applied: Duration::ZERO,
                because,
            });
            story.store(0, 1);
            if !returned_before {
                give_back(&mut story);
            }
            assert_eq!(story.broken(), broken);
        }
    }
}

#[test]
fn a_flush_that_leaves_a_record_without_an_outcome_breaks_p1() {
    let mut story = story();
    story.accept(1);
    story.accept(2);
    story.producer(ProducerFact::ReceiptDropped { record: RecordId(2) });
    story.store(0, 1);
    story.deliver(1, place(1, 0));
    story.producer(ProducerFact::Flushed);
    story.assert_kept();
    story.accept(3);
    story.producer(ProducerFact::Flushed);
    assert_eq!(story.broken(), [Rule::Outcome]);
}

#[test]
fn a_record_whose_receipt_was_dropped_is_stored_or_returned_by_the_shutdown() {
    let dropped = || {
        let mut story = story();
        story.accept(1);
        story.producer(ProducerFact::ReceiptDropped { record: RecordId(1) });
        story
    };
    let mut stored = dropped();
    stored.store(0, 1);
    let mut returned = dropped();
    returned.give_back(1, Stored::Never);
    for (mut story, broken) in [(stored, vec![]), (returned, vec![]), (dropped(), vec![Rule::Outcome])] {
        story.producer(ProducerFact::ShutDown);
        assert_eq!(outcome_of(story), broken);
    }
    let mut delivered = dropped();
    delivered.store(0, 1);
    delivered.deliver(1, place(1, 0));
    assert_eq!(delivered.broken(), [Rule::Outcome], "nobody could have learnt it");
}
