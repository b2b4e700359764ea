//! Levelling by count.

use super::*;

#[test]
fn a_new_worker_gets_its_share_in_one_plan_with_as_many_moves_as_it_takes() {
    let leases = (0..10).map(|shard| owned(shard, if shard < 5 { "a" } else { "b" }));
    let fleet = Fleet::new([worker("a"), worker("b"), worker("c")], leases);
    let plan = fleet.plan(&LEASE_COUNT);
    assert_eq!(targets(&plan.moves), ["c", "c", "c"]);
    assert_eq!(
        plan.moves[0].reason,
        DecisionReason::LevelByCount {
            from_leases: 5,
            to_leases: 0
        }
    );
    assert_eq!(counts_after(&fleet, &LEASE_COUNT), [4, 3, 3]);
}

#[test]
fn counts_that_differ_by_one_are_left_alone() {
    let leases = (0..5).map(|shard| owned(shard, if shard < 2 { "a" } else { "b" }));
    assert_eq!(
        Fleet::new([worker("a"), worker("b")], leases).plan(&LEASE_COUNT).moves,
        []
    );
}

#[test]
fn a_worker_with_more_leases_than_it_may_have_gives_away_those_for_which_others_have_room() {
    let leases = (0..5).map(|shard| owned(shard, "a"));
    let fleet = Fleet::new([with_room("a", 2), with_room("b", 1)], leases);
    assert_eq!(counts_after(&fleet, &LEASE_COUNT), [4, 1]);
}

#[test]
fn leases_that_came_lately_and_parents_of_children_stay_rather_than_others() {
    let late = LeaseView {
        reader: Reader::Owner {
            owner: id("a"),
            since: Some(ago(5)),
        },
        ..owned(0, "a")
    };
    let leases = [
        late,
        owned(1, "a"),
        child_of(owned(2, "a"), &[1]),
        owned(3, "a"),
        owned(4, "a"),
    ];
    let plan = Fleet::new([worker("a"), worker("b")], leases).plan(&LEASE_COUNT);
    assert_eq!(pairs(&plan.moves), [("003".to_owned(), "b"), ("004".to_owned(), "b")]);
}

#[test]
fn for_a_minute_after_a_membership_change_utilization_levels_by_count() {
    let leases = (0..4).map(|shard| owned(shard, "a"));
    let mut fleet = Fleet::new([worker("a"), worker("b")], leases);
    fleet.membership_changed = Some(ago(59));
    let plan = fleet.plan(&UTILIZATION);
    assert_eq!((plan.figures.rule, plan.moves.len()), (Rule::ByCount, 2));
    fleet.membership_changed = Some(ago(60));
    let plan = fleet.plan(&UTILIZATION);
    assert_eq!((plan.figures.rule, plan.moves.len()), (Rule::ByLoad, 0));
}

#[test]
fn the_leases_of_a_dead_worker_are_dealt_by_size_so_that_loads_come_out_alike() {
    let sizes = [1.0, 4.0, 6.0, 5.0];
    let leases = (0..4).map(|shard| reading(expired(shard, "dead"), sizes[shard]));
    let mut fleet = Fleet::new([worker("a"), worker("b")], leases);
    fleet.membership_changed = Some(ago(1));
    let plan = fleet.plan(&UTILIZATION);
    let of_a = plan.assignments.iter().filter(|made| made.to == id("a"));
    let sum: f64 = of_a
        .filter_map(|made| fleet.leases.iter().find(|lease| lease.key == made.lease)?.throughput)
        .sum();
    assert!(sum == 7.0 || sum == 9.0, "{sum}");
}
