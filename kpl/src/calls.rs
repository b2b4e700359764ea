//! The calls to the service. No SDK type leaves this file, apart from the client that comes in.

use std::error::Error;
use std::time::{Duration, SystemTime};

use aggregation::{HashKeyRange, InvalidHashKey, KinesisRecord};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::Builder as ConfigBuilder;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::RequestId as _;
use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, PutRecordsResultEntry, RecordDistributionStrategy, Shard as SdkShard, ShardFilter,
    ShardFilterType, StreamDescriptionSummary, StreamMode, StreamStatus,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::retry::RetryConfig;

use crate::clock;
use crate::limits::{DEFAULT_MAX_RECORD_BYTES, LARGEST_MAX_RECORD_BYTES, LIST_SHARDS_PAGE};
use crate::ordering::RecordDistribution;
use crate::pipeline::{Answer, CallFailure, EntryAnswer};
use crate::shard_map::{Shard, ShardId};
use crate::stream::StreamRef;
use crate::summary::{Resharding, StreamSummary};

/// The service as one producer sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    client: Client,
    stream: StreamRef,
    stream_id: Option<String>,
    timeout: Duration,
}

impl Calls {
    pub(crate) fn new(client: Client, stream: StreamRef, timeout: Duration) -> Self {
        Self {
            client,
            stream,
            stream_id: None,
            timeout,
        }
    }

    /// Names the stream's id beside its name or ARN.
    pub(crate) fn with_stream_id(mut self, stream_id: Option<String>) -> Self {
        self.stream_id = stream_id;
        self
    }

    /// The wall-clock time by which the client signs its requests.
    pub(crate) fn wall_time(&self) -> SystemTime {
        let source = self.client.config().time_source();
        source.map_or_else(clock::wall, |source| source.now())
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
            .set_stream_id(self.stream_id.clone())
            .set_records(Some(entries))
            .customize()
            .config_override(once())
            .send();
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(output)) => entry_answers(output),
            Ok(Err(error)) => Answer::Failed(call_failure(&error)),
            Err(_) => Answer::Failed(timed_out(self.timeout)),
        }
    }

    /// The open shards of the stream, page by page.
    pub(crate) async fn list_shards(&self) -> Result<Vec<Shard>, CallFailure> {
        let mut shards = Vec::new();
        let mut next_token = None;
        loop {
            let page = self.list_shards_page(next_token.take());
            let page = match tokio::time::timeout(self.timeout, page).await {
                Ok(page) => page?,
                Err(_) => return Err(timed_out(self.timeout)),
            };
            for shard in page.shards() {
                shards.extend(open_shard(shard)?);
            }
            match page.next_token {
                Some(token) => next_token = Some(token),
                None => return Ok(shards),
            }
        }
    }

    /// What the service says of the stream.
    pub(crate) async fn describe_stream_summary(&self) -> Result<StreamSummary, CallFailure> {
        let call = self
            .client
            .describe_stream_summary()
            .set_stream_name(self.stream.name())
            .set_stream_arn(self.stream.arn())
            .set_stream_id(self.stream_id.clone())
            .customize()
            .config_override(once())
            .send();
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(output)) => Ok(output.stream_description_summary().map(summary).unwrap_or_default()),
            Ok(Err(error)) => Err(call_failure(&error)),
            Err(_) => Err(timed_out(self.timeout)),
        }
    }

    async fn list_shards_page(
        &self,
        next_token: Option<String>,
    ) -> Result<aws_sdk_kinesis::operation::list_shards::ListShardsOutput, CallFailure> {
        let call = self.client.list_shards().max_results(LIST_SHARDS_PAGE);
        let call = match next_token {
            // The service refuses a token together with a stream or a filter.
            Some(token) => call.next_token(token),
            None => call
                .set_stream_name(self.stream.name())
                .set_stream_arn(self.stream.arn())
                .set_stream_id(self.stream_id.clone())
                .shard_filter(at_latest()?),
        };
        call.customize()
            .config_override(once())
            .send()
            .await
            .map_err(|error| call_failure(&error))
    }
}

/// Switches the SDK's own retries off.
fn once() -> ConfigBuilder {
    ConfigBuilder::new().retry_config(RetryConfig::disabled())
}

