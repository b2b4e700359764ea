//! C1 where the consumer begins: at the latest record or at a timestamp, what lies before is not needed.

use std::time::Duration;

use super::{checkpoint, offer_of_child};
use crate::story::{FAILOVER, Story, at, ownership, row, shard};
use crate::{ConsumerFact, Ending, Exception, Fact, Position, Process, Rule, Rules, ServiceFact, Start};

#[test]
fn a_consumer_at_latest_needs_what_arrives_behind_its_lease() {
    let begin = |rules: Rules| {
        let mut story = Story::by(rules.start(Start::Latest));
        story.create(0, &[], 0..=u128::MAX);
        story.store(0, 1);
        story.start("a");
        story.lease("a", 0, row(None, 0, Position::Latest));
        story.store(0, 2);
        story.take("a", 1, Position::Latest);
        story.store(0, 3);
        story
    };
    let mut pinned = begin(Rules::new(FAILOVER));
    pinned.work("a", 1, 2..=3);
    pinned.lease("a", 0, row(Some("a"), 2, at(3)));
    assert!(pinned.finish(Ending::Quiet).is_clean());

    let mut not_pinned = begin(Rules::new(FAILOVER));
    not_pinned.work("a", 1, 3..=3);
    assert_eq!(not_pinned.broken(), [Rule::AtLeastOnce]);

    let mut excused = begin(Rules::new(FAILOVER).except(Exception::UnpinnedLatest, "not pinned yet"));
    excused.work("a", 1, 3..=3);
    excused.lease("a", 0, row(Some("a"), 2, at(3)));
    let report = excused.finish(Ending::Quiet);
    assert_eq!(report.violations, []);
    assert_eq!(report.excused[0].times, 1);
}

#[test]
fn an_owner_at_latest_is_offered_what_came_before_it_with_the_exception_alone_and_only_at_first() {
    let begin = |rules: Rules, batches: &[std::ops::RangeInclusive<u64>]| {
        let mut story = Story::by(rules.start(Start::Latest));
        story.create(0, &[], 0..=u128::MAX);
        story.start("a");
        story.store(0, 1);
        story.lease("a", 0, row(None, 0, Position::Latest));
        story.take("a", 1, Position::Latest);
        story.store(0, 2);
        batches.iter().for_each(|batch| story.work("a", 1, batch.clone()));
        story.broken()
    };
    let excused = || Rules::new(FAILOVER).except(Exception::UnpinnedLatest, "not pinned yet");
    assert_eq!(begin(excused(), &[1..=2]), []);
    assert_eq!(begin(Rules::new(FAILOVER), &[1..=2]), [Rule::Duplicate]);
    assert_eq!(begin(excused(), &[2..=2, 1..=2]), [Rule::Duplicate]);
}

