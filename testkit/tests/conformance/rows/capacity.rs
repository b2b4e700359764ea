//! On-demand streams, and streams whose records the service distributes.

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, RecordDistributionStrategy, ScalingType, ShardIteratorType, StreamMode, StreamModeDetails,
};

use crate::conformance::evidence::Evidence::ServiceModel;
use crate::conformance::evidence::{AUTO, CAPACITY_MODES, PUT_RECORD, RECORD};
use crate::conformance::row::Row;
use crate::conformance::stream::{Stream, entry, ids};
use crate::conformance::subject::Subject;
use crate::conformance::verdict::{BAD_ARGUMENT, INVALID, Mismatch, Verdict, equal, refused, some, want};

const NO_STRATEGY: &str = "knows no record distribution strategy";

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "A stream can be created on demand, without a number of shards; it gets four",
        &[ServiceModel, CAPACITY_MODES],
        |kinesis| Box::pin(on_demand_has_four_shards(kinesis)),
    ),
    Row::new(
        "UpdateStreamMode makes a provisioned stream on demand, and leaves its shards",
        &[ServiceModel, CAPACITY_MODES],
        |kinesis| Box::pin(modes_can_be_switched(kinesis)),
    ),
    Row::new(
        "UpdateShardCount, SplitShard and MergeShards refuse an on-demand stream",
        &[ServiceModel],
        |kinesis| Box::pin(on_demand_reshards_itself(kinesis)),
    )
    .gap("splits the shard"),
    Row::new(
        "A record without a partition key is refused where keys distribute",
        &[PUT_RECORD],
        |kinesis| Box::pin(needs_a_key(kinesis)),
    ),
    Row::new(
        "With the strategy AUTO, records without a key are stored, and read back without one",
        &[ServiceModel, AUTO, RECORD],
        |kinesis| Box::pin(auto_needs_no_key(kinesis)),
    )
    .gap(NO_STRATEGY),
    Row::new(
        "With the strategy AUTO, a partition key is kept and does not decide the shard",
        &[AUTO, RECORD],
        |kinesis| Box::pin(auto_ignores_keys(kinesis)),
    )
    .gap(NO_STRATEGY),
    Row::new(
        "With the strategy AUTO, SequenceNumberForOrdering is InvalidArgumentException",
        &[AUTO],
        |kinesis| Box::pin(auto_has_no_ordering(kinesis)),
    )
    .gap(NO_STRATEGY),
    Row::new(
        "The strategy can be changed to AUTO and back while a producer writes",
        &[ServiceModel],
        |kinesis| Box::pin(strategies_can_be_switched(kinesis)),
    )
    .gap(NO_STRATEGY),
    Row::new("AUTO is refused for a provisioned stream", &[ServiceModel], |kinesis| {
        Box::pin(auto_needs_on_demand(kinesis))
    })
    .gap(NO_STRATEGY),
];

async fn on_demand_has_four_shards(kinesis: &Subject) -> Verdict {
    let stream = on_demand(kinesis, None).await?;
    equal("shards", stream.shards().await?.len(), 4)
}

async fn modes_can_be_switched(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    let update = kinesis.client.update_stream_mode().stream_arn(&stream.arn);
    update.stream_mode_details(details()).send().await?;
    stream.becomes_active().await?;
    let described = kinesis
        .client
        .describe_stream_summary()
        .stream_name(&stream.name)
        .send()
        .await?;
    let summary = some("a summary", described.stream_description_summary())?;
    let mode = summary.stream_mode_details().map(|details| details.stream_mode());
    equal("the mode", mode, Some(&StreamMode::OnDemand))?;
    equal("open shards", summary.open_shard_count(), 2)
}

async fn on_demand_reshards_itself(kinesis: &Subject) -> Verdict {
    let stream = on_demand(kinesis, None).await?;
    let all = ids(&stream.shards().await?);
    let [first, second, ..] = all.as_slice() else {
        return equal("shards", all.len(), 4);
    };
    let split = kinesis.client.split_shard().stream_name(&stream.name);
    let split = split.shard_to_split(first).new_starting_hash_key("1000");
    refused(split.send().await, BAD_ARGUMENT)?;
    let merge = kinesis.client.merge_shards().stream_name(&stream.name);
    let merge = merge.shard_to_merge(first).adjacent_shard_to_merge(second);
    refused(merge.send().await, BAD_ARGUMENT)?;
    let update = kinesis.client.update_shard_count().stream_name(&stream.name);
    let update = update.target_shard_count(8).scaling_type(ScalingType::UniformScaling);
    refused(update.send().await, BAD_ARGUMENT)
}

