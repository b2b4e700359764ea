//! What a blocked application costs without the parts of the lease thread, in real time and over real sockets.
//!
//! The whole worker is tested in `worker/blocked_application.rs`. Here a loop that renews stands for it, so that one part
//! at a time can be left out. Each test prints the longest time between two writes; run it with `--nocapture`.

use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder as Config;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use testkit::sandbox::Sandbox;
use tokio::runtime::Runtime;
use tokio::time::MissedTickBehavior;

use super::*;
use service::Clock;

/// Short, so that the tests are.
const FAILOVER: Duration = Duration::from_millis(1_200);

/// Between two renewals of a lease.
const RENEWAL: Duration = Duration::from_millis(400);

/// Longer than any of it takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The threads of the application.
const THREADS: usize = 2;

/// An application, and a DynamoDB on threads of its own.
struct Stage {
    application: Runtime,
    client: Client,
    _sandbox: Sandbox,
    _services: Runtime,
}

impl Stage {
    fn new() -> Self {
        let runtime = |threads| {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads).enable_all().build().unwrap()
        };
        let (services, application) = (runtime(1), runtime(THREADS));
        let sandbox = services.block_on(Sandbox::start()).unwrap();
        let config = Config::from(&sandbox.sdk_config());
        let config = config.http_client(aws_smithy_http_client::Builder::new().build_http());
        services.block_on(create_table(&Client::new(&sandbox.sdk_config())));
        let client = Client::from_conf(config.build());
        application.block_on(open_connection(client.clone()));
        Self {
            application,
            client,
            _sandbox: sandbox,
            _services: services,
        }
    }

    /// Blocks all threads of the application for twice the failover time. Returns the longest time between two ends of
    /// writes.
    fn longest_gap(&self, writes: &mpsc::Receiver<Instant>) -> Duration {
        let mut ends: Vec<Instant> = Vec::new();
        while ends.len() < 2 {
            ends.push(writes.recv_timeout(PATIENCE).unwrap());
        }
        let blocked = self.block_all_threads();
        let until = Clock::default().now() + 2 * FAILOVER;
        while let Ok(end) = writes.recv_timeout(until.saturating_duration_since(Clock::default().now())) {
            ends.push(end);
        }
        drop(blocked);
        ends.push(writes.recv_timeout(PATIENCE).unwrap());
        let gaps = ends.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap()
    }

    /// Returns when all are blocked; they are until what it returns is dropped.
    fn block_all_threads(&self) -> Vec<mpsc::Sender<()>> {
        let barrier = Arc::new(Barrier::new(THREADS + 1));
        let block = |_| {
            let (sender, receiver) = mpsc::channel::<()>();
            let barrier = Arc::clone(&barrier);
            self.application.spawn(async move {
                barrier.wait();
                // As a handler that waits for a lock.
                let _ = receiver.recv_timeout(PATIENCE);
            });
            sender
        };
        let blocked = (0..THREADS).map(block).collect();
        barrier.wait();
        blocked
    }
}

/// Leaves a connection in the pool of the application's HTTP client, driven by the application's threads.
async fn open_connection(client: Client) {
    let mut calls = JoinSet::new();
    calls.spawn(client.list_tables().send());
    calls.join_next().await.unwrap().unwrap().unwrap();
}

async fn create_table(client: &Client) {
    let key = KeySchemaElement::builder()
        .attribute_name("leaseKey")
        .key_type(KeyType::Hash);
    let attribute = AttributeDefinition::builder()
        .attribute_name("leaseKey")
        .attribute_type(ScalarAttributeType::S);
    let create = client
        .create_table()
        .table_name("leases")
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key.build().unwrap())
        .attribute_definitions(attribute.build().unwrap());
    create.send().await.unwrap();
}

/// Renews a lease at regular intervals, as long as anybody listens.
async fn renew(client: Client, writes: mpsc::Sender<Instant>) {
    let mut due = tokio::time::interval(RENEWAL);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let write = client
            .update_item()
            .table_name("leases")
            .key("leaseKey", AttributeValue::S("shardId-000000000000".to_owned()))
            .update_expression("ADD leaseCounter :one")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
        write.send().await.unwrap();
        if writes.send(Clock::default().now()).is_err() {
            return;
        }
    }
}

/// Without a lease thread the writes stop.
#[test]
fn on_the_applications_runtime_a_blocked_application_loses_its_leases() {
    let stage = Stage::new();
    let (sender, writes) = mpsc::channel();
    let mut leases = JoinSet::new();
    leases.spawn_on(renew(stage.client.clone(), sender), stage.application.handle());
    let gap = stage.longest_gap(&writes);
    println!("on the application's runtime: longest gap {gap:?}");
    assert!(gap >= 2 * FAILOVER, "{gap:?}");
}

/// The thread alone is not enough: connections belong to the runtime that opened them.
#[test]
fn on_the_lease_thread_with_the_applications_client_a_blocked_application_loses_its_leases() {
    let stage = Stage::new();
    let (sender, writes) = mpsc::channel();
    let client = stage.client.clone();
    let _leases = LeaseRuntime::OwnThread.spawn(|| renew(client, sender));
    let gap = stage.longest_gap(&writes);
    println!("on the lease thread, with the application's client: longest gap {gap:?}");
    assert!(gap >= FAILOVER, "{gap:?}");
}