#[test]
fn an_owner_at_latest_that_began_earlier_goes_on_from_there() {
    for (then, broken) in [(2..=4, vec![]), (1..=4, vec![Rule::Duplicate])] {
        let rules = Rules::new(FAILOVER).start(Start::Latest);
        let mut story = Story::by(rules.except(Exception::UnpinnedLatest, "not pinned yet"));
        story.create(0, &[], 0..=u128::MAX);
        story.start("a");
        (1..=3).for_each(|number| story.store(0, number));
        story.lease("a", 0, row(None, 0, Position::Latest));
        story.take("a", 1, Position::Latest);
        story.store(0, 4);
        story.work("a", 1, [1]);
        story.work("a", 1, then);
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn what_an_owner_at_latest_left_behind_is_excused_with_the_exception_alone() {
    for ended in [false, true] {
        let next_owner = |rules: Rules| {
            let mut story = Story::by(rules.start(Start::Latest));
            story.create(0, &[], 0..=u128::MAX);
            story.start("a");
            story.take("a", 1, Position::Latest);
            story.store(0, 1);
            story.kill("a");
            story.later(11);
            story.start("b");
            if ended {
                story.close(0);
            }
            story.take("b", 2, Position::Latest);
            if ended {
                story.consumer("b", 2, ConsumerFact::ShardEnded);
                story.lease("b", 0, row(Some("b"), 3, Position::ShardEnd));
            }
            story.finish(Ending::Quiet)
        };
        let excused = Rules::new(FAILOVER).except(Exception::UnpinnedLatest, "not pinned yet");
        assert_eq!(next_owner(excused).violations, []);
        assert!(!next_owner(Rules::new(FAILOVER)).is_clean());
    }
}

#[test]
fn an_owner_at_latest_that_never_says_it_began_is_excused_only_if_it_was_offered_nothing() {
    for (offered, broken) in [(false, vec![]), (true, vec![Rule::AtLeastOnce])] {
        let rules = Rules::new(FAILOVER).start(Start::Latest);
        let mut story = Story::by(rules.except(Exception::UnpinnedLatest, "not pinned yet"));
        story.create(0, &[], 0..=u128::MAX);
        story.start("a");
        story.lease("a", 0, row(Some("a"), 1, Position::Latest));
        if offered {
            let checkpoint = Position::Latest;
            story.consumer("a", 1, ConsumerFact::Initialized { checkpoint });
        }
        story.store(0, 1);
        if offered {
            story.offer("a", 1, 1..=1);
        }
        story.close(0);
        story.lease("a", 0, row(Some("a"), 2, Position::ShardEnd));
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn what_an_owner_at_latest_finds_as_its_reading_begins_is_excused_unless_it_was_offered_something() {
    for (caller, offered, left, stored_later, clean) in [
        ("a", false, false, false, true),
        ("a", false, false, true, false),
        ("b", false, false, false, false),
        ("a", true, false, false, false),
        ("a", true, true, false, true),
    ] {
        let rules = Rules::new(FAILOVER).start(Start::Latest);
        let mut story = Story::by(rules.except(Exception::UnpinnedLatest, "not pinned yet"));
        story.create(0, &[], 0..=u128::MAX);
        story.start("a");
        story.start("b");
        story.take("a", 1, Position::Latest);
        if offered {
            story.store(0, 1);
            story.work("a", 1, 1..=1);
        }
        if left {
            story.consumer("a", 1, ConsumerFact::Left);
        }
        story.store(0, 2);
        story.service(ServiceFact::BeginsAtLatest {
            caller: Process::new(caller),
            shard: shard(0),
        });
        if stored_later {
            story.store(0, 3);
        }
        assert_eq!(
            story.finish(Ending::Quiet).is_clean(),
            clean,
            "{caller}, {offered}, {stored_later}"
        );
    }
}

/// Its handler was offered records by an ownership that lapsed. The row has the worker's name all the time, and a closure is not
/// told that the lease is lost.
#[test]
fn an_owner_at_latest_that_takes_its_lapsed_lease_again_begins_anew() {
    for (lapsed, clean) in [(true, true), (false, false)] {
        let rules = Rules::new(FAILOVER).start(Start::Latest);
        let mut story = Story::by(rules.except(Exception::UnpinnedLatest, "not pinned yet"));
        story.create(0, &[], 0..=u128::MAX);
        story.start("a");
        story.take("a", 1, Position::Latest);
        story.store(0, 1);
        story.work("a", 1, 1..=1);
        story.store(0, 2);
        if lapsed {
            story.later(FAILOVER.as_secs());
        }
        story.lease("a", 0, row(Some("a"), 2, Position::Latest));
        story.service(ServiceFact::BeginsAtLatest {
            caller: Process::new("a"),
            shard: shard(0),
        });
        assert_eq!(story.finish(Ending::Quiet).is_clean(), clean, "{lapsed}");
    }
}

#[test]
fn an_owner_at_latest_may_begin_earlier_until_a_record_is_processed() {
    for (fails, broken) in [(true, vec![]), (false, vec![Rule::Duplicate])] {
        let rules = Rules::new(FAILOVER).start(Start::Latest);
        let mut story = Story::by(rules.except(Exception::UnpinnedLatest, "not pinned yet"));
        story.create(0, &[], 0..=u128::MAX);
        (1..=2).for_each(|number| story.store(0, number));
        story.start("a");
        story.take("a", 1, Position::Latest);
        story.store(0, 3);
        story.offer("a", 1, 3..=3);
        let end = if fails {
            ConsumerFact::Failed
        } else {
            ConsumerFact::Processed { through: None }
        };
        story.consumer("a", 1, end);
        story.work("a", 1, 1..=1);
        if fails {
            story.work("a", 1, 2..=2);
            story.work("a", 1, 3..=3);
        }
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn an_owner_behind_a_checkpoint_is_offered_what_is_excused_of_an_earlier_one_at_latest() {
    let rules = Rules::new(FAILOVER).start(Start::Latest);
    let mut story = Story::by(rules.except(Exception::UnpinnedLatest, "not pinned yet"));
    story.create(0, &[], 0..=u128::MAX);
    story.start("a");
    story.lease("a", 0, row(Some("a"), 1, Position::Latest));
    (1..=3).for_each(|number| story.store(0, number));
    // Told late, as of a closure that is not told of its beginning.
    let checkpoint = Position::Latest;
    story.consumer("a", 1, ConsumerFact::Initialized { checkpoint });
    story.work("a", 1, 1..=1);
    story.lease("a", 0, row(None, 2, at(1)));
    story.take("a", 3, at(1));
    story.work("a", 3, 2..=3);
    story.assert_kept();
}

#[test]
fn a_lease_at_latest_begins_with_its_row_if_its_shard_was_there_first() {
    for (created_late, broken) in [(false, vec![]), (true, vec![Rule::AtLeastOnce])] {
        let mut story = Story::by(Rules::new(FAILOVER).start(Start::Latest));
        story.create(0, &[], 0..=99);
        if !created_late {
            story.create(1, &[], 100..=u128::MAX);
        }
        story.lease("a", 0, row(None, 0, Position::Latest));
        story.later(1);
        if created_late {
            story.create(1, &[], 100..=u128::MAX);
        }
        story.store(1, 1);
        story.lease("a", 1, row(None, 0, Position::Latest));
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn a_consumer_at_latest_does_not_need_a_shard_that_had_ended_before() {
    let mut story = Story::by(Rules::new(FAILOVER).start(Start::Latest));
    story.create(0, &[], 0..=u128::MAX);
    story.store(0, 1);
    story.close(0);
    story.create(1, &[0], 0..=u128::MAX);
    story.start("a");
    story.lease("a", 1, row(Some("a"), 1, Position::Latest));
    story.store(1, 11);
    offer_of_child(&mut story, 11, Position::Latest);
    story.tell(Fact::Consumer(
        ownership("a", 1, 1),
        ConsumerFact::Processed { through: None },
    ));
    assert_eq!(story.finish(Ending::Quiet).violations, []);
}

#[test]
fn a_consumer_at_a_timestamp_needs_what_arrives_from_then_on() {
    let mut story = Story::by(Rules::new(FAILOVER).start(Start::AtTimestamp(Duration::from_secs(5))));
    story.create(0, &[], 0..=u128::MAX);
    story.store(0, 1);
    story.later(5);
    story.store(0, 2);
    story.start("a");
    story.take("a", 1, Position::AtTimestamp);
    story.work("a", 1, 2..=2);
    checkpoint(&mut story, 2, at(2));
    assert!(story.finish(Ending::Quiet).is_clean());
}

#[test]
fn a_consumer_at_a_timestamp_to_come_does_not_need_what_arrives_until_then() {
    let mut story = Story::by(Rules::new(FAILOVER).start(Start::AtTimestamp(Duration::from_secs(5))));
    story.create(0, &[], 0..=u128::MAX);
    story.start("a");
    story.take("a", 1, Position::AtTimestamp);
    story.store(0, 1);
    story.later(5);
    story.store(0, 2);
    story.store(0, 3);
    story.work("a", 1, 2..=2);
    story.assert_kept();
    let mut skipping = Story::by(Rules::new(FAILOVER).start(Start::AtTimestamp(Duration::from_secs(5))));
    skipping.create(0, &[], 0..=u128::MAX);
    skipping.start("a");
    skipping.take("a", 1, Position::AtTimestamp);
    skipping.store(0, 1);
    skipping.later(5);
    skipping.store(0, 2);
    skipping.store(0, 3);
    skipping.work("a", 1, 3..=3);
    assert_eq!(skipping.broken(), [Rule::AtLeastOnce]);
}

#[test]
fn a_lease_that_is_created_further_on_than_the_consumer_begins_breaks_c1() {
    let mut story = Story::new();
    story.create(0, &[], 0..=u128::MAX);
    story.store(0, 1);
    story.lease("a", 0, row(None, 0, Position::Latest));
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
}
