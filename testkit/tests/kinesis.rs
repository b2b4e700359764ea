//! Kinesis through the SDK: that requests and replies survive both fronts. The service's rules are tested in the model.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType, StreamStatus};
use testkit::sim::{Entries, Fault, Sim};
use tokio::time::sleep;

use crate::fronts::on_both_fronts;

const STREAM: &str = "clicks";

on_both_fronts!(
    put_records_are_read_back,
    a_missing_stream_is_a_typed_error,
    a_bad_argument_is_a_typed_error,
    a_deleted_stream_is_gone,
);

async fn put_records_are_read_back(config: &SdkConfig) {
    let client = with_stream(config).await;
    let put = put_records(&client, 3).await;
    assert_eq!(put.failed_record_count(), Some(0));
    assert!(put.records().iter().all(|result| result.sequence_number().is_some()));
    assert_eq!(read_all(&client).await, ["record-0", "record-1", "record-2"]);
}

async fn a_missing_stream_is_a_typed_error(config: &SdkConfig) {
    let client = Client::new(config);
    let describe = client.describe_stream_summary().stream_name("none").send().await;
    let error = describe.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
}

async fn a_bad_argument_is_a_typed_error(config: &SdkConfig) {
    let client = Client::new(config);
    let read = client.get_records().shard_iterator("no iterator").send().await;
    let error = read.unwrap_err().into_service_error();
    assert!(error.is_invalid_argument_exception(), "{error:?}");
}

async fn a_deleted_stream_is_gone(config: &SdkConfig) {
    let client = with_stream(config).await;
    client.delete_stream().stream_name(STREAM).send().await.unwrap();
    while status(&client).await.is_some() {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(client.list_streams().send().await.unwrap().stream_names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_made_by_the_simulation_is_active_at_once() {
    let sim = Sim::new(7);
    sim.create_stream(STREAM, 2).unwrap();
    assert_eq!(sim.elapsed(), Duration::ZERO);

    let client = Client::new(&sim.sdk_config());
    assert_eq!(status(&client).await, Some(StreamStatus::Active));
    let shards = client.list_shards().stream_name(STREAM).send().await.unwrap();
    assert_eq!(shards.shards().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn chosen_entries_fail_and_the_others_are_stored() {
    let sim = Sim::new(7);
    sim.create_stream(STREAM, 1).unwrap();
    let client = Client::new(&sim.sdk_config());

    sim.faults(|_call| Fault::FailEntries {
        entries: Entries::At(vec![0, 2]),
        code: "ProvisionedThroughputExceededException".to_owned(),
    });
    let put = put_records(&client, 4).await;
    sim.heal();

    assert_eq!(put.failed_record_count(), Some(2));
    let codes: Vec<_> = put.records().iter().map(|result| result.error_code()).collect();
    let throttled = Some("ProvisionedThroughputExceededException");
    assert_eq!(codes, [throttled, None, throttled, None]);
    assert_eq!(read_all(&client).await, ["record-1", "record-3"]);
}

async fn with_stream(config: &SdkConfig) -> Client {
    let client = Client::new(config);
    client
        .create_stream()
        .stream_name(STREAM)
        .shard_count(1)
        .send()
        .await
        .unwrap();
    while status(&client).await != Some(StreamStatus::Active) {
        sleep(Duration::from_millis(10)).await;
    }
    client
}

/// The stream's status; `None` if there is no stream.
async fn status(client: &Client) -> Option<StreamStatus> {
    let described = client.describe_stream_summary().stream_name(STREAM).send().await.ok()?;
    described
        .stream_description_summary
        .map(|summary| summary.stream_status)
}

async fn put_records(client: &Client, count: usize) -> aws_sdk_kinesis::operation::put_records::PutRecordsOutput {
    let records = (0..count).map(|number| {
        PutRecordsRequestEntry::builder()
            .partition_key("one")
            .data(Blob::new(format!("record-{number}")))
            .build()
            .unwrap()
    });
    client
        .put_records()
        .stream_name(STREAM)
        .set_records(Some(records.collect()))
        .send()
        .await
        .unwrap()
}

/// The data of the first shard's records, from its beginning.
async fn read_all(client: &Client) -> Vec<String> {
    let shards = client.list_shards().stream_name(STREAM).send().await.unwrap();
    let iterator = client
        .get_shard_iterator()
        .stream_name(STREAM)
        .shard_id(shards.shards()[0].shard_id())
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await
        .unwrap();
    let read = client
        .get_records()
        .set_shard_iterator(iterator.shard_iterator)
        .send()
        .await
        .unwrap();
    read.records()
        .iter()
        .map(|record| String::from_utf8(record.data().as_ref().to_vec()).unwrap())
        .collect()
}
