//! Writes that change who owns a lease.

use super::bench::{Bench, at, handed, key, owned, unowned};
use crate::checkpoint::position::Position;
use crate::lease::model::{Lease, OtherAttributes, OwnAttributes, WorkerId};
use crate::lease::write::{CounterCondition, LeaseWrite, OwnerWrite, Then};
use crate::stream::Incarnation;

run_against_each_backend! {
    a_renewal_raises_the_counter_and_changes_nothing_else,
    a_renewal_on_an_older_counter_is_refused_with_the_row,
    a_renewal_of_a_row_that_is_gone_is_refused_without_one,
    a_row_is_made_again_as_it_was_if_there_is_none,
    an_owner_that_was_asked_to_hand_over_is_refused_until_it_has_seen_that,
    a_checkpoint_is_refused_too_until_the_owner_has_seen_the_offer,
    a_release_carries_the_final_checkpoint,
    a_release_during_a_hand_off_frees_the_lease,
    a_hand_over_carries_the_final_checkpoint_and_leaves_the_next_owner,
    a_take_makes_another_worker_the_owner_and_counts_the_switch,
    a_take_of_a_lease_that_nobody_owns_is_no_switch,
    a_take_by_the_owner_is_no_switch,
    a_take_during_a_hand_off_ends_it,
    a_take_on_an_older_counter_is_refused_with_the_row,
    a_take_sets_our_own_attributes_where_they_are_absent,
    each_take_raises_the_token_base_also_one_by_the_owner_itself,
    an_adoption_renews_the_lease_and_raises_its_token_base,
    an_adoption_sets_our_own_attributes_where_they_are_absent,
    an_adoption_is_refused_on_an_older_counter_and_once_a_hand_off_was_offered,
    an_assignment_bound_to_the_counter_is_refused_after_a_renewal,
    an_assignment_not_bound_to_the_counter_is_applied_after_a_renewal,
    an_assignment_of_a_lease_that_nobody_owns_is_no_switch,
    an_assignment_completes_a_hand_off_without_a_switch,
    an_assignment_back_to_the_owner_that_still_reads_is_a_switch,
    an_assignment_is_refused_once_the_owner_has_changed,
    an_assignment_is_refused_once_a_hand_off_was_offered,
    an_assignment_of_a_row_that_is_gone_is_refused_without_one,
    an_offer_names_both_owners_and_leaves_the_counter,
    an_offer_is_refused_if_another_worker_owns_the_lease,
    a_second_offer_is_refused,
    an_offer_of_a_row_that_is_gone_is_refused_without_one,
}

fn renewal(seen: Lease) -> LeaseWrite {
    LeaseWrite::Owner(OwnerWrite::renewal(seen))
}

fn checkpoint(seen: Lease, position: Position, then: Then) -> LeaseWrite {
    LeaseWrite::Owner(OwnerWrite {
        checkpoint: Some(position),
        then,
        ..OwnerWrite::renewal(seen)
    })
}

fn take(seen: Lease, by: &str) -> LeaseWrite {
    LeaseWrite::Take {
        seen,
        by: WorkerId::new(by),
        own: OwnAttributes::default(),
    }
}

fn assign(seen: Lease, to: &str, counter: CounterCondition) -> LeaseWrite {
    LeaseWrite::Assign {
        seen,
        to: WorkerId::new(to),
        counter,
    }
}

fn offer(from: &str, to: &str) -> LeaseWrite {
    LeaseWrite::OfferHandOff {
        key: key(),
        from: WorkerId::new(from),
        to: WorkerId::new(to),
    }
}

async fn a_renewal_raises_the_counter_and_changes_nothing_else(bench: &Bench) {
    bench.put(&owned()).await;
    let renewed = bench.applied(renewal(owned())).await;
    assert_eq!(renewed, Lease { counter: 8, ..owned() });
}

async fn a_renewal_on_an_older_counter_is_refused_with_the_row(bench: &Bench) {
    bench.put(&owned()).await;
    bench.refused(renewal(Lease { counter: 6, ..owned() })).await;
}

async fn a_renewal_of_a_row_that_is_gone_is_refused_without_one(bench: &Bench) {
    bench.refused(renewal(owned())).await;
}

async fn a_row_is_made_again_as_it_was_if_there_is_none(bench: &Bench) {
    let lease = owned();
    let made = bench.applied(LeaseWrite::MakeAgain { lease: lease.clone() }).await;
    // Beside what it says of the lease, a new row says that it is one.
    let plain = |row: Lease| Lease {
        others: OtherAttributes::default(),
        ..row
    };
    assert_eq!(plain(made), lease);
    assert_eq!(bench.lease(&key()).await.map(plain), Some(lease.clone()));
    let later = Lease { counter: 12, ..lease };
    bench.refused(LeaseWrite::MakeAgain { lease: later }).await;
}

