//! Levelling by load.

use super::*;

/// `a` reads as much as the sum of `sizes`, the others each as much as one number of theirs.
fn loaded(sizes: &[f64], others: &[(&str, f64)]) -> Fleet {
    let mut fleet = Fleet::new([worker("a")], []);
    for size in sizes {
        fleet.leases.push(reading(owned(fleet.leases.len(), "a"), *size));
    }
    for (name, size) in others {
        fleet.workers.push(worker(name));
        fleet.leases.push(reading(owned(fleet.leases.len(), name), *size));
    }
    fleet
}

#[test]
fn a_worker_above_the_threshold_gives_leases_to_the_least_loaded_one() {
    let fleet = loaded(
        &[50.0, 20.0, 20.0, 10.0, 10.0, 10.0, 10.0, 10.0],
        &[("b", 90.0), ("c", 70.0)],
    );
    let plan = fleet.plan(&UTILIZATION);
    // 60 % of the 40 above the mean.
    let moved: Vec<_> = plan
        .moves
        .iter()
        .filter_map(|made| match made.reason {
            DecisionReason::LevelByLoad { size, .. } => Some((size * 100.0).round()),
            DecisionReason::Unowned { .. }
            | DecisionReason::Expired { .. }
            | DecisionReason::HandOffOverdue { .. }
            | DecisionReason::FollowsParent { .. }
            | DecisionReason::WaitsForParent { .. }
            | DecisionReason::Ended
            | DecisionReason::LevelByCount { .. } => None,
        })
        .collect();
    assert_eq!((moved.iter().sum::<f64>(), targets(&plan.moves)), (20.0, vec!["c"]));
}

#[test]
fn loads_within_the_threshold_are_left_alone() {
    assert_eq!(loaded(&[60.0, 50.0], &[("b", 90.0)]).plan(&UTILIZATION).moves, []);
    assert_ne!(loaded(&[60.0, 42.0, 9.0], &[("b", 89.0)]).plan(&UTILIZATION).moves, []);
}

#[test]
fn no_lease_is_moved_by_load_without_traffic() {
    // With metrics, with and without a known throughput, and with nothing known at all.
    for throughput in [None, Some(0.0), Some(f64::NAN)] {
        let leases = (0..4).map(|shard| LeaseView {
            throughput,
            ..owned(shard, "a")
        });
        for workers in [
            [worker("a"), worker("b")],
            [with_cpu("a", 90.0), with_cpu("b", 10.0)],
            [with_cpu("a", 0.0), with_cpu("b", 0.0)],
        ] {
            let plan = Fleet::new(workers, leases.clone()).plan(&UTILIZATION);
            assert_eq!((plan.figures.rule, plan.moves), (Rule::ByLoad, vec![]));
        }
    }
}

#[test]
fn without_traffic_leases_are_placed_in_equal_numbers() {
    for kbps in [None, Some(0.0), Some(f64::INFINITY)] {
        let leases = (0..9).map(|shard| LeaseView {
            throughput: kbps,
            ..unowned(shard)
        });
        for cpu in [None, Some(0.0), Some(50.0)] {
            let make = |name| cpu.map_or(worker(name), |cpu| with_cpu(name, cpu));
            let fleet = Fleet::new([make("a"), make("b"), make("c")], leases.clone());
            assert_eq!(counts_after(&fleet, &UTILIZATION), [3, 3, 3], "{kbps:?} {cpu:?}");
        }
    }
}

#[test]
fn a_move_that_gains_less_than_one_percent_is_not_made() {
    // Either way one worker would have 1.2 of the mean.
    assert_eq!(loaded(&[40.4, 79.6], &[("b", 80.0)]).plan(&UTILIZATION).moves, []);
    assert_eq!(loaded(&[37.0, 83.0], &[("b", 80.0)]).plan(&UTILIZATION).moves.len(), 1);
}

#[test]
fn overshoot_moves_one_lease_that_is_larger_than_the_share_unless_it_is_forbidden() {
    let fleet = loaded(&[80.0, 80.0], &[("b", 40.0)]);
    assert_eq!(fleet.plan(&UTILIZATION).moves.len(), 1);
    let policy = PlannerPolicy {
        overshoot: Overshoot::Forbidden,
        ..UTILIZATION
    };
    assert_eq!(fleet.plan(&policy).moves, []);
}

