//! Kinesis in CBOR, which the SDKs for Java speak by default.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ciborium::Value;
use testkit::kinesis::Settings;
use testkit::sandbox::Sandbox;

use crate::wire::{exchange_bytes, post};

/// CBOR's tag of a moment.
const EPOCH_TIME: u64 = 1;

async fn sandbox() -> Sandbox {
    let settings = Settings {
        creation_time: Duration::ZERO,
        ..Settings::default()
    };
    Sandbox::start_with(settings).await.unwrap()
}

fn map(members: &[(&str, Value)]) -> Value {
    let members = members.iter().map(|(name, value)| ((*name).into(), value.clone()));
    Value::Map(members.collect())
}

/// The status line and the decoded body of the reply to one call.
async fn call(sandbox: &Sandbox, operation: &str, input: &Value) -> (String, Value) {
    let mut body = Vec::new();
    ciborium::into_writer(input, &mut body).unwrap();
    let headers = format!("content-type: application/x-amz-cbor-1.1\r\nx-amz-target: Kinesis_20131202.{operation}\r\n");
    let (head, body) = exchange_bytes(sandbox, &post("/", &headers, &body)).await;
    assert!(head.contains("content-type: application/x-amz-cbor-1.1"), "{head}");
    (
        head.lines().next().unwrap().to_owned(),
        ciborium::from_reader(body.as_slice()).unwrap(),
    )
}

fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    let members = value.as_map().unwrap();
    let found = members.iter().find(|(found, _)| found.as_text() == Some(name));
    &found.unwrap_or_else(|| panic!("no {name} in {value:?}")).1
}

async fn with_record(data: &[u8]) -> Sandbox {
    let sandbox = sandbox().await;
    let stream = ("StreamName", Value::from("clicks"));
    let (status, _) = call(
        &sandbox,
        "CreateStream",
        &map(&[stream.clone(), ("ShardCount", 1.into())]),
    )
    .await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    let entry = map(&[("Data", Value::Bytes(data.to_vec())), ("PartitionKey", "k".into())]);
    let put = map(&[stream, ("Records", Value::Array(vec![entry]))]);
    let (status, output) = call(&sandbox, "PutRecords", &put).await;
    assert_eq!(
        (status.as_str(), member(&output, "FailedRecordCount")),
        ("HTTP/1.1 200 OK", &0.into())
    );
    sandbox
}

/// The output of GetRecords from a moment on.
async fn get_from(sandbox: &Sandbox, moment: SystemTime) -> Value {
    let millis = u64::try_from(moment.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let from = map(&[
        ("StreamName", "clicks".into()),
        ("ShardId", "shardId-000000000000".into()),
        ("ShardIteratorType", "AT_TIMESTAMP".into()),
        ("Timestamp", Value::Tag(EPOCH_TIME, Box::new(millis.into()))),
    ]);
    let (_, output) = call(sandbox, "GetShardIterator", &from).await;
    let iterator = ("ShardIterator", member(&output, "ShardIterator").clone());
    call(sandbox, "GetRecords", &map(&[iterator])).await.1
}

#[tokio::test]
async fn a_record_comes_back_as_bytes_with_a_moment_in_milliseconds() {
    let data = [0, 159, 146, 150];
    let sandbox = with_record(&data).await;
    let output = get_from(&sandbox, UNIX_EPOCH + Duration::from_secs(1)).await;
    let record = &member(&output, "Records").as_array().unwrap()[0];
    assert_eq!(member(record, "Data"), &Value::Bytes(data.to_vec()));

    let arrival = sandbox.kinesis(|kinesis| kinesis.stored("clicks").next().unwrap().1.arrival.as_millis());
    let expected = Value::Tag(EPOCH_TIME, Box::new(arrival.into()));
    assert_eq!(member(record, "ApproximateArrivalTimestamp"), &expected);
}

#[tokio::test]
async fn an_error_is_cbor_too() {
    let sandbox = sandbox().await;
    let unknown = map(&[("StreamName", "nowhere".into())]);
    let (status, error) = call(&sandbox, "DescribeStreamSummary", &unknown).await;
    assert_eq!(status, "HTTP/1.1 400 Bad Request");
    assert_eq!(member(&error, "__type"), &"ResourceNotFoundException".into());
    let (_, error) = call(&sandbox, "Fly", &map(&[])).await;
    assert_eq!(member(&error, "__type"), &"UnknownOperationException".into());
    let (_, error) = call(&sandbox, "PutRecord", &Value::Array(Vec::new())).await;
    assert_eq!(member(&error, "__type"), &"SerializationException".into());
}