async fn an_owner_that_was_asked_to_hand_over_is_refused_until_it_has_seen_that(bench: &Bench) {
    bench.put(&handed()).await;
    bench.refused(renewal(owned())).await;
    let renewed = bench.applied(renewal(handed())).await;
    assert_eq!(renewed, Lease { counter: 8, ..handed() });
}

async fn a_checkpoint_is_refused_too_until_the_owner_has_seen_the_offer(bench: &Bench) {
    bench.put(&handed()).await;
    bench.refused(checkpoint(owned(), at("9"), Then::Keep)).await;
    bench.refused(checkpoint(owned(), at("9"), Then::Release)).await;
    let written = bench.applied(checkpoint(handed(), at("9"), Then::Keep)).await;
    assert_eq!(written.checkpoint, Some(at("9")));
}

async fn a_release_carries_the_final_checkpoint(bench: &Bench) {
    bench.put(&owned()).await;
    let released = bench.applied(checkpoint(owned(), at("9"), Then::Release)).await;
    let expected = Lease {
        counter: 8,
        checkpoint: Some(at("9")),
        owner_switches: 0,
        ..unowned()
    };
    assert_eq!(released, expected);
}

async fn a_release_during_a_hand_off_frees_the_lease(bench: &Bench) {
    bench.put(&handed()).await;
    let write = OwnerWrite {
        then: Then::Release,
        ..OwnerWrite::renewal(handed())
    };
    let released = bench.applied(LeaseWrite::Owner(write)).await;
    assert_eq!(
        released,
        Lease {
            counter: 8,
            ..unowned()
        }
    );
}

async fn a_hand_over_carries_the_final_checkpoint_and_leaves_the_next_owner(bench: &Bench) {
    bench.put(&handed()).await;
    let given = bench.applied(checkpoint(handed(), at("9"), Then::HandOver)).await;
    let expected = Lease {
        counter: 8,
        checkpoint: Some(at("9")),
        owner_switches: 0,
        checkpoint_owner: None,
        ..handed()
    };
    assert_eq!(given, expected);
}

async fn a_take_makes_another_worker_the_owner_and_counts_the_switch(bench: &Bench) {
    bench.put(&owned()).await;
    let taken = bench.applied(take(owned(), "b")).await;
    let expected = Lease {
        owner: Some(WorkerId::new("b")),
        counter: 8,
        owner_switches: 3,
        ..owned()
    };
    assert_eq!(taken, expected);
}

async fn a_take_of_a_lease_that_nobody_owns_is_no_switch(bench: &Bench) {
    bench.put(&unowned()).await;
    let taken = bench.applied(take(unowned(), "a")).await;
    assert_eq!(taken, Lease { counter: 8, ..owned() });
}

async fn a_take_by_the_owner_is_no_switch(bench: &Bench) {
    bench.put(&owned()).await;
    let taken = bench.applied(take(owned(), "a")).await;
    assert_eq!(taken, Lease { counter: 8, ..owned() });
}

async fn a_take_during_a_hand_off_ends_it(bench: &Bench) {
    bench.put(&handed()).await;
    let taken = bench.applied(take(handed(), "a")).await;
    let expected = Lease {
        counter: 8,
        owner_switches: 3,
        ..owned()
    };
    assert_eq!(taken, expected);
}

async fn a_take_on_an_older_counter_is_refused_with_the_row(bench: &Bench) {
    bench.put(&owned()).await;
    bench.refused(take(Lease { counter: 6, ..owned() }, "b")).await;
}

async fn a_take_sets_our_own_attributes_where_they_are_absent(bench: &Bench) {
    let mut row = owned();
    row.own.stream.created = Some(5);
    bench.put(&row).await;
    let own = OwnAttributes {
        stream: Incarnation {
            arn: Some("arn:aws:kinesis:eu-north-1:123456789012:stream/orders".into()),
            created: Some(6),
        },
        token_base: Some(7),
    };
    let taken = bench
        .applied(LeaseWrite::Take {
            seen: row,
            by: WorkerId::new("b"),
            own: own.clone(),
        })
        .await;
    let mut expected = own;
    expected.stream.created = Some(5);
    assert_eq!(taken.own, expected);
}

async fn each_take_raises_the_token_base_also_one_by_the_owner_itself(bench: &Bench) {
    let mut row = owned();
    row.own.token_base = Some(5);
    bench.put(&row).await;
    let own = OwnAttributes {
        token_base: Some(70),
        ..OwnAttributes::default()
    };
    let write = LeaseWrite::Take {
        by: row.owner.clone().unwrap(),
        seen: row.clone(),
        own,
    };
    let taken = bench.applied(write).await;
    assert_eq!((taken.own.token_base, taken.counter), (Some(6), row.counter + 1));
}

fn adopt(seen: Lease, token_base: Option<u64>) -> LeaseWrite {
    let own = OwnAttributes {
        token_base,
        ..OwnAttributes::default()
    };
    LeaseWrite::Adopt { seen, own }
}

