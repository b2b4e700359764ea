//! P2: aggregates with a record outside of their shard cannot be read, and what was in them is stored again.

use std::time::Duration;

use super::aggregate;
use crate::story::{FAILOVER, PUT, Story, place};
use crate::{Ending, Exception, FleetFact, Process, Rule, Rules, ServiceFact};

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

/// The producer "p" gets a list of the shards that are open now, for which it asked then.
fn list_asked_for_at(story: &mut Story, asked: Duration) {
    let (caller, as_of) = (Process::new("p"), story.now());
    story.service(ServiceFact::StreamListed { caller, asked, as_of });
}

/// The producer "p" asks for a list of the shards that are open now, and gets it at once.
fn list(story: &mut Story) {
    list_asked_for_at(story, story.now());
}

#[test]
fn an_aggregate_in_a_shard_of_which_there_is_no_list_is_stored_again_with_the_exception_alone() {
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
        list(&mut story);
        story.later(1);
        story.create(1, &[0], 0..=u128::MAX);
        story.accept(1);
        story.store_data(shard, 5, aggregate(records));
        story.later(1);
        story.store_data(shard, 6, aggregate(&[(1, None)]));
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn an_aggregate_in_a_shard_that_closed_before_the_next_list_is_stored_again_with_the_exception_alone() {
    let excused = || Rules::new(FAILOVER).except(Exception::ShortLivedShards, "lists name open shards only");
    for (rules, listed_in_time, broken) in [
        (excused(), false, vec![]),
        (excused(), true, vec![Rule::Duplicate]),
        (Rules::new(FAILOVER), false, vec![Rule::Duplicate]),
    ] {
        let mut story = Story::by(rules);
        story.create(0, &[], 0..=u128::MAX);
        list(&mut story);
        story.later(1);
        story.create(1, &[0], 0..=u128::MAX);
        story.accept(1);
        story.store_data(1, 5, aggregate(&[(1, None), (2, None)]));
        if listed_in_time {
            list(&mut story);
        }
        story.later(1);
        story.create(2, &[1], 0..=u128::MAX);
        story.close(1);
        story.later(1);
        list(&mut story);
        story.store_data(2, 6, aggregate(&[(1, None)]));
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn what_an_earlier_life_of_a_producer_has_listed_is_not_known_to_the_next() {
    for (lives_since_the_list, broken) in [(false, vec![Rule::Duplicate]), (true, vec![])] {
        let mut story = Story::by(Rules::new(FAILOVER).except(Exception::UnlistedShards, "access is denied"));
        let live = |story: &mut Story| {
            let (process, host) = (Process::new("p"), Process::new("host"));
            story.fleet(FleetFact::LivesIn { process, host });
        };
        story.create(0, &[], 0..=u128::MAX);
        live(&mut story);
        let (caller, asked, as_of) = (Process::new("host"), story.now(), story.now());
        story.service(ServiceFact::StreamListed { caller, asked, as_of });
        story.later(1);
        if lives_since_the_list {
            live(&mut story);
        }
        story.accept(1);
        story.store_data(0, 5, aggregate(&[(1, None), (2, None)]));
        story.store_data(0, 6, aggregate(&[(1, None)]));
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn a_list_that_came_after_the_write_excuses_a_repetition_as_none_does() {
    for (rules, broken) in [
        (
            Rules::new(FAILOVER).except(Exception::UnlistedShards, "it came late"),
            vec![],
        ),
        (Rules::new(FAILOVER), vec![Rule::Duplicate]),
    ] {
        let mut story = Story::by(rules);
        story.create(0, &[], 0..=u128::MAX);
        story.accept(1);
        story.store_data(0, 5, aggregate(&[(1, None), (2, None)]));
        story.later(1);
        list(&mut story);
        story.store_data(0, 6, aggregate(&[(1, None)]));
        assert_eq!(story.broken(), broken);
    }
}
