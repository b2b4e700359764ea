//! The calls to the service. No SDK type leaves this file, apart from the client that comes in.

use std::error::Error;
use std::time::{Duration, SystemTime};

use aggregation::KinesisRecord;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::Builder as ConfigBuilder;
use aws_sdk_kinesis::operation::RequestId as _;
use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, PutRecordsResultEntry, RecordDistributionStrategy, Shard as SdkShard, ShardFilter,
    ShardFilterType, StreamDescriptionSummary, StreamMode, StreamStatus,
};
use aws_smithy_types::retry::RetryConfig;
use service::{CallClass, CallError, Clock, Effect, ShardId, StreamRef, read_range};

use crate::config::ordering::RecordDistribution;
use crate::error::codes::Refusal;
use crate::limits::{DEFAULT_MAX_RECORD_BYTES, LARGEST_MAX_RECORD_BYTES, LIST_SHARDS_PAGE};
use crate::pipeline::{Answer, EntryAnswer};
use crate::routing::shard_map::{Listing, Shard};
use crate::routing::summary::{Resharding, StreamSummary};

/// The service as one producer sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    client: Client,
    stream: StreamRef,
    clock: Clock,
    timeout: Duration,
}

impl Calls {
    pub(crate) fn new(client: Client, stream: StreamRef, timeout: Duration) -> Self {
        Self {
            client,
            stream,
            clock: Clock::default(),
            timeout,
        }
    }

    /// Reads the time from `clock` in place of the system's.
    pub(crate) fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The wall-clock time by which the client signs its requests.
    pub(crate) fn wall_time(&self) -> SystemTime {
        let source = self.client.config().time_source();
        source.map_or_else(|| self.clock.wall(), |source| source.now())
    }

    /// One `PutRecords`, tried once: the pipeline owns the retries.
    pub(crate) async fn put_records(&self, entries: Vec<KinesisRecord>) -> Answer {
        let entries = match entries.into_iter().map(request_entry).collect() {
            Ok(entries) => entries,
            Err(failure) => return Answer::Failed(failure),
        };
        let call = self
            .client
            .put_records()
            .set_stream_name(self.stream.name())
            .set_stream_arn(self.stream.arn())
            .set_stream_id(self.stream.id())
            .set_records(Some(entries))
            .customize()
            .config_override(once())
            .send();
        match self.clock.timeout(self.timeout, call).await {
            Some(Ok(output)) => entry_answers(output),
            Some(Err(error)) => Answer::Failed(CallError::of(&error)),
            None => Answer::Failed(timed_out(self.timeout)),
        }
    }

    /// The open shards of the stream, page by page.
    pub(crate) async fn list_shards(&self) -> Result<Listing, CallError> {
        let mut listing = Listing::default();
        let mut next_token = None;
        loop {
            let page = self.list_shards_page(next_token.take());
            let page = match self.clock.timeout(self.timeout, page).await {
                Some(page) => page?,
                None => return Err(timed_out(self.timeout)),
            };
            for shard in page.shards() {
                add_open_shard(shard, &mut listing);
            }
            match page.next_token {
                Some(token) => next_token = Some(token),
                None => return Ok(listing.checked()),
            }
        }
    }

    /// What the service says of the stream.
    pub(crate) async fn describe_stream_summary(&self) -> Result<StreamSummary, CallError> {
        let call = self
            .client
            .describe_stream_summary()
            .set_stream_name(self.stream.name())
            .set_stream_arn(self.stream.arn())
            .set_stream_id(self.stream.id())
            .customize()
            .config_override(once())
            .send();
        match self.clock.timeout(self.timeout, call).await {
            Some(Ok(output)) => Ok(output.stream_description_summary().map(summary).unwrap_or_default()),
            Some(Err(error)) => Err(CallError::of(&error)),
            None => Err(timed_out(self.timeout)),
        }
    }

    async fn list_shards_page(
        &self,
        next_token: Option<String>,
    ) -> Result<aws_sdk_kinesis::operation::list_shards::ListShardsOutput, CallError> {
        let call = self.client.list_shards().max_results(LIST_SHARDS_PAGE);
        let call = match next_token {
            // The service refuses a token together with a stream or a filter.
            Some(token) => call.next_token(token),
            None => call
                .set_stream_name(self.stream.name())
                .set_stream_arn(self.stream.arn())
                .set_stream_id(self.stream.id())
                .shard_filter(at_latest()?),
        };
        call.customize()
            .config_override(once())
            .send()
            .await
            .map_err(|error| CallError::of(&error))
    }
}

