//! GetRecords: what a page holds.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_kinesis::types::ShardIteratorType::TrimHorizon;
use futures::future::join_all;
use testkit::kinesis::{Limits, Settings};

use crate::conformance::evidence::Evidence::ServiceModel;
use crate::conformance::evidence::{GET_RECORDS, RECORD};
use crate::conformance::row::Row;
use crate::conformance::stream::{Stream, by_value, entry, entry_at, texts};
use crate::conformance::subject::Subject;
use crate::conformance::verdict::{BAD_ARGUMENT, Mismatch, Verdict, equal, refused, some, want};

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "A record comes with its data, partition key, sequence number and arrival timestamp",
        &[ServiceModel, RECORD],
        |kinesis| Box::pin(records_are_complete(kinesis)),
    ),
    Row::new(
        "Records come in the order of their sequence numbers",
        &[GET_RECORDS],
        |kinesis| Box::pin(records_are_in_order(kinesis)),
    ),
    Row::new(
        "A record put with an ExplicitHashKey keeps its partition key",
        &[ServiceModel],
        |kinesis| Box::pin(keys_are_kept(kinesis)),
    ),
    Row::new(
        "GetRecords returns at most Limit records, and the next page goes on there",
        &[GET_RECORDS],
        |kinesis| Box::pin(pages_have_a_limit(kinesis)),
    ),
    Row::new(
        "GetRecords refuses the Limits 0 and 10,001",
        &[ServiceModel, GET_RECORDS],
        |kinesis| Box::pin(limits_have_limits(kinesis)),
    ),
    Row::new("A page holds at most 10,000 records", &[GET_RECORDS], |kinesis| {
        Box::pin(ten_thousand_records(kinesis))
    })
    .with(unlimited)
    .not_on_kinesis_mock("takes half a minute to write")
    .not_on_aws("takes a shard ten seconds of all that it can"),
    Row::new("A page holds at most 10 MiB", &[GET_RECORDS], |kinesis| {
        Box::pin(ten_mib(kinesis))
    })
    .with(unlimited)
    .not_on_aws("takes a shard ten seconds of all that it can"),
    Row::new(
        "An empty shard gives an empty page, no lag, and an iterator to go on",
        &[GET_RECORDS],
        |kinesis| Box::pin(an_empty_shard(kinesis)),
    ),
    Row::new(
        "Each page of an open shard has a next iterator, also when nothing is left",
        &[GET_RECORDS],
        |kinesis| Box::pin(an_open_shard_goes_on(kinesis)),
    ),
    Row::new(
        "MillisBehindLatest is positive while records are unread, and 0 at the tip",
        &[GET_RECORDS],
        |kinesis| Box::pin(lag_is_told(kinesis)),
    ),
    Row::new(
        "A reader at the tip sees every record of eight concurrent writers, once",
        &[],
        |kinesis| Box::pin(a_tail_reader_misses_nothing(kinesis)),
    ),
];

async fn records_are_complete(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let numbers = stream.put_texts(&["hello"]).await?;
    let records = from_the_beginning(&stream).await?;
    let record = some("a record", records.first())?;
    equal("the data", record.data().as_ref(), b"hello")?;
    equal("the partition key", record.partition_key(), Some("key"))?;
    equal(
        "the sequence number",
        Some(record.sequence_number()),
        numbers.first().map(String::as_str),
    )?;
    want(
        "an arrival timestamp",
        record.approximate_arrival_timestamp(),
        Option::is_some,
    )
}

async fn records_are_in_order(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    for _ in 0..3 {
        stream.put_many(50).await?;
    }
    let records = from_the_beginning(&stream).await?;
    let numbers: Vec<_> = records.iter().map(|record| record.sequence_number()).collect();
    want("150 increasing numbers", numbers, |numbers| {
        numbers.len() == 150 && numbers.is_sorted_by(|a, b| by_value(a) < by_value(b))
    })
}

async fn keys_are_kept(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.putting([entry_at(7, "x")]).send().await?;
    kinesis.wait(kinesis.target.propagation()).await;
    let records = from_the_beginning(&stream).await?;
    equal(
        "the partition key",
        some("a record", records.first())?.partition_key(),
        Some("key"),
    )
}

async fn pages_have_a_limit(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["a", "b", "c"]).await?;
    let iterator = stream.iterator(&stream.first().await?, TrimHorizon).await?;
    let page = kinesis
        .client
        .get_records()
        .shard_iterator(iterator)
        .limit(2)
        .send()
        .await?;
    equal("records", texts(page.records()), vec!["a".to_owned(), "b".to_owned()])?;
    let next = some("a next iterator", page.next_shard_iterator())?;
    equal("records", texts(&stream.read(next).await?), vec!["c".to_owned()])
}

