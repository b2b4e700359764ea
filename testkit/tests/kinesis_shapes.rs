//! Kinesis through the SDK: that the members of newer operations and replies have the names that the SDK reads.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    EncryptionType, MetricsName, PutRecordsRequestEntry, RecordDistributionStrategy, ShardIteratorType, StreamMode,
    StreamModeDetails,
};
use testkit::kinesis::{KmsFailure, OnDemand, Settings};
use testkit::sim::Sim;
use tokio::time::sleep;

const STREAM: &str = "clicks";
const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/clicks";

async fn on_demand() -> (Sim, Client) {
    let settings = Settings {
        on_demand: OnDemand::Advantage,
        ..Settings::default()
    };
    let sim = Sim::builder().seed(7).kinesis(settings).build();
    let client = Client::new(&sim.sdk_config());
    let mode = StreamModeDetails::builder()
        .stream_mode(StreamMode::OnDemand)
        .build()
        .unwrap();
    client
        .create_stream()
        .stream_name(STREAM)
        .stream_mode_details(mode)
        .record_distribution_strategy(RecordDistributionStrategy::Auto)
        .max_record_size_in_kib(2_048)
        .warm_throughput_mibps(5)
        .tags("team", "billing")
        .send()
        .await
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    (sim, client)
}

#[tokio::test(start_paused = true)]
async fn what_a_stream_was_created_with_is_described() {
    let (_sim, client) = on_demand().await;
    let reply = client
        .describe_stream_summary()
        .stream_name(STREAM)
        .send()
        .await
        .unwrap();
    let summary = reply.stream_description_summary().unwrap();
    assert_eq!(
        summary.record_distribution_strategy(),
        Some(&RecordDistributionStrategy::Auto)
    );
    assert_eq!(
        summary.stream_mode_details().unwrap().stream_mode(),
        &StreamMode::OnDemand
    );
    assert_eq!(summary.max_record_size_in_kib(), Some(2_048));
    let warm = summary.warm_throughput().unwrap();
    assert_eq!((warm.target_mibps(), warm.current_mibps()), (Some(5), Some(5)));
    let tags = client.list_tags_for_stream().stream_name(STREAM).send().await.unwrap();
    assert_eq!(
        (tags.tags()[0].key(), tags.tags()[0].value()),
        ("team", Some("billing"))
    );
    let limits = client.describe_limits().send().await.unwrap();
    assert_eq!(
        (limits.on_demand_stream_count(), limits.on_demand_stream_count_limit()),
        (1, 50)
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_without_a_key_is_put_and_read() {
    let (_sim, client) = on_demand().await;
    let entry = PutRecordsRequestEntry::builder().data(Blob::new("hi")).build().unwrap();
    let put = client
        .put_records()
        .stream_arn(ARN)
        .records(entry)
        .send()
        .await
        .unwrap();
    let iterator = client
        .get_shard_iterator()
        .stream_arn(ARN)
        .shard_id(put.records()[0].shard_id().unwrap())
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await
        .unwrap();
    let read = client
        .get_records()
        .shard_iterator(iterator.shard_iterator().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(read.records()[0].partition_key(), None);
    let ordered = client
        .put_record()
        .stream_arn(ARN)
        .data(Blob::new("hi"))
        .sequence_number_for_ordering("7")
        .send()
        .await;
    assert!(
        ordered
            .unwrap_err()
            .into_service_error()
            .is_invalid_argument_exception()
    );
}

#[tokio::test(start_paused = true)]
async fn what_can_be_changed_is_changed() {
    let (_sim, client) = on_demand().await;
    let keyed = RecordDistributionStrategy::UserPartitionKey;
    client
        .update_stream_record_distribution_strategy()
        .stream_arn(ARN)
        .record_distribution_strategy(keyed.clone())
        .send()
        .await
        .unwrap();
    client
        .update_max_record_size()
        .stream_arn(ARN)
        .max_record_size_in_kib(10_240)
        .send()
        .await
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    let warm = client
        .update_stream_warm_throughput()
        .stream_arn(ARN)
        .warm_throughput_mibps(8)
        .send()
        .await
        .unwrap();
    assert_eq!(warm.warm_throughput().unwrap().target_mibps(), Some(8));
    assert_eq!((warm.stream_name(), warm.stream_arn()), (Some(STREAM), Some(ARN)));
    sleep(Duration::from_secs(5)).await;
    let mode = StreamModeDetails::builder()
        .stream_mode(StreamMode::Provisioned)
        .build()
        .unwrap();
    client
        .update_stream_mode()
        .stream_arn(ARN)
        .stream_mode_details(mode)
        .send()
        .await
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    let reply = client.describe_stream_summary().stream_arn(ARN).send().await.unwrap();
    let summary = reply.stream_description_summary().unwrap();
    assert_eq!(summary.open_shard_count(), 8);
    assert_eq!(summary.record_distribution_strategy(), None);
    assert_eq!(summary.max_record_size_in_kib(), Some(10_240));
}

#[tokio::test(start_paused = true)]
async fn monitoring_and_tags_are_typed() {
    let (_sim, client) = on_demand().await;
    let metrics = client
        .enable_enhanced_monitoring()
        .stream_arn(ARN)
        .shard_level_metrics(MetricsName::All)
        .send()
        .await
        .unwrap();
    assert_eq!(metrics.desired_shard_level_metrics().len(), 7);
    client
        .tag_resource()
        .resource_arn(ARN)
        .tags("a", "b")
        .send()
        .await
        .unwrap();
    client
        .untag_resource()
        .resource_arn(ARN)
        .tag_keys("team")
        .send()
        .await
        .unwrap();
    let tags = client.list_tags_for_resource().resource_arn(ARN).send().await.unwrap();
    assert_eq!(tags.tags().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn encryption_its_failures_and_dry_runs_are_typed() {
    let (sim, client) = on_demand().await;
    client
        .start_stream_encryption()
        .stream_name(STREAM)
        .encryption_type(EncryptionType::Kms)
        .key_id("alias/aws/kinesis")
        .send()
        .await
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    let put = || client.put_record().stream_name(STREAM).data(Blob::new("hi"));
    assert_eq!(
        put().send().await.unwrap().encryption_type(),
        Some(&EncryptionType::Kms)
    );
    let error = put().dry_run(true).send().await.unwrap_err().into_service_error();
    assert!(error.is_dry_run_operation_exception(), "{error:?}");
    sim.kinesis(|kinesis| kinesis.control(STREAM).unwrap().fail_kms(KmsFailure::OptInRequired));
    let error = put().send().await.unwrap_err().into_service_error();
    assert!(error.is_kms_opt_in_required(), "{error:?}");
    sim.kinesis(|kinesis| kinesis.control(STREAM).unwrap().fail_kms(KmsFailure::Throttling));
    let error = put().send().await.unwrap_err().into_service_error();
    assert!(error.is_kms_throttling_exception(), "{error:?}");
    let other = "arn:aws:kinesis:us-east-1:111111111111:stream/clicks";
    let error = client
        .list_shards()
        .stream_arn(other)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_access_denied_exception(), "{error:?}");
}
