//! Creating, describing, listing and deleting streams.

use std::time::Duration;

use aws_sdk_kinesis::error::ProvideErrorMetadata as _;
use aws_sdk_kinesis::types::ShardIteratorType::TrimHorizon;
use aws_sdk_kinesis::types::StreamStatus;
use testkit::kinesis::{CallRate, CallRates, Scope, Settings};
use tokio::time::sleep;

use crate::conformance::evidence::Evidence::{OurGap, ServiceModel};
use crate::conformance::evidence::{CREATE_STREAM, DELETE_STREAM, DESCRIBE_STREAM, DESCRIBE_SUMMARY, LIST_STREAMS};
use crate::conformance::row::Row;
use crate::conformance::stream::{Stream, by_value};
use crate::conformance::subject::Subject;
use crate::conformance::verdict::{
    BAD_ARGUMENT, IN_USE, Mismatch, NOT_FOUND, TOO_MANY, Verdict, equal, refused, some, want,
};

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "A new stream is CREATING, and then ACTIVE",
        &[CREATE_STREAM],
        |kinesis| Box::pin(creates(kinesis)),
    )
    .with(slow),
    Row::new(
        "A second stream of the same name is ResourceInUseException",
        &[ServiceModel],
        |kinesis| Box::pin(names_are_unique(kinesis)),
    ),
    Row::new(
        "A stream name has 1 to 128 letters, digits, hyphens, underscores and dots",
        &[ServiceModel],
        |kinesis| Box::pin(names_are_plain(kinesis)),
    ),
    Row::new(
        "A provisioned stream has at least one shard",
        &[ServiceModel],
        |kinesis| Box::pin(has_shards(kinesis)),
    )
    .gap("answers LimitExceededException"),
    Row::new(
        "A sixth stream in CREATING is LimitExceededException",
        &[ServiceModel, CREATE_STREAM],
        |kinesis| Box::pin(five_creations(kinesis)),
    )
    .with(slow_and_often)
    .not_on_aws("would need a burst of six calls"),
    Row::new(
        "Tags given to CreateStream are the stream's",
        &[ServiceModel, CREATE_STREAM],
        |kinesis| Box::pin(has_tags(kinesis)),
    ),
    Row::new(
        "DescribeStreamSummary tells name, ARN, mode, retention and open shards",
        &[ServiceModel, DESCRIBE_SUMMARY],
        |kinesis| Box::pin(is_summarised(kinesis)),
    ),
    Row::new(
        "The open shards of DescribeStreamSummary do not count closed ones",
        &[DESCRIBE_SUMMARY],
        |kinesis| Box::pin(counts_open_shards(kinesis)),
    ),
    Row::new(
        "DescribeStream tells the shards, in pages of Limit",
        &[ServiceModel, DESCRIBE_STREAM],
        |kinesis| Box::pin(is_described(kinesis)),
    ),
    Row::new(
        "A stream that is not there is ResourceNotFoundException",
        &[ServiceModel],
        |kinesis| Box::pin(is_missing(kinesis)),
    ),
    Row::new(
        "ListStreams goes through all streams in pages of Limit, by name",
        &[ServiceModel, LIST_STREAMS],
        |kinesis| Box::pin(is_listed(kinesis)),
    )
    .not_on_aws("lists the account's other streams"),
    Row::new(
        "A deleted stream is DELETING, and then gone",
        &[DELETE_STREAM],
        |kinesis| Box::pin(is_deleted(kinesis)),
    )
    .with(slow),
    Row::new(
        "A stream created again under its name has larger sequence numbers and none of the old records",
        &[],
        |kinesis| Box::pin(is_created_again(kinesis)),
    ),
    Row::new(
        "An iterator of a deleted stream does not read its successor",
        &[],
        |kinesis| Box::pin(iterators_die_with_their_stream(kinesis)),
    ),
    Row::new(
        "Enhanced fan-out is refused with UnknownOperationException, never ignored",
        &[OurGap],
        |kinesis| Box::pin(no_fan_out(kinesis)),
    )
    .only_ours("fan-out is there"),
];

