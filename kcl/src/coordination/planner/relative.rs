//! Pure: the relative loads of the candidates and the sizes of the leases, in terms of the mean.
//!
//! The fair share is the throughput of all leases, divided by the number of candidates. The size of a lease is its throughput,
//! divided by the fair share. Without any throughput all leases have one size.
//!
//! The load of a candidate is the largest of its metrics, each divided by the mean of the metric. Only metrics that all
//! candidates report count: a metric of some of them says nothing of the others. If the candidates share no metric, the load is
//! the sum of the sizes of the candidate's leases. In both cases the mean of the loads is 1.0, or more with several metrics.
//!
//! The operating ranges of all metrics bound the load of a candidate, also of those that other candidates do not report.

use std::collections::BTreeMap;

use super::board::Board;
use super::limits::LARGEST;
use super::planned_lease::{Hold, PlannedLease, Progress};
use super::view::Utilization;

/// Fills in loads, headrooms and throughputs.
pub(super) fn weigh(board: &mut Board<'_>) {
    let candidates = board.candidates().count() as f64;
    if candidates == 0.0 {
        return;
    }
    weigh_leases(board, candidates);
    let homed = board
        .leases()
        .filter(|(_, planned)| planned.progress == Progress::Ready);
    let homed: Vec<_> = homed
        .filter_map(|(_, planned)| Some((planned.home?, planned.size, planned.throughput)))
        .collect();
    for (home, size, throughput) in homed {
        let candidate = board.candidate_mut(home);
        candidate.load += size;
        candidate.throughput += throughput;
    }
    let means = means(board);
    let all = board.candidates().count();
    for candidate in board.candidates_mut() {
        let Some(metrics) = candidate.view.metrics.measured() else {
            continue;
        };
        let with_means = || {
            let metrics = metrics.iter();
            metrics.filter_map(|(name, metric)| Some((metric, means.get(name.as_str())?)))
        };
        let headrooms = with_means().map(|(metric, mean)| mean.headroom(metric));
        candidate.headroom = headrooms.fold(f64::INFINITY, f64::min);
        let shared = with_means().filter(|(_, mean)| mean.reporters == all);
        let largest = shared.map(|(metric, mean)| mean.load(metric)).reduce(f64::max);
        candidate.load = largest.unwrap_or(candidate.load);
    }
}

/// The sizes of leases that are load and are with a candidate or to be placed.
fn weigh_leases(board: &mut Board<'_>, candidates: f64) {
    let is_load = |planned: &&PlannedLease<'_>| {
        planned.progress == Progress::Ready && (planned.home.is_some() || planned.hold == Hold::Unread)
    };
    let loads: Vec<Option<f64>> = board
        .leases()
        .map(|(_, planned)| planned)
        .filter(is_load)
        .map(|planned| planned.measured())
        .collect();
    let known: Vec<f64> = loads.iter().flatten().copied().collect();
    let mean = known.iter().sum::<f64>() / (known.len().max(1) as f64);
    let unknown = loads.len() - known.len();
    let fair_share = (known.iter().sum::<f64>() + mean * unknown as f64) / candidates;
    let alike = candidates / (loads.len().max(1) as f64);
    for planned in board.leases_mut().filter(|planned| planned.progress == Progress::Ready) {
        planned.throughput = planned.measured().unwrap_or(mean);
        planned.size = if fair_share > 0.0 {
            planned.throughput / fair_share
        } else {
            alike
        };
    }
}

/// The mean of each metric among the candidates that report it.
fn means<'a>(board: &Board<'a>) -> BTreeMap<&'a str, Mean> {
    let mut means: BTreeMap<&str, Mean> = BTreeMap::new();
    let measured = board
        .candidates()
        .filter_map(|(_, candidate)| candidate.view.metrics.measured());
    for (name, metric) in measured.flatten() {
        let mean = means.entry(name.as_str()).or_default();
        mean.sum += metric.value.min(LARGEST);
        mean.reporters += 1;
    }
    means
}

/// The mean of a metric.
#[derive(Debug, Default)]
struct Mean {
    sum: f64,
    /// How many candidates report the metric.
    reporters: usize,
}

impl Mean {
    /// A metric divided by its mean. Workers that all have nothing to do are alike.
    fn load(&self, metric: &Utilization) -> f64 {
        self.value().map_or(1.0, |mean| metric.value.min(LARGEST) / mean)
    }

    /// What a metric leaves of its operating range, divided by its mean.
    fn headroom(&self, metric: &Utilization) -> f64 {
        let left = metric.limit.min(LARGEST) - metric.value.min(LARGEST);
        self.value().map_or(f64::INFINITY, |mean| left / mean)
    }

    /// `None` if it is 0.
    fn value(&self) -> Option<f64> {
        (self.sum > 0.0).then(|| self.sum / self.reporters as f64)
    }
}
