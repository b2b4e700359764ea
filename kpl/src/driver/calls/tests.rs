//! What the calls carry and where they go.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aggregation::{Encoder, UserRecordRef};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_sdk_kinesis::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;

use super::*;

/// A stream in a region of each partition.
const ARNS: [(&str, &str); 4] = [
    (
        "eu-central-1",
        "arn:aws:kinesis:eu-central-1:123456789012:stream/orders",
    ),
    ("cn-north-1", "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/orders"),
    (
        "us-gov-west-1",
        "arn:aws-us-gov:kinesis:us-gov-west-1:123456789012:stream/orders",
    ),
    (
        "us-iso-east-1",
        "arn:aws-iso:kinesis:us-iso-east-1:123456789012:stream/orders",
    ),
];

/// Notes each request and answers as it was told to.
#[derive(Debug, Clone)]
struct Recorder {
    seen: Arc<Mutex<Vec<Seen>>>,
    /// What it answers first, with the HTTP status.
    first: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
    answer: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    uri: String,
    body: String,
}

impl Recorder {
    fn answering(answer: &'static str) -> Self {
        Self {
            seen: Arc::default(),
            first: Arc::default(),
            answer,
        }
    }

    fn answering_first(self, answers: &[(u16, &'static str)]) -> Self {
        self.first.lock().unwrap().extend(answers);
        self
    }

    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    fn config(&self, region: &'static str) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
            .http_client(self.clone())
            .build()
    }
}

impl HttpClient for Recorder {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Recorder {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.seen.lock().unwrap().push(Seen {
            uri: request.uri().to_owned(),
            body: String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned(),
        });
        let first = self.first.lock().unwrap().pop_front();
        let (status, answer) = first.unwrap_or((200, self.answer));
        let status = status.try_into().unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(answer))))
    }
}

fn calls(config: &SdkConfig, stream: &str) -> Calls {
    Calls::new(Client::new(config), StreamRef::parse(stream), Duration::from_secs(6))
}

