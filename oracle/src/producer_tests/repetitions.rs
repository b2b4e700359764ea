//! Records that are stored again: explained by a write that was not acknowledged, or duplicates.

use super::{stored_once, story};
use crate::story::{PUT, RENEW, text};
use crate::{Ending, FaultId, FleetFact, Process, Rule, Target};

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
        ("p", (testkit::Service::Kinesis, "ListShards"), 1),
    ] {
        let mut story = stored_once();
        story.later(3);
        story.unacknowledged(caller, call, applied);
        story.store_data(0, 2, text(1).into());
        assert_eq!(story.broken(), [Rule::Duplicate], "{caller} {call:?} {applied}");
    }
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
