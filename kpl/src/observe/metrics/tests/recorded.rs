//! A recorder that keeps every sample.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};

use ::metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};

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
        unreachable!("all series are histograms");
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        unreachable!("all series are histograms");
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.0.lock().unwrap().described.push((name.as_str().to_owned(), unit));
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        unreachable!("all series are histograms");
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        unreachable!("all series are histograms");
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let labels = key
            .labels()
            .map(|label| (label.key().to_owned(), label.value().to_owned()));
        let key = (key.name().to_owned(), labels.collect::<Labels>());
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
