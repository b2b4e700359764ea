//! Pure: the Kinesis Data Streams service as a model, told the time with every call.
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//! use testkit::kinesis::{Kinesis, Request, Settings};
//!
//! let mut kinesis = Kinesis::new(Settings::default());
//! let start = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
//! let create = Request::decode("CreateStream", br#"{"StreamName":"orders","ShardCount":1}"#)?;
//! kinesis.handle(create, start)?;
//!
//! let active = start + Duration::from_secs(1);
//! let put = br#"{"StreamName":"orders","PartitionKey":"customer-1","Data":"aGVsbG8="}"#;
//! let reply = kinesis.handle(Request::decode("PutRecord", put)?, active)?;
//! assert!(reply.encode().starts_with(br#"{"ShardId":"shardId-000000000000","SequenceNumber":"#));
//!
//! let (_, record) = kinesis.stored("orders").next().expect("one record");
//! assert_eq!(record.data, "hello");
//! # Ok::<(), testkit::kinesis::ServiceError>(())
//! ```
//!
//! # What is modelled
//!
//! | part | rules |
//! |---|---|
//! | streams | CREATING, UPDATING, DELETING for the times in [`Settings`]; shard quota, five streams in creation; by name or by ARN |
//! | writes | sizes, hash keys, 1,000 records/s and 1 MiB/s a shard, failures entry by entry |
//! | reads | iterators that expire, 10 MiB a reply, 5 calls/s and 2 MiB/s a shard with debt, lag, the end of a shard with its children |
//! | listing | all filters, paging with tokens that expire, 1,000 calls/s a stream |
//! | resharding | splits, merges and uniform scaling with true lineage, while reads and writes go on |
//! | retention | records and closed shards disappear; the period can be changed |
//! | sequence numbers | the service's own layout: increasing in a shard, larger in children and in a stream created again |
//!
//! # What is not
//!
//! Fan-out consumers, encryption, tags, metrics, permissions, `DryRun`, queues and channels, the scaling of on-demand
//! streams, and the call rates of the control plane other than those above. An operation that is not modelled answers
//! `UnknownOperationException`.

use std::collections::BTreeMap;
use std::time::SystemTime;

mod change;
mod describe;
mod error;
mod get;
mod iterator;
mod lifecycle;
pub mod limits;
mod list_shards;
mod put;
mod refusal;
pub mod request;
mod reshard;
pub mod response;
mod scaling;
mod sequence;
mod settings;
mod shard;
mod shard_id;
mod stream;
mod throughput;
mod timestamp;
mod token;
mod token_bucket;
mod validate;
mod wire;

#[cfg(test)]
mod scenarios;

pub use error::ServiceError;
pub use request::Request;
pub use response::Response;
pub use sequence::{InvalidSequenceNumber, SequenceNumber};
pub use settings::{Limits, Settings};
pub use shard::StoredRecord;
pub use shard_id::{InvalidShardId, ShardId};
pub use timestamp::Timestamp;

use shard::Shard;
use stream::Stream;
use token_bucket::TokenBucket;
use validate::Constraints;

/// The whole service in one region, for one account: streams, shards, records.
#[derive(Debug)]
pub struct Kinesis {
    settings: Settings,
    streams: BTreeMap<String, Stream>,
    /// By the name of a deleted stream, the largest second under which its sequence numbers sorted.
    retired: BTreeMap<String, u64>,
    describe_calls: TokenBucket,
    describe_summary_calls: TokenBucket,
    /// How often all iterators were made to expire.
    iterator_generation: u64,
    /// The latest moment that was ever told.
    clock: Timestamp,
}

impl Default for Kinesis {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Kinesis {
    /// A service without streams.
    pub fn new(settings: Settings) -> Self {
        let clock = Timestamp::default();
        Self {
            settings,
            streams: BTreeMap::new(),
            retired: BTreeMap::new(),
            describe_calls: TokenBucket::full(limits::DESCRIBE_STREAM_CALLS_PER_SECOND, clock),
            describe_summary_calls: TokenBucket::full(limits::DESCRIBE_SUMMARY_CALLS_PER_SECOND, clock),
            iterator_generation: 0,
            clock,
        }
    }

