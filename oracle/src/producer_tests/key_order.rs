//! P4: the first copies of a key's records are stored in the order in which they were accepted.

use super::story;
use crate::story::{PUT, text};
use crate::{Rule, Stored};

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
