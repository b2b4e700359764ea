//! The series of a producer: the KPL's names, dimensions and units, for whatever exporter the application installs.
//!
#![doc = include_str!("../../METRICS.md")]
//!
//! # Inside
//!
//! In the order of the data: `samples` are what came of each of the `series`, and `meter` hands them to the recorder, with
//! the gauges of `levels`.

mod levels;
mod meter;
mod samples;
mod series;

pub(crate) use self::meter::{Meter, SharedRecorder};
pub(crate) use self::samples::SampleSet;
pub(crate) use self::series::Series;

/// How much a producer tells of itself. Each level has the series of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum MetricsLevel {
    /// Nothing.
    None,
    /// What a dashboard needs: successes, errors by code, and how long records wait.
    Summary,
    /// All series.
    #[default]
    Detailed,
}

/// Of what there are series of its own. Each granularity has the series of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum MetricsGranularity {
    /// Of all producers of the process together: series without dimensions.
    Global,
    /// Also of each stream: with the label `StreamName`.
    #[default]
    Stream,
    /// Also of each shard: with the labels `StreamName` and `ShardId`.
    Shard,
}

/// The series that a producer has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Selection {
    pub(crate) level: MetricsLevel,
    pub(crate) granularity: MetricsGranularity,
}

impl Selection {
    /// Whether `series` is among them.
    pub(crate) fn takes(self, series: Series) -> bool {
        series.row().level <= self.level
    }
}

#[cfg(test)]
#[cfg(not(feature = "_loom"))]
mod tests;
