//! GetShardIterator: where reading starts.

use std::time::Duration;

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardIteratorType::{
    self, AfterSequenceNumber, AtSequenceNumber, AtTimestamp, Latest, TrimHorizon,
};

use crate::conformance::evidence::Evidence::ServiceModel;
use crate::conformance::evidence::{GET_ITERATOR, KCL_CHECKPOINT, KCL_EXPIRY};
use crate::conformance::row::Row;
use crate::conformance::stream::{MAX_HASH_KEY, Stream, entry_at, start, texts};
use crate::conformance::subject::Subject;
use crate::conformance::verdict::{INVALID, Mismatch, NOT_FOUND, Verdict, equal, refused, some};

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "TRIM_HORIZON reads from the oldest record on",
        &[GET_ITERATOR],
        |kinesis| Box::pin(trim_horizon(kinesis)),
    ),
    Row::new("LATEST reads only what is put after it", &[GET_ITERATOR], |kinesis| {
        Box::pin(latest(kinesis))
    }),
    Row::new(
        "AT_SEQUENCE_NUMBER reads from this very record on",
        &[GET_ITERATOR, KCL_CHECKPOINT],
        |kinesis| Box::pin(at_sequence_number(kinesis)),
    ),
    Row::new(
        "AFTER_SEQUENCE_NUMBER reads from the next record on",
        &[GET_ITERATOR, KCL_EXPIRY],
        |kinesis| Box::pin(after_sequence_number(kinesis)),
    ),
    Row::new(
        "AFTER_SEQUENCE_NUMBER of the last record reads what is put later",
        &[GET_ITERATOR, KCL_EXPIRY],
        |kinesis| Box::pin(after_the_last(kinesis)),
    ),
    Row::new(
        "AT_SEQUENCE_NUMBER takes the starting sequence number of the shard, and reads everything",
        &[GET_ITERATOR],
        |kinesis| Box::pin(at_the_start_of_the_range(kinesis)),
    ),
    Row::new(
        "AT_TIMESTAMP reads from the first record on that arrived then or later",
        &[GET_ITERATOR],
        |kinesis| Box::pin(at_timestamp(kinesis)),
    ),
    Row::new(
        "AT_TIMESTAMP older than all records reads everything",
        &[GET_ITERATOR],
        |kinesis| Box::pin(at_an_old_timestamp(kinesis)),
    ),
    Row::new(
        "AT_TIMESTAMP newer than the last record reads nothing that was put before",
        &[GET_ITERATOR],
        |kinesis| Box::pin(at_a_new_timestamp(kinesis)),
    ),
    Row::new(
        "AT_TIMESTAMP in the future is InvalidArgumentException",
        &[],
        |kinesis| Box::pin(at_a_future_timestamp(kinesis)),
    )
    .gap("accepts it"),
    Row::new("AT_TIMESTAMP needs a timestamp", &[], |kinesis| {
        Box::pin(without_timestamp(kinesis))
    }),
    Row::new(
        "AT_SEQUENCE_NUMBER and AFTER_SEQUENCE_NUMBER need a sequence number",
        &[],
        |kinesis| Box::pin(without_number(kinesis)),
    ),
    Row::new(
        "A number that is no sequence number of the service is InvalidArgumentException",
        &[],
        |kinesis| Box::pin(with_a_false_number(kinesis)),
    )
    .gap("accepts it"),
    Row::new(
        "A sequence number of another shard is InvalidArgumentException",
        &[],
        |kinesis| Box::pin(with_a_number_of_another_shard(kinesis)),
    )
    .gap("accepts it"),
    Row::new(
        "A shard that is not there is ResourceNotFoundException",
        &[ServiceModel],
        |kinesis| Box::pin(for_a_missing_shard(kinesis)),
    ),
    Row::new(
        "An iterator of a stream that is not there is ResourceNotFoundException",
        &[ServiceModel],
        |kinesis| Box::pin(for_a_missing_stream(kinesis)),
    ),
    Row::new(
        "An iterator can be had by the stream's ARN alone, and used with it",
        &[ServiceModel, GET_ITERATOR],
        |kinesis| Box::pin(by_arn(kinesis)),
    ),
    Row::new(
        "An iterator can be used more than once, and reads the same records",
        &[],
        |kinesis| Box::pin(twice(kinesis)),
    ),
    Row::new(
        "A text that is no iterator is InvalidArgumentException",
        &[ServiceModel],
        |kinesis| Box::pin(of_no_service(kinesis)),
    )
    .gap("answers an error without a code"),
    Row::new(
        "An iterator expires after five minutes: ExpiredIteratorException",
        &[ServiceModel, GET_ITERATOR, KCL_EXPIRY],
        |kinesis| Box::pin(expires(kinesis)),
    )
    .only_simulated("needs five minutes"),
];

async fn trim_horizon(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["a", "b"]).await?;
    reads(&stream, TrimHorizon, None, &["a", "b"]).await
}

async fn latest(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["a"]).await?;
    let iterator = stream.iterator(&stream.first().await?, Latest).await?;
    stream.put_texts(&["b", "c"]).await?;
    equal("records", texts(&stream.read(&iterator).await?), owned(&["b", "c"]))
}

async fn at_sequence_number(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let numbers = stream.put_texts(&["a", "b", "c"]).await?;
    reads(&stream, AtSequenceNumber, numbers.get(1), &["b", "c"]).await
}

async fn after_sequence_number(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let numbers = stream.put_texts(&["a", "b", "c"]).await?;
    reads(&stream, AfterSequenceNumber, numbers.get(1), &["c"]).await
}

