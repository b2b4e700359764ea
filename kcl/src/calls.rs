//! The calls to the stream. No SDK type leaves this file and `replies`, apart from the client that comes in.

mod replies;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::list_shards::ListShardsOutput;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{ShardFilter, ShardFilterType, ShardIteratorType};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::retry::RetryConfig;
use service::{CallError, Clock, HostInErrors, RangeFault};

pub(crate) use self::replies::{NextRead, Page};
use self::replies::{described_shard, description, misread, not_understood};
use crate::checkpoint::position::SequenceNumber;
use crate::error::{CallErrorKind, StreamError};
use crate::event::WorkerEvent;
use crate::limits::LIST_SHARDS_PAGE;
use crate::observers::Observers;
use crate::stream::{Description, Incarnation, Shard, ShardRef, StartingPosition, StreamRef};

/// What `ListShards` says of a stream that is not ACTIVE.
///
/// Source: ListShards, errors.
const IN_USE: &str = "ResourceInUseException";

/// The calls of one worker, to any stream. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    client: Client,
    timeout: Duration,
    clock: Clock,
    /// The faults in the ranges of shards that were told.
    told: Arc<Mutex<Vec<(StreamRef, RangeFault)>>>,
    observers: Observers,
}

/// Which shards to list.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ShardsToList {
    /// All that the stream still has.
    All,
    /// Those with which a reader that starts there has to begin.
    ToStartAt(StartingPosition),
}

/// Where in a shard to begin to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadFrom {
    TrimHorizon,
    Latest,
    Time(SystemTime),
    At(SequenceNumber),
    After(SequenceNumber),
}

impl fmt::Display for ReadFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TrimHorizon => f.write_str("TRIM_HORIZON"),
            Self::Latest => f.write_str("LATEST"),
            Self::Time(time) => write!(f, "AT_TIMESTAMP {}", DateTime::from(*time)),
            Self::At(number) | Self::After(number) => number.fmt(f),
        }
    }
}

impl Calls {
    /// The SDK's own retries are switched off: the caller owns them.
    pub(crate) fn new(client: &Client, timeout: Duration) -> Self {
        // Once, for all calls: the SDK merges an override into the configuration again with each call.
        let config = client.config().to_builder().retry_config(RetryConfig::disabled());
        let config = config.interceptor(HostInErrors);
        Self {
            client: Client::from_conf(config.build()),
            timeout,
            clock: Clock::default(),
            told: Arc::default(),
            observers: Observers::default(),
        }
    }

    /// Reads the time from `clock` in place of the system's.
    pub(crate) fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Tells `observers` of faults in the ranges of shards.
    pub(crate) fn with_observers(self, observers: Observers) -> Self {
        Self { observers, ..self }
    }

    /// The time by which the SDK signs its requests: the wall clock, unless the client was given another.
    pub(crate) fn wall_clock(&self) -> SystemTime {
        let source = self.client.config().time_source();
        source.map_or_else(|| self.clock.wall(), |source| source.now())
    }

    /// The shards of `stream`, page by page.
    pub(crate) async fn list_shards(&self, stream: &StreamRef, which: ShardsToList) -> Result<Vec<Shard>, StreamError> {
        let (mut shards, mut faults) = (Vec::new(), Vec::new());
        let mut next_token = None;
        loop {
            let page = self
                .in_time("ListShards", self.list_shards_page(stream, which, next_token.take()))
                .await?;
            shards.extend(page.shards().iter().map(|shard| described_shard(shard, &mut faults)));
            match page.next_token {
                Some(token) => next_token = Some(token),
                None => break,
            }
        }
        self.tell(stream, faults);
        Ok(shards)
    }

    /// Tells each fault once: a list is made often, and by many.
    fn tell(&self, stream: &StreamRef, faults: Vec<RangeFault>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new: Vec<_> = faults.into_iter().map(|fault| (stream.clone(), fault)).collect();
        new.retain(|fault| !told.contains(fault));
        told.extend(new.iter().cloned());
        // The application's listener is not called under the lock.
        drop(told);
        for (stream, fault) in new {
            self.observers.tell(WorkerEvent::ShardRangeFault { stream, fault });
        }
    }

    async fn list_shards_page(
        &self,
        stream: &StreamRef,
        which: ShardsToList,
        next_token: Option<String>,
    ) -> Result<ListShardsOutput, StreamError> {
        let call = self.client.list_shards().max_results(LIST_SHARDS_PAGE);
        let call = match next_token {
            // The service refuses a token together with a stream or a filter.
            Some(token) => call.next_token(token),
            None => call
                .set_stream_name(stream.name())
                .set_stream_arn(stream.arn())
                .set_shard_filter(shard_filter(which)?),
        };
        let sent = call.send().await;
        sent.map_err(|error| while_it_changes(failed("ListShards", &error)))
    }

    /// Which incarnation of `stream` there is now. Unknown if access to its description is denied.
    pub(crate) async fn incarnation(&self, stream: &StreamRef) -> Result<Incarnation, StreamError> {
        Ok(self.describe(stream).await?.incarnation)
    }

    /// What the service says of `stream`; nothing if access to that is denied.
    pub(crate) async fn describe(&self, stream: &StreamRef) -> Result<Description, StreamError> {
        let call = self
            .client
            .describe_stream_summary()
            .set_stream_name(stream.name())
            .set_stream_arn(stream.arn());
        let call = async {
            let sent = call.send().await;
            sent.map_err(|error| failed("DescribeStreamSummary", &error))
        };
        match self.in_time("DescribeStreamSummary", call).await {
            Ok(output) => description(&output),
            Err(error) if error.kind().is_denied() => Ok(Description::default()),
            Err(error) => Err(error),
        }
    }

