//! The leader's lock.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use super::bench::{Bench, java_lock, lock_of, row, s, take, version, worker};
use crate::coordination::rows::{FleetRow, LEADER_KEY, LockRow};
use crate::coordination::write::{FleetWrite, LockWrite, TakeWhen};

run_against_each_backend! {
    a_lock_that_is_absent_is_taken_attribute_for_attribute_as_java_does,
    a_lock_that_is_there_is_not_taken_as_absent,
    a_lock_is_taken_while_its_version_is_the_one_that_was_seen,
    a_lock_is_not_taken_once_its_version_has_changed,
    a_lock_that_is_gone_is_not_taken_by_its_version,
    a_lock_that_was_taken_keeps_nothing_of_the_row_before,
    a_released_lock_is_taken_as_released,
    a_lock_that_is_not_released_is_not_taken_as_released,
    a_lock_without_a_version_is_taken_as_one,
    a_lock_with_a_version_is_not_taken_as_one_without,
    a_lock_whose_version_is_no_text_is_taken_by_it,
    a_heartbeat_changes_version_and_lease_and_nothing_else,
    a_heartbeat_is_refused_once_the_version_has_changed,
    a_heartbeat_is_refused_for_another_holder,
    a_heartbeat_of_a_lock_that_is_gone_makes_none,
    a_lock_is_deleted_by_its_holder,
    a_lock_is_not_deleted_once_its_version_has_changed,
    a_lock_is_not_deleted_by_another_holder,
    a_lock_that_is_gone_is_not_deleted_again,
    a_row_of_another_kind_under_the_key_of_the_lock_is_a_damaged_lock,
    an_empty_row_under_the_key_of_the_lock_is_a_damaged_lock,
}

fn heartbeat(holder: &str, seen: &str, next: &str) -> FleetWrite {
    FleetWrite::Lock(LockWrite::Heartbeat {
        holder: worker(holder),
        seen: version(seen),
        next: version(next),
        lease: Duration::from_secs(15),
    })
}

fn delete(holder: &str, seen: &str) -> FleetWrite {
    FleetWrite::Lock(LockWrite::Delete {
        holder: worker(holder),
        seen: version(seen),
    })
}

async fn lock(bench: &Bench) -> LockRow {
    match bench.row(LEADER_KEY).await {
        Some(FleetRow::Lock(lock)) => lock,
        other => panic!("{other:?}"),
    }
}

async fn a_lock_that_is_absent_is_taken_attribute_for_attribute_as_java_does(bench: &Bench) {
    bench.applied(take("w1", "v1", TakeWhen::Absent)).await;
    let mut item = bench.item(LEADER_KEY).await.unwrap();
    assert_eq!(
        item.remove("leadsFor"),
        Some(AttributeValue::N("6000".to_owned())),
        "ours"
    );
    let javas = row([
        ("leaseKey", s("Leader")),
        ("entityType", s("LEADER")),
        ("ownerName", s("w1")),
        ("leaseDuration", s("15000")),
        ("recordVersionNumber", s("v1")),
    ]);
    assert_eq!(item, javas);
    assert_eq!(lock(bench).await, lock_of("w1", "v1"));
}

async fn a_lock_that_is_there_is_not_taken_as_absent(bench: &Bench) {
    bench.put(java_lock()).await;
    bench.refused(take("w1", "v1", TakeWhen::Absent)).await;
}

async fn a_lock_is_taken_while_its_version_is_the_one_that_was_seen(bench: &Bench) {
    bench.put(java_lock()).await;
    bench.applied(take("w1", "v1", TakeWhen::Version(version("j1")))).await;
    assert_eq!(lock(bench).await.owner, Some(worker("w1")));
}

async fn a_lock_is_not_taken_once_its_version_has_changed(bench: &Bench) {
    bench.put(java_lock()).await;
    bench.refused(take("w1", "v1", TakeWhen::Version(version("j0")))).await;
}

async fn a_lock_that_is_gone_is_not_taken_by_its_version(bench: &Bench) {
    for when in [TakeWhen::Version(version("j1")), TakeWhen::Released] {
        bench.refused(take("w1", "v1", when)).await;
        assert_eq!(bench.item(LEADER_KEY).await, None);
    }
}

async fn a_lock_that_was_taken_keeps_nothing_of_the_row_before(bench: &Bench) {
    bench.put(java_lock()).await;
    bench.applied(take("w1", "v1", TakeWhen::Version(version("j1")))).await;
    assert_eq!(lock(bench).await, lock_of("w1", "v1"));
}

async fn a_released_lock_is_taken_as_released(bench: &Bench) {
    let mut item = java_lock();
    item.insert("isReleased".to_owned(), s("1"));
    bench.put(item).await;
    bench.applied(take("w1", "v1", TakeWhen::Released)).await;
    assert_eq!(lock(bench).await, lock_of("w1", "v1"));
}

