//! Handlers of single records, which run those of different keys at once: the order of each key, and the end.

use super::{checkpoint, shard};
use crate::story::{FAILOVER, Story, at, payload, place, row};
use crate::{
    Asks, ConsumerFact, Ending, Fact, LeaseClaim, OfferedRecord, Position, Process, Rule, Rules, ServiceFact,
    WorkerFact,
};

/// The records 1 to 3 of the key "k", 4 of the key "other", and the worker a that took the lease.
fn story() -> Story {
    let mut story = Story::by(Rules::new(FAILOVER));
    story.create(0, &[], 0..=u128::MAX);
    (1..=3).for_each(|number| story.store(0, number));
    story.service(ServiceFact::RecordStored {
        shard: shard(0),
        sequence_number: place(4, 0).sequence_number,
        partition_key: "other".to_owned(),
        data: "payload 4".into(),
    });
    story.start("a");
    story.lease("a", 0, row(None, 0, Position::TrimHorizon));
    story.take("a", 1, Position::TrimHorizon);
    story
}

fn begin(story: &mut Story, number: u64) {
    let record = OfferedRecord {
        place: place(number, 0),
        payload: payload(number),
    };
    let lease = LeaseClaim::Held;
    story.consumer("a", 1, ConsumerFact::RecordBegun { record, lease });
}

fn done(story: &mut Story, number: u64) {
    let place = place(number, 0);
    story.consumer("a", 1, ConsumerFact::RecordDone { place });
}

fn fail(story: &mut Story, number: u64, asks: Option<Asks>) {
    let place = place(number, 0);
    story.consumer("a", 1, ConsumerFact::RecordFailed { place, asks });
}

#[test]
fn records_of_different_keys_may_run_at_once_and_those_of_one_key_may_not() {
    let mut apart = story();
    [1, 4].into_iter().for_each(|number| begin(&mut apart, number));
    [4, 1].into_iter().for_each(|number| done(&mut apart, number));
    for number in [2, 3] {
        begin(&mut apart, number);
        done(&mut apart, number);
    }
    assert_eq!(apart.finish(Ending::Quiet).violations, []);
    let mut together = story();
    [1, 2].into_iter().for_each(|number| begin(&mut together, number));
    assert_eq!(together.broken(), [Rule::NothingSkipped]);
}

#[test]
fn a_record_that_failed_is_tried_again_before_others_of_its_key_and_one_that_is_done_is_not() {
    let failed = || {
        let mut story = story();
        begin(&mut story, 1);
        fail(&mut story, 1, None);
        story
    };
    let mut again = failed();
    begin(&mut again, 1);
    done(&mut again, 1);
    begin(&mut again, 2);
    again.assert_kept();
    begin(&mut again, 1);
    assert_eq!(again.broken(), [Rule::Duplicate]);
    let mut skipping = failed();
    begin(&mut skipping, 2);
    assert_eq!(skipping.broken(), [Rule::NothingSkipped]);
    let mut twice = failed();
    begin(&mut twice, 4);
    begin(&mut twice, 4);
    assert_eq!(twice.broken(), [Rule::Duplicate], "it still runs");
}

#[test]
fn a_checkpoint_passes_no_record_that_runs_or_waits() {
    for (reached, broken) in [(1, vec![]), (4, vec![Rule::AtLeastOnce])] {
        let mut story = story();
        for number in [1, 4] {
            begin(&mut story, number);
            done(&mut story, number);
        }
        checkpoint(&mut story, 2, at(reached));
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn no_record_runs_when_the_end_of_the_ownership_is_told_and_none_begins_after() {
    for end in [ConsumerFact::ShutdownRequested, ConsumerFact::LeaseLost] {
        let mut running = story();
        begin(&mut running, 1);
        running.consumer("a", 1, end.clone());
        assert_eq!(running.broken(), [Rule::Shutdown]);
        let mut drained = story();
        begin(&mut drained, 1);
        done(&mut drained, 1);
        drained.consumer("a", 1, end);
        drained.assert_kept();
        begin(&mut drained, 2);
        assert_eq!(drained.broken(), [Rule::OneOwner]);
    }
}

#[test]
fn a_record_that_is_passed_over_lets_others_of_its_key_run_whoever_has_processed_it_before() {
    for processed_before in [false, true] {
        let mut story = story();
        if processed_before {
            begin(&mut story, 1);
            done(&mut story, 1);
            story.later(11);
            story.take("a", 2, Position::TrimHorizon);
        }
        let token = if processed_before { 2 } else { 1 };
        let record = |number| OfferedRecord {
            place: place(number, 0),
            payload: payload(number),
        };
        let begun = |number| ConsumerFact::RecordBegun {
            record: record(number),
            lease: LeaseClaim::Held,
        };
        story.consumer("a", token, begun(1));
        let (place, asks) = (place(1, 0), Some(Asks::Skip));
        story.consumer("a", token, ConsumerFact::RecordFailed { place, asks });
        let skipped = WorkerFact::Skipped {
            shard: shard(0),
            through: place,
            count: 1,
        };
        story.tell(Fact::Worker(Process::new("a"), skipped));
        story.consumer("a", token, begun(2));
        story.assert_kept();
        story.consumer("a", token, begun(1));
        assert!(story.broken().contains(&Rule::Duplicate));
    }
}

#[test]
fn an_end_of_a_record_that_did_not_run_contradicts_the_history() {
    let mut story = story();
    done(&mut story, 1);
    assert_eq!(story.broken(), [Rule::History]);
}
