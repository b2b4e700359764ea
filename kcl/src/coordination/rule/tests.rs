//! Each state of the tables, and the rule that it means.

use super::super::rows::{FleetRow, LEADER_KEY};
use super::*;
use crate::lease::item::Item;

use aws_sdk_dynamodb::types::AttributeValue;

use Coordination::{Auto, Kcl2, Kcl3};
use Leases::{None as Empty, OfOneStream, OfSeveralStreams};
use Place::{CoordinatorTable, LeaseTable};

const OPTIONS: [Coordination; 3] = [Auto, Kcl2, Kcl3];
const V3X: &str = "CLIENT_VERSION_3X";
const V2X: &str = "CLIENT_VERSION_2X";
const UPGRADE: &str = "CLIENT_VERSION_UPGRADE_FROM_2X";
const ROLLBACK: &str = "CLIENT_VERSION_3X_WITH_ROLLBACK";

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn row<const N: usize>(attributes: [(&str, AttributeValue); N]) -> FleetRow {
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value));
    FleetRow::of_item(Item::from(attributes))
}

/// `key` is the name of the key: that of the lease table, or that of the coordinator table.
fn version(key: &str, state: &str) -> FleetRow {
    row([(key, text(CLIENT_VERSION_KEY)), ("cv", text(state))])
}

fn migration(key: &str, status: &str) -> FleetRow {
    row([(key, text(TABLE_MIGRATION_KEY)), ("tm", text(status))])
}

fn lock() -> FleetRow {
    row([("leaseKey", text(LEADER_KEY)), ("ownerName", text("java-1"))])
}

fn metrics() -> FleetRow {
    let time = AttributeValue::N("1784000000".to_owned());
    let stats = AttributeValue::M(Item::new());
    row([("leaseKey", text("java-1")), ("lut", time), ("sts", stats)])
}

fn rows(all: impl IntoIterator<Item = FleetRow>) -> FleetRows {
    let mut rows = FleetRows::default();
    all.into_iter().for_each(|row| rows.put(row));
    rows
}

/// The coordinator table with these states.
fn coordinator(state: Option<&str>, status: Option<&str>) -> Coordinator {
    let state = state.map(|state| version("key", state));
    let status = status.map(|status| migration("key", status));
    Coordinator::from(Some(rows(state.into_iter().chain(status))))
}

fn decided(leases: Leases, rows: &FleetRows, coordinator: &Coordinator, option: Coordination) -> Result<Rule, Refusal> {
    let seen = Seen {
        leases,
        rows,
        coordinator,
    };
    decide(&seen, option)
}

/// What a lease table with these rows means, without a coordinator table.
fn alone<const N: usize>(leases: Leases, of: [FleetRow; N], option: Coordination) -> Result<Rule, Refusal> {
    decided(leases, &rows(of), &Coordinator::Absent, option)
}

/// What a coordinator table means beside leases.
fn beside(state: Option<&str>, status: Option<&str>, option: Coordination) -> Result<Rule, Refusal> {
    let coordinator = coordinator(state, status);
    decided(OfOneStream, &FleetRows::default(), &coordinator, option)
}

fn kcl2(why: WhyKcl2) -> Result<Rule, Refusal> {
    Ok(Rule::Kcl2 { why })
}

fn kcl3(row: VersionRow) -> Result<Rule, Refusal> {
    Ok(Rule::Kcl3 { row })
}

fn says_2x(place: Place, state: ClientVersionState) -> Result<Rule, Refusal> {
    kcl2(WhyKcl2::Row { place, state })
}

#[test]
fn a_table_without_leases_is_one_for_the_3x_rule_and_the_row_is_created() {
    assert_eq!(alone(Empty, [], Auto), kcl3(VersionRow::ToCreate));
    assert_eq!(alone(Empty, [lock(), metrics()], Auto), kcl3(VersionRow::ToCreate));
    assert_eq!(
        alone(Empty, [version("leaseKey", V3X)], Auto),
        kcl3(VersionRow::Present)
    );
}

#[test]
fn leases_without_the_row_mean_the_2x_rule_and_why_says_how_to_move_up() {
    let why = WhyKcl2::LeasesWithoutRow;
    assert!(why.to_string().contains("Coordination::Kcl3"), "{why}");
    assert_eq!(alone(OfOneStream, [], Auto), kcl2(why));
}

#[test]
fn the_3x_rule_is_followed_where_the_row_says_it() {
    for option in [Auto, Kcl3] {
        let found = alone(OfOneStream, [version("leaseKey", V3X), lock(), metrics()], option);
        assert_eq!(found, kcl3(VersionRow::Present), "{option:?}");
    }
}

