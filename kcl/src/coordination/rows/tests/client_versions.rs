//! The row of the client version.

use super::*;

#[test]
fn the_first_client_version_is_attribute_for_attribute_the_javas() {
    let ours = ClientVersion::first(ClientVersionState::V3x, &WorkerId::new("w1"), 1_795_236_294_778);
    let javas: Vec<_> = recorded()
        .into_iter()
        .filter(|(recorded, _)| recorded.key() == "Migration3.0")
        .collect();
    assert!(!javas.is_empty());
    for (recorded, row) in javas {
        let FleetRow::ClientVersion(java) = row else {
            panic!("{recorded:?}")
        };
        let names = |item: Item| item.into_keys().collect::<BTreeSet<_>>();
        assert_eq!(names(ours.encode()), names(recorded.item.clone()));
        let states = |row: &ClientVersion| (row.current.state.clone(), row.history[0].state.clone());
        assert_eq!(states(&ours), states(&java));
    }
}

#[test]
fn the_history_of_the_client_version_is_newest_first_and_at_most_ten_long() {
    let worker = WorkerId::new("w1");
    let states = [ClientVersionState::V2x, ClientVersionState::UpgradeFrom2x];
    let mut version = ClientVersion::first(ClientVersionState::V3x, &worker, 0);
    for at in 1..=20 {
        let state = states[usize::try_from(at % 2).unwrap()].clone();
        version = version.next(state, &worker, at);
    }
    let times: Vec<_> = version.history.iter().map(|past| past.at.unwrap()).collect();
    assert_eq!(times, (10..20).rev().collect::<Vec<_>>());
    assert_eq!(version.current.at, Some(20));
}

#[test]
fn a_client_version_of_a_state_that_is_not_known_is_kept_by_its_name() {
    let item = row([
        ("leaseKey", s("Migration3.0")),
        ("entityType", s("CLIENT_VERSION_MIGRATION")),
        ("cv", s("CLIENT_VERSION_4X")),
        ("h", AttributeValue::L(Vec::new())),
    ]);
    let FleetRow::ClientVersion(version) = read(&item) else {
        panic!("{item:?}")
    };
    assert_eq!(
        version.current.state,
        ClientVersionState::Unknown("CLIENT_VERSION_4X".to_owned())
    );
    assert_eq!(version.encode(), item);
}

#[test]
fn a_damaged_history_names_the_attribute_inside_of_it() {
    let past = map([("cv", n("3"))]);
    let item = row([
        ("leaseKey", s("Migration3.0")),
        ("cv", s("CLIENT_VERSION_3X")),
        ("h", AttributeValue::L(vec![past])),
    ]);
    let error = damage(&item);
    assert_eq!((error.key.as_str(), error.attribute.as_str()), ("Migration3.0", "h.cv"));
    assert!(matches!(error.fault, FieldFault::NotOfType { .. }));
}

proptest! {
    #[test]
    fn whatever_is_written_as_a_client_version_is_read_as_it_was(times in proptest::collection::vec(any::<u64>(), 0..15)) {
        let worker = WorkerId::new("w");
        let mut row = ClientVersion::first(ClientVersionState::V3xWithRollback, &worker, 7);
        for at in times {
            row = row.next(ClientVersionState::V2x, &worker, at);
        }
        let by_worker = |past: &Modified| past.by.as_ref() == Some(&worker);
        prop_assert!(row.history.iter().all(by_worker));
        prop_assert_eq!(read(&row.encode()), FleetRow::ClientVersion(row));
    }
}
