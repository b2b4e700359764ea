//! A lease client keeps the application's settings and opens connections of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Config, Region};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use testkit::sandbox::Sandbox;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::error::CallErrorKind;
use crate::lease::dynamodb::DynamoDbLeaseTable;
use crate::lease::table::{LeaseTable, SeparateTable};

fn rng() -> fastrand::Rng {
    fastrand::Rng::with_seed(1)
}

fn timeouts(client: &Client) -> &TimeoutConfig {
    client.config().timeout_config().unwrap()
}

#[test]
fn calls_are_bounded_and_not_retried_and_the_rest_is_the_applications() {
    let connect = Duration::from_millis(300);
    let config = Config::builder()
        .region(Region::new("eu-north-1"))
        .retry_config(RetryConfig::standard().with_max_attempts(7))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(connect)
                .read_timeout(Duration::from_secs(2))
                .build(),
        );
    let lease = LeaseClient::new(&Client::from_conf(config.build()), rng()).client;
    assert_eq!(lease.config().region(), Some(&Region::new("eu-north-1")));
    assert_eq!(lease.config().retry_config().map(RetryConfig::max_attempts), Some(1));
    assert_eq!(timeouts(&lease).operation_timeout(), Some(TABLE_CALL_TIMEOUT));
    assert_eq!(timeouts(&lease).read_timeout(), Some(Duration::from_secs(2)));
    let marked = timeouts(&lease).connect_timeout().unwrap();
    assert_eq!(marked.as_millis(), connect.as_millis());
    assert_ne!(marked, connect, "another pool");
}

#[test]
fn two_lease_clients_of_one_process_differ_in_their_pools() {
    let application = Client::from_conf(Config::builder().region(Region::new("eu-north-1")).build());
    let (one, other) = (
        LeaseClient::new(&application, rng()),
        LeaseClient::new(&application, rng()),
    );
    assert_ne!(
        timeouts(&one.client).connect_timeout(),
        timeouts(&other.client).connect_timeout()
    );
}

#[test]
fn a_number_is_used_again_when_its_client_is_gone() {
    assert_eq!(smallest_free(&BTreeSet::new()), 1);
    assert_eq!(smallest_free(&BTreeSet::from([1, 2, 4])), 3);
    // More clients than any other test makes, one after the other.
    let application = Client::from_conf(Config::builder().region(Region::new("eu-north-1")).build());
    for _ in 0..100 {
        let lease = LeaseClient::new(&application, rng()).client;
        let marked = timeouts(&lease).connect_timeout().unwrap();
        assert!(marked < CONNECT_TIMEOUT + Duration::from_nanos(100), "{marked:?}");
    }
}

/// Stands before a sandbox and counts the connections that are opened to it.
async fn counting_proxy(sandbox: &Sandbox, tasks: &mut JoinSet<()>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let behind = sandbox.endpoint_url().trim_start_matches("http://").to_owned();
    let opened = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&opened);
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let mut server = TcpStream::connect(&behind).await.unwrap();
            connections.spawn(async move { drop(copy_bidirectional(&mut client, &mut server).await) });
        }
    });
    (url, opened)
}

/// In real time. That another connect time-out means other connections is a detail of the SDK's HTTP client which nobody
/// promises.
#[tokio::test]
async fn a_lease_client_opens_connections_of_its_own_from_the_applications_http_client() {
    let sandbox = Sandbox::start().await.unwrap();
    let mut tasks = JoinSet::new();
    let (url, opened) = counting_proxy(&sandbox, &mut tasks).await;
    let config = Builder::from(&sandbox.sdk_config()).endpoint_url(url);
    let config = config.http_client(aws_smithy_http_client::Builder::new().build_http());
    let application = Client::from_conf(config.build());
    let call = async |client: &Client| {
        client.list_tables().send().await.unwrap();
        opened.load(Ordering::Relaxed)
    };
    assert_eq!(call(&application).await, 1);
    assert_eq!(call(&application).await, 1, "kept alive");
    let mut leases = Vec::new();
    for connections in 2..=3 {
        let LeaseClient { client, refresher } = LeaseClient::new(&application, rng());
        tasks.spawn(async move { match refresher.run().await {} });
        assert_eq!(call(&client).await, connections);
        leases.push(client);
    }
    for client in leases.iter().chain([&application]) {
        assert_eq!(call(client).await, 3, "kept alive");
    }
}

/// Notes where requests go, and answers none.
#[derive(Debug, Clone, Default)]
struct Hosts(Arc<Mutex<Vec<String>>>);

impl HttpConnector for Hosts {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let host = request.uri().split('/').nth(2).unwrap().to_owned();
        self.0.lock().unwrap().push(host);
        HttpConnectorFuture::ready(Err(ConnectorError::user("noted".into())))
    }
}

/// Where the calls of the application and of the lease thread go, with credentials of an account and without.
#[tokio::test]
async fn with_the_account_of_the_credentials_both_clients_use_its_own_endpoint() {
    for (account, expected) in [
        (Some("123456789012"), "123456789012.ddb.eu-north-1.amazonaws.com"),
        (None, "dynamodb.eu-north-1.amazonaws.com"),
    ] {
        let hosts = Hosts::default();
        let connector = SharedHttpConnector::new(hosts.clone());
        let mut credentials = Credentials::builder()
            .access_key_id("key")
            .secret_access_key("secret")
            .provider_name("test");
        credentials.set_account_id(account.map(Into::into));
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-north-1"))
            .credentials_provider(credentials.build())
            .http_client(http_client_fn(move |_, _| connector.clone()));
        let application = Client::from_conf(config.build());
        let LeaseClient { client, refresher } = LeaseClient::new(&application, rng());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { match refresher.run().await {} });
        for client in [&application, &client] {
            client.describe_table().table_name("billing").send().await.unwrap_err();
        }
        let noted = hosts.0.lock().unwrap().clone();
        assert!(
            noted.len() >= 2 && noted.iter().all(|host| host == expected),
            "{noted:?}"
        );
    }
}

/// The SDK and its HTTP client leave the host out, which is what has to be known where a firewall lets single names pass.
#[tokio::test]
async fn the_error_of_a_call_that_reaches_nobody_names_the_host_on_both_clients() {
    let host = "123456789012.ddb.eu-north-1.amazonaws.com";
    let connector = SharedHttpConnector::new(Hosts::default());
    let credentials = Credentials::builder()
        .access_key_id("key")
        .secret_access_key("secret")
        .account_id("123456789012")
        .provider_name("test");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-north-1"))
        .credentials_provider(credentials.build())
        .http_client(http_client_fn(move |_, _| connector.clone()));
    let application = Client::from_conf(config.build());
    let table = DynamoDbLeaseTable::new(&application, "billing".to_owned(), "billing", service::Clock::default());
    let SeparateTable { table: apart, upkeep } = table.on_another_runtime(rng());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { match upkeep.await {} });
    for table in [&table as &dyn LeaseTable, &*apart] {
        let error = table.scan_page(None).await.unwrap_err().to_string();
        assert!(error.contains(host) && error.contains("noted"), "{error}");
    }
}

#[tokio::test]
async fn the_error_of_a_connection_that_nobody_takes_names_its_host_and_the_call_certainly_had_no_effect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-north-1"))
        .credentials_provider(Credentials::for_tests())
        .endpoint_url(format!("http://{host}"))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    let application = Client::from_conf(config.build());
    let table = DynamoDbLeaseTable::new(&application, "billing".to_owned(), "billing", service::Clock::default());
    let error = table.scan_page(None).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::Transient { .. }), "{error:?}");
    assert!(error.to_string().contains(&host), "{error}");
}