#[test]
fn a_target_is_not_filled_beyond_its_operating_range() {
    let busy = |name: &str, value, limit| {
        let metrics = [("C".to_owned(), Utilization { value, limit })];
        WorkerView {
            metrics: Fitness::Measured(metrics.into()),
            ..worker(name)
        }
    };
    let leases = (0..10).map(|shard| reading(owned(shard, "a"), 10.0));
    let fleet = |limit| Fleet::new([busy("a", 60.0, 100.0), busy("b", 30.0, limit)], leases.clone());
    assert_eq!(fleet(100.0).plan(&UTILIZATION).moves.len(), 1);
    assert_eq!(fleet(31.0).plan(&UTILIZATION).moves, []);
}

#[test]
fn a_worker_beyond_its_operating_range_gives_leases_away_though_it_is_not_above_the_threshold() {
    let metrics = [(
        "C".to_owned(),
        Utilization {
            value: 52.0,
            limit: 51.0,
        },
    )];
    let a = WorkerView {
        metrics: Fitness::Measured(metrics.into()),
        ..worker("a")
    };
    let leases = (0..100).map(|shard| reading(owned(shard, "a"), 1.0));
    let plan = Fleet::new([a, with_cpu("b", 48.0)], leases).plan(&UTILIZATION);
    assert_eq!(targets(&plan.moves), ["b"]);
}

#[test]
fn a_lease_that_was_moved_lately_rests() {
    let mut fleet = loaded(&[50.0, 50.0, 50.0], &[("b", 50.0)]);
    for (seconds, moves) in [(299, 0), (300, 1)] {
        for lease in &mut fleet.leases[..3] {
            let since = Some(ago(seconds));
            lease.reader = Reader::Owner { owner: id("a"), since };
        }
        assert_eq!(fleet.plan(&UTILIZATION).moves.len(), moves);
    }
}

#[test]
fn a_worker_whose_leases_have_just_changed_takes_no_part() {
    let mut fleet = loaded(&[50.0, 50.0, 50.0], &[("b", 50.0)]);
    for (seconds, moves) in [(59, 0), (60, 1)] {
        let since = Some(ago(seconds));
        fleet.leases[3].reader = Reader::Owner { owner: id("b"), since };
        assert_eq!(fleet.plan(&UTILIZATION).moves.len(), moves);
    }
    fleet.leases[3] = reading(handing_over(3, "b", "a", HandOff::Pending), 1.0);
    assert_eq!(fleet.plan(&UTILIZATION).moves, []);
}

#[test]
fn a_round_that_places_leases_moves_none_by_load() {
    let mut fleet = loaded(&[50.0, 50.0, 50.0], &[("b", 50.0)]);
    fleet.leases.push(reading(unowned(9), 1.0));
    let plan = fleet.plan(&UTILIZATION);
    assert_eq!((targets(&plan.assignments), plan.moves), (vec!["b"], vec![]));
}

#[test]
fn no_worker_is_to_read_more_than_the_limit_but_a_lease_beyond_it_has_a_worker_of_its_own() {
    let policy = PlannerPolicy {
        max_throughput_per_host: Some(100),
        ..UTILIZATION
    };
    let leases = [
        reading(unowned(0), 150.0),
        reading(unowned(1), 60.0),
        reading(unowned(2), 60.0),
    ];
    let mut fleet = Fleet::new([worker("a"), worker("b")], leases);
    for (changed, rule) in [(None, Rule::ByLoad), (Some(ago(1)), Rule::ByCount)] {
        fleet.membership_changed = changed;
        let plan = fleet.plan(&policy);
        assert_eq!(
            (plan.figures.rule, pairs(&plan.assignments)),
            (rule, vec![("000".to_owned(), "a"), ("001".to_owned(), "b")])
        );
        let reason = NoPlace::TooMuchThroughput {
            kbps: 60.0,
            limit: 100.0,
        };
        assert_eq!(plan.unplaced, [Unplaced { lease: key(2), reason }]);
    }
}

#[test]
fn reasons_are_sentences_with_the_numbers_that_decided() {
    let fleet = loaded(&[80.0, 80.0], &[("b", 40.0)]);
    let plan = fleet.plan(&UTILIZATION);
    assert_eq!(
        plan.moves[0].reason.to_string(),
        "its owner had 1.600 of the mean load, the new owner 0.400, and the lease is 0.800"
    );
    let plan = Fleet::new([silent("a")], [expired(0, "a")]).plan(&LEASE_COUNT);
    assert_eq!(
        plan.unplaced[0].reason.to_string(),
        "none of 1 live workers can be given leases"
    );
}
