//! The stream as its operator sees it.

use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{Shard, StreamStatus};

use crate::error::Error;

/// How often a stream that is being changed is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// One stream, by its name.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    client: Client,
    name: String,
}

impl Stream {
    pub(crate) fn new(client: Client, name: &str) -> Self {
        Self {
            client,
            name: name.to_owned(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Creates it, and waits until it can be used.
    pub(crate) async fn create(&self, shards: u16) -> Result<(), Error> {
        let create = self.client.create_stream().stream_name(&self.name);
        let created = create.shard_count(shards.into()).send().await;
        created.map_err(|error| self.failed("CreateStream", error))?;
        self.until_active().await
    }

    /// Waits until no change of it is under way.
    pub(crate) async fn until_active(&self) -> Result<(), Error> {
        loop {
            let describe = self.client.describe_stream_summary().stream_name(&self.name);
            let described = describe
                .send()
                .await
                .map_err(|error| self.failed("DescribeStreamSummary", error))?;
            let status = described
                .stream_description_summary
                .map(|summary| summary.stream_status);
            if status == Some(StreamStatus::Active) {
                return Ok(());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// All its shards, those included that were split and whose records are still there.
    pub(crate) async fn shards(&self) -> Result<Vec<Shard>, Error> {
        let mut shards = Vec::new();
        let mut list = self.client.list_shards().stream_name(&self.name);
        loop {
            let page = list.send().await.map_err(|error| self.failed("ListShards", error))?;
            shards.extend(page.shards.unwrap_or_default());
            // A page after the first is asked for by its token alone.
            let Some(token) = page.next_token else {
                return Ok(shards);
            };
            list = self.client.list_shards().next_token(token);
        }
    }

    /// Splits its widest shard in the middle, and waits until the halves take records.
    pub(crate) async fn split_a_shard(&self) -> Result<(), Error> {
        let shards = self.shards().await?;
        let widest = shards
            .into_iter()
            .filter_map(open_range)
            .max_by_key(|range| range.last - range.first);
        let Some(range) = widest.filter(|range| range.last > range.first) else {
            return Err(Error::NothingToSplit {
                stream: self.name.clone(),
            });
        };
        let middle = range.first + (range.last - range.first) / 2 + 1;
        let split = self
            .client
            .split_shard()
            .stream_name(&self.name)
            .shard_to_split(range.shard_id);
        let split = split.new_starting_hash_key(middle.to_string()).send().await;
        split.map_err(|error| self.failed("SplitShard", error))?;
        self.until_active().await
    }

    fn failed(&self, operation: &'static str, source: impl StdError + Send + Sync + 'static) -> Error {
        Error::Stream {
            operation,
            stream: self.name.clone(),
            source: Box::new(source),
        }
    }
}

/// The hash keys of one open shard.
struct Range {
    shard_id: String,
    first: u128,
    last: u128,
}

/// `None` for a shard that takes no more records.
fn open_range(shard: Shard) -> Option<Range> {
    let is_open = shard.sequence_number_range?.ending_sequence_number.is_none();
    let keys = shard.hash_key_range.filter(|_| is_open)?;
    Some(Range {
        shard_id: shard.shard_id,
        first: keys.starting_hash_key.parse().ok()?,
        last: keys.ending_hash_key.parse().ok()?,
    })
}
