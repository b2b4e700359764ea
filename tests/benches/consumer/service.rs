//! The services in a process of their own, so that their work is not the consumer's.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_kinesis::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_kinesis::types::StreamStatus;
use futures::future::join_all;
use kpl::{Producer, ProducerBuilder, Record};
use testkit::kinesis::{Limits, Settings};
use testkit::sandbox::Sandbox;

/// The argument that makes this program the services.
pub(crate) const CHILD: &str = "services";

pub(crate) const STREAM: &str = "orders";
pub(crate) const APPLICATION: &str = "billing";

/// Serves until the standard input ends, which it does with the parent.
pub(crate) async fn serve() {
    let limits = match std::env::args().any(|argument| argument == "without-limits") {
        true => Limits::Off,
        false => Limits::Enforced,
    };
    let settings = Settings {
        limits,
        creation_time: Duration::ZERO,
        ..Settings::default()
    };
    let sandbox = Sandbox::start_with(settings).await.expect("free ports");
    println!("{}", sandbox.endpoint_url());
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    drop(ended.await);
    sandbox.stop().await;
}

/// The process of the services. It ends when this is dropped.
pub(crate) struct Services {
    child: Child,
    pub(crate) config: SdkConfig,
}

impl Services {
    pub(crate) fn start(limits: Limits) -> Self {
        let program = std::env::current_exe().expect("the path of this program");
        let mut child = Command::new(program)
            .arg(CHILD)
            .args((limits == Limits::Off).then_some("without-limits"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut endpoint = String::new();
        let output = child.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut endpoint).expect("the endpoint");
        let credentials = Credentials::new("key", "secret", None, None, "benchmark");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(endpoint.trim())
            .build();
        Self { child, config }
    }

    /// Creates the stream.
    pub(crate) async fn create_stream(&self, shards: usize) {
        let shards = i32::try_from(shards).expect("a number of shards");
        let client = aws_sdk_kinesis::Client::new(&self.config);
        let create = client.create_stream().stream_name(STREAM).shard_count(shards);
        create.send().await.expect("a new stream");
        loop {
            let described = client.describe_stream_summary().stream_name(STREAM).send().await;
            let described = described.expect("the stream's description");
            let summary = described.stream_description_summary().expect("a description");
            if *summary.stream_status() == StreamStatus::Active {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A producer that is not held up by the limits of shards, which the services do not have here.
    pub(crate) fn producer(&self) -> ProducerBuilder {
        Producer::builder(STREAM).aws(&self.config).rate_limit(1_000)
    }

    /// Puts records, and waits until all are stored.
    pub(crate) async fn put(&self, producer: ProducerBuilder, records: impl IntoIterator<Item = Record>) {
        let producer = producer.build().expect("valid options");
        let mut receipts = Vec::new();
        for record in records {
            receipts.push(producer.put(record).await.expect("a running producer"));
        }
        for stored in join_all(receipts).await {
            stored.expect("a stored record");
        }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}