async fn an_adoption_renews_the_lease_and_raises_its_token_base(bench: &Bench) {
    let mut row = owned();
    row.own.token_base = Some(5);
    bench.put(&row).await;
    let adopted = bench.applied(adopt(row.clone(), Some(70))).await;
    row.own.token_base = Some(6);
    assert_eq!(adopted, Lease { counter: 8, ..row });
}

async fn an_adoption_sets_our_own_attributes_where_they_are_absent(bench: &Bench) {
    bench.put(&owned()).await;
    let adopted = bench.applied(adopt(owned(), Some(70))).await;
    assert_eq!(adopted.own.token_base, Some(70));
}

async fn an_adoption_is_refused_on_an_older_counter_and_once_a_hand_off_was_offered(bench: &Bench) {
    bench.put(&owned()).await;
    bench.refused(adopt(Lease { counter: 6, ..owned() }, None)).await;
    bench.applied(offer(owned().owner.unwrap().as_str(), "b")).await;
    bench.refused(adopt(owned(), None)).await;
}

async fn an_assignment_bound_to_the_counter_is_refused_after_a_renewal(bench: &Bench) {
    bench.put(&owned()).await;
    let renewed = bench.applied(renewal(owned())).await;
    bench.refused(assign(owned(), "b", CounterCondition::AsSeen)).await;
    let given = bench.applied(assign(renewed, "b", CounterCondition::AsSeen)).await;
    assert_eq!(given.counter, 9);
}

async fn an_assignment_not_bound_to_the_counter_is_applied_after_a_renewal(bench: &Bench) {
    bench.put(&owned()).await;
    bench.applied(renewal(owned())).await;
    let given = bench.applied(assign(owned(), "b", CounterCondition::Any)).await;
    let expected = Lease {
        owner: Some(WorkerId::new("b")),
        counter: 9,
        owner_switches: 3,
        ..owned()
    };
    assert_eq!(given, expected);
}

async fn an_assignment_of_a_lease_that_nobody_owns_is_no_switch(bench: &Bench) {
    bench.put(&unowned()).await;
    let given = bench.applied(assign(unowned(), "a", CounterCondition::AsSeen)).await;
    assert_eq!(given, Lease { counter: 8, ..owned() });
}

async fn an_assignment_completes_a_hand_off_without_a_switch(bench: &Bench) {
    bench.put(&handed()).await;
    let given = bench.applied(assign(handed(), "b", CounterCondition::Any)).await;
    let expected = Lease {
        counter: 8,
        checkpoint_owner: None,
        ..handed()
    };
    assert_eq!(given, expected);
}

async fn an_assignment_back_to_the_owner_that_still_reads_is_a_switch(bench: &Bench) {
    bench.put(&handed()).await;
    let given = bench.applied(assign(handed(), "a", CounterCondition::Any)).await;
    assert_eq!((given.owner, given.owner_switches), (Some(WorkerId::new("a")), 3));
}

async fn an_assignment_is_refused_once_the_owner_has_changed(bench: &Bench) {
    bench.put(&owned()).await;
    bench.applied(take(owned(), "c")).await;
    bench.refused(assign(owned(), "b", CounterCondition::Any)).await;
    bench.refused(assign(unowned(), "b", CounterCondition::Any)).await;
}

async fn an_assignment_is_refused_once_a_hand_off_was_offered(bench: &Bench) {
    bench.put(&owned()).await;
    let offered = bench.applied(offer("a", "a2")).await;
    let seen = Lease {
        owner: Some(WorkerId::new("a2")),
        ..owned()
    };
    bench.refused(assign(seen, "b", CounterCondition::Any)).await;
    bench.applied(assign(offered, "b", CounterCondition::Any)).await;
}

async fn an_assignment_of_a_row_that_is_gone_is_refused_without_one(bench: &Bench) {
    bench.refused(assign(owned(), "b", CounterCondition::AsSeen)).await;
    bench.refused(assign(unowned(), "b", CounterCondition::Any)).await;
}

async fn an_offer_names_both_owners_and_leaves_the_counter(bench: &Bench) {
    bench.put(&owned()).await;
    assert_eq!(bench.applied(offer("a", "b")).await, handed());
}

async fn an_offer_is_refused_if_another_worker_owns_the_lease(bench: &Bench) {
    bench.put(&owned()).await;
    bench.refused(offer("c", "b")).await;
    bench.put(&unowned()).await;
    bench.refused(offer("a", "b")).await;
}

async fn a_second_offer_is_refused(bench: &Bench) {
    bench.put(&handed()).await;
    bench.refused(offer("b", "c")).await;
}

async fn an_offer_of_a_row_that_is_gone_is_refused_without_one(bench: &Bench) {
    bench.refused(offer("a", "b")).await;
}
