//! What the operators of a run do: reshards, deployments, restarts, kills, and streams that are created again.

use std::time::Duration;

use testkit::kinesis::{ServiceError, ShardId, Traffic};
use testkit::sim::Sim;
use tokio::time::sleep;

use crate::fleet::{APPLICATION, Fleet, GRACE};
use crate::scenario::{Act, STREAM, Scenario, Shortage, What, worker_name};

/// Creates the stream of a run.
pub(crate) fn create_stream(sim: &Sim, scenario: &Scenario, shards: usize) -> Result<(), ServiceError> {
    match scenario.distribution.begins {
        None => sim.create_stream(STREAM, shards),
        Some(chooser) => sim.create_stream_on_demand(STREAM, chooser.into()),
    }
}

/// Does what an operator does, if it is possible at that time.
pub(crate) async fn perform(fleet: Fleet, act: Act) {
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
        What::Blackout { pause } => {
            let workers = (0..fleet.scenario.workers).map(worker_name);
            kill(&fleet, &workers.collect::<Vec<_>>(), pause).await;
        }
        What::Kill { process, pause } => {
            let names = fleet.scenario.process_names();
            let chosen = names.get(process % names.len().max(1)).cloned();
            kill(&fleet, chosen.as_slice(), pause).await;
        }
    }
}

/// Kills processes, and starts those again that nobody else has.
async fn kill(fleet: &Fleet, names: &[String], pause: Duration) {
    for name in names {
        fleet.sim.process(name).kill();
    }
    sleep(pause).await;
    for name in names {
        let process = fleet.sim.process(name);
        if !process.is_alive() {
            process.restart();
        }
    }
}

/// Has the stream forget old records, for as long as anything is stored.
pub(crate) async fn retain(fleet: Fleet, retention: Duration) {
    while !fleet.is_enough() {
        sleep(Duration::from_secs(1)).await;
        if let Some(horizon) = fleet.sim.now().checked_sub(retention) {
            // A stream that is gone has nothing to forget.
            drop(fleet.witness.trim_before(horizon));
        }
    }
}

/// Does what the page of the consumer says about a stream that was created again, some time after a worker says that it was.
pub(crate) async fn begin_anew(fleet: Fleet, reaction: Duration) {
    while !fleet.is_closing() {
        sleep(Duration::from_secs(1)).await;
        if fleet.witness.is_recreation_told() {
            sleep(reaction).await;
            fleet.stop_all_workers().await;
            if fleet.is_closing() {
                return;
            }
            delete_leases(&fleet);
            fleet.let_workers_start();
        }
    }
}

/// Deletes all rows of the lease table at once. A call of DeleteItem that was delayed would delete the rows of the workers
/// that start next.
fn delete_leases(fleet: &Fleet) {
    let now = fleet.sim.now();
    fleet.sim.dynamodb(|dynamodb| {
        let rows = dynamodb.items(APPLICATION);
        let keys = rows.iter().filter_map(|row| row.get("leaseKey")?.get("S")?.as_str());
        keys.for_each(|key| dynamodb.delete(APPLICATION, key, now));
    });
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
