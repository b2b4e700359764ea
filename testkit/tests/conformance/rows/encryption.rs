//! Server-side encryption, as far as clients see it.

use aws_sdk_kinesis::types::{EncryptionType, ShardIteratorType};

use crate::conformance::evidence::Evidence::ServiceModel;
use crate::conformance::evidence::START_ENCRYPTION;
use crate::conformance::row::Row;
use crate::conformance::stream::{Stream, entry};
use crate::conformance::subject::Subject;
use crate::conformance::verdict::{Mismatch, Verdict, equal, want};

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "Writes to an encrypted stream answer KMS",
        &[ServiceModel, START_ENCRYPTION],
        |kinesis| Box::pin(writes_say_so(kinesis)),
    ),
    Row::new(
        "Records of an encrypted stream say KMS, and are read in the clear",
        &[ServiceModel],
        |kinesis| Box::pin(records_say_so(kinesis)),
    ),
    Row::new(
        "Writes to a stream whose encryption was stopped answer NONE, or nothing",
        &[ServiceModel],
        |kinesis| Box::pin(can_be_stopped(kinesis)),
    ),
];

const KEY: &str = "alias/aws/kinesis";

async fn writes_say_so(kinesis: &Subject) -> Verdict {
    let stream = encrypted(kinesis).await?;
    let put = stream.put("key", "x").await?;
    equal("the encryption", put.encryption_type(), Some(&EncryptionType::Kms))?;
    let put = stream.putting([entry("key", "x")]).send().await?;
    equal("the encryption", put.encryption_type(), Some(&EncryptionType::Kms))
}

async fn records_say_so(kinesis: &Subject) -> Verdict {
    let stream = encrypted(kinesis).await?;
    stream.put_texts(&["hello"]).await?;
    let iterator = stream
        .iterator(&stream.first().await?, ShardIteratorType::TrimHorizon)
        .await?;
    let records = stream.read(&iterator).await?;
    let came: Vec<_> = records
        .iter()
        .map(|record| (record.data().as_ref(), record.encryption_type()))
        .collect();
    equal("the record", came, vec![(&b"hello"[..], Some(&EncryptionType::Kms))])
}

async fn can_be_stopped(kinesis: &Subject) -> Verdict {
    let stream = encrypted(kinesis).await?;
    let stop = kinesis.client.stop_stream_encryption().stream_name(&stream.name);
    stop.encryption_type(EncryptionType::Kms).key_id(KEY).send().await?;
    stream.becomes_active().await?;
    let put = stream.put("key", "x").await?;
    want("no encryption", put.encryption_type(), |kind| {
        kind.is_none_or(|kind| *kind == EncryptionType::None)
    })
}

async fn encrypted(kinesis: &Subject) -> Result<Stream<'_>, Mismatch> {
    let stream = kinesis.stream(1).await?;
    let encrypt = kinesis.client.start_stream_encryption().stream_name(&stream.name);
    encrypt.encryption_type(EncryptionType::Kms).key_id(KEY).send().await?;
    stream.becomes_active().await?;
    // The service takes up to five seconds more until all records are encrypted.
    kinesis.wait(3 * kinesis.target.propagation()).await;
    Ok(stream)
}
