//! How large a record, its key and a request may be.

use aws_sdk_kinesis::primitives::Blob;

use crate::conformance::evidence::Evidence::ServiceModel;
use crate::conformance::evidence::{CREATE_STREAM, LARGE_RECORDS, PUT_RECORDS, PUT_RESULT, UPDATE_RECORD_SIZE};
use crate::conformance::row::Row;
use crate::conformance::stream::{MAX_HASH_KEY, entry, entry_at};
use crate::conformance::subject::Subject;
use crate::conformance::verdict::{BAD_ARGUMENT, Verdict, equal, refused};

const MIB: usize = 1024 * 1024;
const KEY: &str = "key";

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "A record of 1 MiB, its partition key included, is accepted",
        &[LARGE_RECORDS],
        |kinesis| Box::pin(accepts_one_mib(kinesis)),
    ),
    Row::new(
        "A record of 1 MiB and one byte, its partition key included, is refused by default",
        &[LARGE_RECORDS, PUT_RECORDS],
        |kinesis| Box::pin(refuses_one_byte_more(kinesis)),
    )
    .gap("does not count the partition key"),
    Row::new(
        "One record that is too large fails the whole PutRecords call, and none is stored",
        &[PUT_RESULT],
        |kinesis| Box::pin(one_fails_all(kinesis)),
    )
    .gap("fails that record alone, with a code that the API reference does not have for records"),
    Row::new(
        "A stream created with MaxRecordSizeInKiB 2,048 takes records of 2 MiB, and none of more",
        &[ServiceModel, CREATE_STREAM],
        |kinesis| Box::pin(created_for_two_mib(kinesis)),
    ),
    Row::new(
        "UpdateMaxRecordSize lets a stream take records of 10 MiB",
        &[ServiceModel, UPDATE_RECORD_SIZE],
        |kinesis| Box::pin(raised_to_ten_mib(kinesis)),
    ),
    Row::new(
        "UpdateMaxRecordSize refuses 1,023 and 10,241 KiB",
        &[ServiceModel, UPDATE_RECORD_SIZE],
        |kinesis| Box::pin(refuses_other_sizes(kinesis)),
    ),
    Row::new(
        "PutRecords accepts 10 MiB of records in one call",
        &[PUT_RECORDS],
        |kinesis| Box::pin(accepts_ten_mib(kinesis)),
    ),
    Row::new(
        "PutRecords refuses more than 10 MiB in one call, partition keys included",
        &[PUT_RECORDS],
        |kinesis| Box::pin(refuses_more_than_ten_mib(kinesis)),
    )
    .gap("stores them all"),
    Row::new(
        "A partition key of 256 characters is accepted, also if they take more bytes",
        &[ServiceModel],
        |kinesis| Box::pin(accepts_long_keys(kinesis)),
    ),
    Row::new(
        "A partition key of 257 characters is refused",
        &[ServiceModel],
        |kinesis| Box::pin(refuses_longer_keys(kinesis)),
    ),
    Row::new("An empty partition key is refused", &[ServiceModel], |kinesis| {
        Box::pin(refuses_empty_keys(kinesis))
    }),
];

async fn accepts_one_mib(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put(KEY, vec![b'x'; MIB - KEY.len()]).await.map(drop)
}

async fn refuses_one_byte_more(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let put = kinesis.client.put_record().stream_name(&stream.name).partition_key(KEY);
    let put = put.data(Blob::new(vec![b'x'; MIB - KEY.len() + 1]));
    refused(put.send().await, BAD_ARGUMENT)
}

async fn one_fails_all(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let put = stream.putting([entry(KEY, "small"), entry(KEY, vec![b'x'; MIB + 1])]);
    refused(put.send().await, BAD_ARGUMENT)?;
    equal("records", stream.texts(&stream.first().await?).await?, Vec::new())
}

async fn created_for_two_mib(kinesis: &Subject) -> Verdict {
    let name = kinesis.name();
    let create = kinesis.client.create_stream().stream_name(&name).shard_count(1);
    create.max_record_size_in_kib(2_048).send().await?;
    let stream = kinesis.active(name).await?;
    let larger = kinesis.client.put_record().stream_name(&stream.name).partition_key(KEY);
    refused(
        larger.data(Blob::new(vec![b'x'; 2 * MIB + 1])).send().await,
        BAD_ARGUMENT,
    )?;
    stream.put(KEY, vec![b'x'; 2 * MIB - KEY.len()]).await.map(drop)
}

async fn raised_to_ten_mib(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let update = kinesis.client.update_max_record_size().stream_arn(&stream.arn);
    update.max_record_size_in_kib(10_240).send().await?;
    stream.becomes_active().await?;
    stream.put(KEY, vec![b'x'; 10 * MIB - KEY.len()]).await.map(drop)
}

async fn refuses_other_sizes(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    for kib in [1_023, 10_241] {
        let update = kinesis.client.update_max_record_size().stream_arn(&stream.arn);
        refused(update.max_record_size_in_kib(kib).send().await, BAD_ARGUMENT)?;
    }
    Ok(())
}

async fn accepts_ten_mib(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(10).await?;
    // One record for each shard, so that none is too busy.
    let keys = (0..10).map(|shard| MAX_HASH_KEY / 10 * shard + MAX_HASH_KEY / 20);
    let put = stream.putting(keys.map(|key| entry_at(key, vec![b'x'; MIB - KEY.len()])));
    equal("failed records", put.send().await?.failed_record_count(), Some(0))
}

async fn refuses_more_than_ten_mib(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let ten_mib = (0..10).map(|_| entry(KEY, vec![b'x'; MIB - KEY.len()]));
    let put = stream.putting(ten_mib.chain([entry("k", "")]));
    refused(put.send().await.map(|put| put.failed_record_count), BAD_ARGUMENT)
}

async fn accepts_long_keys(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put(&"ä".repeat(256), "hello").await.map(drop)
}

async fn refuses_longer_keys(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    refused(
        stream.putting([entry("k".repeat(257), "hello")]).send().await,
        BAD_ARGUMENT,
    )
}

async fn refuses_empty_keys(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    refused(stream.putting([entry("", "hello")]).send().await, BAD_ARGUMENT)
}