/// Switches the SDK's own retries off.
fn once() -> ConfigBuilder {
    ConfigBuilder::new().retry_config(RetryConfig::disabled())
}

fn at_latest() -> Result<ShardFilter, CallError> {
    ShardFilter::builder()
        .r#type(ShardFilterType::AtLatest)
        .build()
        .map_err(|error| invalid(&error))
}

/// A record without a partition key has no hash key either.
fn request_entry(record: KinesisRecord) -> Result<PutRecordsRequestEntry, CallError> {
    let entry = PutRecordsRequestEntry::builder().data(Blob::new(record.data.to_vec()));
    let entry = match &*record.partition_key {
        "" => entry,
        key => entry
            .partition_key(key)
            .explicit_hash_key(record.explicit_hash_key.to_string()),
    };
    entry.build().map_err(|error| invalid(&error))
}

fn entry_answers(output: PutRecordsOutput) -> Answer {
    Answer::Entries {
        request_id: output.request_id().map(Into::into),
        entries: output.records.into_iter().map(entry_answer).collect(),
    }
}

/// An entry is stored if and only if it has a sequence number.
fn entry_answer(entry: PutRecordsResultEntry) -> EntryAnswer {
    match entry.sequence_number {
        Some(sequence_number) if !sequence_number.is_empty() => EntryAnswer::Stored {
            shard: ShardId::new(entry.shard_id.as_deref().unwrap_or_default()),
            sequence_number: sequence_number.into(),
        },
        _ => EntryAnswer::Refused(Refusal::new(
            entry.error_code.unwrap_or_default(),
            entry.error_message.unwrap_or_default(),
        )),
    }
}

fn summary(summary: &StreamDescriptionSummary) -> StreamSummary {
    let max_record_kib = summary.max_record_size_in_kib().map(usize::try_from);
    let stream_limits = DEFAULT_MAX_RECORD_BYTES..=LARGEST_MAX_RECORD_BYTES;
    StreamSummary {
        distribution: distribution(summary),
        max_record_bytes: max_record_kib
            .and_then(Result::ok)
            .map(|kib| kib.saturating_mul(1024))
            .filter(|bytes| stream_limits.contains(bytes)),
        resharding: if *summary.stream_status() == StreamStatus::Updating {
            Resharding::UnderWay
        } else {
            Resharding::None
        },
    }
}

/// A provisioned stream follows keys, and its description need not say so.
fn distribution(summary: &StreamDescriptionSummary) -> RecordDistribution {
    let is_provisioned = || {
        let mode = summary.stream_mode_details().map(|details| details.stream_mode());
        mode == Some(&StreamMode::Provisioned)
    };
    match summary.record_distribution_strategy() {
        Some(RecordDistributionStrategy::Auto) => RecordDistribution::Auto,
        Some(RecordDistributionStrategy::UserPartitionKey) => RecordDistribution::UserPartitionKey,
        None if is_provisioned() => RecordDistribution::UserPartitionKey,
        _ => RecordDistribution::Unknown,
    }
}

/// Adds the shard, if it has no ending sequence number.
fn add_open_shard(shard: &SdkShard, listing: &mut Listing) {
    let numbers = shard.sequence_number_range();
    if numbers.is_some_and(|range| range.ending_sequence_number().is_some()) {
        return;
    }
    let id = ShardId::new(shard.shard_id());
    let keys = shard.hash_key_range();
    let keys = keys.map(|keys| (keys.starting_hash_key(), keys.ending_hash_key()));
    match read_range(&id, keys, &mut listing.faults) {
        Some(range) => listing.open.push(Shard { id, range }),
        None => listing.unreadable.push(id),
    }
}

fn timed_out(timeout: Duration) -> CallError {
    CallError::timed_out(format!("no answer within {timeout:?} (request_timeout)"))
}

fn invalid(error: &dyn Error) -> CallError {
    CallError {
        code: "RequestNotBuilt".into(),
        message: error.to_string(),
        request_id: None,
        class: CallClass::Transient,
        effect: Effect::None,
    }
}

#[cfg(test)]
#[cfg(not(feature = "_loom"))]
mod tests;
