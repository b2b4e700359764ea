//! The series: their page, what selects them, and when each one gets a sample.

mod recorded;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use futures::future::join_all;
use testkit::sim::{Fault, Sim};
use tokio::task::JoinSet;

use self::recorded::Recorder;
use super::series::{Finest, Row, Series};
use super::{MetricsGranularity, MetricsLevel, Selection};
use crate::builder::WorkerBuilder;
use crate::checkpoint::Checkpointer;
use crate::processor::batch::Batch;
use crate::processor::error_policy::ErrorPolicy;
use crate::processor::handler_error::HandlerError;
use crate::processor::{RecordProcessor, ShardContext};
use crate::record::Record;
use crate::worker::{Worker, WorkerControl};

const SECOND: Duration = Duration::from_secs(1);
const POISON: &[u8] = b"poison";

/// A stream, and a worker that reports to a recorder of its own at every granularity.
struct Scene {
    sim: Sim,
    recorder: Recorder,
    control: WorkerControl,
    processed: Arc<AtomicUsize>,
    running: JoinSet<()>,
}

/// Takes 100 ms for each batch, and fails on poison.
struct Slow(Arc<AtomicUsize>);

impl RecordProcessor for Slow {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        tokio::time::sleep(SECOND / 10).await;
        if batch.records.iter().any(|record| &**record.data() == POISON) {
            return Err("poison".into());
        }
        self.0.fetch_add(batch.records.len(), Ordering::Relaxed);
        Ok(checkpointer.checkpoint().await?)
    }
}

impl Scene {
    fn new(shards: usize, options: impl FnOnce(WorkerBuilder) -> WorkerBuilder) -> Self {
        let sim = Sim::new(7);
        sim.create_stream("orders", shards).unwrap();
        let (recorder, processed) = (Recorder::default(), Arc::new(AtomicUsize::new(0)));
        let processing = Arc::clone(&processed);
        let builder = Worker::builder("billing", "orders")
            .aws(&sim.sdk_config())
            .seed(7)
            .worker_id("w1")
            .processor(move |_: &ShardContext| Slow(Arc::clone(&processing)))
            .metrics_granularity(MetricsGranularity::Shard)
            .metrics_recorder(recorder.clone());
        let worker = options(builder).build().unwrap();
        let control = worker.control();
        let mut running = JoinSet::new();
        running.spawn(async move { drop(worker.run().await.unwrap()) });
        Self {
            sim,
            recorder,
            control,
            processed,
            running,
        }
    }

    async fn put(&self, data: &[&[u8]]) {
        let client = aws_sdk_kinesis::Client::new(&self.sim.sdk_config());
        let puts = data.iter().enumerate().map(|(n, data)| {
            let put = client
                .put_record()
                .stream_name("orders")
                .partition_key(format!("key-{n}"));
            put.data(Blob::new(*data)).send()
        });
        assert!(join_all(puts).await.iter().all(Result::is_ok));
    }

    /// Waits until this number of records was processed.
    async fn until(&self, processed: usize) {
        while self.processed.load(Ordering::Relaxed) < processed {
            tokio::time::sleep(SECOND / 10).await;
        }
        tokio::time::sleep(SECOND / 10).await;
    }

    /// The number and the sum of the samples of a series, which are the same for the application and for the finest labels
    /// together.
    fn samples(&self, series: Series) -> (usize, f64) {
        let row = row(series);
        let application = self.recorder.get(row.name, &[("Operation", row.operation)]);
        let finest = match row.finest {
            Finest::Application => application.clone(),
            Finest::Worker => self.recorder.with_label(row.name, row.operation, "WorkerIdentifier"),
            Finest::Shard => self.recorder.with_label(row.name, row.operation, "ShardId"),
        };
        let statistics = application.statistics();
        assert_eq!(statistics, finest.statistics(), "{series:?}");
        statistics
    }

    async fn stop(mut self) -> Recorder {
        self.control.shutdown(SECOND * 10);
        self.running.join_next().await.unwrap().unwrap();
        self.recorder
    }
}

fn row(series: Series) -> &'static Row {
    Row::ALL.iter().find(|row| row.series == series).unwrap()
}

#[test]
fn the_page_has_a_row_for_each_series_and_no_other() {
    let page = include_str!("../../METRICS.md");
    for row in &Row::ALL {
        let unit = format!("{:?}", row.unit).to_lowercase();
        let level = format!("{:?}", row.level).to_lowercase();
        let finest = format!("{:?}", row.finest).to_lowercase();
        let text = format!(
            "| `{}` | `{}` | {unit} | {level} | {finest} | ",
            row.name, row.operation
        );
        assert_eq!(page.matches(&text).count(), 1, "{text}");
    }
    let table = page.split("\n\n").find(|part| part.starts_with("| series |")).unwrap();
    assert_eq!(table.lines().count(), 2 + Row::ALL.len());
}