    /// Answers one call at the time `now`.
    ///
    /// The service's clock has milliseconds and never goes back: a `now` before an earlier one counts as that one.
    ///
    /// # Errors
    ///
    /// As the service has them, with the messages of the service where they are known.
    pub fn handle(&mut self, request: Request, now: SystemTime) -> Result<Response, ServiceError> {
        let now = self.advance(now);
        if request.dry_run() == Some(true) {
            return Err(ServiceError::validation("DryRun is not modelled."));
        }
        match request {
            Request::CreateStream(request) => self.create_stream(request, now).map(done),
            Request::DecreaseStreamRetentionPeriod(request) => self.decrease_retention(&request, now).map(done),
            Request::DeleteStream(request) => self.delete_stream(&request, now).map(done),
            Request::DescribeStream(request) => self.describe_stream(&request, now).map(Response::DescribeStream),
            Request::DescribeStreamSummary(request) => self
                .describe_stream_summary(&request, now)
                .map(Response::DescribeStreamSummary),
            Request::GetRecords(request) => self.get_records(&request, now).map(Response::GetRecords),
            Request::GetShardIterator(request) => {
                self.get_shard_iterator(&request, now).map(Response::GetShardIterator)
            }
            Request::IncreaseStreamRetentionPeriod(request) => self.increase_retention(&request).map(done),
            Request::ListShards(request) => self.list_shards(&request, now).map(Response::ListShards),
            Request::ListStreams(request) => self.list_streams(&request).map(Response::ListStreams),
            Request::MergeShards(request) => self.merge_shards(&request, now).map(done),
            Request::PutRecord(request) => self.put_record(request, now).map(Response::PutRecord),
            Request::PutRecords(request) => self.put_records(request, now).map(Response::PutRecords),
            Request::SplitShard(request) => self.split_shard(&request, now).map(done),
            Request::UpdateShardCount(request) => {
                self.update_shard_count(&request, now).map(Response::UpdateShardCount)
            }
        }
    }

    /// Lets time pass without a call: pending changes happen, expired records disappear.
    pub fn settle(&mut self, now: SystemTime) {
        self.advance(now);
    }

    /// Makes every shard iterator expire that was handed out so far.
    pub fn expire_iterators(&mut self) {
        self.iterator_generation += 1;
    }

    /// The names of the streams, whatever their state, as of the last call.
    pub fn stream_names(&self) -> impl Iterator<Item = &str> {
        self.streams.keys().map(String::as_str)
    }

    /// The shards of a stream by id, closed ones included, as of the last call; none if there is no such stream.
    pub fn shards(&self, stream: &str) -> Vec<response::Shard> {
        self.streams
            .get(stream)
            .into_iter()
            .flat_map(Stream::shards)
            .map(Shard::describe)
            .collect()
    }

    /// The records of a stream that are not trimmed away, by shard and in the order of their numbers.
    pub fn stored(&self, stream: &str) -> impl Iterator<Item = (ShardId, &StoredRecord)> {
        let shards = self.streams.get(stream).into_iter().flat_map(Stream::shards);
        shards.flat_map(|shard| shard.records().map(|record| (shard.id, record)))
    }

    /// How many records a stream has ever stored, those trimmed away included.
    pub fn stored_count(&self, stream: &str) -> u64 {
        self.streams.get(stream).map_or(0, |stream| stream.stored)
    }

    fn advance(&mut self, now: SystemTime) -> Timestamp {
        let now = self.clock.max(now.into());
        self.clock = now;
        for stream in self.streams.values_mut() {
            stream.settle(now);
        }
        for (name, stream) in self.streams.extract_if(.., |_, stream| stream.is_gone(now)) {
            self.retired.insert(name, stream.era());
        }
        now
    }

    /// Finds the stream that a request names, by its name, its ARN or both.
    fn stream_mut(&mut self, name: Option<&str>, arn: Option<&str>) -> Result<&mut Stream, ServiceError> {
        Constraints::default().name("streamName", name).check()?;
        let of_arn = arn.map(|arn| self.settings.stream_of_arn(arn)).transpose()?;
        let name = match (name, of_arn) {
            (Some(name), Some(of_arn)) if name != of_arn => {
                let message = format!(
                    "StreamName {name} and StreamARN {} name two streams.",
                    arn.unwrap_or_default()
                );
                return Err(ServiceError::invalid_argument(message));
            }
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => {
                return Err(ServiceError::validation(
                    "Either StreamName or StreamARN should be provided.",
                ));
            }
        };
        self.streams
            .get_mut(name)
            .ok_or_else(|| refusal::no_stream(name, &self.settings.account_id))
    }
}

fn done((): ()) -> Response {
    Response::Done(response::Done {})
}
