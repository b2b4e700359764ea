//! C2: the records of a child come after those of its parents.

use super::{offer_of_child, split, story};
use crate::story::Story;
use crate::{Position, Rule};

#[test]
fn a_childs_record_offered_before_the_parents_row_is_at_its_end_breaks_c2() {
    let mut story = story();
    story.work("a", 1, 1..=6);
    split(&mut story);
    story.store(1, 11);
    offer_of_child(&mut story, 11, Position::TrimHorizon);
    assert_eq!(story.broken(), [Rule::ParentFirst]);
}

#[test]
fn a_childs_record_offered_before_a_parent_without_a_row_was_processed_breaks_c2() {
    let mut story = Story::new();
    story.create(0, &[], 0..=u128::MAX);
    story.store(0, 1);
    split(&mut story);
    story.store(1, 11);
    offer_of_child(&mut story, 11, Position::TrimHorizon);
    assert_eq!(story.broken(), [Rule::ParentFirst]);
}
