//! What a shard takes and hands out, and how often calls get through.

use std::time::Duration;

use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::ShardIteratorType;
use futures::future::join_all;

use crate::conformance::evidence::Evidence::ServiceModel;
use crate::conformance::evidence::{
    DESCRIBE_LIMITS, DESCRIBE_STREAM, DESCRIBE_SUMMARY, GET_ITERATOR, GET_RECORDS, KCL_THROTTLED, LARGE_RECORDS,
    LIST_SHARDS, PUT_RECORDS, PUT_RESULT, QUOTAS,
};
use crate::conformance::row::Row;
use crate::conformance::stream::{MAX_HASH_KEY, Stream, entry, entry_at};
use crate::conformance::subject::Subject;
use crate::conformance::verdict::{Mismatch, THROTTLED, TOO_MANY, Verdict, equal, refused, some, want};

const MIB: usize = 1024 * 1024;
const KEY: &str = "key";

const OURS: &str = "kinesis-mock enforces no rates, AWS lets bursts pass";
const TO_THE_MILLISECOND: &str = "needs a clock that stands still";

pub(super) const ROWS: &[Row] = &[
    Row::new("A shard takes 1,000 records in a second and throttles the rest one by one", &[PUT_RECORDS, QUOTAS], |kinesis| {
        Box::pin(a_thousand_records(kinesis))
    })
    .only_simulated(TO_THE_MILLISECOND),
    Row::new("A shard takes 1 MiB in a second; a call with more fails in part", &[PUT_RECORDS, QUOTAS], |kinesis| {
        Box::pin(one_mib(kinesis))
    })
    .only_ours(OURS),
    Row::new("Partition keys count as bytes written", &[QUOTAS], |kinesis| Box::pin(keys_count(kinesis)))
        .only_ours(OURS),
    Row::new(
        "A throttled entry has the code ProvisionedThroughputExceededException and neither shard nor number; its message names account, stream and shard",
        &[ServiceModel, PUT_RESULT],
        |kinesis| Box::pin(throttled_entries_say_why(kinesis)),
    )
    .only_ours(OURS),
    Row::new("PutRecord to a busy shard is ProvisionedThroughputExceededException", &[ServiceModel], |kinesis| {
        Box::pin(put_record_is_throttled(kinesis))
    })
    .only_ours(OURS),
    Row::new("A busy shard does not hold up the other shards of the stream", &[QUOTAS], |kinesis| {
        Box::pin(others_go_on(kinesis))
    })
    .only_ours(OURS),
    Row::new("A second later the shard takes records again", &[QUOTAS], |kinesis| Box::pin(a_second_later(kinesis)))
        .only_simulated(TO_THE_MILLISECOND),
    Row::new("A record of 10 MiB may exceed what its shard takes in a second", &[LARGE_RECORDS], |kinesis| {
        Box::pin(large_records_burst(kinesis))
    })
.not_on_kinesis_mock("it enforces no rates"),
    Row::new("A record of 10 MiB holds up its shard until it is paid off, nine seconds later", &[], |kinesis| {
        Box::pin(bursts_are_paid_off(kinesis))
    })
    .only_simulated("needs ten idle seconds"),
    Row::new("A shard answers five GetRecords calls a second and throttles the others", &[GET_RECORDS, QUOTAS], |kinesis| {
        Box::pin(five_reads(kinesis))
    })
    .only_ours(OURS),
    Row::new("A shard that has handed out 10 MiB at once throttles reads for five seconds", &[GET_RECORDS, QUOTAS], |kinesis| {
        Box::pin(five_seconds_after_ten_mib(kinesis))
    })
    .only_simulated("needs five idle seconds"),
    Row::new("A shard hands out 2 MiB a second", &[GET_RECORDS, QUOTAS], |kinesis| {
        Box::pin(two_mib_a_second(kinesis))
    })
    .only_simulated(TO_THE_MILLISECOND),
    Row::new("An iterator that was throttled can be used again", &[KCL_THROTTLED], |kinesis| {
        Box::pin(throttled_iterators_last(kinesis))
    })
    .only_ours(OURS),
    Row::new("A shard answers five GetShardIterator calls a second and throttles the others", &[GET_ITERATOR], |kinesis| {
        Box::pin(five_iterators(kinesis))
    })
    .only_ours(OURS),
    Row::new("ListShards is limited to 1,000 calls a second and stream: LimitExceededException", &[LIST_SHARDS], |kinesis| {
        Box::pin(a_thousand_listings(kinesis))
    })
    .only_simulated(TO_THE_MILLISECOND),
    Row::new("DescribeStreamSummary is limited to 20 calls a second, DescribeStream to 10: LimitExceededException", &[DESCRIBE_SUMMARY, DESCRIBE_STREAM], |kinesis| {
        Box::pin(descriptions(kinesis))
    })
    .only_ours(OURS),
    Row::new("DescribeLimits is limited to one call a second: LimitExceededException", &[DESCRIBE_LIMITS], |kinesis| {
        Box::pin(one_describe_limits(kinesis))
    })
    .only_ours(OURS),
];

