//! SplitShard, MergeShards and UpdateShardCount.

use std::time::Duration;

use aws_sdk_kinesis::types::ShardFilterType::AtLatest;
use aws_sdk_kinesis::types::{ScalingType, Shard, StreamStatus};
use testkit::kinesis::Settings;

use crate::conformance::evidence::Evidence::ServiceModel;
use crate::conformance::evidence::{MERGE_SHARDS, MERGING, SPLIT_SHARD, UPDATE_SHARD_COUNT};
use crate::conformance::row::Row;
use crate::conformance::stream::{MAX_HASH_KEY, Stream, filter, hash_range, ids};
use crate::conformance::subject::Subject;
use crate::conformance::verdict::{
    BAD_ARGUMENT, IN_USE, INVALID, Mismatch, NOT_FOUND, TOO_MANY, Verdict, equal, refused, some, want,
};

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "A split leaves the parent closed, and two open halves that start where it was asked for",
        &[SPLIT_SHARD],
        |kinesis| Box::pin(splits(kinesis)),
    ),
    Row::new(
        "A merge leaves both parents closed, and one open shard with their union",
        &[MERGE_SHARDS],
        |kinesis| Box::pin(merges(kinesis)),
    ),
    Row::new(
        "Two adjacent shards can be merged whichever is given first",
        &[MERGING],
        |kinesis| Box::pin(merges_in_any_order(kinesis)),
    )
    .gap("refuses the pair if the upper shard is given first"),
    Row::new(
        "A stream is UPDATING while a shard is split, and then ACTIVE",
        &[SPLIT_SHARD],
        |kinesis| Box::pin(updates(kinesis)),
    )
    .with(slow_resharding),
    Row::new(
        "Records are written and read while a stream is UPDATING",
        &[SPLIT_SHARD],
        |kinesis| Box::pin(goes_on(kinesis)),
    )
    .with(slow_resharding),
    Row::new(
        "A stream that is UPDATING is not resharded: ResourceInUseException",
        &[ServiceModel, MERGE_SHARDS],
        |kinesis| Box::pin(one_at_a_time(kinesis)),
    )
    .with(slow_resharding),
    Row::new("A closed shard is not split", &[], |kinesis| {
        Box::pin(splits_no_closed_shard(kinesis))
    }),
    Row::new("A closed shard is not merged", &[], |kinesis| {
        Box::pin(merges_no_closed_shard(kinesis))
    }),
    Row::new(
        "A shard that is not there is neither split nor merged: ResourceNotFoundException",
        &[ServiceModel],
        |kinesis| Box::pin(needs_the_shard(kinesis)),
    ),
    Row::new("A split needs a hash key within the shard", &[SPLIT_SHARD], |kinesis| {
        Box::pin(splits_within(kinesis))
    })
    .gap("accepts the first key of a shard"),
    Row::new("Shards that are not adjacent are not merged", &[MERGING], |kinesis| {
        Box::pin(merges_neighbours(kinesis))
    }),
    Row::new(
        "UpdateShardCount doubles the shards, each the child of one before",
        &[UPDATE_SHARD_COUNT],
        |kinesis| Box::pin(doubles(kinesis)),
    ),
    Row::new(
        "UpdateShardCount halves the shards, each the child of two before",
        &[UPDATE_SHARD_COUNT],
        |kinesis| Box::pin(halves(kinesis)),
    ),
    Row::new(
        "UpdateShardCount from 4 to 3 gives shards of equal size, by way of shards that live for a short time",
        &[UPDATE_SHARD_COUNT],
        |kinesis| Box::pin(scales_unevenly(kinesis)),
    )
    .gap("merges two shards and leaves two as they are"),
    Row::new(
        "UpdateShardCount refuses more than double and less than half",
        &[UPDATE_SHARD_COUNT],
        |kinesis| Box::pin(has_bounds(kinesis)),
    )
    .gap("accepts less than half"),
    Row::new(
        "UpdateShardCount is refused the eleventh time in 24 hours: LimitExceededException",
        &[ServiceModel, UPDATE_SHARD_COUNT],
        |kinesis| Box::pin(ten_times_a_day(kinesis)),
    )
    .gap("has no such limit")
    .not_on_aws("takes ten reshardings"),
];

