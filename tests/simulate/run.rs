//! One seed: a fleet from its first record to the verdict.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use testkit::dynamodb;
use testkit::kinesis::{ServiceError, ShardId, Traffic};
use testkit::oracle::{Ending, Fact, FleetFact, Report, Witness};
use testkit::sim::{Event, Sim};
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cpu;
use crate::exceptions;
use crate::fleet::{APPLICATION, Fleet, GRACE, STREAM};
use crate::panics;
use crate::scenario::{Act, Scenario, Shortage, What, producer_name, worker_name};

/// How long a fleet may take to catch up once nothing goes wrong any more. A crashed worker's leases take their failover
/// time, and those of its successors balance one by one.
const CATCH_UP: Duration = Duration::from_secs(600);

/// How many events a failed run can show.
const EVENTS: usize = 200_000;

/// What became of one seed.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) scenario: Scenario,
    pub(crate) report: Option<Report>,
    /// Why the seed failed.
    pub(crate) failure: Option<String>,
    pub(crate) events: Vec<Event>,
    pub(crate) virtual_time: Duration,
    pub(crate) cpu: Duration,
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
        run.failure = Some(format!("{panics} panics; see above"));
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
    sim.advance(scenario.load).await;
    acts.join_all().await;
    fleet.enough();

    let settled = sim
        .until(CATCH_UP, || {
            fleet.restart_halted();
            !fleet.is_producing() && (scenario.workers == 0 || witness.is_caught_up())
        })
        .await;
    let verdict = if settled { None } else { witness.finish(Ending::Quiet) };
    fleet.close();
    sim.advance(GRACE + Duration::from_secs(10)).await;
    let tasks = tasks_left(&sim, &scenario);
    witness.tell(Fact::Fleet(FleetFact::TasksLeft { tasks }));
    let report = verdict
        .or_else(|| witness.finish(Ending::CutShort))
        .expect("the first verdict");
    let failure = match report.violations.first() {
        Some(violation) => Some(violation.to_string()),
        None if !settled => Some(format!("the fleet did not catch up within {CATCH_UP:?}")),
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

fn create_stream(sim: &Sim, scenario: &Scenario, shards: usize) -> Result<(), ServiceError> {
    match scenario.distribution.begins {
        None => sim.create_stream(STREAM, shards),
        Some(chooser) => sim.create_stream_on_demand(STREAM, chooser.into()),
    }
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

/// Does what an operator does, if it is possible at that time.
async fn perform(fleet: Fleet, act: Act) {
    sleep(act.at).await;
    match act.what {
        What::Split(choice) => split(&fleet, choice),
        What::Merge(choice) => merge(&fleet, choice),
        What::Recreate { shards, pause } => recreate(&fleet, shards, pause).await,
        What::Distribute(chooser) => {
            let stream = fleet.sim.stream(STREAM);
            drop(stream.control(|stream| stream.distribute(chooser.into())));
        }
        What::Deploy { .. } | What::Restart { .. } if fleet.scenario.workers == 0 => {}
        What::Deploy { worker, pause } => {
            let name = worker_name(worker % fleet.scenario.workers);
            fleet.stop_worker(&name);
            sleep(GRACE + pause).await;
            fleet.start_worker(&name);
        }
        What::Restart { worker, pause } => {
            fleet.restart_worker(&worker_name(worker % fleet.scenario.workers), pause);
        }
        What::Throttle { shard, traffic, lasts } => {
            let open = fleet.sim.stream(STREAM).open_shards();
            let Some(&shard) = open.get(shard % open.len().max(1)) else {
                return;
            };
            let traffic = match traffic {
                Shortage::Writes => Traffic::Writes,
                Shortage::Reads => Traffic::Reads,
            };
            drop(fleet.sim.stream(STREAM).throttle(shard, traffic));
            sleep(lasts).await;
            drop(fleet.sim.stream(STREAM).release(shard, traffic));
        }
        What::Kill { process, pause } => {
            let names = fleet.scenario.process_names();
            let Some(name) = names.get(process % names.len()) else {
                return;
            };
            let process = fleet.sim.process(name);
            process.kill();
            sleep(pause).await;
            if !fleet.sim.process(name).is_alive() {
                process.restart();
            }
        }
    }
}

/// Deletes the stream, unless it is gone or being changed, and creates it again.
async fn recreate(fleet: &Fleet, shards: usize, pause: Duration) {
    if fleet.witness.delete_stream().is_err() {
        return;
    }
    sleep(pause).await;
    while create_stream(&fleet.sim, &fleet.scenario, shards).is_err() {
        sleep(Duration::from_secs(1)).await;
    }
}

/// Splits a shard. The shards of a stream on demand are the service's to split.
fn split(fleet: &Fleet, choice: usize) {
    let stream = fleet.sim.stream(STREAM);
    let open = stream.open_shards();
    let Some(&shard) = open.get(choice % open.len().max(1)) else {
        return;
    };
    drop(match fleet.scenario.distribution.begins {
        None => stream.split(shard),
        Some(_) => stream.control(|stream| stream.close_shard(shard)),
    });
}

/// Merges a shard and its neighbour; of a stream on demand, the service merges as many as it likes.
fn merge(fleet: &Fleet, choice: usize) {
    let stream = fleet.sim.stream(STREAM);
    drop(
        match (fleet.scenario.distribution.begins, neighbours(&fleet.sim, choice)) {
            (None, Some((left, right))) => stream.merge(left, right),
            (None, None) => Ok(()),
            (Some(_), _) => {
                let fewer = u32::try_from(stream.open_shards().len().div_ceil(2)).unwrap_or(1);
                stream.control(|stream| stream.scale(fewer))
            }
        },
    );
}

/// An open shard and the one behind it in the hash-key space.
fn neighbours(sim: &Sim, choice: usize) -> Option<(ShardId, ShardId)> {
    let stream = sim.stream(STREAM);
    let open = stream.open_shards();
    let mut shards: Vec<_> = stream
        .shards()
        .into_iter()
        .filter(|shard| open.contains(&shard.shard_id))
        .collect();
    shards.sort_by_key(|shard| shard.hash_key_range.starting_hash_key);
    let left = shards.get(choice % shards.len().max(1))?;
    let right = shards.get(choice % shards.len() + 1)?;
    Some((left.shard_id, right.shard_id))
}