async fn a_thousand_records(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let puts = join_all((0..3).map(|_| stream.put_many(500))).await;
    let mut failed = Vec::new();
    for put in puts {
        failed.push(put?.failed_record_count().unwrap_or_default());
    }
    // The calls arrive within the spread of the latency, 25 ms, in which 25 more records fit.
    want("475 to 500 failed records", failed.iter().sum::<i32>(), |failed| {
        (475..=500).contains(failed)
    })
}

async fn one_mib(kinesis: &Subject) -> Verdict {
    let put = fill(&kinesis.stream(1).await?).await?;
    equal("failed records", put.failed_record_count(), Some(1))?;
    let stored: Vec<_> = put
        .records()
        .iter()
        .map(|result| result.sequence_number().is_some())
        .collect();
    equal("stored", stored, vec![true, false])
}

async fn keys_count(kinesis: &Subject) -> Verdict {
    let key = "k".repeat(256);
    let stream = kinesis.stream(1).await?;
    let without = vec![b'x'; MIB / 2];
    let with = vec![b'x'; MIB / 2 - key.len()];
    let put = stream.putting([entry(&key, with), entry(&key, without)]).send().await?;
    equal("failed records", put.failed_record_count(), Some(1))
}

async fn throttled_entries_say_why(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let put = fill(&stream).await?;
    let throttled = some("a second result", put.records().get(1))?;
    equal("the code", throttled.error_code(), Some(THROTTLED[0]))?;
    equal(
        "shard and number",
        (throttled.shard_id(), throttled.sequence_number()),
        (None, None),
    )?;
    let account = some("an account", stream.arn.split(':').nth(4))?;
    let shard = stream.first().await?;
    want(
        "account, stream and shard",
        throttled.error_message().unwrap_or_default(),
        |message| {
            [account, &stream.name, &shard]
                .into_iter()
                .all(|name| message.contains(name))
        },
    )
}

async fn put_record_is_throttled(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    fill(&stream).await?;
    let put = kinesis.client.put_record().stream_name(&stream.name).partition_key(KEY);
    refused(put.data(Blob::new(vec![b'x'; MIB - KEY.len()])).send().await, THROTTLED)
}

async fn others_go_on(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    let full = || vec![b'x'; MIB - KEY.len()];
    let busy = [entry_at(0, full()), entry_at(0, full()), entry_at(MAX_HASH_KEY, full())];
    let put = stream.putting(busy).send().await?;
    let failed: Vec<_> = put
        .records()
        .iter()
        .map(|result| result.error_code().is_some())
        .collect();
    equal("failed", failed, vec![false, true, false])
}

async fn a_second_later(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    fill(&stream).await?;
    kinesis.wait(Duration::from_secs(1)).await;
    equal("failed records", fill(&stream).await?.failed_record_count(), Some(1))
}

async fn large_records_burst(kinesis: &Subject) -> Verdict {
    put_ten_mib(kinesis).await.map(drop)
}

async fn bursts_are_paid_off(kinesis: &Subject) -> Verdict {
    let stream = put_ten_mib(kinesis).await?;
    kinesis.wait(Duration::from_secs(8)).await;
    let small = || stream.putting([entry(KEY, "x")]).send();
    equal(
        "failed records after 8 s",
        small().await?.failed_record_count(),
        Some(1),
    )?;
    kinesis.wait(Duration::from_secs(2)).await;
    equal(
        "failed records after 10 s",
        small().await?.failed_record_count(),
        Some(0),
    )
}

async fn five_reads(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let iterator = stream
        .iterator(&stream.first().await?, ShardIteratorType::TrimHorizon)
        .await?;
    let read = || kinesis.client.get_records().shard_iterator(&iterator).send();
    throttles(20, 5, THROTTLED, read).await
}

