//! Workers that leave in an orderly way, or must.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use kcl::WorkerError;

use super::{Fleet, SECOND};
use crate::fleet::APPLICATION;

#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_deletes_its_rows_and_its_shards_are_read_elsewhere_within_3_s() {
    let mut fleet = Fleet::new(6);
    for name in ["w1", "w2"] {
        fleet.start(name);
    }
    fleet.until_level(6).await;
    tokio::time::sleep(30 * SECOND).await;
    let leader = fleet.leader().await.unwrap();
    let report = fleet.stop(&leader).await.unwrap();
    assert_eq!(report.released.len(), 3);
    let took = fleet.until_level(6).await;
    assert!(took <= 3 * SECOND, "{took:?}");
    let rows = fleet.rows().await;
    assert!(!rows.contains_key(&leader), "its metrics row is gone");
    tokio::time::sleep(11 * SECOND).await;
    assert_ne!(fleet.leader().await.unwrap(), leader, "and another worker leads");
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_fleet_goes_back_to_the_2x_rule_gives_all_up_and_ends_with_an_error() {
    let mut fleet = Fleet::new(2);
    fleet.start("w1");
    fleet.until_level(2).await;
    let client = aws_sdk_dynamodb::Client::new(&fleet.sim.client("operator"));
    let change = client
        .update_item()
        .table_name(APPLICATION)
        .key("leaseKey", AttributeValue::S("Migration3.0".into()))
        .update_expression("SET cv = :state")
        .expression_attribute_values(":state", AttributeValue::S("CLIENT_VERSION_2X".into()));
    change.send().await.unwrap();
    let member = fleet.workers.remove("w1").unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), member.running).await;
    let error = ended.unwrap().unwrap().unwrap_err();
    assert!(matches!(error.error(), WorkerError::LedByOthers { .. }), "{error}");
    let rows = fleet.rows().await;
    assert!(
        !rows.contains_key("w1") && !rows.contains_key("Leader"),
        "{:?}",
        rows.keys()
    );
    assert!(rows.values().all(|row| !row.contains_key("leaseOwner")));
}
