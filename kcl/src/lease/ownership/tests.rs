//! One ownership at a time, through answers that come, come late, or never.

#![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

mod moves;
mod unreliable_network;
mod vanished_rows;

use super::*;
use crate::error::CallErrorKind;
use crate::lease::model::OwnAttributes;

const FAILOVER: Duration = Duration::from_secs(10);
const RENEWAL: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_millis(300);
const BASE: u64 = 1_000;

/// One ownership, and the time.
struct World {
    ownership: Ownership<Named>,
    now: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Named(&'static str);

impl Waiter for Named {
    fn is_gone(&self) -> bool {
        false
    }
}

fn row(counter: u64) -> Lease {
    Lease {
        owner: Some(WorkerId::new("me")),
        counter,
        own: OwnAttributes {
            token_base: Some(BASE),
            ..OwnAttributes::default()
        },
        ..Lease::of_orders("shardId-000000000000", Position::TrimHorizon)
    }
}

fn at(number: u64) -> Position {
    Position::from_row(&number.to_string(), 0).unwrap()
}

fn error() -> TableError {
    TableError {
        operation: "UpdateItem",
        kind: CallErrorKind::Throttled {
            code: "ThrottlingException".into(),
        },
    }
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let terms = Terms {
            failover: FAILOVER,
            renewal: RENEWAL,
        };
        Self {
            ownership: Ownership::begin(WorkerId::new("me"), terms, row(5), now, RENEWAL),
            now,
        }
    }

    fn pass(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    /// The write that is due now.
    fn write(&mut self) -> OwnerWrite {
        assert!(self.ownership.poll_timeout() <= self.now, "nothing is due");
        self.ownership.poll_write(self.now).unwrap()
    }

    fn is_idle(&mut self) -> bool {
        self.ownership.poll_write(self.now).is_none()
    }

    fn outcome(&mut self, outcome: WriteOutcome) -> Vec<Effect<Named>> {
        self.ownership.handle_outcome(outcome, |_failures| RETRY, self.now)
    }

    fn checkpoint(&mut self, number: u64, waiter: &'static str) -> Vec<Effect<Named>> {
        self.ownership.checkpoint(at(number), Named(waiter), self.now)
    }

    /// Writes what is due, and applies it as the table would.
    fn write_and_apply(&mut self) -> (OwnerWrite, Vec<Effect<Named>>) {
        let write = self.write();
        let applied = apply(&write);
        let effects = self.outcome(WriteOutcome::Applied(applied));
        (write, effects)
    }
}

/// What the table makes of a write.
fn apply(write: &OwnerWrite) -> Lease {
    let mut row = write.seen.clone();
    row.counter += 1;
    if let Some(checkpoint) = &write.checkpoint {
        row.checkpoint = Some(checkpoint.clone());
        row.pending = None;
    }
    row.pending = write.pending.clone().or(row.pending);
    if let Some(children) = &write.children {
        row.children = children.clone();
    }
    match write.then {
        Then::Keep => {}
        Then::Release => (row.owner, row.checkpoint_owner) = (None, None),
        Then::HandOver => row.checkpoint_owner = None,
    }
    row
}

/// The end among the effects.
fn end(effects: &[Effect<Named>]) -> Option<&End> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ended { end, .. } => Some(end),
        Effect::Valid { .. }
        | Effect::Drain(_)
        | Effect::Vanished { .. }
        | Effect::MadeAgain
        | Effect::Reached(_)
        | Effect::Checkpointed { .. }
        | Effect::NotCheckpointed { .. } => None,
    })
}

#[test]
fn a_lease_is_renewed_three_times_in_its_life_and_valid_from_the_sending_of_the_write() {
    let mut world = World::new();
    assert!(world.pass(RENEWAL - Duration::from_millis(1)).is_idle());
    world.pass(Duration::from_millis(1));
    let (sent, write) = (world.now, world.write());
    assert_eq!(write, OwnerWrite::renewal(row(5)));
    let effects = world
        .pass(Duration::from_secs(2))
        .outcome(WriteOutcome::Applied(row(6)));
    assert_eq!(effects, [Effect::Valid { until: sent + FAILOVER }]);
}

#[test]
fn a_lease_has_one_write_in_flight_and_a_checkpoint_renews_it() {
    let mut world = World::new();
    world.checkpoint(7, "waiter");
    let write = world.write();
    assert!(world.pass(RENEWAL).is_idle(), "the renewal waits");
    let effects = world.outcome(WriteOutcome::Applied(apply(&write)));
    assert!(effects.contains(&Effect::Checkpointed {
        waiter: Named("waiter")
    }));
    assert_eq!(
        world.ownership.poll_timeout(),
        world.now,
        "three seconds after it was sent"
    );
}

