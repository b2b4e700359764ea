//! The rules about producers, each kept and broken.

use aggregation::{Encoder, HashKey, UserRecordRef};
use bytes::Bytes;

use super::story::{FAILOVER, PUT, RENEW, Story, payload, place, shard, text};
use super::*;

fn story() -> Story {
    let mut story = Story::new();
    story.create(0, &[], 0..=u128::MAX);
    story
}

/// An aggregate of the records with these numbers, under the key "k" and the explicit hash keys.
fn aggregate(records: &[(u64, Option<u128>)]) -> Bytes {
    let mut encoder = Encoder::new();
    for (number, hash_key) in records {
        encoder.append(&UserRecordRef::new(
            "k",
            hash_key.map(HashKey::new),
            text(*number).as_bytes(),
        ));
    }
    encoder.seal().unwrap().data
}

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
fn a_delivered_record_that_is_only_in_an_aggregate_with_a_stranger_to_the_shard_breaks_p2() {
    let mut story = Story::new();
    story.create(0, &[], 0..=99);
    for number in 1..=3 {
        story.accept(number);
    }
    story.store_data(0, 5, aggregate(&[(1, Some(7)), (2, Some(100))]));
    story.deliver(1, place(5, 0));
    assert_eq!(story.broken(), [Rule::Readable]);

    // Sent again in an aggregate of its own shard, it is readable.
    story.store_data(0, 6, aggregate(&[(2, Some(99)), (3, Some(0))]));
    story.deliver(2, place(6, 0));
    assert_eq!(story.broken(), [Rule::Readable]);
    let report = story.finish(Ending::CutShort);
    assert_eq!(report.figures.stored_again["misplaced before"], 1);
}

#[test]
fn a_producer_above_its_budget_breaks_p3() {
    let budget = Budget {
        records: 10,
        bytes: 100,
    };
    for (held, broken) in [
        (budget, vec![]),
        (Budget { records: 11, ..budget }, vec![Rule::Memory]),
        (Budget { bytes: 101, ..budget }, vec![Rule::Memory]),
    ] {
        let mut story = Story::by(Rules::new(FAILOVER).budget(budget));
        story.producer(ProducerFact::Holds(held));
        assert_eq!(story.broken(), broken, "{held}");
    }
}

#[test]
fn a_keys_records_stored_in_another_order_break_p4_but_repetitions_do_not() {
    let mut story = story();
    for number in 1..=4 {
        story.accept(number);
    }
    story.store(0, 1);
    story.store(0, 2);
    story.unacknowledged("p", PUT, 0);
    story.store_data(0, 3, text(1).into());
    story.store(0, 4);
    story.assert_kept();
    story.store_data(0, 5, text(3).into());
    assert_eq!(story.broken(), [Rule::KeyOrder]);
}

#[test]
fn the_order_of_a_key_is_the_callers_once_one_of_its_records_was_returned() {
    let mut story = story();
    for number in 1..=3 {
        story.accept(number);
    }
    story.give_back(1, Stored::Maybe);
    story.store_data(0, 3, text(3).into());
    story.store_data(0, 4, text(2).into());
    story.assert_kept();
}

#[test]
fn different_keys_may_overtake_each_other() {
    let mut story = story();
    story.accept_with_key(1, "j");
    story.accept_with_key(2, "k");
    story.store(0, 2);
    story.store_data(0, 3, text(1).into());
    story.assert_kept();
}

#[test]
fn a_rule_that_is_not_judged_is_counted_with_its_reason() {
    let rules = Rules::new(FAILOVER).except(Exception::Rule(Rule::KeyOrder), "lanes are not ordered");
    let mut story = Story::by(rules);
    story.create(0, &[], 0..=u128::MAX);
    story.accept(1);
    story.accept(2);
    story.store(0, 2);
    story.store_data(0, 3, text(1).into());
    let report = story.finish(Ending::CutShort);
    assert!(report.is_clean());
    assert_eq!(report.excused[0].times, 1);
    assert!(
        report
            .to_string()
            .contains("P4 is not judged, because lanes are not ordered")
    );
}

/// The record 1, which the service stored at 1 s.
fn stored_once() -> Story {
    let mut story = story();
    story.accept(1);
    story.later(1);
    story.store(0, 1);
    story
}

