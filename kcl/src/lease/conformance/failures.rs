//! Calls that fail, and what is known of the row afterwards.

use super::bench::{Bench, key, owned};
use crate::checkpoint::position::Position;
use crate::lease::memory::{Fault, Operation};
use crate::lease::model::{Lease, OwnAttributes, WorkerId};
use crate::lease::table::Creation;
use crate::lease::write::{CounterCondition, LeaseWrite, OwnerWrite, WriteOutcome};

run_against_each_backend! {
    a_throttled_write_was_certainly_not_applied,
    a_write_that_got_lost_is_of_unknown_outcome,
    a_write_whose_reply_got_lost_is_of_unknown_outcome_and_applied,
    a_deletion_whose_reply_got_lost_is_of_unknown_outcome_and_applied,
    a_write_that_is_repeated_after_a_lost_reply_is_refused_with_its_own_work,
    a_creation_whose_reply_got_lost_has_happened,
    a_read_that_fails_is_an_error,
}

fn writes() -> [LeaseWrite; 4] {
    let worker = WorkerId::new("b");
    [
        LeaseWrite::Owner(OwnerWrite::renewal(owned())),
        LeaseWrite::Take {
            seen: owned(),
            by: worker.clone(),
            own: OwnAttributes::default(),
        },
        LeaseWrite::Assign {
            seen: owned(),
            to: worker.clone(),
            counter: CounterCondition::AsSeen,
        },
        LeaseWrite::OfferHandOff {
            key: key(),
            from: WorkerId::new("a"),
            to: worker,
        },
    ]
}

async fn a_throttled_write_was_certainly_not_applied(bench: &Bench) {
    for write in writes() {
        bench.put(&owned()).await;
        bench.fail_next(Operation::Write, Fault::Throttled);
        let outcome = bench.table().write(&write).await;
        assert!(matches!(outcome, WriteOutcome::NotApplied(_)), "{outcome:?}");
        assert_eq!(bench.lease(&key()).await, Some(owned()));
    }
}

async fn a_write_that_got_lost_is_of_unknown_outcome(bench: &Bench) {
    for write in writes() {
        bench.put(&owned()).await;
        bench.fail_next(Operation::Write, Fault::RequestLost);
        let outcome = bench.table().write(&write).await;
        assert!(matches!(outcome, WriteOutcome::Unknown(_)), "{outcome:?}");
        assert_eq!(bench.lease(&key()).await, Some(owned()));
    }
}

async fn a_write_whose_reply_got_lost_is_of_unknown_outcome_and_applied(bench: &Bench) {
    for write in writes() {
        bench.put(&owned()).await;
        bench.fail_next(Operation::Write, Fault::ReplyLost);
        let outcome = bench.table().write(&write).await;
        assert!(matches!(outcome, WriteOutcome::Unknown(_)), "{outcome:?}");
        assert_ne!(bench.lease(&key()).await, Some(owned()));
    }
}

async fn a_deletion_whose_reply_got_lost_is_of_unknown_outcome_and_applied(bench: &Bench) {
    let finished = Lease {
        checkpoint: Some(Position::ShardEnd),
        ..owned()
    };
    bench.put(&finished).await;
    bench.fail_next(Operation::Write, Fault::ReplyLost);
    let write = LeaseWrite::Delete { seen: finished };
    let outcome = bench.table().write(&write).await;
    assert!(matches!(outcome, WriteOutcome::Unknown(_)), "{outcome:?}");
    bench.refused(write).await;
}

async fn a_write_that_is_repeated_after_a_lost_reply_is_refused_with_its_own_work(bench: &Bench) {
    for write in writes() {
        bench.put(&owned()).await;
        bench.fail_next(Operation::Write, Fault::ReplyLost);
        drop(bench.table().write(&write).await);
        bench.refused(write).await;
    }
}

async fn a_creation_whose_reply_got_lost_has_happened(bench: &Bench) {
    bench.fail_next(Operation::Create, Fault::ReplyLost);
    bench.table().create(&owned()).await.unwrap_err();
    assert_eq!(bench.table().create(&owned()).await, Ok(Creation::Existed));
}

async fn a_read_that_fails_is_an_error(bench: &Bench) {
    bench.put(&owned()).await;
    for fault in [Fault::Throttled, Fault::RequestLost, Fault::ReplyLost] {
        bench.fail_next(Operation::Get, fault);
        assert!(bench.table().get(&key()).await.unwrap_err().kind().is_transient());
        bench.fail_next(Operation::KeysOf, fault);
        let worker = WorkerId::new("a");
        assert!(bench.table().keys_of(&worker).await.unwrap_err().kind().is_transient());
    }
}
