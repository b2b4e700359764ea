//! Faults and shutdowns: which workers may end by themselves, what they leave behind, and how long recovery takes.

use std::time::Duration;

use super::story;
use crate::{Ending, Failure, FaultId, FleetFact, Position, Process, Rule, Target};

#[test]
fn a_worker_that_gives_up_needs_a_fault_in_its_life_and_one_that_panics_has_no_excuse() {
    let failed = |fault: Option<Target>, failure: Failure| {
        let mut story = story();
        if let Some(target) = fault {
            let (fault, name) = (FaultId(1), "outage".to_owned());
            story.later(1);
            story.fleet(FleetFact::FaultBegan { fault, name, target });
            story.later(1);
            story.fleet(FleetFact::FaultEnded { fault });
        }
        let worker = Process::new("a");
        story.fleet(FleetFact::WorkerFailed { worker, failure });
        story.broken()
    };
    let outage = Target::Service(testkit::Service::DynamoDb);
    let gave_up = Failure::GaveUp("the lease table cannot be used".to_owned());
    assert_eq!(failed(Some(outage.clone()), gave_up.clone()), []);
    assert_eq!(failed(Some(Target::Process(Process::new("a"))), gave_up.clone()), []);
    for target in [
        None,
        Some(Target::Process(Process::new("b"))),
        Some(Target::Service(testkit::Service::CloudWatch)),
    ] {
        assert_eq!(failed(target, gave_up.clone()), [Rule::Survival]);
    }
    assert_eq!(failed(Some(outage), Failure::Panicked), [Rule::Survival]);
}

#[test]
fn a_fault_of_an_earlier_life_does_not_excuse_a_worker_that_gives_up() {
    let mut story = story();
    let (fault, name) = (FaultId(1), "outage".to_owned());
    let target = Target::Process(Process::new("a"));
    story.fleet(FleetFact::FaultBegan { fault, name, target });
    story.later(1);
    story.fleet(FleetFact::FaultEnded { fault });
    story.kill("a");
    story.later(1);
    story.start("a");
    let (worker, failure) = (Process::new("a"), Failure::GaveUp("no shards".to_owned()));
    story.fleet(FleetFact::WorkerFailed { worker, failure });
    assert_eq!(story.broken(), [Rule::Survival]);
}

#[test]
fn a_task_that_is_left_after_the_shutdown_is_named() {
    let mut story = story();
    let tasks = vec!["worker-1: renewer".to_owned()];
    story.fleet(FleetFact::TasksLeft { tasks });
    let report = story.finish(Ending::CutShort);
    assert_eq!(report.violations[0].rule, Rule::Shutdown);
    assert!(report.violations[0].text.contains("worker-1: renewer"), "{report}");
    assert_eq!(report.figures.tasks_left, 1);
}

#[test]
fn recovery_lasts_until_the_backlog_is_processed_and_each_open_shard_is_owned() {
    let mut story = story();
    story.work("a", 1, 1..=2);
    story.fleet(FleetFact::FaultBegan {
        fault: FaultId(1),
        name: "outage".to_owned(),
        target: Target::Service(testkit::Service::DynamoDb),
    });
    story.later(20);
    story.store(0, 7);
    story.fleet(FleetFact::FaultEnded { fault: FaultId(1) });
    story.later(1);
    story.store(0, 8);
    story.start("b");
    story.take("b", 2, Position::TrimHorizon);
    story.work("b", 2, 1..=6);
    story.later(2);
    story.work("b", 2, 7..=7);
    story.later(4);
    story.work("b", 2, 8..=8);
    let report = story.finish(Ending::Quiet);
    assert_eq!(report.violations, []);
    assert_eq!(report.figures.recovery, Some(Duration::from_secs(3)));
    assert_eq!(report.figures.faults, [("outage".to_owned(), 1)].into());
}

#[test]
fn a_dead_worker_is_recovered_from_when_another_has_its_shard() {
    let mut story = story();
    story.work("a", 1, 1..=6);
    story.start("b");
    story.kill("a");
    story.later(13);
    story.take("b", 2, Position::TrimHorizon);
    let report = story.finish(Ending::CutShort);
    assert_eq!(report.figures.recovery, Some(Duration::from_secs(13)));
}
