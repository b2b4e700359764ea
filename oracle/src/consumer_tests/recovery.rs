//! Once nothing goes wrong any more, everything recovers in a bounded time.

use std::time::Duration;

use crate::story::{Story, place};
use crate::{FleetFact, Rule, Rules};

const BOUND: u64 = 60;

/// Leases that last longer than any of these tests.
const LONG: Duration = Duration::from_secs(10_000);

fn calm() -> Story {
    let mut story = Story::of_a_consumer(Rules::new(LONG).recovery_within(Duration::from_secs(BOUND)));
    story.later(100);
    story.assert_kept();
    story.fleet(FleetFact::Calm);
    story
}

#[test]
fn a_record_that_is_unread_after_the_bound_breaks_the_rule_once() {
    let mut story = calm();
    story.work("a", 1, 1..=5);
    story.waits(BOUND);
    story.assert_kept();
    story.waits(5);
    assert_eq!(story.broken(), [Rule::Recovery]);
}

#[test]
fn a_receipt_that_is_open_after_the_bound_breaks_the_rule_unless_its_producer_was_killed() {
    for (delivered, broken) in [(false, vec![Rule::Recovery]), (true, vec![])] {
        let mut story = calm();
        story.accept(1);
        story.work("a", 1, 1..=6);
        if delivered {
            story.deliver(1, place(1, 0));
        }
        story.waits(BOUND + 1);
        assert_eq!(story.broken(), broken);
    }
}

#[test]
fn what_has_recovered_within_the_bound_breaks_nothing_and_without_an_end_of_all_faults_there_is_no_bound() {
    let mut story = calm();
    story.waits(BOUND - 1);
    story.work("a", 1, 1..=6);
    story.waits(BOUND);
    story.assert_kept();
    let mut story = Story::of_a_consumer(Rules::new(LONG).recovery_within(Duration::from_secs(BOUND)));
    story.waits(10 * BOUND);
    story.assert_kept();
}
