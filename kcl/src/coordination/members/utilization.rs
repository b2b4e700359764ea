//! Pure: what a metrics row says of the load of its worker.
//!
//! Source: amazon-kinesis-client 3.5, `WorkerMetricStats` and `LeaseAssignmentManager`.

use std::collections::BTreeMap;

use crate::coordination::planner::{Fitness, Utilization};
use crate::coordination::rows::WorkerMetrics;
use crate::coordination::rows::metrics::FAILED;

/// How much the newer value counts in the moving average.
///
/// Source: amazon-kinesis-client 3.5, the default of `workerMetricsEMAAlpha`.
const ALPHA: f64 = 0.5;

/// The metric by which a leader of the KCL balances workers that report none. The KCL's.
const THROUGHPUT: &str = "T";

/// What the row says. A worker without a row is given nothing.
pub(super) fn load_of(row: Option<&WorkerMetrics>) -> Fitness {
    let Some(row) = row else { return Fitness::Invalid };
    if row.stats.as_ref().is_none_or(BTreeMap::is_empty) && row.operating_range.as_ref().is_none_or(BTreeMap::is_empty)
    {
        return Fitness::Default;
    }
    let (Some(stats), Some(ranges)) = (&row.stats, &row.operating_range) else {
        return Fitness::Invalid;
    };
    if stats.contains_key(THROUGHPUT) {
        return Fitness::Default;
    }
    let limits: BTreeMap<_, _> = ranges.iter().map(|(name, range)| (name, limit(range))).collect();
    if limits.values().any(Option::is_none) {
        return Fitness::Invalid;
    }
    let mut measured = BTreeMap::new();
    for (name, values) in stats {
        let Some(limit) = limits.get(name).copied().flatten() else {
            return Fitness::Invalid;
        };
        match (values.last(), average(values)) {
            (Some(last), _) if *last == FAILED => return Fitness::Failing,
            (Some(_), Some(value)) => drop(measured.insert(name.clone(), Utilization { value, limit })),
            (Some(_) | None, None) | (None, Some(_)) => return Fitness::Invalid,
        }
    }
    Fitness::Measured(measured)
}

/// The top of an operating range. `None`: it is not usable.
fn limit(range: &[u64]) -> Option<f64> {
    let top = range.iter().max().filter(|limit| **limit > 0);
    top.map(|limit| *limit as f64)
}

/// The moving average of the values, oldest first, without those of failed captures.
fn average(values: &[f64]) -> Option<f64> {
    let good = values.iter().copied().filter(|value| *value != FAILED);
    good.reduce(|average, value| ALPHA * value + (1.0 - ALPHA) * average)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::model::WorkerId;

    type Series = [(&'static str, &'static [f64])];
    type Ranges = [(&'static str, &'static [u64])];

    fn map<T: Clone>(series: &[(&'static str, &'static [T])]) -> BTreeMap<String, Vec<T>> {
        let owned = series
            .iter()
            .map(|(name, values)| ((*name).to_owned(), values.to_vec()));
        owned.collect()
    }

    fn row(stats: Option<&Series>, ranges: Option<&Ranges>) -> WorkerMetrics {
        WorkerMetrics {
            stats: stats.map(map),
            operating_range: ranges.map(map),
            ..WorkerMetrics::without_metrics(WorkerId::new("w"), 1)
        }
    }

    fn load(stats: Option<&Series>, ranges: Option<&Ranges>) -> Fitness {
        load_of(Some(&row(stats, ranges)))
    }

    const RANGE: &Ranges = &[("C", &[80])];

    #[test]
    fn a_metric_is_the_moving_average_of_its_values_without_those_of_failed_captures() {
        let stats: &Series = &[("C", &[FAILED, 40.0, FAILED, 20.0, 50.0])];
        let expected = Utilization {
            value: 40.0,
            limit: 80.0,
        };
        assert_eq!(
            load(Some(stats), Some(RANGE)),
            Fitness::Measured(BTreeMap::from([("C".to_owned(), expected)]))
        );
    }

    #[test]
    fn a_worker_whose_latest_capture_failed_is_failing() {
        let stats: &Series = &[("C", &[40.0]), ("M", &[1.0, FAILED])];
        let ranges: &Ranges = &[("C", &[80]), ("M", &[80])];
        assert_eq!(load(Some(stats), Some(ranges)), Fitness::Failing);
    }

    #[test]
    fn a_row_without_metrics_or_with_throughput_is_balanced_by_throughput() {
        assert_eq!(load(Some(&[]), Some(&[])), Fitness::Default);
        assert_eq!(load(None, None), Fitness::Default);
        assert_eq!(load(Some(&[("T", &[1.0])]), Some(&[("T", &[100])])), Fitness::Default);
    }

    #[test]
    fn a_row_that_cannot_be_used_is_invalid() {
        let stats: &Series = &[("C", &[40.0])];
        assert_eq!(load_of(None), Fitness::Invalid);
        assert_eq!(load(Some(stats), None), Fitness::Invalid);
        assert_eq!(load(None, Some(RANGE)), Fitness::Invalid);
        assert_eq!(load(Some(stats), Some(&[("M", &[80])])), Fitness::Invalid);
        assert_eq!(load(Some(stats), Some(&[("C", &[])])), Fitness::Invalid);
        assert_eq!(load(Some(stats), Some(&[("C", &[0])])), Fitness::Invalid);
        assert_eq!(load(Some(&[("C", &[])]), Some(RANGE)), Fitness::Invalid);
    }
}
