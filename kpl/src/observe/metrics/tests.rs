//! The series of the KPL, one test for each, and what selects them.

mod conservation;
mod gauges;
mod recorded;
mod rows;

use std::collections::BTreeSet;
use std::time::Duration;

use ::metrics::Unit;
use futures::future::join_all;
use testkit::sim::{Fault, Sim};

use self::recorded::{Recorded, Recorder};
use super::series::{Finest, Series};
use super::{MetricsGranularity, MetricsLevel};
use crate::producer::Producer;
use crate::producer::builder::ProducerBuilder;
use crate::receipt::Receipt;
use crate::record::Record;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A stream, a producer that reports to a recorder of its own, at every level and granularity.
struct Scene {
    sim: Sim,
    producer: Producer,
    recorder: Recorder,
}

impl Scene {
    fn new(shards: usize) -> Self {
        Self::with(shards, |builder| builder)
    }

    fn with(shards: usize, options: impl FnOnce(ProducerBuilder) -> ProducerBuilder) -> Self {
        let sim = Sim::new(7);
        sim.create_stream("orders", shards).unwrap();
        let recorder = Recorder::default();
        let builder = Producer::builder("orders").aws(&sim.sdk_config()).seed(7);
        let builder = builder.metrics_granularity(MetricsGranularity::Shard);
        let producer = options(builder.metrics_recorder(recorder.clone())).build().unwrap();
        Self {
            sim,
            producer,
            recorder,
        }
    }

    /// Puts so many records of 10 bytes of data each.
    async fn put(&self, count: usize) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for n in 0..count {
            let record = Record::new(format!("key-{n}"), format!("data-{n:05}"));
            receipts.push(self.producer.put(record).await.unwrap());
        }
        receipts
    }

    /// Puts records and waits for their outcomes; returns how many were delivered.
    async fn send(&self, count: usize) -> usize {
        let outcomes = join_all(self.put(count).await).await;
        outcomes.into_iter().filter(Result::is_ok).count()
    }

    /// Has the first so many requests fail.
    fn fail(&self, requests: usize, fault: &Fault) {
        let (left, fault) = (std::sync::Mutex::new(requests), fault.clone());
        self.sim.faults(move |call| {
            let mut left = left.lock().unwrap();
            if call.operation != "PutRecords" || *left == 0 {
                return Fault::None;
            }
            *left -= 1;
            fault.clone()
        });
    }

    /// What the series has at the level of the process, of the stream, and of all shards together.
    fn levels(&self, series: Series) -> [Recorded; 3] {
        let name = series.row().name;
        let shards: Vec<Recorded> = self.recorder.of_shards(name);
        [
            self.recorder.get(name, &[]),
            self.recorder.get(name, &[("StreamName", "orders")]),
            shards.into_iter().fold(Recorded::default(), Recorded::plus),
        ]
    }

    /// The samples of a series; those of its levels agree.
    fn samples(&self, series: Series) -> Recorded {
        let [global, stream, shards] = self.levels(series);
        assert_eq!(global.statistics(), stream.statistics(), "{series:?}");
        match series.row().finest {
            Finest::Shard => assert_eq!(stream.statistics(), shards.statistics(), "{series:?}"),
            Finest::Stream => assert_eq!(shards.statistics().0, 0, "{series:?}"),
        }
        stream
    }
}

/// The series as the KPL documents them: name, unit, level, finest dimension.
const KPL: [(&str, Unit, MetricsLevel, Finest); 15] = [
    (
        "UserRecordsReceived",
        Unit::Count,
        MetricsLevel::Detailed,
        Finest::Stream,
    ),
    (
        "UserRecordsPending",
        Unit::Count,
        MetricsLevel::Detailed,
        Finest::Stream,
    ),
    ("UserRecordsPut", Unit::Count, MetricsLevel::Summary, Finest::Shard),
    ("UserRecordsDataPut", Unit::Bytes, MetricsLevel::Detailed, Finest::Shard),
    ("UserRecordExpired", Unit::Count, MetricsLevel::Summary, Finest::Shard),
    ("KinesisRecordsPut", Unit::Count, MetricsLevel::Summary, Finest::Shard),
    (
        "KinesisRecordsDataPut",
        Unit::Bytes,
        MetricsLevel::Detailed,
        Finest::Shard,
    ),
    ("ErrorsByCode", Unit::Count, MetricsLevel::Summary, Finest::Shard),
    ("AllErrors", Unit::Count, MetricsLevel::Summary, Finest::Shard),
    ("RetriesPerRecord", Unit::Count, MetricsLevel::Detailed, Finest::Shard),
    (
        "BufferingTime",
        Unit::Milliseconds,
        MetricsLevel::Summary,
        Finest::Shard,
    ),
    (
        "RequestTime",
        Unit::Milliseconds,
        MetricsLevel::Detailed,
        Finest::Stream,
    ),
    (
        "UserRecordsPerKinesisRecord",
        Unit::Count,
        MetricsLevel::Detailed,
        Finest::Shard,
    ),
    (
        "KinesisRecordsPerPutRecordsRequest",
        Unit::Count,
        MetricsLevel::Detailed,
        Finest::Stream,
    ),
    (
        "UserRecordsPerPutRecordsRequest",
        Unit::Count,
        MetricsLevel::Detailed,
        Finest::Stream,
    ),
];

