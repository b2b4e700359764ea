//! PutRecord and PutRecords.

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::ShardIteratorType;

use crate::conformance::evidence::Evidence::ServiceModel;
use crate::conformance::evidence::{PUT_RECORD, PUT_RECORDS};
use crate::conformance::row::Row;
use crate::conformance::stream::{Stream, entry};
use crate::conformance::subject::Subject;
use crate::conformance::verdict::{BAD_ARGUMENT, Mismatch, NOT_FOUND, Verdict, equal, refused, some, want};

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "PutRecord answers the shard and the sequence number of the record",
        &[ServiceModel, PUT_RECORD],
        |kinesis| Box::pin(put_record_tells_the_place(kinesis)),
    ),
    Row::new(
        "PutRecords answers one result for each record, with its shard and its sequence number",
        &[ServiceModel, PUT_RECORDS],
        |kinesis| Box::pin(put_records_answers_each(kinesis)),
    ),
    Row::new(
        "The results of PutRecords are in the order of its records",
        &[PUT_RECORDS],
        |kinesis| Box::pin(results_are_in_order(kinesis)),
    ),
    Row::new(
        "PutRecords accepts 500 records",
        &[ServiceModel, PUT_RECORDS],
        |kinesis| Box::pin(accepts_500(kinesis)),
    ),
    Row::new(
        "PutRecords refuses 501 records, and stores none",
        &[ServiceModel, PUT_RECORDS],
        |kinesis| Box::pin(refuses_501(kinesis)),
    )
    .gap("stores them all"),
    Row::new("PutRecords refuses to be empty", &[ServiceModel], |kinesis| {
        Box::pin(refuses_none(kinesis))
    })
    .gap("accepts it"),
    Row::new(
        "A stream can be written by its ARN alone, with PutRecord and PutRecords",
        &[ServiceModel, PUT_RECORDS],
        |kinesis| Box::pin(writes_by_arn(kinesis)),
    ),
    Row::new("PutRecord needs a stream name or an ARN", &[PUT_RECORD], |kinesis| {
        Box::pin(needs_a_stream(kinesis))
    }),
    Row::new(
        "A write to a stream that is not there is ResourceNotFoundException",
        &[ServiceModel],
        |kinesis| Box::pin(needs_that_stream(kinesis)),
    ),
    Row::new(
        "With DryRun, PutRecord and PutRecords store nothing and answer DryRunOperationException",
        &[ServiceModel],
        |kinesis| Box::pin(dry_runs_store_nothing(kinesis)),
    )
    .gap("ignores DryRun and stores the records"),
    Row::new(
        "Data comes back byte by byte, whatever the bytes",
        &[ServiceModel],
        |kinesis| Box::pin(keeps_every_byte(kinesis)),
    ),
];

async fn put_record_tells_the_place(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let put = stream.put("key", "hello").await?;
    equal("the shard", put.shard_id, stream.first().await?)?;
    want("a decimal number", put.sequence_number, |number| {
        number.len() > 1 && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

async fn put_records_answers_each(kinesis: &Subject) -> Verdict {
    let put = kinesis.stream(2).await?.put_many(10).await?;
    equal("failed records", put.failed_record_count(), Some(0))?;
    equal("results", put.records().len(), 10)?;
    for result in put.records() {
        some("a shard", result.shard_id())?;
        some("a sequence number", result.sequence_number())?;
        equal("an error", result.error_code(), None)?;
    }
    Ok(())
}

async fn results_are_in_order(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let put = stream.put_many(20).await?;
    let iterator = stream
        .iterator(&stream.first().await?, ShardIteratorType::TrimHorizon)
        .await?;
    for record in stream.read(&iterator).await? {
        let index: usize = String::from_utf8_lossy(record.data().as_ref()).parse()?;
        let result = put.records().get(index);
        equal(
            "the number of its record",
            result.and_then(|result| result.sequence_number()),
            Some(record.sequence_number()),
        )?;
    }
    Ok(())
}

async fn accepts_500(kinesis: &Subject) -> Verdict {
    let put = kinesis.stream(1).await?.put_many(500).await?;
    equal(
        "results and failures",
        (put.records().len(), put.failed_record_count()),
        (500, Some(0)),
    )
}

async fn refuses_501(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let put = stream.putting((0..501).map(|_| entry("key", "x"))).send().await;
    refused(put.map(|put| put.records().len()), BAD_ARGUMENT)?;
    is_empty(&stream).await
}

async fn refuses_none(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    refused(stream.putting([]).send().await, BAD_ARGUMENT)
}

async fn writes_by_arn(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let one = kinesis.client.put_record().stream_arn(&stream.arn).partition_key("key");
    one.data(Blob::new("one")).send().await?;
    let many = kinesis
        .client
        .put_records()
        .stream_arn(&stream.arn)
        .records(entry("key", "two"));
    many.send().await?;
    equal(
        "records",
        stream.texts(&stream.first().await?).await?,
        vec!["one".to_owned(), "two".to_owned()],
    )
}

async fn needs_a_stream(kinesis: &Subject) -> Verdict {
    let put = kinesis
        .client
        .put_record()
        .partition_key("key")
        .data(Blob::new("hello"));
    refused(put.send().await, BAD_ARGUMENT)
}

async fn needs_that_stream(kinesis: &Subject) -> Verdict {
    let name = kinesis.name();
    let put = kinesis.client.put_record().stream_name(&name).partition_key("key");
    refused(put.data(Blob::new("hello")).send().await, NOT_FOUND)?;
    let put = kinesis
        .client
        .put_records()
        .stream_name(&name)
        .records(entry("key", "hello"));
    refused(put.send().await, NOT_FOUND)
}

async fn dry_runs_store_nothing(kinesis: &Subject) -> Verdict {
    const REHEARSED: &[&str] = &["DryRunOperationException"];
    let stream = kinesis.stream(1).await?;
    let put = kinesis
        .client
        .put_record()
        .stream_name(&stream.name)
        .partition_key("key");
    refused(put.data(Blob::new("hello")).dry_run(true).send().await, REHEARSED)?;
    refused(
        stream.putting([entry("key", "hello")]).dry_run(true).send().await,
        REHEARSED,
    )?;
    is_empty(&stream).await
}

async fn keeps_every_byte(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let bytes: Vec<u8> = (0..=255).collect();
    stream.put("key", bytes.clone()).await?;
    stream.put_texts(&[""]).await?;
    let iterator = stream
        .iterator(&stream.first().await?, ShardIteratorType::TrimHorizon)
        .await?;
    let records = stream.read(&iterator).await?;
    let came: Vec<_> = records.iter().map(|record| record.data().as_ref().to_vec()).collect();
    equal("the data", came, vec![bytes, Vec::new()])
}

async fn is_empty(stream: &Stream<'_>) -> Result<(), Mismatch> {
    equal("records", stream.texts(&stream.first().await?).await?, Vec::new())
}
