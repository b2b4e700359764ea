//! Requests that no SDK would send get AWS errors, and do not disturb the next request.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use testkit::sandbox::Sandbox;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::sandbox::address;

const PATIENCE: Duration = Duration::from_secs(10);

/// A request with a target that asks the server to close the connection behind it.
fn request(target: Option<&str>, body: &[u8]) -> Vec<u8> {
    let target = target.map(|target| format!("x-amz-target: {target}\r\n"));
    post("/", &target.unwrap_or_default(), body)
}

/// A POST with headers, each ended by its line break, that asks the server to close the connection behind it.
pub(crate) fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    request_of("POST", path, headers, body)
}

/// As [`post`], with any method.
pub(crate) fn request_of(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Sends bytes and reads until the server hangs up.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> Vec<u8> {
    stream.write_all(request).await.unwrap();
    let mut reply = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut reply))
        .await
        .expect("a reply in time")
        .unwrap();
    reply
}

/// The head and the body of the reply to one request on a connection of its own.
pub(crate) async fn exchange_with(sandbox: &Sandbox, request: &[u8]) -> (String, String) {
    let (head, body) = exchange_bytes(sandbox, request).await;
    (head, String::from_utf8(body).unwrap())
}

/// As [`exchange_with`], with a body that need not be a text.
pub(crate) async fn exchange_bytes(sandbox: &Sandbox, request: &[u8]) -> (String, Vec<u8>) {
    exchange_at(address(sandbox), request).await
}

/// As [`exchange_bytes`], with whatever listens there.
pub(crate) async fn exchange_at(address: SocketAddr, request: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let reply = exchange(&mut stream, request).await;
    let end = reply
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .expect("a whole head");
    (
        String::from_utf8(reply[..end].to_vec()).unwrap(),
        reply[end + 4..].to_vec(),
    )
}

/// The status and the error code of the reply to one request on a connection of its own.
async fn refused(request: &[u8]) -> (String, String) {
    let sandbox = Sandbox::start().await.unwrap();
    let (head, body) = exchange_with(&sandbox, request).await;
    assert!(head.contains("x-amzn-requestid: "), "{head}");
    let status = head.split(' ').nth(1).unwrap().to_owned();
    let body: Value = serde_json::from_str(&body).unwrap();
    let code = body["__type"].as_str().unwrap();
    (status, code.rsplit('#').next().unwrap().to_owned())
}

#[tokio::test]
async fn bad_json_is_a_serialization_error() {
    for body in ["", "{", "[]", "\"\"", "{\"TableName\":7}", "\u{fffd}"] {
        for target in ["DynamoDB_20120810.GetItem", "Kinesis_20131202.PutRecords"] {
            let (status, code) = refused(&request(Some(target), body.as_bytes())).await;
            assert_eq!(status, "400", "{body}");
            assert!(
                ["SerializationException", "ValidationException"].contains(&code.as_str()),
                "{body}: {code}"
            );
        }
    }
}

#[tokio::test]
async fn wrong_types_are_refused() {
    let body = br#"{"TableName":"t","KeySchema":"id","AttributeDefinitions":{},"BillingMode":[]}"#;
    let (status, _) = refused(&request(Some("DynamoDB_20120810.CreateTable"), body)).await;
    assert_eq!(status, "400");
}

#[tokio::test]
async fn an_unknown_target_is_an_unknown_operation() {
    for target in [
        None,
        Some(""),
        Some("Kinesis_20131202"),
        Some("SQS.Send"),
        Some("DynamoDB_20120810.Fly"),
        Some("Kinesis_20131202.Fly"),
    ] {
        let refusal = refused(&request(target, b"{}")).await;
        assert_eq!(
            refusal,
            ("400".to_owned(), "UnknownOperationException".to_owned()),
            "{target:?}"
        );
    }
}

#[tokio::test]
async fn an_oversize_body_is_refused_after_it_was_sent() {
    let body = vec![b' '; (16 << 20) + 1];
    let (status, code) = refused(&request(Some("DynamoDB_20120810.GetItem"), &body)).await;
    assert_eq!(
        (status.as_str(), code.as_str()),
        ("413", "RequestEntityTooLargeException")
    );
}

#[tokio::test]
async fn an_unknown_method_is_refused() {
    let (status, code) = refused(b"DELETE / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").await;
    assert_eq!((status.as_str(), code.as_str()), ("400", "UnknownOperationException"));
}

#[tokio::test]
async fn a_get_tells_that_the_sandbox_is_up() {
    let sandbox = Sandbox::start().await.unwrap();
    let mut stream = TcpStream::connect(address(&sandbox)).await.unwrap();
    let reply = exchange(
        &mut stream,
        b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(reply.starts_with(b"HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_half_closed_connection_still_gets_its_reply() {
    let sandbox = Sandbox::start().await.unwrap();
    let mut stream = TcpStream::connect(address(&sandbox)).await.unwrap();
    stream
        .write_all(&request(Some("DynamoDB_20120810.ListTables"), b"{}"))
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    assert!(exchange(&mut stream, b"").await.starts_with(b"HTTP/1.1 200 "));
}

#[tokio::test]
async fn half_a_body_ends_its_own_connection_only() {
    let sandbox = Sandbox::start().await.unwrap();
    let mut stream = TcpStream::connect(address(&sandbox)).await.unwrap();
    let whole = request(Some("DynamoDB_20120810.ListTables"), b"{}");
    stream.write_all(&whole[..whole.len() - 1]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("the server hangs up")
        .unwrap();

    let mut next = TcpStream::connect(address(&sandbox)).await.unwrap();
    assert!(exchange(&mut next, &whole).await.starts_with(b"HTTP/1.1 200 "));
}

#[tokio::test]
async fn noise_ends_its_own_connection_only() {
    let sandbox = Sandbox::start().await.unwrap();
    let mut stream = TcpStream::connect(address(&sandbox)).await.unwrap();
    let reply = exchange(&mut stream, b"\x16\x03\x01 this is not HTTP\r\n\r\n").await;
    assert!(reply.starts_with(b"HTTP/1.1 400 "));

    let mut next = TcpStream::connect(address(&sandbox)).await.unwrap();
    let whole = request(Some("DynamoDB_20120810.ListTables"), b"{}");
    assert!(exchange(&mut next, &whole).await.starts_with(b"HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_slow_body_times_out_and_holds_up_nobody_else() {
    let limit = Duration::from_millis(100);
    let sandbox = Sandbox::builder().body_timeout(limit).start().await.unwrap();
    let whole = request(Some("DynamoDB_20120810.ListTables"), b"{}");
    let mut slow = TcpStream::connect(address(&sandbox)).await.unwrap();
    slow.write_all(&whole[..whole.len() - 1]).await.unwrap();

    let mut next = TcpStream::connect(address(&sandbox)).await.unwrap();
    assert!(exchange(&mut next, &whole).await.starts_with(b"HTTP/1.1 200 "));

    let reply = String::from_utf8(exchange(&mut slow, b"").await).unwrap();
    assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
    assert!(reply.contains("RequestTimeoutException"), "{reply}");
}

#[tokio::test]
async fn a_refusal_is_written_in_the_protocol_of_its_request() {
    let sandbox = Sandbox::builder().start().await.unwrap();
    let body = vec![b' '; (16 << 20) + 1];
    let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
    let (head, body) = exchange_bytes(&sandbox, &post(path, "", &body)).await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    let error: ciborium::Value = ciborium::from_reader(body.as_slice()).unwrap();
    assert!(
        format!("{error:?}").contains("RequestEntityTooLargeException"),
        "{error:?}"
    );
}