#[test]
fn a_record_stored_again_is_explained_if_either_write_was_not_acknowledged() {
    for applied in [1, 4] {
        let mut story = stored_once();
        story.later(3);
        story.unacknowledged("p", PUT, applied);
        story.store_data(0, 2, text(1).into());
        let report = story.finish(Ending::CutShort);
        assert_eq!(report.violations, []);
        assert_eq!(report.figures.stored_again, [("unacknowledged".to_owned(), 1)].into());
    }
}

#[test]
fn a_record_stored_again_without_an_unacknowledged_write_is_an_unexplained_duplicate() {
    for (caller, call, applied) in [
        ("p", PUT, 2),
        ("q", PUT, 1),
        ("p", RENEW, 1),
        ("p", (crate::Service::Kinesis, "ListShards"), 1),
    ] {
        let mut story = stored_once();
        story.later(3);
        story.unacknowledged(caller, call, applied);
        story.store_data(0, 2, text(1).into());
        assert_eq!(story.broken(), [Rule::Duplicate], "{caller} {call:?} {applied}");
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
                service: crate::Service::Kinesis,
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

#[test]
fn a_record_whose_last_copy_was_misplaced_is_stored_again_though_an_earlier_one_can_be_read() {
    let mut story = Story::new();
    story.create(0, &[], 0..=99);
    story.accept(1);
    story.store_data(0, 5, aggregate(&[(1, Some(7))]));
    story.unacknowledged("p", PUT, 0);
    story.later(1);
    story.store_data(0, 6, aggregate(&[(1, Some(7)), (2, Some(100))]));
    story.later(1);
    story.store_data(0, 7, aggregate(&[(1, Some(7))]));
    story.assert_kept();
    story.later(1);
    story.store_data(0, 8, aggregate(&[(1, Some(7))]));
    assert_eq!(story.broken(), [Rule::Duplicate]);
}

#[test]
fn an_aggregate_in_the_child_of_a_reshard_is_stored_again_with_the_exception_alone() {
    let excused = || Rules::new(FAILOVER).except(Exception::UnlistedShards, "access is denied");
    let (alone, together) = (vec![(1, None)], vec![(1, None), (2, None)]);
    for (rules, shard, records, broken) in [
        (excused(), 1, &together, vec![]),
        (excused(), 1, &alone, vec![Rule::Duplicate]),
        (excused(), 0, &together, vec![Rule::Duplicate]),
        (Rules::new(FAILOVER), 1, &together, vec![Rule::Duplicate]),
    ] {
        let mut story = Story::by(rules);
        story.create(0, &[], 0..=u128::MAX);
        story.create(1, &[0], 0..=u128::MAX);
        story.accept(1);
        story.store_data(shard, 5, aggregate(records));
        story.later(1);
        story.store_data(shard, 6, aggregate(&[(1, None)]));
        assert_eq!(story.broken(), broken);
    }
}

/// Deletes the stream, and creates it again with one shard for the keys up to 99.
fn recreate(story: &mut Story) {
    story.service(ServiceFact::StreamDeleted);
    story.later(1);
    story.create(0, &[], 0..=99);
}

#[test]
fn a_receipt_may_name_a_place_in_a_stream_that_is_gone_and_what_was_there_may_be_stored_again() {
    let mut story = stored_once();
    recreate(&mut story);
    story.deliver(1, place(1, 0));
    story.store_data(0, 2, text(1).into());
    story.assert_kept();
    story.store_data(0, 3, text(1).into());
    assert_eq!(story.broken(), [Rule::Duplicate]);
    let report = story.finish(Ending::CutShort);
    assert_eq!(report.figures.stored_again["in a deleted stream"], 1);
}

#[test]
fn a_misplaced_record_of_a_new_stream_breaks_p2_unless_its_producer_could_not_know_of_the_deletion() {
    let excused = || Rules::new(FAILOVER).except(Exception::UnnoticedDeletion, "nothing was put meanwhile");
    for (rules, told, broken) in [
        (excused(), None, vec![]),
        (excused(), Some("q"), vec![]),
        (excused(), Some("p"), vec![Rule::Readable]),
        (Rules::new(FAILOVER), None, vec![Rule::Readable]),
    ] {
        let mut story = Story::by(rules);
        story.create(0, &[], 0..=u128::MAX);
        story.accept(1);
        story.service(ServiceFact::StreamDeleted);
        let tell = |story: &mut Story, caller: &str| {
            let caller = Process::new(caller);
            story.service(ServiceFact::StreamMissed { caller });
        };
        told.into_iter().for_each(|caller| tell(&mut story, caller));
        story.later(1);
        story.create(0, &[], 0..=99);
        story.store_data(0, 5, aggregate(&[(1, Some(7)), (2, Some(100))]));
        // Too late to matter.
        tell(&mut story, "p");
        story.deliver(1, place(5, 0));
        assert_eq!(story.broken(), broken, "{told:?}");
    }
}

#[test]
fn who_has_listed_a_new_stream_knows_of_the_deletion_and_where_its_aggregates_lie() {
    let rules = || {
        let rules = Rules::new(FAILOVER).except(Exception::UnnoticedDeletion, "nothing was put meanwhile");
        rules.except(Exception::UnlistedShards, "it may be on no list")
    };
    // The list that is as old as the deletion tells nothing of what came after it.
    for (as_of, misplaced, repeated) in [
        (None, vec![], vec![]),
        (Some(0), vec![], vec![]),
        (Some(1), vec![Rule::Readable], vec![Rule::Duplicate]),
    ] {
        let new_stream = || {
            let mut story = Story::by(rules());
            story.create(0, &[], 0..=u128::MAX);
            story.accept(1);
            story.accept(2);
            story.service(ServiceFact::StreamDeleted);
            story.later(1);
            story.create(0, &[], 0..=99);
            if let Some(seconds) = as_of {
                let (caller, as_of) = (Process::new("p"), Duration::from_secs(seconds));
                story.service(ServiceFact::StreamListed { caller, as_of });
            }
            story.later(1);
            story
        };
        let mut story = new_stream();
        story.store_data(0, 5, aggregate(&[(1, Some(7)), (2, Some(100))]));
        story.deliver(1, place(5, 0));
        assert_eq!(story.broken(), misplaced, "{as_of:?}");
        let mut story = new_stream();
        story.store_data(0, 5, aggregate(&[(1, Some(7)), (2, Some(8))]));
        story.store_data(0, 6, aggregate(&[(1, Some(7))]));
        assert_eq!(story.broken(), repeated, "{as_of:?}");
    }
}

#[test]
fn a_shard_of_an_id_that_was_there_is_another_one_only_after_a_deletion() {
    let mut story = stored_once();
    recreate(&mut story);
    story.store(0, 2);
    story.assert_kept();
    story.create(0, &[], 0..=99);
    assert_eq!(story.broken(), [Rule::History]);
}

#[test]
fn a_fault_explains_no_copy_if_all_writes_were_acknowledged() {
    let mut story = stored_once();
    story.fleet(FleetFact::FaultBegan {
        fault: FaultId(0),
        name: "throttling".to_owned(),
        target: Target::Process(Process::new("p")),
    });
    story.later(3);
    story.store_data(0, 2, text(1).into());
    assert_eq!(story.broken(), [Rule::Duplicate]);
}

#[test]
fn a_write_is_unacknowledged_for_every_producer_that_lives_where_the_call_came_from() {
    let mut story = stored_once();
    story.fleet(FleetFact::LivesIn {
        process: Process::new("p"),
        host: Process::new("machine"),
    });
    story.unacknowledged("machine", PUT, 1);
    story.later(3);
    story.store_data(0, 2, text(1).into());
    story.assert_kept();
}

#[test]
fn what_no_producer_accepted_may_be_stored_as_often_as_its_writer_likes() {
    let mut story = story();
    story.store(0, 1);
    story.store_data(0, 2, text(1).into());
    story.assert_kept();
}

#[test]
fn facts_that_contradict_each_other_are_told_apart_from_broken_promises() {
    let mut story = story();
    story.accept(1);
    story.producer(ProducerFact::Accepted(AcceptedRecord {
        record: RecordId(2),
        partition_key: "k".to_owned(),
        explicit_hash_key: None,
        payload: payload(1),
    }));
    assert_eq!(story.broken(), [Rule::History], "a payload used twice");
    story.store(0, 5);
    story.store(0, 4);
    assert_eq!(story.broken(), [Rule::History; 2], "a smaller sequence number");
    story.close(0);
    story.store(0, 6);
    assert_eq!(story.broken(), [Rule::History; 3], "a closed shard");
    story.service(ServiceFact::ShardClosed { shard: shard(7) });
    assert_eq!(story.broken(), [Rule::History; 4], "an unknown shard");
}
