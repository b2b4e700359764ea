//! A recorder that keeps every sample.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};

use ::metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};

type Labels = Vec<(String, String)>;

/// The samples of one series with one set of labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Recorded {
    pub(super) samples: Vec<f64>,
}

impl Recorded {
    /// SampleCount and Sum.
    pub(super) fn statistics(&self) -> (usize, f64) {
        // Sums of times differ in their last bits.
        let sum: f64 = self.samples.iter().sum();
        (self.samples.len(), (sum * 1e6).round() / 1e6)
    }
}

/// A recorder; its clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    described: Vec<String>,
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
        let mut state = self.recorder.0.lock().unwrap();
        state.series.entry(self.key.clone()).or_default().samples.push(value);
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

    /// The samples of a series with the label `label`, of all its values together.
    pub(super) fn with_label(&self, name: &str, operation: &str, label: &str) -> Recorded {
        let state = self.0.lock().unwrap();
        let is_meant = |(found, labels): &(String, Labels)| {
            found == name && labels.len() == 2 && labels[0].1 == operation && labels[1].0 == label
        };
        let found = state.series.iter().filter(|(key, _)| is_meant(key));
        Recorded {
            samples: found.flat_map(|(_, recorded)| recorded.samples.clone()).collect(),
        }
    }

    pub(super) fn described(&self) -> Vec<String> {
        self.0.lock().unwrap().described.clone()
    }

    pub(super) fn registered(&self) -> Vec<(String, Labels)> {
        self.0.lock().unwrap().registered.clone()
    }

    /// The names of all labels.
    pub(super) fn labels(&self) -> BTreeSet<String> {
        let registered = self.registered().into_iter();
        registered
            .flat_map(|(_, labels)| labels)
            .map(|(name, _)| name)
            .collect()
    }

    /// The values of a label of which somebody holds a handle.
    pub(super) fn live(&self, label: &str) -> BTreeSet<String> {
        let state = self.0.lock().unwrap();
        let live = state.handles.iter().filter(|(_, handle)| handle.strong_count() > 0);
        let labels = live.flat_map(|(labels, _)| labels).filter(|(name, _)| name == label);
        labels.map(|(_, value)| value.clone()).collect()
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
        assert!(unit.is_some());
        self.0.lock().unwrap().described.push(name.as_str().to_owned());
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