async fn creates(kinesis: &Subject) -> Verdict {
    let name = kinesis.name();
    kinesis
        .client
        .create_stream()
        .stream_name(&name)
        .shard_count(1)
        .send()
        .await?;
    equal(
        "the status",
        status(kinesis, &name).await?,
        Some(StreamStatus::Creating),
    )?;
    kinesis.active(name).await.map(drop)
}

async fn names_are_unique(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let again = kinesis.client.create_stream().stream_name(&stream.name).shard_count(1);
    refused(again.send().await, IN_USE)
}

async fn names_are_plain(kinesis: &Subject) -> Verdict {
    for name in ["with space", "slash/ed", &"n".repeat(129)] {
        let create = kinesis.client.create_stream().stream_name(name).shard_count(1);
        refused(create.send().await, BAD_ARGUMENT)?;
    }
    Ok(())
}

async fn has_shards(kinesis: &Subject) -> Verdict {
    let create = kinesis
        .client
        .create_stream()
        .stream_name(kinesis.name())
        .shard_count(0);
    refused(create.send().await, BAD_ARGUMENT)
}

async fn five_creations(kinesis: &Subject) -> Verdict {
    for _ in 0..5 {
        kinesis
            .client
            .create_stream()
            .stream_name(kinesis.name())
            .shard_count(1)
            .send()
            .await?;
    }
    let sixth = kinesis
        .client
        .create_stream()
        .stream_name(kinesis.name())
        .shard_count(1);
    refused(sixth.send().await, TOO_MANY)
}

async fn has_tags(kinesis: &Subject) -> Verdict {
    let name = kinesis.name();
    let create = kinesis.client.create_stream().stream_name(&name).shard_count(1);
    create.tags("team", "billing").send().await?;
    kinesis.active(name.clone()).await?;
    let listed = kinesis.client.list_tags_for_stream().stream_name(&name).send().await?;
    let tags: Vec<_> = listed.tags().iter().map(|tag| (tag.key(), tag.value())).collect();
    equal("tags", tags, vec![("team", Some("billing"))])
}

async fn is_summarised(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    for by_name in [Some(stream.name.clone()), None] {
        let describe = kinesis
            .client
            .describe_stream_summary()
            .set_stream_name(by_name.clone());
        let arn = by_name.is_none().then(|| stream.arn.clone());
        let summary = describe.set_stream_arn(arn).send().await?.stream_description_summary;
        let summary = some("a summary", summary)?;
        equal("the name", summary.stream_name(), &stream.name)?;
        equal(
            "retention and open shards",
            (summary.retention_period_hours, summary.open_shard_count),
            (24, 2),
        )?;
        let mode = summary
            .stream_mode_details()
            .map(|details| details.stream_mode().as_str());
        equal("the mode", mode, Some("PROVISIONED"))?;
        want("an ARN with the name", summary.stream_arn(), |arn| {
            arn.ends_with(&format!("stream/{}", stream.name))
        })?;
    }
    Ok(())
}

async fn counts_open_shards(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    stream.merge().await?;
    let describe = kinesis.client.describe_stream_summary().stream_name(&stream.name);
    let summary = some("a summary", describe.send().await?.stream_description_summary)?;
    equal("open shards", summary.open_shard_count, 1)
}

async fn is_described(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(3).await?;
    let describe = || kinesis.client.describe_stream().stream_name(&stream.name).limit(2);
    let first = some("a description", describe().send().await?.stream_description)?;
    equal(
        "shards, and more",
        (first.shards().len(), first.has_more_shards()),
        (2, true),
    )?;
    let last = first.shards().last().map(|shard| shard.shard_id.clone());
    let rest = describe().set_exclusive_start_shard_id(last).send().await?;
    let rest = some("a description", rest.stream_description)?;
    equal(
        "shards, and more",
        (rest.shards().len(), rest.has_more_shards()),
        (1, false),
    )
}

async fn is_missing(kinesis: &Subject) -> Verdict {
    let name = kinesis.name();
    refused(
        kinesis.client.describe_stream().stream_name(&name).send().await,
        NOT_FOUND,
    )?;
    refused(
        kinesis.client.describe_stream_summary().stream_name(&name).send().await,
        NOT_FOUND,
    )?;
    refused(
        kinesis.client.delete_stream().stream_name(&name).send().await,
        NOT_FOUND,
    )
}

