//! The row of the client version.

use super::bench::{Bench, s, worker};
use crate::coordination::rows::{CLIENT_VERSION_KEY, ClientVersion, ClientVersionState, FleetRow};
use crate::coordination::table::FleetWrite;

run_against_each_backend! {
    the_client_version_is_created_if_there_is_none,
    a_client_version_that_is_there_is_not_created_again,
    the_client_version_is_changed_if_the_state_is_the_expected_one,
    a_client_version_of_another_state_is_not_changed,
    a_client_version_that_is_gone_is_not_changed,
}

fn first() -> ClientVersion {
    ClientVersion::first(ClientVersionState::V3x, &worker("w1"), 7)
}

fn change(from: ClientVersionState, to: &ClientVersion) -> FleetWrite {
    FleetWrite::ChangeClientVersion { from, to: to.clone() }
}

fn second() -> ClientVersion {
    first().next(ClientVersionState::V2x, &worker("w2"), 8)
}

async fn the_client_version_is_created_if_there_is_none(bench: &Bench) {
    bench.applied(FleetWrite::CreateClientVersion(first())).await;
    assert_eq!(bench.item(CLIENT_VERSION_KEY).await, Some(first().encode()));
    assert_eq!(
        bench.row(CLIENT_VERSION_KEY).await,
        Some(FleetRow::ClientVersion(first()))
    );
}

async fn a_client_version_that_is_there_is_not_created_again(bench: &Bench) {
    bench.applied(FleetWrite::CreateClientVersion(first())).await;
    bench.refused(FleetWrite::CreateClientVersion(second())).await;
}

async fn the_client_version_is_changed_if_the_state_is_the_expected_one(bench: &Bench) {
    let mut item = first().encode();
    item.insert("later".to_owned(), s("x"));
    bench.put(item).await;
    bench.applied(change(ClientVersionState::V3x, &second())).await;
    let mut expected = second().encode();
    expected.insert("later".to_owned(), s("x"));
    assert_eq!(bench.item(CLIENT_VERSION_KEY).await, Some(expected));
}

async fn a_client_version_of_another_state_is_not_changed(bench: &Bench) {
    bench.applied(FleetWrite::CreateClientVersion(first())).await;
    bench
        .refused(change(ClientVersionState::UpgradeFrom2x, &second()))
        .await;
}

async fn a_client_version_that_is_gone_is_not_changed(bench: &Bench) {
    bench.refused(change(ClientVersionState::V3x, &second())).await;
    assert_eq!(bench.item(CLIENT_VERSION_KEY).await, None);
}