#[test]
fn a_fleet_that_is_all_rust_moves_up_by_the_option() {
    assert_eq!(alone(OfOneStream, [], Kcl3), kcl3(VersionRow::ToCreate));
    assert_eq!(alone(OfOneStream, [metrics()], Kcl3), kcl3(VersionRow::ToCreate));
}

#[test]
fn a_worker_that_is_told_the_2x_rule_follows_it_only_where_nothing_speaks_against_it() {
    for leases in [Empty, OfOneStream] {
        assert_eq!(alone(leases, [], Kcl2), kcl2(WhyKcl2::Chosen));
        for row in [lock(), metrics()] {
            let refused = alone(leases, [row], Kcl2);
            assert!(
                matches!(refused, Err(Refusal::RowsWithoutVersion { .. })),
                "{refused:?}"
            );
        }
        let place = LeaseTable;
        assert_eq!(
            alone(leases, [version("leaseKey", V3X)], Kcl2),
            Err(Refusal::Follows3x { place })
        );
    }
}

#[test]
fn rows_of_kcl_3_beside_leases_are_refused_by_their_names_without_the_row_of_the_rule() {
    let unknown = row([("leaseKey", text("x")), ("entityType", text("LATER"))]);
    let refused = alone(OfOneStream, [lock(), metrics(), unknown], Auto).unwrap_err();
    let found = r#"a Leader row, a Unknown("LATER") row, a WorkerMetrics row"#.to_owned();
    assert_eq!(refused, Refusal::RowsWithoutVersion { found });
}

#[test]
fn a_2x_mode_in_either_table_means_the_2x_rule() {
    for (name, state) in [
        (V2X, ClientVersionState::V2x),
        (UPGRADE, ClientVersionState::UpgradeFrom2x),
    ] {
        for option in [Auto, Kcl2] {
            let found = alone(OfOneStream, [version("leaseKey", name), metrics()], option);
            assert_eq!(found, says_2x(LeaseTable, state.clone()), "{option:?}");
            for status in [None, Some(INIT), Some(DEPLOYED)] {
                let found = beside(Some(name), status, option);
                assert_eq!(
                    found,
                    says_2x(CoordinatorTable, state.clone()),
                    "{status:?}, {option:?}"
                );
            }
        }
        let place = CoordinatorTable;
        let refused = Refusal::Follows2x { place, state };
        assert_eq!(beside(Some(name), None, Kcl3), Err(refused));
    }
}

#[test]
fn a_fleet_with_three_tables_is_refused_under_the_3x_rule() {
    for status in [None, Some(INIT), Some(DEPLOYED)] {
        for option in [Auto, Kcl3] {
            assert_eq!(beside(Some(V3X), status, option), Err(Refusal::ThreeTables));
        }
        let place = CoordinatorTable;
        assert_eq!(beside(Some(V3X), status, Kcl2), Err(Refusal::Follows3x { place }));
    }
}

#[test]
fn a_coordinator_table_that_the_fleet_has_left_says_nothing() {
    for state in [None, Some(V2X)] {
        let left = coordinator(state, Some(COMPLETE));
        let of_3x = rows([version("leaseKey", V3X), migration("leaseKey", COMPLETE)]);
        assert_eq!(decided(OfOneStream, &of_3x, &left, Auto), kcl3(VersionRow::Present));
    }
}

#[test]
fn every_state_between_two_rules_is_refused_whatever_the_worker_is_told() {
    for option in OPTIONS {
        for (key, place) in [("leaseKey", LeaseTable), ("key", CoordinatorTable)] {
            let found = |state: &str| match place {
                LeaseTable => alone(OfOneStream, [version(key, state)], option),
                CoordinatorTable => beside(Some(state), None, option),
            };
            let state = "CLIENT_VERSION_4X".to_owned();
            assert_eq!(found(ROLLBACK), Err(Refusal::WithRollback { place }), "{option:?}");
            assert_eq!(found("CLIENT_VERSION_INIT"), Err(Refusal::Undecided { place }));
            assert_eq!(found(&state.clone()), Err(Refusal::UnknownState { place, state }));
        }
        let place = CoordinatorTable;
        assert_eq!(beside(None, None, option), Err(Refusal::Undecided { place }));
        for status in ["TABLE_MIGRATION_STATUS_PENDING", "TABLE_MIGRATION_STATUS_LATER"] {
            for state in [None, Some(V2X), Some(V3X)] {
                let status = status.to_owned();
                assert_eq!(
                    beside(state, Some(&status.clone()), option),
                    Err(Refusal::BetweenTables { status })
                );
            }
        }
    }
}

