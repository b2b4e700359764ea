//! Which shard a record goes to, and which number it gets there.

use std::collections::BTreeSet;
use std::time::SystemTime;

use aggregation::HashKey;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{Record, Shard, ShardIteratorType};

use crate::conformance::evidence::Evidence::ServiceModel;
use crate::conformance::evidence::{GET_RECORDS, KCL_SYNC, KPL_ROUTING, MERGING, PUT_RECORD, PUT_RECORDS, TERMS};
use crate::conformance::row::Row;
use crate::conformance::stream::{MAX_HASH_KEY, Stream, by_value, entry, entry_at, hash_range};
use crate::conformance::subject::Subject;
use crate::conformance::verdict::{BAD_ARGUMENT, INVALID, Mismatch, Verdict, equal, refused, some, want};

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "The shards of a new stream cover all hash keys, from 0 to 2^128-1, once",
        &[MERGING, KCL_SYNC],
        |kinesis| Box::pin(shards_cover_all_keys(kinesis)),
    ),
    Row::new(
        "A record goes to the shard whose range holds the MD5 of its partition key",
        &[PUT_RECORDS, KPL_ROUTING],
        |kinesis| Box::pin(goes_by_md5(kinesis)),
    ),
    Row::new(
        "An ExplicitHashKey overrides the partition key",
        &[PUT_RECORDS, KPL_ROUTING],
        |kinesis| Box::pin(goes_by_explicit_key(kinesis)),
    ),
    Row::new(
        "The ExplicitHashKeys 0 and 2^128-1 are accepted, in the first and the last shard",
        &[TERMS],
        |kinesis| Box::pin(accepts_extreme_keys(kinesis)),
    ),
    Row::new("An ExplicitHashKey of 2^128 is refused", &[], |kinesis| {
        Box::pin(refuses_larger_keys(kinesis))
    }),
    Row::new(
        "An ExplicitHashKey that is no canonical decimal number is refused",
        &[ServiceModel],
        |kinesis| Box::pin(refuses_other_texts(kinesis)),
    )
    .gap("answers an error without a code"),
    Row::new(
        "One ExplicitHashKey out of range fails the whole PutRecords call, and nothing is stored",
        &[],
        |kinesis| Box::pin(one_key_fails_all(kinesis)),
    ),
    Row::new(
        "Sequence numbers increase in a shard from call to call",
        &[PUT_RECORD],
        |kinesis| Box::pin(numbers_increase(kinesis)),
    ),
    Row::new("Sequence numbers are unique in a stream", &[PUT_RECORDS], |kinesis| {
        Box::pin(numbers_are_unique(kinesis))
    }),
    Row::new(
        "SequenceNumberForOrdering takes the number of the record before",
        &[ServiceModel, PUT_RECORD],
        |kinesis| Box::pin(takes_an_ordering(kinesis)),
    ),
    Row::new(
        "SequenceNumberForOrdering refuses a number that is no sequence number",
        &[],
        |kinesis| Box::pin(refuses_a_false_ordering(kinesis)),
    ),
    Row::new(
        "A record's arrival timestamp lies between its put and now",
        &[GET_RECORDS],
        |kinesis| Box::pin(arrival_is_now(kinesis)),
    ),
];

async fn shards_cover_all_keys(kinesis: &Subject) -> Verdict {
    let mut shards = kinesis.stream(3).await?.shards().await?;
    equal("shards", shards.len(), 3)?;
    shards.sort_by_key(|shard| hash_range(shard).map_or(0, |range| range.0));
    let mut next = Some(0);
    for shard in &shards {
        let (start, end) = hash_range(shard)?;
        equal("the next hash key", Some(start), next)?;
        next = end.checked_add(1);
    }
    equal("a hash key behind the last", next, None)
}

async fn goes_by_md5(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(4).await?;
    let shards = stream.shards().await?;
    let keys = (0..50).map(|number| format!("customer-{number}"));
    let keys: Vec<_> = keys.chain(["ä".to_owned()]).collect();
    let put = stream.putting(keys.iter().map(|key| entry(key, "x"))).send().await?;
    for (key, result) in keys.iter().zip(put.records()) {
        let holder = holder(&shards, HashKey::of_partition_key(key).value())?;
        equal("the shard", result.shard_id(), Some(holder))?;
    }
    Ok(())
}

