//! What `build` refuses, and what it warns of.

use std::io;
use std::sync::Mutex;

use aws_sdk_kinesis::config::{Builder as ClientBuilder, Region};
use tracing_subscriber::fmt::MakeWriter;

use super::*;

const ARN: &str = "arn:aws:kinesis:eu-central-1:123456789012:stream/orders";

fn client_config() -> ClientBuilder {
    aws_sdk_kinesis::Config::builder().behavior_version_latest()
}

fn in_region(region: &'static str) -> Client {
    Client::from_conf(client_config().region(Region::new(region)).build())
}

fn builder(stream: &str) -> ProducerBuilder {
    Producer::builder(stream).client(in_region("us-east-1"))
}

fn refusal(builder: ProducerBuilder) -> BuildError {
    builder.build().unwrap_err()
}

#[tokio::test]
async fn a_client_without_a_region_is_refused_with_what_to_do() {
    let without = Producer::builder("orders").client(Client::from_conf(client_config().build()));
    let error = refusal(without);
    assert_eq!(error.kind(), &BuildErrorKind::NoRegion);
    assert!(error.to_string().contains("AWS_REGION"), "{error}");
}

#[test]
fn a_blocking_producer_is_refused_without_a_region_too() {
    let without = Producer::builder("orders").client(Client::from_conf(client_config().build()));
    let error = without.build_blocking().unwrap_err();
    assert_eq!(error.kind(), &BuildErrorKind::NoRegion);
}

#[tokio::test]
async fn a_file_of_another_region_than_the_clients_is_refused_with_both() {
    let of = |text: &str| builder("orders").kpl_properties(&text.parse().unwrap());
    let error = refusal(of("Region = eu-central-1"));
    let expected = BuildErrorKind::PropertiesOfOtherRegion {
        properties: "eu-central-1".into(),
        client: "us-east-1".into(),
    };
    assert_eq!(error.kind(), &expected);
    for fitting in ["Region = us-east-1", "Region =", ""] {
        assert!(of(fitting).build().is_ok(), "{fitting}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_stream_is_refused_before_the_first_record() {
    for (stream, words) in [
        ("bad name!", "no stream can be named \"bad name!\""),
        (
            "arn:aws:sqs:us-east-1:123456789012:clicks",
            "is not the ARN of a stream",
        ),
    ] {
        let error = refusal(builder(stream)).to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn an_arn_of_another_region_is_warned_of_for_an_emulator_may_know_it() {
    let warned = warnings_of(builder(ARN));
    for told in ["another region", "eu-central-1", "us-east-1"] {
        assert!(warned.contains(told), "{told} is missing: {warned}");
    }
    assert_eq!(warnings_of(builder(ARN).client(in_region("eu-central-1"))), "");
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let error = refusal(Producer::builder("bad name!").collection_max_count(501));
    let kinds: Vec<_> = error.kinds().collect();
    assert!(
        matches!(
            kinds[..],
            [
                BuildErrorKind::OutOfRange { .. },
                BuildErrorKind::InvalidStreamName { .. },
                BuildErrorKind::NoClient
            ]
        ),
        "{kinds:?}"
    );
    for kind in kinds {
        assert!(error.to_string().contains(&kind.to_string()), "{error}");
    }
}

/// What a subscriber has written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The warnings with which a producer is built from a file.
fn warnings(text: &str) -> String {
    warnings_of(builder("orders").kpl_properties(&text.parse().unwrap()))
}

fn warnings_of(builder: ProducerBuilder) -> String {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let producer = tracing::subscriber::with_default(subscriber, || builder.build());
    producer.unwrap();
    let written = log.0.lock().unwrap().clone();
    String::from_utf8(written).unwrap()
}

#[tokio::test]
async fn settings_that_only_the_sdk_can_take_over_are_warned_of_once_without_their_values() {
    let text = "Region = us-east-1\nKinesisEndpoint = 10.0.0.7\nProxyPassword = secret\nThreadingModel = POOLED";
    let warned = warnings(text);
    assert_eq!(warned.lines().count(), 1, "{warned}");
    for told in [
        "KinesisEndpoint in line 2",
        "endpoint URL",
        "ProxyPassword in line 3",
        "orders",
    ] {
        assert!(warned.contains(told), "{told} is missing: {warned}");
    }
    for kept in ["10.0.0.7", "secret", "Region", "ThreadingModel"] {
        assert!(!warned.contains(kept), "{kept}: {warned}");
    }
    let defaults = "KinesisPort = 443\nVerifyCertificate = True\nConnectTimeout = 6000\nProxyHost =\nRateLimit = 80";
    assert_eq!(warnings(defaults), "", "what changes nothing is not told");
}