#[test]
fn what_waits_goes_with_one_write() {
    let mut world = World::new();
    world.checkpoint(7, "near");
    world.checkpoint(9, "far");
    world.ownership.children([ShardId::new("child")].into());
    world.ownership.leave(Some(Named("leaver")), world.now);
    let (write, effects) = world.write_and_apply();
    assert_eq!(write.checkpoint, Some(at(9)));
    assert_eq!(write.children, Some([ShardId::new("child")].into()));
    assert_eq!(write.then, Then::Release);
    let [Effect::Reached(_), near, far, ended] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(
        (near, far),
        (
            &Effect::Checkpointed { waiter: Named("near") },
            &Effect::Checkpointed { waiter: Named("far") },
        )
    );
    let left = Effect::Ended {
        end: End::Released,
        waiters: Vec::new(),
        leaver: Some(Named("leaver")),
    };
    assert_eq!(*ended, left);
}

#[test]
fn the_stream_of_the_shard_goes_with_the_next_write_until_the_row_says_it() {
    let mut world = World::new();
    let stream = Incarnation {
        arn: Some("arn:aws:kinesis:eu-north-1:123456789012:stream/orders".into()),
        created: Some(1_700_000_000_000),
    };
    world.ownership.stream(stream.clone());
    assert!(world.is_idle(), "no write of its own");
    world.now += RENEWAL;
    for _ in 0..2 {
        let write = world.ownership.poll_write(world.now).unwrap();
        assert_eq!(write.own, OwnAttributes::of(&stream));
        world.outcome(WriteOutcome::NotApplied(error()));
        world.now += RETRY;
    }
    world.ownership.poll_write(world.now).unwrap();
    let own = OwnAttributes::of(&stream);
    world.outcome(WriteOutcome::Applied(Lease { own, ..row(6) }));
    world.now += RENEWAL;
    let write = world.ownership.poll_write(world.now).unwrap();
    assert_eq!(write.own, OwnAttributes::default());
}

#[test]
fn children_alone_wait_for_the_next_write() {
    let mut world = World::new();
    world.ownership.children([ShardId::new("child")].into());
    assert!(world.is_idle());
    let (write, _) = world.pass(RENEWAL).write_and_apply();
    assert_eq!(write.children, Some([ShardId::new("child")].into()));
    let (write, _) = world.pass(RENEWAL).write_and_apply();
    assert_eq!(write.children, None, "the row holds them");
}

#[test]
fn a_checkpoint_that_the_row_has_passed_is_answered_without_a_write() {
    let mut world = World::new();
    world.checkpoint(9, "far");
    world.write_and_apply();
    assert_eq!(
        world.checkpoint(4, "near"),
        [Effect::Checkpointed { waiter: Named("near") }]
    );
    assert!(world.is_idle());
}

#[test]
fn a_lost_reply_is_recognised_and_the_next_write_goes_on_from_it() {
    let mut world = World::new();
    world.pass(RENEWAL).write();
    assert!(world.outcome(WriteOutcome::Unknown(error())).is_empty());
    assert!(world.is_idle(), "it waits before it tries again");
    let write = world.pass(RETRY).write();
    assert_eq!(write.seen.counter, 5);
    assert!(
        world.outcome(WriteOutcome::Refused(Some(row(6)))).is_empty(),
        "not lost"
    );
    assert_eq!(world.write().seen.counter, 6);
}

#[test]
fn a_checkpoint_behind_one_whose_reply_was_lost_moves_nothing_back() {
    let mut world = World::new();
    world.checkpoint(9, "far");
    for _ in 0..checkpoint_slot::TRIES {
        world.write();
        world.outcome(WriteOutcome::Unknown(error()));
        world.pass(RETRY);
    }
    world.checkpoint(4, "near");
    assert_eq!(world.write().checkpoint, Some(at(4)));
    let mut found = row(6);
    found.checkpoint = Some(at(9));
    let effects = world.outcome(WriteOutcome::Refused(Some(found)));
    assert_eq!(
        effects,
        [Effect::Reached(at(9)), Effect::Checkpointed { waiter: Named("near") }]
    );
}