async fn goes_by_explicit_key(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(4).await?;
    let shards = stream.shards().await?;
    for shard in &shards {
        let (start, end) = hash_range(shard)?;
        let put = stream
            .putting([entry_at(start, "first"), entry_at(end, "last")])
            .send()
            .await?;
        for result in put.records() {
            equal("the shard", result.shard_id(), Some(shard.shard_id()))?;
        }
    }
    Ok(())
}

async fn accepts_extreme_keys(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    let shards = stream.shards().await?;
    let put = stream
        .putting([entry_at(0, "x"), entry_at(MAX_HASH_KEY, "x")])
        .send()
        .await?;
    let came: Vec<_> = put.records().iter().map(|result| result.shard_id()).collect();
    equal(
        "shards",
        came,
        vec![Some(holder(&shards, 0)?), Some(holder(&shards, MAX_HASH_KEY)?)],
    )
}

const BEYOND: &str = "340282366920938463463374607431768211456";

async fn refuses_larger_keys(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let put = kinesis
        .client
        .put_record()
        .stream_name(&stream.name)
        .partition_key("key");
    refused(put.data(Blob::new("x")).explicit_hash_key(BEYOND).send().await, INVALID)
}

async fn refuses_other_texts(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    for text in ["01", "-1", "x"] {
        refused(stream.putting([entry_at(text, "x")]).send().await, BAD_ARGUMENT)?;
    }
    Ok(())
}

async fn one_key_fails_all(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let put = stream.putting([entry_at(7, "x"), entry_at(BEYOND, "x")]);
    refused(put.send().await, INVALID)?;
    equal("records", stream.texts(&stream.first().await?).await?, Vec::new())
}

async fn numbers_increase(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let mut numbers = stream.put_texts(&["a", "b", "c"]).await?;
    let put = stream.putting([entry("key", "d")]).send().await?;
    numbers.extend(put.records().iter().filter_map(|result| result.sequence_number.clone()));
    want("four increasing numbers", numbers, |numbers| {
        numbers.len() == 4 && numbers.is_sorted_by(|a, b| by_value(a) < by_value(b))
    })
}

async fn numbers_are_unique(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(4).await?;
    let keys = (0..200).map(|number| entry(format!("customer-{number}"), "x"));
    let put = stream.putting(keys).send().await?;
    let numbers: BTreeSet<_> = put
        .records()
        .iter()
        .filter_map(|result| result.sequence_number())
        .collect();
    equal("different numbers", numbers.len(), 200)
}

async fn takes_an_ordering(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let first = stream.put("key", "first").await?.sequence_number;
    let put = kinesis
        .client
        .put_record()
        .stream_name(&stream.name)
        .partition_key("key");
    let put = put
        .data(Blob::new("second"))
        .sequence_number_for_ordering(&first)
        .send()
        .await?;
    want("a larger number", put.sequence_number, |second| {
        by_value(second) > by_value(&first)
    })
}

async fn refuses_a_false_ordering(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let put = kinesis
        .client
        .put_record()
        .stream_name(&stream.name)
        .partition_key("key");
    let put = put.data(Blob::new("x")).sequence_number_for_ordering("9".repeat(60));
    refused(put.send().await, INVALID)
}

async fn arrival_is_now(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let before = kinesis.now() - kinesis.target.spread();
    for record in arrivals(&stream).await? {
        let after = kinesis.now() + kinesis.target.spread();
        want("a time since the put", record, |arrival| {
            (before..=after).contains(arrival)
        })?;
    }
    Ok(())
}

async fn arrivals(stream: &Stream<'_>) -> Result<Vec<SystemTime>, Mismatch> {
    stream.put_texts(&["a", "b"]).await?;
    let iterator = stream
        .iterator(&stream.first().await?, ShardIteratorType::TrimHorizon)
        .await?;
    let records = stream.read(&iterator).await?;
    equal("records", records.len(), 2)?;
    let arrival = |record: &Record| {
        let arrival = some("an arrival timestamp", record.approximate_arrival_timestamp)?;
        Ok(SystemTime::try_from(arrival)?)
    };
    records.iter().map(arrival).collect()
}

/// The id of the shard that holds a hash key.
fn holder(shards: &[Shard], key: u128) -> Result<&str, Mismatch> {
    for shard in shards {
        let (start, end) = hash_range(shard)?;
        if (start..=end).contains(&key) {
            return Ok(shard.shard_id());
        }
    }
    Err(Mismatch::new("a shard for every hash key", key))
}