async fn splits(kinesis: &Subject) -> Verdict {
    const MIDDLE: u128 = 1_000;
    let stream = kinesis.stream(1).await?;
    let parent = stream.first().await?;
    stream.split_at(&parent, MIDDLE).await?;
    equal(
        "open ranges",
        open_ranges(&stream).await?,
        vec![(0, MIDDLE - 1), (MIDDLE, MAX_HASH_KEY)],
    )?;
    want("the closed parent", ids(&stream.shards().await?), |all| {
        all.contains(&parent) && all.len() == 3
    })
}

async fn merges(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    let (parents, _) = stream.merge().await?;
    equal("open ranges", open_ranges(&stream).await?, vec![(0, MAX_HASH_KEY)])?;
    want("the closed parents", ids(&stream.shards().await?), |all| {
        parents.iter().all(|parent| all.contains(parent)) && all.len() == 3
    })
}

async fn merges_in_any_order(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    let all = ids(&stream.shards().await?);
    let [lower, upper] = all.as_slice() else {
        return equal("shards", all.len(), 2);
    };
    stream.merge_pair(upper, lower).await?;
    equal("open ranges", open_ranges(&stream).await?, vec![(0, MAX_HASH_KEY)])
}

async fn updates(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    begin_split(&stream).await?;
    equal("the status", status(&stream).await?, StreamStatus::Updating)?;
    stream.becomes_active().await?;
    equal("open shards", open_ranges(&stream).await?.len(), 2)
}

async fn goes_on(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    begin_split(&stream).await?;
    let shard = stream.put("key", "a").await?.shard_id;
    kinesis.wait(kinesis.target.propagation()).await;
    let read = stream.texts(&shard).await?;
    equal("the status", status(&stream).await?, StreamStatus::Updating)?;
    equal("records", read, vec!["a".to_owned()])
}

async fn one_at_a_time(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(3).await?;
    let all = ids(&stream.shards().await?);
    begin_split(&stream).await?;
    let [_, lower, upper] = all.as_slice() else {
        return equal("shards", all.len(), 3);
    };
    let merge = kinesis.client.merge_shards().stream_name(&stream.name);
    refused(
        merge.shard_to_merge(lower).adjacent_shard_to_merge(upper).send().await,
        IN_USE,
    )
}

/// The errors that the operations declare and that fit; AWS does not say which of them it is.
const CLOSED: &[&str] = &["InvalidArgumentException", "ResourceInUseException"];

async fn splits_no_closed_shard(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let (parent, _) = stream.split().await?;
    let split = kinesis.client.split_shard().stream_name(&stream.name);
    let split = split.shard_to_split(parent).new_starting_hash_key("1000");
    refused(split.send().await, CLOSED)
}

async fn merges_no_closed_shard(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    let ([lower, upper], _) = stream.merge().await?;
    let merge = kinesis.client.merge_shards().stream_name(&stream.name);
    let merge = merge.shard_to_merge(lower).adjacent_shard_to_merge(upper);
    refused(merge.send().await, CLOSED)
}

async fn needs_the_shard(kinesis: &Subject) -> Verdict {
    const MISSING: &str = "shardId-000000000077";
    let stream = kinesis.stream(1).await?;
    let shard = stream.first().await?;
    let split = kinesis.client.split_shard().stream_name(&stream.name);
    let split = split.shard_to_split(MISSING).new_starting_hash_key("1000");
    refused(split.send().await, NOT_FOUND)?;
    let merge = kinesis.client.merge_shards().stream_name(&stream.name);
    let merge = merge.shard_to_merge(shard).adjacent_shard_to_merge(MISSING);
    refused(merge.send().await, NOT_FOUND)
}

async fn splits_within(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    let shard = stream.first().await?;
    for key in [0, MAX_HASH_KEY] {
        let split = kinesis.client.split_shard().stream_name(&stream.name);
        let split = split.shard_to_split(&shard).new_starting_hash_key(key.to_string());
        refused(split.send().await, INVALID)?;
    }
    Ok(())
}

async fn merges_neighbours(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(3).await?;
    let all = ids(&stream.shards().await?);
    let [first, _, third] = all.as_slice() else {
        return equal("shards", all.len(), 3);
    };
    let merge = kinesis.client.merge_shards().stream_name(&stream.name);
    refused(
        merge.shard_to_merge(first).adjacent_shard_to_merge(third).send().await,
        INVALID,
    )
}

