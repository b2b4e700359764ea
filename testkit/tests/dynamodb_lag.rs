//! Reads that are behind.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, Get, KeysAndAttributes, TransactGetItem};
use proptest::prelude::*;
use testkit::Service;
use testkit::dynamodb::Settings;
use testkit::sim::{Latency, Sim};
use tokio::runtime::Builder;

use crate::lease_table::{INDEX, TABLE, code, once, pass, put, s, sim, with_table};

const LAG: Duration = Duration::from_millis(500);

fn lagging_reads() -> Settings {
    Settings {
        read_lag: LAG,
        ..Settings::default()
    }
}

fn lagging_index() -> Settings {
    Settings {
        index_lag: LAG,
        ..Settings::default()
    }
}

async fn scanned(client: &Client, consistent: Consistency) -> i32 {
    let scan = client
        .scan()
        .table_name(TABLE)
        .consistent_read(consistent == Consistency::Strong);
    scan.send().await.unwrap().count
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Consistency {
    Strong,
    Eventual,
}

async fn owned(client: &Client, worker: &str) -> i32 {
    let query = client.query().table_name(TABLE).index_name(INDEX);
    let query = query.key_condition_expression("leaseOwner = :owner");
    let found = query.expression_attribute_values(":owner", s(worker)).send().await;
    found.unwrap().count
}

/// Puts leases at one moment, of which some have not arrived yet.
async fn put_ten(client: &Client) {
    for shard in 0..10 {
        put(client, &format!("shard-{shard}"), "worker-1").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_consistent_read_sees_every_write_and_another_sees_it_after_the_lag() {
    let client = with_table(&once(&sim(lagging_reads()))).await;
    put_ten(&client).await;
    assert_eq!(scanned(&client, Consistency::Strong).await, 10);
    assert!(scanned(&client, Consistency::Eventual).await < 10);
    let newest = || client.get_item().table_name(TABLE).key("leaseKey", s("shard-9"));
    assert!(newest().send().await.unwrap().item.is_none());
    assert!(newest().consistent_read(true).send().await.unwrap().item.is_some());
    let get = Get::builder()
        .table_name(TABLE)
        .key("leaseKey", s("shard-9"))
        .build()
        .unwrap();
    let transaction = client
        .transact_get_items()
        .transact_items(TransactGetItem::builder().get(get).build());
    assert!(transaction.send().await.unwrap().responses()[0].item.is_some());

    pass(LAG).await;
    assert_eq!(scanned(&client, Consistency::Eventual).await, 10);
    assert!(newest().send().await.unwrap().item.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_too_is_seen_late() {
    let client = with_table(&once(&sim(lagging_reads()))).await;
    put_ten(&client).await;
    pass(LAG).await;
    for shard in 0..10 {
        let delete = client.delete_item().table_name(TABLE);
        delete
            .key("leaseKey", s(&format!("shard-{shard}")))
            .send()
            .await
            .unwrap();
    }
    assert_eq!(scanned(&client, Consistency::Strong).await, 0);
    assert!(scanned(&client, Consistency::Eventual).await > 0);
    pass(LAG).await;
    assert_eq!(scanned(&client, Consistency::Eventual).await, 0);
}

#[tokio::test(start_paused = true)]
async fn each_table_of_a_batch_is_read_as_it_asks_for() {
    let client = with_table(&once(&sim(lagging_reads()))).await;
    put_ten(&client).await;
    let found = async |consistent: Consistency| {
        let keys = KeysAndAttributes::builder()
            .keys([("leaseKey".to_owned(), s("shard-9"))].into())
            .consistent_read(consistent == Consistency::Strong);
        let batch = client.batch_get_item().request_items(TABLE, keys.build().unwrap());
        batch.send().await.unwrap().responses.unwrap()[TABLE].len()
    };
    assert_eq!(found(Consistency::Strong).await, 1);
    assert_eq!(found(Consistency::Eventual).await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_index_is_behind_on_its_own() {
    let client = with_table(&once(&sim(lagging_index()))).await;
    put_ten(&client).await;
    assert_eq!(scanned(&client, Consistency::Eventual).await, 10, "only the index lags");
    assert!(owned(&client, "worker-1").await < 10);
    pass(LAG).await;
    assert_eq!(owned(&client, "worker-1").await, 10);

    // What changed hands is first in the index of its old owner, then of its new one, never of both.
    put(&client, "shard-0", "worker-2").await;
    assert_eq!(
        (owned(&client, "worker-1").await, owned(&client, "worker-2").await),
        (10, 0)
    );
    pass(LAG).await;
    assert_eq!(
        (owned(&client, "worker-1").await, owned(&client, "worker-2").await),
        (9, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_global_index_has_no_consistent_reads() {
    let client = with_table(&once(&sim(lagging_index()))).await;
    let query = client.query().table_name(TABLE).index_name(INDEX).consistent_read(true);
    let query = query.key_condition_expression("leaseOwner = :owner");
    let refused = query.expression_attribute_values(":owner", s("worker-1")).send().await;
    let error = refused.unwrap_err().into_service_error();
    assert_eq!(code(&error), "ValidationException");
    assert_eq!(
        error.message(),
        Some("Consistent reads are not supported on global secondary indexes")
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_written_to_a_deleted_table_does_not_show_up_in_its_successor() {
    let sim = sim(lagging_reads());
    let client = with_table(&once(&sim)).await;
    put_ten(&client).await;
    client.delete_table().table_name(TABLE).send().await.unwrap();
    let client = with_table(&once(&sim)).await;
    pass(LAG).await;
    assert_eq!(scanned(&client, Consistency::Eventual).await, 0);
}

/// How many of ten writes of one moment are seen, every 50 ms.
fn arrivals(seed: u64) -> Vec<i32> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let sim = Sim::builder().seed(seed).dynamodb(lagging_reads());
        let sim = sim.latency(Service::DynamoDb, Latency::ZERO).build();
        let client = with_table(&once(&sim)).await;
        put_ten(&client).await;
        let mut seen = Vec::new();
        for _ in 0..10 {
            seen.push(scanned(&client, Consistency::Eventual).await);
            pass(LAG / 10).await;
        }
        seen
    })
}

#[test]
fn one_seed_gives_the_same_lags() {
    assert_eq!(arrivals(1), arrivals(1));
    let different: BTreeSet<_> = (0..8).map(arrivals).collect();
    assert!(different.len() > 4, "{different:?}");
}

/// A counter that is incremented, and read in both ways, with pauses of so many milliseconds.
#[derive(Debug, Clone, Copy)]
enum Step {
    Increment,
    Read(u64),
}

async fn increment(client: &Client) {
    let update = client.update_item().table_name(TABLE).key("leaseKey", s("a"));
    let update = update.update_expression("ADD leaseCounter :one");
    let one = AttributeValue::N("1".to_owned());
    update.expression_attribute_values(":one", one).send().await.unwrap();
}

async fn counter(client: &Client, consistent: Consistency) -> usize {
    let get = client.get_item().table_name(TABLE).key("leaseKey", s("a"));
    let get = get.consistent_read(consistent == Consistency::Strong);
    match get.send().await.unwrap().item {
        Some(item) => item["leaseCounter"].as_n().unwrap().parse().unwrap(),
        None => 0,
    }
}

async fn check(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let sim = sim(lagging_reads());
    let client = with_table(&once(&sim)).await;
    let mut written = Vec::new();
    let mut seen = 0;
    for step in steps {
        match step {
            Step::Increment => {
                increment(&client).await;
                written.push(sim.elapsed());
            }
            Step::Read(pause) => {
                pass(Duration::from_millis(pause)).await;
                prop_assert_eq!(counter(&client, Consistency::Strong).await, written.len());
                let eventual = counter(&client, Consistency::Eventual).await;
                let settled = written.iter().filter(|at| sim.elapsed() >= **at + LAG).count();
                prop_assert!(
                    (settled..=written.len()).contains(&eventual),
                    "{eventual} of {written:?}"
                );
                prop_assert!(seen <= eventual, "what was seen is not unseen");
                seen = eventual;
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn an_eventual_read_sees_the_writes_up_to_one_that_is_not_older_than_the_lag(
        steps in prop::collection::vec(prop_oneof![Just(Step::Increment), (0_u64..300).prop_map(Step::Read)], 1..30),
    ) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(check(steps))?;
    }
}
