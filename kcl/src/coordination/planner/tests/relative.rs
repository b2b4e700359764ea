//! The loads of workers that report metrics.

use super::*;

#[test]
fn a_worker_with_metrics_has_the_load_of_its_largest_one() {
    let metrics = |cpu: f64, memory: f64| {
        let metric = |value| Utilization { value, limit: 100.0 };
        Fitness::Measured([("C".to_owned(), metric(cpu)), ("M".to_owned(), metric(memory))].into())
    };
    let make = |name, cpu, memory| WorkerView {
        metrics: metrics(cpu, memory),
        ..worker(name)
    };
    let workers = [make("a", 10.0, 80.0), make("b", 10.0, 10.0), make("c", 10.0, 30.0)];
    let fleet = Fleet::new(workers, [unowned(0)]);
    let plan = fleet.plan(&UTILIZATION);
    assert_eq!(targets(&plan.assignments), ["b"]);
    assert_eq!(
        plan.assignments[0].reason,
        DecisionReason::Unowned {
            leases: 0,
            load: Some(1.0)
        }
    );
}

/// A worker with these metrics, each in percent.
fn with_metrics(name: &str, metrics: &[(&str, f64)]) -> WorkerView {
    let metric = |(name, value): &(&str, f64)| {
        let (value, limit) = (*value, 100.0);
        ((*name).to_owned(), Utilization { value, limit })
    };
    WorkerView {
        metrics: Fitness::Measured(metrics.iter().map(metric).collect()),
        ..worker(name)
    }
}

/// The new owner of an unowned lease in a round by load, and the load that it had.
fn placed_by_load(workers: impl Into<Vec<WorkerView>>, leases: impl IntoIterator<Item = LeaseView>) -> (String, f64) {
    let fleet = Fleet::new(workers, leases.into_iter().chain([reading(unowned(9), 1.0)]));
    let plan = fleet.plan(&UTILIZATION);
    let [
        Decision {
            to,
            reason: DecisionReason::Unowned { load: Some(load), .. },
            ..
        },
    ] = &plan.assignments[..]
    else {
        panic!("{plan:?}")
    };
    (to.to_string(), (load * 1000.0).round() / 1000.0)
}

#[test]
fn a_metric_that_not_all_candidates_report_does_not_count_for_the_load() {
    let workers = [
        with_metrics("a", &[("C", 10.0), ("M", 50.0)]),
        with_metrics("b", &[("C", 30.0)]),
        with_metrics("c", &[("C", 50.0)]),
    ];
    assert_eq!(placed_by_load(workers, []), ("a".to_owned(), 0.333));
}

#[test]
fn without_a_metric_that_all_candidates_report_the_load_is_the_throughput() {
    let leases = || [reading(owned(0, "a"), 90.0), reading(owned(1, "b"), 9.0)];
    let cpu = with_metrics("a", &[("C", 50.0)]);
    for other in [with_metrics("b", &[("M", 50.0)]), worker("b")] {
        assert_eq!(placed_by_load([cpu.clone(), other], leases()), ("b".to_owned(), 0.18));
    }
    let memory = with_metrics("b", &[("M", 50.0)]);
    assert_eq!(placed_by_load([worker("a"), memory], leases()), ("b".to_owned(), 0.18));
}

#[test]
fn a_metric_that_one_candidate_reports_still_keeps_it_within_its_operating_range() {
    let leases = || (0..10).map(|shard| reading(owned(shard, "a"), 10.0));
    let fleet = |value| Fleet::new([worker("a"), with_metrics("b", &[("C", value)])], leases());
    assert_eq!(fleet(50.0).plan(&UTILIZATION).moves.len(), 3);
    assert_eq!(fleet(99.0).plan(&UTILIZATION).moves, []);
}
