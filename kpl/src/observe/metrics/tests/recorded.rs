//! A recorder that keeps every sample.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};

use ::metrics::{Counter, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};

type Labels = Vec<(String, String)>;

/// The samples of one series with one set of labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Recorded {
    pub(super) samples: Vec<(f64, usize)>,
}

impl Recorded {
    /// SampleCount, Sum, Minimum and Maximum; the last two are 0 if there is no sample.
    pub(super) fn statistics(&self) -> (usize, f64, f64, f64) {
        let values = || self.samples.iter().map(|(value, _)| *value);
        let count = self.samples.iter().map(|(_, count)| count).sum();
        let sum: f64 = self.samples.iter().map(|(value, count)| value * *count as f64).sum();
        let (least, most) = (values().reduce(f64::min), values().reduce(f64::max));
        // Sums of times differ in their last bits.
        let sum = (sum * 1e6).round() / 1e6;
        (count, sum, least.unwrap_or(0.0), most.unwrap_or(0.0))
    }

    pub(super) fn plus(mut self, other: Self) -> Self {
        self.samples.extend(other.samples);
        self
    }
}

/// A recorder; its clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    described: Vec<(String, Option<Unit>)>,
    registered: Vec<(String, Labels)>,
    series: BTreeMap<(String, Labels), Recorded>,
    handles: Vec<(Labels, Weak<Handle>)>,
    gauges_described: Vec<(String, Option<Unit>)>,
    gauges: BTreeMap<(String, Labels), Arc<Level>>,
}

/// What a gauge shows, and the most that it has shown.
#[derive(Debug, Default)]
pub(super) struct Level(Mutex<(f64, f64)>);

impl GaugeFn for Level {
    fn increment(&self, value: f64) {
        let mut level = self.0.lock().unwrap();
        level.0 += value;
        level.1 = level.1.max(level.0);
    }

    fn decrement(&self, value: f64) {
        self.0.lock().unwrap().0 -= value;
    }

    fn set(&self, _: f64) {
        unreachable!("it would forget what other producers have added");
    }
}

fn key_of(key: &Key) -> (String, Labels) {
    let labels = key
        .labels()
        .map(|label| (label.key().to_owned(), label.value().to_owned()));
    (key.name().to_owned(), labels.collect())
}

struct Handle {
    recorder: Recorder,
    key: (String, Labels),
}

impl HistogramFn for Handle {
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        let mut state = self.recorder.0.lock().unwrap();
        let recorded = state.series.entry(self.key.clone()).or_default();
        recorded.samples.push((value, count));
    }
}

impl Recorder {
    pub(super) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Recorded {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let key = (name.to_owned(), labels.collect());
        self.0.lock().unwrap().series.get(&key).cloned().unwrap_or_default()
    }

    /// What each shard has of a series; errors by code are left out.
    pub(super) fn of_shards(&self, name: &str) -> Vec<Recorded> {
        let state = self.0.lock().unwrap();
        let is_of_shard = |labels: &Labels| labels.len() == 2 && labels[1].0 == "ShardId";
        let series = state.series.iter();
        let of_shards = series.filter(|((found, labels), _)| found == name && is_of_shard(labels));
        of_shards.map(|(_, recorded)| recorded.clone()).collect()
    }

    pub(super) fn described(&self) -> Vec<(String, Option<Unit>)> {
        self.0.lock().unwrap().described.clone()
    }

    pub(super) fn gauges_described(&self) -> Vec<(String, Option<Unit>)> {
        self.0.lock().unwrap().gauges_described.clone()
    }

    /// What a gauge shows for the process and for the stream, and the most that it has shown.
    pub(super) fn gauge(&self, name: &str) -> [(f64, f64); 2] {
        let stream = ("StreamName".to_owned(), "orders".to_owned());
        [vec![], vec![stream]].map(|labels| {
            let state = self.0.lock().unwrap();
            *state.gauges[&(name.to_owned(), labels)].0.lock().unwrap()
        })
    }

    pub(super) fn registered(&self) -> Vec<(String, Labels)> {
        self.0.lock().unwrap().registered.clone()
    }

    /// The shards of which somebody holds a handle.
    pub(super) fn live_shards(&self) -> BTreeSet<String> {
        let state = self.0.lock().unwrap();
        let live = state.handles.iter().filter(|(_, handle)| handle.strong_count() > 0);
        let labels = live.flat_map(|(labels, _)| labels);
        let shards = labels.filter(|(name, _)| name == "ShardId");
        shards.map(|(_, shard)| shard.clone()).collect()
    }
}

impl ::metrics::Recorder for Recorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        unreachable!("no series is a counter");
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.0
            .lock()
            .unwrap()
            .gauges_described
            .push((name.as_str().to_owned(), unit));
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.0.lock().unwrap().described.push((name.as_str().to_owned(), unit));
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        unreachable!("no series is a counter");
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let mut state = self.0.lock().unwrap();
        let gauge = state.gauges.entry(key_of(key)).or_default();
        Gauge::from_arc(Arc::clone(gauge))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let key = key_of(key);
        let handle = Arc::new(Handle {
            recorder: self.clone(),
            key: key.clone(),
        });
        let mut state = self.0.lock().unwrap();
        state.handles.push((key.1.clone(), Arc::downgrade(&handle)));
        state.registered.push(key);
        Histogram::from_arc(handle)
    }
}