async fn a_lock_that_is_not_released_is_not_taken_as_released(bench: &Bench) {
    bench.put(java_lock()).await;
    bench.refused(take("w1", "v1", TakeWhen::Released)).await;
    let mut item = java_lock();
    item.insert("isReleased".to_owned(), s("0"));
    bench.put(item).await;
    bench.refused(take("w1", "v1", TakeWhen::Released)).await;
}

async fn a_lock_without_a_version_is_taken_as_one(bench: &Bench) {
    let mut item = java_lock();
    item.remove("recordVersionNumber");
    bench.put(item).await;
    let seen = lock(bench).await.version;
    bench.applied(take("w1", "v1", TakeWhen::Version(seen))).await;
    assert_eq!(lock(bench).await, lock_of("w1", "v1"));
}

async fn a_lock_with_a_version_is_not_taken_as_one_without(bench: &Bench) {
    let mut item = java_lock();
    item.remove("recordVersionNumber");
    bench.put(item).await;
    let seen = lock(bench).await.version;
    bench.put(java_lock()).await;
    bench.refused(take("w1", "v1", TakeWhen::Version(seen))).await;
}

async fn a_lock_whose_version_is_no_text_is_taken_by_it(bench: &Bench) {
    for value in [AttributeValue::N("7".to_owned()), AttributeValue::Null(true)] {
        let mut item = java_lock();
        item.insert("recordVersionNumber".to_owned(), value);
        bench.put(item).await;
        let seen = lock(bench).await.version;
        bench.refused(take("w1", "v1", TakeWhen::Version(version("j1")))).await;
        bench.applied(take("w1", "v1", TakeWhen::Version(seen))).await;
    }
}

async fn a_heartbeat_changes_version_and_lease_and_nothing_else(bench: &Bench) {
    bench.put(java_lock()).await;
    bench.applied(heartbeat("java", "j1", "j2")).await;
    let mut expected = java_lock();
    expected.insert("leaseDuration".to_owned(), s("15000"));
    expected.insert("recordVersionNumber".to_owned(), s("j2"));
    assert_eq!(bench.item(LEADER_KEY).await, Some(expected));
}

async fn a_heartbeat_is_refused_once_the_version_has_changed(bench: &Bench) {
    bench.put(java_lock()).await;
    bench.refused(heartbeat("java", "j0", "j2")).await;
}

async fn a_heartbeat_is_refused_for_another_holder(bench: &Bench) {
    bench.put(java_lock()).await;
    bench.refused(heartbeat("w1", "j1", "j2")).await;
}

async fn a_heartbeat_of_a_lock_that_is_gone_makes_none(bench: &Bench) {
    bench.refused(heartbeat("java", "j1", "j2")).await;
    assert_eq!(bench.item(LEADER_KEY).await, None);
}

async fn a_lock_is_deleted_by_its_holder(bench: &Bench) {
    bench.put(java_lock()).await;
    bench.applied(delete("java", "j1")).await;
    assert_eq!(bench.row(LEADER_KEY).await, None);
}

async fn a_lock_is_not_deleted_once_its_version_has_changed(bench: &Bench) {
    bench.put(java_lock()).await;
    bench.refused(delete("java", "j0")).await;
}

async fn a_lock_is_not_deleted_by_another_holder(bench: &Bench) {
    bench.put(java_lock()).await;
    bench.refused(delete("w1", "j1")).await;
}

async fn a_lock_that_is_gone_is_not_deleted_again(bench: &Bench) {
    bench.refused(delete("java", "j1")).await;
}

async fn a_row_of_another_kind_under_the_key_of_the_lock_is_a_damaged_lock(bench: &Bench) {
    for kind in ["LATER", "WORKER_METRIC_STATS", "LEADER"] {
        let item = row([("leaseKey", s(LEADER_KEY)), ("entityType", s(kind))]);
        bench.put(item).await;
        assert!(lock(bench).await.damage.is_some(), "{kind}");
        bench.refused(take("w1", "v1", TakeWhen::Absent)).await;
    }
}

async fn an_empty_row_under_the_key_of_the_lock_is_a_damaged_lock(bench: &Bench) {
    bench.put(row([("leaseKey", s(LEADER_KEY))])).await;
    assert!(lock(bench).await.damage.is_some());
    bench.refused(take("w1", "v1", TakeWhen::Absent)).await;
    let seen = lock(bench).await.version;
    bench.applied(take("w1", "v1", TakeWhen::Version(seen))).await;
    assert_eq!(lock(bench).await, lock_of("w1", "v1"));
}
