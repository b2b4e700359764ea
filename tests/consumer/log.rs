//! What a worker writes to the log, and which worker it was.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

use kcl::{Batch, Checkpointer, HandlerError, RecordProcessor, Worker, WorkerControl};
use testkit::sim::Fault;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;

use super::MINUTE;
use super::lease_table::{damage_the_first_row, leave_a_table};
use crate::fleet::{APPLICATION, Checkpoints, Journal, STREAM, merge, put, split, start, stream, worker};

thread_local! {
    /// What was written on this thread: each test has a thread of its own, with all of its workers.
    static WRITTEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes to [`WRITTEN`].
struct Writer;

impl io::Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        WRITTEN.with_borrow_mut(|written| written.extend(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to take in the consumer's events on this thread.
///
/// The subscriber is that of the whole process. With one for each thread, whether an event is wanted would be remembered
/// as it was on the thread that came to it first.
pub(super) fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let events = filter_fn(|metadata| metadata.target().starts_with("kcl"));
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .without_time()
            .with_writer(|| Writer)
            .with_filter(events.with_max_level_hint(LevelFilter::DEBUG));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
    WRITTEN.take();
}

/// The lines of this thread that contain `text`.
pub(super) fn lines(text: &str) -> Vec<String> {
    let written = WRITTEN.with_borrow(|written| String::from_utf8(written.clone()).unwrap());
    let lines = written.lines().filter(|line| line.contains(text));
    lines.map(|line| line.trim().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_waits_for_a_parent_says_so_at_once_and_warns_each_five_minutes() {
    capture();
    let (sim, producer) = stream(2);
    let mut places = put(&producer, 0..100).await;
    merge(&sim, "shardId-000000000000", "shardId-000000000001").await;
    places.extend(put(&producer, 100..200).await);
    let end = sim.now() + 13 * MINUTE;
    sim.faults(move |call| {
        let of_shard_0 = String::from_utf8_lossy(call.body).contains("shardId-000000000000");
        match call.operation == "GetShardIterator" && of_shard_0 && call.now < end {
            true => Fault::throttled(),
            false => Fault::None,
        }
    });
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));

    tokio::time::sleep(4 * MINUTE).await;
    let begun = lines("shard waits for its parents");
    let [begun] = &begun[..] else { panic!("{begun:?}") };
    assert!(begun.starts_with("DEBUG"), "{begun}");
    let fields = r#"stream="orders" shard="shardId-000000000002" parents="shardId-000000000000""#;
    assert!(begun.contains(fields) && begun.contains(r#"worker="w1""#), "{begun}");
    assert_eq!(lines("still waits"), Vec::<String>::new());

    tokio::time::sleep(8 * MINUTE).await;
    let still = lines("shard still waits for its parents");
    assert_eq!(still.len(), 2, "{still:?}");
    for (line, waited) in still.iter().zip(["waited=30", "waited=60"]) {
        assert!(line.starts_with("WARN"), "{line}");
        assert!(line.contains(fields) && line.contains(waited), "{line}");
    }
    journal.until("all records", |journal| journal.read() == places).await;
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(lines("waits for its parents").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_ended_shard_whose_child_waits_for_the_other_parent_says_so_at_once_and_warns_each_five_minutes() {
    capture();
    let (sim, producer) = stream(2);
    let mut places = put(&producer, 0..300).await;
    split(&sim, "shardId-000000000000", 1u128 << 126).await;
    places.extend(put(&producer, 300..600).await);
    merge(&sim, "shardId-000000000003", "shardId-000000000001").await;
    // The other parent has no lease before the shard that it came from is read to its end.
    let end = sim.now() + 13 * MINUTE;
    sim.faults(move |call| {
        let of_shard_0 = String::from_utf8_lossy(call.body).contains("shardId-000000000000");
        match call.operation == "GetShardIterator" && of_shard_0 && call.now < end {
            true => Fault::throttled(),
            false => Fault::None,
        }
    });
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    tokio::time::sleep(12 * MINUTE).await;
    let waits = lines("children wait for another parent");
    let levels: Vec<_> = waits.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(levels, ["DEBUG", "WARN", "WARN"], "{waits:#?}");
    let fields = r#"stream="orders" shard="shardId-000000000001" parents="shardId-000000000003""#;
    assert!(waits.iter().all(|line| line.contains(fields)), "{waits:#?}");
    journal
        .until("all records", |journal| journal.read().is_superset(&places))
        .await;
}

#[tokio::test(start_paused = true)]
async fn children_that_cannot_be_leased_are_reported_once_in_ten_seconds() {
    capture();
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let places = put(&producer, 0..10).await;
    journal.until("all records", |journal| journal.read() == places).await;
    sim.faults(|call| match call.operation {
        "PutItem" => Fault::throttled(),
        _ => Fault::None,
    });
    split(&sim, "shardId-000000000000", 1u128 << 127).await;
    tokio::time::sleep(MINUTE).await;
    let reports = lines("children not leased yet");
    assert!((4..=7).contains(&reports.len()), "{reports:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_waits_for_a_parent_reports_a_table_that_cannot_be_read_once_in_ten_seconds() {
    capture();
    let (sim, producer) = stream(2);
    put(&producer, 0..100).await;
    merge(&sim, "shardId-000000000000", "shardId-000000000001").await;
    let begin = sim.now() + MINUTE;
    sim.faults(move |call| {
        let of_shard_0 = String::from_utf8_lossy(call.body).contains("shardId-000000000000");
        match (call.operation, of_shard_0) {
            ("GetShardIterator", true) => Fault::throttled(),
            ("GetItem", true) if (begin..begin + MINUTE).contains(&call.now) => Fault::throttled(),
            _ => Fault::None,
        }
    });
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    tokio::time::sleep(3 * MINUTE).await;
    let unavailable = lines("lease table unavailable");
    assert!((5..=7).contains(&unavailable.len()), "{unavailable:#?}");
    assert!(
        unavailable.iter().all(|line| line.contains(r#"worker="w1""#)),
        "{unavailable:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_is_reported_once_in_ten_seconds_and_how_often_it_was_found() {
    capture();
    let (sim, _producer) = stream(1);
    let journal = Journal::default();
    leave_a_table(&sim, &journal).await;
    damage_the_first_row(&sim).await;
    let builder = worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch);
    let (_control, _running) = start(builder.lease_assignment_interval(Duration::from_secs(1)));
    tokio::time::sleep(10 * MINUTE).await;
    let reports = lines("lease row unreadable");
    assert!((40..=61).contains(&reports.len()), "{}", reports.len());
    let counted = |line: &String| {
        let repeated = line.split("repeated=").nth(1).unwrap();
        repeated.split(' ').next().unwrap().parse::<usize>().unwrap() + 1
    };
    let found: usize = reports.iter().map(counted).sum();
    assert!((550..=620).contains(&found), "{found}: {:?}", reports.last());
    assert!(reports.iter().all(|line| line.contains("shardId-000000000000")));
}

#[tokio::test(start_paused = true)]
async fn lines_about_leases_and_their_shards_name_the_worker() {
    capture();
    let (sim, producer) = stream(1);
    let journal = Journal::default();
    let (_first, _one) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let places = put(&producer, 0..10).await;
    journal.until("all records", |journal| journal.read() == places).await;
    sim.faults(|call| match (call.client, call.operation) {
        ("w1", "UpdateItem") => Fault::throttled(),
        ("w1", "GetRecords") => Fault::throttled(),
        _ => Fault::None,
    });
    let (_second, _two) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    tokio::time::sleep(2 * MINUTE).await;
    for (text, worker) in [
        ("lease created", "w1"),
        ("lease taken", "w1"),
        ("lease write failed", "w1"),
        ("read throttled", "w1"),
        ("lease lost", "w1"),
        ("lease taken", "w2"),
    ] {
        let of_event = lines(text);
        let names = format!("worker={worker:?}");
        assert!(
            of_event.iter().any(|line| line.contains(&names)),
            "{text}: {of_event:#?}"
        );
        assert!(
            of_event.iter().all(|line| line.contains("worker=\"w")),
            "{text}: {of_event:#?}"
        );
    }
}

/// Writes a line of its own for each batch, and fails on the first one.
#[derive(Default)]
struct Writing {
    batches: usize,
}

impl RecordProcessor for Writing {
    async fn process(&mut self, batch: Batch, _: &Checkpointer) -> Result<(), HandlerError> {
        tokio::task::yield_now().await;
        tracing::info!(target: "kcl_tests", records = batch.records.len(), "in the handler");
        self.batches += 1;
        if self.batches == 1 {
            Err("not yet".into())
        } else {
            Ok(())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_runs_in_a_span_of_its_batch_with_the_names_of_opentelemetry() {
    capture();
    let (sim, producer) = stream(1);
    put(&producer, 0..10).await;
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .worker_id("w1");
    let (_control, _running) = start(builder.seed(1).processor(|_| Writing::default()));
    tokio::time::sleep(MINUTE).await;
    let written = lines("in the handler");
    assert_eq!(written.len(), 2, "{written:#?}");
    for line in &written {
        assert!(line.contains("records=10"), "{line}");
        for field in [
            r#"process{otel.name="process orders" otel.kind="consumer""#,
            r#"messaging.system.name="aws.kinesis""#,
            r#"messaging.operation.name="process""#,
            r#"messaging.operation.type="process""#,
            r#"messaging.destination.name="orders""#,
            r#"messaging.destination.partition.id="shardId-000000000000""#,
            r#"messaging.consumer.group.name="billing""#,
            r#"messaging.client.id="w1""#,
            "messaging.batch.message_count=10",
            r#"aws.kinesis.stream_name="orders""#,
        ] {
            assert!(line.contains(field), "{field}: {line}");
        }
    }
    let failed = lines("handler failed");
    assert!(
        failed[0].contains(r#"consumer{worker="w1"}"#) && !failed[0].contains("process{"),
        "{failed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_is_stopped_between_two_records_has_not_failed() {
    capture();
    let (sim, producer) = stream(1);
    put(&producer, 0..60).await;
    let builder = worker(&sim, "w1", &Journal::default(), Checkpoints::Never).for_each_record(|_| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    });
    let (control, running) = start(builder);
    tokio::time::sleep(MINUTE / 4).await;
    control.shutdown(MINUTE);
    assert_eq!(running.await.unwrap().unwrap().released.len(), 1);
    assert_eq!(lines("handler failed"), Vec::<String>::new());
    assert!(!lines(r#"worker="w1""#).is_empty(), "nothing was taken in");
}

#[tokio::test(start_paused = true)]
async fn a_pause_and_its_end_are_one_line_for_each_shard_also_for_one_whose_lease_comes_later() {
    capture();
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let control = Arc::new(OnceLock::<WorkerControl>::new());
    let looked = Arc::clone(&control);
    let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch)
        .on_event(move |_| drop(looked.get().map(WorkerControl::shards)));
    let (handle, _running) = start(builder);
    let control = control.get_or_init(|| handle);
    control.pause();
    let places = put(&producer, 0..20).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!((lines("shard paused").len(), lines("shard resumed").len()), (2, 0));
    control.resume();
    control.resume();
    journal.until("all records", |journal| journal.read() == places).await;
    control.pause();
    control.pause();
    assert_eq!((lines("shard paused").len(), lines("shard resumed").len()), (4, 2));
    for (text, by) in [("shard paused", "pause"), ("shard resumed", "resume")] {
        let by = format!(r#"stream="orders" shard="shardId-000000000001" by="WorkerControl::{by}""#);
        let told = lines(text);
        assert!(told.iter().any(|line| line.contains(&by)), "{told:#?}");
        let of_worker = |line: &String| line.starts_with("INFO") && line.contains(r#"worker="w1""#);
        assert!(told.iter().all(of_worker), "{told:#?}");
    }
}
