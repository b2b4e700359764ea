//! A stream of a row, and the calls that rows make again and again.

use std::time::Duration;

use aws_sdk_kinesis::error::ProvideErrorMetadata as _;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::operation::get_shard_iterator::builders::GetShardIteratorFluentBuilder;
use aws_sdk_kinesis::operation::list_shards::builders::ListShardsFluentBuilder;
use aws_sdk_kinesis::operation::put_record::PutRecordOutput;
use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
use aws_sdk_kinesis::operation::put_records::builders::PutRecordsFluentBuilder;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, Record, ScalingType, Shard, ShardFilter, ShardFilterType, ShardIteratorType,
};
use tokio::time::sleep;

use super::subject::Subject;
use super::verdict::{Mismatch, some};

/// The largest hash key.
pub(crate) const MAX_HASH_KEY: u128 = u128::MAX;

/// A stream that a row made.
#[derive(Debug)]
pub(crate) struct Stream<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) name: String,
    pub(crate) arn: String,
}

impl Stream<'_> {
    pub(crate) async fn put(&self, key: &str, data: impl Into<Vec<u8>>) -> Result<PutRecordOutput, Mismatch> {
        let put = self.subject.client.put_record().stream_name(&self.name);
        Ok(put.partition_key(key).data(Blob::new(data)).send().await?)
    }

    pub(crate) fn putting(&self, entries: impl IntoIterator<Item = PutRecordsRequestEntry>) -> PutRecordsFluentBuilder {
        let put = self.subject.client.put_records().stream_name(&self.name);
        put.set_records(Some(entries.into_iter().collect()))
    }

    /// Puts these texts, one call each, under one key; the numbers that they got.
    pub(crate) async fn put_texts(&self, texts: &[&str]) -> Result<Vec<String>, Mismatch> {
        let mut numbers = Vec::new();
        for text in texts {
            numbers.push(self.put("key", *text).await?.sequence_number);
        }
        sleep(self.subject.target.propagation()).await;
        Ok(numbers)
    }

    /// Puts so many small records in one call.
    pub(crate) async fn put_many(&self, count: usize) -> Result<PutRecordsOutput, Mismatch> {
        let put = self.putting((0..count).map(|number| entry("key", number.to_string())));
        let put = put.send().await?;
        sleep(self.subject.target.propagation()).await;
        Ok(put)
    }

    pub(crate) fn listing(&self) -> ListShardsFluentBuilder {
        self.subject.client.list_shards().stream_name(&self.name)
    }

    pub(crate) async fn shards(&self) -> Result<Vec<Shard>, Mismatch> {
        Ok(self.listing().send().await?.shards.unwrap_or_default())
    }

    /// The ids of the shards that pass a filter.
    pub(crate) async fn filtered(&self, filter: ShardFilter) -> Result<Vec<String>, Mismatch> {
        let listed = self.listing().shard_filter(filter).send().await?;
        Ok(ids(listed.shards()))
    }

    /// The id of the first shard.
    pub(crate) async fn first(&self) -> Result<String, Mismatch> {
        let shards = self.shards().await?;
        some("a shard", shards.into_iter().next().map(|shard| shard.shard_id))
    }

    pub(crate) fn locating(&self, shard: &str, place: ShardIteratorType) -> GetShardIteratorFluentBuilder {
        let locate = self.subject.client.get_shard_iterator().stream_name(&self.name);
        locate.shard_id(shard).shard_iterator_type(place)
    }

    /// An iterator that needs nothing but its type.
    pub(crate) async fn iterator(&self, shard: &str, place: ShardIteratorType) -> Result<String, Mismatch> {
        start(self.locating(shard, place)).await
    }

    /// The first shard's iterator that starts at a moment.
    pub(crate) async fn iterator_at(&self, moment: DateTime) -> Result<String, Mismatch> {
        let shard = self.first().await?;
        start(self.locating(&shard, ShardIteratorType::AtTimestamp).timestamp(moment)).await
    }

    /// One GetRecords call that gets through.
    pub(crate) async fn page(&self, iterator: &str) -> Result<GetRecordsOutput, Mismatch> {
        loop {
            match self.subject.client.get_records().shard_iterator(iterator).send().await {
                Err(error) if error.code() == Some("ProvisionedThroughputExceededException") => {
                    sleep(Duration::from_millis(250)).await;
                }
                answer => return Ok(answer?),
            }
        }
    }

    /// All records from here on.
    pub(crate) async fn read(&self, iterator: &str) -> Result<Vec<Record>, Mismatch> {
        let mut next = Some(iterator.to_owned());
        let mut records = Vec::new();
        while let Some(iterator) = next {
            let page = self.page(&iterator).await?;
            let is_caught_up = page.records.is_empty() && page.millis_behind_latest == Some(0);
            records.extend(page.records);
            next = page.next_shard_iterator.filter(|_| !is_caught_up);
        }
        Ok(records)
    }

    /// All records of a shard, as texts.
    pub(crate) async fn texts(&self, shard: &str) -> Result<Vec<String>, Mismatch> {
        let iterator = self.iterator(shard, ShardIteratorType::TrimHorizon).await?;
        Ok(texts(&self.read(&iterator).await?))
    }

    /// The page at which a shard ends.
    pub(crate) async fn last_page(&self, shard: &str) -> Result<GetRecordsOutput, Mismatch> {
        let mut iterator = self.iterator(shard, ShardIteratorType::TrimHorizon).await?;
        for _ in 0..20 {
            let page = self.page(&iterator).await?;
            match page.next_shard_iterator {
                Some(next) => iterator = next,
                None => return Ok(page),
            }
        }
        Err(Mismatch::new("the end of the shard", "always another iterator"))
    }

    /// Splits the first shard in its middle; the ids of the parent and its children.
    pub(crate) async fn split(&self) -> Result<(String, Vec<String>), Mismatch> {
        let shards = self.shards().await?;
        let parent = some("a shard", shards.first())?;
        let (start, end) = hash_range(parent)?;
        let middle = start + (end - start) / 2 + 1;
        self.split_at(parent.shard_id(), middle).await?;
        Ok((parent.shard_id.clone(), self.children(parent.shard_id()).await?))
    }

    pub(crate) async fn split_at(&self, shard: &str, middle: u128) -> Result<(), Mismatch> {
        let split = self.subject.client.split_shard().stream_name(&self.name);
        split
            .shard_to_split(shard)
            .new_starting_hash_key(middle.to_string())
            .send()
            .await?;
        self.becomes_active().await
    }

    /// Merges the first two shards; their ids, and the ids of their children.
    pub(crate) async fn merge(&self) -> Result<([String; 2], Vec<String>), Mismatch> {
        let shards = self.shards().await?;
        let [lower, upper] = shards
            .get(..2)
            .and_then(|pair| <&[Shard; 2]>::try_from(pair).ok())
            .ok_or_else(|| Mismatch::new("two shards", shards.len()))?;
        self.merge_pair(lower.shard_id(), upper.shard_id()).await?;
        let children = self.children(lower.shard_id()).await?;
        Ok(([lower.shard_id.clone(), upper.shard_id.clone()], children))
    }

    pub(crate) async fn merge_pair(&self, shard: &str, adjacent: &str) -> Result<(), Mismatch> {
        let merge = self.subject.client.merge_shards().stream_name(&self.name);
        merge
            .shard_to_merge(shard)
            .adjacent_shard_to_merge(adjacent)
            .send()
            .await?;
        self.becomes_active().await
    }

    pub(crate) async fn scale(&self, target: i32) -> Result<(), Mismatch> {
        let update = self.subject.client.update_shard_count().stream_name(&self.name);
        update
            .target_shard_count(target)
            .scaling_type(ScalingType::UniformScaling)
            .send()
            .await?;
        self.becomes_active().await
    }

    pub(crate) async fn becomes_active(&self) -> Result<(), Mismatch> {
        self.subject.active(self.name.clone()).await.map(drop)
    }

    /// The ids of the shards that were made from this one.
    async fn children(&self, parent: &str) -> Result<Vec<String>, Mismatch> {
        let shards = self.shards().await?;
        let of_parent =
            |shard: &&Shard| [shard.parent_shard_id(), shard.adjacent_parent_shard_id()].contains(&Some(parent));
        Ok(shards
            .iter()
            .filter(of_parent)
            .map(|shard| shard.shard_id.clone())
            .collect())
    }
}

