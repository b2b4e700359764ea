//! Permissions, looking into tables, and watching them.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{Put, PutRequest, TransactWriteItem, Update, WriteRequest};
use serde_json::json;
use testkit::dynamodb::{Calls, Change, Settings};
use testkit::sim::Sim;

use crate::lease_table::{INDEX, TABLE, code, get, n, once, put, s, sim, with_table};

async fn query(client: &Client) -> Result<(), (String, String)> {
    let query = client.query().table_name(TABLE).index_name(INDEX);
    let query = query.key_condition_expression("leaseOwner = :owner");
    let found = query.expression_attribute_values(":owner", s("worker-1")).send().await;
    found.map(drop).map_err(|error| {
        let error = error.into_service_error();
        (code(&error).to_owned(), error.message().unwrap_or_default().to_owned())
    })
}

#[tokio::test(start_paused = true)]
async fn a_denied_index_is_not_queried_while_its_table_is_read() {
    let calls = Calls::of("Query").on_index(TABLE, INDEX);
    let sim = sim(Settings {
        denied: vec![calls.clone()],
        ..Settings::default()
    });
    let client = with_table(&once(&sim)).await;
    let expected = "User: arn:aws:iam::000000000000:user/testkit is not authorized to perform: dynamodb:Query on \
        resource: arn:aws:dynamodb:us-east-1:000000000000:table/leases/index/LeaseOwnerToLeaseKeyIndex because no \
        identity-based policy allows the dynamodb:Query action";
    assert_eq!(
        query(&client).await,
        Err(("AccessDeniedException".to_owned(), expected.to_owned()))
    );
    client.scan().table_name(TABLE).send().await.unwrap();

    sim.dynamodb(|dynamodb| dynamodb.allow(&calls));
    assert_eq!(query(&client).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_denied_action_is_denied_before_anything_else_is_told() {
    let sim = sim(Settings::default());
    sim.dynamodb(|dynamodb| dynamodb.deny(Calls::of("DescribeTable")));
    let described = Client::new(&once(&sim))
        .describe_table()
        .table_name("none")
        .send()
        .await;
    assert_eq!(code(&described.unwrap_err()), "AccessDeniedException");
}

#[tokio::test(start_paused = true)]
async fn a_transaction_needs_the_permissions_for_its_items() {
    let sim = sim(Settings::default());
    let client = with_table(&once(&sim)).await;
    sim.dynamodb(|dynamodb| dynamodb.deny(Calls::of("PutItem").on_table(TABLE)));
    let put = Put::builder()
        .table_name(TABLE)
        .item("leaseKey", s("a"))
        .build()
        .unwrap();
    let transaction = client
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().put(put).build());
    let error = transaction.send().await.unwrap_err();
    assert_eq!(code(&error), "AccessDeniedException");
}

#[tokio::test(start_paused = true)]
async fn items_are_seen_without_a_call_in_the_order_of_their_keys() {
    let sim = sim(Settings::default());
    let client = with_table(&once(&sim)).await;
    let leases: Vec<String> = ('a'..='z').map(String::from).collect();
    for lease in leases.iter().rev() {
        put(&client, lease, "worker-1").await;
    }
    let before = sim.calls().len();
    let items = sim.dynamodb(|dynamodb| dynamodb.items(TABLE));
    let keys: Vec<_> = items
        .iter()
        .map(|item| item["leaseKey"]["S"].as_str().unwrap())
        .collect();
    assert_eq!(keys, leases);
    let item = sim.dynamodb(|dynamodb| dynamodb.item(TABLE, "b")).unwrap();
    assert_eq!(item["leaseOwner"], json!({ "S": "worker-1" }));
    assert_eq!(sim.dynamodb(|dynamodb| dynamodb.item(TABLE, "none")), None);
    assert!(sim.dynamodb(|dynamodb| dynamodb.items("none")).is_empty());
    assert_eq!(sim.calls().len(), before);
}

#[tokio::test(start_paused = true)]
async fn more_than_a_page_of_items_is_seen() {
    let sim = sim(Settings::default());
    let client = with_table(&once(&sim)).await;
    for lease in 0..4 {
        let item = client
            .put_item()
            .table_name(TABLE)
            .item("leaseKey", s(&lease.to_string()));
        item.item("more", s(&"x".repeat(350 * 1024))).send().await.unwrap();
    }
    assert_eq!(sim.dynamodb(|dynamodb| dynamodb.items(TABLE)).len(), 4);
}

/// What a watcher of the table is told.
fn watched(sim: &Sim) -> Arc<Mutex<Vec<Change>>> {
    let changes = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&changes);
    sim.dynamodb(|dynamodb| dynamodb.watch(TABLE, move |change| told.lock().unwrap().push(change.clone())));
    changes
}

