//! One lease at a time, through answers that come, come late, or never.

#![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

use super::*;
use crate::checkpoint::position::Position;

const FAILOVER: Duration = Duration::from_secs(10);
const RENEWAL: Duration = Duration::from_secs(3);

fn lease(counter: u64) -> Lease {
    let mut lease = Lease::new(LeaseKey::new("shardId-000000000000"), Position::TrimHorizon);
    (lease.owner, lease.counter) = (Some(WorkerId::new("me")), counter);
    lease
}

fn held() -> (Held<&'static str>, Instant, LeaseEpoch) {
    let start = Instant::now();
    let mut held = Held::new(WorkerId::new("me"), FAILOVER, RENEWAL);
    let (epoch, _) = held.adopt(lease(5), start);
    (held, start, epoch)
}

fn one_write(held: &mut Held<&'static str>, now: Instant) -> Write {
    let mut writes = held.writes(now);
    assert_eq!(writes.len(), 1);
    writes.remove(0)
}

#[test]
fn a_lease_is_renewed_three_times_in_its_life_and_valid_from_the_sending_of_the_write() {
    let (mut held, start, _) = held();
    assert!(held.writes(start + RENEWAL - Duration::from_millis(1)).is_empty());
    let write = one_write(&mut held, start + RENEWAL);
    assert_eq!(write.change, Change::Renew);
    let answered = start + RENEWAL + Duration::from_secs(2);
    let effects = held.ended(write, start + RENEWAL, Some(Update::Applied(lease(6))), answered);
    assert!(matches!(effects[..], [Effect::Valid { until, .. }] if until == start + RENEWAL + FAILOVER));
}

#[test]
fn a_lease_has_one_write_under_way_and_a_checkpoint_renews_it() {
    let (mut held, start, epoch) = held();
    let key = LeaseKey::new("shardId-000000000000");
    held.request(&key, epoch, Change::Checkpoint(Position::ShardEnd), "waiter")
        .unwrap();
    let write = one_write(&mut held, start);
    assert!(held.writes(start + RENEWAL * 2).is_empty(), "the renewal waits");
    let effects = held.ended(write, start + RENEWAL, Some(Update::Applied(lease(6))), start + RENEWAL);
    assert!(matches!(
        effects[..],
        [Effect::Valid { .. }, Effect::Done { waiter: "waiter" }]
    ));
    assert!(
        held.writes(start + RENEWAL).is_empty(),
        "the checkpoint has renewed the lease"
    );
}

#[test]
fn a_lost_reply_is_recognised_and_the_next_write_goes_on_from_it() {
    let (mut held, start, _) = held();
    let write = one_write(&mut held, start + RENEWAL);
    assert!(held.ended(write, start + RENEWAL, None, start + RENEWAL).is_empty());
    let again = start + RENEWAL * 2;
    let write = one_write(&mut held, again);
    assert_eq!(write.seen.counter, 5);
    assert!(
        held.ended(write, again, Some(Update::Refused(Some(lease(6)))), again)
            .is_empty(),
        "not lost"
    );
    assert_eq!(one_write(&mut held, again).seen.counter, 6);
}

#[test]
fn a_checkpoint_behind_one_whose_reply_was_lost_renews_the_lease_and_moves_nothing_back() {
    let (mut held, start, epoch) = held();
    let key = LeaseKey::new("shardId-000000000000");
    let at = |number: &str| Position::from_row(number, 0).unwrap();
    held.request(&key, epoch, Change::Checkpoint(at("9")), "far").unwrap();
    let mut now = start;
    for _ in 0..TRIES {
        let write = one_write(&mut held, now);
        held.ended(write, now, None, now);
        now += RENEWAL / 10;
    }
    held.request(&key, epoch, Change::Checkpoint(at("4")), "near").unwrap();
    let write = one_write(&mut held, now);
    let mut row = lease(6);
    row.checkpoint = Some(at("9"));
    assert!(held.ended(write, now, Some(Update::Refused(Some(row))), now).is_empty());
    let write = one_write(&mut held, now);
    assert_eq!(write.change, Change::Renew);
    let effects = held.ended(write, now, Some(Update::Applied(lease(7))), now);
    assert!(matches!(
        effects[..],
        [Effect::Valid { .. }, Effect::Done { waiter: "near" }]
    ));
}

#[test]
fn a_row_that_changed_without_a_lost_reply_is_somebody_elses() {
    let (mut held, start, _) = held();
    let write = one_write(&mut held, start + RENEWAL);
    let effects = held.ended(
        write,
        start + RENEWAL,
        Some(Update::Refused(Some(lease(6)))),
        start + RENEWAL,
    );
    assert!(matches!(effects[..], [Effect::Lost { .. }]));
    assert!(held.keys().is_empty());
}

