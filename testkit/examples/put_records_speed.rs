//! How many records a second the sandbox takes, on one core, beside a server that reads a request and answers at once.
//!
//! `cargo run --release -p kinesis-testkit --example put_records_speed`

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program that prints its results, and has no caller to tell"
)]

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use testkit::kinesis::{Limits, Settings};
use testkit::sandbox::Sandbox;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A kind of request, and how often it is sent.
#[derive(Debug, Clone, Copy)]
struct Load {
    name: &'static str,
    records: usize,
    bytes: usize,
    requests: usize,
}

const LOADS: [Load; 2] = [
    Load {
        name: "500 x 100 B",
        records: 500,
        bytes: 100,
        requests: 1_000,
    },
    Load {
        name: "100 x 50 KiB",
        records: 100,
        bytes: 50 << 10,
        requests: 60,
    },
];

/// The servers have this thread for themselves: its processor time is what they used.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let immediate = start_immediate().await;
    for load in LOADS {
        let sandbox = Sandbox::start_with(Settings {
            limits: Limits::Off,
            creation_time: Duration::ZERO,
            ..Settings::default()
        });
        let sandbox = sandbox.await.expect("a loopback port");
        let address = sandbox.endpoint_url().replace("http://", "");
        let address = address.parse().expect("an address and a port");
        let create = json!({ "StreamName": "orders", "ShardCount": 4 });
        measure(address, request("CreateStream", &create), 1).await;
        let put = request("PutRecords", &put_records(load));
        let (taken, at_once) = (
            measure(address, put.clone(), load.requests).await,
            measure(immediate, put, load.requests).await,
        );
        let stored = sandbox.kinesis(|kinesis| kinesis.stored_count("orders"));
        assert_eq!(stored, (load.records * load.requests) as u64, "each record is stored");
        report(load, taken, at_once);
        sandbox.stop().await;
    }
}

fn report(load: Load, taken: Duration, at_once: Duration) {
    let records = (load.records * load.requests) as f64;
    let megabytes = records * load.bytes as f64 / 1e6;
    let (taken, at_once) = (taken.as_secs_f64(), at_once.as_secs_f64());
    println!(
        "put_records_speed: load=\"{}\" records_per_second={:.0} megabytes_per_second={:.0} of_an_immediate_server={:.2}",
        load.name,
        records / taken,
        megabytes / taken,
        at_once / taken,
    );
}

/// The processor time that the servers need for a request that a client on another thread sends so often.
async fn measure(address: SocketAddr, request: Vec<u8>, times: usize) -> Duration {
    let (done, answered) = oneshot::channel();
    let before = processor_time();
    let client = thread::spawn(move || {
        send(address, &request, times);
        done.send(()).expect("a server that waits for it");
    });
    let answered = answered.await;
    let after = processor_time();
    client.join().expect("each request is answered");
    answered.expect("a client that came to its end");
    after - before
}

/// Sends a request over one connection, again as soon as it is answered.
fn send(address: SocketAddr, request: &[u8], times: usize) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    let mut reply = Vec::new();
    for _ in 0..times {
        stream.write_all(request).expect("a request that is taken");
        reply.clear();
        read_reply(&mut stream, &mut reply);
        assert!(
            reply.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&reply)
        );
    }
}

fn read_reply(stream: &mut TcpStream, reply: &mut Vec<u8>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = stream.read(&mut buffer).expect("a reply");
        assert_ne!(read, 0, "the connection is kept");
        reply.extend_from_slice(buffer.get(..read).unwrap_or_default());
        if is_whole(reply) {
            return;
        }
    }
}

fn is_whole(reply: &[u8]) -> bool {
    let Some(end) = reply.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(reply.get(..end).unwrap_or_default()).to_lowercase();
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    reply.len() >= end + 4 + length.expect("a length")
}

fn put_records(load: Load) -> Value {
    let data = STANDARD.encode(vec![b'x'; load.bytes]);
    let record = |number: usize| json!({ "PartitionKey": format!("key-{number}"), "Data": data });
    let records: Vec<Value> = (0..load.records).map(record).collect();
    json!({ "StreamName": "orders", "Records": records })
}

fn request(operation: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST / HTTP/1.1\r\nhost: here\r\ncontent-type: application/x-amz-json-1.1\r\nx-amz-target: Kinesis_20131202.{operation}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A server on this thread that reads each request and answers it with an empty object.
async fn start_immediate() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let address = listener.local_addr().expect("an address");
    let serve = async move {
        while let Ok((stream, _peer)) = listener.accept().await {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            // A client that hangs up ends its connection.
            drop(connection.await);
        }
    };
    #[expect(clippy::disallowed_methods, reason = "it ends with the program")]
    drop(tokio::spawn(serve));
    address
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    drop(request.into_body().collect().await);
    Ok(Response::new(Full::new(Bytes::from_static(b"{}"))))
}

/// The processor time that this thread has used, as Linux counts it.
fn processor_time() -> Duration {
    // The first number is nanoseconds on a processor.
    let read = std::fs::read_to_string("/proc/thread-self/schedstat").expect("a Linux machine");
    let nanos = read.split_whitespace().next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.expect("a number of nanoseconds"))
}