fn entry() -> KinesisRecord {
    let mut encoder = Encoder::new();
    encoder.append(&UserRecordRef::new("key", None, b"data"));
    encoder.seal().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_named_as_it_was_given_in_every_partition() {
    let recorder = Recorder::answering("{}");
    for (region, arn) in ARNS {
        let calls = calls(&recorder.config(region), arn);
        calls.put_records(vec![entry()]).await;
        let _ = calls.list_shards().await;
        let _ = calls.describe_stream_summary().await;
        for seen in recorder.take() {
            assert!(seen.body.contains(arn) && !seen.body.contains("StreamName"), "{seen:?}");
        }
    }
    let calls = calls(&recorder.config("cn-north-1"), "orders");
    calls.put_records(vec![entry()]).await;
    let seen = recorder.take();
    assert!(seen[0].body.contains(r#""StreamName":"orders""#) && !seen[0].body.contains("StreamARN"));
}

/// FIPS and dual-stack included: nothing is put in the place of what the SDK makes of its configuration.
#[tokio::test(start_paused = true)]
async fn requests_go_where_the_sdk_itself_would_send_them() {
    let recorder = Recorder::answering("{}");
    let mut hosts = std::collections::BTreeSet::new();
    for (region, arn) in ARNS {
        for (fips, dual_stack) in [(false, false), (true, false), (false, true)] {
            let config = recorder
                .config(region)
                .into_builder()
                .use_fips(fips)
                .use_dual_stack(dual_stack)
                .build();
            for stream in ["orders", arn] {
                let calls = calls(&config, stream);
                calls.put_records(vec![entry()]).await;
                let ours = recorder.take();
                let client = Client::new(&config);
                let (name, arn) = (calls.stream.name(), calls.stream.arn());
                let call = client.put_records().set_stream_name(name).set_stream_arn(arn);
                let entries = Some(vec![request_entry(entry()).unwrap()]);
                let _ = call.set_records(entries).send().await;
                let theirs = recorder.take();
                let uris = |seen: &[Seen]| seen.iter().map(|seen| seen.uri.clone()).collect::<Vec<_>>();
                assert_eq!(uris(&ours), uris(&theirs));
                hosts.extend(uris(&ours));
            }
        }
    }
    assert!(hosts.iter().any(|host| host.contains(".amazonaws.com.cn")), "{hosts:?}");
    assert!(hosts.iter().any(|host| host.contains("fips")), "{hosts:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_of_ones_own_is_used() {
    let recorder = Recorder::answering("{}");
    let config = recorder
        .config("eu-central-1")
        .into_builder()
        .endpoint_url("https://kinesis.internal:4567")
        .build();
    calls(&config, "orders").put_records(vec![entry()]).await;
    assert!(recorder.take()[0].uri.starts_with("https://kinesis.internal:4567"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_id_goes_with_each_request_but_not_with_further_pages() {
    let recorder = Recorder::answering(r#"{"Shards":[],"NextToken":"more"}"#);
    let config = recorder.config("eu-central-1");
    let stream = StreamRef::parse("orders").with_id(Some("id-7"));
    let named = Calls::new(Client::new(&config), stream, Duration::from_secs(6));
    named.put_records(vec![entry()]).await;
    let _ = named.describe_stream_summary().await;
    named.list_shards_page(None).await.unwrap();
    named.list_shards_page(Some("more".to_owned())).await.unwrap();
    let with_id: Vec<_> = recorder
        .take()
        .iter()
        .map(|seen| seen.body.contains(r#""StreamId":"id-7""#))
        .collect();
    assert_eq!(with_id, [true, true, true, false]);
    calls(&config, "orders").put_records(vec![entry()]).await;
    assert!(!recorder.take()[0].body.contains("StreamId"));
}

#[tokio::test(start_paused = true)]
async fn a_record_without_a_partition_key_is_sent_without_a_hash_key() {
    let recorder = Recorder::answering("{}");
    let calls = calls(&recorder.config("eu-central-1"), "orders");
    let mut encoder = Encoder::new();
    encoder.append(&UserRecordRef::new("", None, b"data"));
    calls.put_records(vec![entry(), encoder.seal().unwrap()]).await;
    let body = recorder.take().remove(0).body;
    assert_eq!(body.matches("\"Data\"").count(), 2);
    assert_eq!(body.matches("\"PartitionKey\"").count(), 1, "{body}");
    assert_eq!(body.matches("\"ExplicitHashKey\"").count(), 1, "{body}");
}

/// The provider may have some the next time; but nobody need fear for what was not sent.
#[tokio::test(start_paused = true)]
async fn a_request_without_credentials_was_not_sent_and_the_failure_says_so() {
    let recorder = Recorder::answering("{}");
    let config = recorder.config("eu-central-1").into_builder();
    let config = config.credentials_provider(SharedCredentialsProvider::new(NoCredentials));
    let calls = calls(&config.build(), "orders");
    let Answer::Failed(failure) = calls.put_records(vec![entry()]).await else {
        panic!("there is nobody to sign for it")
    };
    assert_eq!((&*failure.code, failure.effect), ("RequestNotBuilt", Effect::None));
    assert!(failure.message.contains("nobody is logged in"), "{}", failure.message);
    assert_eq!(recorder.take(), []);
}

/// The service may have read the request before the connection ended.
#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_before_the_answer_leaves_open_what_was_stored() {
    let config = Recorder::answering("{}").config("eu-central-1").into_builder();
    let calls = calls(&config.http_client(EndsEarly).build(), "orders");
    let Answer::Failed(failure) = calls.put_records(vec![entry()]).await else {
        panic!("there was no answer")
    };
    assert_eq!((&*failure.code, failure.effect), ("Connection", Effect::Possible));
}

#[tokio::test]
async fn what_could_not_be_sent_because_nobody_listens_was_not_stored() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let client = aws_smithy_http_client::Builder::new().build_http();
    let config = Recorder::answering("{}").config("eu-central-1").into_builder();
    let config = config.http_client(client).endpoint_url(format!("http://{nobody}"));
    let calls = calls(&config.build(), "orders");
    let Answer::Failed(failure) = calls.put_records(vec![entry()]).await else {
        panic!("nobody listens")
    };
    assert_eq!(
        (&*failure.code, failure.effect),
        ("Connection", Effect::None),
        "{}",
        failure.message
    );
}

/// A connection that ends while the answer is waited for, as the SDK's own client tells it.
#[derive(Debug, Clone)]
struct EndsEarly;

impl HttpConnector for EndsEarly {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        let error = ConnectorError::other("incomplete message".into(), Some(ErrorKind::TransientError));
        HttpConnectorFuture::ready(Err(error))
    }
}

impl HttpClient for EndsEarly {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// A provider that has none.
#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("nobody is logged in")))
    }
}

/// What a stream's description says of its distribution, besides what every description says.
const DESCRIPTIONS: [(&str, RecordDistribution); 7] = [
    (r#","RecordDistributionStrategy":"AUTO""#, RecordDistribution::Auto),
    (
        r#","RecordDistributionStrategy":"USER_PARTITION_KEY""#,
        RecordDistribution::UserPartitionKey,
    ),
    (
        r#","StreamModeDetails":{"StreamMode":"PROVISIONED"}"#,
        RecordDistribution::UserPartitionKey,
    ),
    (
        r#","StreamModeDetails":{"StreamMode":"ON_DEMAND"},"RecordDistributionStrategy":"AUTO""#,
        RecordDistribution::Auto,
    ),
    (
        r#","StreamModeDetails":{"StreamMode":"ON_DEMAND"}"#,
        RecordDistribution::Unknown,
    ),
    (r#","RecordDistributionStrategy":"NEW""#, RecordDistribution::Unknown),
    ("", RecordDistribution::Unknown),
];

#[tokio::test(start_paused = true)]
async fn a_description_tells_who_distributes_records_or_that_it_does_not_say() {
    for (said, distribution) in DESCRIPTIONS {
        let facts = r#""StreamName":"orders","StreamARN":"a","StreamStatus":"ACTIVE","RetentionPeriodHours":24"#;
        let facts = format!(r#"{facts},"StreamCreationTimestamp":0,"EnhancedMonitoring":[],"OpenShardCount":1"#);
        let answer = format!(r#"{{"StreamDescriptionSummary":{{{facts}{said}}}}}"#);
        let recorder = Recorder::answering(answer.leak());
        let calls = calls(&recorder.config("eu-central-1"), "orders");
        let summary = calls.describe_stream_summary().await.unwrap();
        assert_eq!(summary.distribution, distribution, "{said}");
        assert_eq!((summary.max_record_bytes, summary.resharding), (None, Resharding::None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_description_tells_how_large_a_record_may_be_and_whether_the_stream_is_changing() {
    let answer = r#"{"StreamDescriptionSummary":{"StreamName":"orders","StreamARN":"a","StreamStatus":"UPDATING",
        "RetentionPeriodHours":24,"StreamCreationTimestamp":0,"EnhancedMonitoring":[],"OpenShardCount":1,
        "MaxRecordSizeInKiB":10240}}"#;
    let recorder = Recorder::answering(answer);
    let calls = calls(&recorder.config("eu-central-1"), "orders");
    let summary = calls.describe_stream_summary().await.unwrap();
    assert_eq!(summary.max_record_bytes, Some(10 << 20));
    assert_eq!(summary.resharding, Resharding::UnderWay);
}

const FIRST_PAGE: &str = r#"{"NextToken":"more","Shards":[{"ShardId":"shardId-000000000000",
    "HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"9"},"SequenceNumberRange":{"StartingSequenceNumber":"1"}}]}"#;
const SECOND_PAGE: &str = r#"{"Shards":[{"ShardId":"a shard of another name",
    "HashKeyRange":{"StartingHashKey":"10","EndingHashKey":"340282366920938463463374607431768211455"},
    "SequenceNumberRange":{"StartingSequenceNumber":"1"}},{"ShardId":"closed",
    "HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"9"},
    "SequenceNumberRange":{"StartingSequenceNumber":"1","EndingSequenceNumber":"2"}}]}"#;

#[tokio::test(start_paused = true)]
async fn a_listing_of_two_pages_is_two_calls_and_names_each_open_shard() {
    let recorder = Recorder::answering(SECOND_PAGE).answering_first(&[(200, FIRST_PAGE)]);
    let calls = calls(&recorder.config("eu-central-1"), "orders");
    let listing = calls.list_shards().await.unwrap();
    let ids: Vec<_> = listing.open.iter().map(|shard| shard.id.as_str()).collect();
    assert_eq!(ids, ["shardId-000000000000", "a shard of another name"]);
    let seen = recorder.take();
    assert_eq!(seen.len(), 2);
    assert!(seen[0].body.contains("AT_LATEST") && seen[0].body.contains(r#""StreamName":"orders""#));
    assert!(seen[1].body.contains(r#""NextToken":"more""#) && !seen[1].body.contains("Stream"));
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_fails_half_way_is_no_listing_and_the_next_begins_at_the_first_page() {
    let failure = (400, r#"{"__type":"LimitExceededException","message":"slowly"}"#);
    let answers = [(200, FIRST_PAGE), failure, failure, (200, FIRST_PAGE)];
    let recorder = Recorder::answering(SECOND_PAGE).answering_first(&answers);
    let calls = calls(&recorder.config("eu-central-1"), "orders");
    for _ in 0..2 {
        let failure = calls.list_shards().await.unwrap_err();
        assert_eq!(failure.code, "LimitExceededException");
    }
    assert_eq!(calls.list_shards().await.unwrap().open.len(), 2);
    let begins: Vec<_> = recorder
        .take()
        .iter()
        .map(|seen| seen.body.contains("StreamName"))
        .collect();
    assert_eq!(begins, [true, false, true, true, false]);
}

/// An open shard of a list.
fn listed(id: &str, start: &str, end: &str) -> String {
    let keys = format!(r#"{{"StartingHashKey":"{start}","EndingHashKey":"{end}"}}"#);
    format!(r#"{{"ShardId":"{id}","HashKeyRange":{keys},"SequenceNumberRange":{{"StartingSequenceNumber":"1"}}}}"#)
}

#[tokio::test(start_paused = true)]
async fn a_shard_with_a_bad_range_is_named_and_the_others_are_listed() {
    let shards = [
        listed("good", "0", "9"),
        listed("bad", "ten", "19"),
        listed("last", "20", "340282366920938463463374607431768211456"),
    ];
    let answer = format!(r#"{{"Shards":[{}]}}"#, shards.join(","));
    let recorder = Recorder::answering(answer.leak());
    let listing = calls(&recorder.config("eu-central-1"), "orders")
        .list_shards()
        .await
        .unwrap();
    let open: Vec<_> = listing.open.iter().map(|shard| shard.id.as_str()).collect();
    assert_eq!(open, ["good", "last"]);
    assert_eq!(listing.unreadable, [ShardId::new("bad")]);
    let faulty: Vec<_> = listing.faults.iter().map(|fault| fault.shard.as_str()).collect();
    assert_eq!(faulty, ["bad", "last"]);
    assert_eq!(listing.open[1].range.end(), aggregation::HashKey::MAX);
}
