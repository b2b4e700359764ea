//! Parents and children, ended leases, and hand-offs.

use super::*;

#[test]
fn a_lease_that_waits_for_a_parent_is_no_load() {
    let leases = [
        owned(0, "a"),
        child_of(owned(1, "a"), &[0]),
        child_of(owned(2, "a"), &[0]),
        owned(3, "b"),
    ];
    let plan = Fleet::new([worker("a"), worker("b")], leases).plan(&LEASE_COUNT);
    assert_eq!((plan.moves, plan.figures.leases), (vec![], 2));
}

#[test]
fn a_child_goes_after_its_parents_to_the_owner_of_one() {
    let leases = [
        child_of(unowned(0), &[1]),
        child_of(unowned(1), &[5]),
        child_of(unowned(2), &[5]),
        owned(3, "a"),
        unowned(5),
    ];
    let plan = Fleet::new([worker("a"), worker("b")], leases).plan(&LEASE_COUNT);
    let expected = [("005", "b"), ("001", "b"), ("002", "b"), ("000", "b")];
    assert_eq!(
        pairs(&plan.assignments),
        expected.map(|(shard, to)| (shard.to_owned(), to))
    );
    assert_eq!(
        plan.assignments[1].reason,
        DecisionReason::FollowsParent { parent: key(5) }
    );
}

#[test]
fn a_parent_that_has_ended_or_has_no_lease_is_not_waited_for() {
    let leases = [
        ended(owned(0, "a")),
        child_of(unowned(1), &[0]),
        child_of(unowned(2), &[9]),
    ];
    let fleet = Fleet::new([worker("a"), worker("b")], leases);
    assert_eq!(fleet.plan(&LEASE_COUNT).figures.leases, 2);
    assert_eq!(counts_after(&fleet, &LEASE_COUNT), [1, 1]);
}

#[test]
fn a_child_takes_its_parents_place_in_the_room_and_its_sibling_goes_elsewhere() {
    let children = [child_of(unowned(1), &[0]), child_of(unowned(2), &[0])];
    let fleet = Fleet::new(
        [with_room("a", 1), with_room("b", 1)],
        [vec![owned(0, "a")], children.to_vec()].concat(),
    );
    let plan = fleet.plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["a", "b"]);
    assert_eq!(plan.assignments[1].reason, DecisionReason::WaitsForParent { leases: 0 });
    let plan = Fleet::new([with_room("a", 1)], fleet.leases).plan(&LEASE_COUNT);
    assert_eq!((plan.assignments.len(), plan.unplaced.len()), (1, 1));
}

#[test]
fn the_parent_for_which_a_full_worker_waits_is_placed_with_it() {
    let leases = [unowned(0), child_of(owned(1, "a"), &[0]), child_of(owned(2, "a"), &[0])];
    for policy in [LEASE_COUNT, UTILIZATION] {
        let plan = Fleet::new([with_room("a", 2)], leases.clone()).plan(&policy);
        assert_eq!(targets(&plan.assignments), ["a"]);
    }
}

#[test]
fn leases_that_wait_for_each_other_are_placed() {
    let leases = [child_of(unowned(0), &[1]), child_of(unowned(1), &[0])];
    let plan = Fleet::new([worker("a")], leases).plan(&LEASE_COUNT);
    assert_eq!(plan.assignments.len(), 2);
}

#[test]
fn an_ended_lease_is_no_load_and_is_placed_only_beside_java_workers() {
    let leases = || {
        [
            ended(owned(0, "a")),
            ended(owned(1, "a")),
            ended(unowned(2)),
            owned(3, "a"),
            owned(4, "b"),
        ]
    };
    let plan = Fleet::new([worker("a"), worker("b")], leases()).plan(&LEASE_COUNT);
    assert_eq!((plan.assignments, plan.moves, plan.unplaced), (vec![], vec![], vec![]));
    let plan = Fleet::new([worker("a"), java("b")], leases()).plan(&LEASE_COUNT);
    assert_eq!((targets(&plan.assignments), plan.moves), (vec!["b"], vec![]));
    assert_eq!(plan.assignments[0].reason, DecisionReason::Ended);
}

#[test]
fn a_lease_in_a_hand_off_counts_for_its_next_owner_and_is_left_alone() {
    let leases = [
        owned(0, "a"),
        owned(1, "a"),
        handing_over(2, "a", "b", HandOff::Pending),
        unowned(3),
    ];
    let plan = Fleet::new([worker("a"), worker("b")], leases).plan(&LEASE_COUNT);
    assert_eq!((targets(&plan.assignments), plan.moves), (vec!["b"], vec![]));
}

#[test]
fn an_overdue_hand_off_is_ended_by_giving_the_lease_to_its_next_owner_if_that_lives() {
    let leases = [
        owned(0, "a"),
        owned(1, "b"),
        handing_over(2, "a", "b", HandOff::Overdue),
    ];
    let plan = Fleet::new([worker("a"), worker("b")], leases.clone()).plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["b"]);
    assert_eq!(
        plan.assignments[0].reason,
        DecisionReason::HandOffOverdue { leases: 1, load: None }
    );
    let plan = Fleet::new([worker("a"), worker("c")], leases).plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.assignments), ["c"]);
}
