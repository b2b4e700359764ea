//! Calls that fail, and what is known of the row afterwards.

use super::bench::{Bench, take, version, worker};
use crate::coordination::rows::{ClientVersion, ClientVersionState, LEADER_KEY, WorkerMetrics};
use crate::coordination::table::Place;
use crate::coordination::write::{FleetOutcome, FleetWrite, LockWrite, TakeWhen};
use crate::lease::memory::{Fault, Operation};

run_against_each_backend! {
    a_throttled_write_was_certainly_not_applied,
    a_write_that_got_lost_is_of_unknown_outcome,
    a_write_whose_reply_got_lost_is_of_unknown_outcome_and_applied,
    a_deletion_whose_reply_got_lost_is_of_unknown_outcome_and_applied,
    a_write_that_is_repeated_after_a_lost_reply_is_refused_with_its_own_work,
    a_read_that_fails_is_an_error,
}

/// A write of each request, none of which needs a row.
fn writes() -> [FleetWrite; 3] {
    [
        take("w1", "v1", TakeWhen::Absent),
        FleetWrite::Report(WorkerMetrics::without_metrics(worker("w1"), 7)),
        FleetWrite::CreateClientVersion(ClientVersion::first(ClientVersionState::V3x, &worker("w1"), 7)),
    ]
}

async fn a_throttled_write_was_certainly_not_applied(bench: &Bench) {
    for write in writes() {
        bench.fail_next(Operation::Write, Fault::Throttled);
        let outcome = bench.table().write_fleet(&write).await;
        assert!(matches!(outcome, FleetOutcome::NotApplied(_)), "{outcome:?}");
        assert_eq!(bench.item(write.key()).await, None);
    }
}

async fn a_write_that_got_lost_is_of_unknown_outcome(bench: &Bench) {
    for write in writes() {
        bench.fail_next(Operation::Write, Fault::RequestLost);
        let outcome = bench.table().write_fleet(&write).await;
        assert!(matches!(outcome, FleetOutcome::Unknown(_)), "{outcome:?}");
        assert_eq!(bench.item(write.key()).await, None);
    }
}

async fn a_write_whose_reply_got_lost_is_of_unknown_outcome_and_applied(bench: &Bench) {
    for write in writes() {
        bench.fail_next(Operation::Write, Fault::ReplyLost);
        let outcome = bench.table().write_fleet(&write).await;
        assert!(matches!(outcome, FleetOutcome::Unknown(_)), "{outcome:?}");
        assert!(bench.item(write.key()).await.is_some());
    }
}

async fn a_deletion_whose_reply_got_lost_is_of_unknown_outcome_and_applied(bench: &Bench) {
    bench.applied(take("w1", "v1", TakeWhen::Absent)).await;
    let delete = FleetWrite::Lock(LockWrite::Delete {
        holder: worker("w1"),
        seen: version("v1"),
    });
    bench.fail_next(Operation::Write, Fault::ReplyLost);
    let outcome = bench.table().write_fleet(&delete).await;
    assert!(matches!(outcome, FleetOutcome::Unknown(_)), "{outcome:?}");
    assert_eq!(bench.item(LEADER_KEY).await, None);
    bench.refused(delete).await;
}

async fn a_write_that_is_repeated_after_a_lost_reply_is_refused_with_its_own_work(bench: &Bench) {
    let write = take("w1", "v1", TakeWhen::Absent);
    bench.fail_next(Operation::Write, Fault::ReplyLost);
    drop(bench.table().write_fleet(&write).await);
    bench.refused(write).await;
}

async fn a_read_that_fails_is_an_error(bench: &Bench) {
    for fault in [Fault::Throttled, Fault::RequestLost, Fault::ReplyLost] {
        bench.fail_next(Operation::Get, fault);
        let read = bench.table().fleet_row(Place::LeaseTable, LEADER_KEY).await;
        assert!(read.unwrap_err().kind().is_transient());
    }
}
