//! How long records and closed shards are kept.

use std::time::Duration;

use aws_sdk_kinesis::types::ShardFilterType::AtTrimHorizon;
use aws_sdk_kinesis::types::ShardIteratorType::AtSequenceNumber;

use crate::conformance::evidence::Evidence::ServiceModel;
use crate::conformance::evidence::{
    AFTER_RESHARDING, DECREASE_RETENTION, INCREASE_RETENTION, PUT_RECORD, SHARD_FILTER,
};
use crate::conformance::row::Row;
use crate::conformance::stream::{filter, ids, start, texts};
use crate::conformance::subject::Subject;
use crate::conformance::verdict::{INVALID, Verdict, equal, refused, some};

const HOUR: Duration = Duration::from_secs(3600);
const A_DAY: &str = "needs more than a day";

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "Retention can be raised from 24 hours to 8,760, and no further",
        &[INCREASE_RETENTION],
        |kinesis| Box::pin(can_be_raised(kinesis)),
    ),
    Row::new(
        "Retention can be lowered to 24 hours, and no further",
        &[DECREASE_RETENTION],
        |kinesis| Box::pin(can_be_lowered(kinesis)),
    ),
    Row::new(
        "Retention is raised by one operation and lowered by the other",
        &[ServiceModel, INCREASE_RETENTION],
        |kinesis| Box::pin(has_directions(kinesis)),
    ),
    Row::new("A record disappears after 24 hours", &[PUT_RECORD], |kinesis| {
        Box::pin(records_expire(kinesis))
    })
    .only_simulated(A_DAY),
    Row::new(
        "A record that has not expired stays when retention is raised",
        &[INCREASE_RETENTION],
        |kinesis| Box::pin(records_are_kept(kinesis)),
    )
    .only_simulated(A_DAY),
    Row::new(
        "The sequence number of an expired record reads from the oldest record on",
        &[],
        |kinesis| Box::pin(expired_numbers_are_read_on(kinesis)),
    )
    .only_simulated(A_DAY),
    Row::new(
        "A closed shard is listed no more once its records have expired",
        &[AFTER_RESHARDING],
        |kinesis| Box::pin(shards_expire(kinesis)),
    )
    .only_simulated(A_DAY),
    Row::new(
        "AT_TRIM_HORIZON moves on to the children as the trim horizon passes the split",
        &[SHARD_FILTER],
        |kinesis| Box::pin(the_horizon_moves(kinesis)),
    )
    .only_simulated(A_DAY),
];

async fn can_be_raised(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let raise = |hours| {
        kinesis
            .client
            .increase_stream_retention_period()
            .stream_name(&stream.name)
            .retention_period_hours(hours)
    };
    raise(8_760).send().await?;
    stream.becomes_active().await?;
    refused(raise(8_761).send().await, INVALID)
}

async fn can_be_lowered(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let raise = kinesis
        .client
        .increase_stream_retention_period()
        .stream_name(&stream.name);
    raise.retention_period_hours(48).send().await?;
    stream.becomes_active().await?;
    let lower = |hours| {
        kinesis
            .client
            .decrease_stream_retention_period()
            .stream_name(&stream.name)
            .retention_period_hours(hours)
    };
    refused(lower(23).send().await, INVALID)?;
    lower(24).send().await?;
    stream.becomes_active().await?;
    let described = kinesis
        .client
        .describe_stream_summary()
        .stream_name(&stream.name)
        .send()
        .await?;
    let summary = some("a summary", described.stream_description_summary())?;
    equal("hours", summary.retention_period_hours(), 24)
}

async fn has_directions(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let raise = |hours| {
        kinesis
            .client
            .increase_stream_retention_period()
            .stream_name(&stream.name)
            .retention_period_hours(hours)
    };
    raise(48).send().await?;
    stream.becomes_active().await?;
    refused(raise(36).send().await, INVALID)?;
    let lower = kinesis
        .client
        .decrease_stream_retention_period()
        .stream_name(&stream.name);
    refused(lower.retention_period_hours(72).send().await, INVALID)
}

async fn records_expire(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["old"]).await?;
    kinesis.wait(23 * HOUR).await;
    stream.put_texts(&["new"]).await?;
    let shard = stream.first().await?;
    equal("records", stream.texts(&shard).await?.len(), 2)?;
    kinesis.wait(HOUR).await;
    equal("records", stream.texts(&shard).await?, vec!["new".to_owned()])
}

async fn records_are_kept(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["old"]).await?;
    kinesis.wait(23 * HOUR).await;
    let raise = kinesis
        .client
        .increase_stream_retention_period()
        .stream_name(&stream.name);
    raise.retention_period_hours(48).send().await?;
    kinesis.wait(24 * HOUR).await;
    equal("records", stream.texts(&stream.first().await?).await?.len(), 1)
}

async fn expired_numbers_are_read_on(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let old = stream.put_texts(&["old"]).await?;
    kinesis.wait(25 * HOUR).await;
    stream.put_texts(&["new"]).await?;
    let locate = stream.locating(&stream.first().await?, AtSequenceNumber);
    let iterator = start(locate.set_starting_sequence_number(old.first().cloned())).await?;
    equal("records", texts(&stream.read(&iterator).await?), vec!["new".to_owned()])
}

async fn shards_expire(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["old"]).await?;
    let (_, children) = stream.split().await?;
    kinesis.wait(25 * HOUR).await;
    equal("shards", ids(&stream.shards().await?), children)
}

async fn the_horizon_moves(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    kinesis.wait(HOUR).await;
    let (parent, children) = stream.split().await?;
    equal("shards", stream.filtered(filter(AtTrimHorizon)).await?, vec![parent])?;
    kinesis.wait(25 * HOUR).await;
    equal("shards", stream.filtered(filter(AtTrimHorizon)).await?, children)
}