    /// An iterator that begins at `from`.
    pub(crate) async fn get_shard_iterator(&self, shard: &ShardRef, from: &ReadFrom) -> Result<String, StreamError> {
        let call = self
            .client
            .get_shard_iterator()
            .set_stream_name(shard.stream.name())
            .set_stream_arn(shard.stream.arn())
            .shard_id(shard.shard.as_str());
        let call = match from {
            ReadFrom::TrimHorizon => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            ReadFrom::Latest => call.shard_iterator_type(ShardIteratorType::Latest),
            ReadFrom::Time(time) => call
                .shard_iterator_type(ShardIteratorType::AtTimestamp)
                .timestamp(DateTime::from(*time)),
            ReadFrom::At(number) => call
                .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
                .starting_sequence_number(number.as_str()),
            ReadFrom::After(number) => call
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(number.as_str()),
        };
        let call = async { call.send().await.map_err(|error| failed("GetShardIterator", &error)) };
        let output = self.in_time("GetShardIterator", call).await?;
        output
            .shard_iterator
            .ok_or_else(|| not_understood("GetShardIterator", "the reply holds no iterator"))
    }

    /// The records behind an iterator of a shard of `stream`.
    pub(crate) async fn get_records(
        &self,
        stream: &StreamRef,
        iterator: &str,
        max_records: u32,
    ) -> Result<Page, StreamError> {
        let call = self
            .client
            .get_records()
            .shard_iterator(iterator)
            .limit(i32::try_from(max_records).unwrap_or(i32::MAX))
            .set_stream_arn(stream.arn());
        let call = async {
            let output = call.send().await;
            output.map_err(|error| of_iterator(failed("GetRecords", &error)))
        };
        let mut faults = Vec::new();
        let page = Page::of(self.in_time("GetRecords", call).await?, &mut faults);
        self.tell(stream, faults);
        page
    }

    /// Waits for a call, as long as a call may take. No `async fn`, whose future would hold the 6 KB of the SDK's call as well
    /// as the box that [`Clock::timeout`] puts it into.
    fn in_time<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StreamError>>,
    ) -> impl Future<Output = Result<T, StreamError>> {
        let call = self.clock.timeout(self.timeout, call);
        async move {
            call.await.unwrap_or_else(|| {
                let message = format!("no answer within {:?} (kinesis_request_timeout)", self.timeout);
                Err(StreamError {
                    operation,
                    kind: CallErrorKind::Unavailable {
                        code: "Timeout".into(),
                        message,
                    },
                })
            })
        }
    }
}

fn shard_filter(which: ShardsToList) -> Result<Option<ShardFilter>, StreamError> {
    let ShardsToList::ToStartAt(start) = which else {
        return Ok(None);
    };
    let filter = match start {
        StartingPosition::TrimHorizon => ShardFilter::builder().r#type(ShardFilterType::AtTrimHorizon),
        StartingPosition::Latest => ShardFilter::builder().r#type(ShardFilterType::AtLatest),
        StartingPosition::AtTimestamp(time) => ShardFilter::builder()
            .r#type(ShardFilterType::AtTimestamp)
            .timestamp(DateTime::from(time)),
    };
    filter.build().map(Some).map_err(|error| misread("ListShards", &error))
}

fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(
    operation: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> StreamError {
    StreamError {
        operation,
        kind: CallError::of(error).into(),
    }
}

/// A stream that is not ACTIVE cannot be listed at times. That passes, and the service's word for it says little.
fn while_it_changes(StreamError { operation, mut kind }: StreamError) -> StreamError {
    if let CallErrorKind::Unavailable { code, message } = &kind
        && code == IN_USE
    {
        kind = CallErrorKind::Transient {
            code: code.clone(),
            message: format!(
                "the stream is being created, updated or deleted; a worker that starts waits for it for its \
                 initialization_timeout, one that runs tries again: {message}"
            ),
        };
    }
    StreamError { operation, kind }
}

/// An argument that `GetRecords` refuses is its iterator; it has no other.
fn of_iterator(StreamError { operation, mut kind }: StreamError) -> StreamError {
    if let CallErrorKind::Rejected { code, message } = kind {
        kind = CallErrorKind::Iterator { code, message };
    }
    StreamError { operation, kind }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::config::{BehaviorVersion, Config, Region};

    use super::*;

    #[test]
    fn the_sdk_does_not_retry_on_its_own_and_the_client_is_else_as_it_came() {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-north-1"))
            .retry_config(RetryConfig::standard().with_max_attempts(7));
        let client = Client::from_conf(config.build());
        let calls = Calls::new(&client, Duration::from_secs(1));
        let config = calls.client.config();
        assert_eq!(config.retry_config().map(RetryConfig::max_attempts), Some(1));
        assert_eq!(config.region(), client.config().region());
    }

    #[tokio::test]
    async fn the_error_of_a_call_that_reaches_nobody_names_the_host() {
        use aws_sdk_kinesis::config::Credentials;
        use aws_smithy_runtime_api::client::http::{
            HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
        };
        use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
        use aws_smithy_runtime_api::client::result::ConnectorError;

        #[derive(Debug)]
        struct Nobody;

        impl HttpConnector for Nobody {
            fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
                HttpConnectorFuture::ready(Err(ConnectorError::io("no such name".into())))
            }
        }

        let connector = SharedHttpConnector::new(Nobody);
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-north-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .http_client(http_client_fn(move |_, _| connector.clone()));
        let calls = Calls::new(&Client::from_conf(config.build()), Duration::from_secs(1));
        let stream = StreamRef::parse("orders");
        let error = calls
            .list_shards(&stream, ShardsToList::All)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("kinesis.eu-north-1.amazonaws.com") && error.contains("no such name"),
            "{error}"
        );
    }
}
