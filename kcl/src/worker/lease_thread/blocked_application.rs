//! Renewals of an application whose threads are all blocked, in real time and over real sockets.
//!
//! Each test prints the longest time between two writes; run it with `--nocapture`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder as Config;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_smithy_async::time::{SystemTimeSource, TimeSource as _};
use testkit::sandbox::Sandbox;
use tokio::runtime::{Handle, Runtime};
use tokio::time::MissedTickBehavior;

use super::*;
use crate::lease::dynamodb::client::LeaseClient;
use service::Clock;

/// Short, so that the tests are.
const FAILOVER: Duration = Duration::from_millis(1_200);

/// Between two renewals of a lease.
const RENEWAL: Duration = Duration::from_millis(400);

/// Longer than any of it takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The threads of the application.
const THREADS: usize = 2;

/// How the provider fetches credentials. The first ones are ready at once.
#[derive(Debug, Clone)]
enum Manner {
    AtOnce,
    /// It sleeps in the task that asked for them.
    InTheCaller(Duration),
    /// A task of the application's runtime fetches them.
    OnTheApplicationsRuntime(Handle),
}

#[derive(Debug, Clone)]
struct Provider {
    manner: Manner,
    lifetime: Option<Duration>,
    asked: Arc<AtomicUsize>,
}

impl Provider {
    fn new(manner: Manner, lifetime: Option<Duration>) -> Self {
        let asked = Arc::default();
        Self {
            manner,
            lifetime,
            asked,
        }
    }

    async fn credentials(&self) -> Credentials {
        if self.asked.fetch_add(1, Ordering::Relaxed) > 0 {
            match &self.manner {
                Manner::AtOnce => {}
                Manner::InTheCaller(time) => tokio::time::sleep(*time).await,
                Manner::OnTheApplicationsRuntime(application) => {
                    let mut fetch = JoinSet::new();
                    fetch.spawn_on(async {}, application);
                    fetch.join_next().await;
                }
            }
        }
        let expiry = self.lifetime.map(|lifetime| SystemTimeSource::new().now() + lifetime);
        Credentials::new("key", "secret", None, expiry, "test")
    }
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { Ok(self.credentials().await) })
    }
}

/// An application, and a DynamoDB on threads of its own.
struct Stage {
    application: Runtime,
    client: Client,
    _sandbox: Sandbox,
    _services: Runtime,
}

impl Stage {
    fn new(provider: impl FnOnce(&Handle) -> Provider) -> Self {
        let runtime = |threads| {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads).enable_all().build().unwrap()
        };
        let (services, application) = (runtime(1), runtime(THREADS));
        let sandbox = services.block_on(Sandbox::start()).unwrap();
        let config = Config::from(&sandbox.sdk_config())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .credentials_provider(provider(application.handle()));
        services.block_on(create_table(&Client::new(&sandbox.sdk_config())));
        let client = Client::from_conf(config.build());
        let others = SharedCredentialsProvider::new(Credentials::new("key", "secret", None, None, "test"));
        let other = Client::from_conf(client.config().to_builder().credentials_provider(others).build());
        application.block_on(open_connection(other));
        Self {
            application,
            client,
            _sandbox: sandbox,
            _services: services,
        }
    }

    /// Blocks all threads of the application for twice the failover time, once `begins` says so. Returns the longest time
    /// between two ends of writes.
    fn longest_gap(&self, writes: &mpsc::Receiver<Instant>, begins: impl Fn() -> bool) -> Duration {
        let mut ends: Vec<Instant> = Vec::new();
        while ends.len() < 2 || !begins() {
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

/// Renews on the lease thread with a client of its own.
fn renew_on_lease_thread(application: &Client) -> (LeaseThread<()>, mpsc::Receiver<Instant>) {
    let (sender, writes) = mpsc::channel();
    let LeaseClient { client, refresher } = LeaseClient::new(application, fastrand::Rng::with_seed(1));
    let leases = LeaseRuntime::OwnThread.spawn(move || async move {
        tokio::select! {
            biased;
            () = renew(client, sender) => {}
            never = refresher.run() => match never {},
        }
    });
    (leases, writes)
}

#[track_caller]
fn assert_in_time(gap: Duration, what: &str) {
    println!("{what}: longest gap {gap:?}, renewal every {RENEWAL:?}, failover {FAILOVER:?}");
    assert!(gap < 2 * RENEWAL, "{gap:?}");
}

/// Without a lease thread the writes stop. It shows that the other tests can fail.
#[test]
fn on_the_applications_runtime_a_blocked_application_loses_its_leases() {
    let stage = Stage::new(|_| Provider::new(Manner::AtOnce, None));
    let (sender, writes) = mpsc::channel();
    let mut leases = JoinSet::new();
    leases.spawn_on(renew(stage.client.clone(), sender), stage.application.handle());
    let gap = stage.longest_gap(&writes, || true);
    println!("on the application's runtime: longest gap {gap:?}");
    assert!(gap >= 2 * FAILOVER, "{gap:?}");
}

/// The thread alone is not enough: connections belong to the runtime that opened them.
#[test]
fn on_the_lease_thread_with_the_applications_client_a_blocked_application_loses_its_leases() {
    let stage = Stage::new(|_| Provider::new(Manner::AtOnce, None));
    let (sender, writes) = mpsc::channel();
    let client = stage.client.clone();
    let _leases = LeaseRuntime::OwnThread.spawn(|| renew(client, sender));
    let gap = stage.longest_gap(&writes, || true);
    println!("on the lease thread, with the application's client: longest gap {gap:?}");
    assert!(gap >= FAILOVER, "{gap:?}");
}

#[test]
fn on_the_lease_thread_a_blocked_application_loses_no_lease() {
    let stage = Stage::new(|_| Provider::new(Manner::AtOnce, None));
    let (_leases, writes) = renew_on_lease_thread(&stage.client);
    let gap = stage.longest_gap(&writes, || true);
    assert_in_time(gap, "on the lease thread");
}

#[test]
fn on_the_lease_thread_a_slow_refresh_of_credentials_costs_no_lease() {
    // Half of the lifetime is left at the refresh.
    let provider = Provider::new(Manner::InTheCaller(FAILOVER), Some(Duration::from_secs(4)));
    let asked = Arc::clone(&provider.asked);
    let stage = Stage::new(|_| provider);
    let (_leases, writes) = renew_on_lease_thread(&stage.client);
    let gap = stage.longest_gap(&writes, || asked.load(Ordering::Relaxed) >= 2);
    assert_in_time(gap, "on the lease thread, credentials take the failover time");
    assert!(asked.load(Ordering::Relaxed) >= 2, "refreshed");
}

#[test]
fn on_the_lease_thread_credentials_that_the_blocked_application_fetches_cost_no_lease() {
    let manner = |application: &Handle| Manner::OnTheApplicationsRuntime(application.clone());
    let lifetime = Some(Duration::from_secs(6));
    let asked = Arc::new(AtomicUsize::new(0));
    let stage = Stage::new(|application| Provider {
        asked: Arc::clone(&asked),
        ..Provider::new(manner(application), lifetime)
    });
    let (_leases, writes) = renew_on_lease_thread(&stage.client);
    // Blocked before the refresh, which falls due about half of the lifetime after the first load.
    let refresh = Clock::default().now() + Duration::from_millis(1_800);
    let gap = stage.longest_gap(&writes, || Clock::default().now() >= refresh);
    assert_in_time(
        gap,
        "on the lease thread, credentials come from the blocked application",
    );
    assert!(asked.load(Ordering::Relaxed) >= 2, "refreshed while it was blocked");
}
