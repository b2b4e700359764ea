//! The units of series, for the exporter to CloudWatch.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit};

/// Tells the exporter the unit of each series: version 5 finds it only for series without labels, and takes it from a
/// label `@unit` otherwise.
pub(crate) struct WithUnits<R> {
    pub(crate) recorder: R,
    units: Mutex<BTreeMap<String, &'static str>>,
}

impl<R> WithUnits<R> {
    pub(crate) fn new(recorder: R) -> Self {
        Self {
            recorder,
            units: Mutex::default(),
        }
    }

    fn remember(&self, name: &KeyName, unit: Option<Unit>) {
        let unit = match unit {
            Some(Unit::Count) => "Count",
            Some(Unit::Bytes) => "Bytes",
            Some(Unit::Milliseconds) => "Milliseconds",
            _ => return,
        };
        let mut units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        units.insert(name.as_str().to_owned(), unit);
    }

    fn with_unit(&self, key: &Key) -> Key {
        let units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        match units.get(key.name()) {
            Some(unit) => key.with_extra_labels(vec![Label::from_static_parts("@unit", unit)]),
            None => key.clone(),
        }
    }
}

impl<R: Recorder> Recorder for WithUnits<R> {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _description: SharedString) {
        self.remember(&name, unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _description: SharedString) {
        self.remember(&name, unit);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _description: SharedString) {
        self.remember(&name, unit);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.recorder.register_counter(&self.with_unit(key), metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.recorder.register_gauge(&self.with_unit(key), metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.recorder.register_histogram(&self.with_unit(key), metadata)
    }
}