async fn five_seconds_after_ten_mib(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    fill_for(&stream, 10).await?;
    let iterator = stream
        .iterator(&stream.first().await?, ShardIteratorType::TrimHorizon)
        .await?;
    let page = stream.page(&iterator).await?;
    equal("records", page.records.len(), 10)?;
    let read = || kinesis.client.get_records().shard_iterator(&iterator).send();
    kinesis.wait(Duration::from_millis(4_900)).await;
    refused(read().await, THROTTLED)?;
    kinesis.wait(Duration::from_millis(200)).await;
    read().await?;
    Ok(())
}

async fn two_mib_a_second(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    fill_for(&stream, 2).await?;
    let iterator = stream
        .iterator(&stream.first().await?, ShardIteratorType::TrimHorizon)
        .await?;
    let read = || kinesis.client.get_records().shard_iterator(&iterator).send();
    equal("records", read().await?.records.len(), 2)?;
    // The bucket is empty now, and fills a little on the way: the next reply goes into debt, the one after waits.
    kinesis.wait(Duration::from_millis(100)).await;
    read().await?;
    refused(read().await, THROTTLED)
}

async fn throttled_iterators_last(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["a"]).await?;
    let iterator = stream
        .iterator(&stream.first().await?, ShardIteratorType::TrimHorizon)
        .await?;
    let read = || kinesis.client.get_records().shard_iterator(&iterator).send();
    throttles(20, 5, THROTTLED, read).await?;
    equal("records", stream.read(&iterator).await?.len(), 1)
}

async fn five_iterators(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let shard = stream.first().await?;
    throttles(20, 5, THROTTLED, || {
        stream.locating(&shard, ShardIteratorType::Latest).send()
    })
    .await
}

async fn a_thousand_listings(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    throttles(1_100, 1_000, TOO_MANY, || stream.listing().send()).await
}

async fn descriptions(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    throttles(40, 20, TOO_MANY, || {
        kinesis
            .client
            .describe_stream_summary()
            .stream_name(&stream.name)
            .send()
    })
    .await?;
    throttles(40, 10, TOO_MANY, || {
        kinesis.client.describe_stream().stream_name(&stream.name).send()
    })
    .await
}

async fn one_describe_limits(kinesis: &Subject) -> Verdict {
    throttles(5, 1, TOO_MANY, || kinesis.client.describe_limits().send()).await
}

/// Makes all `calls` at once and wants about `rate` of them to pass: those that a slow machine spreads over more than
/// a second, or that others made before, are allowed for.
async fn throttles<T, E: ProvideErrorMetadata, F: Future<Output = Result<T, E>>>(
    calls: usize,
    rate: usize,
    codes: &[&str],
    call: impl Fn() -> F,
) -> Verdict {
    let answers = join_all((0..calls).map(|_| call())).await;
    let passed = answers.iter().filter(|answer| answer.is_ok()).count();
    let most = (2 * rate).min(calls - 1);
    want(&format!("{} to {most} calls to pass", rate / 2), passed, |passed| {
        (rate / 2..=most).contains(passed)
    })?;
    for error in answers.into_iter().filter_map(Result::err) {
        refused::<(), E>(Err(error), codes)?;
    }
    Ok(())
}

/// Puts a record of 10 MiB into a new stream of one shard.
async fn put_ten_mib(kinesis: &Subject) -> Result<Stream<'_>, Mismatch> {
    let stream = kinesis.stream(1).await?;
    let update = kinesis.client.update_max_record_size().stream_arn(&stream.arn);
    update.max_record_size_in_kib(10_240).send().await?;
    stream.becomes_active().await?;
    stream.put(KEY, vec![b'x'; 10 * MIB - KEY.len()]).await?;
    Ok(stream)
}

/// Puts two records of 1 MiB in one call.
async fn fill(stream: &Stream<'_>) -> Result<PutRecordsOutput, Mismatch> {
    let full = || entry(KEY, vec![b'x'; MIB - KEY.len()]);
    Ok(stream.putting([full(), full()]).send().await?)
}

/// Puts a record of 1 MiB every second.
async fn fill_for(stream: &Stream<'_>, seconds: usize) -> Verdict {
    for _ in 0..seconds {
        stream.put(KEY, vec![b'x'; MIB - KEY.len()]).await?;
        stream.subject.wait(Duration::from_secs(1)).await;
    }
    Ok(())
}