#[test]
fn a_lease_that_cannot_be_renewed_is_lost_before_others_may_take_it() {
    let (mut held, start, epoch) = held();
    let key = LeaseKey::new("shardId-000000000000");
    held.request(&key, epoch, Change::Checkpoint(Position::ShardEnd), "waiter")
        .unwrap();
    let write = one_write(&mut held, start + RENEWAL);
    assert!(held.expire(start + FAILOVER - Duration::from_millis(1)).is_empty());
    let effects = held.expire(start + FAILOVER);
    assert!(matches!(&effects[..], [Effect::Lost { waiters, .. }] if waiters[..] == ["waiter"]));
    assert!(
        held.ended(write, start, Some(Update::Applied(lease(6))), start + FAILOVER)
            .is_empty()
    );
}

#[test]
fn a_late_answer_to_an_earlier_ownership_is_not_taken_for_one_to_the_next() {
    let (mut held, start, _) = held();
    let late = one_write(&mut held, start + RENEWAL);
    held.expire(start + FAILOVER);
    let (epoch, _) = held.adopt(lease(9), start + FAILOVER);
    let key = LeaseKey::new("shardId-000000000000");
    held.request(&key, epoch, Change::Checkpoint(Position::ShardEnd), "checkpoint")
        .unwrap();
    let checkpoint = one_write(&mut held, start + FAILOVER);
    let now = start + FAILOVER + Duration::from_secs(1);
    assert!(
        held.ended(late, start + RENEWAL, Some(Update::Applied(lease(6))), now)
            .is_empty()
    );
    let effects = held.ended(checkpoint, start + FAILOVER, Some(Update::Applied(lease(10))), now);
    assert!(matches!(
        effects[..],
        [Effect::Valid { .. }, Effect::Done { waiter: "checkpoint" }]
    ));
}

#[test]
fn an_answer_that_comes_after_the_lapse_revives_nothing() {
    let (mut held, start, epoch) = held();
    let key = LeaseKey::new("shardId-000000000000");
    let write = one_write(&mut held, start + RENEWAL);
    held.request(&key, epoch, Change::Checkpoint(Position::ShardEnd), "waiter")
        .unwrap();
    let applied = Some(Update::Applied(lease(6)));
    let effects = held.ended(write, start + RENEWAL, applied, start + FAILOVER);
    assert!(matches!(&effects[..], [Effect::Lost { waiters, .. }] if waiters[..] == ["waiter"]));
    assert!(held.keys().is_empty(), "the lease is not renewed any more");
}

#[test]
fn a_lease_whose_consumer_has_ended_is_not_renewed_any_more() {
    let (mut held, start, epoch) = held();
    let key = LeaseKey::new("shardId-000000000000");
    assert!(
        held.consumer_ended(&key, LeaseEpoch(epoch.0 + 1)).is_empty(),
        "another ownership"
    );
    held.request(&key, epoch, Change::Release, "waiter").unwrap();
    let effects = held.consumer_ended(&key, epoch);
    assert!(matches!(&effects[..], [Effect::Lost { waiters, .. }] if waiters[..] == ["waiter"]));
    assert!(held.writes(start + RENEWAL).is_empty());
}

#[test]
fn a_release_is_done_and_ends_the_ownership() {
    let (mut held, start, epoch) = held();
    let key = LeaseKey::new("shardId-000000000000");
    held.request(&key, epoch, Change::Release, "release").unwrap();
    held.request(&key, epoch, Change::Checkpoint(Position::ShardEnd), "late")
        .unwrap();
    let write = one_write(&mut held, start);
    let effects = held.ended(write, start, Some(Update::Applied(lease(6))), start);
    assert!(
        matches!(&effects[..], [Effect::Released { done: Some("release"), waiters, .. }] if waiters[..] == ["late"])
    );
    assert!(held.keys().is_empty());
}

#[test]
fn an_earlier_ownership_cannot_write() {
    let (mut held, start, epoch) = held();
    held.adopt(lease(9), start);
    let key = LeaseKey::new("shardId-000000000000");
    assert_eq!(held.request(&key, epoch, Change::Release, "old"), Err("old"));
}

#[test]
fn a_failed_write_is_tried_again_soon_and_a_checkpoint_three_times() {
    let (mut held, start, epoch) = held();
    let key = LeaseKey::new("shardId-000000000000");
    held.request(&key, epoch, Change::Checkpoint(Position::ShardEnd), "waiter")
        .unwrap();
    let mut now = start;
    for _ in 1..TRIES {
        let write = one_write(&mut held, now);
        assert!(held.ended(write, now, None, now).is_empty());
        assert!(held.writes(now).is_empty());
        assert_eq!(held.next_at(), Some(now + RENEWAL / 10));
        now += RENEWAL / 10;
    }
    let write = one_write(&mut held, now);
    assert!(matches!(
        held.ended(write, now, None, now)[..],
        [Effect::Failed { waiter: "waiter" }]
    ));
}
