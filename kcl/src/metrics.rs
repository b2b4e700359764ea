//! The series of a worker: the KCL's names, dimensions and units, for whatever exporter the application installs.
//!
#![doc = include_str!("../METRICS.md")]
//!
//! # Inside
//!
//! `series` lists the series, `counted` says which events are samples of which, and `meter` hands the samples to the recorder.

mod counted;
mod meter;
mod series;

pub(crate) use self::counted::sample_of;
pub(crate) use self::meter::{Meter, ShardMeter, SharedRecorder};
use self::series::{Finest, Row};
pub(crate) use self::series::{Outcome, Series};

/// How much a worker tells of itself. Each level has the series of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum MetricsLevel {
    /// Nothing.
    None,
    /// What a dashboard needs: records, lag, handlers, leases.
    Summary,
    /// All series: also each kind of call.
    #[default]
    Detailed,
}

/// Of what there are series of its own. Each granularity has the series of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum MetricsGranularity {
    /// Of all workers of the process together: with the label `Operation`.
    #[default]
    Application,
    /// Also of each worker: with the labels `Operation` and `WorkerIdentifier`.
    Worker,
    /// Also of each shard: with the labels `Operation` and `ShardId`.
    Shard,
}

/// The series that a worker has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Selection {
    pub(crate) level: MetricsLevel,
    pub(crate) granularity: MetricsGranularity,
}

impl Selection {
    /// The series of this selection that have labels as fine as `finest`.
    fn rows(self, finest: Finest) -> impl Iterator<Item = &'static Row> {
        let has = match finest {
            Finest::Application => true,
            Finest::Worker => self.granularity >= MetricsGranularity::Worker,
            Finest::Shard => self.granularity >= MetricsGranularity::Shard,
        };
        let is_wanted = move |row: &&Row| match finest {
            Finest::Application => true,
            Finest::Worker | Finest::Shard => row.finest == finest,
        };
        Row::ALL
            .iter()
            .filter(move |row| has && row.level <= self.level)
            .filter(is_wanted)
    }
}

#[cfg(test)]
mod tests;