#[test]
fn names_units_levels_and_dimensions_are_those_of_the_kpl() {
    let ours = Series::ALL.map(|series| {
        let row = series.row();
        (row.name, row.unit, row.level, row.finest)
    });
    assert_eq!(ours, KPL);
}

#[test]
fn the_page_has_a_row_for_each_series() {
    let page = include_str!("../../../METRICS.md");
    for series in Series::ALL {
        let unit = format!("{:?}", series.row().unit).to_lowercase();
        let level = format!("{:?}", series.row().level).to_lowercase();
        let finest = format!("{:?}", series.row().finest).to_lowercase();
        let row = format!("| `{}` | {unit} | {level} | {finest} | ", series.row().name);
        assert_eq!(page.matches(&row).count(), 1, "{row}");
    }
    let table = page.split("\n\n").find(|part| part.starts_with("| series |")).unwrap();
    assert_eq!(table.lines().count(), 2 + Series::ALL.len());
}

#[tokio::test(start_paused = true)]
async fn each_series_is_described_once_with_its_unit_when_the_producer_is_built() {
    let scene = Scene::new(2);
    scene.send(100).await;
    let described = scene.recorder.described();
    let expected = Series::ALL.map(|series| (series.row().name.to_owned(), Some(series.row().unit)));
    assert_eq!(described, expected);
}

#[tokio::test(start_paused = true)]
async fn a_handle_is_registered_once_for_each_series_and_labels() {
    let scene = Scene::new(2);
    for _ in 0..20 {
        scene.send(50).await;
    }
    let mut registered = scene.recorder.registered();
    let count = registered.len();
    registered.sort();
    registered.dedup();
    assert_eq!(registered.len(), count);
    assert_eq!(count, 15 + 15 + 2 * 10, "global, stream and two shards");
}

#[tokio::test(start_paused = true)]
async fn the_handles_of_a_closed_shard_are_dropped() {
    let scene = Scene::new(1);
    scene.send(10).await;
    scene
        .sim
        .stream("orders")
        .split(testkit::kinesis::ShardId::FIRST)
        .unwrap();
    for _ in 0..10 {
        scene.send(50).await;
        scene.sim.advance(SECOND).await;
    }
    let live = scene.recorder.live_shards();
    let open: BTreeSet<String> = ["shardId-000000000001", "shardId-000000000002"]
        .map(String::from)
        .into();
    assert_eq!(live, open);
}

#[tokio::test(start_paused = true)]
async fn a_level_has_the_series_of_the_levels_below_it() {
    let names = |level| async move {
        let scene = Scene::with(1, |builder| builder.metrics_level(level));
        scene.send(10).await;
        let registered = scene.recorder.registered().into_iter().map(|(name, _)| name);
        (registered.collect::<BTreeSet<_>>(), scene.recorder.described().len())
    };
    let of_kpl = |level| KPL.iter().filter(move |row| row.2 <= level).map(|row| row.0.to_owned());
    assert_eq!(names(MetricsLevel::None).await, (BTreeSet::new(), 0));
    assert_eq!(
        names(MetricsLevel::Summary).await,
        (of_kpl(MetricsLevel::Summary).collect(), 6)
    );
    assert_eq!(
        names(MetricsLevel::Detailed).await,
        (of_kpl(MetricsLevel::Detailed).collect(), 15)
    );
}

#[tokio::test(start_paused = true)]
async fn a_granularity_has_the_series_of_the_granularities_above_it() {
    for (granularity, labels) in [
        (MetricsGranularity::Global, &[0][..]),
        (MetricsGranularity::Stream, &[0, 1]),
        (MetricsGranularity::Shard, &[0, 1, 2]),
    ] {
        let scene = Scene::with(2, |builder| builder.metrics_granularity(granularity));
        scene.send(50).await;
        let registered = scene.recorder.registered();
        let found: BTreeSet<usize> = registered.iter().map(|(_, labels)| labels.len()).collect();
        assert_eq!(found, labels.iter().copied().collect(), "{granularity:?}");
        let put = scene.recorder.get("UserRecordsPut", &[]);
        assert_eq!(put.statistics(), (50, 50.0, 1.0, 1.0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_streams_of_a_process_share_its_global_series() {
    let scene = Scene::new(1);
    scene.sim.create_stream("refunds", 1).unwrap();
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/refunds";
    let other = Producer::builder(arn).aws(&scene.sim.sdk_config()).seed(7);
    let other = other.metrics_recorder(scene.recorder.clone()).build().unwrap();
    scene.send(10).await;
    let receipt = other.put(Record::new("k", "d")).await.unwrap();
    drop(receipt.await);
    let count = |labels| scene.recorder.get("UserRecordsPut", labels).statistics().0;
    assert_eq!(
        (count(&[("StreamName", "orders")]), count(&[("StreamName", "refunds")])),
        (10, 1)
    );
    assert_eq!(count(&[]), 11);
}
