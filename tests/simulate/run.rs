//! One seed: a fleet from its first record to the verdict.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use oracle::{Ending, Fact, FleetFact, Report, Rule, Witness};
use testkit::dynamodb;
use testkit::sim::{Event, Sim};
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinSet;

use crate::cpu;
use crate::exceptions;
use crate::fleet::{APPLICATION, Fleet, GRACE};
use crate::operator::{begin_anew, create_stream, perform, retain};
use crate::panics;
use crate::scenario::{AFTER_LOAD, Kind, STREAM, Scenario, producer_name, worker_name};

/// How many events a failed run can show.
const EVENTS: usize = 200_000;

/// What became of one seed.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) scenario: Scenario,
    pub(crate) report: Option<Report>,
    /// Why the seed failed.
    pub(crate) failure: Option<Failure>,
    pub(crate) events: Vec<Event>,
    pub(crate) virtual_time: Duration,
    pub(crate) cpu: Duration,
}

/// Why a run failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) text: String,
}

/// What failures have in common: a smaller run that fails shows the same fault only if this is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The first rule that was broken.
    Broken(Rule),
    /// The fleet did not catch up.
    Behind,
    /// Something panicked.
    Panicked,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Runs one seed on this thread.
pub(crate) fn run(scenario: Scenario) -> Run {
    let begun = cpu::of_thread();
    panics::reset();
    // The SDK draws its retry delays from the thread's generator.
    fastrand::seed(scenario.seed);
    let simulated = catch_unwind(AssertUnwindSafe(|| {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O");
        runtime.block_on(simulate(scenario.clone()))
    }));
    let mut run = simulated.unwrap_or_else(|_panic| Run {
        scenario,
        report: None,
        failure: None,
        events: Vec::new(),
        virtual_time: Duration::ZERO,
        cpu: Duration::ZERO,
    });
    // tokio catches the panics of tasks, and both libraries those of handlers and calls: here none is forgiven.
    let panics = panics::of_thread();
    if panics > 0 {
        run.failure = Some(Failure {
            kind: FailureKind::Panicked,
            text: format!("{panics} panics; see above"),
        });
    }
    run.cpu = cpu::of_thread().saturating_sub(begun);
    run
}

async fn simulate(scenario: Scenario) -> Run {
    let sim = sim(&scenario);
    create_stream(&sim, &scenario, scenario.shards).expect("a new stream");
    let witness = Witness::new(&sim, STREAM, APPLICATION, exceptions::rules(&scenario));
    let fleet = Fleet::new(sim.clone(), witness.clone(), scenario.clone());
    (0..scenario.workers).for_each(|number| fleet.start_worker(&worker_name(number)));
    (0..scenario.producers).for_each(|number| fleet.start_producer(&producer_name(number)));
    sim.follow(scenario.plan.clone());

    let mut acts = JoinSet::new();
    for act in &scenario.acts {
        acts.spawn(perform(fleet.clone(), act.clone()));
    }
    let mut background = JoinSet::new();
    if let Some(retention) = scenario.retention {
        background.spawn(retain(fleet.clone(), retention));
    }
    if let Some(reaction) = scenario.begins_anew_after {
        background.spawn(begin_anew(fleet.clone(), reaction));
    }
    sim.advance(scenario.load).await;
    acts.join_all().await;
    let (settled, report) = if scenario.kind == Kind::Restless {
        (true, end_in_the_middle(&fleet).await)
    } else {
        end_in_calm(&fleet).await
    };
    background.shutdown().await;
    let failure = match report.violations.first() {
        Some(violation) => Some(Failure {
            kind: FailureKind::Broken(violation.rule),
            text: violation.to_string(),
        }),
        None if !settled => Some(Failure {
            kind: FailureKind::Behind,
            text: "the fleet did not catch up".to_owned(),
        }),
        None => None,
    };
    let (events, virtual_time) = (sim.events(), sim.elapsed());
    sim.end();
    Run {
        report: Some(report),
        failure,
        events,
        virtual_time,
        cpu: Duration::ZERO,
        scenario,
    }
}

/// Lets everything recover, shuts it down, and judges.
async fn end_in_calm(fleet: &Fleet) -> (bool, Report) {
    let Fleet {
        sim, witness, scenario, ..
    } = fleet;
    fleet.enough();
    sim.advance(scenario.calm_at().saturating_sub(sim.elapsed())).await;
    witness.tell(Fact::Fleet(FleetFact::Calm));
    // A little longer than the bound, after which the oracle says what is missing.
    let limit = exceptions::recovery(scenario) + Duration::from_secs(5);
    let settled = sim
        .until(limit, || {
            fleet.restart_halted();
            let is_to_begin_anew = scenario.begins_anew_after.is_some() && witness.is_recreation_told();
            !fleet.is_producing() && (scenario.workers == 0 || witness.is_caught_up()) && !is_to_begin_anew
        })
        .await;
    let verdict = if settled { None } else { witness.finish(Ending::Quiet) };
    fleet.close();
    sim.advance(GRACE + Duration::from_secs(10)).await;
    let tasks = tasks_left(sim, scenario);
    witness.tell(Fact::Fleet(FleetFact::TasksLeft { tasks }));
    let report = verdict.or_else(|| witness.finish(Ending::CutShort));
    (settled, report.expect("the first verdict"))
}

/// Judges while things go wrong: only what may never happen.
async fn end_in_the_middle(fleet: &Fleet) -> Report {
    fleet.sim.advance(AFTER_LOAD).await;
    fleet.enough();
    let report = fleet.witness.finish(Ending::CutShort);
    report.expect("the first verdict")
}

fn sim(scenario: &Scenario) -> Sim {
    let tables = dynamodb::Settings {
        index_lag: Duration::from_millis(500),
        read_lag: scenario.tables.read_lag,
        table_creation_time: scenario.tables.creation_time,
        ..dynamodb::Settings::default()
    };
    Sim::builder()
        .seed(scenario.seed)
        .poll_order(scenario.poll_order)
        .dynamodb(tables)
        .event_log(EVENTS)
        .build()
}

/// The tasks of the processes, and those on the runtime that are nobody's.
fn tasks_left(sim: &Sim, scenario: &Scenario) -> Vec<String> {
    let names = scenario.process_names();
    let mut left: Vec<String> = names.iter().flat_map(|name| tasks_of(sim, name)).collect();
    let alive = Handle::current().metrics().num_alive_tasks();
    let others = alive.saturating_sub(sim.task_count() + left.len());
    if others > 0 {
        left.push(format!("{others} of no process"));
    }
    left
}

fn tasks_of(sim: &Sim, process: &str) -> Vec<String> {
    let tasks = sim.process(process).tasks();
    tasks.into_iter().map(|task| format!("{process}: {task}")).collect()
}
