//! Several leases of one worker.

#![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

use std::time::Duration;

use super::*;
use crate::lease::ownership::End;
use crate::lease::write::Then;

const FAILOVER: Duration = Duration::from_secs(10);
const RENEWAL: Duration = Duration::from_secs(3);

impl Waiter for &'static str {
    fn is_gone(&self) -> bool {
        false
    }
}

fn holdings() -> Holdings<&'static str> {
    let terms = Terms {
        failover: FAILOVER,
        renewal: RENEWAL,
    };
    Holdings::new(WorkerId::new("me"), terms, fastrand::Rng::with_seed(1))
}

fn row(shard: u64, counter: u64) -> Lease {
    Lease {
        owner: Some(WorkerId::new("me")),
        counter,
        ..Lease::of_orders(&format!("shardId-{shard:012}"), Position::TrimHorizon)
    }
}

fn applied(write: &LeaseWrite) -> WriteOutcome {
    let LeaseWrite::Owner(write) = write else {
        panic!("{write:?}")
    };
    let mut row = write.seen.clone();
    row.counter += 1;
    if write.then == Then::Release {
        row.owner = None;
    }
    WriteOutcome::Applied(row)
}

fn ended(effects: &[Effect<&'static str>]) -> Option<End> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ended { end, .. } => Some(end.clone()),
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
fn leases_that_were_taken_together_are_renewed_one_after_the_other_and_each_in_time() {
    let (mut holdings, start) = (holdings(), Instant::now());
    for shard in 0..1_000 {
        holdings.adopt(row(shard, 1), start).unwrap();
    }
    let mut renewed = BTreeMap::new();
    while let Some(now) = holdings.poll_timeout().filter(|at| *at <= start + RENEWAL) {
        assert!(holdings.handle_timeout(now).is_empty());
        let (id, write) = holdings.poll_write(now, |_| None).unwrap();
        renewed.insert(id.key.clone(), now);
        holdings.handle_outcome(&id, applied(&write), now);
    }
    assert_eq!(renewed.len(), 1_000);
    let early = renewed.values().filter(|at| **at < start + RENEWAL * 3 / 4).count();
    assert!(
        (400..600).contains(&early),
        "{early} of 1,000 in the first half of their time"
    );
}

#[test]
fn an_ownership_that_has_ended_keeps_its_key_until_its_consumer_has_ended() {
    let (mut holdings, start) = (holdings(), Instant::now());
    let adopted = holdings.adopt(row(0, 1), start).unwrap();
    let lapsed = holdings.handle_timeout(start + FAILOVER);
    assert!(matches!(&lapsed[..], [(_, Effect::Ended { end: End::Lapsed, .. })]));
    let again = row(0, 9);
    assert_eq!(*holdings.adopt(again.clone(), start + FAILOVER).unwrap_err(), again);
    assert_eq!(holdings.occupied().len(), 1);
    holdings.consumer_ended(&adopted.id, start + FAILOVER);
    assert!(holdings.is_empty());
    holdings.adopt(again, start + FAILOVER).unwrap();
}

#[test]
fn the_lease_of_a_consumer_that_has_ended_is_released_and_not_renewed() {
    let (mut holdings, start) = (holdings(), Instant::now());
    let adopted = holdings.adopt(row(0, 1), start).unwrap();
    holdings.consumer_ended(&adopted.id, start);
    let (id, write) = holdings.poll_write(start, |_| None).unwrap();
    assert!(matches!(&write, LeaseWrite::Owner(write) if write.then == Then::Release));
    let effects = holdings.handle_outcome(&id, applied(&write), start);
    assert_eq!(ended(&effects), Some(End::Released));
    assert!(holdings.is_empty());
    assert_eq!(holdings.poll_timeout(), None);
}

#[test]
fn a_late_outcome_of_an_earlier_ownership_is_not_taken_for_one_of_the_next() {
    let (mut holdings, start) = (holdings(), Instant::now());
    let first = holdings.adopt(row(0, 1), start).unwrap();
    let (late, write) = holdings.poll_write(start + RENEWAL, |_| None).unwrap();
    holdings.handle_timeout(start + FAILOVER);
    holdings.consumer_ended(&first.id, start + FAILOVER);
    let second = holdings.adopt(row(0, 9), start + FAILOVER).unwrap();
    assert!(
        holdings
            .handle_outcome(&late, applied(&write), start + FAILOVER)
            .is_empty()
    );
    assert!(holdings.request(&first.id, Request::Leave("old"), start).is_err());
    assert!(holdings.request(&second.id, Request::Leave("new"), start).is_ok());
}

#[test]
fn a_shutdown_drains_what_is_held_and_what_is_adopted_later() {
    let (mut holdings, start) = (holdings(), Instant::now());
    holdings.adopt(row(0, 1), start).unwrap();
    assert!(matches!(
        &holdings.drain(&Drain::Shutdown)[..],
        [(_, Effect::Drain(Drain::Shutdown))]
    ));
    assert_eq!(holdings.adopt(row(1, 1), start).unwrap().drain, Some(Drain::Shutdown));
}