#[test]
fn a_checkpoint_fails_after_three_tries_with_the_last_error_and_the_lease_is_kept() {
    let mut world = World::new();
    world.checkpoint(9, "waiter");
    for tries in 1..=checkpoint_slot::TRIES {
        assert_eq!(world.write().checkpoint, Some(at(9)));
        let effects = world.outcome(WriteOutcome::NotApplied(error()));
        let failed = Effect::NotCheckpointed {
            waiter: Named("waiter"),
            error: error(),
        };
        assert_eq!(effects.contains(&failed), tries == checkpoint_slot::TRIES);
        world.pass(RETRY);
    }
    world.pass(RENEWAL);
    assert_eq!(world.write().checkpoint, None, "the renewal goes on");
}

#[test]
fn a_take_by_another_process_with_this_workers_id_is_noticed_by_the_token_base() {
    let mut world = World::new();
    world.pass(RENEWAL).write();
    let mut taken = row(6);
    taken.own.token_base = Some(BASE + 1);
    let effects = world.outcome(WriteOutcome::Refused(Some(taken)));
    assert_eq!(end(&effects), Some(&End::WorkerIdInUse));
}

#[test]
fn a_refusal_of_the_second_copy_of_a_write_is_no_other_process() {
    let mut world = World::new();
    world.pass(RENEWAL);
    let applied = apply(&world.write());
    let effects = world.outcome(WriteOutcome::Refused(Some(applied)));
    assert!(effects.is_empty(), "{effects:?}");
    assert_eq!(world.write().seen.counter, 6);
}

#[test]
fn a_release_whose_answer_was_lost_answers_for_the_checkpoints_that_the_row_of_the_next_owner_holds() {
    let mut world = World::new();
    world.checkpoint(7, "near");
    world.ownership.leave(Some(Named("leaver")), world.now);
    let released = apply(&world.write());
    world.outcome(WriteOutcome::Unknown(error()));
    // By a task of the application that outlives the consumer.
    world.checkpoint(9, "far");
    world.pass(RETRY).write();
    let taken = Lease {
        owner: Some(WorkerId::new("other")),
        counter: released.counter + 1,
        ..released
    };
    let effects = world.outcome(WriteOutcome::Refused(Some(taken)));
    let ended = Effect::Ended {
        end: End::Released,
        waiters: vec![Named("far")],
        leaver: Some(Named("leaver")),
    };
    let near = Effect::Checkpointed { waiter: Named("near") };
    assert_eq!(effects, [Effect::Reached(at(7)), near, ended]);
}

#[test]
fn an_answer_that_comes_after_the_lapse_revives_nothing() {
    let mut world = World::new();
    world.pass(RENEWAL);
    let write = world.write();
    world.checkpoint(9, "waiter");
    let effects = world.pass(FAILOVER).outcome(WriteOutcome::Applied(apply(&write)));
    let lapsed = Effect::Ended {
        end: End::Lapsed,
        waiters: vec![Named("waiter")],
        leaver: None,
    };
    assert_eq!(effects, [lapsed]);
}

#[test]
fn a_release_whose_answer_comes_after_the_lapse_is_a_release() {
    let mut world = World::new();
    world.ownership.leave(Some(Named("leaver")), world.now);
    let write = world.write();
    let effects = world.pass(FAILOVER).outcome(WriteOutcome::Applied(apply(&write)));
    assert_eq!(end(&effects), Some(&End::Released));
}

#[test]
fn a_lease_that_cannot_be_renewed_lapses_before_others_may_take_it() {
    let mut world = World::new();
    world.pass(RENEWAL).write();
    assert_eq!(world.ownership.poll_timeout(), world.now + FAILOVER - RENEWAL);
    let almost = world.now + FAILOVER - RENEWAL - Duration::from_millis(1);
    assert!(world.ownership.handle_timeout(almost).is_empty());
    let effects = world.ownership.handle_timeout(world.now + FAILOVER - RENEWAL);
    assert_eq!(end(&effects), Some(&End::Lapsed));
}

#[test]
fn a_release_is_tried_until_the_lease_lapses() {
    let mut world = World::new();
    world.ownership.leave(Some(Named("leaver")), world.now);
    let mut tries = 0;
    while world.now < world.ownership.valid_until() {
        assert_eq!(world.write().then, Then::Release);
        assert!(world.outcome(WriteOutcome::NotApplied(error())).is_empty());
        world.pass(RETRY);
        tries += 1;
    }
    assert!(tries > 30);
    let effects = world.ownership.handle_timeout(world.now);
    let lapsed = Effect::Ended {
        end: End::Lapsed,
        waiters: Vec::new(),
        leaver: Some(Named("leaver")),
    };
    assert_eq!(effects, [lapsed]);
}

