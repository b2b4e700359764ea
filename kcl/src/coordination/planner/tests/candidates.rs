//! Which workers are given leases, and whom an expired lease goes to.

use super::*;

#[test]
fn a_dead_worker_is_not_given_its_own_lease_nor_any_other() {
    let fleet = Fleet::new([silent("dead"), worker("live")], [expired(0, "dead"), unowned(1)]);
    for policy in [LEASE_COUNT, UTILIZATION] {
        assert_eq!(targets(&fleet.plan(&policy).assignments), ["live", "live"]);
    }
}

#[test]
fn a_dead_worker_is_given_nothing_when_others_have_all_its_leases() {
    let dead = WorkerView {
        lease_expired: Some(ago(10)),
        ..silent("dead")
    };
    let alive_again = WorkerView {
        seen: ago(9),
        ..dead.clone()
    };
    for (worker_before, moves) in [(dead, 0), (alive_again, 1)] {
        let plan = Fleet::new([worker_before, worker("live")], [owned(0, "live"), owned(1, "live")]).plan(&LEASE_COUNT);
        assert_eq!(plan.moves.len(), moves);
    }
}

#[test]
fn the_owner_of_an_expired_lease_gets_it_back_once_it_was_seen_alive_after_the_expiry() {
    let fleet = Fleet::new(
        [worker("b"), worker("a")],
        [expired(0, "a"), expired(1, "b"), expired(2, "a"), expired(3, "b")],
    );
    for policy in [LEASE_COUNT, UTILIZATION] {
        let plan = fleet.plan(&policy);
        let mut pairs = pairs(&plan.assignments);
        pairs.sort_unstable();
        assert_eq!(
            pairs,
            [("000", "a"), ("001", "b"), ("002", "a"), ("003", "b")].map(|(shard, to)| (shard.to_owned(), to))
        );
    }
}

#[test]
fn a_worker_that_plans_is_a_candidate_whatever_its_leases_look_like() {
    let fleet = Fleet::new([silent("me")], [expired(0, "me")]);
    assert_eq!(targets(&fleet.plan_as("me", &LEASE_COUNT).assignments), ["me"]);
    let plan = fleet.plan_as("other", &LEASE_COUNT);
    assert_eq!(plan.unplaced[0].reason, NoPlace::NoCandidate { live: 1 });
}

#[test]
fn a_worker_whose_metrics_fail_or_cannot_be_read_is_given_nothing_and_keeps_what_it_has() {
    let nan = with_cpu("bad", f64::NAN).metrics;
    for metrics in [Fitness::Failing, Fitness::Invalid, nan] {
        let bad = WorkerView {
            metrics,
            ..worker("bad")
        };
        let leases = [
            owned(0, "bad"),
            owned(1, "bad"),
            owned(2, "bad"),
            unowned(3),
            unowned(4),
        ];
        let plan = Fleet::new([bad, worker("good")], leases).plan(&LEASE_COUNT);
        assert_eq!((targets(&plan.assignments), plan.moves), (vec!["good", "good"], vec![]));
    }
}

#[test]
fn if_no_worker_has_usable_metrics_leases_are_given_to_all_live_workers() {
    let unusable = [Fitness::Failing, Fitness::Invalid, with_cpu("c", f64::NAN).metrics];
    let live = ["a", "b", "c"].into_iter().zip(unusable);
    let live = live.map(|(name, metrics)| WorkerView {
        metrics,
        ..worker(name)
    });
    let leases = (0..6).map(|shard| match shard {
        0 => expired(0, "dead"),
        _ => unowned(shard),
    });
    let fleet = Fleet::new(live.chain([silent("dead")]).collect::<Vec<_>>(), leases);
    for policy in [LEASE_COUNT, UTILIZATION] {
        assert_eq!(fleet.plan(&policy).figures.candidates, 3);
        assert_eq!(counts_after(&fleet, &policy), [2, 2, 2, 0]);
    }
}

#[test]
fn a_full_worker_is_given_nothing_and_what_has_no_place_is_told() {
    let fleet = Fleet::new(
        [with_room("full", 1), with_room("small", 2), silent("dead")],
        [owned(0, "full"), unowned(1), expired(2, "dead"), unowned(3)],
    );
    for policy in [LEASE_COUNT, UTILIZATION] {
        let plan = fleet.plan(&policy);
        assert_eq!(targets(&plan.assignments), ["small", "small"]);
        // What was read before goes first.
        assert_eq!(plan.assignments.iter().filter(|made| made.lease == key(2)).count(), 1);
        assert_eq!(
            plan.unplaced,
            [Unplaced {
                lease: key(3),
                reason: NoPlace::NoRoom { candidates: 2 }
            }]
        );
        assert_eq!((plan.figures.room, plan.figures.leases, plan.figures.live), (3, 4, 3));
    }
}

#[test]
fn the_room_of_a_worker_whose_row_says_nothing_is_that_of_the_settings() {
    let policy = PlannerPolicy {
        max_leases: Some(1),
        ..LEASE_COUNT
    };
    let plan = Fleet::new([java("a"), with_room("b", 3)], (0..5).map(unowned)).plan(&policy);
    assert_eq!((plan.assignments.len(), plan.unplaced.len()), (4, 1));
}

#[test]
fn a_worker_with_two_rows_counts_once() {
    let fleet = Fleet::new([worker("a"), worker("a"), worker("b")], (0..4).map(unowned));
    assert_eq!(counts_after(&fleet, &LEASE_COUNT), [2, 2]);
    let older = WorkerView {
        metrics: Fitness::Failing,
        seen: ago(30),
        ..worker("a")
    };
    for workers in [[older.clone(), worker("a")], [worker("a"), older]] {
        assert_eq!(
            Fleet::new(workers, [unowned(0)]).plan(&LEASE_COUNT).assignments.len(),
            1
        );
    }
}

#[test]
fn an_expired_lease_goes_to_a_rust_worker_with_room_though_a_java_worker_has_fewer_leases() {
    let leases = || [owned(0, "rust"), owned(1, "rust"), expired(2, "dead")];
    let plan = Fleet::new([worker("rust"), java("java")], leases()).plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["rust"]);
    let plan = Fleet::new([with_room("rust", 2), java("java")], leases()).plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["java"]);
}

#[test]
fn a_lease_without_owner_goes_to_the_java_worker_that_has_fewer_leases() {
    let leases = [owned(0, "rust"), unowned(1)];
    let plan = Fleet::new([worker("rust"), java("java")], leases).plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["java"]);
    let plan = Fleet::new([java("java"), worker("rust")], [unowned(0)]).plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["rust"]);
}

#[test]
fn an_expired_lease_is_not_torn_from_a_java_worker_that_lives() {
    let leases = [expired(0, "java"), owned(1, "rust")];
    let plan = Fleet::new([worker("rust"), java("java")], leases).plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["java"]);
}
