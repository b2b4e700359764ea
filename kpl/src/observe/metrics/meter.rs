//! The handles of a producer's series at the recorder, and the way of the samples into them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ::metrics::{Histogram, Key, KeyName, Label, Level, Metadata, Recorder, with_recorder};
use service::ShardId;

use super::levels::Levels;
use super::samples::SampleSet;
use super::series::{ERROR_CODE, Row, SHARD_ID, STREAM_NAME, Series};
use super::{MetricsGranularity, Selection};
use crate::observe::tally::Tally;

pub(super) const METADATA: Metadata<'static> = Metadata::new("kpl", Level::INFO, Some("kpl"));

/// The recorder that was given to a producer; otherwise the process has one, or none.
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

/// The handles of one producer.
#[derive(Debug)]
pub(crate) struct Meter {
    recorder: SharedRecorder,
    selection: Selection,
    global: Handles,
    stream: Handles,
    shards: BTreeMap<ShardId, Handles>,
    levels: Levels,
}

/// The handles of one set of labels; those of a granularity that is not asked for have no series.
#[derive(Debug)]
struct Handles {
    labels: Vec<Label>,
    series: BTreeMap<Series, Histogram>,
    errors: BTreeMap<Arc<str>, Histogram>,
}

impl Meter {
    /// Describes the series to the recorder and registers those of the process and of the stream.
    pub(crate) fn new(recorder: SharedRecorder, selection: Selection, stream_name: &str) -> Self {
        let stream = Label::new(STREAM_NAME, stream_name.to_owned());
        let has_streams = selection.granularity >= MetricsGranularity::Stream;
        let mut labels = vec![Vec::new()];
        labels.extend(has_streams.then(|| vec![stream.clone()]));
        labels.retain(|_| selection.takes(Series::UserRecordsPending));
        let (global, stream, levels) = recorder.with(|recorder| {
            describe(recorder, selection);
            let global = Handles::new(recorder, Vec::new(), selected(selection));
            let of_stream = selected(selection).filter(|_| has_streams);
            let stream = Handles::new(recorder, vec![stream], of_stream);
            (global, stream, Levels::new(recorder, &labels))
        });
        Self {
            recorder,
            selection,
            global,
            stream,
            shards: BTreeMap::new(),
            levels,
        }
    }

    /// Shows what is outstanding and waits.
    pub(crate) fn show(&mut self, outstanding: u64, waiting: usize) {
        self.levels.show(outstanding, waiting);
    }

    /// Records the samples of `tally`, which has nothing new afterwards.
    pub(crate) fn record(&mut self, tally: &mut Tally) {
        let places = &mut [&mut self.global, &mut self.stream];
        tally.stream.record(&self.recorder, places);
        while let Some(shard) = tally.news.pop() {
            let Some(part) = tally.shards.get_mut(&shard) else {
                continue;
            };
            part.is_news = false;
            if !part.samples.is_empty() {
                self.record_shard(&shard, &mut part.samples);
            }
        }
        if tally.forget_strangers() {
            self.shards.retain(|shard, _| tally.shards.contains_key(shard));
        }
    }

    fn record_shard(&mut self, shard: &ShardId, samples: &mut SampleSet) {
        #[cfg(test)]
        crate::looks::note();
        let handles = self.shards.entry(shard.clone()).or_insert_with(|| {
            let mut labels = self.stream.labels.clone();
            labels.push(Label::new(SHARD_ID, shard.shared()));
            let of_shard = selected(self.selection).filter(|series| series.is_of_shards());
            self.recorder.with(|recorder| Handles::new(recorder, labels, of_shard))
        });
        samples.record(&self.recorder, &mut [handles]);
    }
}

impl SampleSet {
    /// Empties the samples into all of `places`.
    fn record(&mut self, recorder: &SharedRecorder, places: &mut [&mut Handles]) {
        for (series, samples) in &mut self.series {
            for (value, count) in samples.drain() {
                places.iter().for_each(|place| place.record(*series, value, count));
            }
        }
        for (code, count) in self.errors.iter_mut().filter(|(_, count)| **count > 0) {
            let count = std::mem::take(count);
            places
                .iter_mut()
                .for_each(|place| place.record_error(recorder, code, count));
        }
    }
}

impl Handles {
    fn new(recorder: &dyn Recorder, labels: Vec<Label>, series: impl Iterator<Item = Series>) -> Self {
        let handles = series.map(|series| {
            let key = Key::from_parts(series.row().name, labels.clone());
            (series, recorder.register_histogram(&key, &METADATA))
        });
        Self {
            series: handles.collect(),
            labels,
            errors: BTreeMap::new(),
        }
    }

    fn record(&self, series: Series, value: f64, count: u64) {
        if let Some(handle) = self.series.get(&series) {
            record_many(handle, value, count);
        }
    }

    /// An error counts for its code, and for all codes together.
    fn record_error(&mut self, recorder: &SharedRecorder, code: &Arc<str>, count: u64) {
        let Some(all) = self.series.get(&Series::ErrorsByCode) else {
            return;
        };
        record_many(all, 1.0, count);
        let labels = &self.labels;
        let handle = self.errors.entry(Arc::clone(code)).or_insert_with(|| {
            let code = Label::new(ERROR_CODE, Arc::clone(code));
            let labels: Vec<Label> = [code].into_iter().chain(labels.iter().cloned()).collect();
            let key = Key::from_parts(Series::ErrorsByCode.row().name, labels);
            recorder.with(|recorder| recorder.register_histogram(&key, &METADATA))
        });
        record_many(handle, 1.0, count);
    }
}

fn record_many(handle: &Histogram, value: f64, count: u64) {
    handle.record_many(value, usize::try_from(count).unwrap_or(usize::MAX));
}

fn selected(selection: Selection) -> impl Iterator<Item = Series> {
    Series::ALL.into_iter().filter(move |series| selection.takes(*series))
}

fn describe(recorder: &dyn Recorder, selection: Selection) {
    for series in selected(selection) {
        let Row {
            name,
            unit,
            description,
            ..
        } = *series.row();
        recorder.describe_histogram(KeyName::from_const_str(name), Some(unit), description.into());
    }
    if selection.takes(Series::UserRecordsPending) {
        Levels::describe(recorder);
    }
}