#[test]
fn a_hand_off_that_is_found_drains_the_consumer_and_ends_with_a_hand_over_that_carries_the_checkpoint() {
    let mut world = World::new();
    world.pass(RENEWAL).write();
    let mut asked = row(5);
    (asked.owner, asked.checkpoint_owner) = (Some(WorkerId::new("next")), Some(WorkerId::new("me")));
    let to = WorkerId::new("next");
    let effects = world.outcome(WriteOutcome::Refused(Some(asked.clone())));
    assert_eq!(effects, [Effect::Drain(Drain::HandOff { to: to.clone() })]);
    let (renewal, _) = world.write_and_apply();
    assert_eq!(
        renewal.seen.checkpoint_owner,
        Some(WorkerId::new("me")),
        "renewed while it drains"
    );
    world.checkpoint(9, "last");
    world.ownership.leave(Some(Named("leaver")), world.now);
    let (write, effects) = world.write_and_apply();
    assert_eq!((write.then, write.checkpoint), (Then::HandOver, Some(at(9))));
    assert_eq!(end(&effects), Some(&End::HandedOver { to: Some(to) }));
}

#[test]
fn a_hand_off_that_is_found_during_a_shutdown_replaces_the_release() {
    let mut world = World::new();
    assert_eq!(world.ownership.drain(Drain::Shutdown), [Effect::Drain(Drain::Shutdown)]);
    assert!(world.ownership.drain(Drain::Shutdown).is_empty(), "told once");
    world.ownership.leave(Some(Named("leaver")), world.now);
    assert_eq!(world.write().then, Then::Release);
    let mut asked = row(5);
    (asked.owner, asked.checkpoint_owner) = (Some(WorkerId::new("next")), Some(WorkerId::new("me")));
    world.outcome(WriteOutcome::Refused(Some(asked)));
    assert_eq!(world.write().then, Then::HandOver);
}

#[test]
fn another_owner_ends_the_ownership_for_all_who_wait() {
    let mut world = World::new();
    world.checkpoint(9, "waiter");
    world.ownership.leave(Some(Named("leaver")), world.now);
    world.write();
    let mut found = row(6);
    found.owner = Some(WorkerId::new("other"));
    let by = found.owner.clone();
    let taken = Effect::Ended {
        end: End::Taken { by },
        waiters: vec![Named("waiter")],
        leaver: Some(Named("leaver")),
    };
    assert_eq!(world.outcome(WriteOutcome::Refused(Some(found))), [taken]);
}

fn prepared(number: u64) -> PendingCheckpoint {
    PendingCheckpoint {
        position: at(number),
        state: Some(b"state".to_vec()),
    }
}

#[test]
fn a_deferred_checkpoint_asks_for_no_write_and_rides_on_the_renewal() {
    let mut world = World::new();
    world.ownership.defer(at(7));
    world.ownership.defer(at(9));
    world.ownership.defer(at(8));
    assert!(world.is_idle());
    assert_eq!(world.ownership.poll_timeout(), world.now + RENEWAL, "when it was due");
    let (renewal, effects) = world.pass(RENEWAL).write_and_apply();
    assert_eq!((renewal.checkpoint, renewal.then), (Some(at(9)), Then::Keep));
    assert_eq!(effects.first(), Some(&Effect::Reached(at(9))));
    let (renewal, _) = world.pass(RENEWAL).write_and_apply();
    assert_eq!(renewal.checkpoint, None, "the row holds it");
}

#[test]
fn a_deferred_checkpoint_goes_with_whatever_is_written_next() {
    let mut world = World::new();
    world.ownership.defer(at(9));
    world.checkpoint(7, "nearer");
    let (write, effects) = world.write_and_apply();
    assert_eq!(write.checkpoint, Some(at(9)));
    assert!(effects.contains(&Effect::Checkpointed {
        waiter: Named("nearer")
    }));
    world.ownership.defer(at(11));
    world.ownership.leave(Some(Named("leaver")), world.now);
    let (write, _) = world.write_and_apply();
    assert_eq!((write.checkpoint, write.then), (Some(at(11)), Then::Release));
}

#[test]
fn a_deferred_checkpoint_is_kept_until_a_write_is_applied() {
    let mut world = World::new();
    world.ownership.defer(at(9));
    world.pass(RENEWAL);
    for _ in 0..=checkpoint_slot::TRIES {
        assert_eq!(world.write().checkpoint, Some(at(9)));
        assert!(world.outcome(WriteOutcome::NotApplied(error())).is_empty());
        world.pass(RETRY);
    }
    assert_eq!(world.write().checkpoint, Some(at(9)));
    let mut found = row(6);
    found.checkpoint = Some(at(9));
    world.outcome(WriteOutcome::Refused(Some(found)));
    assert_eq!(world.write().checkpoint, None, "a write without an answer was applied");
}