fn at_latest() -> Result<ShardFilter, CallFailure> {
    ShardFilter::builder()
        .r#type(ShardFilterType::AtLatest)
        .build()
        .map_err(|error| invalid(&error))
}

/// A record without a partition key has no hash key either.
fn request_entry(record: KinesisRecord) -> Result<PutRecordsRequestEntry, CallFailure> {
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
        _ => EntryAnswer::Refused {
            code: entry.error_code.unwrap_or_default(),
            message: entry.error_message.unwrap_or_default(),
        },
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

/// The shard, if it has no ending sequence number.
fn open_shard(shard: &SdkShard) -> Result<Option<Shard>, CallFailure> {
    if shard
        .sequence_number_range()
        .is_some_and(|range| range.ending_sequence_number().is_some())
    {
        return Ok(None);
    }
    let range = shard
        .hash_key_range()
        .ok_or_else(|| unreadable(&"a shard has no hash key range"))?;
    let key = |text: &str| text.parse().map_err(|error: InvalidHashKey| unreadable(&error));
    let range = HashKeyRange::new(key(range.starting_hash_key())?, key(range.ending_hash_key())?);
    Ok(Some(Shard {
        id: ShardId::new(shard.shard_id()),
        range: range.map_err(|error| unreadable(&error))?,
    }))
}

/// A map with a hole would send records to shards that do not hold them, so a listing is understood as a whole or not.
fn unreadable(reason: &dyn std::fmt::Display) -> CallFailure {
    CallFailure {
        code: "UnreadableResponse".into(),
        message: reason.to_string(),
        request_id: None,
        may_have_been_applied: false,
    }
}

fn call_failure<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E, HttpResponse>) -> CallFailure {
    let request_id = error.request_id().map(Into::into);
    let failure = |code: &str, message: String, may_have_been_applied| CallFailure {
        code: code.to_owned(),
        message,
        request_id: request_id.clone(),
        may_have_been_applied,
    };
    let text = || chain(error);
    match error {
        SdkError::ServiceError(service) => {
            let server_side = service.raw().status().as_u16() >= 500;
            let code = service.err().code().unwrap_or("UnknownError");
            failure(
                code,
                service.err().message().unwrap_or_default().to_owned(),
                server_side,
            )
        }
        SdkError::TimeoutError(_) => failure("Timeout", text(), true),
        SdkError::DispatchFailure(_) if lacks_credentials(error) => failure("RequestNotBuilt", text(), false),
        // A connection that was made may have ended before the answer.
        SdkError::DispatchFailure(_) => failure("Connection", text(), !was_never_connected(error)),
        SdkError::ResponseError(_) => failure("UnreadableResponse", text(), true),
        SdkError::ConstructionFailure(_) => failure("RequestNotBuilt", text(), false),
        _ => failure("UnknownError", text(), true),
    }
}

/// Whether nobody could sign the request.
fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<CredentialsError>())
}

/// Whether there was no connection on which the request could have been sent: no address, nobody who listens, or nobody
/// to be trusted. Another HTTP client than the SDK's own may not tell.
fn was_never_connected(error: &(dyn Error + 'static)) -> bool {
    let mut of_client = causes(error).filter_map(|cause| cause.downcast_ref::<hyper_util::client::legacy::Error>());
    of_client.any(hyper_util::client::legacy::Error::is_connect)
}

/// The error and what it was caused by, in turn.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn timed_out(timeout: Duration) -> CallFailure {
    CallFailure {
        code: "Timeout".into(),
        message: format!("no answer within {timeout:?} (request_timeout)"),
        request_id: None,
        may_have_been_applied: true,
    }
}

fn invalid(error: &dyn Error) -> CallFailure {
    CallFailure {
        code: "RequestNotBuilt".into(),
        message: error.to_string(),
        request_id: None,
        may_have_been_applied: false,
    }
}

/// What an error and its causes say, one behind the other. The SDK's own errors name their layer only.
fn chain(error: &(dyn Error + 'static)) -> String {
    let texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    texts.join(": ")
}

#[cfg(test)]
#[cfg(not(feature = "_loom"))]
mod tests;
