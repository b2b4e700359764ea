//! A stream that is deleted and created again: what its producers can know of that, and what it excuses.

use std::time::Duration;

use super::{aggregate, stored_once};
use crate::story::{FAILOVER, Story, place, text};
use crate::{Ending, Exception, Process, Rule, Rules, ServiceFact};

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
            let (caller, answered) = (Process::new(caller), story.now());
            story.service(ServiceFact::StreamMissed { caller, answered });
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
                let (caller, asked) = (Process::new("p"), Duration::from_secs(seconds));
                let as_of = asked;
                story.service(ServiceFact::StreamListed { caller, asked, as_of });
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

/// Whether a list of a stream that was created again counts, for a producer that also reads that there is no stream: the
/// list is asked for at the second `asked`, that answer came at `answered` and is read at the third second.
fn broken_by_a_repetition(asked: u64, answered: u64) -> Vec<Rule> {
    let mut story = Story::by(Rules::new(FAILOVER).except(Exception::UnlistedShards, "it may be on no list"));
    story.create(0, &[], 0..=u128::MAX);
    story.accept(1);
    recreate(&mut story);
    let list = |story: &mut Story| {
        let (caller, asked, as_of) = (Process::new("p"), Duration::from_secs(asked), story.now());
        story.service(ServiceFact::StreamListed { caller, asked, as_of });
    };
    story.later(1);
    if asked < 3 {
        list(&mut story);
    }
    story.later(1);
    let (caller, answered) = (Process::new("p"), Duration::from_secs(answered));
    story.service(ServiceFact::StreamMissed { caller, answered });
    story.later(2);
    if asked >= 3 {
        list(&mut story);
    }
    story.store_data(0, 5, aggregate(&[(1, Some(7)), (2, Some(8))]));
    story.later(1);
    story.store_data(0, 6, aggregate(&[(1, Some(7))]));
    story.broken()
}

#[test]
fn a_list_that_a_producer_asked_for_before_it_read_that_the_stream_is_missing_does_not_count() {
    assert_eq!(broken_by_a_repetition(2, 3), [], "it was read as it came");
    assert_eq!(broken_by_a_repetition(2, 0), [], "the producer had stood still");
    assert_eq!(
        broken_by_a_repetition(3, 0),
        [],
        "it awoke, asked, and read in one moment"
    );
}

#[test]
fn a_list_that_a_producer_asked_for_after_it_had_read_that_the_stream_is_missing_forbids_repetitions() {
    assert_eq!(broken_by_a_repetition(4, 3), [Rule::Duplicate]);
    assert_eq!(broken_by_a_repetition(4, 0), [Rule::Duplicate]);
    assert_eq!(
        broken_by_a_repetition(3, 3),
        [Rule::Duplicate],
        "it asked as soon as it had read"
    );
}