#[test]
fn two_rows_that_contradict_each_other_are_refused() {
    let of_3x = rows([version("leaseKey", V3X)]);
    for option in OPTIONS {
        let found = decided(OfOneStream, &of_3x, &coordinator(Some(V2X), None), option);
        let refused = Refusal::Contradiction {
            coordinator: ClientVersionState::V2x,
            lease_table: ClientVersionState::V3x,
        };
        assert_eq!(found, Err(refused));
    }
}

#[test]
fn a_damaged_row_is_refused_if_it_says_the_rule_and_else_says_nothing() {
    let number = || AttributeValue::N("3".to_owned());
    let damaged = |key: &str| row([(key, text(CLIENT_VERSION_KEY)), ("cv", number())]);
    let moved = row([("key", text(TABLE_MIGRATION_KEY)), ("tm", number())]);
    for option in OPTIONS {
        let place = alone(OfOneStream, [damaged("leaseKey")], option);
        assert!(
            matches!(place, Err(Refusal::Damaged { place: LeaseTable, .. })),
            "{place:?}"
        );
        for row in [damaged("key"), moved.clone()] {
            let table = Coordinator::from(Some(rows([row, version("key", V2X)])));
            let place = decided(OfOneStream, &FleetRows::default(), &table, option);
            assert!(
                matches!(
                    place,
                    Err(Refusal::Damaged {
                        place: CoordinatorTable,
                        ..
                    })
                ),
                "{place:?}"
            );
        }
    }
    let broken = row([("leaseKey", text("java-1")), ("sts", number())]);
    let found = alone(OfOneStream, [broken, version("leaseKey", V3X)], Auto);
    assert_eq!(found, kcl3(VersionRow::Present));
}

#[test]
fn a_table_of_several_streams_is_refused() {
    for option in OPTIONS {
        let found = alone(OfSeveralStreams, [version("leaseKey", V3X)], option);
        assert_eq!(found, Err(Refusal::SeveralStreams));
    }
}

#[test]
fn nothing_is_created_in_an_empty_table_while_the_coordinator_table_cannot_be_read() {
    let unknown = |leases, option| decided(leases, &FleetRows::default(), &Coordinator::Unknown, option);
    assert_eq!(unknown(Empty, Auto), kcl2(WhyKcl2::CoordinatorUnknown));
    assert_eq!(unknown(Empty, Kcl3), kcl3(VersionRow::ToCreate));
    assert_eq!(unknown(OfOneStream, Auto), kcl2(WhyKcl2::LeasesWithoutRow));
    assert_eq!(unknown(OfOneStream, Kcl2), kcl2(WhyKcl2::Chosen));
}

#[test]
fn a_worker_that_runs_keeps_its_rule_or_ends() {
    let of_2x = Rule::Kcl2 {
        why: WhyKcl2::LeasesWithoutRow,
    };
    assert_eq!(
        alone(Empty, [], of_2x.kept()),
        kcl2(WhyKcl2::Chosen),
        "its rows were deleted"
    );
    let place = LeaseTable;
    let moved_up = alone(OfOneStream, [version("leaseKey", V3X)], of_2x.kept());
    assert_eq!(moved_up, Err(Refusal::Follows3x { place }));
    let of_3x = Rule::Kcl3 {
        row: VersionRow::Present,
    };
    assert_eq!(
        alone(OfOneStream, [lock()], of_3x.kept()),
        kcl3(VersionRow::ToCreate),
        "the row was deleted"
    );
    let state = ClientVersionState::V2x;
    let rolled_back = alone(OfOneStream, [version("leaseKey", V2X)], of_3x.kept());
    assert_eq!(rolled_back, Err(Refusal::Follows2x { place, state }));
}

#[test]
fn a_refusal_names_the_table_the_state_and_what_can_be_done() {
    let refusal = beside(Some(ROLLBACK), None, Auto).unwrap_err();
    let expected = "lease table billing belongs to workers that follow another rule: the row Migration3.0 in the coordinator \
                    table says CLIENT_VERSION_3X_WITH_ROLLBACK; finish the move to KCL 3 (CLIENT_VERSION_CONFIG_3X), or go back \
                    to 2.x with the KCL's rollback tool";
    assert_eq!(refusal.of_table("billing").to_string(), expected);
}