async fn limits_have_limits(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let iterator = stream.iterator(&stream.first().await?, TrimHorizon).await?;
    for limit in [0, 10_001] {
        let read = kinesis.client.get_records().shard_iterator(&iterator).limit(limit);
        refused(read.send().await, BAD_ARGUMENT)?;
    }
    Ok(())
}

async fn ten_thousand_records(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    for _ in 0..21 {
        stream.put_many(500).await?;
    }
    let iterator = stream.iterator(&stream.first().await?, TrimHorizon).await?;
    equal("records", stream.page(&iterator).await?.records.len(), 10_000)
}

async fn ten_mib(kinesis: &Subject) -> Verdict {
    const ALMOST_A_MIB: usize = 1024 * 1024 - 1024;
    let stream = kinesis.stream(1).await?;
    for _ in 0..2 {
        stream
            .putting((0..6).map(|_| entry("key", vec![b'x'; ALMOST_A_MIB])))
            .send()
            .await?;
    }
    let iterator = stream.iterator(&stream.first().await?, TrimHorizon).await?;
    equal("records", stream.page(&iterator).await?.records.len(), 10)?;
    Ok(())
}

async fn an_empty_shard(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let iterator = stream.iterator(&stream.first().await?, TrimHorizon).await?;
    let page = stream.page(&iterator).await?;
    equal(
        "records and lag",
        (page.records().len(), page.millis_behind_latest()),
        (0, Some(0)),
    )?;
    some("a next iterator", page.next_shard_iterator()).map(drop)
}

async fn an_open_shard_goes_on(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["a"]).await?;
    let mut iterator = stream.iterator(&stream.first().await?, TrimHorizon).await?;
    for _ in 0..3 {
        let page = stream.page(&iterator).await?;
        equal("child shards", page.child_shards().len(), 0)?;
        iterator = some("a next iterator", page.next_shard_iterator)?;
    }
    Ok(())
}

async fn lag_is_told(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["a", "b"]).await?;
    kinesis.wait(Duration::from_millis(20)).await;
    let iterator = stream.iterator(&stream.first().await?, TrimHorizon).await?;
    let page = kinesis
        .client
        .get_records()
        .shard_iterator(iterator)
        .limit(1)
        .send()
        .await?;
    want("a positive lag", page.millis_behind_latest(), |lag| {
        lag.is_some_and(|lag| lag > 0)
    })?;
    let page = stream
        .page(some("a next iterator", page.next_shard_iterator())?)
        .await?;
    equal(
        "records and lag",
        (page.records().len(), page.millis_behind_latest()),
        (1, Some(0)),
    )
}

async fn a_tail_reader_misses_nothing(kinesis: &Subject) -> Verdict {
    const WRITERS: usize = 8;
    const RECORDS: usize = 20;
    let stream = kinesis.stream(1).await?;
    let iterator = stream.iterator(&stream.first().await?, TrimHorizon).await?;
    let writing = join_all((0..WRITERS).map(|writer| write(&stream, writer, RECORDS)));
    let reading = tail(&stream, iterator, WRITERS * RECORDS);
    let (written, read) = tokio::join!(writing, reading);
    written.into_iter().collect::<Result<Vec<()>, _>>()?;
    let read = read?;
    let different: BTreeSet<_> = read.iter().collect();
    equal(
        "records, and different ones",
        (read.len(), different.len()),
        (WRITERS * RECORDS, WRITERS * RECORDS),
    )
}

async fn write(stream: &Stream<'_>, writer: usize, records: usize) -> Verdict {
    for record in 0..records {
        stream.put("key", format!("{writer}-{record}")).await?;
    }
    Ok(())
}

/// Reads along until so many records are there.
async fn tail(stream: &Stream<'_>, mut iterator: String, count: usize) -> Result<Vec<String>, Mismatch> {
    let mut read = Vec::new();
    while read.len() < count {
        let page = stream.page(&iterator).await?;
        read.extend(texts(page.records()));
        iterator = some("a next iterator", page.next_shard_iterator)?;
        stream.subject.wait(Duration::from_millis(50)).await;
    }
    Ok(read)
}

async fn from_the_beginning(stream: &Stream<'_>) -> Result<Vec<aws_sdk_kinesis::types::Record>, Mismatch> {
    let iterator = stream.iterator(&stream.first().await?, TrimHorizon).await?;
    stream.read(&iterator).await
}

fn unlimited(settings: Settings) -> Settings {
    Settings {
        limits: Limits::Off,
        ..settings
    }
}
