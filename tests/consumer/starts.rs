//! The start of a worker before its stream or its lease table is there.

use std::time::Duration;

use kcl::{CallErrorKind, WorkerError};
use kpl::Producer;
use testkit::sim::{Call, Outcome, Sim};
use testkit::{dynamodb, kinesis};

use super::MINUTE;
use crate::fleet::{Checkpoints, Journal, STREAM, put, start, worker};

const SECOND: Duration = Duration::from_secs(1);

/// A Kinesis whose new streams are CREATING for this long.
fn with_slow_streams(creation_time: Duration) -> Sim {
    let streams = kinesis::Settings {
        creation_time,
        ..kinesis::Settings::default()
    };
    Sim::builder().seed(11).kinesis(streams).build()
}

/// Asks the service for the stream, which may be CREATING for a while.
async fn create_stream(sim: &Sim) {
    let client = aws_sdk_kinesis::Client::new(&sim.client("operator"));
    let creation = client.create_stream().stream_name(STREAM).shard_count(2);
    creation.send().await.unwrap();
}

async fn read_all(sim: &Sim, journal: &Journal) {
    tokio::time::sleep(MINUTE).await;
    let producer = Producer::builder(STREAM).aws(&sim.client("producer")).seed(11);
    let places = put(&producer.build().unwrap(), 0..20).await;
    journal.until("all records", |journal| journal.read() == places).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_waits_for_its_stream_as_long_as_it_is_told_to() {
    let sim = with_slow_streams(5 * SECOND);
    let journal = Journal::default();
    let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch);
    let builder = builder.wait_for_stream(MINUTE).initialization_timeout(10 * SECOND);
    let (_control, _running) = start(builder);
    tokio::time::sleep(45 * SECOND).await;
    create_stream(&sim).await;
    read_all(&sim, &journal).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_ends_when_its_stream_has_not_come_in_time() {
    let sim = Sim::new(11);
    for (wait, at_least) in [(Duration::ZERO, Duration::ZERO), (MINUTE, 50 * SECOND)] {
        let begun = sim.elapsed();
        let builder = worker(&sim, "w1", &Journal::default(), Checkpoints::AfterEachBatch);
        let (_control, running) = start(builder.wait_for_stream(wait));
        let error = running.await.unwrap().unwrap_err();
        let is_missing = |error: &WorkerError| matches!(error, WorkerError::Stream { source, .. } if *source.kind() == CallErrorKind::NotFound);
        assert!(is_missing(error.error()), "{error:?}");
        let took = sim.elapsed() - begun;
        assert!(took >= at_least && took <= wait + SECOND, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_being_created_is_waited_for_without_being_told_to() {
    let sim = with_slow_streams(20 * SECOND);
    create_stream(&sim).await;
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    read_all(&sim, &journal).await;
    let is_refused = |call: &Call| matches!(&call.outcome, Outcome::Refused(code) if code == "ResourceInUseException");
    assert!(sim.calls().iter().any(is_refused), "the stream was being created");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_ends_before_its_stream_is_there_says_what_it_waited_for_and_for_how_long() {
    let sim = with_slow_streams(10 * MINUTE);
    create_stream(&sim).await;
    let builder = worker(&sim, "w1", &Journal::default(), Checkpoints::AfterEachBatch);
    let (control, running) = start(builder.initialization_timeout(MINUTE));
    tokio::time::sleep(MINUTE / 2).await;
    let health = control.health().degraded[0].to_string();
    let error = running.await.unwrap().unwrap_err();
    let WorkerError::Stream { source, .. } = error.error() else {
        panic!("{error:?}")
    };
    for text in [source.to_string(), health] {
        let words = ["being created", "initialization_timeout", "ResourceInUseException"];
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
    assert!(source.kind().is_transient() && !source.kind().may_have_taken_effect());
}

/// A stream, and a DynamoDB that takes this long to create a table.
async fn with_slow_tables(table_creation_time: Duration) -> Sim {
    let tables = dynamodb::Settings {
        table_creation_time,
        ..dynamodb::Settings::default()
    };
    let sim = Sim::builder().seed(11).dynamodb(tables).build();
    create_stream(&sim).await;
    tokio::time::sleep(10 * SECOND).await;
    sim
}

#[tokio::test(start_paused = true)]
async fn a_lease_table_that_is_not_usable_in_time_ends_the_start_at_its_bound() {
    let sim = with_slow_tables(5 * MINUTE).await;
    for bound in [7 * SECOND, MINUTE] {
        let begun = sim.elapsed();
        let builder = worker(&sim, "w1", &Journal::default(), Checkpoints::AfterEachBatch);
        let (_control, running) = start(builder.initialization_timeout(bound));
        let ended = tokio::time::timeout(2 * bound, running).await.expect("an end in time");
        let error = ended.unwrap().unwrap_err();
        let WorkerError::LeaseTable { source, .. } = error.error() else {
            panic!("{error:?}")
        };
        assert!(source.to_string().contains("not usable within"), "{source}");
        let took = sim.elapsed() - begun;
        assert!(took + SECOND >= bound && took <= bound + SECOND, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_table_that_takes_minutes_to_create_is_waited_for_by_a_worker_with_that_time() {
    let sim = with_slow_tables(15 * MINUTE).await;
    let journal = Journal::default();
    let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch);
    let (control, _running) = start(builder.initialization_timeout(20 * MINUTE));
    let begun = sim.elapsed();
    assert!(control.ready().await);
    let took = sim.elapsed() - begun;
    assert!(took >= 15 * MINUTE && took <= 16 * MINUTE, "{took:?}");
    read_all(&sim, &journal).await;
}
