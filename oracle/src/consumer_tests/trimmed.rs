//! Records that the service forgets: lost if nobody had read them yet, and not what a checkpoint had passed over.

use super::super::rare::Rare;
use crate::story::{FAILOVER, Story, at, place, row, shard};
use crate::{Ending, Position, Rule, Rules, ServiceFact};

fn trim(story: &mut Story, below: u64) {
    story.service(ServiceFact::RecordsTrimmed {
        shard: shard(0),
        below: place(below, 0).sequence_number,
    });
}

#[test]
fn what_is_trimmed_behind_the_checkpoint_is_lost_without_blame() {
    let mut story = Story::of_a_consumer(Rules::new(FAILOVER));
    story.work("a", 1, 1..=2);
    story.lease("a", 0, row(Some("a"), 2, at(2)));
    trim(&mut story, 5);
    story.work("a", 1, 5..=6);
    let report = story.finish(Ending::Quiet);
    assert_eq!(report.violations, []);
    assert_eq!(
        (report.figures.trimmed_unread, report.figures.rare[&Rare::TrimmedUnread]),
        (2, 1)
    );
}

#[test]
fn what_a_checkpoint_passed_over_is_missed_though_it_is_trimmed_later() {
    let mut story = Story::of_a_consumer(Rules::new(FAILOVER));
    story.work("a", 1, 1..=2);
    story.lease("a", 0, row(Some("a"), 2, at(4)));
    assert_eq!(story.broken(), [Rule::AtLeastOnce]);
    trim(&mut story, 6);
    let report = story.finish(Ending::Quiet);
    assert_eq!(report.figures.trimmed_unread, 1, "the record behind the checkpoint");
    assert_eq!(report.violations.len(), 2, "{report}");
}

#[test]
fn what_was_trimmed_after_it_was_processed_is_not_lost() {
    let mut story = Story::of_a_consumer(Rules::new(FAILOVER));
    story.work("a", 1, 1..=6);
    trim(&mut story, 6);
    story.lease("a", 0, row(Some("a"), 2, Position::At(place(6, 0))));
    let report = story.finish(Ending::Quiet);
    assert!(report.is_clean() && report.figures.rare.is_empty(), "{report}");
}