async fn is_listed(kinesis: &Subject) -> Verdict {
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(kinesis.stream(1).await?.name);
    }
    let (mut listed, mut after, mut more) = (Vec::new(), None, true);
    while more {
        let page = kinesis
            .client
            .list_streams()
            .limit(2)
            .set_exclusive_start_stream_name(after)
            .send()
            .await?;
        want("at most two names", page.stream_names(), |names| names.len() <= 2)?;
        listed.extend(page.stream_names().iter().cloned());
        (after, more) = (listed.last().cloned(), page.has_more_streams());
    }
    want("all names in order", &listed, |listed| {
        listed.is_sorted() && names.iter().all(|name| listed.contains(name))
    })
}

async fn is_deleted(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    kinesis.client.delete_stream().stream_name(&stream.name).send().await?;
    equal(
        "the status",
        status(kinesis, &stream.name).await?,
        Some(StreamStatus::Deleting),
    )?;
    is_gone(&stream).await
}

async fn is_created_again(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let before = stream.put_texts(&["old"]).await?;
    let stream = again(stream).await?;
    equal("records", stream.texts(&stream.first().await?).await?, Vec::new())?;
    let after = stream.put_texts(&["new"]).await?;
    let (before, after) = (some("a number", before.first())?, some("a number", after.first())?);
    want("a larger number", after, |after| by_value(after) > by_value(before))
}

async fn iterators_die_with_their_stream(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let iterator = stream.iterator(&stream.first().await?, TrimHorizon).await?;
    let stream = again(stream).await?;
    stream.put_texts(&["new"]).await?;
    match kinesis.client.get_records().shard_iterator(iterator).send().await {
        Ok(page) => equal("records", page.records().len(), 0),
        Err(error) => want("a code", error.code(), Option::is_some),
    }
}

async fn no_fan_out(kinesis: &Subject) -> Verdict {
    const UNKNOWN: &[&str] = &["UnknownOperationException"];
    let stream = kinesis.stream(1).await?;
    let register = kinesis.client.register_stream_consumer().stream_arn(&stream.arn);
    refused(register.consumer_name("reader").send().await, UNKNOWN)?;
    refused(
        kinesis
            .client
            .list_stream_consumers()
            .stream_arn(&stream.arn)
            .send()
            .await,
        UNKNOWN,
    )
}

/// Deletes a stream, and creates one of the same name.
async fn again(stream: Stream<'_>) -> Result<Stream<'_>, Mismatch> {
    let kinesis = stream.subject;
    kinesis.client.delete_stream().stream_name(&stream.name).send().await?;
    is_gone(&stream).await?;
    kinesis
        .client
        .create_stream()
        .stream_name(&stream.name)
        .shard_count(1)
        .send()
        .await?;
    kinesis.active(stream.name).await
}

async fn is_gone(stream: &Stream<'_>) -> Verdict {
    while status(stream.subject, &stream.name).await?.is_some() {
        sleep(stream.subject.target.pause()).await;
    }
    Ok(())
}

/// The stream's status; none if it is not there.
async fn status(kinesis: &Subject, name: &str) -> Result<Option<StreamStatus>, Mismatch> {
    match kinesis.client.describe_stream_summary().stream_name(name).send().await {
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        answer => Ok(answer?.stream_description_summary.map(|summary| summary.stream_status)),
    }
}

fn slow(settings: Settings) -> Settings {
    Settings {
        creation_time: Duration::from_millis(300),
        deletion_time: Duration::from_millis(300),
        ..settings
    }
}

/// Without the rate of CreateStream, which allows no more calls than streams in creation.
fn slow_and_often(settings: Settings) -> Settings {
    let rate = CallRate {
        scope: Scope::Account,
        calls_per_second: 100,
    };
    Settings {
        creation_time: Duration::from_secs(5),
        call_rates: CallRates::default().set("CreateStream", rate),
        ..settings
    }
}