async fn after_the_last(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let numbers = stream.put_texts(&["a", "b"]).await?;
    let locate = stream.locating(&stream.first().await?, AfterSequenceNumber);
    let iterator = start(locate.set_starting_sequence_number(numbers.last().cloned())).await?;
    equal("records", texts(&stream.read(&iterator).await?), Vec::new())?;
    stream.put_texts(&["c"]).await?;
    equal("records", texts(&stream.read(&iterator).await?), owned(&["c"]))
}

async fn at_the_start_of_the_range(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["a", "b"]).await?;
    let shards = stream.shards().await?;
    let range = shards.first().and_then(|shard| shard.sequence_number_range.as_ref());
    let number = some("a sequence number range", range)?.starting_sequence_number();
    reads(&stream, AtSequenceNumber, Some(&number.to_owned()), &["a", "b"]).await
}

async fn at_timestamp(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["a"]).await?;
    kinesis.wait(kinesis.target.spread()).await;
    let moment = kinesis.now();
    kinesis.wait(kinesis.target.spread()).await;
    stream.put_texts(&["b", "c"]).await?;
    let iterator = stream.iterator_at(moment.into()).await?;
    equal("records", texts(&stream.read(&iterator).await?), owned(&["b", "c"]))
}

async fn at_an_old_timestamp(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["a", "b"]).await?;
    let iterator = stream.iterator_at(DateTime::from_secs(1)).await?;
    equal("records", texts(&stream.read(&iterator).await?), owned(&["a", "b"]))
}

async fn at_a_new_timestamp(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["a"]).await?;
    kinesis.wait(kinesis.target.spread()).await;
    let moment = kinesis.now();
    kinesis.wait(kinesis.target.spread()).await;
    let iterator = stream.iterator_at(moment.into()).await?;
    equal("records", texts(&stream.read(&iterator).await?), Vec::new())?;
    stream.put_texts(&["b"]).await?;
    equal("records", texts(&stream.read(&iterator).await?), owned(&["b"]))
}

async fn at_a_future_timestamp(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let tomorrow = kinesis.now() + Duration::from_secs(24 * 3600);
    let locate = stream.locating(&stream.first().await?, AtTimestamp);
    refused(locate.timestamp(tomorrow.into()).send().await, INVALID)
}

async fn without_timestamp(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    refused(
        stream.locating(&stream.first().await?, AtTimestamp).send().await,
        INVALID,
    )
}

async fn without_number(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let shard = stream.first().await?;
    for place in [AtSequenceNumber, AfterSequenceNumber] {
        refused(stream.locating(&shard, place).send().await, INVALID)?;
    }
    Ok(())
}

async fn with_a_false_number(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let locate = stream.locating(&stream.first().await?, AtSequenceNumber);
    refused(locate.starting_sequence_number("12345").send().await, INVALID)
}

async fn with_a_number_of_another_shard(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    let put = stream.putting([entry_at(MAX_HASH_KEY, "x")]).send().await?;
    let number = some("a result", put.records().first())?.sequence_number.clone();
    let locate = stream.locating(&stream.first().await?, AtSequenceNumber);
    refused(locate.set_starting_sequence_number(number).send().await, INVALID)
}

async fn for_a_missing_shard(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    refused(stream.locating("shardId-000000000077", Latest).send().await, NOT_FOUND)
}

async fn for_a_missing_stream(kinesis: &Subject) -> Verdict {
    let locate = kinesis.client.get_shard_iterator().stream_name(kinesis.name());
    let locate = locate.shard_id("shardId-000000000000").shard_iterator_type(Latest);
    refused(locate.send().await, NOT_FOUND)
}

async fn by_arn(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["a"]).await?;
    let locate = kinesis.client.get_shard_iterator().stream_arn(&stream.arn);
    let locate = locate.shard_id(stream.first().await?).shard_iterator_type(TrimHorizon);
    let read = kinesis.client.get_records().shard_iterator(start(locate).await?);
    equal(
        "records",
        texts(read.stream_arn(&stream.arn).send().await?.records()),
        owned(&["a"]),
    )
}

async fn twice(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["a", "b"]).await?;
    let iterator = stream.iterator(&stream.first().await?, TrimHorizon).await?;
    for _ in 0..2 {
        equal("records", texts(&stream.read(&iterator).await?), owned(&["a", "b"]))?;
    }
    Ok(())
}

async fn of_no_service(kinesis: &Subject) -> Verdict {
    kinesis.stream(1).await?;
    refused(
        kinesis.client.get_records().shard_iterator("no iterator").send().await,
        INVALID,
    )
}

async fn expires(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let iterator = stream.iterator(&stream.first().await?, TrimHorizon).await?;
    let read = || kinesis.client.get_records().shard_iterator(&iterator).send();
    kinesis.wait(Duration::from_secs(299)).await;
    read().await?;
    kinesis.wait(Duration::from_secs(2)).await;
    refused(read().await, &["ExpiredIteratorException"])
}

/// Wants these records from a place in the first shard on.
async fn reads(
    stream: &Stream<'_>,
    place: ShardIteratorType,
    number: Option<&String>,
    wanted: &[&str],
) -> Result<(), Mismatch> {
    let locate = stream.locating(&stream.first().await?, place);
    let iterator = start(locate.set_starting_sequence_number(number.cloned())).await?;
    equal("records", texts(&stream.read(&iterator).await?), owned(wanted))
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}