async fn doubles(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    stream.scale(4).await?;
    are_equal_in_size(&stream, 4).await?;
    let parents = |shard: &Shard| shard.parent_shard_id.is_some() && shard.adjacent_parent_shard_id.is_none();
    let open = open(&stream).await?;
    want(
        "one parent each",
        open.iter().map(parents).collect::<Vec<_>>(),
        |each| !each.contains(&false),
    )
}

async fn halves(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(4).await?;
    stream.scale(2).await?;
    are_equal_in_size(&stream, 2).await?;
    let parents = |shard: &Shard| shard.parent_shard_id.is_some() && shard.adjacent_parent_shard_id.is_some();
    let open = open(&stream).await?;
    want(
        "two parents each",
        open.iter().map(parents).collect::<Vec<_>>(),
        |each| !each.contains(&false),
    )
}

async fn scales_unevenly(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(4).await?;
    stream.scale(3).await?;
    are_equal_in_size(&stream, 3).await?;
    let closed = stream.shards().await?.len() - 3;
    want("more closed shards than the four", closed, |closed| *closed > 4)
}

async fn has_bounds(kinesis: &Subject) -> Verdict {
    // The API reference names the bounds and not the error; both are declared for the operation.
    const EITHER: &[&str] = &[
        "LimitExceededException",
        "InvalidArgumentException",
        "ValidationException",
    ];
    let stream = kinesis.stream(3).await?;
    for target in [7, 1] {
        let update = kinesis.client.update_shard_count().stream_name(&stream.name);
        let update = update
            .target_shard_count(target)
            .scaling_type(ScalingType::UniformScaling);
        refused(update.send().await, EITHER)?;
    }
    let update = kinesis.client.update_shard_count().stream_name(&stream.name);
    let update = update.target_shard_count(0).scaling_type(ScalingType::UniformScaling);
    refused(update.send().await, BAD_ARGUMENT)
}

async fn ten_times_a_day(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    for _ in 0..5 {
        stream.scale(2).await?;
        stream.scale(1).await?;
    }
    let update = kinesis.client.update_shard_count().stream_name(&stream.name);
    let update = update.target_shard_count(2).scaling_type(ScalingType::UniformScaling);
    refused(update.send().await, TOO_MANY)
}

/// Asks for a split and does not wait for it.
async fn begin_split(stream: &Stream<'_>) -> Verdict {
    let split = stream.subject.client.split_shard().stream_name(&stream.name);
    let split = split
        .shard_to_split(stream.first().await?)
        .new_starting_hash_key("1000");
    split.send().await?;
    Ok(())
}

async fn status(stream: &Stream<'_>) -> Result<StreamStatus, Mismatch> {
    let describe = stream
        .subject
        .client
        .describe_stream_summary()
        .stream_name(&stream.name);
    Ok(some("a summary", describe.send().await?.stream_description_summary)?.stream_status)
}

async fn open(stream: &Stream<'_>) -> Result<Vec<Shard>, Mismatch> {
    let listed = stream.listing().shard_filter(filter(AtLatest)).send().await?;
    Ok(listed.shards.unwrap_or_default())
}

/// The hash key ranges of the open shards, in order.
async fn open_ranges(stream: &Stream<'_>) -> Result<Vec<(u128, u128)>, Mismatch> {
    let mut ranges = open(stream)
        .await?
        .iter()
        .map(hash_range)
        .collect::<Result<Vec<_>, _>>()?;
    ranges.sort_unstable();
    Ok(ranges)
}

/// Wants so many open shards, whose sizes differ by less than a thousandth.
async fn are_equal_in_size(stream: &Stream<'_>, count: usize) -> Verdict {
    let ranges = open_ranges(stream).await?;
    equal("open shards", ranges.len(), count)?;
    let sizes: Vec<_> = ranges.iter().map(|(start, end)| end - start).collect();
    want("equal sizes", sizes, |sizes| {
        let (least, most) = (sizes.iter().min(), sizes.iter().max());
        least
            .zip(most)
            .is_some_and(|(least, most)| most - least <= most / 1_000)
    })
}

fn slow_resharding(settings: Settings) -> Settings {
    Settings {
        resharding_time: Duration::from_secs(1),
        ..settings
    }
}