/// The key, the counter before and the counter after of each change.
fn counters(changes: &Mutex<Vec<Change>>) -> Vec<(String, Option<String>, Option<String>)> {
    let counter = |item: &testkit::dynamodb::Item| Some(item.get("leaseCounter")?["N"].as_str()?.to_owned());
    let changes = std::mem::take(&mut *changes.lock().unwrap());
    let told = changes.iter().map(|change| {
        let key = change.key["leaseKey"]["S"].as_str().unwrap().to_owned();
        (
            key,
            change.before.as_ref().and_then(counter),
            change.after.as_ref().and_then(counter),
        )
    });
    told.collect()
}

fn told(key: &str, before: Option<u32>, after: Option<u32>) -> (String, Option<String>, Option<String>) {
    let text = |counter: u32| counter.to_string();
    (key.to_owned(), before.map(text), after.map(text))
}

fn renewal(lease: &str) -> Update {
    let update = Update::builder().table_name(TABLE).key("leaseKey", s(lease));
    let update = update.update_expression("ADD leaseCounter :one");
    update.expression_attribute_values(":one", n(1)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_watcher_is_told_of_every_applied_write() {
    let sim = sim(Settings::default());
    let client = with_table(&once(&sim)).await;
    let changes = watched(&sim);
    put(&client, "a", "worker-1").await;
    assert_eq!(changes.lock().unwrap()[0].at, sim.now());

    let refused = client.put_item().table_name(TABLE).item("leaseKey", s("a"));
    refused
        .condition_expression("attribute_not_exists(leaseKey)")
        .send()
        .await
        .unwrap_err();
    let renew = |lease| TransactWriteItem::builder().update(renewal(lease)).build();
    let transaction = client.transact_write_items();
    transaction
        .transact_items(renew("b"))
        .transact_items(renew("a"))
        .send()
        .await
        .unwrap();
    let batch = PutRequest::builder()
        .item("leaseKey", s("c"))
        .item("leaseCounter", n(9))
        .build()
        .unwrap();
    let batch = WriteRequest::builder().put_request(batch).build();
    client
        .batch_write_item()
        .request_items(TABLE, vec![batch])
        .send()
        .await
        .unwrap();
    client
        .delete_item()
        .table_name(TABLE)
        .key("leaseKey", s("a"))
        .send()
        .await
        .unwrap();

    let expected = [
        told("a", None, Some(1)),
        told("b", None, Some(1)),
        told("a", Some(1), Some(2)),
        told("c", None, Some(9)),
        told("a", Some(2), None),
    ];
    assert_eq!(counters(&changes), expected);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_is_taken_back_is_told_nothing() {
    let sim = sim(Settings::default());
    let client = with_table(&once(&sim)).await;
    let changes = watched(&sim);
    sim.dynamodb(|dynamodb| dynamodb.unwatch(TABLE));
    put(&client, "a", "worker-1").await;
    assert!(counters(&changes).is_empty());
    assert_eq!(get(&client, "a").await["leaseOwner"], s("worker-1"));
}

#[tokio::test(start_paused = true)]
async fn an_item_is_deleted_without_a_call_and_watchers_are_told() {
    let sim = sim(Settings::default());
    let client = with_table(&once(&sim)).await;
    for lease in ["a", "b"] {
        put(&client, lease, "worker-1").await;
    }
    let (changes, now) = (watched(&sim), sim.now());
    let before = sim.calls().len();
    for key in ["a", "none"] {
        sim.dynamodb(|dynamodb| dynamodb.delete(TABLE, key, now));
    }
    sim.dynamodb(|dynamodb| dynamodb.delete("none", "b", now));
    assert_eq!(sim.calls().len(), before);
    let keys: Vec<_> = sim.dynamodb(|dynamodb| dynamodb.items(TABLE));
    assert_eq!(keys.len(), 1);
    let changes = std::mem::take(&mut *changes.lock().unwrap());
    let deleted: Vec<_> = changes.iter().filter(|change| change.before.is_some()).collect();
    assert_eq!(deleted.len(), 1);
    assert!(deleted[0].after.is_none() && deleted[0].key["leaseKey"]["S"] == "a");
}
