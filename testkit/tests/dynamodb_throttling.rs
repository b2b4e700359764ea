//! Capacity, and throttling by a test's will.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    DeleteRequest, KeysAndAttributes, PutRequest, ReturnConsumedCapacity, TransactWriteItem, Update, WriteRequest,
};
use testkit::dynamodb::{Calls, Capacity, Settings, Throttling};
use testkit::sim::Sim;

use crate::lease_table::{TABLE, code, n, once, pass, put, s, sim, with_table};

const SECOND: Duration = Duration::from_secs(1);

fn limited(capacity: Capacity) -> Sim {
    sim(Settings {
        capacity: BTreeMap::from([(TABLE.to_owned(), capacity)]),
        ..Settings::default()
    })
}

/// The code of the refusal of a renewal, if it is refused.
async fn renew(client: &Client, lease: &str) -> Option<String> {
    let update = client.update_item().table_name(TABLE).key("leaseKey", s(lease));
    let update = update.update_expression("ADD leaseCounter :one");
    let renewed = update.expression_attribute_values(":one", n(1)).send().await;
    Some(code(&renewed.err()?).to_owned())
}

async fn read(client: &Client, lease: &str) -> Option<String> {
    let get = client
        .get_item()
        .table_name(TABLE)
        .key("leaseKey", s(lease))
        .send()
        .await;
    Some(code(&get.err()?).to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_table_takes_its_burst_and_then_its_rate() {
    let burst = Duration::from_secs(3);
    let sim = limited(Capacity {
        burst,
        ..Capacity::provisioned(1, 2)
    });
    let client = with_table(&once(&sim)).await;
    for _ in 0..6 {
        assert_eq!(renew(&client, "a").await, None);
    }
    let refused = renew(&client, "a").await;
    assert_eq!(refused.as_deref(), Some("ProvisionedThroughputExceededException"));
    assert_eq!(read(&client, "a").await, None, "reads have a capacity of their own");

    pass(SECOND).await;
    assert_eq!([renew(&client, "a").await, renew(&client, "a").await], [None, None]);
    assert!(renew(&client, "a").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_eventually_consistent_read_costs_half_a_unit() {
    let client = with_table(&once(&limited(Capacity::on_demand(2, 100)))).await;
    for _ in 0..3 {
        assert_eq!(read(&client, "a").await, None);
    }
    // Half a unit is left: less than another consistent read may cost.
    assert_eq!(read(&client, "a").await.as_deref(), Some("ThrottlingException"));
    let reply = client.scan().table_name(TABLE).send().await;
    assert_eq!(code(&reply.unwrap_err()), "ThrottlingException");
}

#[tokio::test(start_paused = true)]
async fn a_large_write_leaves_a_debt() {
    let client = with_table(&once(&limited(Capacity::on_demand(100, 4)))).await;
    let large = client.put_item().table_name(TABLE).item("leaseKey", s("a"));
    large.item("more", s(&"x".repeat(7 * 1024))).send().await.unwrap();
    // Eight units are due, four were there.
    pass(SECOND).await;
    assert!(renew(&client, "b").await.is_some());
    pass(SECOND).await;
    assert_eq!(renew(&client, "b").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_failed_condition_costs_as_well() {
    let client = with_table(&once(&limited(Capacity::on_demand(100, 2)))).await;
    for expected in [
        "ConditionalCheckFailedException",
        "ConditionalCheckFailedException",
        "ThrottlingException",
    ] {
        let put = client.put_item().table_name(TABLE).item("leaseKey", s("a"));
        let refused = put.condition_expression("attribute_exists(leaseKey)").send().await;
        assert_eq!(code(&refused.unwrap_err()), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn consumed_capacity_is_reported_only_if_asked_for() {
    let client = with_table(&once(&limited(Capacity::on_demand(100, 100)))).await;
    let put = || client.put_item().table_name(TABLE).item("leaseKey", s("a"));
    assert!(put().send().await.unwrap().consumed_capacity.is_none());
    let asked = put()
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send()
        .await;
    assert_eq!(asked.unwrap().consumed_capacity.unwrap().capacity_units, Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn the_entries_of_a_batch_that_find_no_capacity_are_unprocessed() {
    let sim = limited(Capacity::on_demand(2, 2));
    let client = with_table(&once(&sim)).await;
    let writes = ["a", "b", "c"].map(|lease| {
        let put = PutRequest::builder().item("leaseKey", s(lease)).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    });
    let batch = || client.batch_write_item().request_items(TABLE, writes.to_vec()).send();
    let reply = batch().await.unwrap();
    assert_eq!(reply.unprocessed_items.unwrap()[TABLE], writes[2..]);
    assert_eq!(sim.dynamodb(|dynamodb| dynamodb.items(TABLE)).len(), 2);
    assert_eq!(
        code(&batch().await.unwrap_err()),
        "ThrottlingException",
        "nothing is left"
    );

    let keys = ["a", "b", "c"].map(|lease| [("leaseKey".to_owned(), s(lease))].into());
    let keys = KeysAndAttributes::builder()
        .set_keys(Some(keys.to_vec()))
        .build()
        .unwrap();
    let reply = client.batch_get_item().request_items(TABLE, keys).send().await.unwrap();
    assert_eq!(reply.responses.unwrap()[TABLE].len(), 2);
    let unprocessed = &reply.unprocessed_keys.unwrap()[TABLE];
    assert_eq!(unprocessed.keys(), [[("leaseKey".to_owned(), s("c"))].into()]);
}

#[tokio::test(start_paused = true)]
async fn only_the_calls_that_a_test_means_are_throttled() {
    let sim = sim(Settings::default());
    let client = with_table(&once(&sim)).await;
    let renewals = Calls::of("UpdateItem").on_table(TABLE);
    sim.dynamodb(|dynamodb| dynamodb.throttle(renewals.clone(), Throttling::Provisioned));
    let refused = renew(&client, "a").await;
    assert_eq!(refused.as_deref(), Some("ProvisionedThroughputExceededException"));
    put(&client, "a", "worker-1").await;
    assert_eq!(read(&client, "a").await, None);

    sim.dynamodb(|dynamodb| dynamodb.release(&renewals));
    assert_eq!(renew(&client, "a").await, None);
}

#[tokio::test(start_paused = true)]
async fn one_item_can_be_throttled_in_each_way() {
    let sim = sim(Settings::default());
    let client = with_table(&once(&sim)).await;
    let lease = Calls::all().with_key("a");
    for (throttling, expected) in [
        (Throttling::Provisioned, "ProvisionedThroughputExceededException"),
        (Throttling::OnDemand, "ThrottlingException"),
        (Throttling::Account, "RequestLimitExceeded"),
    ] {
        sim.dynamodb(|dynamodb| dynamodb.throttle(lease.clone(), throttling));
        assert_eq!(renew(&client, "a").await.as_deref(), Some(expected));
        assert_eq!(renew(&client, "b").await, None);
    }
    let deletes = ["a", "b"].map(|lease| {
        let delete = DeleteRequest::builder().key("leaseKey", s(lease)).build().unwrap();
        WriteRequest::builder().delete_request(delete).build()
    });
    let batch = client.batch_write_item().request_items(TABLE, deletes.to_vec());
    let unprocessed = batch.send().await.unwrap().unprocessed_items.unwrap();
    assert_eq!(unprocessed[TABLE], deletes[..1]);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_with_a_throttled_item_is_cancelled() {
    let sim = sim(Settings::default());
    let client = with_table(&once(&sim)).await;
    sim.dynamodb(|dynamodb| dynamodb.throttle(Calls::of("UpdateItem").with_key("b"), Throttling::OnDemand));
    let renew = |lease: &str| {
        let update = Update::builder().table_name(TABLE).key("leaseKey", s(lease));
        let update = update.update_expression("ADD leaseCounter :one");
        let update = update.expression_attribute_values(":one", n(1)).build().unwrap();
        TransactWriteItem::builder().update(update).build()
    };
    let both = client
        .transact_write_items()
        .transact_items(renew("a"))
        .transact_items(renew("b"));
    let error = both.send().await.unwrap_err().into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        panic!("{error:?}");
    };
    let reasons = cancelled.cancellation_reasons();
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code().unwrap()).collect();
    assert_eq!(codes, ["None", "ThrottlingError"]);
    assert!(sim.dynamodb(|dynamodb| dynamodb.items(TABLE)).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_limit_can_come_and_go() {
    let sim = sim(Settings::default());
    let client = with_table(&once(&sim)).await;
    sim.dynamodb(|dynamodb| dynamodb.limit(TABLE, Some(Capacity::provisioned(0, 0))));
    assert!(renew(&client, "a").await.is_some());
    sim.dynamodb(|dynamodb| dynamodb.limit(TABLE, None));
    assert_eq!(renew(&client, "a").await, None);
}

#[tokio::test(start_paused = true)]
async fn the_sdk_takes_every_throttling_for_one_and_tries_again() {
    let sim = sim(Settings::default());
    let config = sim.sdk_config();
    let client = with_table(&config).await;
    for throttling in [Throttling::Provisioned, Throttling::OnDemand, Throttling::Account] {
        let before = sim.calls().len();
        sim.dynamodb(|dynamodb| dynamodb.throttle(Calls::of("UpdateItem"), throttling));
        assert!(renew(&client, "a").await.is_some());
        assert_eq!(sim.calls().len() - before, 3, "{throttling:?}");
    }
}