/// The iterator that a call asks for.
pub(crate) async fn start(locate: GetShardIteratorFluentBuilder) -> Result<String, Mismatch> {
    some("an iterator", locate.send().await?.shard_iterator)
}

pub(crate) fn entry(key: impl Into<String>, data: impl Into<Vec<u8>>) -> PutRecordsRequestEntry {
    let entry = PutRecordsRequestEntry::builder()
        .partition_key(key)
        .data(Blob::new(data));
    entry.build().expect("a record with data")
}

/// A record for the shard that holds this hash key.
pub(crate) fn entry_at(hash_key: impl ToString, data: impl Into<Vec<u8>>) -> PutRecordsRequestEntry {
    let entry = PutRecordsRequestEntry::builder()
        .partition_key("key")
        .data(Blob::new(data));
    entry
        .explicit_hash_key(hash_key.to_string())
        .build()
        .expect("a record with data")
}

pub(crate) fn filter(kind: ShardFilterType) -> ShardFilter {
    ShardFilter::builder()
        .r#type(kind)
        .build()
        .expect("a filter with a type")
}

pub(crate) fn filter_at(kind: ShardFilterType, moment: DateTime) -> ShardFilter {
    let filter = ShardFilter::builder().r#type(kind).timestamp(moment);
    filter.build().expect("a filter with a type")
}

pub(crate) fn texts(records: &[Record]) -> Vec<String> {
    let data = records.iter().map(|record| record.data().as_ref());
    data.map(|data| String::from_utf8_lossy(data).into_owned()).collect()
}

pub(crate) fn ids(shards: &[Shard]) -> Vec<String> {
    shards.iter().map(|shard| shard.shard_id.clone()).collect()
}

/// The first and the last hash key of a shard.
pub(crate) fn hash_range(shard: &Shard) -> Result<(u128, u128), Mismatch> {
    let range = some("a hash key range", shard.hash_key_range())?;
    Ok((range.starting_hash_key().parse()?, range.ending_hash_key().parse()?))
}

/// Sorts sequence numbers, which are larger than any integer, by their value.
pub(crate) fn by_value(number: &str) -> (usize, &str) {
    (number.len(), number)
}
