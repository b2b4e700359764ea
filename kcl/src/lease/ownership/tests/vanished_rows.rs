//! Rows that are deleted while their owner lives.

use super::*;

/// A world whose row says more than the plain one, and is gone.
fn vanished() -> World {
    let mut world = World::new();
    world.ownership.row = full();
    world.checkpoint(7, "waiter");
    world.write();
    let effects = world.outcome(WriteOutcome::Refused(None));
    let asked = Effect::Vanished {
        epoch: world.ownership.epoch(),
        shard: ShardId::new("shardId-000000000000"),
        stream: Incarnation::default(),
    };
    assert_eq!(effects, [asked]);
    world
}

fn full() -> Lease {
    Lease {
        checkpoint: Some(at(5)),
        pending: Some(PendingCheckpoint {
            position: at(6),
            state: Some(vec![1]),
        }),
        children: [ShardId::new("child")].into(),
        owner_switches: 3,
        ..row(5)
    }
}

fn made() -> Lease {
    Lease { counter: 7, ..full() }
}

fn listed(world: &mut World, listing: Listing) -> Vec<Effect<Named>> {
    world.ownership.listed(listing, world.now)
}

fn made_again(world: &mut World) -> Lease {
    assert!(world.ownership.poll_timeout() <= world.now, "nothing is due");
    assert!(world.is_idle(), "no write of a row that is gone");
    world.ownership.poll_made_again(world.now).unwrap()
}

#[test]
fn a_row_that_is_gone_is_made_again_with_all_that_it_said_and_what_waits_goes_with_the_next_write() {
    for listing in [Listing::Listed, Listing::Unknown] {
        let mut world = vanished();
        let begun = world.now;
        assert_eq!(
            world.ownership.poll_timeout(),
            begun + FAILOVER,
            "it waits for the list"
        );
        assert!(world.is_idle());
        assert_eq!(world.ownership.poll_made_again(world.now), None);
        world.pass(RETRY);
        assert_eq!(listed(&mut world, listing), []);
        let (row, sent) = (made_again(&mut world), world.now);
        assert_eq!(row, made());
        let effects = world.outcome(WriteOutcome::Applied(row));
        assert_eq!(effects, [Effect::MadeAgain, Effect::Valid { until: sent + FAILOVER }]);
        let (write, effects) = world.write_and_apply();
        assert_eq!((write.seen, write.checkpoint), (made(), Some(at(7))));
        assert!(effects.contains(&Effect::Checkpointed {
            waiter: Named("waiter")
        }));
    }
}

#[test]
fn tokens_of_a_row_that_is_made_again_are_beyond_those_of_all_its_owners() {
    let mut world = vanished();
    listed(&mut world, Listing::Listed);
    let row = made_again(&mut world);
    assert!(row.fencing_token() > Some(world.ownership.epoch().0 + 1));
    assert_eq!(row.own.token_base, Some(BASE));
}

#[test]
fn the_row_of_a_shard_that_is_not_listed_is_not_made_again() {
    let mut world = vanished();
    let effects = listed(&mut world, Listing::NotListed);
    let ended = Effect::Ended {
        end: End::Gone,
        waiters: vec![Named("waiter")],
        leaver: None,
    };
    assert_eq!(effects, [ended]);
}

#[test]
fn a_row_at_the_end_of_its_shard_is_not_made_again_nor_one_that_was_to_be() {
    let mut ended = World::new();
    ended.ownership.row.checkpoint = Some(Position::ShardEnd);
    let mut ending = World::new();
    ending
        .ownership
        .checkpoint(Position::ShardEnd, Named("waiter"), ending.now);
    for mut world in [ended, ending] {
        world.pass(RENEWAL).write();
        let effects = world.outcome(WriteOutcome::Refused(None));
        assert_eq!(end(&effects), Some(&End::Gone));
    }
}

#[test]
fn a_lost_reply_is_recognised_in_the_row_that_was_made() {
    let mut world = vanished();
    listed(&mut world, Listing::Listed);
    made_again(&mut world);
    assert_eq!(world.outcome(WriteOutcome::Unknown(error())), []);
    assert_eq!(world.ownership.poll_made_again(world.now), None, "it waits a little");
    world.pass(RETRY);
    made_again(&mut world);
    let effects = world.outcome(WriteOutcome::Refused(Some(made())));
    assert_eq!(effects, [Effect::MadeAgain]);
    assert_eq!(world.write().seen, made(), "at once: the lease is not renewed yet");
}

#[test]
fn a_row_that_another_worker_has_made_meanwhile_is_left_to_it() {
    let anew = Lease {
        owner: None,
        own: OwnAttributes::default(),
        ..row(0)
    };
    let taken = Lease {
        owner: Some(WorkerId::new("other")),
        ..row(9)
    };
    let by = Some(WorkerId::new("other"));
    for (found, expected) in [
        (Some(anew), End::Gone),
        (None, End::Gone),
        (Some(taken), End::Taken { by }),
    ] {
        let mut world = vanished();
        listed(&mut world, Listing::Listed);
        made_again(&mut world);
        let effects = world.outcome(WriteOutcome::Refused(found));
        assert_eq!(end(&effects), Some(&expected));
    }
}

#[test]
fn a_row_that_somebody_has_put_back_is_gone_on_with() {
    let mut world = vanished();
    listed(&mut world, Listing::Listed);
    made_again(&mut world);
    let effects = world.outcome(WriteOutcome::Refused(Some(full())));
    assert_eq!(effects, [Effect::MadeAgain]);
    assert_eq!(world.write().seen, full());
}

#[test]
fn a_lease_whose_row_cannot_be_made_again_lapses_and_no_late_answer_revives_it() {
    let mut world = vanished();
    world.pass(FAILOVER);
    let effects = world.ownership.handle_timeout(world.now);
    assert_eq!(end(&effects), Some(&End::Lapsed));
    let mut world = vanished();
    listed(&mut world, Listing::Listed);
    let row = made_again(&mut world);
    world.pass(FAILOVER);
    let effects = world.outcome(WriteOutcome::Applied(row));
    assert_eq!(end(&effects), Some(&End::Lapsed));
}

#[test]
fn a_lease_that_was_being_given_up_is_made_again_and_then_released() {
    let mut world = World::new();
    world.ownership.leave(Some(Named("leaver")), world.now);
    world.write();
    world.outcome(WriteOutcome::Refused(None));
    listed(&mut world, Listing::Listed);
    let row = made_again(&mut world);
    assert_eq!(row.owner, Some(WorkerId::new("me")));
    world.outcome(WriteOutcome::Applied(row));
    let (write, effects) = world.write_and_apply();
    assert_eq!(write.then, Then::Release);
    assert_eq!(end(&effects), Some(&End::Released));
}