#[test]
fn a_prepared_checkpoint_is_written_at_once_and_leaves_the_checkpoint() {
    let mut world = World::new();
    world.ownership.prepare(prepared(9), Named("waiter"), world.now);
    let (write, effects) = world.write_and_apply();
    assert_eq!((write.checkpoint, write.pending), (None, Some(prepared(9))));
    assert!(effects.contains(&Effect::Checkpointed {
        waiter: Named("waiter")
    }));
    let (renewal, _) = world.pass(RENEWAL).write_and_apply();
    assert_eq!(renewal.pending, None, "written once");
}

#[test]
fn of_two_prepared_checkpoints_the_later_one_is_written_and_answers_both() {
    let mut world = World::new();
    world.ownership.prepare(prepared(9), Named("first"), world.now);
    world.ownership.prepare(prepared(8), Named("second"), world.now);
    let (write, effects) = world.write_and_apply();
    assert_eq!(write.pending, Some(prepared(8)));
    let answered = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Checkpointed { .. }));
    assert_eq!(answered.count(), 2);
}

#[test]
fn a_checkpoint_discards_what_was_prepared_and_a_deferred_one_in_front_of_it_does_not() {
    let mut world = World::new();
    world.ownership.prepare(prepared(9), Named("waiter"), world.now);
    world.write_and_apply();
    world.ownership.defer(at(7));
    let (renewal, _) = world.pass(RENEWAL).write_and_apply();
    assert_eq!((renewal.checkpoint, renewal.pending), (Some(at(7)), Some(prepared(9))));
    world.checkpoint(8, "asked");
    let (write, _) = world.write_and_apply();
    assert_eq!((write.checkpoint, write.pending), (Some(at(8)), None));
}

#[test]
fn a_prepared_checkpoint_that_a_checkpoint_passes_is_answered_and_not_written() {
    let mut world = World::new();
    world.ownership.prepare(prepared(9), Named("prepared"), world.now);
    world.checkpoint(12, "further");
    let (write, effects) = world.write_and_apply();
    assert_eq!((write.checkpoint, write.pending), (Some(at(12)), None));
    let answered = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Checkpointed { .. }));
    assert_eq!(answered.count(), 2);
}

#[test]
fn a_prepared_checkpoint_fails_after_three_tries_and_the_lease_is_kept() {
    let mut world = World::new();
    world.ownership.prepare(prepared(9), Named("waiter"), world.now);
    for tries in 1..=checkpoint_slot::TRIES {
        assert_eq!(world.write().pending, Some(prepared(9)));
        let effects = world.outcome(WriteOutcome::NotApplied(error()));
        let failed = Effect::NotCheckpointed {
            waiter: Named("waiter"),
            error: error(),
        };
        assert_eq!(effects.contains(&failed), tries == checkpoint_slot::TRIES);
        world.pass(RETRY);
    }
    assert_eq!(world.pass(RENEWAL).write().pending, None, "the renewal goes on");
}

#[test]
fn a_prepared_checkpoint_whose_answer_was_lost_is_recognised_in_the_row() {
    let mut world = World::new();
    world.ownership.prepare(prepared(9), Named("waiter"), world.now);
    let applied = apply(&world.write());
    world.outcome(WriteOutcome::Unknown(error()));
    world.pass(RETRY).write();
    let effects = world.outcome(WriteOutcome::Refused(Some(applied)));
    assert_eq!(
        effects,
        [Effect::Checkpointed {
            waiter: Named("waiter")
        }]
    );
}

#[test]
fn an_idle_position_asks_for_no_write_and_goes_with_the_next_one() {
    let mut world = World::new();
    let idle = IdlePosition {
        at: 1_700_000_000_000,
        checkpoint: Position::TrimHorizon,
    };
    world.ownership.idle(idle.clone());
    assert!(world.is_idle());
    assert_eq!(world.pass(RENEWAL).write().idle, Some(idle.clone()));
    let written = Lease {
        idle: Some(idle),
        ..row(6)
    };
    world.outcome(WriteOutcome::Applied(written));
    assert_eq!(world.pass(RENEWAL).write().idle, None);
}

#[test]
fn an_idle_position_of_another_checkpoint_is_not_written() {
    let mut world = World::new();
    world.ownership.idle(IdlePosition {
        at: 1_700_000_000_000,
        checkpoint: at(7),
    });
    assert_eq!(world.pass(RENEWAL).write().idle, None);
}
