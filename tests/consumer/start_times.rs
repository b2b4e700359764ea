//! A time to start at, on a host whose clock is ahead of the service's, and one that lies in the future.

use std::time::{Duration, SystemTime};

use kcl::{ShardState, StartingPosition, WorkerBuilder};
use testkit::sim::{Fault, Sim};

use super::MINUTE;
use super::log::{capture, lines};
use crate::fleet::{Checkpoints, Journal, put, start, stream, worker};

/// A worker on a host whose clock is ahead by so much.
fn worker_ahead(sim: &Sim, by: Duration, journal: &Journal) -> (WorkerBuilder, SystemTime) {
    let host = sim.process("w1");
    host.set_clock_ahead(by);
    let builder = worker(sim, "w1", journal, Checkpoints::AfterEachBatch);
    let now = host.clock().wall();
    (builder.aws(&host.sdk_config()).clock(host.clock()), now)
}

#[tokio::test(start_paused = true)]
async fn a_start_at_the_time_of_a_clock_that_is_ahead_waits_for_that_time_and_says_so() {
    capture();
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let (builder, now) = worker_ahead(&sim, 4 * MINUTE, &journal);
    let (control, _running) = start(builder.start_at(StartingPosition::AtTimestamp(now)));
    put(&producer, 0..10).await;
    tokio::time::sleep(3 * MINUTE).await;
    for status in control.shards() {
        let ShardState::OnHold { reason } = &status.state else {
            panic!("{status:?}");
        };
        assert!(reason.contains("later than the service's clock"), "{reason}");
    }
    tokio::time::sleep(2 * MINUTE).await;
    let places = put(&producer, 10..30).await;
    journal
        .until("what came from then on", |journal| journal.read() == places)
        .await;
    assert_eq!(lines("checkpoint refused"), [""; 0], "nothing is wrong with a row");
    assert_eq!(lines("shard on hold").len(), 2, "once for each shard");
}

#[tokio::test(start_paused = true)]
async fn records_that_arrive_between_a_start_time_in_the_future_and_the_next_look_are_read() {
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let at = sim.now() + 90 * Duration::from_secs(1);
    let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch);
    let (_control, _running) = start(builder.start_at(StartingPosition::AtTimestamp(at)));
    tokio::time::sleep(Duration::from_secs(89)).await;
    put(&producer, 0..5).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let places = put(&producer, 5..20).await;
    journal
        .until("what came from then on", |journal| journal.read() == places)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_from_latest_whose_clock_is_ahead_misses_nothing_when_its_first_iterator_expires() {
    let (sim, producer) = stream(1);
    put(&producer, 0..10).await;
    tokio::time::sleep(2 * MINUTE).await;
    let journal = Journal::default();
    let (builder, _) = worker_ahead(&sim, 4 * MINUTE, &journal);
    let (_control, _running) = start(builder.start_at(StartingPosition::Latest));
    tokio::time::sleep(Duration::from_secs(10)).await;
    sim.faults(|call| match call.operation {
        "GetRecords" => Fault::RequestLost,
        _ => Fault::None,
    });
    let places = put(&producer, 10..20).await;
    tokio::time::sleep(6 * MINUTE).await;
    sim.heal();
    journal.until("all records", |journal| journal.read() == places).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_before_the_first_record_behind_latest_loses_nothing_on_a_host_whose_clock_is_ahead() {
    let (sim, producer) = stream(1);
    put(&producer, 0..10).await;
    tokio::time::sleep(2 * MINUTE).await;
    let journal = Journal::default();
    let (builder, _) = worker_ahead(&sim, 4 * MINUTE, &journal);
    let (control, _running) = start(builder.start_at(StartingPosition::Latest));
    tokio::time::sleep(Duration::from_secs(10)).await;
    control.pause();
    let places = put(&producer, 10..20).await;
    tokio::time::sleep(10 * MINUTE).await;
    control.resume();
    journal.until("all records", |journal| journal.read() == places).await;
}
