//! Pure: the relative loads of candidates, and how much of it a lease is.
//!
//! The fair share is the throughput of all leases divided by the number of candidates. A lease is so much of a relative load
//! as its throughput is of the fair share. A candidate with metrics has the largest of its metrics, each divided by the mean of
//! the candidates that report it; one without metrics has its throughput divided by the fair share. So 1.0 is the mean.
//!
//! Without any throughput all leases are alike, and a lease is its share of the number of leases.

use std::collections::BTreeMap;

use super::board::Board;
use super::item::{Hold, Item, Progress};
use super::limits::LARGEST;
use super::view::{Utilization, WorkerMetrics};

/// Fills in loads, headrooms and throughputs.
pub(super) fn weigh(board: &mut Board<'_>) {
    let candidates = board.candidates().count() as f64;
    if candidates == 0.0 {
        return;
    }
    weigh_leases(board, candidates);
    let homed = board.items().filter(|(_, item)| item.progress == Progress::Ready);
    let homed: Vec<_> = homed
        .filter_map(|(_, item)| Some((item.home?, item.size, item.throughput)))
        .collect();
    for (home, size, throughput) in homed {
        let candidate = board.candidate_mut(home);
        candidate.load += size;
        candidate.throughput += throughput;
    }
    let means = means(board);
    for candidate in board.candidates_mut() {
        match &candidate.view.metrics {
            WorkerMetrics::Measured(metrics) if !metrics.is_empty() => {
                let relative = || {
                    metrics
                        .iter()
                        .map(|(name, metric)| Relative::of(metric, means.get(name.as_str())))
                };
                candidate.load = relative().map(|relative| relative.load).fold(0.0, f64::max);
                candidate.headroom = relative()
                    .map(|relative| relative.headroom)
                    .fold(f64::INFINITY, f64::min);
            }
            WorkerMetrics::Default | WorkerMetrics::Measured(_) | WorkerMetrics::Failing | WorkerMetrics::Invalid => {}
        }
    }
}

/// The sizes of leases that are load and are with a candidate or to be placed.
fn weigh_leases(board: &mut Board<'_>, candidates: f64) {
    let is_load =
        |item: &&Item<'_>| item.progress == Progress::Ready && (item.home.is_some() || item.hold == Hold::Unread);
    let loads: Vec<Option<f64>> = board
        .items()
        .map(|(_, item)| item)
        .filter(is_load)
        .map(|item| item.measured())
        .collect();
    let known: Vec<f64> = loads.iter().flatten().copied().collect();
    let mean = known.iter().sum::<f64>() / (known.len().max(1) as f64);
    let unknown = loads.len() - known.len();
    let fair_share = (known.iter().sum::<f64>() + mean * unknown as f64) / candidates;
    let alike = candidates / (loads.len().max(1) as f64);
    for item in board.items_mut().filter(|item| item.progress == Progress::Ready) {
        item.throughput = item.measured().unwrap_or(mean);
        item.size = if fair_share > 0.0 {
            item.throughput / fair_share
        } else {
            alike
        };
    }
}

/// The mean of each metric among the candidates that report it.
fn means<'a>(board: &Board<'a>) -> BTreeMap<&'a str, f64> {
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (_, candidate) in board.candidates() {
        if let WorkerMetrics::Measured(metrics) = &candidate.view.metrics {
            for (name, metric) in metrics {
                let (sum, count) = sums.entry(name).or_default();
                *sum += metric.value.min(LARGEST);
                *count += 1.0;
            }
        }
    }
    sums.into_iter()
        .map(|(name, (sum, count))| (name, sum / count))
        .collect()
}

struct Relative {
    load: f64,
    headroom: f64,
}

impl Relative {
    /// A metric in terms of its mean. Workers that all have nothing to do are alike.
    fn of(metric: &Utilization, mean: Option<&f64>) -> Self {
        match mean {
            Some(mean) if *mean > 0.0 => Self {
                load: metric.value.min(LARGEST) / mean,
                headroom: (metric.limit.min(LARGEST) - metric.value.min(LARGEST)) / mean,
            },
            Some(_) | None => Self {
                load: 1.0,
                headroom: f64::INFINITY,
            },
        }
    }
}
