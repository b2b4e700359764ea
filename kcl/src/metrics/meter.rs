//! The handles of a worker's series at the recorder.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use ::metrics::{Histogram, Key, KeyName, Label, Level, Metadata, Recorder, with_recorder};

use super::Selection;
use super::series::{Finest, OPERATION, Row, SHARD_ID, Series, Unit, WORKER_IDENTIFIER};
use crate::lease::model::WorkerId;
use crate::stream::ShardId;

const METADATA: Metadata<'static> = Metadata::new("kcl", Level::INFO, Some("kcl"));

/// The recorder that was given to a worker; otherwise the process has one, or none.
#[derive(Clone, Default)]
pub(crate) struct SharedRecorder(Option<Arc<dyn Recorder + Send + Sync>>);

impl SharedRecorder {
    pub(crate) fn new(recorder: impl Recorder + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(recorder)))
    }

    fn with<T>(&self, register: impl FnOnce(&dyn Recorder) -> T) -> T {
        match &self.0 {
            Some(recorder) => register(recorder),
            None => with_recorder(register),
        }
    }
}

impl fmt::Debug for SharedRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRecorder")
            .field("given", &self.0.is_some())
            .finish()
    }
}

/// The handles of one worker.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    recorder: SharedRecorder,
    selection: Selection,
    application: Handles,
    worker: Handles,
}

/// The handles of one shard; none, if shards have no series of their own.
#[derive(Debug, Default)]
pub(crate) struct ShardMeter(Handles);

/// The handles of one set of labels.
#[derive(Debug, Default)]
struct Handles(BTreeMap<Series, Histogram>);

impl Meter {
    /// Describes the series to the recorder and registers those of the application and of the worker.
    pub(crate) fn new(recorder: SharedRecorder, selection: Selection, worker: &WorkerId) -> Self {
        let (application, worker) = recorder.with(|recorder| {
            describe(recorder, selection);
            let label = Label::new(WORKER_IDENTIFIER, worker.to_string());
            let application = Handles::new(recorder, selection.rows(Finest::Application), None);
            let worker = Handles::new(recorder, selection.rows(Finest::Worker), Some(&label));
            (application, worker)
        });
        Self {
            recorder,
            selection,
            application,
            worker,
        }
    }

    /// Registers the series of a shard, if shards have their own.
    pub(crate) fn shard(&self, shard: &ShardId) -> ShardMeter {
        let label = Label::new(SHARD_ID, shard.shared());
        let rows = self.selection.rows(Finest::Shard);
        ShardMeter(
            self.recorder
                .with(|recorder| Handles::new(recorder, rows, Some(&label))),
        )
    }

    /// Adds a sample, of a shard if it is about one.
    pub(crate) fn add(&self, shard: Option<&ShardMeter>, series: Series, value: f64) {
        self.application.add(series, value);
        self.worker.add(series, value);
        if let Some(ShardMeter(handles)) = shard {
            handles.add(series, value);
        }
    }
}

impl Handles {
    fn new(recorder: &dyn Recorder, rows: impl Iterator<Item = &'static Row>, label: Option<&Label>) -> Self {
        let handles = rows.map(|row| {
            let mut labels = vec![Label::from_static_parts(OPERATION, row.operation)];
            labels.extend(label.cloned());
            let key = Key::from_parts(row.name, labels);
            (row.series, recorder.register_histogram(&key, &METADATA))
        });
        Self(handles.collect())
    }

    fn add(&self, series: Series, value: f64) {
        if let Some(handle) = self.0.get(&series) {
            handle.record(value);
        }
    }
}

fn describe(recorder: &dyn Recorder, selection: Selection) {
    let mut described = BTreeSet::new();
    // Two operations may have series of one name.
    for row in selection
        .rows(Finest::Application)
        .filter(|row| described.insert(row.name))
    {
        let unit = match row.unit {
            Unit::Count => ::metrics::Unit::Count,
            Unit::Bytes => ::metrics::Unit::Bytes,
            Unit::Milliseconds => ::metrics::Unit::Milliseconds,
        };
        let name = KeyName::from_const_str(row.name);
        recorder.describe_histogram(name, Some(unit), row.description.into());
    }
}