#[test]
fn each_series_has_one_row_and_a_key_of_its_own() {
    let series: BTreeSet<_> = Row::ALL.iter().map(|row| row.series).collect();
    let keys: BTreeSet<_> = Row::ALL.iter().map(|row| (row.operation, row.name)).collect();
    assert_eq!((series.len(), keys.len()), (Row::ALL.len(), Row::ALL.len()));
    assert_eq!(Series::UncoveredShards as usize + 1, Row::ALL.len(), "the last variant");
}

#[test]
fn a_name_has_one_unit_whatever_its_operation() {
    let mut units = BTreeMap::new();
    for row in &Row::ALL {
        assert_eq!(*units.entry(row.name).or_insert(row.unit), row.unit, "{}", row.name);
    }
}

#[test]
fn the_page_says_how_many_series_there_are() {
    let count = |level, finest| {
        let granularity = MetricsGranularity::Shard;
        Selection { level, granularity }.rows(finest).count()
    };
    let of = |level| [Finest::Application, Finest::Worker, Finest::Shard].map(|finest| count(level, finest));
    assert_eq!(of(MetricsLevel::None), [0, 0, 0]);
    let page = include_str!("../../METRICS.md");
    for level in [MetricsLevel::Summary, MetricsLevel::Detailed] {
        let [application, worker, shard] = of(level);
        let text = format!("`{application} + workers × {worker} + shards × {shard}`");
        assert!(page.contains(&text), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_granularity_has_the_labels_of_the_granularities_above_it() {
    for (granularity, expected) in [
        (MetricsGranularity::Application, &["Operation"][..]),
        (MetricsGranularity::Worker, &["Operation", "WorkerIdentifier"]),
        (MetricsGranularity::Shard, &["Operation", "ShardId", "WorkerIdentifier"]),
    ] {
        let scene = Scene::new(1, |builder| builder.metrics_granularity(granularity));
        scene.put(&[b"one"]).await;
        scene.until(1).await;
        let labels = scene.recorder.labels();
        assert_eq!(labels, expected.iter().map(|label| (*label).to_owned()).collect());
        scene.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn each_name_is_described_once_and_a_handle_is_registered_once_for_each_series_and_labels() {
    let scene = Scene::new(2, |builder| builder);
    scene.put(&[b"one", b"two"]).await;
    scene.until(2).await;
    let mut described = scene.recorder.described();
    let names = described.len();
    described.dedup();
    described.sort();
    described.dedup();
    assert_eq!(described.len(), names);
    let mut registered = scene.recorder.registered();
    let count = registered.len();
    registered.sort();
    registered.dedup();
    assert_eq!((registered.len(), count), (40 + 24 + 2 * 14, count));
}

#[tokio::test(start_paused = true)]
async fn the_handles_of_a_shard_are_dropped_when_its_consumer_ends() {
    let scene = Scene::new(2, |builder| builder);
    scene.put(&[b"one", b"two"]).await;
    scene.until(2).await;
    assert_eq!(scene.recorder.live("ShardId").len(), 2);
    let recorder = scene.stop().await;
    assert_eq!(recorder.live("ShardId"), BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn records_bytes_times_and_successes_are_those_of_the_batches_that_were_processed() {
    let scene = Scene::new(2, |builder| builder);
    scene.put(&[b"data-1", b"data-2", b"data-3"]).await;
    scene.until(3).await;
    let (batches, records) = scene.samples(Series::RecordsProcessed);
    assert_eq!(records, 3.0);
    assert_eq!(scene.samples(Series::DataBytesProcessed), (batches, 18.0));
    assert_eq!(scene.samples(Series::ProcessSuccess), (batches, batches as f64));
    let (calls, took) = scene.samples(Series::ProcessTime);
    assert_eq!(calls, batches);
    let each = took / calls as f64;
    assert!((100.0..150.0).contains(&each), "with the checkpoint: {each}");
    assert_eq!(scene.samples(Series::HandlerFailures).0, 0);
    assert_eq!(scene.samples(Series::InitializeTime).0, 2);
    let (checkpoints, written) = scene.samples(Series::CheckpointSuccess);
    assert_eq!((checkpoints, written), (batches, batches as f64));
    assert!(scene.samples(Series::CheckpointTime).1 > 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_counts_as_a_failure_and_its_records_when_they_are_skipped() {
    let skip = |builder: WorkerBuilder| builder.error_policy(ErrorPolicy::skip().attempts(2));
    let scene = Scene::new(1, skip);
    scene.put(&[POISON, b"data-2"]).await;
    scene.until(1).await;
    let (failures, _) = scene.samples(Series::HandlerFailures);
    assert!(failures >= 2, "{failures}");
    let (calls, successes) = scene.samples(Series::ProcessSuccess);
    assert_eq!(calls as f64, successes + failures as f64);
    assert_eq!(scene.samples(Series::RecordsSkipped), (1, 1.0));
    assert_eq!(scene.samples(Series::RecordsProcessed).1, 1.0);
}

#[tokio::test(start_paused = true)]
async fn records_that_a_failed_call_has_checkpointed_are_counted_once() {
    let scene = Scene::new(1, |builder| {
        let builder = builder.error_policy(ErrorPolicy::skip().attempts(2));
        builder.for_each_record(|record: Record| async move {
            match **record.data() == *POISON {
                true => Err(HandlerError::new("poison")),
                false => Ok(()),
            }
        })
    });
    scene.put(&[b"data-1", b"data-2", POISON, b"data-4"]).await;
    tokio::time::sleep(SECOND * 10).await;
    assert_eq!(scene.samples(Series::RecordsProcessed).1, 3.0);
    assert_eq!(scene.samples(Series::DataBytesProcessed).1, 18.0);
    assert_eq!(scene.samples(Series::RecordsSkipped), (1, 1.0));
}

#[tokio::test(start_paused = true)]
async fn reads_count_by_their_answers_and_tell_the_lag() {
    let scene = Scene::new(1, |builder| builder);
    scene.put(&[b"one"]).await;
    scene.until(1).await;
    let (reads, answered) = scene.samples(Series::GetRecordsSuccess);
    assert_eq!(
        (scene.samples(Series::MillisBehindLatest).0, answered),
        (reads, reads as f64)
    );
    scene.sim.faults(|call| match call.operation {
        "GetRecords" => Fault::throttled(),
        _ => Fault::None,
    });
    tokio::time::sleep(SECOND * 20).await;
    let (all, still) = scene.samples(Series::GetRecordsSuccess);
    assert!(all > reads + 2, "{all}");
    assert!(still <= answered + 1.0, "one may have been on its way: {still}");
    assert_eq!(scene.samples(Series::GetRecordsTime).0, all);
}

#[tokio::test(start_paused = true)]
async fn leases_are_counted_at_each_look_and_renewals_one_by_one() {
    let scene = Scene::new(3, |builder| builder);
    tokio::time::sleep(SECOND * 25).await;
    assert_eq!(scene.samples(Series::TotalLeases), (3, 9.0));
    assert_eq!(scene.samples(Series::NumWorkers), (3, 3.0));
    assert_eq!(scene.samples(Series::NeededLeases), (3, 3.0));
    assert_eq!(scene.samples(Series::LeasesToTake), (3, 3.0));
    assert_eq!(scene.samples(Series::TakenLeases), (3, 3.0));
    assert_eq!(scene.samples(Series::UntakenLeases), (3, 0.0));
    assert_eq!(scene.samples(Series::CurrentLeases), (3, 6.0), "none at the first look");
    assert_eq!(scene.samples(Series::TakeLeasesSuccess), (3, 3.0));
    assert_eq!(scene.samples(Series::ListLeasesSuccess), (3, 3.0));
    assert_eq!(scene.samples(Series::TakeLeaseSuccess), (3, 3.0));
    let (renewals, successes) = scene.samples(Series::RenewSuccess);
    assert!(renewals > 15 && successes == renewals as f64, "{renewals} {successes}");
    assert_eq!(scene.samples(Series::HaltedShards), (3, 0.0));
    assert_eq!(scene.samples(Series::LostLeases).0, 0);
    scene.sim.faults(|call| match call.operation {
        "UpdateItem" => Fault::throttled(),
        _ => Fault::None,
    });
    tokio::time::sleep(SECOND * 12).await;
    assert_eq!(scene.samples(Series::LostLeases), (3, 3.0));
    assert!(scene.samples(Series::RenewSuccess).1 < scene.samples(Series::RenewSuccess).0 as f64);
}

#[tokio::test(start_paused = true)]
async fn a_halted_shard_is_counted_and_its_lag_grows() {
    let scene = Scene::new(1, |builder| builder.error_policy(ErrorPolicy::halt().attempts(1)));
    scene.put(&[POISON]).await;
    tokio::time::sleep(SECOND * 105).await;
    let (_, halted) = scene.samples(Series::HaltedShards);
    assert!(halted >= 9.0, "{halted}");
    let lag = scene.control.max_lag().unwrap();
    assert!(lag > SECOND * 100, "{lag:?}");
    let row = row(Series::MaxMillisBehindLatest);
    let recorded = scene.recorder.get(row.name, &[("Operation", row.operation)]);
    let most = recorded.samples.iter().copied().fold(0.0, f64::max);
    assert!((90_000.0..=lag.as_secs_f64() * 1e3).contains(&most), "{most}");
    assert!(scene.samples(Series::ReadBudgetBytes).0 > 9);
}
