//! A sandbox's life: its port, its connections, its end.

use std::net::SocketAddr;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use testkit::sandbox::Sandbox;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn address(sandbox: &Sandbox) -> SocketAddr {
    sandbox.endpoint_url().strip_prefix("http://").unwrap().parse().unwrap()
}

/// Whether the port refuses connections, at last.
async fn closes(address: SocketAddr) -> bool {
    let closed = async {
        while TcpStream::connect(address).await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, closed).await.is_ok()
}

#[tokio::test]
async fn a_dropped_sandbox_closes_its_port() {
    let sandbox = Sandbox::start().await.unwrap();
    let address = address(&sandbox);
    drop(sandbox);
    assert!(closes(address).await);
}

#[tokio::test]
async fn a_stopped_sandbox_has_closed_its_port() {
    let sandbox = Sandbox::start().await.unwrap();
    let address = address(&sandbox);
    Client::new(&sandbox.sdk_config()).list_tables().send().await.unwrap();
    sandbox.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_sandbox_stops_despite_a_request_that_never_ends() {
    let sandbox = Sandbox::start().await.unwrap();
    let stream = TcpStream::connect(address(&sandbox)).await.unwrap();
    stream.writable().await.unwrap();
    stream
        .try_write(b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\n{")
        .unwrap();
    // Served once, so that the connection has surely been accepted.
    Client::new(&sandbox.sdk_config()).list_tables().send().await.unwrap();
    assert!(timeout(PATIENCE, sandbox.stop()).await.is_ok());
}

/// How many connections can be open here: each takes two file descriptors, and the other tests need some too.
fn many_connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let files = files.and_then(|line| line.split_whitespace().next()?.parse().ok());
    // Where the system does not tell: what the most cautious ones allow.
    let many = 2_000.min((files.unwrap_or(256_usize) - 128) / 2);
    if many < 2_000 {
        println!("the limit of open files allows only {many} idle connections instead of 2,000");
    }
    many
}

#[tokio::test]
async fn idle_connections_do_no_harm() {
    let sandbox = Sandbox::start().await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..many_connections() {
        idle.push(TcpStream::connect(address(&sandbox)).await.unwrap());
    }
    Client::new(&sandbox.sdk_config()).list_tables().send().await.unwrap();
    assert!(timeout(PATIENCE, sandbox.stop()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sandboxes_are_two_accounts() {
    let (one, two) = (Sandbox::start().await.unwrap(), Sandbox::start().await.unwrap());
    assert_ne!(one.endpoint_url(), two.endpoint_url());
    Client::new(&one.sdk_config()).list_tables().send().await.unwrap();
    one.stop().await;
    Client::new(&two.sdk_config()).list_tables().send().await.unwrap();
}