async fn needs_a_key(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let put = kinesis
        .client
        .put_record()
        .stream_name(&stream.name)
        .data(Blob::new("x"));
    // Without a constraint for it in the model, the SDK leaves the member out.
    let codes = &[
        "ValidationException",
        "InvalidArgumentException",
        "SerializationException",
    ];
    refused(put.send().await, codes)
}

async fn auto_needs_no_key(kinesis: &Subject) -> Verdict {
    let stream = on_demand(kinesis, Some(RecordDistributionStrategy::Auto)).await?;
    let put = stream.putting([keyless("x")]).send().await?;
    let shard = some("a shard", put.records().first().and_then(|result| result.shard_id()))?;
    let iterator = stream.iterator(shard, ShardIteratorType::TrimHorizon).await?;
    let records = stream.read(&iterator).await?;
    equal(
        "a partition key",
        some("a record", records.first())?.partition_key(),
        None,
    )
}

async fn auto_ignores_keys(kinesis: &Subject) -> Verdict {
    let stream = on_demand(kinesis, Some(RecordDistributionStrategy::Auto)).await?;
    let put = stream.putting((0..8).map(|_| entry("key", "x"))).send().await?;
    let mut shards: Vec<_> = put.records().iter().filter_map(|result| result.shard_id()).collect();
    let first = shards.first().copied().unwrap_or_default();
    let iterator = stream.iterator(first, ShardIteratorType::TrimHorizon).await?;
    let records = stream.read(&iterator).await?;
    equal(
        "the partition key",
        some("a record", records.first())?.partition_key(),
        Some("key"),
    )?;
    shards.sort_unstable();
    shards.dedup();
    want("several shards", shards, |shards| shards.len() > 1)
}

async fn auto_has_no_ordering(kinesis: &Subject) -> Verdict {
    let stream = on_demand(kinesis, Some(RecordDistributionStrategy::Auto)).await?;
    let first = stream.put("key", "x").await?.sequence_number;
    let put = kinesis
        .client
        .put_record()
        .stream_name(&stream.name)
        .data(Blob::new("x"));
    refused(put.sequence_number_for_ordering(first).send().await, INVALID)
}

async fn strategies_can_be_switched(kinesis: &Subject) -> Verdict {
    let stream = on_demand(kinesis, None).await?;
    for strategy in [
        RecordDistributionStrategy::Auto,
        RecordDistributionStrategy::UserPartitionKey,
    ] {
        let update = kinesis
            .client
            .update_stream_record_distribution_strategy()
            .stream_arn(&stream.arn);
        let switching = update.record_distribution_strategy(strategy).send();
        let (switched, put) = tokio::join!(switching, stream.put("key", "x"));
        switched?;
        put?;
        stream.becomes_active().await?;
    }
    refused(stream.putting([keyless("x")]).send().await, BAD_ARGUMENT)
}

async fn auto_needs_on_demand(kinesis: &Subject) -> Verdict {
    let create = kinesis
        .client
        .create_stream()
        .stream_name(kinesis.name())
        .shard_count(1);
    let create = create.record_distribution_strategy(RecordDistributionStrategy::Auto);
    refused(create.send().await, BAD_ARGUMENT)
}

async fn on_demand(kinesis: &Subject, strategy: Option<RecordDistributionStrategy>) -> Result<Stream<'_>, Mismatch> {
    let name = kinesis.name();
    let create = kinesis
        .client
        .create_stream()
        .stream_name(&name)
        .stream_mode_details(details());
    create.set_record_distribution_strategy(strategy).send().await?;
    kinesis.active(name).await
}

fn details() -> StreamModeDetails {
    let details = StreamModeDetails::builder().stream_mode(StreamMode::OnDemand);
    details.build().expect("details with a mode")
}

fn keyless(data: &str) -> PutRecordsRequestEntry {
    let entry = PutRecordsRequestEntry::builder().data(Blob::new(data));
    entry.build().expect("a record with data")
}
